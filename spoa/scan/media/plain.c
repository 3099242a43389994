/* Decodes texts without a file format: UTF-8, and the encodings that Excel and Notepad also
 * write: UTF-16 (RFC 2781) with a byte order mark, and Windows-1252
 * (https://encoding.spec.whatwg.org/windows-1252.html). Providers decode all of them for the
 * model. The second part renders markup. */
#include "base/ascii.h"
#include "base/utf8.h"
#include "base/err.h"
#include "base/scoped.h"
#include "scan/media/media_file.h"

enum { OTHERS_PER_ASCII = 3 }; /* at most one character in four may be non-ASCII */

/* Returns the code point of a byte, 0 if Windows-1252 does not define the byte. */
static uint32_t
windows_1252(unsigned char c)
{
	static const uint16_t high[32] = { 0x20ac, 0, 0x201a, 0x192, 0x201e, 0x2026, 0x2020,
		0x2021, 0x2c6, 0x2030, 0x160, 0x2039, 0x152, 0, 0x17d, 0, 0, 0x2018, 0x2019,
		0x201c, 0x201d, 0x2022, 0x2013, 0x2014, 0x2dc, 0x2122, 0x161, 0x203a, 0x153, 0,
		0x17e, 0x178 };

	return c >= 0x80 && c < 0xa0 ? high[c - 0x80] : c;
}

static bool
decode_1252(struct span s, struct buf *b)
{
	size_t others = 0;

	for (size_t i = 0; i < s.n; i++) {
		uint32_t cp = windows_1252((unsigned char)s.p[i]);
		if (!cp)
			return false;
		others += cp >= 0x80;
		buf_utf8(b, cp);
	}
	return others * OTHERS_PER_ASCII <= s.n - others;
}

/* Decodes UTF-16 after the mark. */
static bool
decode_16(struct span s, bool little, struct buf *b)
{
	if (s.n % 2)
		return false;
	while (s.n)
		buf_utf8(b, utf16_next(&s, little));
	return true;
}

int
file_text(struct span bytes, struct arena *a, struct span *text, bool *is)
{
	SCOPED_BUF(b, 0);
	bool little = span_starts(bytes, SPAN_LIT("\xff\xfe"));

	*text = bytes;
	*is = utf8_text(bytes);
	if (*is)
		return 0;
	*is = little || span_starts(bytes, SPAN_LIT("\xfe\xff"))
		      ? decode_16(span_cut(bytes, 2, bytes.n), little, &b)
		      : decode_1252(bytes, &b);
	*is = *is && utf8_text(buf_view(&b));
	if (!*is)
		return 0;
	*text = arena_dup(a, buf_view(&b));
	return buf_failed(&b) || !text->p ? ERR_NOMEM : 0;
}

/* Returns the length of the tag at the beginning of s, brackets included; 0: no tag. The caller
 * checks that s contains a ">". *within: the tag can be inside a word. */
static size_t
markup_tag(struct span s, bool *within)
{
	static const char *const names[] = { "a", "b", "em", "font", "i", "mark", "s", "small",
		"span", "strong", "sub", "sup", "tspan", "u" };
	size_t at = s.n > 1 && s.p[1] == '/' ? 2 : 1, n = at;

	if (s.p[0] != '<' || !(is_alpha(s.p[at]) || strchr("!?", s.p[at])))
		return 0;
	while (is_alpha(s.p[n]) || is_digit(s.p[n]))
		n++;
	*within = strchr("> \t\r\n/", s.p[n]) && SPAN_IN(span_cut(s, at, n), names);
	return span_chr(s, '>') + 1;
}

int
file_text_shown(struct span text, struct arena *a, struct span *out)
{
	SCOPED_BUF(b, 0);
	struct span inner = span_trim(text, " \t\r\n");
	bool within, torn = false;

	*out = (struct span){ NULL, 0 };
	if (span_starts(inner, SPAN_LIT("\xef\xbb\xbf")))
		inner = span_trim(span_cut(inner, 3, inner.n), " \t\r\n");
	if (!span_starts(inner, SPAN_LIT("<")))
		return 0;
	const char *last = memrchr(inner.p, '>', inner.n);
	while (inner.n) {
		size_t n = last && inner.p < last ? markup_tag(inner, &within) : 0;
		if (!n)
			buf_putc(&b, inner.p[0]);
		else if (!within)
			buf_putc(&b, '\n');
		torn |= n && within;
		inner = span_cut(inner, n ? n : 1, inner.n);
	}
	if (torn && !buf_failed(&b))
		*out = arena_dup(a, buf_view(&b));
	return buf_failed(&b) || (torn && !out->p) ? ERR_NOMEM : 0;
}
