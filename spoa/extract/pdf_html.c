/* What pdftohtml -xml prints: <page number="3">, in it <text>…</text> with <b>, <i> and <a>. */
#include "base/ascii.h"
#include "extract/pdf.h"

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
