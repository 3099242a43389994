// Office documents and archives, good and bad, for office.sh: node office.mjs FOLDER
import { writeFileSync } from 'node:fs'
import { deflateRawSync, gzipSync } from 'node:zlib'
import { crc32 } from './pdf.mjs'

const folder = process.argv[2]
const save = (name, bytes) => writeFileSync(`${folder}/${name}`, bytes)
const u16 = n => Buffer.from([n & 255, n >> 8 & 255])
const u32 = n => { const b = Buffer.alloc(4); b.writeUInt32LE(n); return b }

// A zip of [name, content, stored] rows. `local`: changes the local header of an entry; `at`: the offset that the directory states.
function zip(entries, { local = e => e, at = (i, o) => o, size = (i, n) => n, flags = 0 } = {}) {
	const parts = [], directory = []
	let offset = 0
	entries.forEach(([name, content, stored], i) => {
		const bytes = Buffer.from(content), packed = stored ? bytes : deflateRawSync(bytes), crc = crc32(bytes)
		const head = e => Buffer.concat([u16(20), u16(flags), u16(stored ? 0 : 8), u32(0), u32(crc), u32(packed.length), u32(e.size), u16(Buffer.byteLength(e.name)), u16(0)])
		const own = local({ name, size: bytes.length }, i), told = { name, size: size(i, bytes.length) }
		const record = Buffer.concat([Buffer.from('PK\x03\x04'), head(own), Buffer.from(own.name), packed])
		parts.push(record)
		directory.push(Buffer.concat([Buffer.from('PK\x01\x02'), u16(20), head(told), u16(0), u16(0), u16(0), u32(0), u32(at(i, offset)), Buffer.from(name)]))
		offset += record.length
	})
	const d = Buffer.concat(directory)
	return Buffer.concat([...parts, d, Buffer.from('PK\x05\x06'), u32(0), u16(entries.length), u16(entries.length), u32(d.length), u32(offset), u16(0)])
}
const types = main => ['[Content_Types].xml', `<Types><Override PartName="/x" ContentType="application/vnd.openxmlformats-officedocument.${main}.main+xml"/></Types>`]
const rels = list => `<Relationships>${list.map(([id, target, more = '']) => `<Relationship Id="${id}" Type="t" Target="${target}" ${more}/>`).join('')}</Relationships>`
const word = (body, more = []) => [types('wordprocessingml.document'), ['word/document.xml', `<w:document xmlns:w="w"><w:body>${body}</w:body></w:document>`], ...more]
const p = (...runs) => `<w:p>${runs.map(r => `<w:r><w:t>${r}</w:t></w:r>`).join('')}</w:p>`
const card = ['5500 00', '55 5555', ' 5559']
const book = (cells, name, more = []) => [types('spreadsheetml.sheet'),
	['xl/workbook.xml', `<workbook xmlns:r="r"><sheets><sheet name="${name}" sheetId="1" r:id="rId1"/></sheets></workbook>`],
	['xl/_rels/workbook.xml.rels', rels([['rId1', 'worksheets/sheet1.xml']])],
	['xl/sharedStrings.xml', '<sst><si><t>IBAN</t></si><si><r><t>DE89 3704 0044 </t></r><r><t>0532 0130 00</t></r></si></sst>'],
	['xl/worksheets/sheet1.xml', `<worksheet><sheetData>${cells}</sheetData></worksheet>`], ...more]
const iban = '<row r="1"><c r="B1" t="s"><v>0</v></c></row><row r="17" hidden="1"><c r="B17" t="s"><v>1</v></c></row>'

save('clean.docx', zip(word(p('nothing to find'))))
save('runs.docx', zip(word(p('one') + p(...card))))
save('comment.docx', zip(word(p('one'), [['word/comments.xml', `<w:comments xmlns:w="w"><w:comment w:author="A. Smith">${p(...card)}</w:comment></w:comments>`]])))
save('tracked.docx', zip(word(`<w:p><w:r><w:t>5500 0055 </w:t></w:r><w:ins><w:r><w:t>no </w:t></w:r></w:ins><w:del><w:r><w:delText>5555</w:delText></w:r></w:del><w:r><w:t> 5559</w:t></w:r></w:p>`)))
save('hidden.docx', zip(word(`<w:p><w:r><w:t>5500 0055 </w:t></w:r><w:r><w:rPr><w:vanish/></w:rPr><w:t>x</w:t></w:r><w:r><w:t>5555 5559</w:t></w:r></w:p>`)))
save('payroll.xlsx', zip(book(iban, 'Payroll')))
save('named.xlsx', zip(book(iban, 'DE89 3704 0044 0532 0130 00')))
save('macros.xlsx', zip(book('', 'Payroll', [['xl/vbaProject.bin', 'no compound file']])))
save('links.xlsx', zip(book('<row r="1"><c r="A1"><v>1</v></c></row>', 'A', [['xl/worksheets/_rels/sheet1.xml.rels', rels([['r1', 'https://example.com/a', 'TargetMode="External"']])]])))
save('notes.pptx', zip([types('presentationml.presentation'),
	['ppt/presentation.xml', '<p:presentation xmlns:p="p" xmlns:r="r"><p:sldIdLst><p:sldId id="256" r:id="a"/><p:sldId id="257" r:id="b"/></p:sldIdLst></p:presentation>'],
	['ppt/_rels/presentation.xml.rels', rels([['a', 'slides/slide9.xml'], ['b', '/ppt/slides/slide1.xml']])],
	['ppt/slides/slide9.xml', '<p:sld xmlns:p="p" xmlns:a="a"><a:p><a:r><a:t>first</a:t></a:r></a:p></p:sld>'],
	['ppt/slides/slide1.xml', '<p:sld xmlns:p="p" xmlns:a="a"><a:p><a:r><a:t>second</a:t></a:r></a:p></p:sld>'],
	['ppt/slides/_rels/slide1.xml.rels', rels([['n', '../notesSlides/notesSlide1.xml']])],
	['ppt/notesSlides/notesSlide1.xml', `<p:notes xmlns:p="p" xmlns:a="a"><a:p>${card.map(t => `<a:r><a:t>${t}</a:t></a:r>`).join('')}</a:p></p:notes>`]]))
