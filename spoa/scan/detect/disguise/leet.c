/* Reads letters that stand for digits in a number: 4O12 for 4012.
 *
 * Only letters that look like digits count, in a token or in groups without other characters.
 * The result must have a valid checksum of a card or IBAN, or its name must be near. Both are
 * required if letters are not fewer than digits, or if hexadecimal numbers contain all of the
 * letters too. */
#include "base/ascii.h"
#include "scan/detect/disguise/heuristics.h"
#include "scan/detect/validate/check.h"

enum { NUMBER_MIN = 9, NUMBER_MAX = 34, CARD_MIN = 13, CARD_MAX = 19 };

/* clang-format off */
static const char likes[128] = {
	['O'] = '0', ['o'] = '0', ['I'] = '1', ['i'] = '1', ['l'] = '1', ['Z'] = '2', ['z'] = '2',
	['S'] = '5', ['s'] = '5', ['B'] = '8', ['A'] = '4', ['E'] = '3', ['T'] = '7', ['G'] = '6',
	['b'] = '6', ['g'] = '9', ['q'] = '9',
};
/* clang-format on */

/* A number that was read. */
struct number {
	char digit[NUMBER_MAX]; /* the digits as they would read */
	/* offset in the text of each digit */
	size_t from[NUMBER_MAX];
	/* digits, and how many of them are written as letters */
	size_t n, letters;
	bool wild;   /* a letter that is rarely mistaken for a digit is among them */
	size_t sure; /* letters that are often mistaken and that hexadecimal numbers do not
		      * contain */
};

static char
digit_like(char c)
{
	return (unsigned char)c < 128 ? likes[(unsigned char)c] : 0;
}

static bool
is_wild(char c)
{
	return is_one_of(c, "AETGbgq");
}

static void
leet_put(struct number *m, size_t i, char c, bool fold)
{
	fold &= is_alpha(c);
	m->letters += fold;
	m->wild |= fold && is_wild(c);
	m->sure += fold && !is_wild(c) && c != 'B';
	m->from[m->n] = i;
	m->digit[m->n++] = fold ? digit_like(c) : to_upper(c);
}

/* Reads groups of digits and look-alike letters, with one space, dash or dot between groups. A
 * group of letters alone counts only if it is as long as the first group. Returns false for most
 * text early. */
static bool
read_leet_number(const struct heuristic *l, size_t i, struct number *m)
{
	size_t digits = 0, first = 0, n = 0, stop = i;

	for (size_t k = i, end;; k = end + 1) {
		size_t of_group = 0;
		for (end = k; is_digit(byte_at(l, end)) || digit_like(byte_at(l, end)); end++)
			of_group += is_digit(byte_at(l, end));
		if (end == k || is_alnum(byte_at(l, end)) || n + end - k > CARD_MAX ||
			(!of_group && end - k != first))
			break;
		n += end - k;
		stop = end;
		digits += of_group;
		first = first ? first : end - k;
		end += byte_at(l, end) == ')';
		if (byte_at(l, end) != ' ' && byte_at(l, end) != '-' && byte_at(l, end) != '.')
			break;
	}
	if (n < NUMBER_MIN || digits == n || n - digits >= 2 * digits)
		return false;
	*m = (struct number){ 0 };
	for (size_t k = i; k < stop; k++)
		if (is_alnum(byte_at(l, k)))
			leet_put(m, k, byte_at(l, k), true);
	return true;
}

static bool
digit_near(const struct heuristic *l, size_t from, size_t to)
{
	while (from < to && !is_digit(byte_at(l, from)))
		from++;
	return from < to;
}

/* Returns true if more digits are near, as in a row of hexadecimal numbers. */
static bool
in_row(const struct heuristic *l, const struct number *m)
{
	enum { NEAR = 5 };
	size_t from = m->from[0], end = m->from[m->n - 1] + 1;

	return digit_near(l, from > NEAR ? from - NEAR : 0, from) ||
	       digit_near(l, end, end + NEAR);
}

static void
read_as(struct heuristic *l, const struct number *m, unsigned flags)
{
	for (size_t i = 0; i < m->n; i++)
		if (is_alpha(byte_at(l, m->from[i])) && is_digit(m->digit[i]))
			heuristic_edit(l, m->from[i], m->from[i] + 1,
				(char[]){ m->digit[i], 0 }, flags);
}

void
heuristic_leet(struct heuristic *l, size_t i)
{
	struct number m;

	if (!read_leet_number(l, i, &m))
		return;
	bool card = m.n >= CARD_MIN && strchr("3456", m.digit[0]) && luhn_valid(m.digit, m.n);
	bool sure = card && !m.wild && m.sure && m.letters * 2 < m.n;
	if (sure)
		read_as(l, &m, 0);
	else if ((card || (m.n < CARD_MIN && !m.wild)) && !in_row(l, &m))
		read_as(l, &m, EDIT_NAMED);
}

/* A run of letters belongs to the bank's name if one of them looks like no digit. */
void
heuristic_leet_iban(struct heuristic *l, size_t i)
{
	struct number m = { 0 };
	size_t want = iban_length(byte_at(l, i), byte_at(l, i + 1));

	for (size_t k = i, end; want && is_alnum(byte_at(l, k)); k = end) {
		bool fold = true;
		for (end = k; is_alpha(byte_at(l, end)); end++)
			fold &= digit_like(byte_at(l, end)) && !is_wild(byte_at(l, end));
		end += end == k;
		if (m.n + end - k > want)
			return;
		for (size_t j = k; j < end; j++)
			leet_put(&m, j, byte_at(l, j), fold && k > i);
		if (is_alnum(byte_at(l, end)))
			continue;
		if (m.letters > 0 && m.n == want && iban_valid(m.digit, m.n)) {
			read_as(l, &m, 0);
			return;
		}
		end += byte_at(l, end) == ' ' || byte_at(l, end) == '-';
	}
}
