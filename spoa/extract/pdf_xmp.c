/* Text of an XMP packet (ISO 16684-1), without reading it as XML: what is between tags, and
 * values of attributes, for RDF may be written so. Addresses of schemas are no text. And of
 * what pdftohtml -xml prints: <page number="3">, in it <text>…</text> with <b>, <i> and <a>. */
#include "base/ascii.h"
#include "base/codec/utf8.h"
#include "base/scoped.h"
#include "extract/pdf_lex.h"
#include "extract/pdf.h"
#include "scan/media/xml.h"

void
pdf_entities(struct span s, struct buf *out)
{
	while (s.n) {
		uint32_t cp = 0;
		size_t n = s.p[0] == '&' ? xml_reference(span_cut(s, 1, s.n), &cp) : 0;
		if (n && (cp > 0x10ffff || (cp & 0x1ff800) == 0xd800))
			cp = 0xfffd;
		if (n)
			buf_utf8(out, cp);
		else
			buf_putc(out, s.p[0]);
		s = span_cut(s, n + 1, s.n);
	}
}

static void
put_plain(struct span s, struct buf *out)
{
	SCOPED_BUF(b, 0);

	pdf_entities(span_trim(s, " \t\r\n"), &b);
	if (b.n < 2)
		return;
	pdf_text(buf_view(&b), out);
	buf_putc(out, '\n');
}

/* Attributes of a tag but those that declare. */
static void
put_attributes(struct span tag, struct buf *out)
{
	size_t at;

	while ((at = span_chr(tag, '=')) < tag.n) {
		struct span name = span_trim(span_cut(tag, 0, at), " \t\r\n");
		tag = span_trim(span_cut(tag, at + 1, tag.n), " \t\r\n");
		if (!tag.n || (tag.p[0] != '"' && tag.p[0] != '\''))
			continue;
		char quote = tag.p[0];
		tag = span_cut(tag, 1, tag.n);
		struct span value = span_next(&tag, quote);
		for (size_t space; (space = span_chr(name, ' ')) < name.n;)
			name = span_cut(name, space + 1, name.n);
		if (!span_starts(name, SPAN_LIT("xmlns")) &&
			!span_starts(name, SPAN_LIT("rdf:")))
			put_plain(value, out);
	}
}

void
pdf_xmp(struct span xml, struct buf *out)
{
	SCOPED_BUF(b, 0);

	if (xml.n > 1 && (xml.p[0] == 0 || xml.p[1] == 0 || (unsigned char)xml.p[0] >= 0xFE)) {
		/* UTF-16: its own mark says how, or it is big-endian */
		if ((unsigned char)xml.p[0] < 0xFE)
			buf_put(&b, xml.p[0] ? "\xFF\xFE" : "\xFE\xFF", 2);
		buf_span(&b, xml);
		SCOPED_BUF(utf8, 0);
		pdf_text(buf_view(&b), &utf8);
		buf_clear(&b);
		buf_move(&b, &utf8);
		xml = buf_view(&b);
	}
	while (xml.n && !buf_failed(out)) {
		put_plain(span_next(&xml, '<'), out);
		struct span tag = span_next(&xml, '>');
		if (!span_starts(tag, SPAN_LIT("?")))
			put_attributes(tag, out);
	}
}

/* ---- pdftohtml ---- */

static unsigned
page_number(struct span tag)
{
	unsigned n = 0;

	for (size_t i = strlen("page number=\""); i < tag.n && is_digit(tag.p[i]) && n < 100000;
		i++)
		n = n * 10 + (unsigned)(tag.p[i] - '0');
	return n;
}

bool
pdf_html_page(struct span *xml, unsigned *page, struct buf *out)
{
	bool inside = false;

	buf_clear(out);
	while (xml->n) {
		struct span before = *xml, plain = span_next(xml, '<');
		if (inside)
			pdf_entities(plain, out);
		struct span tag = span_next(xml, '>');
		if (!span_starts(tag, SPAN_LIT("page number="))) {
			if (inside && span_starts(tag, SPAN_LIT("/text")))
				buf_putc(out, '\n');
			continue;
		}
		if (inside) {
			*xml = span_cut(before, plain.n, before.n);
			return true;
		}
		inside = true;
		*page = page_number(tag);
	}
	return inside;
}
