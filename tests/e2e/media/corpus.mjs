// A corpus with known values on known pages: generated documents with a seed, each once with values and once with
// words in their place. papers(seed, dir, cwebp) writes them, and returns [{ name, kind, size, file, values, text }].
import { execFileSync } from 'node:child_process'
import { deflateSync } from 'node:zlib'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { chunk, paper } from './pdf.mjs'

// ---- random numbers ----

function chance(seed) {
	let a = seed >>> 0
	const next = () => {
		a = (a + 0x6d2b79f5) >>> 0
		let t = Math.imul(a ^ (a >>> 15), 1 | a)
		t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
		return ((t ^ (t >>> 14)) >>> 0) / 4294967296
	}
	const r = { next, int: (from, to) => from + Math.floor(next() * (to - from + 1)), of: (list) => list[Math.floor(next() * list.length)] }
	r.digits = (n) => Array.from({ length: n }, () => r.int(0, 9)).join('')
	r.sometimes = (share) => next() < share
	r.shuffled = (list) => list.map((x) => [next(), x]).sort((x, y) => x[0] - y[0]).map((x) => x[1])
	return r
}

// ---- values, with the words before each ----

const mod97 = (s) => [...s].reduce((n, c) => (n * (c > '9' ? 100 : 10) + parseInt(c, 36)) % 97, 0)
const luhn = (s) => [...s].reverse().reduce((n, c, i) => n + (i % 2 ? +c : +c * 2 > 9 ? +c * 2 - 9 : +c * 2), 0) * 9 % 10
const fours = (s, by) => s.match(/.{1,4}/g).join(by)
const ENTITIES = {
	IBAN_CODE: { before: ['IBAN:', 'Account', 'Please pay to'], instead: 'as in the contract', make(r) {
		const [land, bank, n] = r.of([['DE', '', 18], ['AT', '', 16], ['NL', 'ABNA', 10], ['GB', 'NWBK', 14], ['SE', '', 20], ['CH', '', 17]])
		const rest = bank + r.digits(n)
		const iban = land + String(98 - mod97(`${rest}${land}00`)).padStart(2, '0') + rest
		return r.sometimes(0.7) ? fours(iban, ' ') : iban
	} },
	EMAIL_ADDRESS: { before: ['E-mail:', 'Write to', 'Contact:'], instead: 'by letter', make: (r) =>
		`${r.of(['anna', 'ben', 'carla', 'dmitri', 'eva', 'farid'])}${r.of(['.', '_', ''])}${r.of(['keller', 'moreau', 'okafor', 'lindqvist', 'novak'])}${r.of(['', r.digits(2)])}@${r.of(['brightmill', 'norden-bau', 'cityclinic', 'harbor'])}.${r.of(['com', 'de', 'org', 'co.uk'])}` },
	CREDIT_CARD: { before: ['Card:', 'Credit card', 'Card no.'], instead: 'on delivery', make(r) {
		const [head, n] = r.of([['4', 16], ['51', 16], ['55', 16], ['37', 15]])
		const body = head + r.digits(n - 1 - head.length)
		const card = body + luhn(body), by = r.of([' ', ' ', '-', ''])
		return n === 15 ? [card.slice(0, 4), card.slice(4, 10), card.slice(10)].join(by) : fours(card, by)
	} },
	US_SSN: { before: ['SSN:', 'Social security no.', 'US SSN'], instead: 'on file', make: (r) =>
		`${r.of(['212', '318', '457', '536', '621'])}-${String(r.int(10, 99))}-${r.int(1000, 9999)}` },
	PHONE_NUMBER: { before: ['Phone:', 'Tel.', 'Call'], instead: 'the front desk', make: (r) =>
		r.of([`+49 30 ${r.int(2, 8)}${r.digits(6)}`, `(${r.of([212, 415, 617])}) ${r.int(220, 980)}-${r.digits(4)}`, `+44 20 ${r.int(7, 8)}${r.digits(3)} ${r.digits(4)}`, `+1 ${r.of([312, 206, 713])}-${r.int(220, 980)}-${r.digits(4)}`]) },
}
export const NAMES = Object.keys(ENTITIES)

