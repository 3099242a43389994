/* Functions of our own: shell patterns and versions. */
#include "base/codec/utf8.h"
#include "policy/cel/fn.h"
#include "policy/cel/functions/glob.h"
#include "policy/cel/functions/semver.h"

/* ---- glob ---- */

/* set = "[" [ "!" | "^" ] item { item } "]"   item = char [ "-" char ]
 * UTF-8 sorts as code points do. *end: after the set; 0: there is no "]". */
static bool
in_set(struct span p, size_t at, struct span one, size_t *end)
{
	size_t i = at + 1;
	size_t negated = i < p.n && (p.p[i] == '!' || p.p[i] == '^');
	bool found = false;

	for (i += negated; i < p.n && (p.p[i] != ']' || i == at + 1 + negated);) {
		if (p.p[i] == '\\' && i + 1 < p.n)
			i++;
		struct span low = span_cut(p, i, i + utf8_step(p, i)), high = low;
		i += low.n;
		if (i + 1 < p.n && p.p[i] == '-' && p.p[i + 1] != ']') {
			i += p.p[i + 1] == '\\' && i + 2 < p.n ? 2 : 1;
			high = span_cut(p, i, i + utf8_step(p, i));
			i += high.n;
		}
		found |= span_order(low, one) <= 0 && span_order(one, high) <= 0;
	}
	*end = i < p.n ? i + 1 : 0;
	return found != (negated > 0);
}

/* pattern = { "*" | "?" | set | "\" char | char }; '*' crosses '/'. The last '*' alone is
 * gone back to, so it takes text times pattern at most. */
bool
cel_glob(struct span p, struct span s)
{
	size_t i = 0, j = 0, star = SIZE_MAX, from = 0;

	for (;;) {
		size_t end = 0, len = j < s.n ? utf8_step(s, j) : 0;
		if (i == p.n && j == s.n)
			return true;
		if (i < p.n && p.p[i] == '*') {
			star = ++i;
			from = j;
			continue;
		}
		if (i < p.n && j < s.n) {
			struct span one = span_cut(s, j, j + len);
			bool fits = false;
			if (p.p[i] == '?') {
				fits = true;
				end = i + 1;
			} else if (p.p[i] == '[' && (fits = in_set(p, i, one, &end), end)) {
			} else {
				size_t k = i + (p.p[i] == '\\' && i + 1 < p.n);
				end = k + utf8_step(p, k);
				fits = span_eq(span_cut(p, k, end), one);
			}
			if (fits) {
				i = end;
				j += len;
				continue;
			}
		}
		if (star == SIZE_MAX || from >= s.n)
			return false;
		from += utf8_step(s, from);
		i = star;
		j = from;
	}
}

CEL_CHARGED(glob, (v[0].s.n / 16 + 1) * (v[1].s.n / 16 + 1), cel_bool(cel_glob(v[1].s, v[0].s)))

/* ---- semver ---- */

static bool
version_of(struct cel_ctx *c, const struct cel_value *v, const char *fn, struct semver *to,
	struct cel_value *out)
{
	if (!cel_charge(c, v->s.n / 16, out))
		return false;
	if (!semver_parse(v->s, to)) {
		cel_raise(c, out, "%s: not a version", fn);
		return false;
	}
	return true;
}

static void
semver_valid(CEL_ARGS)
{
	struct semver x;

	if (cel_charge(c, v[0].s.n / 16, out))
		*out = cel_bool(semver_parse(v[0].s, &x));
}

static void
semver_order(CEL_ARGS)
{
	struct semver x, y;

	if (version_of(c, &v[0], "semver.compare()", &x, out) &&
		version_of(c, &v[1], "semver.compare()", &y, out))
		*out = cel_int(semver_compare(&x, &y));
}

static void
semver_matches(CEL_ARGS)
{
	struct semver x;

	if (!version_of(c, &v[0], "semver.matches()", &x, out) ||
		!cel_charge(c, v[1].s.n / 4, out))
		return;
	int found = semver_in(&x, v[1].s);
	if (found < 0)
		cel_raise_lit(out, "semver.matches(): not a range of versions");
	else
		*out = cel_bool(found > 0);
}

/* clang-format off */
const struct cel_fn cel_fns_ours[] = {
	{ "glob",           true,  "ss", 'b', glob,           NULL },
	{ "semver.valid",   false, "s",  'b', semver_valid,   NULL },
	{ "semver.compare", false, "ss", 'i', semver_order,   NULL },
	{ "semver.matches", false, "ss", 'b', semver_matches, NULL },
	{ NULL,             false, NULL, 0,   NULL,           NULL },
};
/* clang-format on */
