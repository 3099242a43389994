/* Quickly rejects rows of groups of digits that cannot form a value, by the bits of the
 * classifier: dates, times, amounts, lists of short numbers. If a row cannot be rejected for
 * sure, groups.c reads it and decides. */
#include "base/ascii.h"
#include "base/bits.h"
#include "scan/detect/disguise/heuristics.h"

enum { LEAST = 8 }; /* digits of the shortest number that is searched for */

/* A row of groups; bit i of `digit` describes p[i]. */
struct row {
	const char *p;
	uint64_t digit;
	bool plus; /* a plus sign precedes it */
};

/* The first groups of a row, as far as their separators are alike. */
struct head {
	unsigned n, last; /* number of groups, and offset of the last one */
	/* digits in these groups */
	unsigned digits;
	bool plain, column, all; /* usual separator; separator of tables; these are all groups of
				  * the row */
};

struct groups_ahead
groups_ahead(const struct heuristic *l, size_t i)
{
	const struct look *k = &l->c->look[(i - l->c->from) / BLOCK];
	unsigned shift = (i - l->c->from) % BLOCK;

	if (!shift)
		return (struct groups_ahead){ k->digit, k->alnum, k->gap, k->sign };
	return (struct groups_ahead){
		look_on(k[0].digit, k[1].digit, shift),
		look_on(k[0].alnum, k[1].alnum, shift),
		look_on(k[0].gap, k[1].gap, shift),
		look_on(k[0].sign, k[1].sign, shift),
	};
}

/* Returns true if there are more than twenty digits in a row. */
static bool
has_long_run(uint64_t digit)
{
	digit &= digit >> 1;
	digit &= digit >> 2;
	digit &= digit >> 4;
	digit &= digit >> 8;
	return digit & digit >> 5;
}

/* Returns the bits without the last run of digits, which ends at n. */
static uint64_t
all_but_last(uint64_t digit, unsigned n)
{
	uint64_t other = ~digit & bits_below(n);

	return other ? digit & bits_below(64 - (unsigned)__builtin_clzll(other)) : 0;
}

/* Fills in *h. Returns false if the row must be read by groups.c. */
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
		if (c == '\r' || c == '<' || c >= 0x80 || between >> i & 2)
			return false;
		if (c != (unsigned char)sep && c != '\n') {
			in &= bits_below(i);
			h->all = false;
			break;
		}
		line |= c == '\n';
		h->last = i + 1;
		h->n++;
	}
	h->digits = (unsigned)__builtin_popcountll(in);
	h->plain = !line && (sep == ' ' || sep == '-' || sep == '.');
	h->column = line || groups_columns[(unsigned char)sep];
	return true;
}

static bool
is_nothing(const struct row *r, const struct head *h)
{
	const uint64_t fours = 0x7BDEF, phone = 0xF77;
	/* 212-555-0143, also with a line break in it; groups.c cuts off the rest. */
	bool threes =
		(h->n == 3 && (r->digit & 15) == 7) ||
		((r->digit & bits_below(12)) == phone && (r->p[3] == '\n' || r->p[7] == '\n'));

	if ((h->n > 4 || !h->all) && (r->digit & bits_below(20)) == fours)
		return false; /* a card number with other text after it or inside */
	if (h->digits >= 13 && h->digits <= 19 && r->p[0] >= '3' && r->p[0] <= '6')
		return false;
	return h->digits < LEAST || h->plain || (h->column && !r->plus && !threes);
}

/* Returns true if at least three digits stand alone. Then it is a row of single characters,
 * which another guess handles. */
static bool
has_singles(uint64_t digit)
{
	uint64_t alone = digit & ~(digit << 1) & ~(digit >> 1);

	alone &= alone - 1;
	return alone & (alone - 1);
}

/* Rejects all numbers of a row in which no other guess begins. Returns false if the first number
 * must be read. */
static bool
reject_all(const struct row *row, size_t i, size_t *end)
{
	struct row r = *row;
	unsigned last = 63 - (unsigned)__builtin_clzll(r.digit);
	const char *stop = r.p + last + 1;

	while (__builtin_popcountll(r.digit) >= LEAST) {
		uint64_t between = ~r.digit & bits_below((unsigned)(stop - r.p - 1));
		struct head h;
		if (!between)
			break;
		if (!head_of(&r, between, &h) || !is_nothing(&r, &h))
			return *end > i;
		if (h.all)
			break;
		*end += h.last;
		r = (struct row){ r.p + h.last, r.digit >> h.last, r.p[h.last - 1] == '+' };
		if (r.p[-1] == '_')
			return true;
	}
	*end = i + last + 1;
	return true;
}

bool
groups_mixed(const struct groups_ahead *a)
{
	uint64_t row = a->alnum | a->gap, alpha = a->alnum & ~a->digit;
	uint64_t mixed = (a->digit & alpha >> 1) | (alpha & a->digit >> 1);

	return mixed & row & ~(row + 1);
}

bool
groups_reject(const struct heuristic *l, size_t i, const struct groups_ahead *a, size_t *end)
{
	uint64_t other = ~(a->digit | a->gap);
	unsigned n = other ? (unsigned)__builtin_ctzll(other) : 64; /* 64 or more */

	*end = i;
	if (n <= LEAST && !(a->sign & bits_below(n)))
		return true; /* one of these bytes is no digit, and none is '<' */
	uint64_t digit = a->digit & bits_below(n);
	if (has_long_run(digit))
		return false;
	if (digit >> (n - 1) && i + n < l->t.n && is_alpha(l->t.p[i + n]))
		digit = all_but_last(digit, n);
	if (!digit)
		return true;
	unsigned last = 63 - (unsigned)__builtin_clzll(digit);
	for (unsigned k = last + 1; k < n; k++)
		if (l->t.p[i + k] == '<')
			return false; /* markup may follow */
	struct row r = { l->t.p + i, digit, i > 0 && l->t.p[i - 1] == '+' };
	if (other && !(a->sign & bits_below(n)) && !has_singles(digit) && !groups_mixed(a))
		return reject_all(&r, i, end);
	struct head h = { .n = 1 };
	uint64_t between = ~digit & bits_below(last);
	if (between && (!head_of(&r, between, &h) || !is_nothing(&r, &h)))
		return false;
	if (!other && (h.all || !between))
		return false;
	*end = i + (h.all || !between ? last + 1 : h.last);
	return true;
}
