// Writes PDFs for extract.sh into the folder that is its argument: normal ones, and malformed or hostile ones.
import { createHash } from 'node:crypto'
import { readFileSync, writeFileSync } from 'node:fs'
import { deflateSync } from 'node:zlib'

const folder = process.argv[2]
const latin = (s) => Buffer.from(s, 'latin1')
const stream = (dict, data) => Buffer.concat([latin(`<<${dict}/Length ${data.length}>>stream\n`), Buffer.from(data), latin('\nendstream')])

// objects: from number 1 on, as texts or buffers; object 1 is the catalog
const pdf = (objects, trailer = '') => {
	const parts = [latin('%PDF-1.5\n')], at = []
	let n = parts[0].length
	objects.forEach((o, i) => {
		at.push(n)
		const part = Buffer.concat([latin(`${i + 1} 0 obj\n`), Buffer.isBuffer(o) ? o : latin(o), latin('\nendobj\n')])
		parts.push(part)
		n += part.length
	})
	parts.push(latin(`xref\n0 ${objects.length + 1}\n0000000000 65535 f \n${at.map((a) => `${String(a).padStart(10, '0')} 00000 n \n`).join('')}` +
		`trailer<</Size ${objects.length + 1}/Root 1 0 R${trailer}>>\nstartxref\n${n}\n%%EOF\n`))
	return Buffer.concat(parts)
}
const text = (s, x = 72, y = 700, how = '') => `q BT ${how} /F1 12 Tf ${x} ${y} Td (${s}) Tj ET Q\n`

// pages: { text, data (a whole stream), more (members of the page) }; more objects follow
const pages = (list, { fonts = '', root = '', trailer = '', more = [], resources = '' } = {}) => {
	const objects = [`<</Type/Catalog/Pages 2 0 R${root}>>`,
		`<</Type/Pages/Count ${list.length}/Kids[${list.map((_, i) => `${4 + 2 * i} 0 R`).join(' ')}]>>`,
		'<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>']
	list.forEach((p, i) => {
		objects.push(`<</Type/Page/Parent 2 0 R/MediaBox[0 0 612 792]/Resources<</Font<</F1 3 0 R${fonts}>>${resources}>>` +
			`/Contents ${5 + 2 * i} 0 R${p.more ?? ''}>>`)
		objects.push(p.data ?? stream('', latin(p.text ?? '')))
	})
	return pdf([...objects, ...more], trailer)
}
// the standard security handler with RC4 and a key of 40 bits (ISO 32000-1 7.6.3)
const rc4 = (key, data) => {
	const s = [...Array(256).keys()], out = Buffer.from(data)
	for (let i = 0, k = 0; i < 256; i++) {
		k = (k + s[i] + key[i % key.length]) & 255;
		[s[i], s[k]] = [s[k], s[i]]
	}
	for (let n = 0, i = 0, k = 0; n < out.length; n++) {
		i = (i + 1) & 255
		k = (k + s[i]) & 255;
		[s[i], s[k]] = [s[k], s[i]]
		out[n] ^= s[(s[i] + s[k]) & 255]
	}
	return out
}
const md5 = (...parts) => createHash('md5').update(Buffer.concat(parts)).digest()
const padding = Buffer.from('28BF4E5E4E758A4164004E56FFFA01082E2E00B6D0683E802F0CA9FE6453697A', 'hex')
const owner = Buffer.alloc(32, 'o'), permissions = Buffer.from('fcffffff', 'hex')
const locked = (password) => {
	const key = md5(Buffer.concat([Buffer.from(password), padding]).subarray(0, 32), owner, permissions, Buffer.from('id')).subarray(0, 5)
	const of_object = (n, data) => rc4(md5(key, Buffer.from([n, 0, 0, 0, 0])).subarray(0, 10), Buffer.from(data))
	return pages([{ data: stream('', of_object(5, text('words'))) }], {
		trailer: `/Info 6 0 R/ID[(id)(id)]/Encrypt<</Filter/Standard/V 1/R 2/P -4/O<${owner.toString('hex')}>/U<${rc4(key, padding).toString('hex')}>>>`,
		more: [`<</Title<${of_object(6, 'a title').toString('hex')}>>>`] })
}
const attach = (bytes) => pages([{ text: text('words') }], { root: '/Names<</EmbeddedFiles<</Names[(a)6 0 R]>>>>',
	more: ['<</Type/Filespec/F(a.bin)/EF<</F 7 0 R>>>>', stream('/Type/EmbeddedFile', bytes)] })
const appearance = (s) => stream('/Type/XObject/Subtype/Form/BBox[0 0 200 50]/Resources<</Font<</F1 3 0 R>>>>', latin(`BT /F1 12 Tf 9 9 Td (${s}) Tj ET`))
// a font that does not name its letters
const composite = (n) => ({ fonts: `/F2 ${n} 0 R`, more: [`<</Type/Font/Subtype/Type0/BaseFont/AAAAAA+Some/Encoding/Identity-H/DescendantFonts[${n + 1} 0 R]>>`,
	'<</Type/Font/Subtype/CIDFontType2/BaseFont/AAAAAA+Some/CIDSystemInfo<</Registry(Adobe)/Ordering(Identity)/Supplement 0>>/DW 600/FontDescriptor<</Type/FontDescriptor/FontName/AAAAAA+Some/Flags 4>>>>'] })
