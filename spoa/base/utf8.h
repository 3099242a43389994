/* UTF-8 as RFC 3629 defines it: no overlong forms, no surrogates, nothing above U+10FFFF. */
#ifndef BASE_UTF8_H
#define BASE_UTF8_H

#include "base/buf.h"

/* Returns the length (1 to 4) of the sequence at p, of which n > 0 bytes may be read, or 0 if no
 * valid sequence begins there. */
size_t utf8_sequence(const char *p, size_t n);

/* Returns the bytes of the character at offset `at`, or 1 if no valid one begins there. */
static inline size_t
utf8_step(struct span s, size_t at)
{
	size_t len = utf8_sequence(s.p + at, s.n - at);

	return len ? len : 1;
}
/* Returns the offset of the character that ends before `at` > 0. */
static inline size_t
utf8_before(const char *p, size_t at)
{
	size_t i = at - 1;

	while (i > 0 && at - i < 4 && ((unsigned char)p[i] & 0xC0) == 0x80)
		i--;
	return i;
}
/* Returns true if a Latin letter beyond ASCII begins at `at`: U+00C0 to U+027F, U+1E00 to U+1EFF. */
static inline bool
utf8_latin_at(struct span s, size_t at)
{
	unsigned char c = (unsigned char)s.p[at];
	unsigned char next = at + 1 < s.n ? (unsigned char)s.p[at + 1] : 0;

	return (c >= 0xC3 && c <= 0xC9) || (c == 0xE1 && next >= 0xB8 && next <= 0xBB);
}
/* Returns the code point of the valid sequence of `len` bytes at p. */
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
/* Returns the offset at which the character around `at` begins. In text that is no UTF-8, it is
 * at most three bytes before `at`. */
static inline size_t
utf8_begin(struct span s, size_t at)
{
	for (unsigned i = 0;
		i < 3 && at > 0 && at < s.n && ((unsigned char)s.p[at] & 0xC0) == 0x80; i++)
		at--;
	return at;
}
/* Returns the length of the longest valid prefix. */
size_t utf8_prefix(struct span s);
bool utf8_valid(struct span s);
/* Returns true if s is valid and has no control characters except tabs and line ends. */
bool utf8_text(struct span s);
/* Returns true if s is one line for a listing, a record or a header: valid, not empty, without
 * control characters. */
bool utf8_line(struct span s);
/* Returns the number of characters of s, which is valid. */
size_t utf8_count(struct span s);
/* Returns line and column, both from 1, of the byte at `at`. Columns count characters. */
void utf8_position(struct span s, size_t at, unsigned *line, unsigned *column);
/* Writes a code point <= 0x10FFFF; a surrogate as UTF-8 would encode it. Returns 1 to 4. */
size_t utf8_encode(uint32_t cp, char out[4]);
void buf_utf8(struct buf *b, uint32_t cp); /* Appends a code point. */
/* Appends any bytes as a JSON string with quotes. Each byte that is not UTF-8 becomes U+FFFD. */
void buf_json_utf8(struct buf *b, struct span s);
/* Removes a code point of UTF-16 from the front of *s, which has at least two bytes. Returns
 * U+FFFD for a surrogate without its other half (RFC 2781 2.2). */
uint32_t utf16_next(struct span *s, bool little);
/* Halves of surrogate pairs, as utf8_encode() writes them: UTF8_HALF bytes each. */
enum { UTF8_HALF = 3 };
static inline bool
utf8_half_at(struct span s, size_t at)
{
	return s.n - at >= UTF8_HALF && (unsigned char)s.p[at] == 0xED &&
	       ((unsigned char)s.p[at + 1] & 0xE0) == 0xA0;
}
/* Appends s with pairs joined, and U+FFFD for each half without the other. A first half at the
 * end is not appended: returns its bytes, or 0 if there is none. */
size_t utf8_join_halves(struct span s, struct buf *out);

#endif
