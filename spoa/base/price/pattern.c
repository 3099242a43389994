/* Patterns of names, in which * matches any text: whether a pattern matches a name, is within
 * another pattern, or overlaps it (base/price/price.h). */
#include "base/ascii.h"
#include "base/price/price.h"

/* variants = { literal | "{" literal { "," literal } "}" } */
size_t
price_variants(struct span text)
{
	size_t n = 1, here = 0; /* alternatives so far in the open group; 0: no group is open */

	for (size_t i = 0; i < text.n; i++) {
		if (text.p[i] == '{' ? here : text.p[i] == '}' && !here)
			return 0;
		if (text.p[i] == '{')
			here = 1;
		else if (text.p[i] == ',' && here)
			here++;
		else if (text.p[i] == '}') {
			n *= here;
			here = 0;
		}
		if (n > 4096 || here > 4096)
			return 0;
	}
	return here ? 0 : n;
}

/* The choice in the first group is the lowest digit of i. */
bool
price_variant(struct span text, size_t i, char out[PRICE_PATTERN_MAX + 1])
{
	size_t n = 0;

	while (text.p) {
		bool more = span_chr(text, '{') < text.n;
		struct span literal = span_next(&text, '{'), group, choice = { NULL, 0 };
		if (more) {
			group = span_next(&text, '}');
			size_t count = 1;
			for (size_t k = 0; k < group.n; k++)
				count += group.p[k] == ',';
			for (size_t k = 0; k <= i % count; k++)
				choice = span_next(&group, ',');
			i /= count;
		}
		if (n + literal.n + choice.n > PRICE_PATTERN_MAX)
			return false;
		if (literal.n)
			memcpy(out + n, literal.p, literal.n);
		n += literal.n;
		if (choice.n)
			memcpy(out + n, choice.p, choice.n);
		n += choice.n;
	}
	out[n] = '\0';
	return true;
}

bool
price_matches(const char *pattern, struct span name)
{
	const char *star = NULL;
	size_t i = 0, resume = 0;

	while (i < name.n) {
		if (*pattern == '*') {
			star = ++pattern;
			resume = i;
		} else if (*pattern && *pattern == name.p[i]) {
			pattern++;
			i++;
		} else if (star) { /* the last * takes one more byte */
			pattern = star;
			i = ++resume;
		} else {
			return false;
		}
	}
	while (*pattern == '*')
		pattern++;
	return *pattern == '\0';
}

/* In a shape, 0 is any digit, MM and DD are a month and a day, and all other characters are
 * themselves. */
static bool
has_shape(struct span s, const char *shape)
{
	size_t n = strlen(shape);

	if (s.n != n)
		return false;
	for (size_t i = 0; i < n; i++) {
		bool digit = is_digit(s.p[i]);
		uint64_t two;
		if (shape[i] == 'M' || shape[i] == 'D') {
			if (!digit || span_u64(span_cut(s, i, i + 2), &two) || two < 1 ||
				two > (shape[i] == 'M' ? 12 : 31))
				return false;
			i++;
		} else if (shape[i] == '0' ? !digit : s.p[i] != shape[i]) {
			return false;
		}
	}
	return true;
}

/* version = "-" day | "@" day | "-" month day | "-" 3 digits | "-v" number [ ":" number ] |
 * "-latest" */
static bool
is_version(struct span s)
{
	static const char *const shapes[] = { "-2000MMDD", "-2000-MM-DD", "@2000MMDD",
		"@2000-MM-DD", "-MMDD", "-000", "-latest" };
	uint64_t v;

	for (size_t i = 0; i < COUNT_OF(shapes); i++)
		if (has_shape(s, shapes[i]))
			return true;
	if (!span_starts(s, SPAN_LIT("-v")))
		return false;
	s = span_cut(s, 2, s.n);
	bool two = span_chr(s, ':') < s.n;
	return span_u64(span_next(&s, ':'), &v) == 0 && (!two || span_u64(s, &v) == 0);
}

struct span
price_bare_name(struct span model)
{
	if (span_starts(model, SPAN_LIT("arn:")) || span_starts(model, SPAN_LIT("models/")) ||
		span_starts(model, SPAN_LIT("projects/")))
		while (span_chr(model, '/') < model.n)
			span_next(&model, '/');
	return model;
}

size_t
price_version(struct span name)
{
	for (size_t i = name.n; i-- > 1;)
		if ((name.p[i] == '-' || name.p[i] == '@') &&
			is_version(span_cut(name, i, name.n)))
			return name.n - i;
	return 0;
}

/* Only a * of `wide` can match a * of `narrow`, because no other byte of a pattern is a *. */
bool
price_within(const char *narrow, const char *wide)
{
	return price_matches(wide, span_str(narrow));
}

/* Before the first * of either pattern, and after the last one, both must have the same bytes:
 * most of thousands of pairs are decided here. For the others, common[j] is true if the rest of
 * a from i and the rest of b from j match a common name. The table is filled from the ends to
 * the beginnings, one row at a time. */
bool
price_overlap(const char *a, const char *b)
{
	bool common[PRICE_PATTERN_MAX + 2], after;
	size_t na = strlen(a), nb = strlen(b);

	if (na > PRICE_PATTERN_MAX || nb > PRICE_PATTERN_MAX)
		return true; /* no reader accepts such a pattern */
	for (size_t i = 0; a[i] != '*' && b[i] != '*'; i++)
		if (a[i] != b[i] || !a[i])
			return a[i] == b[i];
	for (size_t i = na, j = nb; i-- && j-- && a[i] != '*' && b[j] != '*';)
		if (a[i] != b[j])
			return false;
	for (size_t i = na + 1; i-- > 0;) {
		bool diagonal = false; /* the value of the previous row at j + 1 */
		for (size_t j = nb + 1; j-- > 0; diagonal = after) {
			after = i < na && common[j];
			bool right = j < nb && common[j + 1];
			if (i == na && j == nb)
				common[j] = true;
			else if (i < na && a[i] == '*')
				common[j] = after || (j < nb && right);
			else if (j < nb && b[j] == '*')
				common[j] = right || after;
			else
				common[j] = i < na && j < nb && a[i] == b[j] && diagonal;
		}
	}
	return common[0];
}

bool
price_better(const char *best, const char *pattern, struct span name)
{
	return price_matches(pattern, name) && (!best || price_within(pattern, best));
}

bool
price_ambiguous(const char *a, const char *b)
{
	return price_overlap(a, b) && price_within(a, b) == price_within(b, a);
}
