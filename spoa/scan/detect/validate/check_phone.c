/* Validates telephone numbers. A number with a country code (E.164) must have a length that the
 * country uses. A number of the NANP must follow the allocation rules. Other national numbers
 * are only shapes, so they need a context word. The pattern matches digits with separators and
 * an optional extension. */
#include "base/ascii.h"
#include "scan/detect/validate/check.h"

/* Country codes with the lengths of their numbers, generated from
 * policies/detectors/phone_codes.txt. */
struct country {
	unsigned short code;
	unsigned char min, max;
};
static const struct country countries[] = {
#include "scan/detect/validate/phone_codes.inc"
};

enum { DIGITS_MAX = 24, GROUPS_MAX = 10 };

struct number {
	char digits[DIGITS_MAX];
	size_t n;
	size_t group[GROUPS_MAX]; /* digits in each group */
	size_t groups;
	bool plus, parens, dots, extension;
};

static struct number
read_phone_number(struct span s)
{
	struct number r = { .plus = span_chr(s, '+') < 3 && span_chr(s, '+') < s.n };
	size_t run = 0;

	for (size_t i = 0; i <= s.n; i++) {
		char c = i < s.n ? s.p[i] : ' ';
		if (is_digit(c)) {
			if (r.n < DIGITS_MAX)
				r.digits[r.n++] = c;
			run++;
			continue;
		}
		if (run == 1 && c == ')' && r.n > 1 && r.digits[r.n - 1] == '0' && i >= 2 &&
			s.p[i - 2] == '(') {
			r.n--;
			run = 0;
		}
		if (run && r.groups < GROUPS_MAX)
			r.group[r.groups++] = run;
		run = 0;
		r.parens |= c == '(';
		r.dots |= c == '.';
		if (is_alpha(c) || c == '#' || c == ';') {
			r.extension = true; /* not part of the number */
			break;
		}
	}
	return r;
}

/* NANP: NXX NXX XXXX, N is 2 to 9; area codes N11 and N9X are not assigned. */
static bool
is_nanp(const char *d)
{
	return d[0] >= '2' && d[3] >= '2' && !(d[1] == '1' && d[2] == '1') && d[1] != '9' &&
	       !(d[4] == '1' && d[5] == '1');
}

static bool
is_international(const char *d, size_t n)
{
	for (size_t k = 1; k <= 3 && k < n; k++) {
		uint64_t code = sum_number(d, k);
		for (size_t i = 0; i < COUNT_OF(countries); i++) {
			if (countries[i].code != code)
				continue;
			size_t rest = n - k;
			/* The trunk 0 is often written although it should not be. */
			if (rest && d[k] == '0' && code != 39)
				rest--;
			return rest >= countries[i].min && rest <= countries[i].max &&
			       (code != 1 || is_nanp(d + 1));
		}
	}
	return false;
}

static bool
is_year(const char *d)
{
	return !memcmp(d, "19", 2) || !memcmp(d, "20", 2);
}

/* Returns true for a date and an hour without separators, as HL7 writes them: 202509091200 or
 * 20250909120000. Up to 2015 it may be an Egyptian mobile number, which begins with 2010 to
 * 2012 or 2015. */
static bool
is_timestamp(const char *d, size_t n)
{
	return (n == 12 || n == 14) && is_year(d) &&
	       (d[0] == '1' || memcmp(d, "2016", 4) >= 0) && sum_two(d + 4) - 1 < 12 &&
	       sum_two(d + 6) - 1 < 31 && sum_two(d + 8) < 24 && sum_two(d + 10) < 60;
}

/* ---- groups of digits that are no telephone number: `d` the digits, `g` the groups' sizes
 * ---- */

/* 2025-09-09 12, 09.09.2025 */
static bool
is_grouped_date(const struct number *r)
{
	const char *d = r->digits;
	const size_t *g = r->group;

	if (r->groups < 3)
		return false;
	if (g[0] == 4 && g[1] == 2 && g[2] == 2 && is_year(d) && sum_number(d + 4, 2) <= 12 &&
		sum_number(d + 6, 2) <= 31)
		return true;
	return g[0] <= 2 && g[1] <= 2 && g[2] == 4 && is_year(d + g[0] + g[1]) &&
	       sum_number(d, g[0]) <= 31 && sum_number(d + g[0], g[1]) <= 31;
}