const unnamed = (hex, x, y) => `BT /F2 12 Tf ${x} ${y} Td <${hex}> Tj ET\n`
const files = {
	known: pages([{ text: text('first words') }, { text: text('second words') }, { text: text('third words') }]),
	hidden: pages([{ text: text('plain words') + text('white words', 72, 600, '1 g') + text('invisible words', 72, 500, '3 Tr') +
		text('words off the page', -5000, 100) + text('words far off', 90000, -90000) + text('tiny words', 72, 400, '0.01 0 0 0.01 0 0 Tm') }]),
	rotated: pages([{ text: text('turned words') + text('words off the turned page', 3000, -3000), more: '/Rotate 90' }]),
	spaced: pages([{ text: text('4 0 1 2 8 8 8 8 8 8 8 8 1 8 8 1') }]),
	link: pages([{ text: text('words'), more: '/Annots[<</Type/Annot/Subtype/Link/Rect[0 0 9 9]/A<</S/URI/URI(https://example.com/?q=secret)>>>>]' }]),
	note: pages([{ text: text('words'), more: '/Annots[<</Type/Annot/Subtype/Text/Rect[0 0 9 9]/Contents(a note)>>]' }]),
	form: pages([{ text: text('words'), more: '/Annots[6 0 R]' }], { root: '/AcroForm<</Fields[6 0 R]/DR<</Font<</F1 3 0 R>>>>>>',
		more: ['<</Type/Annot/Subtype/Widget/FT/Tx/T(name)/V(a value)/DA(/F1 9 Tf)/Rect[0 0 99 9]>>'] }),
	stamps: pages([{ text: text('words'), more: '/Annots[6 0 R 7 0 R]' }], { more: ['<</Subtype/Stamp/Rect[0 0 200 50]/AP<</N 8 0 R>>>>',
		'<</Subtype/Stamp/F 2/Rect[0 100 200 150]/AP<</N 9 0 R>>>>', appearance('a seal'), appearance('a hidden seal')] }),
	script: pages([{ text: text('words') }], { root: '/OpenAction<</S/JavaScript/JS 6 0 R>>', more: [stream('/Filter/FlateDecode', deflateSync('app.alert(1)\n'))] }),
	attachment: attach('attached\nlines'),
	attached_picture: attach(Buffer.from('89504e470d0a1a0a00', 'hex')),
	broken: pages([{ text: text('Letter') + text('begun on one page', 72, 600) + text('Page 1', 72, 100) },
		{ text: text('Letter') + text('ended on the next', 72, 600) + text('Page 2', 72, 100) }]),
	layer: pages([{ text: `/OC /MC0 BDC\n${text('words of a layer')}EMC\n${text('words')}` }], {
		root: '/OCProperties<</OCGs[6 0 R]/D<</OFF[6 0 R]>>>>', resources: '/Properties<</MC0 6 0 R>>', more: ['<</Type/OCG/Name(layer)>>'] }),
	encrypted: locked('secret'),
	open: locked(''),
	said: pages([{ text: text('words') }], { trailer: '/Info 6 0 R', root: '/Metadata 7 0 R', more: ['<</Title(The \\344nderung)/Author<FEFF00E9007400E9>>>',
		stream('/Type/Metadata/Subtype/XML', '<?xpacket?><x:xmpmeta xmlns:x="adobe:ns:meta/"><dc:title>A &lt;title&gt;</dc:title><a b="of XMP"/></x:xmpmeta>')] }),
	scanned: pages([{ text: text('words') }, { text: 'q 400 0 0 400 100 200 cm /Im1 Do Q' }, { text: '' }], { resources: '/XObject<</Im1 10 0 R>>', more: [
		stream('/Subtype/Image/Width 2/Height 2/BitsPerComponent 8/ColorSpace/DeviceGray', [0, 255, 255, 0])] }),
	scanned_first: pages([{ text: 'q 400 0 0 400 100 200 cm /Im1 Do Q' }, { text: text('words') }], { resources: '/XObject<</Im1 8 0 R>>', more: [
		stream('/Subtype/Image/Width 2/Height 2/BitsPerComponent 8/ColorSpace/DeviceGray', [0, 255, 255, 0])] }),
	drawn: pages([{ text: '0 0 1 rg 300 300 5 5 re f' }, { text: '   ' }]),
	boxes: pages([{ text: text('words') + unnamed('0003', 60, 700) + unnamed('0014', 60, 650) + unnamed('0015', 60, 600) }], composite(6)),
	unnamed: pages([{ text: text('words') }, { text: text('more words') + unnamed('00030014001500160017001800190020', 72, 600) }], composite(8)),
	unnamed_upright: pages([{ text: text('words') + [...'345678345678'].map((c, i) => unnamed(`000${c}`, 60, 600 - 20 * i)).join('') }], composite(6)),
	bomb: pages([{ data: stream('/Filter/FlateDecode', deflateSync(Buffer.alloc(400 << 20, '0 0 m '))) }]),
	said_bomb: pages([{ text: text('words') }], { more: [stream('/Type/Metadata/Filter/FlateDecode', deflateSync(Buffer.alloc(300 << 20)))] }),
	code: pages([{ text: ['export const config = {', '  accessKeyId: "AKIAQE26ONIXRRGDULWF",', '  owner: "jonas.schmidt@northwind.io",', '  retries: 3,', '};'].map((l, i) => text(l, 20, 760 - 15 * i)).join('') }]),
	drawings: pages([...Array(6)].map((_, i) => ({ text: `0 0 1 rg ${20 * i + 20} 300 50 50 re f` }))),
	long: pages([...Array(1000)].map((_, i) => ({ text: text(`page ${i + 1}`) }))),
	too_long: pages([...Array(1001)].map(() => ({ text: text('page') }))),
	endless: pdf(['<</Type/Catalog/Pages 2 0 R>>', `<</Type/Pages/Count 100000/Kids[${[...Array(100000)].map((_, i) => `${i + 4} 0 R`).join(' ')}]>>`,
		stream('', 'q Q'), ...Array(100000).fill('<</Type/Page/Parent 2 0 R/MediaBox[0 0 9 9]/Contents 3 0 R>>')]),
	fed: pages([{ text: text('words').replace('(words) Tj', '<41> Tj').replaceAll('F1', 'F2') }, { text: '0 0 1 rg 300 300 50 50 re f' }], {
		resources: '/Font<</F2 8 0 R>>', more: ['<</Type/Font/Subtype/Type1/BaseFont/Helvetica/ToUnicode 9 0 R>>',
			stream('', '/CIDInit /ProcSet findresource begin 12 dict begin begincmap 1 begincodespacerange <00> <FF> endcodespacerange\n' +
				'1 beginbfchar <41> <0041000C0042> endbfchar endcmap end end')] }),
}
// extract.mjs FOLDER PNG: a PDF with that image as its second page; its data are the PNG's own bytes
if (process.argv[3]) {
	const png = readFileSync(process.argv[3]), data = []
	const colours = png[25] === 2 ? 3 : 1
	for (let at = 8; at < png.length; at += 12 + png.readUInt32BE(at))
		if (png.toString('latin1', at + 4, at + 8) === 'IDAT') data.push(png.subarray(at + 8, at + 8 + png.readUInt32BE(at)))
	const width = png.readUInt32BE(16), height = png.readUInt32BE(20)
	writeFileSync(`${folder}/pictured.pdf`, pages([{ text: text('typed words') }, { text: 'q 612 0 0 792 0 0 cm /Im1 Do Q' }], { resources: '/XObject<</Im1 8 0 R>>',
		more: [stream(`/Subtype/Image/Width ${width}/Height ${height}/BitsPerComponent 8/ColorSpace/Device${colours === 3 ? 'RGB' : 'Gray'}` +
			`/Filter/FlateDecode/DecodeParms<</Predictor 15/Colors ${colours}/Columns ${width}>>`, Buffer.concat(data))] }))
	process.exit(0)
}
files.attached_pdf = attach(files.broken)
files.attached_scan = attach(files.scanned)
files.attached_twice = attach(files.attached_pdf)
files.cut = files.known.subarray(0, files.known.length - 300)
for (const [name, bytes] of Object.entries(files))
	writeFileSync(`${folder}/${name}.pdf`, bytes)
// a correct PNG of 30,000 by 30,000 pixels, and one whose head claims 60,000 by 60,000
const crc = (b) => {
	let c = ~0
	for (const x of b) {
		c ^= x
		for (let k = 0; k < 8; k++) c = c >>> 1 ^ (c & 1 ? 0xEDB88320 : 0)
	}
	return ~c >>> 0
}
const chunk = (type, data) => {
	const body = Buffer.concat([latin(type), data]), n = Buffer.alloc(4), sum = Buffer.alloc(4)
	n.writeUInt32BE(data.length)
	sum.writeUInt32BE(crc(body))
	return Buffer.concat([n, body, sum])
}
const png = (side) => {
	const head = Buffer.alloc(13)
	head.writeUInt32BE(side, 0)
	head.writeUInt32BE(side, 4)
	head[8] = 1
	return Buffer.concat([latin('\x89PNG\r\n\x1a\n'), chunk('IHDR', head), chunk('IDAT', deflateSync(Buffer.alloc(64))), chunk('IEND', Buffer.alloc(0))])
}
writeFileSync(`${folder}/wide.png`, png(60000))
