/* Determines the ways in which a number may be read as text (RFC 8259 section 6): number = [ "-"
 * ] int [ "." frac ] [ exp ].
 * A double keeps about sixteen digits, so a card number survives as 0.N, N.5 or NeX, and the
 * receiver restores it with one multiplication. */
#include "base/arena.h"
#include "base/ascii.h"
#include "scan/text/body.h"

enum {
	LONG_DIGITS = 7,
	/* least digits after a point; with fewer, too many ordinary numbers would match */
	FRACTION_DIGITS = 9,
	POWER_MOST = 1 << 16,
	DIGITS_MOST = 40, /* most digits; no value that is searched for is longer */
	READINGS = 8,
};

/* A literal divided into its parts. The spans are views of it. */
struct number {
	bool minus;
	/* the digits before the point, and after it */
	struct span whole, part;
	bool plain;    /* neither point nor exponent */
	bool moderate; /* the exponent is at most POWER_MOST and therefore known */
	int64_t exponent;
};

/* The different readings found so far. */
struct readings {
	struct {
		char v[DIGITS_MOST];
		size_t n;
	} v[READINGS];
	size_t n;
};

bool
number_is_long(struct span literal)
{
	size_t digits = 0;

	for (size_t i = 0; i < literal.n && digits < LONG_DIGITS; i++)
		digits += is_digit(literal.p[i]);
	return digits >= LONG_DIGITS;
}

static struct number
take_apart(struct span literal)
{
	struct number x = { .minus = literal.p[0] == '-', .moderate = true };
	struct span rest = span_cut(literal, x.minus, literal.n);
	size_t small = span_chr(rest, 'e'), mark = span_chr(span_cut(rest, 0, small), 'E');
	uint64_t power = 0;

	struct span exponent = span_cut(rest, mark + 1, rest.n);
	struct span mantissa = span_cut(rest, 0, mark);
	x.plain = mark == rest.n && span_chr(mantissa, '.') == mantissa.n;
	x.part = mantissa;
	x.whole = span_next(&x.part, '.');
	bool down = exponent.n && exponent.p[0] == '-';
	if (down || (exponent.n && exponent.p[0] == '+'))
		exponent = span_cut(exponent, 1, exponent.n);
	if (exponent.n && (span_u64(exponent, &power) || power > POWER_MOST))
		x.moderate = false;
	else
		x.exponent = down ? -(int64_t)power : (int64_t)power;
	return x;
}

/* Returns digit i of the mantissa without its point; zeros follow its end. */
static char
digit_at(const struct number *x, size_t i)
{
	if (i < x->whole.n)
		return x->whole.p[i];
	i -= x->whole.n;
	return i < x->part.n ? x->part.p[i] : '0';
}

/* Adds the mantissa's digits [from, to) without leading zeros as a reading. Does nothing if
 * there are fewer than `least` digits, more than DIGITS_MOST, or if the same reading exists. */
static void
add_reading(struct readings *r, const struct number *x, size_t from, size_t to, size_t least)
{
	while (from < to && digit_at(x, from) == '0')
		from++;
	size_t n = to - from;
	if (n < least || n > DIGITS_MOST || r->n == READINGS)
		return;
	for (size_t i = 0; i < n; i++)
		r->v[r->n].v[i] = digit_at(x, from + i);
	r->v[r->n].n = n;
	for (size_t i = 0; i < r->n; i++)
		if (span_eq(span_of(r->v[i].v, r->v[i].n), span_of(r->v[r->n].v, n)))
			return;
	r->n++;
}

struct span
number_text(struct span literal, bool fractions, struct arena *a, bool *fraction)
{
	struct number x = take_apart(literal);
	struct readings r = { .n = 0 };
	size_t digits = x.whole.n + x.part.n, bare = digits, point = 0;

	*fraction = false;
	if (x.plain)
		return literal;
	while (bare && digit_at(&x, bare - 1) == '0')
		bare--;
	int64_t shifted = (int64_t)x.whole.n + x.exponent;
	if (x.moderate && shifted > 0)
		point = (size_t)shifted;
	if (point)
		add_reading(&r, &x, 0, point, LONG_DIGITS);
	bool whole = r.n && bare <= point;
	add_reading(&r, &x, 0, x.whole.n, LONG_DIGITS);
	size_t sure = r.n;
	if (whole ? x.exponent != 0 : fractions) {
		add_reading(&r, &x, 0, digits, FRACTION_DIGITS);
		add_reading(&r, &x, 0, bare, FRACTION_DIGITS);
	}
	if (fractions && !whole) {
		add_reading(&r, &x, x.whole.n, digits, FRACTION_DIGITS);
		add_reading(&r, &x, x.whole.n, bare > x.whole.n ? bare : x.whole.n,
			FRACTION_DIGITS);
	}
	*fraction = !whole && r.n > sure;
	if (r.n == 0)
		return literal;

	static const struct span joint = SPAN_LIT(" or ");
	char *out = arena_alloc(a, literal.n + r.n * (joint.n + DIGITS_MOST));
	size_t n = 0;
	if (!out)
		return (struct span){ NULL, 0 };
	if (!whole) {
		memcpy(out, literal.p, literal.n);
		n = literal.n;
	} else if (x.minus) {
		out[n++] = '-';
	}
	for (size_t i = 0; i < r.n; i++) {
		if (i || !whole) {
			memcpy(out + n, joint.p, joint.n);
			n += joint.n;
		}
		memcpy(out + n, r.v[i].v, r.v[i].n);
		n += r.v[i].n;
	}
	return span_of(out, n);
}
