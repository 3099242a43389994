/* Looks characters up in the tables of letters.txt: the letter without its accent, the
 * letter in lower case, the ASCII character that a character can stand for, and the class of
 * a character in words. The rows are sorted ranges of code points, which are searched by
 * binary search. */
#include "base/codec/letters.h"

#include <stddef.h>

#include "base/ascii.h"
#include "base/utf8.h"
#include "base/search.h"

/* A row for `count` characters from `first` on. */
struct fold_row {
	uint32_t first;
	uint16_t count;
	uint8_t kind;
	/* The ASCII character of the first one; those of the others follow it, except in a class
	 * that has one sign or none. From LETTERS_NUMBER on: a number of two digits. */
	uint8_t c;
};
enum { LETTERS_NUMBER = 128 };

/* The letters from..to, `step` apart, map to a letter that is `delta` away: a capital to its
 * small letter, or each letter to the first one that differs by case alone. */
struct case_row {
	uint32_t from, to;
	uint8_t step;
	int32_t delta;
};

#include "base/codec/letters.inc"

#define ROWS(table) (sizeof(table) / sizeof((table)[0]))

const char *
letters_latin(uint32_t cp)
{
	if (cp >= 0xC0 && cp < 0x250)
		return latin + 2 * (cp - 0xC0);
	return cp >= 0x1E00 && cp < 0x1F00 ? latin_more + 2 * (cp - 0x1E00) : NULL;
}

static uint32_t
of_case(const struct case_row *rows, size_t n, uint32_t cp)
{
	size_t i = SEARCH_FIRST(n, mid, cp > rows[mid].to);

	if (i == n || cp < rows[i].from || (cp - rows[i].from) % rows[i].step)
		return cp;
	return (uint32_t)((int32_t)cp + rows[i].delta);
}

uint32_t
letters_lower(uint32_t cp)
{
	return of_case(lower_rows, ROWS(lower_rows), cp);
}

uint32_t
letters_plain(uint32_t cp)
{
	return cp >= 0x386 && cp < 0x386 + ROWS(greek) ? 0x300u | greek[cp - 0x386]
						       : letters_lower(cp);
}

static uint32_t
next_of_case(struct span s, size_t *at)
{
	if (!is_high(s.p[*at]))
		return (uint32_t)to_upper(s.p[(*at)++]);
	size_t n = utf8_step(s, *at);
	*at += n;
	return of_case(caseless_rows, ROWS(caseless_rows), utf8_value(s.p + *at - n, n));
}

bool
letters_caseless_eq(struct span a, struct span b)
{
	size_t i = 0, j = 0;

	while (i < a.n && j < b.n)
		if (next_of_case(a, &i) != next_of_case(b, &j))
			return false;
	return i == a.n && j == b.n;
}

struct folded
letters_fold(uint32_t cp)
{
	size_t i = SEARCH_FIRST(
		ROWS(fold_rows), mid, cp >= fold_rows[mid].first + fold_rows[mid].count);

	if (i == ROWS(fold_rows) || cp < fold_rows[i].first)
		return (struct folded){ FOLD_NONE, 0, { 0 } };
	enum fold_kind kind = fold_rows[i].kind;
	unsigned c = fold_rows[i].c;
	if (kind == FOLD_ASCII || kind == FOLD_LIKE || kind == FOLD_TAG)
		c += cp - fold_rows[i].first;
	if (c < LETTERS_NUMBER)
		return (struct folded){ kind, c != 0, { (char)c } };
	c -= LETTERS_NUMBER;
	return (struct folded){ kind, 2, { (char)('0' + c / 10), (char)('0' + c % 10) } };
}

const struct letters_block *
letters_block(uint32_t cp)
{
	return &blocks[SEARCH_FIRST(ROWS(blocks) - 1, mid, cp >= blocks[mid + 1].from)];
}
