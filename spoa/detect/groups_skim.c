/* Rows of groups of digits of which nothing comes, told from the bits of the look: dates,
 * times, amounts, lists of short numbers. What is not sure is read (groups.c), whose rules
 * are those that count. */
#include "detect/loose.h"

enum { LEAST = 8 }; /* digits of a number that is looked for */

/* Bit i of `digit` is at p[i]. */
struct row {
	const char *p;
	uint64_t digit;
	bool plus; /* stands before it */
};

/* The first groups of it, as far as what separates them is alike. */
struct head {
	unsigned n, last; /* where the last of them begins */
	unsigned digits;
	bool plain, column, all; /* of the row */
};

/* Bits of the sixty-four bytes from i on. */
static void
bits_from(const struct loose *l, size_t i, uint64_t *digit, uint64_t *gap)
{
	const struct look *k = &l->c->look[(i - l->c->from) / LOOK_BLOCK];
	unsigned shift = (i - l->c->from) % LOOK_BLOCK;

	*digit = shift ? look_on(k[0].digit, k[1].digit, shift) : k[0].digit;
	*gap = shift ? look_on(k[0].gap, k[1].gap, shift) : k[0].gap;
}

static uint64_t
below(unsigned n)
{
	return (UINT64_C(1) << n) - 1;
}

/* More than twenty digits in a row. */
static bool
has_long_run(uint64_t digit)
{
	digit &= digit >> 1;
	digit &= digit >> 2;
	digit &= digit >> 4;
	digit &= digit >> 8;
	return digit & digit >> 5;
}

/* Without the last run of digits, which ends at n. */
static uint64_t
all_but_last(uint64_t digit, unsigned n)
{
	uint64_t other = ~digit & below(n);

	return other ? digit & below(64 - (unsigned)__builtin_clzll(other)) : 0;
}

/* False: to be read. */
static bool
head_of(const struct row *r, uint64_t between, struct head *h)
{
	char sep = r->p[__builtin_ctzll(between)];
	uint64_t in = r->digit;
	bool line = sep == '\n';

	*h = (struct head){ .n = 1, .all = true };
	for (uint64_t x = between; x; x &= x - 1) {
		unsigned i = (unsigned)__builtin_ctzll(x);
		unsigned char c = (unsigned char)r->p[i];
		if (c == '\r' || c >= 0x80 || between >> i & 2)
			return false;
		if (c != (unsigned char)sep && c != '\n') {
			in &= below(i);
			h->all = false;
			break;
		}
		line |= c == '\n';
		h->last = i + 1;
		h->n++;
	}
	h->digits = (unsigned)__builtin_popcountll(in);
	h->plain = !line && (sep == ' ' || sep == '-' || sep == '.');
	h->column = line || memchr("\t|,;:\"'[{", sep, 9);
	return true;
}

static bool
is_nothing(const struct row *r, const struct head *h)
{
	const uint64_t fours = 0x7BDEF;
	bool threes = h->n == 3 && (r->digit & 15) == 7;

	if ((h->n > 4 || !h->all) && (r->digit & below(20)) == fours)
		return false; /* a card, and something else behind it or in it */
	if (h->digits >= 13 && h->digits <= 19 && r->p[0] >= '3' && r->p[0] <= '6')
		return false;
	return h->digits < LEAST || h->plain || (h->column && !r->plus && !threes);
}

bool
groups_skim(const struct loose *l, size_t i, size_t *end)
{
	uint64_t digit, gap;

	bits_from(l, i, &digit, &gap);
	uint64_t other = ~(digit | gap);
	if (!other)
		return false;
	unsigned n = (unsigned)__builtin_ctzll(other);
	digit &= below(n);
	if (memchr(l->t.p + i, '<', n) || has_long_run(digit))
		return false;
	if (digit >> (n - 1) && i + n < l->t.n && is_alpha(l->t.p[i + n]))
		digit = all_but_last(digit, n);
	*end = i;
	if (!digit)
		return true;
	unsigned last = 63 - (unsigned)__builtin_clzll(digit);
	uint64_t between = ~digit & below(last);
	struct row r = { l->t.p + i, digit, i > 0 && l->t.p[i - 1] == '+' };
	struct head h = { .n = 1 };
	if (between && (!head_of(&r, between, &h) || !is_nothing(&r, &h)))
		return false;
	*end = i + (h.all || !between ? last + 1 : h.last);
	return true;
}