/* The year and the pages of a citation: (2019) 575-607 */
static bool
is_citation(const struct number *r)
{
	return r->parens && r->group[0] == 4 && is_year(r->digits);
}

/* 3.1415926 */
static bool
is_fraction(const struct number *r)
{
	return r->dots && r->groups == 2 && !r->parens;
}

/* 1870-1930 */
static bool
is_span_of_years(const struct number *r)
{
	const char *d = r->digits;

	return r->groups == 2 && r->group[0] == 4 && r->group[1] == 4 &&
	       sum_number(d, 4) - 1000 < 1100 && sum_number(d + 4, 4) - 1000 < 1100;
}

/* A social security number: 078-05-1120 */
static bool
has_ssn_groups(const struct number *r)
{
	return r->groups == 3 && r->group[0] == 3 && r->group[1] == 2 && r->group[2] == 4;
}

/* An address of IPv4: 192.168.100.200 */
static bool
is_dotted_quad(const struct number *r)
{
	const char *d = r->digits;
	const size_t *g = r->group;

	return r->groups == 4 && r->dots && g[0] <= 3 && g[1] <= 3 && g[2] <= 3 && g[3] <= 3 &&
	       sum_number(d, g[0]) <= 255 && sum_number(d + g[0], g[1]) <= 255;
}

static bool
is_something_else(const struct number *r)
{
	return is_grouped_date(r) || is_citation(r) || is_fraction(r) || is_span_of_years(r) ||
	       has_ssn_groups(r) || is_dotted_quad(r);
}

static enum check_result
weak_phone(struct candidate *c, float score)
{
	if (c->score > score)
		c->score = score;
	return CHECK_SHAPE;
}

/* Leaves out parentheses around the whole number, as in "call (+44 20 7946 0958)". */
static void
leave_out_parentheses(struct candidate *c)
{
	struct span v = span_cut(c->text, c->start, c->end);

	if (v.n > 2 && v.p[0] == '(' && span_chr(v, ')') == v.n - 1) {
		c->start++;
		c->end--;
	}
}

/* 18:43 after the number: its last group is an hour. */
static bool
is_before_minutes(const struct candidate *c)
{
	return c->end + 1 < c->text.n && c->text.p[c->end] == ':' &&
	       is_digit(c->text.p[c->end + 1]);
}

/* Returns true for digits that are no telephone number: a date (20240115), a timestamp, a round
 * number, a long number. */
static bool
is_plain_number(const struct number *r, const char *d, size_t n)
{
	if (n > 15)
		return true;
	if (r->groups != 1)
		return false;
	bool date = n == 8 && is_year(d) && sum_two(d + 4) - 1 < 12 && sum_two(d + 6) - 1 < 31;
	return date || is_timestamp(d, n) || (n <= 9 && !memcmp(d + n - 3, "000", 3));
}

/* Checks a number without a country code. d: its n digits, without the 1 of North America. */
static enum check_result
check_national(
	struct candidate *c, const struct number *r, const char *d, size_t n, bool grouped)
{
	if (n == 10 && is_nanp(d) && (grouped || (r->parens && r->groups == 2)))
		return CHECK_VALID;
	/* 123-456-7890 is not assigned, but is meant as a telephone number. */
	if (n == 10 && grouped)
		return weak_phone(c, 0.5f);
	if (is_plain_number(r, d, n))
		return CHECK_NO;
	/* a trunk zero and several groups, as in most of Europe and Asia */
	if (d[0] == '0' && d[1] != '0' && n >= 10 && n <= 11 && r->groups >= 3)
		return weak_phone(c, 0.5f);
	if (r->extension && r->groups > 1)
		return weak_phone(c, 0.5f);
	/* (030) 901820 and 8 (495) 123-45-67, but not 45(12) 1234-1240 */
	if (r->parens && n >= 9 &&
		(span_chr(span_cut(c->text, c->start, c->end), '(') == 0 ||
			(r->group[0] == 1 && strchr("0178", r->digits[0]))))
		return weak_phone(c, 0.5f);
	return weak_phone(c, 0.25f);
}

