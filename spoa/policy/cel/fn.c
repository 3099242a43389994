/* The registry of functions: finds overloads by name in the tables of all families. Only the
 * compiler uses it; programs hold pointers to rows. */
#include "policy/cel/fn.h"

static const struct cel_fn *const tables[] = { cel_fns_core, cel_fns_convert, cel_fns_time,
	cel_fns_string, cel_fns_math, cel_fns_net, cel_fns_ours };
#define NTABLES (COUNT_OF(tables))

enum cel_type
cel_fn_type(char letter)
{
	static const char letters[] = "nbiudsylmtDTIC"; /* a letter for each type, in the
							 * order of enum cel_type */
	const char *at = strchr(letters, letter);

	return at && letter ? (enum cel_type)(at - letters) : CEL_DYN;
}

const struct cel_fn *
cel_fn_next(const struct cel_fn *after, struct span name, bool member)
{
	bool passed = !after;

	for (size_t i = 0; i < NTABLES; i++)
		for (const struct cel_fn *fn = tables[i]; fn->name; fn++) {
			if (passed && fn->member == member && span_is(name, fn->name))
				return fn;
			passed |= fn == after;
		}
	return NULL;
}

bool
cel_fn_fits(const struct cel_fn *fn, const uint8_t *types, size_t n)
{
	const char *want = fn->args;

	for (size_t i = 0; i < n; i++) {
		if (*want == 0)
			return false;
		enum cel_type t = cel_fn_type(*want);
		if (t != CEL_DYN && types[i] != CEL_DYN && t != (enum cel_type)types[i])
			return false;
		if (want[1] != '+')
			want++;
	}
	return *want == 0 || (n > 0 && want[1] == '+');
}

size_t
cel_distance(struct span a, struct span b, size_t cap)
{
	size_t row[65];

	if (a.n > 64 || b.n > 64)
		return cap;
	for (size_t j = 0; j <= b.n; j++)
		row[j] = j;
	for (size_t i = 1; i <= a.n; i++) {
		size_t diagonal = row[0];
		row[0] = i;
		for (size_t j = 1; j <= b.n; j++) {
			size_t best = diagonal + (a.p[i - 1] != b.p[j - 1]);
			diagonal = row[j];
			if (best > row[j] + 1)
				best = row[j] + 1;
			if (best > row[j - 1] + 1)
				best = row[j - 1] + 1;
			row[j] = best;
		}
	}
	return row[b.n] < cap ? row[b.n] : cap;
}

const char *
cel_fn_nearest(struct span name)
{
	const char *best = NULL;
	size_t least = name.n / 3 + 2;

	for (size_t i = 0; i < NTABLES; i++)
		for (const struct cel_fn *fn = tables[i]; fn->name; fn++) {
			size_t d = cel_distance(name, span_str(fn->name), least);
			if (d < least) {
				least = d;
				best = fn->name;
			}
		}
	return best;
}
