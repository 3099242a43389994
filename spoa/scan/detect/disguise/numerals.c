/* Reads numbers in words, a digit or two at a time: four five three nine, vier fünf drei neun,
 * forty-five thirty-nine, double four. Digits may stand between words. A result with the length
 * of a card needs a valid checksum; with another length its name must be near.
 *
 * To find such words quickly, tables of the letters around u, v, x and z in all number words are
 * built at program start (fill_windows()). */
#include "base/ascii.h"
#include "base/bits.h"
#include "base/effort.h"
#include "base/search.h"
#include "scan/detect/disguise/heuristics.h"
#include "scan/detect/disguise/numerals.h"

enum {
	DIGITS_MAX = 40,
	DIGITS_MIN = 7,
	WORDS_MIN = 4,
	WORD_MAX = 16,
	RUN_MAX = 8,
	GAP_MAX = 4,
	WINDOW_BITS = 12
};

/* A number that was read. start[n] is the offset after the last word. */
struct number {
	size_t start[DIGITS_MAX + 1], end[DIGITS_MAX];
	char with[DIGITS_MAX][5]; /* the digits of a word; "": digits in the text, left unchanged */
	size_t n, digits, words;
};

static unsigned
numeral_folded(char c)
{
	return (unsigned char)(c | 0x20);
}

/* Returns the index of the first number word that begins with the byte, or of the next one. */
static size_t
first_with(char c)
{
	return SEARCH_FIRST(
		numerals_count, k, numeral_folded(numerals[k].word[0]) < numeral_folded(c));
}

/* Returns the number word that begins at i and sets *end, or returns NULL. */
static const struct numeral *
numeral_at(const struct heuristic *l, size_t i, size_t *end)
{
	if (i > 0 && is_letter_or_digit(byte_at(l, i - 1)))
		return NULL;
	*end = span_past(span_cut(l->t, 0, i + WORD_MAX), i, is_letter);
	size_t n = *end - i;
	if (is_letter_or_digit(byte_at(l, i + n)))
		return NULL;
	for (size_t k = n ? first_with(byte_at(l, i)) : numerals_count;
		k < numerals_count &&
		numeral_folded(numerals[k].word[0]) == numeral_folded(byte_at(l, i));
		k++)
		if (span_ieq(span_cut(l->t, i, i + n), span_str(numerals[k].word)))
			return &numerals[k];
	return NULL;
}

static bool
numeral_between(char c)
{
	return is_one_of(c, " \t\r\n-,.;:/_|*+~'\"");
}

static size_t
numeral_gap(const struct heuristic *l, size_t i)
{
	return span_past(span_cut(l->t, 0, i + GAP_MAX), i, numeral_between);
}

/* Returns the beginning of the number word or digits before i, or i if something else precedes. */
static size_t
numeral_before(const struct heuristic *l, size_t i)
{
	size_t k = i, end;

	while (k > l->at && i - k < GAP_MAX && numeral_between(byte_at(l, k - 1)))
		k--;
	size_t stop = k;
	while (k > l->at && stop - k < RUN_MAX && is_digit(byte_at(l, k - 1)))
		k--;
	if (k < stop)
		return k > l->at && is_letter_or_digit(byte_at(l, k - 1)) ? i : k;
	while (k > l->at && stop - k < WORD_MAX && is_letter(byte_at(l, k - 1)))
		k--;
	return k < stop && stop < i && numeral_at(l, k, &end) && end == stop ? k : i;
}

bool
evade_is_numeral_word(struct span word)
{
	struct heuristic l = { .t = word };
	size_t end;

	return word.n <= WORD_MAX && numeral_at(&l, 0, &end) && end == word.n;
}

/* Reads a word: twenty-one gives 21; after double, the repeated digit follows. Returns where the
 * next word begins, or i if there is none. */
static size_t
read_word(const struct heuristic *l, size_t i, char *with)
{
	size_t end, next;
	const struct numeral *m = numeral_at(l, i, &end), *unit;

	if (!m)
		return i;
	strcpy(with, m->digits);
	next = numeral_gap(l, end);
	unit = next - end == 1 ? numeral_at(l, next, &next) : NULL;
	bool one = unit && is_digit(unit->digits[0]) && !unit->digits[1];
	if (with[0] == 'x') {
		if (!one)
			return i;
		memset(with, unit->digits[0], strlen(m->digits) + 1);
		with[strlen(m->digits) + 1] = 0;
		return next;
	}
	if (one && with[0] >= '2' && with[1] == '0' && unit->digits[0] != '0') {
		with[1] = unit->digits[0];
		return next;
	}
	return end;
}