/* Returns true for the points of a drawing: two or more decimals between spaces, "8.22-6.13 1.44". */
static bool
has_decimals(struct span s)
{
	size_t decimals = 0, spaces = 0;

	for (size_t i = 1; i + 1 < s.n; i++) {
		decimals += s.p[i] == '.' && is_digit(s.p[i - 1]) && is_digit(s.p[i + 1]);
		spaces += s.p[i] == ' ';
	}
	return decimals > 1 && spaces > 0;
}

/* Returns true for points of a drawing, "476.5,-180 422.4,-144", for a part of a name,
 * "terminal-2816723390-r1", and for pages, "pp. 106-154 1962". */
static bool
is_point_or_part(const struct candidate *c)
{
	const char *p = c->text.p;
	size_t at = c->start, end = c->end;

	if (at > 1 && p[at - 1] == '-' && (p[at - 2] == ',' || is_digit(p[at - 2])))
		return true;
	if (end + 2 < c->text.n && p[end] == ',' && p[end + 1] == '-' && is_digit(p[end + 2]))
		return true;
	if (at > 1 && end + 1 < c->text.n && p[at - 1] == '-' && is_lower(p[at - 2]) &&
		p[end] == '-' && is_lower(p[end + 1]))
		return true;
	while (at > 0 && p[at - 1] == ' ')
		at--;
	return at > 2 && !memcmp(p + at - 3, "pp.", 3);
}

/* Returns true for pairs of digits that are counted: 05 06 07 08 09, 01 03 05 07 09. */
static bool
counts_up(const struct number *r)
{
	if (r->groups < 4 || r->n != 2 * r->groups)
		return false;
	unsigned step = sum_two(r->digits + 2) - sum_two(r->digits);
	for (size_t i = 2; i < r->n; i += 2)
		if (r->group[i / 2] != 2 ||
			sum_two(r->digits + i) != sum_two(r->digits + i - 2) + step)
			return false;
	return step > 0 && step < 10;
}

static enum check_result
check_phone(struct candidate *c)
{
	leave_out_parentheses(c);
	if (has_decimals(span_cut(c->text, c->start, c->end)) || is_point_or_part(c))
		return CHECK_NO;
	struct number r = read_phone_number(span_cut(c->text, c->start, c->end));
	const char *d = r.digits;
	size_t n = r.n;

	if (n < 7 || n > 17 || one_digit_repeated(d, n) || counts_up(&r) || inside_uuid(c))
		return CHECK_NO;
	if (r.plus)
		return is_international(d, n) ? CHECK_VALID : weak_phone(c, 0.4f);
	if (is_before_minutes(c) || is_something_else(&r))
		return CHECK_NO;
	/* 415-555-0132, whatever is before it */
	bool grouped =
		r.groups >= 3 && r.group[r.groups - 1] == 4 && r.group[r.groups - 2] == 3;
	if (n > 9 && !memcmp(d, "00", 2))
		return r.groups > 1 && is_international(d + 2, n - 2)
			       ? CHECK_VALID
			       : weak_phone(c, grouped ? 0.5f : 0.3f);
	if (n > 10 && !memcmp(d, "011", 3))
		return r.groups > 1 && is_international(d + 3, n - 3) ? CHECK_VALID
								      : weak_phone(c, 0.3f);
	bool one = n == 11 && d[0] == '1';
	return check_national(c, &r, d + one, n - one, grouped);
}

/* The validators of this file (check.h). */
/* clang-format off */
const struct check checks_phone[] = {
	{ "phone", check_phone, "country plan and length", NULL }, /* E.164, NANP, national shapes */
	{ NULL, NULL, NULL, NULL },
};
/* clang-format on */
