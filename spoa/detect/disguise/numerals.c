/* Numbers in words, a digit or two at a time: four five three nine, vier fünf drei neun,
 * forty-five thirty-nine, double four; digits may come between them. What they make
 * needs a checksum, or its name near where it is no length of a card. */
#include "base/ascii.h"
#include "detect/disguise/heuristics.h"

enum {
	DIGITS_MAX = 40,
	DIGITS_MIN = 7,
	WORDS_MIN = 4,
	WORD_MAX = 16,
	RUN_MAX = 8,
	GAP_MAX = 4
};

/* A digit, two, or what the next digit is repeated as well. In one table: no word means
 * different digits in two of these languages (de, en, es, fr, it, nl, pl, pt, ru). Ordered
 * by the first byte. */
/* clang-format off */
static const struct numeral { const char *word, *digits; } numerals[] = {
	{ "acht", "8" }, { "cero", "0" }, { "cinco", "5" }, { "cinq", "5" }, { "cinque", "5" },
	{ "cuatro", "4" }, { "cztery", "4" }, { "deux", "2" }, { "dois", "2" }, { "dos", "2" },
	{ "double", "x" }, { "drei", "3" }, { "drie", "3" }, { "due", "2" }, { "dwa", "2" },
	{ "dziewi\xC4\x99\xC4\x87", "9" }, { "een", "1" }, { "eight", "8" }, { "eighteen", "18" },
	{ "eighty", "80" }, { "ein", "1" }, { "eins", "1" }, { "eleven", "11" }, { "fifteen", "15" },
	{ "fifty", "50" }, { "five", "5" }, { "forty", "40" }, { "four", "4" }, { "fourteen", "14" },
	{ "fuenf", "5" }, { "funf", "5" }, { "f\xC3\xBCnf", "5" }, { "huit", "8" }, { "jeden", "1" },
	{ "negen", "9" }, { "neuf", "9" }, { "neun", "9" }, { "nine", "9" }, { "nineteen", "19" },
	{ "ninety", "90" }, { "nove", "9" }, { "nueve", "9" }, { "nul", "0" }, { "null", "0" },
	{ "o", "0" }, { "ocho", "8" }, { "oh", "0" }, { "oito", "8" }, { "one", "1" }, { "osiem", "8" },
	{ "otto", "8" }, { "pi\xC4\x99\xC4\x87", "5" }, { "quatre", "4" }, { "quatro", "4" },
	{ "quattro", "4" }, { "sechs", "6" }, { "sei", "6" }, { "seis", "6" }, { "sept", "7" },
	{ "sete", "7" }, { "sette", "7" }, { "seven", "7" }, { "seventeen", "17" }, { "seventy", "70" },
	{ "sieben", "7" }, { "siedem", "7" }, { "siete", "7" }, { "six", "6" }, { "sixteen", "16" },
	{ "sixty", "60" }, { "sze\xC5\x9B\xC4\x87", "6" }, { "ten", "10" }, { "thirteen", "13" },
	{ "thirty", "30" }, { "three", "3" }, { "tre", "3" }, { "treble", "xx" }, { "tres", "3" },
	{ "triple", "xx" }, { "trois", "3" }, { "trzy", "3" }, { "tr\xC3\xAAs", "3" }, { "twee", "2" },
	{ "twelve", "12" }, { "twenty", "20" }, { "two", "2" }, { "um", "1" }, { "un", "1" },
	{ "une", "1" }, { "uno", "1" }, { "vier", "4" }, { "vijf", "5" }, { "zero", "0" }, { "zes", "6" },
	{ "zeven", "7" }, { "zwei", "2" }, { "zwo", "2" }, { "z\xC3\xA9ro", "0" },
	{ "\xC3\xA9\xC3\xA9n", "1" },
	/* ru */
	{ "\xD0\xB2\xD0\xBE\xD1\x81\xD0\xB5\xD0\xBC\xD1\x8C", "8" },
	{ "\xD0\xB4\xD0\xB2\xD0\xB0", "2" },
	{ "\xD0\xB4\xD0\xB5\xD0\xB2\xD1\x8F\xD1\x82\xD1\x8C", "9" },
	{ "\xD0\xBD\xD0\xBE\xD0\xBB\xD1\x8C", "0" },
	{ "\xD0\xBE\xD0\xB4\xD0\xB8\xD0\xBD", "1" },
	{ "\xD0\xBF\xD1\x8F\xD1\x82\xD1\x8C", "5" },
	{ "\xD1\x81\xD0\xB5\xD0\xBC\xD1\x8C", "7" },
	{ "\xD1\x82\xD1\x80\xD0\xB8", "3" },
	{ "\xD1\x87\xD0\xB5\xD1\x82\xD1\x8B\xD1\x80\xD0\xB5", "4" },
	{ "\xD1\x88\xD0\xB5\xD1\x81\xD1\x82\xD1\x8C", "6" },
};
/* clang-format on */

