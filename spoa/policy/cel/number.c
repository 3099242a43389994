/* Converts doubles to text and back. The text is the shortest that gives the same double. Needs
 * the decimal point of the C locale: the program sets no other locale. */
#include "policy/cel/number.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

size_t
cel_double_write(double d, char out[CEL_DOUBLE_TEXT])
{
	int n = 0;

	if (isnan(d))
		return (size_t)snprintf(out, CEL_DOUBLE_TEXT, "NaN");
	if (isinf(d))
		return (size_t)snprintf(out, CEL_DOUBLE_TEXT, "%sInfinity", d < 0 ? "-" : "");
	if (d == floor(d) && fabs(d) < 1e17)
		return (size_t)snprintf(out, CEL_DOUBLE_TEXT, "%.0f", d);
	for (int digits = 1; digits <= 17; digits++) {
		n = snprintf(out, CEL_DOUBLE_TEXT, "%.*g", digits, d);
		if (strtod(out, NULL) == d)
			break;
	}
	return (size_t)n;
}

bool
cel_double_parse(struct span s, double *out)
{
	static const char digits[] = "0123456789.eE+-";
	char text[512];
	char *end;
	struct span word = s;

	if (s.n == 0 || s.n >= sizeof(text))
		return false;
	memcpy(text, s.p, s.n);
	text[s.n] = 0;
	bool minus = s.p[0] == '-';
	if (minus || s.p[0] == '+')
		word = span_cut(s, 1, s.n);
	if (span_ieq(word, SPAN_LIT("nan")) && word.n == s.n) {
		*out = NAN;
		return true;
	}
	if (span_ieq(word, SPAN_LIT("inf")) || span_ieq(word, SPAN_LIT("infinity"))) {
		*out = minus ? -INFINITY : INFINITY;
		return true;
	}
	for (size_t i = 0; i < s.n; i++)
		if (!s.p[i] || !strchr(digits, s.p[i]))
			return false;
	*out = strtod(text, &end);
	return end == text + s.n && !isinf(*out);
}
