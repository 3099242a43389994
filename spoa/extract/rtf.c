/* Reads RTF (Rich Text Format 1.9.1): groups, control words and text. Text of groups that are
 * destinations, such as notes, instructions of fields and properties, is apart from the
 * paragraph around, so that a value around a note is whole. */
#include <stdlib.h>

#include "base/ascii.h"
#include "base/scoped.h"
#include "base/utf8.h"
#include "extract/document.h"

enum rtf_act {
	RTF_TEXT,      /* prints the string */
	RTF_PARAGRAPH, /* ends one */
	RTF_APART,     /* destination whose text is apart */
	RTF_SKIP,      /* destination that has no text */
	RTF_PICTURE,
	RTF_OBJECT,
	RTF_UC, /* bytes behind \u that readers without Unicode show */
	RTF_UNICODE,
	RTF_BIN,
	RTF_HIDDEN,
	RTF_CODEPAGE,
	RTF_PLAIN,
};

/* clang-format off */
static const struct { const char *word; enum rtf_act act; const char *text; } rtf_words[] = {
	{ "par", RTF_PARAGRAPH, NULL }, { "sect", RTF_PARAGRAPH, NULL }, { "page", RTF_PARAGRAPH, NULL },
	{ "row", RTF_PARAGRAPH, NULL }, { "nestrow", RTF_PARAGRAPH, NULL },
	{ "line", RTF_TEXT, "\n" }, { "tab", RTF_TEXT, "\t" }, { "cell", RTF_TEXT, "\t" }, { "nestcell", RTF_TEXT, "\t" },
	{ "emdash", RTF_TEXT, "\u2014" }, { "endash", RTF_TEXT, "\u2013" }, { "bullet", RTF_TEXT, "\u2022" },
	{ "lquote", RTF_TEXT, "\u2018" }, { "rquote", RTF_TEXT, "\u2019" }, { "ldblquote", RTF_TEXT, "\u201c" },
	{ "rdblquote", RTF_TEXT, "\u201d" }, { "emspace", RTF_TEXT, " " }, { "enspace", RTF_TEXT, " " },
	{ "footnote", RTF_APART, NULL }, { "annotation", RTF_APART, NULL }, { "atnauthor", RTF_APART, NULL },
	{ "atnid", RTF_APART, NULL }, { "header", RTF_APART, NULL }, { "headerl", RTF_APART, NULL },
	{ "headerr", RTF_APART, NULL }, { "headerf", RTF_APART, NULL }, { "footer", RTF_APART, NULL },
	{ "footerl", RTF_APART, NULL }, { "footerr", RTF_APART, NULL }, { "footerf", RTF_APART, NULL },
	{ "info", RTF_APART, NULL }, { "fldinst", RTF_APART, NULL }, { "shptxt", RTF_APART, NULL },
	{ "title", RTF_APART, NULL }, { "author", RTF_APART, NULL }, { "sv", RTF_APART, NULL }, { "sn", RTF_APART, NULL },
	{ "listtext", RTF_APART, NULL }, { "pntext", RTF_APART, NULL }, { "xe", RTF_APART, NULL }, { "tc", RTF_APART, NULL },
	{ "fonttbl", RTF_SKIP, NULL }, { "colortbl", RTF_SKIP, NULL }, { "themedata", RTF_SKIP, NULL },
	{ "datastore", RTF_SKIP, NULL }, { "colorschememapping", RTF_SKIP, NULL }, { "latentstyles", RTF_SKIP, NULL },
	{ "blipuid", RTF_SKIP, NULL }, { "pict", RTF_PICTURE, NULL }, { "objdata", RTF_OBJECT, NULL },
	{ "uc", RTF_UC, NULL }, { "u", RTF_UNICODE, NULL }, { "bin", RTF_BIN, NULL }, { "v", RTF_HIDDEN, NULL },
	{ "deleted", RTF_HIDDEN, NULL }, { "ansicpg", RTF_CODEPAGE, NULL }, { "plain", RTF_PLAIN, NULL },
};
/* clang-format on */

struct rtf_group {
	unsigned uc;
	bool hidden, apart, skip, star;
};