enum { NUMERALS = sizeof(numerals) / sizeof(numerals[0]) };

#define TWO(a, b) ((unsigned)(a) << 8 | (unsigned)(b))

struct number {
	size_t start[DIGITS_MAX + 1], end[DIGITS_MAX];
	char with[DIGITS_MAX][5]; /* "": digits, as they stand */
	size_t n, digits, words;
};

static unsigned
numeral_folded(char c)
{
	return (unsigned char)(c | 0x20);
}

/* The first numeral that begins with the byte, or one after it. */
static size_t
first_with(char c)
{
	size_t from = 0, to = NUMERALS;

	while (from < to) {
		size_t k = (from + to) / 2;
		if (numeral_folded(numerals[k].word[0]) < numeral_folded(c))
			from = k + 1;
		else
			to = k;
	}
	return from;
}

/* The word that begins at i, if it is a number's. */
static const struct numeral *
numeral_at(const struct heuristic *l, size_t i, size_t *end)
{
	size_t n = 0;

	if (i > 0 && is_letter_or_digit(byte_at(l, i - 1)))
		return NULL;
	while (n < WORD_MAX && is_letter(byte_at(l, i + n)))
		n++;
	*end = i + n;
	if (is_letter_or_digit(byte_at(l, i + n)))
		return NULL;
	for (size_t k = n ? first_with(byte_at(l, i)) : NUMERALS;
		k < NUMERALS &&
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
	size_t k = i;

	while (k - i < GAP_MAX && numeral_between(byte_at(l, k)))
		k++;
	return k;
}

/* The beginning of what comes before i, a word or digits; i: something else. */
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

/* twenty-one is 21; of double, what is repeated comes after. Where the next begins. */
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
read_number(const struct heuristic *l, size_t i, struct number *m)
{
	m->n = m->digits = m->words = 0;
	for (size_t k = i; m->digits < DIGITS_MAX - 4 && m->n < DIGITS_MAX;
		k = numeral_gap(l, k)) {
		char *with = m->with[m->n];
		size_t from = k;
		while (k - from < RUN_MAX && is_digit(byte_at(l, k)))
			k++;
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

/* Letters around a u, the fourth after them: of uno, une, un, um; four, neuf, neun; fuenf,
 * funf; cuatro, quatre; due, deux; huit. Most are let go by the two next to it: the letters
 * that may come after, by what comes before. */
static bool
may_hold_u(const char *p, char fourth)
{
#define BIT(c) (UINT32_C(1) << ((c)&31))
#define ALONE  (BIT('n') | BIT('m'))
	static const uint32_t after[256] = { [0 ... '@'] = ALONE,
		['[' ... '`'] = ALONE,
		['{' ... 0x7F] = ALONE,
		['c'] = BIT('a'),
		['C'] = BIT('a'),
		['q'] = BIT('a'),
		['Q'] = BIT('a'),
		['d'] = BIT('e'),
		['D'] = BIT('e'),
		['e'] = BIT('f') | BIT('n'),
		['E'] = BIT('f') | BIT('n'),
		['f'] = BIT('e') | BIT('n'),
		['F'] = BIT('e') | BIT('n'),
		['h'] = BIT('i'),
		['H'] = BIT('i'),
		['o'] = BIT('r'),
		['O'] = BIT('r') };

	if (!(after[(unsigned char)p[-1]] & BIT(p[1])) || !is_alpha(p[1]))
		return false;
#undef BIT
#undef ALONE
	char last = (char)(p[-1] | 0x20), next = (char)(p[1] | 0x20),
	     third = (char)(p[2] | 0x20);

	if (!is_letter(p[-1]))
		return !is_letter(p[2]) ||
		       ((third == 'o' || third == 'e') && !is_letter(fourth));
	if (is_alpha(p[-2])) {
		char first = (char)(p[-2] | 0x20);
		return (first == 'f' && last == 'o') || (first == 'n' && last == 'e');
	}
	switch (last) {
	case 'c':
	case 'q':
	case 'h': return third == 't';
	case 'd': return true;
	case 'f': return next == 'e' || third == 'f';
	default: return false;
	}
}

/* The u of four, cuatro, quatre, uno, un, due, deux, neuf, neun, huit; the v, x or z of five,
 * seven, nove, nueve, twelve, zeven; vier, vijf; six, deux; zero, zwei, trzy, cztery,
 * dziewięć. */
static bool
may_be_numeral(const struct heuristic *l, size_t i)
{
	if (i < 2 || i + 2 >= l->t.n)
		return i + 2 < l->t.n;
	const char *p = l->t.p + i;
	if ((p[0] | 0x20) == 'u')
		return may_hold_u(p, i + 3 < l->t.n ? p[3] : 0);
	if (is_letter(p[0]) && !is_alpha(p[0]))
		return true;
	unsigned two =
		(unsigned)(unsigned char)(p[-2] | 0x20) << 8 | (unsigned char)(p[-1] | 0x20);

	switch (p[0] | 0x20) {
	case 'v':
		if ((p[1] | 0x20) == 'e')
			return two == TWO('f', 'i') || two == TWO('s', 'e') ||
			       two == TWO('n', 'o') || two == TWO('u', 'e') ||
			       two == TWO('e', 'l') || two == TWO('z', 'e');
		return (p[1] | 0x20) == 'i' && !is_letter(p[-1]) &&
		       ((p[2] | 0x20) == 'e' || (p[2] | 0x20) == 'j');
	case 'x': return two == TWO('s', 'i') || two == TWO('e', 'u');
	default:
		return is_letter(p[1]) &&
		       (!is_letter(p[-1]) || (p[-1] | 0x20) == 'r' || (p[-1] | 0x20) == 'c' ||
			       (p[-1] | 0x20) == 'd' || (p[-1] | 0x20) == 's');
	}
}

uint64_t
heuristic_numerals(const struct heuristic *l, size_t base, uint64_t cross)
{
	uint64_t out = 0;

	for (; cross; cross &= cross - 1) {
		size_t i = base + (size_t)__builtin_ctzll(cross);
		if (may_be_numeral(l, i) || is_digit(byte_at(l, i + 1)))
			out |= cross & -cross;
	}
	return out;
}

void
heuristic_number(struct heuristic *l, size_t i)
{
	struct number m;
	size_t from = i, end;

	if (i < l->number_end || !may_be_numeral(l, i))
		return;
	while (from > l->at && i - from < WORD_MAX && is_letter(byte_at(l, from - 1)))
		from--;
	if (!numeral_at(l, from, &end))
		return;
	for (size_t k = 0, first; k < DIGITS_MAX && (first = numeral_before(l, from)) < from;
		k++)
		from = first;
	read_number(l, from, &m);
	l->number_end = m.n ? m.end[m.n - 1] : end;
	if (m.digits < DIGITS_MIN || m.words < WORDS_MIN)
		return;
	unsigned flags = m.digits < 13 || m.digits > 19 ? EDIT_NAMED : 0;
	m.start[m.n] = m.end[m.n - 1];
	for (size_t k = 0; k < m.n; k++)
		heuristic_edit(l, m.with[k][0] ? m.start[k] : m.end[k], m.start[k + 1],
			m.with[k], flags);
}
