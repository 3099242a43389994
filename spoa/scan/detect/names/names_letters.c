/* Letters for the word lists: which characters are letters or capitals, and how they are without
 * case and accents (base/codec/letters.h). "Dávila" and "DAVILA" are therefore one name. Only
 * Latin, Greek, Cyrillic and Armenian have case. */
#include "base/ascii.h"
#include "base/codec/letters.h"
#include "base/utf8.h"
#include "scan/detect/names/names.h"

static enum letter
of_table(const char *entry, uint64_t *folded)
{
	if (entry[0] == '.')
		return LETTER_NONE;
	*folded = (unsigned char)entry[0] | 0x20u;
	if (entry[1] != '.')
		*folded |= (uint64_t)((unsigned char)entry[1] | 0x20u) << 32;
	return is_upper(entry[0]) ? LETTER_UPPER : LETTER_LOWER;
}

/* Greek, U+0370 to U+03FF: removes accents and the final sigma. */
static enum letter
greek(uint32_t c, uint64_t *folded)
{
	*folded = letters_plain(c);
	return c < 0x386 || c == 0x387	 ? LETTER_NONE
	       : c < 0x3ac && c != 0x390 ? LETTER_UPPER
					 : LETTER_LOWER;
}

/* Cyrillic, U+0400 to U+052F. */
static enum letter
cyrillic(uint32_t c, uint64_t *folded)
{
	bool upper = c < 0x430 || (c >= 0x460 && !(c & 1));

	if (c >= 0x482 && c <= 0x489)
		return LETTER_NONE;
	*folded = c >= 0x4c0 && c < 0x4d0 ? c | 1 : letters_lower(c);
	if (*folded == 0x451) /* ё is often written as е */
		*folded = 0x435;
	return upper ? LETTER_UPPER : LETTER_LOWER;
}

static bool
is_han(uint32_t c)
{
	return (c >= 0x3400 && c <= 0x9fff && !(c >= 0x4dc0 && c < 0x4e00)) ||
	       (c >= 0x3041 && c <= 0x30fc && c != 0x30fb) || (c >= 0xac00 && c <= 0xd7a3) ||
	       c == 0x3005 || (c >= 0x20000 && c <= 0x323af);
}

/* Code points below U+0800. */
static enum letter
of_two(uint32_t c, uint64_t *folded)
{
	if (c < 0x250)
		return of_table(letters_latin(c), folded);
	*folded = c;
	if (c >= 0x300 && c < 0x370) { /* a combining accent: left out */
		*folded = 0;
		return LETTER_LOWER;
	}
	if (c >= 0x370 && c < 0x400)
		return greek(c, folded);
	if (c >= 0x400 && c < 0x530)
		return cyrillic(c, folded);
	if (c >= 0x531 && c <= 0x556) {
		*folded = letters_lower(c);
		return LETTER_UPPER;
	}
	if (c >= 0x561 && c <= 0x587)
		return LETTER_LOWER;
	if ((c >= 0x5d0 && c <= 0x5f2) ||
		(c >= 0x620 && c <= 0x6d3 && !(c >= 0x660 && c <= 0x66d)))
		return LETTER_OTHER;
	return LETTER_NONE;
}

static enum letter
of_more(uint32_t c, uint64_t *folded)
{
	*folded = c;
	if (c >= 0x2000 && c < 0x3000)
		return LETTER_NONE;
	if (c >= 0x3000)
		return is_han(c) ? LETTER_HAN : LETTER_NONE;
	if (c >= 0x1e00 && c < 0x1f00)
		return of_table(letters_latin(c), folded);
	if ((c >= 0x900 && c <= 0xdff && !(c >= 0x964 && c <= 0x96f)) ||
		(c >= 0xe01 && c <= 0xe4e && c != 0xe3f) || (c >= 0x10d0 && c <= 0x10ff) ||
		(c >= 0x1200 && c <= 0x135f))
		return LETTER_OTHER;
	return LETTER_NONE;
}

uint32_t glyph_two[0x800];

/* Runs before main(), so that most letters beyond ASCII need one table look-up. */
__attribute__((constructor)) static void
fill_two(void)
{
	for (uint32_t c = 0xc0; c < 0x800; c++) {
		uint64_t folded = 0;
		enum letter k = of_two(c, &folded);
		glyph_two[c] = (uint32_t)k << 24 | (uint32_t)(folded >> 32) << 16 |
			       (uint32_t)(folded & 0xffff);
	}
}

enum letter
glyph_wide(struct span t, size_t at, unsigned *n, uint64_t *folded)
{
	const unsigned char *p = (const unsigned char *)t.p + at;
	bool three = p[0] >= 0xe0 && p[0] < 0xed && t.n - at > 2 && (p[1] & 0xc0) == 0x80 &&
		     (p[2] & 0xc0) == 0x80 && (p[0] > 0xe0 || p[1] >= 0xa0);

	if (two_bytes(t, at))
		return glyph_at_alpha(t, at, n, folded);
	size_t len = three ? 3 : utf8_sequence(t.p + at, t.n - at);
	*n = len ? (unsigned)len : 1;
	return len == 0 ? LETTER_NONE : of_more(utf8_value(t.p + at, len), folded);
}
