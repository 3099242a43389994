/* Our own functions: shell patterns (glob) and versions (semver). The first half has Semantic
 * Versioning 2.0.0 (semver.org) and ranges as package managers write them. */
#include "base/span.h"
#include "base/ascii.h"
#include "base/utf8.h"
#include "base/err.h"
#include "policy/cel/fn.h"
#include "policy/cel/functions/glob.h"

/* A version. */
struct semver {
	uint64_t part[3]; /* major, minor, patch */
	struct span pre;  /* pre-release, such as "rc.1"; empty: a release */
};

enum { MAJOR, MINOR, PATCH, PARTS };

/* Reads a numeric identifier: 64 bits, no leading zero. */
static bool
numeric_identifier(struct span *s, uint64_t *out)
{
	struct span digits = span_cut(*s, 0, span_past(*s, 0, is_digit));

	if (!digits.n || (digits.n > 1 && digits.p[0] == '0') || span_u64(digits, out))
		return false;
	*s = span_cut(*s, digits.n, s->n);
	return true;
}

/* Reads dot-separated identifiers up to '+' or the end. Numbers of a pre-release have no
 * leading zeros. */
static bool
identifiers(struct span *s, bool pre, struct span *out)
{
	size_t i = 0, from = 0;

	for (;; i++) {
		if (i < s->n && (is_alnum(s->p[i]) || s->p[i] == '-'))
			continue;
		struct span one = span_cut(*s, from, i);
		if (one.n == 0 || (pre && one.n > 1 && one.p[0] == '0' && span_is_digits(one)))
			return false;
		if (i == s->n || s->p[i] != '.')
			break;
		from = i + 1;
	}
	*out = span_cut(*s, 0, i);
	*s = span_cut(*s, i, s->n);
	return true;
}

/* Reads the part after the numbers. */
static bool
suffix(struct span *s, struct semver *v)
{
	struct span build;

	if (span_take(s, '-') && !identifiers(s, true, &v->pre))
		return false;
	return (!span_take(s, '+') || identifiers(s, false, &build)) && s->n == 0;
}

/* Parses all of `s` strictly (sections 2 to 10). Build metadata after '+' are ignored. */
static bool
semver_parse(struct span s, struct semver *v)
{
	*v = (struct semver){ 0 };
	for (int i = 0; i < PARTS; i++)
		if ((i && !span_take(&s, '.')) || !numeric_identifier(&s, &v->part[i]))
			return false;
	return suffix(&s, v);
}

/* Compares pre-releases (11.4): numbers by value and below words, words by ASCII, more fields
 * above fewer. */
static int
compare_pre(struct span a, struct span b)
{
	if (!a.n || !b.n)
		return (a.n < b.n) - (a.n > b.n);
	for (;;) {
		struct span x = span_next(&a, '.'), y = span_next(&b, '.');
		bool nx = span_is_digits(x), ny = span_is_digits(y);
		int order = nx != ny	       ? ny - nx
			    : nx && x.n != y.n ? (x.n > y.n) - (x.n < y.n)
					       : span_order(x, y);
		if (order)
			return order;
		if (!a.p || !b.p)
			return (a.p != NULL) - (b.p != NULL);
	}
}

/* Compares two versions (section 11). Returns -1, 0 or 1. */
static int
semver_compare(const struct semver *a, const struct semver *b)
{
	for (int i = 0; i < PARTS; i++)
		if (a->part[i] != b->part[i])
			return a->part[i] < b->part[i] ? -1 : 1;
	return compare_pre(a->pre, b->pre);
}

/* ---- ranges ---- */

static const char *const operators[] = { "<=", ">=", "!=", "<", ">", "=", "^", "~", "" };
enum op { LE, GE, NE, LT, GT, EQ, CARET, TILDE, NONE };

/* Reads 1, 1.2, 1.x or *. Returns the number of parts, or -1. */
static int
partial(struct span s, struct semver *v)
{
	int n = 0;

	*v = (struct semver){ 0 };
	for (; n < PARTS; n++) {
		if (n && !span_take(&s, '.'))
			break;
		if (span_take(&s, 'x') || span_take(&s, 'X') || span_take(&s, '*')) {
			while (span_take(&s, '.'))
				if (!span_take(&s, 'x') && !span_take(&s, 'X') &&
					!span_take(&s, '*'))
					return -1;
			return s.n ? -1 : n;
		}
		if (!numeric_identifier(&s, &v->part[n]))
			return -1;
	}
	if (n == PARTS)
		return suffix(&s, v) ? n : -1;
	return s.n ? -1 : n;
}

