/* UTF-8 as RFC 3629 defines it: no overlong forms, no surrogates, nothing over
 * U+10FFFF. */
#ifndef BASE_CODEC_UTF8_H
#define BASE_CODEC_UTF8_H

#include "base/utf8.h"

struct buf;

/* Bytes of the character at offset `at`; 1 where none that is valid begins. */
static inline size_t
utf8_step(struct span s, size_t at)
{
	size_t len = utf8_sequence(s.p + at, s.n - at);

	return len ? len : 1;
}
/* Where the character begins that ends before `at` > 0. */
static inline size_t
utf8_before(const char *p, size_t at)
{
	size_t i = at - 1;

	while (i > 0 && at - i < 4 && ((unsigned char)p[i] & 0xC0) == 0x80)
		i--;
	return i;
}
/* The code point of the sequence of `len` bytes at p, which is valid. */
static inline uint32_t
utf8_value(const char *p, size_t len)
{
	uint32_t cp = (unsigned char)p[0];

	if (len > 1)
		cp &= 0x7Fu >> len;
	for (size_t i = 1; i < len; i++)
		cp = cp << 6 | ((unsigned char)p[i] & 0x3Fu);
	return cp;
}
/* Length of the longest valid prefix: s.n where all of s is UTF-8. */
/* Back to where the character at that place begins. */
static inline size_t
utf8_begin(struct span s, size_t at)
{
	while (at > 0 && at < s.n && ((unsigned char)s.p[at] & 0xC0) == 0x80)
		at--;
	return at;
}
size_t utf8_prefix(struct span s);
bool utf8_valid(struct span s);
/* The same without control characters but those of lines and tabs. */
bool utf8_text(struct span s);
/* One line that a listing, a record and a header can show: valid, not empty, without control
 * characters. */
bool utf8_line(struct span s);
/* Characters of s, which is valid. */
size_t utf8_count(struct span s);
/* Line and column, both from 1, the column in characters, of the byte at `at`. */
void utf8_position(struct span s, size_t at, unsigned *line, unsigned *column);
/* Writes the code point (<= 0x10FFFF; a surrogate as UTF-8 would have it); returns 1-4. */
size_t utf8_encode(uint32_t cp, char out[4]);
void buf_utf8(struct buf *b, uint32_t cp); /* the same, after what b has */
/* A code point of UTF-16 off the front, of two bytes at least; U+FFFD for a half without the
 * other (RFC 2781 2.2). */
uint32_t utf16_next(struct span *s, bool little);
/* Halves of surrogate pairs, as utf8_encode() writes them: UTF8_HALF bytes each. */
enum { UTF8_HALF = 3 };
static inline bool
utf8_half_at(struct span s, size_t at)
{
	return s.n - at >= UTF8_HALF && (unsigned char)s.p[at] == 0xED &&
	       ((unsigned char)s.p[at + 1] & 0xE0) == 0xA0;
}
/* Appends s with pairs joined and U+FFFD for a half without the other; but for a first half at
 * the end: that is returned, 0 where there is none. */
size_t utf8_join_halves(struct span s, struct buf *out);

#endif
