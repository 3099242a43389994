/* Fast paths for folding characters, and decoding of bytes that may be invalid UTF-8. A bitmap
 * (letters_cells) shows which cells of 16 code points contain any character that is folded. */
#include "scan/detect/disguise/fold.h"

#include "base/utf8.h"

static bool
is_nothing(uint32_t cp)
{
	if (cp < LETTERS_CELLS_END)
		return !(letters_cells[cp / 1024] >> (cp / 16 % 64) & 1);
	/* Han and Hangul contain no such characters. */
	return cp < 0xA4D0 || (cp >= 0xAC00 && cp < 0xD7A4);
}

struct folded
fold_char(uint32_t cp)
{
	return is_nothing(cp) ? (struct folded){ FOLD_NONE, 0, { 0 } } : letters_fold(cp);
}

size_t
fold_nothing(const char *p, size_t n)
{
	const unsigned char *b = (const unsigned char *)p;
	size_t i = 0;

	for (;;) {
		if (n - i >= 3 && b[i] >= 0xE0 && b[i] < 0xED && (b[i + 1] & 0xC0) == 0x80 &&
			(b[i + 2] & 0xC0) == 0x80 && (b[i] > 0xE0 || b[i + 1] >= 0xA0)) {
			if (!is_nothing((b[i] & 0xFu) << 12 | (b[i + 1] & 0x3Fu) << 6 |
					(b[i + 2] & 0x3Fu)))
				return i;
			i += 3;
		} else if (n - i >= 2 && b[i] >= 0xC2 && b[i] < 0xE0 &&
			   (b[i + 1] & 0xC0) == 0x80) {
			if (!is_nothing((b[i] & 0x1Fu) << 6 | (b[i + 1] & 0x3Fu)))
				return i;
			i += 2;
		} else {
			return i;
		}
	}
}

/* Overlong forms begin with C0 or C1, E0 80-9F, or F0 80-8F. */
static size_t
fold_overlong(const char *p, size_t n, uint32_t *cp)
{
	unsigned char a = (unsigned char)p[0];
	size_t want = a == 0xC0 || a == 0xC1 ? 2 : a == 0xE0 ? 3 : a == 0xF0 ? 4 : 0;

	if (!want || want > n)
		return 0;
	uint32_t v = want == 2 ? a & 1u : 0;
	for (size_t i = 1; i < want; i++) {
		if ((p[i] & 0xC0) != 0x80)
			return 0;
		v = v << 6 | ((unsigned char)p[i] & 0x3Fu);
	}
	*cp = v;
	return want;
}

uint32_t
fold_decode(const char *p, size_t n, size_t *bytes, bool *valid)
{
	size_t len = utf8_sequence(p, n);
	uint32_t cp = (unsigned char)p[0];

	*valid = len > 0;
	*bytes = len ? len : 1;
	if (len == 0) {
		size_t long_form = fold_overlong(p, n, &cp);
		if (long_form)
			*bytes = long_form;
		return cp;
	}
	return utf8_value(p, len);
}
