// Writes documents with known values on known pages into the folder that is its argument. poppler (pdftoppm) draws the
// images of pages; this script creates everything else, byte by byte.
import { deflateSync } from 'node:zlib'
import { execFileSync } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { chunk, lines, paper, pdf, show } from './pdf.mjs'

const dir = process.argv[2]
const put = (name, bytes) => writeFileSync(join(dir, name), bytes)
const IBAN = 'DE89 3704 0044 0532 0130 00'

// ---- PDF ----
const next = (pages) => 4 + 2 * pages
put('clean.pdf', paper([lines('The plan of the house', 'has three rooms and a garden.')]))
put('account.pdf', paper([lines('Contract', 'between the two of us'), lines('Payment', `to the account ${IBAN}`, 'within a month'), lines('Signed')]))
put('white.pdf', paper(['1 1 1 rg ' + show(`to ${IBAN}`)]))
put('invisible.pdf', paper([show('Hello') + show(`to ${IBAN}`, { y: 600, render: 3 })]))
put('aside.pdf', paper([show('Hello') + show(`to ${IBAN}`, { x: 900 })]))
put('turned.pdf', paper([{ contents: lines(`to ${IBAN}`), more: '/Rotate 90' }]))
put('replaced.pdf', paper([show('Hello') + '/Span<</ActualText(nothing)>> BDC ' + show(`to ${IBAN}`, { y: 600 }) + 'EMC']))
put('tiled.pdf', paper([{ contents: show('Hello') + '/Pattern cs /P scn 0 0 612 600 re f', resources: `/Pattern<</P ${next(1)} 0 R>>` }],
	{ more: [['/Type/Pattern/PatternType 1/PaintType 1/TilingType 1/BBox[0 0 600 600]/XStep 600/YStep 600/Resources<</Font<</F1 3 0 R>>>>', show(`to ${IBAN}`, { x: 10, y: 50 })]] }))
put('tiny.pdf', paper([show('Hello') + show('x'.repeat(60000), { size: 0.01, y: 10 }) + show(`to ${IBAN}`, { size: 2.5, y: 600 })]))
put('boxes.pdf', paper([[...IBAN.replace(/ /g, '')].map((c, i) => show(c, { x: 72 + 20 * i })).join('')]))
put('apart.pdf', paper([show('Pay to') + [...IBAN.replace(/ /g, '')].map((c, i) => show(c, { x: 72 + 9 * i, y: 600 + i % 2 * 5 })).join('')]))
put('unnamed.pdf', paper([`BT /F1 12 Tf 72 600 Td <${[...IBAN.replace(/ /g, '')].map((_, i) => '0' + (i % 8 + 1)).join('')}> Tj ET\n`], { font: `<</Type/Font/Subtype/Type1/BaseFont/Helvetica/Encoding<</Differences[1 ${[...'12345678'].map(n => '/g' + n).join('')}]>>>>` }))
put('leftover.pdf', paper([lines('Hello')], { catalog: '/AcroForm<</DA(/Helv 0 Tf 0 g)>>' }))
put('letters.pdf', paper([show('Hello from a font without names')], { font: '<</Type/Font/Subtype/Type0/BaseFont/Arial/Encoding/Identity-H/DescendantFonts[6 0 R]>>',
	more: ['<</Type/Font/Subtype/CIDFontType2/BaseFont/Arial/CIDSystemInfo<</Registry(Adobe)/Ordering(Identity)/Supplement 0>>>>'] }))
put('misread.pdf', paper([lines('Payment', 'IBAN: NLO6FUWE6282598958', 'within a month')])) // the letter O, as OCR reads the digit 0
put('title.pdf', paper([lines('Hello')], { info: `/Title (to ${IBAN})` }))
put('note.pdf', paper([{ contents: lines('Hello'), more: `/Annots[${next(1)} 0 R]` }],
	{ more: [`<</Type/Annot/Subtype/FreeText/Rect[10 10 200 50]/Contents(to ${IBAN})>>`] }))
