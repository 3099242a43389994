/* The digits of RFC 4648's encodings: base64 in both alphabets, base32 in both alphabets, and
 * hexadecimal in both cases. */
#ifndef BASE_CODEC_DIGITS_H
#define BASE_CODEC_DIGITS_H

#include "base/ascii.h"

/* The value of a base64 digit plus 1; 0: not a digit. */
extern const unsigned char digits64[256];

/* For each character, the encodings that use it, and its class. */
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

/* Ways to encode a value inside a longer text: base64 with 0, 1 or 2 other bytes before the
 * value in its group of three (ways 0 to 2), and hexadecimal. Digits that also contain bits of
 * other bytes are left out. */
enum { DISGUISE_HEX = 3, DISGUISES };
/* The first function returns the number of digits for n bytes, at most 2 * n. The second writes
 * n digits of a value, beginning with digit `from`. */
size_t digits_disguised(size_t n, size_t way);
void digits_disguise_part(struct span value, size_t way, size_t from, size_t n, char *out);
/* Writes all digits. Returns their number. */
size_t digits_disguise(struct span value, size_t way, char *out);

/* Returns the digit's value, or -1. */
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