// ---- the text around them: words, dates, amounts, order numbers ----

const WORDS = 'the plan of a house with three rooms and garden was shown to all who live near mill road where old trees stand since many years they asked for light doors walls that last costs are shared by owners as agreed in spring when work begins paint roof windows delivery goods checked on arrival returned within month unless parties agree otherwise meeting notes report quarter sales grew staff moved office new desk'.split(' ')
function phrase(r, n) {
	return Array.from({ length: n }, () => r.sometimes(0.12) ? r.of([`${r.int(1, 28)} March ${r.int(2018, 2026)}`, `${r.int(1, 9)},${r.digits(3)}.${r.digits(2)} EUR`, `order ${r.digits(4)}-${r.digits(4)}`,
		`${r.int(8, 17)}:${r.of(['05', '15', '30', '45'])}`, `no. RE-${r.int(2019, 2026)}-${r.digits(5)}`, `${r.int(2, 60)} x ${r.int(1, 9)}.${r.int(1, 9)} mm`, `${r.int(1, 99)} %`, `item ${r.digits(6)}`]) : r.of(WORDS)).join(' ')
}
// lines of at most N characters; some words are hyphenated at the end of a line
function flow(r, words, most) {
	const out = []
	let line = ''
	for (const w of phrase(r, words).split(' ')) {
		if (line.length + w.length < most) { line += (line && ' ') + w; continue }
		const cut = /^[a-z]{6,}$/.test(w) && line.length + 4 < most && r.sometimes(0.3) ? 3 : 0
		out.push(cut ? `${line} ${w.slice(0, cut)}-` : line)
		line = w.slice(cut)
	}
	return [...out, line]
}

// ---- a page: items { x, y, text, value } ----

const WIDE = 0.6 // the width of a letter in Courier; no other font is wider on average
function page_of(r, d, values, number) {
	const { size, layout } = d, step = size * r.of([1.2, 1.4, 1.6]), left = r.int(40, 90), items = []
	const columns = layout === 'columns' ? [left, left + 260] : [left]
	const most = Math.floor((layout === 'columns' ? 245 : 560 - left) / (size * WIDE))
	if (d.edges) items.push({ x: left, y: 770, text: phrase(r, 3) }, { x: 280, y: 24, text: `Page ${number} of ${d.pages}` })
	const rows = Math.floor(690 / step)
	const at = r.shuffled(Array.from({ length: columns.length * Math.max(1, Math.floor((rows - 4) / 3)) }, (_, i) => i)).slice(0, values.length)
	columns.forEach((x, c) => {
		let y = 740, used = 0
		const add = (text, more) => { items.push({ x, y, text, ...more }); y -= step; used++ }
		for (let slot = 0; used < rows - 4; slot++) {
			const value = values[at.indexOf(slot * columns.length + c)]
			if (value) {
				const ahead = `${value.before} `
				const [first, rest] = d.wrap ? wrapped(value.text) : [value.text]
				if (layout === 'table') {
					items.push({ x: x + 25 * size * WIDE + 10, y, text: first, value })
					add(value.before)
				} else if (d.wrap) {
					add((flow(r, 30, Math.max(0, most - ahead.length - first.length))[0] + ' ' + ahead).trimStart() + first, { value })
					if (rest) add(`${rest} ${r.of(WORDS)} ${r.of(WORDS)}`, { value })
				} else {
					add(ahead.length + value.text.length <= most ? ahead + value.text : value.text, { value })
				}
			}
			for (const line of flow(r, r.int(6, 14), most).slice(0, 2)) if (used < rows - 2) add(line)
		}
	})
	return items
}
// the places where a line may end: after a space, a hyphen, an @ or a period
function wrapped(text) {
	const ends = [...text.matchAll(/[ @.-]/g)].map((m) => m.index + 1).filter((i) => i > 2 && i < text.length - 2)
	const i = ends[Math.floor(ends.length / 2)]
	return i ? [text.slice(0, i).trimEnd(), text.slice(i)] : [text]
}

// ---- operators and fonts ----