const attach = (...streams) => ({ catalog: `/Names<</EmbeddedFiles<</Names[(a) ${next(1)} 0 R]>>>>`,
	more: [`<</F(a)/EF<</F ${next(1) + 1} 0 R/UF ${next(1) + streams.length} 0 R>>>>`, ...streams.map((s) => ['/Type/EmbeddedFile', s])] })
put('form.pdf', paper([{ contents: lines('Hello'), more: `/Annots[${next(1)} 0 R]` }], {
	catalog: `/AcroForm<</Fields[${next(1)} 0 R]/DR<</Font<</F1 3 0 R>>>>>>`,
	more: [`<</Type/Annot/Subtype/Widget/FT/Tx/T(account)/V(${IBAN})/DA(/F1 9 Tf)/Rect[10 10 200 50]>>`] }))
put('attached.pdf', paper([lines('Hello')], attach(`to ${IBAN}`)))
put('attached_paper.pdf', paper([lines('Hello')], attach(paper([lines('Hello'), lines(`to ${IBAN}`)]))))
put('attached_picture.pdf', paper([lines('Hello')], attach(Buffer.from('89504e470d0a1a0a00', 'hex'))))
put('attached_both.pdf', paper([lines('Hello')], attach(`to ${IBAN}`, Buffer.from('89504e470d0a1a0a00', 'hex'))))
put('broken.pdf', paper([lines('Letter', `pay to ${IBAN.slice(0, 14)}`), lines('Letter', `${IBAN.slice(14)} today`, 'thank you')]))
put('locked.pdf', paper([lines('Hello')], { more: ['<</Filter/Standard/V 2/R 3/Length 128/P -44/O<' + '11'.repeat(32) + '>/U<' + '22'.repeat(32) + '>>>'],
	trailer: `/Encrypt ${next(1)} 0 R/ID[<00112233445566778899aabbccddeeff><00112233445566778899aabbccddeeff>]` }))
put('drawn.pdf', paper(['100 100 m 300 400 l 200 500 l h f']))
put('blank.pdf', paper([lines('Hello'), '']))
put('cut.pdf', readFileSync(join(dir, 'account.pdf')).subarray(0, 500))
put('many.pdf', paper(Array(1500).fill('')))
put('both.pdf', Buffer.concat([Buffer.from('GIF89a\x01\x00\x01\x00\x00\x00\x00', 'latin1'), readFileSync(join(dir, 'account.pdf'))]))
put('bomb.pdf', (() => {
	const packed = deflateSync(Buffer.alloc(300 << 20, '( ) Tj '))
	return pdf(['<</Type/Catalog/Pages 2 0 R>>', '<</Type/Pages/Kids[4 0 R]/Count 1>>', '<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>',
		'<</Type/Page/Parent 2 0 R/MediaBox[0 0 612 792]/Resources<</Font<</F1 3 0 R>>>>/Contents 5 0 R>>', ['', packed, '/Filter/FlateDecode']])
})())

// ---- images ----
const render = (name, out, ...how) => execFileSync('pdftoppm', [...how, '-singlefile', join(dir, name), join(dir, out)])
render('account.pdf', 'page', '-f', '2', '-r', '150', '-png', '-gray')
render('account.pdf', 'page', '-f', '2', '-r', '150', '-jpeg', '-gray')
render('misread.pdf', 'misread', '-r', '150', '-png', '-gray')
render('clean.pdf', 'small', '-r', '40', '-png', '-gray')
render('clean.pdf', 'small', '-r', '40', '-jpeg', '-gray')
const jpg = readFileSync(join(dir, 'page.jpg'))
put('scanned.pdf', paper([{ contents: 'q 612 0 0 792 0 0 cm /I Do Q', resources: `/XObject<</I ${next(1)} 0 R>>` }],
	{ more: [[`/Type/XObject/Subtype/Image/Width 1275/Height 1650/ColorSpace/DeviceRGB/BitsPerComponent 8`, jpg, '/Filter/DCTDecode']] }))