struct rtf {
	struct document *d;
	struct span rest;
	struct rtf_group stack[DOCUMENT_NEST], *g;
	size_t depth;
	struct buf line, shown, apart; /* the paragraph, without its hidden text, texts apart */
	struct passage body, aside;
	unsigned paragraph, skip; /* skip: bytes to drop behind \u */
	uint32_t high;		  /* the first half of a pair of UTF-16 */
	bool odd;		  /* bytes above 127 are not those of Windows-1252 */
};

static void
rtf_put(struct rtf *r, struct span text)
{
	if (r->g->skip)
		return;
	if (r->g->apart) {
		buf_span(&r->apart, text);
		return;
	}
	buf_span(&r->line, text);
	if (!r->g->hidden)
		buf_span(&r->shown, text);
	if (r->line.n > EXTRACT_TEXT_BYTES)
		document_fail(r->d, EXTRACT_TOO_LARGE);
}

static void
rtf_put_code(struct rtf *r, uint32_t cp)
{
	SCOPED_BUF(b, 0);

	if (r->high && (cp & 0xFC00) == 0xDC00)
		cp = 0x10000 + ((r->high & 0x3FF) << 10) + (cp & 0x3FF);
	r->high = (cp & 0xFFFFFC00) == 0xD800 ? cp : 0;
	if (r->high)
		return;
	buf_utf8(&b, cp && (cp & 0xFFFFF800) != 0xD800 ? cp : 0xFFFD);
	rtf_put(r, buf_view(&b));
}

static void
rtf_put_byte(struct rtf *r, unsigned char c)
{
	static const uint16_t c1[] = { 0x20AC, 0x81, 0x201A, 0x192, 0x201E, 0x2026, 0x2020,
		0x2021, 0x2C6, 0x2030, 0x160, 0x2039, 0x152, 0x8D, 0x17D, 0x8F, 0x90, 0x2018,
		0x2019, 0x201C, 0x201D, 0x2022, 0x2013, 0x2014, 0x2DC, 0x2122, 0x161, 0x203A,
		0x153, 0x9D, 0x17E, 0x178 };

	if (r->skip) {
		r->skip--;
		return;
	}
	if (c >= 0x80 && r->odd && !r->g->skip)
		document_unread(r->d, EXTRACT_FONTS);
	rtf_put_code(r, c >= 0x80 && c < 0xA0 ? c1[c - 0x80] : c);
}

static void
rtf_end_apart(struct rtf *r)
{
	passage_place(&r->aside, "paragraph %u", r->paragraph + 1);
	passage_line(r->d, &r->aside, buf_view(&r->apart));
	buf_clear(&r->apart);
}

static void
rtf_end_paragraph(struct rtf *r)
{
	r->paragraph++;
	passage_place(&r->body, "paragraph %u", r->paragraph);
	passage_line(r->d, &r->body, buf_view(&r->line));
	if (!span_eq(buf_view(&r->line), buf_view(&r->shown))) {
		passage_place(&r->aside, "paragraph %u", r->paragraph);
		passage_line(r->d, &r->aside, buf_view(&r->shown));
	}
	buf_clear(&r->line);
	buf_clear(&r->shown);
}

static void
rtf_word(struct rtf *r, struct span word, long n, bool has)
{
	for (size_t i = 0; i < COUNT_OF(rtf_words); i++) {
		if (!span_is(word, rtf_words[i].word))
			continue;
		switch (rtf_words[i].act) {
		case RTF_TEXT: rtf_put(r, span_str(rtf_words[i].text)); return;
		case RTF_PARAGRAPH:
			if (!r->g->apart)
				rtf_end_paragraph(r);
			else
				rtf_put(r, SPAN_LIT("\n"));
			return;
		case RTF_APART: r->g->apart = true; return;
		case RTF_PICTURE:
			r->d->picture_seen = true;
			r->g->skip = true;
			return;
		case RTF_OBJECT:
			document_unread(r->d, EXTRACT_ATTACHMENTS);
			r->g->skip = true;
			return;
		case RTF_SKIP: r->g->skip = true; return;
		case RTF_UC: r->g->uc = n >= 0 && n < 32 ? (unsigned)n : 1; return;
		case RTF_UNICODE:
			rtf_put_code(r, (uint32_t)(n < 0 ? n + 65536 : n) & 0xFFFF);
			r->skip = r->g->uc;
			return;
		case RTF_BIN:
			document_unread(r->d, EXTRACT_ATTACHMENTS);
			r->rest = span_cut(r->rest, n > 0 ? (size_t)n : 0, r->rest.n);
			return;
		case RTF_HIDDEN: r->g->hidden = !has || n; return;
		case RTF_CODEPAGE: r->odd = n != 1252 && n != 0 && n != 28591; return;
		case RTF_PLAIN: r->g->hidden = false; return;
		}
	}
	if (r->g->star)
		r->g->apart = true; /* a destination that this reader does not know */
}