const literal = (s) => `(${s.replace(/([()\\])/g, '\\$1')})`
const HOW = {
	whole: (t) => `${literal(t)} Tj`,
	kerned: (t, r, put) => `[${t.split(/(?<=.)(?=[A-Z0-9@ ])/).map((p) => (p[0] === ' ' ? `${-r.int(220, 300)} ${p.length > 1 ? put(p.slice(1)) : ''}` : `${-r.int(0, 12)} ${put(p)}`)).join(' ')}] TJ`,
	pieces: (t, r, put) => t.match(/.{1,5}/g).map((p) => `${put(p)} Tj`).join(' '),
	words: (t, r, put, size) => { // each word at its own place, in Courier
		let x = 0, out = ''
		for (const w of t.split(' ')) { out += `${x} 0 Td ${put(w)} Tj `; x = (w.length + 1) * size * WIDE }
		return out
	},
	letters: (t, r, put, size) => [...t].map((c, i) => `${i ? size * WIDE : 0} 0 Td ${put(c)} Tj`).join(' '),
	hex: (t) => `<${Buffer.from(t).toString('hex')}> Tj`,
}
// the words of a page in random order, each at its place, in Courier
const shuffled = (r, items, size) => r.shuffled(items.flatMap((i) => [...i.text.matchAll(/\S+/g)].map((m) => ({ x: i.x + m.index * size * WIDE, y: i.y, text: m[0] }))))
const GLYPHS = { ' ': 'space', '.': 'period', ',': 'comma', ':': 'colon', '@': 'at', '-': 'hyphen', '+': 'plus', '(': 'parenleft', ')': 'parenright', '_': 'underscore', '%': 'percent',
	...Object.fromEntries(['zero', 'one', 'two', 'three', 'four', 'five', 'six', 'seven', 'eight', 'nine'].map((n, i) => [i, n])) }
const LETTERS = [...'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789 .,:@-+()_%']
const hex = (n, wide) => n.toString(16).padStart(wide, '0')
const base = (name, encoding = '/WinAnsiEncoding') => `<</Type/Font/Subtype/Type1/BaseFont/${name}/Encoding${encoding}>>`
// fonts whose codes are not letters: { font, more, put }
const FONTS = {
	identity(r, next) { // Identity-H, with its own ToUnicode
		const codes = new Map(r.shuffled(LETTERS).map((c, i) => [c, i + 5]))
		const map = `/CIDInit /ProcSet findresource begin 12 dict begin begincmap /CMapName /A def /CMapType 2 def 1 begincodespacerange <0000> <ffff> endcodespacerange ${codes.size} beginbfchar ${[...codes].map(([c, n]) => `<${hex(n, 4)}> <${hex(c.charCodeAt(0), 4)}>`).join(' ')} endbfchar endcmap end end`
		return { font: `<</Type/Font/Subtype/Type0/BaseFont/AAAAAA+Some/Encoding/Identity-H/DescendantFonts[${next} 0 R]/ToUnicode ${next + 1} 0 R>>`,
			more: [`<</Type/Font/Subtype/CIDFontType2/BaseFont/AAAAAA+Some/CIDSystemInfo<</Registry(Adobe)/Ordering(Identity)/Supplement 0>>/DW 600/FontDescriptor ${next + 2} 0 R>>`, ['', map],
				'<</Type/FontDescriptor/FontName/AAAAAA+Some/Flags 4/FontBBox[0 0 600 800]/ItalicAngle 0/Ascent 800/Descent -200/CapHeight 700/StemV 80>>'],
			put: (t) => `<${[...t].map((c) => hex(codes.get(c), 4)).join('')}>` }
	},
	differences(r) { // letters by the names of their glyphs
		const codes = new Map(r.shuffled(LETTERS).map((c, i) => [c, i + 130]))
		return { font: base('Helvetica', `<</Type/Encoding/Differences[130 ${[...codes.keys()].map((c) => `/${GLYPHS[c] ?? c}`).join('')}]>>`), more: [],
			put: (t) => `<${[...t].map((c) => hex(codes.get(c), 2)).join('')}>` }
	},
}
const hexed = (b) => Buffer.from(Buffer.from(b, 'latin1').toString('hex') + '>')
const fixed = (n) => n.toFixed(4)