static void
read_numeral(const struct heuristic *l, size_t i, struct number *m)
{
	m->n = m->digits = m->words = 0;
	for (size_t k = i; m->digits < DIGITS_MAX - 4 && m->n < DIGITS_MAX;
		k = numeral_gap(l, k)) {
		char *with = m->with[m->n];
		size_t from = k;
		k = span_past(span_cut(l->t, 0, from + RUN_MAX), from, is_digit);
		with[0] = 0;
		if (k == from)
			k = read_word(l, k, with);
		if (k == from || is_letter_or_digit(byte_at(l, k)))
			break;
		m->start[m->n] = from;
		m->end[m->n++] = k;
		m->words += with[0] != 0;
		m->digits += with[0] ? strlen(with) : k - from;
	}
}

/* Returns the letter in lower case, or 0 for another character. */
static unsigned
letter_or_0(char c)
{
	return is_letter(c) ? (unsigned char)(c | 0x20) : 0;
}

/* prose: ok neighbours (a name in the code)
 * neighbours: for each letter before a u, v, x or z in any number word, the letters that may
 * follow it, as bits by their lowest five bits. windows: the set of up to two letters on either
 * side, as hashes. */
static uint32_t neighbours[32];
static uint64_t windows[(1u << WINDOW_BITS) / 64];

/* Returns the hash of p[-2] to p[2]. */
static unsigned
window_of(const char *p)
{
	uint64_t h = letter_or_0(p[0]), before = letter_or_0(p[-1]), after = letter_or_0(p[1]);

	h = h << 16 | before << 8 | after;
	h = h << 16 | (before ? letter_or_0(p[-2]) : 0) << 8 | (after ? letter_or_0(p[2]) : 0);
	return (unsigned)(h * UINT64_C(0x9E3779B97F4A7C15) >> (64 - WINDOW_BITS));
}

__attribute__((constructor)) static void
fill_windows(void)
{
	for (size_t k = 0; k < numerals_count; k++) {
		char word[WORD_MAX + 4] = { 0 };
		size_t n = strnlen(numerals[k].word, WORD_MAX);
		memcpy(word + 2, numerals[k].word, n);
		for (const char *p = word + 2; p < word + 2 + n; p++)
			if (is_one_of(*p, "uvxz")) {
				unsigned w = window_of(p);
				windows[w / 64] |= UINT64_C(1) << (w % 64);
				neighbours[letter_or_0(p[-1]) & 31] |=
					UINT32_C(1) << (letter_or_0(p[1]) & 31);
			}
	}
}

/* Returns true if the u, v, x or z at i may be in a number word. Nearly all others are ruled
 * out. */
static bool
may_be_numeral(const struct heuristic *l, size_t i)
{
	const char *p = l->t.p + i;

	if (i < 2 || i + 2 >= l->t.n || is_high(*p))
		return i + 2 < l->t.n;
	if (!(neighbours[letter_or_0(p[-1]) & 31] >> (letter_or_0(p[1]) & 31) & 1))
		return false;
	unsigned w = window_of(p);
	return windows[w / 64] >> (w % 64) & 1;
}

uint64_t
heuristic_numerals(const struct heuristic *l, size_t base, uint64_t cross)
{
	return BITS_WHERE(cross, base, i, may_be_numeral(l, i) || is_digit(byte_at(l, i + 1)));
}

void
heuristic_number(struct heuristic *l, size_t i)
{
	struct number m;
	size_t from = i, end;

	if (i < l->number_end || !may_be_numeral(l, i))
		return;
	effort_add(128); /* the effort of reading some words */
	while (from > l->at && i - from < WORD_MAX && is_letter(byte_at(l, from - 1)))
		from--;
	if (!numeral_at(l, from, &end))
		return;
	for (size_t k = 0, first; k < DIGITS_MAX && (first = numeral_before(l, from)) < from;
		k++)
		from = first;
	read_numeral(l, from, &m);
	l->number_end = m.n ? m.end[m.n - 1] : end;
	if (m.digits < DIGITS_MIN || m.words < WORDS_MIN)
		return;
	unsigned flags = m.digits < 13 || m.digits > 19 ? EDIT_NAMED : 0;
	m.start[m.n] = m.end[m.n - 1];
	for (size_t k = 0; k < m.n; k++)
		heuristic_edit(l, m.with[k][0] ? m.start[k] : m.end[k], m.start[k + 1],
			m.with[k], flags);
}
