/* UTF-8: recognizes characters by the table of well-formed byte sequences (RFC 3629 section 4),
 * in which only the range of the second byte depends on the first; validates text, finds
 * positions in it, and converts UTF-16 and surrogates. */
#include "base/utf8.h"

#include "base/ascii.h"

size_t
utf8_sequence(const char *p, size_t n)
{
	const unsigned char *b = (const unsigned char *)p;
	unsigned char lo = 0x80, hi = 0xbf;
	size_t len;

	if (b[0] < 0x80)
		return 1;
	if (b[0] < 0xc2)
		return 0;
	if (b[0] < 0xe0) {
		len = 2;
	} else if (b[0] < 0xf0) {
		len = 3;
		if (b[0] == 0xe0)
			lo = 0xa0;
		else if (b[0] == 0xed)
			hi = 0x9f;
	} else if (b[0] < 0xf5) {
		len = 4;
		if (b[0] == 0xf0)
			lo = 0x90;
		else if (b[0] == 0xf4)
			hi = 0x8f;
	} else {
		return 0;
	}
	if (n < len || b[1] < lo || b[1] > hi)
		return 0;
	for (size_t i = 2; i < len; i++)
		if ((b[i] & 0xc0) != 0x80)
			return 0;
	return len;
}

void
buf_json_utf8(struct buf *b, struct span s)
{
	size_t good = 0, i = 0;

	buf_putc(b, '"');
	while (i < s.n) {
		size_t len = utf8_sequence(s.p + i, s.n - i);
		i += len ? len : 1;
		if (len)
			continue;
		buf_json(b, span_cut(s, good, i - 1));
		buf_str(b, "\xef\xbf\xbd");
		good = i;
	}
	buf_json(b, span_cut(s, good, s.n));
	buf_putc(b, '"');
}

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
