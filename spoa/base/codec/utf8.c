/* Validates UTF-8, finds positions in it, and converts UTF-16 and surrogates. */
#include "base/codec/utf8.h"

#include "base/ascii.h"
#include "base/buf.h"

size_t
utf8_prefix(struct span s)
{
	size_t i = 0;

	while (i < s.n) {
		uint64_t w;
		while (s.n - i >= 8 && (memcpy(&w, s.p + i, 8), !(w & 0x8080808080808080u)))
			i += 8;
		if (i == s.n)
			break;
		size_t len = utf8_sequence(s.p + i, s.n - i);
		if (!len)
			break;
		i += len;
	}
	return i;
}

bool
utf8_valid(struct span s)
{
	return utf8_prefix(s) == s.n;
}

bool
utf8_text(struct span s)
{
	for (size_t i = 0; i < s.n; i++) {
		unsigned char c = (unsigned char)s.p[i];
		if (c < 0x20 && c != '\t' && c != '\n' && c != '\f' && c != '\r')
			return false;
	}
	return utf8_valid(s);
}

bool
utf8_line(struct span s)
{
	return s.n > 0 && span_past(s, 0, is_in_line) == s.n && utf8_valid(s);
}

size_t
utf8_count(struct span s)
{
	size_t count = 0;

	for (size_t i = 0; i < s.n; i++)
		count += ((unsigned char)s.p[i] & 0xc0) != 0x80;
	return count;
}

void
utf8_position(struct span s, size_t at, unsigned *line, unsigned *column)
{
	size_t start = 0;

	s = span_cut(s, 0, at);
	*line = 1;
	for (size_t i = 0; i < s.n; i++)
		if (s.p[i] == '\n') {
			++*line;
			start = i + 1;
		}
	*column = 1 + (unsigned)utf8_count(span_cut(s, start, s.n));
}

size_t
utf8_encode(uint32_t cp, char out[4])
{
	if (cp < 0x80) {
		out[0] = (char)cp;
		return 1;
	}
	if (cp < 0x800) {
		out[0] = (char)(0xc0 | cp >> 6);
		out[1] = (char)(0x80 | (cp & 0x3f));
		return 2;
	}
	if (cp < 0x10000) {
		out[0] = (char)(0xe0 | cp >> 12);
		out[1] = (char)(0x80 | (cp >> 6 & 0x3f));
		out[2] = (char)(0x80 | (cp & 0x3f));
		return 3;
	}
	out[0] = (char)(0xf0 | cp >> 18);
	out[1] = (char)(0x80 | (cp >> 12 & 0x3f));
	out[2] = (char)(0x80 | (cp >> 6 & 0x3f));
	out[3] = (char)(0x80 | (cp & 0x3f));
	return 4;
}

void
buf_utf8(struct buf *b, uint32_t cp)
{
	char out[4];

	buf_put(b, out, utf8_encode(cp, out));
}

static uint32_t
utf16_unit(struct span s, size_t at, bool little)
{
	unsigned char first = (unsigned char)s.p[at], second = (unsigned char)s.p[at + 1];

	return little ? (uint32_t)(second << 8 | first) : (uint32_t)(first << 8 | second);
}

uint32_t
utf16_next(struct span *s, bool little)
{
	uint32_t cp = utf16_unit(*s, 0, little),
		 low = s->n >= 4 ? utf16_unit(*s, 2, little) : 0;
	bool pair = (cp & 0xfc00) == 0xd800 && (low & 0xfc00) == 0xdc00;

	*s = span_cut(*s, pair ? 4 : 2, s->n);
	if (pair)
		return 0x10000 + ((cp & 0x3ff) << 10) + (low & 0x3ff);
	return (cp & 0xf800) == 0xd800 ? 0xfffd : cp;
}

static uint32_t
half_of(const char *p)
{
	return 0xd000u | ((unsigned char)p[1] & 0x3fu) << 6 | ((unsigned char)p[2] & 0x3fu);
}

size_t
utf8_join_halves(struct span s, struct buf *out)
{
	size_t i = 0;

	while (i < s.n) {
		const char *half = memchr(s.p + i, '\xED', s.n - i);
		size_t to = half ? (size_t)(half - s.p) : s.n;
		char pair[4];
		buf_span(out, span_cut(s, i, to));
		i = to;
		if (i == s.n)
			break;
		if (!utf8_half_at(s, i)) {
			buf_putc(out, s.p[i++]);
			continue;
		}
		uint32_t first = half_of(s.p + i);
		bool high = first < 0xdc00;
		i += UTF8_HALF;
		if (high && i == s.n)
			return UTF8_HALF;
		uint32_t second = high && utf8_half_at(s, i) ? half_of(s.p + i) : 0;
		if (second >= 0xdc00) {
			size_t n = utf8_encode(
				0x10000 + ((first & 0x3ff) << 10) + (second & 0x3ff), pair);
			buf_span(out, span_of(pair, n));
			i += UTF8_HALF;
		} else {
			buf_str(out, "\xEF\xBF\xBD");
		}
	}
	return 0;
}