/* Sets *out to the first version above all that have the same first `n` parts as v. Returns
 * false if there is none. */
static bool
after(const struct semver *v, int n, struct semver *out)
{
	*out = (struct semver){ 0 };
	for (int i = 0; i < n; i++)
		out->part[i] = v->part[i];
	if (n == 0 || out->part[n - 1] == UINT64_MAX)
		return false;
	out->part[n - 1]++;
	out->pre = SPAN_LIT("0"); /* below every release, and every pre-release of it */
	return true;
}

static bool
between(const struct semver *v, const struct semver *low, int same)
{
	struct semver top;

	return semver_compare(v, low) >= 0 &&
	       (!after(low, same, &top) || semver_compare(v, &top) < 0);
}

static bool
semver_holds(const struct semver *v, enum op op, const struct semver *w, int n)
{
	struct semver top;
	bool over = after(w, n, &top) && semver_compare(v, &top) >= 0;
	int order = semver_compare(v, w), first = 0;

	if (n == PARTS)
		over = order > 0;
	switch (op) {
	case LT: return order < 0;
	case GE: return order >= 0;
	case GT: return over;
	case LE: return !over;
	case NE: return n == PARTS ? order != 0 : over || order < 0;
	case CARET: /* the leftmost part that is not 0 must be equal */
		while (first < n - 1 && w->part[first] == 0)
			first++;
		return between(v, w, n ? first + 1 : 0);
	case TILDE: return between(v, w, n > 1 ? 2 : n);
	case EQ:
	case NONE: break;
	}
	return n == PARTS ? order == 0 : between(v, w, n);
}

static int
version_in_set(const struct semver *v, struct span set)
{
	bool all = true, named = v->pre.n == 0, any = false;

	while (set.p) {
		struct span term = span_next(&set, ' ');
		struct semver w;
		unsigned op = 0;
		if (term.n == 0)
			continue;
		while (!span_starts(term, span_str(operators[op])))
			op++;
		term = span_cut(term, strlen(operators[op]), term.n);
		if (term.n == 0 && set.p) { /* "> 1.2" */
			while (set.n && set.p[0] == ' ')
				set = span_cut(set, 1, set.n);
			term = span_next(&set, ' ');
		}
		int n = partial(term, &w);
		if (n < 0)
			return ERR_SYNTAX;
		any = true;
		named |= w.pre.n && !memcmp(w.part, v->part, sizeof(w.part));
		all &= semver_holds(v, (enum op)op, &w, n);
	}
	return any ? all && named : ERR_SYNTAX;
}

/* Returns 1 if the version is in the range, 0 if not, or ERR_SYNTAX for a wrong range:
 * range = set { "||" set }     set = term { " " term }
 * term  = [ "<" | "<=" | ">" | ">=" | "=" | "!=" | "^" | "~" ] partial
 * A partial version (1, 1.2, 1.x, *) without operator or with "=" covers all versions that
 * begin so. A pre-release is in a set only if one of the set's terms has the same
 * major.minor.patch. */
static int
semver_in(const struct semver *v, struct span range)
{
	int found = 0;

	for (size_t i = 0, from = 0; i <= range.n; i++) {
		if (i < range.n &&
			!(range.p[i] == '|' && i + 1 < range.n && range.p[i + 1] == '|'))
			continue;
		int one = version_in_set(v, span_cut(range, from, i));
		if (one < 0)
			return one;
		found |= one;
		from = i + 2;
		i++;
	}
	return found;
}

/* ---- glob ---- */

/* Returns true if the character `one` is in the set at `at`: set = "[" [ "!" | "^" ] item {
 * item } "]", item = char [ "-" char ]. UTF-8 bytes sort like code points. *end: offset after
 * the set, or 0 without "]". */
static bool
glob_set_has(struct span p, size_t at, struct span one, size_t *end)
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