/* Reads what follows a backslash. */
static void
rtf_control(struct rtf *r)
{
	size_t n = span_past(r->rest, 0, is_alpha);
	struct span word = span_cut(r->rest, 0, n);

	if (!n) {
		char c = r->rest.n ? r->rest.p[0] : ' ';
		int byte = c == '\'' ? span_hex(r->rest, 1, 2) : -1;
		r->rest = span_cut(r->rest, byte >= 0 ? 3 : 1, r->rest.n);
		if (byte >= 0)
			rtf_put_byte(r, (unsigned char)byte);
		else if (c == '*')
			r->g->star = true;
		else if (c == '~')
			rtf_put(r, SPAN_LIT(" "));
		else if (c == '_')
			rtf_put(r, SPAN_LIT("-"));
		else if (c == '\n' || c == '\r')
			rtf_word(r, SPAN_LIT("par"), 0, false);
		else if (c == '{' || c == '}' || c == '\\')
			rtf_put_byte(r, (unsigned char)c);
		return;
	}
	size_t digits = n + (n < r->rest.n && r->rest.p[n] == '-');
	size_t end = span_past(r->rest, digits, is_digit);
	char number[16];
	span_copy(span_cut(r->rest, n, end), number, sizeof(number));
	bool has = end > digits;
	end = has ? end : n;
	r->rest =
		span_cut(r->rest, end + (end < r->rest.n && r->rest.p[end] == ' '), r->rest.n);
	rtf_word(r, word, has ? strtol(number, NULL, 10) : 0, has);
}

void
rtf_read(struct document *d, struct span file)
{
	struct rtf *r = calloc(1, sizeof(*r));

	if (!r) {
		document_fail(d, EXTRACT_MEMORY);
		return;
	}
	r->d = d;
	r->rest = file;
	r->g = r->stack;
	r->g->uc = 1;
	while (r->rest.n && !d->error) {
		char c = r->rest.p[0];
		r->rest = span_cut(r->rest, 1, r->rest.n);
		if (c == '{' && r->depth + 1 == DOCUMENT_NEST) {
			document_fail(d, EXTRACT_NESTED);
		} else if (c == '{') {
			r->stack[r->depth + 1] = *r->g;
			r->g = &r->stack[++r->depth];
			r->g->star = false;
			r->skip = 0;
		} else if (c == '}') {
			bool apart = r->g->apart;
			if (!r->depth)
				document_fail(d, EXTRACT_DAMAGED);
			else
				r->g = &r->stack[--r->depth];
			if (apart)
				rtf_end_apart(r);
			r->skip = 0;
			if (!r->depth)
				break;
		} else if (c == '\\') {
			rtf_control(r);
		} else if (c != '\r' && c != '\n') {
			rtf_put_byte(r, (unsigned char)c);
		}
	}
	/* bytes behind the last group are no RTF, but a program may show them */
	if (!d->error && (r->depth || span_trim(r->rest, " \t\r\n\0").n > 1))
		document_fail(d, EXTRACT_DAMAGED);
	rtf_end_paragraph(r);
	passage_end(d, &r->body);
	passage_end(d, &r->aside);
	passage_free(&r->body);
	passage_free(&r->aside);
	buf_free(&r->line);
	buf_free(&r->shown);
	buf_free(&r->apart);
	free(r);
}
