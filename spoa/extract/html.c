/* Reads an HTML file inside an archive: as its source, which has all of its texts, and as it is
 * shown, without tags, so that a value whose letters have tags between them is whole. The
 * daemon reads an HTML file that is not in an archive by file_text_shown(), which knows fewer tags
 * and leaves references as they are. */
#include "base/ascii.h"
#include "base/scoped.h"
#include "base/utf8.h"
#include "extract/document.h"
#include "extract/pdf.h"
#include "scan/media/xml.h"

/* Tags that do not end a word. */
static const char *const inlines[] = { "a", "abbr", "b", "bdi", "bdo", "big", "cite", "code",
	"del", "dfn", "em", "font", "i", "ins", "kbd", "mark", "q", "s", "samp", "small",
	"span", "strike", "strong", "sub", "sup", "tt", "u", "var", "wbr" };

static bool
is_inline_tag(struct span tag)
{
	span_take(&tag, '/');
	size_t n = span_past(tag, 0, is_alnum);

	for (size_t i = 0; i < COUNT_OF(inlines); i++)
		if (span_ieq(span_cut(tag, 0, n), span_str(inlines[i])))
			return true;
	return false;
}

static void
put_without_references(struct span text, struct buf *out)
{
	while (text.n) {
		uint32_t cp = 0;
		size_t n = text.p[0] == '&' ? xml_reference(span_cut(text, 1, text.n), &cp) : 0;
		if (n && (!cp || cp > 0x10ffff || (cp & 0x1ff800) == 0xd800))
			cp = 0xfffd;
		if (n)
			buf_utf8(out, cp);
		else if (span_istarts(text, SPAN_LIT("&nbsp;")))
			buf_putc(out, ' '), n = 5;
		else if (span_istarts(text, SPAN_LIT("&shy;")))
			n = 4;
		else
			buf_putc(out, text.p[0]);
		text = span_cut(text, n + 1, text.n);
	}
}

void
html_read(struct document *d, struct span file)
{
	SCOPED_BUF(source, 0);
	SCOPED_BUF(shown, 0);

	pdf_text(file, true, &source); /* UTF-16 with a mark, UTF-8, or one byte a letter */
	for (struct span s = buf_view(&source); s.n;) {
		put_without_references(span_next(&s, '<'), &shown);
		if (span_starts(s, SPAN_LIT("!--"))) {
			const char *end = memmem(s.p, s.n, "-->", 3);
			s = span_cut(s, end ? (size_t)(end - s.p) + 3 : s.n, s.n);
			continue;
		}
		struct span tag = span_next(&s, '>');
		if (span_istarts(tag, SPAN_LIT("/td")) || span_istarts(tag, SPAN_LIT("/th")))
			buf_putc(&shown, '\t');
		else if (!is_inline_tag(tag))
			buf_putc(&shown, '\n');
	}
	document_text(d, "", buf_view(&shown));
	document_text(d, "source", buf_view(&source));
}
