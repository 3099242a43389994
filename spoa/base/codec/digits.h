/* The digits of RFC 4648's encodings: base64 in both alphabets, base32 in both and
 * hexadecimal in either case. */
#ifndef BASE_CODEC_DIGITS_H
#define BASE_CODEC_DIGITS_H

#include "base/ascii.h"

/* 0 to 63, and 1 more: 0 is none. */
extern const unsigned char digits64[256];

/* What a character is: the encodings that have it, and its class. */
enum {
	IN64 = 1,
	IN32 = 2,
	IN16 = 4,
	IN_UPPER = 8,
	IN_LOWER = 16,
	IN_DECIMAL = 32,
	IN32HEX = 64,
};
extern const unsigned char digits_in[256];

/* Ways to disguise a value inside a longer text: base64 with 0, 1 or 2 other bytes before it
 * in its group, and hexadecimal; without the digits that it shares with other bytes. */
enum { DISGUISE_HEX = 3, DISGUISES };
/* How many digits n bytes have, twice n at most, and n of a value's, from that one on. */
size_t digits_disguised(size_t n, size_t way);
void digits_disguise_part(struct span value, size_t way, size_t from, size_t n, char *out);
/* Writes all of them; how many. */
size_t digits_disguise(struct span value, size_t way, char *out);

/* The digit's value, or -1. */
static inline int
value64(char c)
{
	return digits64[(unsigned char)c] - 1;
}

static inline int
value32(char c)
{
	if (is_alpha(c))
		return to_lower(c) - 'a';
	return c >= '2' && c <= '7' ? c - '2' + 26 : -1;
}

static inline int
value32hex(char c)
{
	if (is_digit(c))
		return c - '0';
	int v = to_lower(c) - 'a' + 10;
	return v >= 10 && v < 32 ? v : -1;
}

#endif
