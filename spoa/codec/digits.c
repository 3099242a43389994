/* Tables: the callers look at every byte of a text. */
#include "codec/digits.h"

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

static size_t
base64(struct span value, size_t before, char *out)
{
	static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
				     "0123456789+/";
	uint32_t bits = 0;
	size_t n = 0, have = 0, shared = (6 - 8 * before % 6) % 6;

	for (size_t i = 0; i < value.n; i++) {
		bits = bits << 8 | (unsigned char)value.p[i];
		have += i ? 8 : 8 - shared;
		for (; have >= 6; have -= 6)
			out[n++] = digits[bits >> (have - 6) & 63];
	}
	return n;
}

size_t
digits_disguise(struct span value, size_t way, char *out)
{
	static const char digits[] = "0123456789abcdef";

	if (way < 3)
		return base64(value, way, out);
	for (size_t i = 0; i < value.n; i++) {
		out[2 * i] = digits[(unsigned char)value.p[i] >> 4];
		out[2 * i + 1] = digits[value.p[i] & 15];
	}
	return 2 * value.n;
}