// A PDF of its pages' items. d: how, font, place, coat (of the contents), packed.
function pdf_of(r, d, pages) {
	const next = 4 + 2 * pages.length
	const odd = FONTS[d.font]?.(r, next), put = odd?.put ?? literal
	const how = (t) => (odd && (!HOW[d.how] || HOW[d.how].length < 3) ? `${put(t)} Tj` : HOW[d.how ?? 'whole'](t, r, put, d.size))
	const place = PLACES[d.place ?? 'upright'](r)
	const more = odd?.more ?? []
	return paper(pages.map((items) => {
		if (d.shuffled) items = shuffled(r, items, d.size)
		let contents = (place.before ?? '') + items.map((i) => `BT /F1 ${d.size} Tf ${place.render ?? 0} Tr ${fixed(i.x)} ${fixed(i.y)} Td ${how(i.text)} ET\n`).join('') + (place.after ?? '')
		const page = { more: place.page, box: place.box }
		if (d.coat === 'form') {
			more.push([`/Type/XObject/Subtype/Form/BBox[-2000 -2000 2000 2000]/Resources<</Font<</F1 3 0 R>>>>`, contents])
			page.resources = `/XObject<</X ${next + more.length - 1} 0 R>>`
			contents = '/X Do'
		} else if (d.coat === 'hex') {
			contents = hexed(contents)
			page.filter = '/Filter/ASCIIHexDecode'
		} else if (d.coat === 'both') {
			contents = hexed(deflateSync(Buffer.from(contents, 'latin1')).toString('latin1'))
			page.filter = '/Filter[/ASCIIHexDecode/FlateDecode]'
		}
		return { ...page, contents }
	}), { font: odd?.font ?? base(d.font ?? 'Helvetica'), more, packed: d.packed })
}
const turn = (degrees, x = 306, y = 396) => {
	const a = degrees * Math.PI / 180, c = Math.cos(a), s = Math.sin(a)
	return `1 0 0 1 ${x} ${y} cm ${fixed(c)} ${fixed(s)} ${fixed(-s)} ${fixed(c)} 0 0 cm 1 0 0 1 ${-x} ${-y} cm\n`
}
const PLACES = {
	upright: () => ({}),
	'rotate 90': () => ({ page: '/Rotate 90' }),
	'rotate 180': () => ({ page: '/Rotate 180' }),
	'rotate 270': () => ({ page: '/Rotate 270' }),
	'turned 90': () => ({ before: turn(90) }),
	'turned 180': () => ({ before: turn(180) }),
	'turned 270': () => ({ before: turn(270) }),
	tilted: (r) => ({ before: turn(r.of([-30, -12, 7, 25, 40])) }),
	skewed: (r) => ({ before: turn(r.of([-3, -2, -1, 1, 2, 3])) }),
	'beside the page': (r) => ({ before: `1 0 0 1 ${r.of([-900, 900, 5000])} ${r.of([0, -1200])} cm\n` }),
	'another box': () => ({ box: '/MediaBox[-300 -200 900 1000]/CropBox[-300 -200 -250 -150]' }),
	white: () => ({ before: '1 1 1 rg\n' }),
	invisible: () => ({ render: 3 }),
	clipped: () => ({ before: '0 0 5 5 re W n\n' }),
	covered: () => ({ after: '0.9 g 0 0 612 792 re f\n' }),
	tiny: () => ({ before: '0.05 0 0 0.05 300 300 cm\n' }),
}

// ---- images: a page as poppler draws it, then noise, then less contrast ----

