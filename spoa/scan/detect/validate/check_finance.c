/* Numbers of banks and devices. */
#include "base/ascii.h"
#include "scan/detect/validate/check_sum.h"

/* ISO 9362: places five and six are a country of ISO 3166-1, or XK. */
enum check_result
check_bic(struct candidate *c)
{
	static const char *const countries[] = {
#include "scan/detect/validate/bic_countries.inc"
	};
	char v[11];

	if (!sum_chars(c, v, 8) && !sum_chars(c, v, 11))
		return CHECK_NO;
	return SPAN_IN(span_of(v + 4, 2), countries) ? CHECK_SHAPE : CHECK_NO;
}

/* A date of the calendar in any order, between 1900 and 2099 where the year has four
 * digits. */
enum check_result
check_date(struct candidate *c)
{
	unsigned part[3] = { 0 }, digits[3] = { 0 };
	size_t n = 0;
	bool in = false;

	for (size_t i = c->start; i < c->end; i++) {
		if (!is_digit(c->text.p[i])) {
			n += in;
			in = false;
			continue;
		}
		if (n == 3)
			return CHECK_NO;
		in = true;
		part[n] = part[n] * 10 + (unsigned)(c->text.p[i] - '0');
		digits[n]++;
	}
	n += in;
	if (n == 2) /* the month is a word */
		return part[0] >= 1 && part[0] <= 31 ? CHECK_SHAPE : CHECK_NO;
	if (n != 3)
		return CHECK_NO;
	unsigned y = digits[0] == 4 ? part[0] : part[2];
	unsigned a = digits[0] == 4 ? part[1] : part[0], b = digits[0] == 4 ? part[2] : part[1];
	if (y >= 100 && (y < 1850 || y > 2099))
		return CHECK_NO;
	return sum_date(y, a, b) || sum_date(y, b, a) ? CHECK_SHAPE : CHECK_NO;
}
