/* Text of an XMP packet (ISO 16684-1), without reading it as XML: what is between tags, and
 * values of attributes, for RDF may be written so. Addresses of schemas are no text. And of
 * what pdftohtml -xml prints: <page number="3">, in it <text>…</text> with <b>, <i> and <a>. */
#include <stdlib.h>

#include "base/ascii.h"
#include "base/codec/utf8.h"
#include "base/scoped.h"
#include "extract/pdf_lex.h"
#include "extract/pdf.h"

/* clang-format off */
static const struct { const char *name; char c; } entities[] = {
	{ "lt;", '<' }, { "gt;", '>' }, { "amp;", '&' }, { "quot;", '"' }, { "apos;", '\'' },
};
/* clang-format on */

/* After "&#": digits, or x and hex ones, and ";". The length, 0 where it is none. */
static size_t
char_reference(struct span s, uint32_t *cp)
{
	size_t end = span_chr(span_cut(s, 0, 10), ';');
	bool hex = s.n && (s.p[0] == 'x' || s.p[0] == 'X');
	char digits[12] = "", *last;

	if (end >= s.n || end >= 10 || end == 0)
		return 0;
	memcpy(digits, s.p + hex, end - hex);
	unsigned long v = strtoul(digits, &last, hex ? 16 : 10);
	*cp = v > 0x10FFFF || (v & ~0x7FFul) == 0xD800 ? 0xFFFD : (uint32_t)v;
	return *last ? 0 : end + 1;
}

void
pdf_entities(struct span s, struct buf *out)
{
	for (size_t i = 0; i < s.n; i++) {
		struct span rest = span_cut(s, i + 1, s.n);
		uint32_t cp = 0;
		size_t n = 0;
		char c[4];
		if (s.p[i] == '&' && rest.n && rest.p[0] == '#' &&
			(n = char_reference(span_cut(rest, 1, rest.n), &cp))) {
			buf_put(out, c, utf8_encode(cp, c));
			i += 1 + n;
			continue;
		}
		c[0] = s.p[i];
		for (size_t e = 0; s.p[i] == '&' && e < COUNT_OF(entities) && !n; e++)
			if (span_starts(rest, span_str(entities[e].name))) {
				c[0] = entities[e].c;
				n = strlen(entities[e].name);
			}
		buf_putc(out, c[0]);
		i += n;
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