/* pattern = { "*" | "?" | set | "\\" char | char }; '*' matches '/' too. Matching backtracks
 * only to the last '*', so it takes at most text times pattern steps. */
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
			} else if (p.p[i] == '[' &&
				   (fits = glob_set_has(p, i, one, &end), end)) {
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

/* ---- where the values of a call come from ---- */

/* tool.origins is a map: the path of a value in the arguments, and a list with one list of sources
 * for the value itself and for each piece of it, if it is a URL (policy/verdict/origins.h). */

/* Returns true if the value at `at` is the value at `path`, or in it: "to" has "to[0].name". */
static bool
path_under(struct span at, struct span path)
{
	return span_starts(at, path) &&
	       (at.n == path.n || at.p[path.n] == '.' || at.p[path.n] == '[');
}

/* Returns true if a source of the rule stands for the origin: it is equal, a pattern, or a word for
 * all texts of tools. */
static bool
origin_is(struct span source, struct span origin)
{
	return span_eq(source, origin) || cel_glob(source, origin) ||
	       (span_is(source, "text") && span_starts(origin, SPAN_LIT("text:"))) ||
	       (span_is(source, "tool") && span_starts(origin, SPAN_LIT("tool:")));
}

static bool
piece_from(const struct cel_value *piece, const struct cel_value *sources)
{
	for (size_t i = 0; piece->type == CEL_LIST && i < piece->list.n; i++)
		for (size_t k = 0; k < sources->list.n; k++)
			if (piece->list.v[i].type == CEL_STRING &&
				sources->list.v[k].type == CEL_STRING &&
				origin_is(sources->list.v[k].s, piece->list.v[i].s))
				return true;
	return false;
}

static void
tool_from(CEL_ARGS)
{
	const struct cel_value *map = &v[0];
	bool any = false, all = true;

	if (map->type != CEL_MAP) {
		cel_raise_lit(out, "tool.from: the origins are unknown");
		return;
	}
	if (!cel_charge(c, map->list.n * (v[2].list.n + 1), out))
		return;
	for (size_t i = 0; i < map->list.n && all; i++) {
		const struct cel_value *at = &map->list.v[2 * i], *pieces = at + 1;
		if (!path_under(at->s, v[1].s))
			continue;
		any = true;
		all = pieces->type == CEL_LIST;
		for (size_t k = 0; all && k < pieces->list.n; k++)
			all = piece_from(&pieces->list.v[k], &v[2]);
	}
	*out = cel_bool(any && all);
}

static bool
listed_already(const struct cel_value *list, size_t n, struct span s)
{
	for (size_t i = 0; i < n; i++)
		if (span_eq(list[i].s, s))
			return true;
	return false;
}

static void
tool_origin(CEL_ARGS)
{
	enum { MOST = 64 };
	const struct cel_value *map = &v[0];
	struct cel_value *list = cel_take_values(c, MOST, out);
	size_t found = 0;

	if (!list)
		return;
	if (map->type != CEL_MAP) {
		cel_raise_lit(out, "tool.origin: the origins are unknown");
		return;
	}
	if (!cel_charge(c, map->list.n, out))
		return;
	for (size_t i = 0; i < map->list.n; i++) {
		const struct cel_value *at = &map->list.v[2 * i], *pieces = at + 1;
		if (!path_under(at->s, v[1].s) || pieces->type != CEL_LIST)
			continue;
		for (size_t k = 0; k < pieces->list.n; k++) {
			const struct cel_value *piece = &pieces->list.v[k];
			for (size_t o = 0; piece->type == CEL_LIST && o < piece->list.n; o++)
				if (piece->list.v[o].type == CEL_STRING && found < MOST &&
					!listed_already(list, found, piece->list.v[o].s))
					list[found++] = piece->list.v[o];
		}
	}
	*out = cel_list(list, found);
}

/* clang-format off */
const struct cel_fn cel_fns_ours[] = {
	{ "tool.from",      false, "*sl", 'b', tool_from,     NULL },
	{ "tool.origin",    false, "*s", 'l', tool_origin,    NULL },
	{ "glob",           true,  "ss", 'b', glob,           NULL },
	{ "semver.valid",   false, "s",  'b', semver_valid,   NULL },
	{ "semver.compare", false, "ss", 'i', semver_order,   NULL },
	{ "semver.matches", false, "ss", 'b', semver_matches, NULL },
	{ NULL,             false, NULL, 0,   NULL,           NULL },
};
/* clang-format on */