function drawn(dir, bytes, page, dpi) {
	writeFileSync(join(dir, '.page.pdf'), bytes)
	const pgm = execFileSync('pdftoppm', ['-gray', '-r', `${dpi}`, '-f', `${page}`, '-l', `${page}`, join(dir, '.page.pdf')], { maxBuffer: 1 << 26, stdio: ['ignore', 'pipe', 'ignore'] })
	const [head, w, h] = /^P5\s+(\d+)\s+(\d+)\s+255\s/.exec(pgm.subarray(0, 40).toString('latin1'))
	return { w: +w, h: +h, grey: Buffer.from(pgm.subarray(head.length)) }
}
function worn(r, { w, h, grey }, [dark, light], noise) {
	return { w, h, grey: grey.map((v) => Math.max(0, Math.min(255, dark + v * (light - dark) / 255 + noise * (r.next() + r.next() - 1)))) }
}
function turned({ w, h, grey }, degrees) {
	const out = Buffer.alloc(w * h), upright = degrees === 180, ow = upright ? w : h
	for (let y = 0; y < h; y++)
		for (let x = 0; x < w; x++)
			out[degrees === 90 ? x * ow + (h - 1 - y) : upright ? (h - 1 - y) * ow + (w - 1 - x) : (w - 1 - x) * ow + y] = grey[y * w + x]
	return { w: ow, h: upright ? h : w, grey: out }
}
function png({ w, h, grey }) {
	const head = Buffer.from([0, 0, 0, 0, 0, 0, 0, 0, 8, 0, 0, 0, 0]), rows = Buffer.alloc(h * (w + 1))
	head.writeUInt32BE(w, 0)
	head.writeUInt32BE(h, 4)
	for (let y = 0; y < h; y++) Buffer.from(grey.buffer, grey.byteOffset + y * w, w).copy(rows, y * (w + 1) + 1)
	return Buffer.concat([Buffer.from('\x89PNG\r\n\x1a\n', 'latin1'), chunk('IHDR', head), chunk('IDAT', deflateSync(rows)), chunk('IEND', Buffer.alloc(0))])
}
function scan(pictures) {
	const next = 4 + 2 * pictures.length
	return paper(pictures.map((_, i) => ({ contents: 'q 612 0 0 792 0 0 cm /I Do Q', resources: `/XObject<</I ${next + i} 0 R>>` })),
		{ more: pictures.map(({ w, h, grey }) => [`/Type/XObject/Subtype/Image/Width ${w}/Height ${h}/ColorSpace/DeviceGray/BitsPerComponent 8`, Buffer.from(grey)]) })
}

// ---- the classes, and the number of documents of each ----

const SIZES = [6, 8, 9, 10, 11, 12, 14, 18, 24], LAYOUTS = ['letter', 'letter', 'columns', 'table']
const SLANTS = ['tilted', 'skewed'], TURNS = Object.keys(PLACES).filter((p) => ![...SLANTS, 'upright'].includes(p))
const fixed_width = (d) => (d.shuffled || ['words', 'letters'].includes(d.how) ? { ...d, font: 'Courier' } : d)
export const CLASSES = [
	{ kind: 'text', n: 12, make: (r) => ({ pages: r.int(1, 30), font: r.of(['Helvetica', 'Times-Roman', 'Courier']) }) },
	{ kind: 'moved or turned', n: TURNS.length, make: (r, i) => ({ pages: r.int(1, 4), place: TURNS[i] }) },
	{ kind: 'at a slant', n: 6, make: (r, i) => ({ pages: r.int(1, 2), place: SLANTS[i % 2] }) },
	{ kind: 'in pieces', n: 10, make: (r, i) => fixed_width({ pages: r.int(1, 5), how: ['kerned', 'pieces', 'words', 'letters', 'hex'][i % 5] }) },
	{ kind: 'in another order', n: 6, make: (r) => fixed_width({ pages: r.int(1, 3), shuffled: true }) },
	{ kind: 'over two lines', n: 8, make: (r, i) => ({ pages: r.int(1, 5), wrap: true, layout: ['letter', 'letter', 'columns'][i % 3] }) },
	{ kind: 'odd fonts and coats', n: 10, make: (r, i) => [{ font: 'identity' }, { font: 'differences' }, { packed: true }, { coat: 'form' }, { coat: 'hex' }, { coat: 'both' }, { font: 'identity', packed: true, how: 'kerned' }, { font: 'differences', how: 'pieces' }, { packed: true, coat: 'form' }, { font: 'identity', coat: 'both' }].map((d) => ({ pages: r.int(1, 6), ...d }))[i] },
	...[100, 150, 200].map((dpi) => ({ kind: `scanned, ${dpi} dpi`, n: 5, ocr: true, make: (r) => ({ pages: r.int(1, 2), dpi, noise: r.of([0, 10, 25]) }) })),
	{ kind: 'scanned, 1 to 3 degrees off', n: 5, ocr: true, make: (r) => ({ pages: 1, dpi: r.of([150, 200]), noise: 10, place: 'skewed' }) },
	{ kind: 'scanned, grey on grey', n: 5, ocr: true, make: (r) => ({ pages: 1, dpi: r.of([150, 200]), noise: 4, tones: r.of([[100, 170], [150, 200], [60, 110], [170, 190]]) }) },
	{ kind: 'scanned, on its side or head', n: 3, ocr: true, make: (r, i) => ({ pages: 1, dpi: 150, noise: 0, turned: [90, 180, 270][i] }) },
	...['png', 'jpg', 'webp'].map((type) => ({ kind: { png: 'PNG', jpg: 'JPEG', webp: 'WebP' }[type], n: 5, ocr: true, type, make: (r) => ({ pages: 1, dpi: r.of([100, 150, 200]), noise: r.of([0, 10]), quality: r.of([50, 75, 90]) }) })),
]
const PICTURES = {
	png: (dir, picture) => png(picture),
	webp: (dir, picture, d, cwebp) => execFileSync(cwebp, ['-quiet', '-q', `${d.quality}`, '-o', '-', '--', '-'], { input: png(picture), maxBuffer: 1 << 26 }),
	jpg: (dir, picture, d) => { // poppler's JPEG of a page that is that image
		writeFileSync(join(dir, '.page.pdf'), scan([picture]))
		return execFileSync('pdftoppm', ['-jpeg', '-jpegopt', `quality=${d.quality}`, '-gray', '-r', `${d.dpi}`, join(dir, '.page.pdf')], { maxBuffer: 1 << 26 })
	},
}