const small = readFileSync(join(dir, 'small.png'))
const with_chunk = (c) => Buffer.concat([small.subarray(0, 33), c, small.subarray(33)])
put('said.png', with_chunk(chunk('tEXt', Buffer.from('Comment\0from jane.doe@example.com'))))
put('packed.png', with_chunk(chunk('zTXt', Buffer.concat([Buffer.from('Comment\0\0'), deflateSync(Buffer.from('from jane.doe@example.com'))]))))
put('inflates.png', with_chunk(chunk('zTXt', Buffer.concat([Buffer.from('Comment\0\0'), deflateSync(Buffer.alloc(64 << 20))]))))
const photo = readFileSync(join(dir, 'small.jpg'))
const after_soi = (marker, data) => { const n = Buffer.alloc(2); n.writeUInt16BE(data.length + 2); return Buffer.concat([photo.subarray(0, 2), Buffer.from([0xff, marker]), n, data, photo.subarray(2)]) }
const exif = Buffer.concat([Buffer.from('Exif\0\0MM\0*\0\0\0\x08\0\x01\x01\x3b\0\x02\0\0\0\x15\0\0\0\x1a\0\0\0\0', 'latin1'), Buffer.from('jane.doe@example.com\0')])
put('said.jpg', after_soi(0xe1, exif))
// the orientation 6, and the position of a place
const camera = Buffer.from('Exif\0\0MM\0*\0\0\0\x08\0\x02\x01\x12\0\x03\0\0\0\x01\0\x06\0\0\x88\x25\0\x04\0\0\0\x01\0\0\0\x26\0\0\0\0' +
	'\0\x04\0\x01\0\x02\0\0\0\x02N\0\0\0\0\x02\0\x05\0\0\0\x03\0\0\0\x5c\0\x03\0\x02\0\0\0\x02E\0\0\0\0\x04\0\x05\0\0\0\x03\0\0\0\x74\0\0\0\0' +
	[48, 51, 30, 2, 17, 40].map((v) => `\0\0\0${String.fromCharCode(v)}\0\0\0\x01`).join(''), 'latin1')
const part = (marker, data) => Buffer.concat([Buffer.from([0xff, marker, 0, data.length + 2]), data])
put('photo.jpg', Buffer.concat([photo.subarray(0, 2), part(0xe1, camera), part(0xe2, Buffer.from('ICC_PROFILE\0\x01\x01profile', 'latin1')),
	part(0xfe, Buffer.from('a comment')), photo.subarray(2)]))
put('wide.png', Buffer.concat([small.subarray(0, 8), chunk('IHDR', Buffer.from([0, 0, 0xea, 0x60, 0, 0, 0xea, 0x60, 8, 0, 0, 0, 0])), small.subarray(33)]))
const still = Buffer.from('2c0000000001000100000202440100', 'hex')
put('moving.gif', Buffer.concat([Buffer.from('GIF89a\x01\x00\x01\x00\x80\x00\x00\x00\x00\x00\xff\xff\xff', 'latin1'), still, still, Buffer.from(';')]))
// an Office document: a zip with one stored entry of two bytes
const name = Buffer.from('word/document.xml')
const local = Buffer.concat([Buffer.from('504b03041400000000000000000000000000020000000200000011000000', 'hex'), name, Buffer.from('hi')])
const central = Buffer.concat([Buffer.from('504b0102140014' + '00'.repeat(13) + '020000000200000011' + '00'.repeat(17), 'hex'), name])
const end = Buffer.from('504b0506000000000100010000000000' + '000000000000', 'hex')
end.writeUInt32LE(central.length, 12)
end.writeUInt32LE(local.length, 16)
put('letter.docx', Buffer.concat([local, central, end]))
put('note.txt', `Pay to ${IBAN}, please.\n`)
put('plain.txt', 'Nothing to see.\n')
