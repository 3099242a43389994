// Creates PDF files, and the parts of PNG files, byte by byte.
import { deflateSync } from 'node:zlib'

// objects: strings or [dictionary, stream]; the first one is the catalog
export function pdf(objects, { trailer = '' } = {}) {
	const parts = [Buffer.from('%PDF-1.5\n%\xe2\xe3\xcf\xd3\n', 'latin1')]
	const at = []
	let n = parts[0].length
	const add = (b) => { parts.push(b); n += b.length }
	objects.forEach((o, i) => {
		at.push(n)
		if (typeof o === 'string') return add(Buffer.from(`${i + 1} 0 obj\n${o}\nendobj\n`, 'latin1'))
		const [dict, bytes, filter] = o
		add(stream(i + 1, dict, bytes, filter))
	})
	const table = n
	add(Buffer.from(`xref\n0 ${objects.length + 1}\n0000000000 65535 f \n${at.map((x) => String(x).padStart(10, '0') + ' 00000 n \n').join('')}trailer<</Size ${objects.length + 1}/Root 1 0 R${trailer}>>\nstartxref\n${table}\n%%EOF\n`))
	return Buffer.concat(parts)
}
// the same, with all objects that are no streams in an object stream, and the cross-reference table in another
export function pdf_packed(objects) {
	const inner = objects.map((o, i) => [i + 1, o]).filter(([, o]) => typeof o === 'string')
	const outer = objects.map((o, i) => [i + 1, o]).filter(([, o]) => typeof o !== 'string')
	const stm = objects.length + 1, ref = stm + 1
	let at = 0
	const heads = inner.map(([n, o]) => { const h = `${n} ${at}`; at += o.length + 1; return h }).join(' ') + ' '
	outer.push([stm, [`/Type/ObjStm/N ${inner.length}/First ${heads.length}`, heads + inner.map(([, o]) => o).join('\n')]])
	let out = Buffer.from('%PDF-1.5\n%\xe2\xe3\xcf\xd3\n', 'latin1')
	const rows = Array.from({ length: ref + 1 }, () => [0, 0, 0])
	inner.forEach(([n], i) => { rows[n] = [2, stm, i] })
	for (const [n, [dict, bytes, filter]] of outer) {
		rows[n] = [1, out.length, 0]
		out = Buffer.concat([out, stream(n, dict, bytes, filter)])
	}
	rows[ref] = [1, out.length, 0]
	const refs = Buffer.concat(rows.map(([type, a, b]) => { const r = Buffer.alloc(7); r[0] = type; r.writeUInt32BE(a, 1); r.writeUInt16BE(b, 5); return r }))
	return Buffer.concat([out, stream(ref, `/Type/XRef/Size ${ref + 1}/W[1 4 2]/Root 1 0 R`, refs), Buffer.from(`startxref\n${out.length}\n%%EOF\n`)])
}
function stream(n, dict, bytes, filter) {
	bytes = Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes, 'latin1')
	if (!filter) { bytes = deflateSync(bytes); filter = '/Filter/FlateDecode' }
	return Buffer.concat([Buffer.from(`${n} 0 obj\n<<${dict}${filter}/Length ${bytes.length}>>stream\n`), bytes, Buffer.from('\nendstream\nendobj\n')])
}
export const show = (text, { x = 72, y = 700, size = 12, render = 0 } = {}) =>
	`BT /F1 ${size} Tf ${render} Tr ${x} ${y} Td (${text.replace(/([()\\])/g, '\\$1')}) Tj ET\n`
export const lines = (...texts) => texts.map((t, i) => show(t, { y: 720 - 20 * i })).join('')
// pages: the contents of each, or { contents, more } with entries of the page
export function paper(pages, { catalog = '', more = [], trailer = '', info, font = '<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>', packed = false } = {}) {
	const kids = pages.map((_, i) => `${4 + 2 * i} 0 R`).join(' ')
	const objects = [`<</Type/Catalog/Pages 2 0 R${catalog}>>`, `<</Type/Pages/Kids[${kids}]/Count ${pages.length}>>`,
		font]
	for (const [i, p] of pages.entries()) {
		const page = typeof p === 'string' ? { contents: p } : p
		objects.push(`<</Type/Page/Parent 2 0 R${page.box || '/MediaBox[0 0 612 792]'}/Resources<</Font<</F1 3 0 R>>${page.resources || ''}>>/Contents ${5 + 2 * i} 0 R${page.more || ''}>>`,
			['', page.contents, page.filter])
	}
	objects.push(...more)
	if (info) {
		objects.push(`<<${info}>>`)
		trailer += `/Info ${objects.length} 0 R`
	}
	return packed ? pdf_packed(objects) : pdf(objects, { trailer })
}

// a chunk of a PNG
export const chunk = (type, data) => {
	const b = Buffer.concat([Buffer.from(type), data]), n = Buffer.alloc(4), c = Buffer.alloc(4)
	n.writeUInt32BE(data.length)
	c.writeUInt32BE(crc32(b))
	return Buffer.concat([n, b, c])
}
const table = Array.from({ length: 256 }, (_, n) => { for (let k = 0; k < 8; k++) n = n & 1 ? 0xedb88320 ^ (n >>> 1) : n >>> 1; return n >>> 0 })
export function crc32(b) { let c = 0xffffffff; for (const x of b) c = table[(c ^ x) & 255] ^ (c >>> 8); return (c ^ 0xffffffff) >>> 0 }
