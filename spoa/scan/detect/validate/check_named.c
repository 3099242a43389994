/* Values that have no check digit and come after their own name ("MRN: 00482913"):
 * what is asked of them is that they look like numbers and not like words, years or
 * dates. */
#include "base/ascii.h"
#include "scan/detect/validate/check_sum.h"

struct counts {
	size_t chars, digits, letters;
	bool same; /* one character repeated */
};

static struct counts
count_kinds(const struct candidate *c)
{
	struct counts n = { .same = true };
	char first = 0;

	for (size_t i = c->start; i < c->end; i++) {
		char x = c->text.p[i];
		if (!is_alnum(x))
			continue;
		first = first ? first : x;
		n.same = n.same && x == first;
		n.chars++;
		n.digits += is_digit(x);
	}
	n.letters = n.chars - n.digits;
	return n;
}

/* 2024-01-15, 15.01.2024, 20240115 */
static bool
is_date(const struct candidate *c, const struct counts *n)
{
	char d[8];

	if (n->digits != 8 || n->letters || digits_of(c, d, 8) != 8)
		return false;
	unsigned first = (unsigned)sum_number(d, 4), last = (unsigned)sum_number(d + 4, 4);
	return (first > 1900 && first < 2100 &&
		       sum_date(first, sum_two(d + 4), sum_two(d + 6))) ||
	       (c->end - c->start == 10 && last > 1900 && last < 2100 &&
		       (sum_date(last, sum_two(d + 2), sum_two(d)) ||
			       sum_date(last, sum_two(d), sum_two(d + 2))));
}

enum check_result
check_named(struct candidate *c)
{
	struct counts n = count_kinds(c);

	return n.same || n.digits < 3 || n.digits * 3 < n.chars || is_date(c, &n) ? CHECK_NO
										  : CHECK_SHAPE;
}

enum check_result
check_mrn(struct candidate *c)
{
	struct counts n = count_kinds(c);

	return n.same || n.digits < (n.letters ? 3 : 5) || is_date(c, &n) ? CHECK_NO
									  : CHECK_SHAPE;
}

enum check_result
check_id_text(struct candidate *c)
{
	struct counts n = count_kinds(c);

	if (n.same || n.chars < 6 || n.digits < 4 || n.digits * 2 < n.chars || is_date(c, &n))
		return CHECK_NO;
	return CHECK_SHAPE;
}

enum check_result
check_plate(struct candidate *c)
{
	struct counts n = count_kinds(c);

	return n.letters && n.digits && n.chars >= 4 && n.chars <= 10 ? CHECK_SHAPE : CHECK_NO;
}

/* IEEE 802: neither nothing nor everyone. */
enum check_result
check_mac(struct candidate *c)
{
	return count_kinds(c).same ? CHECK_NO : CHECK_SHAPE;
}