const odf = (type, content) => [['mimetype', `application/vnd.oasis.opendocument.${type}`], ['content.xml', `<office:document-content xmlns:office="o" xmlns:table="t" xmlns:text="x" xmlns:dc="d"><office:body>${content}</office:body></office:document-content>`]]
save('letter.odt', zip(odf('text', `<text:p>one</text:p><text:p>5500<text:s/>0055<text:note><text:note-body><text:p>a note</text:p></text:note-body></text:note> <text:span>5555</text:span> 5559</text:p>`)))
save('table.ods', zip(odf('spreadsheet', `<table:table table:name="Payroll"><table:table-row table:number-rows-repeated="16"><table:table-cell/></table:table-row><table:table-row><table:table-cell table:number-columns-repeated="1"/><table:table-cell office:value-type="float" office:value="5500005555555559"><text:p>5.5E+15</text:p></table:table-cell></table:table-row></table:table>`)))
save('letter.rtf', String.raw`{\rtf1\ansi\ansicpg1252{\fonttbl{\f0 Arial;}}one\par 5500 {\b 0055} {\footnote a note}55\'35\u53? 5559\par}`)
save('inner.zip', zip([['folder/notes.txt', 'nothing'], ['letter.docx', zip(word(p(...card)))]]))
save('deep.zip', zip([['a.zip', zip([['b.zip', zip([['c.zip', zip([['d.txt', 'x']])]])]])]]))
save('letter.gz', gzipSync(zip(word(p(...card)))))
save('page.zip', zip([['a.html', '<!-- x --><html><p>5500 <b>00</b>55 5555 &#53;559']]))

// ---- what is refused, and why ----
save('utf16.docx', zip(word('').map(([n, c]) => [n, n.endsWith('document.xml') ? Buffer.from('\ufeff<?xml version="1.0" encoding="UTF-16"?>' + `<w:document xmlns:w="w">${p(...card)}</w:document>`, 'utf16le') : c])))
save('utf7.docx', zip(word('', [['word/a.xml', '<?xml version="1.0" encoding="UTF-7"?><a>+AAA-</a>']])))
save('doctype.docx', zip(word('', [['word/a.xml', '<!DOCTYPE a [<!ENTITY b "cccccccc"><!ENTITY d "&b;&b;&b;">]><a>&d;</a>']])))
save('twice.docx', zip(word(p('one'), [['WORD/document.xml', '<a/>']])))
// an entry inside of another one, as in a zip whose entries share their data
const whole = zip([['word/b.xml', '<a/>']]), record = whole.subarray(0, whole.indexOf('PK\x01\x02'))
save('overlap.docx', zip([types('wordprocessingml.document'), ['word/a.xml', record, true], ['word/b.xml', '<a/>']], { at: (i, o) => i === 2 ? o - record.length : o }))
save('header.docx', zip(word(p('one')), { local: (e, i) => i === 1 ? { ...e, name: 'word/documenT.xml' } : e }))
save('sized.docx', zip(word(p('one')), { size: (i, n) => i === 1 ? n + 1 : n, local: (e, i) => i === 1 ? { ...e, size: e.size + 1 } : e }))
save('outside.docx', zip(word(p('one'), [['word/_rels/document.xml.rels', rels([['a', '../../../etc/passwd']])]])))
save('path.zip', zip([['../a.txt', 'x']]))
save('locked.zip', zip([['a.txt', 'x']], { flags: 1 }))
save('bomb.docx', zip(word('', [['word/a.xml', Buffer.alloc(170 << 20, 32)]])))
save('nested.docx', zip(word('<a>'.repeat(300) + '</a>'.repeat(300))))
save('cells.xlsx', zip(book(`<row r="1">${'<c><v>123456789</v></c>'.repeat(1 << 19)}</row>`, 'A')))
save('part.docx', zip(word(p('one'), [['word/other.dat', 'some text']])))
save('sound.docx', zip(word(p('one'), [['word/media/a.mp3', 'ID3\x03\x00']])))
save('model.xlsx', zip(book('', 'A', [['xl/model/item.data', 'x']])))
save('broken.docx', zip(word('<w:p>')))
save('old.doc', Buffer.concat([Buffer.from('D0CF11E0A1B11AE1', 'hex'), Buffer.alloc(1024)]))