// with values, and a twin with words in their place; everything else has the same random numbers
function document(dir, seed, c, i, cwebp, with_values) {
	const r = chance(seed), v = chance(seed ^ 0x5eed)
	const d = { layout: r.of(LAYOUTS), edges: r.sometimes(0.5), size: r.of(SIZES), ...c.make(r, i) }
	if (d.layout === 'columns') d.size = Math.min(d.size, 11)
	if (d.layout === 'table') d.size = Math.min(d.size, 14)
	const values = v.shuffled(NAMES).map((entity) => {
		const e = ENTITIES[entity], text = e.make(v)
		return { entity, text: with_values ? text : e.instead, before: v.of(e.before), page: v.int(1, d.pages) }
	})
	const pages = Array.from({ length: d.pages }, (_, p) => page_of(r, d, values.filter((x) => x.page === p + 1), p + 1))
	let bytes = pdf_of(r, d, pages), type = 'pdf'
	if (c.ocr) {
		let pictures = pages.map((_, p) => worn(r, drawn(dir, bytes, p + 1, d.dpi), d.tones ?? [0, 255], d.noise))
		if (d.turned) pictures = pictures.map((p) => turned(p, d.turned))
		type = c.type ?? 'pdf'
		bytes = c.type ? PICTURES[type](dir, pictures[0], d, cwebp) : scan(pictures)
	}
	const said = pages.map((items) => items.map((x) => x.text).join('\n')).join('\n')
	return { d, type, bytes, values, said }
}
export function papers(seed, dir, cwebp) {
	const all = []
	mkdirSync(dir, { recursive: true })
	for (const [k, c] of CLASSES.entries())
		for (let i = 0; i < c.n && (c.type !== 'webp' || cwebp); i++)
			for (const full of [true, false]) {
				const name = `${k}-${i}-${full ? 'full' : 'bare'}`
				const { d, type, bytes, values, said } = document(dir, seed * 7919 + k * 101 + i, c, i, cwebp, full)
				writeFileSync(join(dir, `${name}.${type}`), bytes)
				all.push({ name, kind: c.kind, ocr: !!c.ocr, type, full, d, values: full ? values : [], said, file: join(dir, `${name}.${type}`) })
			}
	return all
}
if (process.argv[1] === new URL(import.meta.url).pathname) {
	const all = papers(+process.argv[2], process.argv[3], process.argv[4])
	writeFileSync(join(process.argv[3], 'corpus.json'), JSON.stringify(all))
	console.log(`${all.length} documents`)
}
