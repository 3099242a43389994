/* Tables of digits, because the callers look at every byte of a text; and the digits of an
 * encoded value. */
#include "base/codec/digits.h"

/* clang-format off */
const unsigned char digits64[256] = {
	['A'] = 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26,
	['a'] = 27, 28, 29, 30, 31, 32, 33, 34, 35, 36, 37, 38, 39, 40, 41, 42, 43, 44, 45, 46, 47, 48, 49, 50, 51, 52,
	['0'] = 53, 54, 55, 56, 57, 58, 59, 60, 61, 62, ['+'] = 63, ['-'] = 63, ['/'] = 64, ['_'] = 64,
};

const unsigned char digits_in[256] = {
	['A' ... 'F'] = IN64 | IN32 | IN32HEX | IN16 | IN_UPPER,
	['G' ... 'V'] = IN64 | IN32 | IN32HEX | IN_UPPER, ['W' ... 'Z'] = IN64 | IN32 | IN_UPPER,
	['a' ... 'f'] = IN64 | IN32 | IN32HEX | IN16 | IN_LOWER,
	['g' ... 'v'] = IN64 | IN32 | IN32HEX | IN_LOWER, ['w' ... 'z'] = IN64 | IN32 | IN_LOWER,
	['0' ... '1'] = IN64 | IN32HEX | IN16 | IN_DECIMAL,
	['2' ... '7'] = IN64 | IN32 | IN32HEX | IN16 | IN_DECIMAL,
	['8' ... '9'] = IN64 | IN32HEX | IN16 | IN_DECIMAL,
	['+'] = IN64, ['-'] = IN64, ['/'] = IN64, ['_'] = IN64,
};
/* clang-format on */

/* Returns the number of bits of a value's first byte that belong to a digit with bits of the
 * preceding bytes. */
static size_t
shared_bits(size_t way)
{
	return (6 - 8 * way % 6) % 6;
}

size_t
digits_disguised(size_t n, size_t way)
{
	return way == DISGUISE_HEX ? 2 * n : (8 * n - (n ? shared_bits(way) : 0)) / 6;
}

void
digits_disguise_part(struct span value, size_t way, size_t from, size_t n, char *out)
{
	static const char hex[] = "0123456789abcdef",
			  digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
				     "0123456789+/";
	const unsigned char *v = (const unsigned char *)value.p;

	for (size_t i = from; way == DISGUISE_HEX && i < from + n; i++)
		out[i - from] = hex[v[i / 2] >> (i % 2 ? 0 : 4) & 15];
	if (way == DISGUISE_HEX)
		return;
	size_t bit = shared_bits(way) + 6 * from;
	for (size_t i = 0; i < n; i++, bit += 6) {
		size_t at = bit / 8;
		unsigned two = (unsigned)v[at] << 8 | (at + 1 < value.n ? v[at + 1] : 0);
		out[i] = digits[two >> (10 - bit % 8) & 63];
	}
}

size_t
digits_disguise(struct span value, size_t way, char *out)
{
	size_t n = digits_disguised(value.n, way);

	digits_disguise_part(value, way, 0, n, out);
	return n;
}
