/* Sets of words by up to eight letters at one end of each. With them, most words of a text are
 * known to be in no list without being read. Eight letters are compared as one 64-bit number. */
#include "scan/detect/names/names_eights.h"

#include <endian.h>

#include "scan/detect/names/names.h"

#define ONES  UINT64_C(0x0101010101010101)
#define HIGH  (ONES << 7)
#define SMALL (ONES << 5) /* the bit that makes a letter small */

static uint64_t
eight_bytes(const char *p)
{
	uint64_t v;

	memcpy(&v, p, sizeof(v));
	return le64toh(v);
}

/* Returns the bytes of a text shorter than eight, at the high or low end of the number; the rest
 * is NUL. */
static uint64_t
few_bytes(struct span text, bool last)
{
	char few[8] = { 0 };

	memcpy(last ? few + 8 - text.n : few, text.p, text.n);
	return eight_bytes(few);
}

/* Sets the highest bit of each byte that is a letter, beyond ASCII, or an apostrophe. */
static uint64_t
letters_in(uint64_t v)
{
	uint64_t low = v & ~HIGH, small = low | SMALL, mark = low ^ ONES * '\'';

	return (((small + ONES * (0x80 - 'a')) & ~(small + ONES * (0x7f - 'z'))) |
		       ~(mark + ONES * 0x7f) | v) &
	       HIGH;
}

/* Returns true if the letters contain a byte beyond ASCII or an apostrophe that may be left out.
 * Then nothing is certain. */
static bool
unsaid(uint64_t letters)
{
	return letters & HIGH || ~((letters ^ ONES * '\'') + ONES * 0x7f) & HIGH;
}

static unsigned
eight_bit(uint64_t letters)
{
	return (unsigned)((letters | SMALL) * UINT64_C(0x9E3779B97F4A7C15) >>
			  (64 - EIGHT_BITS));
}

static bool
has_letters(const struct eights *s, uint64_t letters)
{
	unsigned i = eight_bit(letters);

	return s->v[i / 64] >> (i % 64) & 1;
}

void
eights_put(struct eights *s, struct span term, bool last)
{
	uint64_t folded, v = 0;
	unsigned n, len;

	n = 0;
	for (size_t i = 0; i < term.n && (last || n < 8); i += len) {
		if (glyph_at(term, i, &len, &folded) == LETTER_NONE) {
			if (last || term.p[i] == '\'')
				continue;
			break;
		}
		for (; folded & 0xff && (last || n < 8); folded >>= 32, n++)
			v = n < 8 ? v | (folded & 0xff) << (8 * n)
				  : v >> 8 | (folded & 0xff) << 56;
	}
	n = eight_bit(v);
	s->v[n / 64] |= UINT64_C(1) << (n % 64);
}

bool
eights_end(const struct eights *s, struct span text)
{
	uint64_t v = text.n < 8 ? few_bytes(text, true) : eight_bytes(text.p + text.n - 8);
	uint64_t others = ~letters_in(v) & HIGH;
	unsigned n = others ? (unsigned)__builtin_clzll(others) / 8 : 8;
	if (n == 0)
		return false;
	v >>= 64 - 8 * n;
	/* A capital after a small letter begins the word inside a longer one. */
	uint64_t all = SMALL >> (64 - 8 * n), small = v & all;
	bool mixed = small && (small | 0x20) != all;
	return unsaid(v) || mixed || has_letters(s, v);
}

bool
eights_begin(const struct eights *s, struct span text)
{
	uint64_t v = text.n < 8 ? few_bytes(text, false) : eight_bytes(text.p);
	uint64_t others = ~letters_in(v) & HIGH;
	if (others & 0x80)
		return false;
	if (others)
		v &= ((others & -others) >> 7) - 1;
	return unsaid(v) || has_letters(s, v);
}
