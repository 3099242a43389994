/* Draws conclusions from a pattern's syntax tree: the width of a match, the number of ways in
 * which a backtracking matcher can try the pattern at one place, and the literals or digits
 * with which a match begins. The prefilter uses the beginning, so that PCRE2 runs at a few
 * places only. */
#include "scan/detect/custom/custom_regex.h"

#include <math.h>
#include <stdio.h>

#include "base/ascii.h"
#include "base/bits.h"
#include "base/regex/regex.h"
#include "base/scoped.h"

static void
say_number(char why[200], const char *what, double n, const char *advice)
{
	snprintf(why, 200, "%s %s%.0f %s", what, n > 1e9 ? "over " : "", n > 1e9 ? 1e9 : n,
		advice);
}

static bool
is_digits(const uint64_t set[4])
{
	uint64_t digits[4] = { 0 };

	set_add_range(digits, '0', '9');
	return !memcmp(digits, set, sizeof(digits));
}

/* ---- width and ways ---- */

/* Bytes of the shortest and of the longest match; doubles, because products can be huge. */
struct width {
	double min, max;
};

static struct width
width_of(const struct regex_node *n)
{
	struct width w = { 0, 0 }, c;

	switch (n->kind) {
	case REGEX_SET: return (struct width){ n->bytes_min, n->bytes_max };
	case REGEX_REPEAT:
		c = width_of(n->child);
		return (struct width){ c.min * n->min, c.max * n->max };
	case REGEX_CAT:
		for (const struct regex_node *x = n->child; x; x = x->next) {
			c = width_of(x);
			w.min += c.min;
			w.max += c.max;
		}
		return w;
	case REGEX_ALT:
		for (const struct regex_node *x = n->child; x; x = x->next) {
			c = width_of(x);
			w.min = x == n->child || c.min < w.min ? c.min : w.min;
			w.max = c.max > w.max ? c.max : w.max;
		}
		return w;
	default: return w;
	}
}

/* The bytes that can come next at some place of a pattern. */
struct follow {
	uint64_t set[4];
	bool fails; /* an assertion can refuse there, so any byte counts as possible */
};

/* Adds the bytes with which n can begin. Returns true if n can be empty. */
static bool
first_of(const struct regex_node *n, struct follow *f)
{
	bool empty = n->kind == REGEX_CAT;

	switch (n->kind) {
	case REGEX_SET: set_join(f->set, n->set); return false;
	case REGEX_REPEAT: return n->max == 0 || first_of(n->child, f) || n->min == 0;
	case REGEX_CAT:
		for (const struct regex_node *x = n->child; x && empty; x = x->next)
			empty = first_of(x, f);
		return empty;
	case REGEX_ALT:
		for (const struct regex_node *x = n->child; x; x = x->next)
			empty |= first_of(x, f);
		return empty;
	default: f->fails = true; return true;
	}
}

static bool
meets(const struct follow *a, const struct follow *b)
{
	return a->fails || b->fails || set_meets(a->set, b->set);
}

static double ways(const struct regex_node *n, const struct follow *after);

/* Returns the ways of a sequence: the product over its items, each with the bytes that can
 * follow the item. */
static double
ways_in_sequence(const struct regex_node *n, const struct follow *after)
{
	double product = 1;

	for (; n; n = n->next) {
		struct follow f = { { 0 }, false };
		bool empty = true;
		for (const struct regex_node *x = n->next; x && empty; x = x->next)
			empty = first_of(x, &f);
		if (empty)
			set_join(f.set, after->set);
		f.fails |= empty && after->fails;
		product *= ways(n, &f);
	}
	return product;
}

/* Returns the ways of alternatives: the maximum if they begin with different bytes, else the
 * sum. */
static double
ways_of_alternatives(const struct regex_node *n, const struct follow *after)
{
	struct follow seen = { { 0 }, false };
	double sum = 0, most = 0;
	bool apart = true;

	for (const struct regex_node *x = n->child; x; x = x->next) {
		struct follow f = { { 0 }, false };
		double w = ways(x, after);
		if (first_of(x, &f))
			f.fails = true;
		apart = apart && !(x != n->child && meets(&f, &seen));
		set_join(seen.set, f.set);
		seen.fails |= f.fails;
		sum += w;
		most = w > most ? w : most;
	}
	return apart ? most : sum;
}

/* Returns an upper bound of the ways in which a backtracking matcher can go through n at one
 * place. A repetition has one way if its next iteration and the following item begin with
 * different bytes. Example: [^;]+; has one way, \w+\w has as many as the maximum of the
 * repetition. */
static double
ways(const struct regex_node *n, const struct follow *after)
{
	static const struct follow none;

	if (n->kind == REGEX_CAT)
		return ways_in_sequence(n->child, after);
	if (n->kind == REGEX_ALT)
		return ways_of_alternatives(n, after);
	if (n->kind == REGEX_LOOK)
		return ways(n->child, &none);
	if (n->kind != REGEX_REPEAT)
		return 1;
	struct follow again = { { 0 }, false };
	bool empty = first_of(n->child, &again);
	bool one_way = n->possessive || n->min == n->max || (!empty && !meets(&again, after));
	double choices = one_way ? 1 : n->max - n->min + 1;
	if (n->child->kind == REGEX_SET)
		return choices;
	set_join(again.set, after->set);
	again.fails |= after->fails || empty;
	return choices * pow(ways(n->child, &again), n->max);
}

/* ---- the beginning of a match ---- */

enum { ITEMS = 256 };

static size_t
flatten(const struct regex_node *n, const struct regex_node **items, size_t at)
{
	if (n->kind != REGEX_CAT) {
		if (at < ITEMS)
			items[at] = n;
		return at + 1;
	}
	for (const struct regex_node *x = n->child; x; x = x->next)
		at = flatten(x, items, at);
	return at;
}

/* Returns the literal that begins with items[i]; all its letters have the same case rule. */
static struct span
literal_at(struct arena *a, const struct regex_node *const *items, size_t n, size_t i,
	bool *caseless)
{
	char text[REGEX_BYTES + 4];
	size_t bytes = 0;
	bool folds = false;

	for (size_t k = i; k < n && items[k]->kind == REGEX_SET && items[k]->nexact; k++)
		folds |= items[k]->letter;
	for (; i < n && items[i]->kind == REGEX_SET && items[i]->nexact; i++) {
		bool capital = items[i]->nexact == 1 && is_alpha(items[i]->exact[0]);
		if (folds && capital && !items[i]->letter)
			break; /* as in (?i:falcon)X */
		if (bytes + items[i]->nexact > sizeof(text))
			break;
		memcpy(text + bytes, items[i]->exact, items[i]->nexact);
		bytes += items[i]->nexact;
	}
	*caseless = folds;
	return arena_dup(a, span_of(text, bytes));
}

static bool
literals_of_branches(struct arena *a, const struct regex_node *alt, struct regex_facts *f)
{
	size_t n = 0;
	bool caseless = false, this;

	for (const struct regex_node *x = alt->child; x; x = x->next, n++) {
		const struct regex_node *items[ITEMS];
		size_t count = flatten(x, items, 0);
		if (n == REGEX_LITERALS || count > ITEMS)
			return false;
		f->literals[n] = literal_at(a, items, count, 0, &this);
		if (f->literals[n].n < LITERAL_MIN || (n && this != caseless))
			return false;
		caseless = this;
	}
	f->nliterals = n;
	f->caseless = caseless;
	return true;
}

static void
find_literal(
	struct arena *a, const struct regex_node *const *items, size_t n, struct regex_facts *f)
{
	size_t back = 0, best = 0;
	uint64_t set[4] = { 0 };

	for (size_t i = 0; i < n && back <= REGEX_BACK && best == 0; i++) {
		struct width w = width_of(items[i]);
		bool caseless;
		struct span s = literal_at(a, items, n, i, &caseless);
		if (s.n >= LITERAL_MIN) {
			f->literals[0] = s;
			f->nliterals = best = 1;
			f->caseless = caseless;
		} else if (items[i]->kind == REGEX_ALT &&
			   literals_of_branches(a, items[i], f)) {
			best = 1;
		}
		if (best) {
			f->start = START_LITERAL;
			f->back = (uint16_t)back;
			memcpy(f->back_set, set, sizeof(set));
			return;
		}
		if (w.min != w.max || w.max > (double)REGEX_BACK)
			return;
		back += (size_t)w.max;
		struct follow first = { { 0 }, false };
		first_of(items[i], &first);
		/* only the first byte of a wider item is known */
		if (w.max > 1)
			set_add_range(first.set, 0, 255);
		set_join(set, first.set);
	}
}

static bool
refuses_digits(const struct regex_node *n)
{
	if (n->kind == REGEX_EDGE)
		return n->boundary;
	if (n->kind != REGEX_LOOK || !n->negative)
		return false;
	const struct regex_node *x = n->child;
	while (x->kind == REGEX_CAT && x->child && !x->child->next)
		x = x->child;
	return x->kind == REGEX_SET && !x->nexact && is_digits(x->set);
}

/* Sets START_DIGITS if a match begins at a run of digits: \b\d{4}-… or (?<!\d)\d{4}(?!\d). */
static void
find_digits(const struct regex_node *const *items, size_t n, struct regex_facts *f)
{
	if (n < 3 || f->utf || !refuses_digits(items[0]))
		return;
	const struct regex_node *q = items[1], *d = q->kind == REGEX_REPEAT ? q->child : q;
	unsigned from = q->kind == REGEX_REPEAT ? q->min : 1,
		 to = q->kind == REGEX_REPEAT ? q->max : 1;
	struct follow next = { { 0 }, false };
	uint64_t digits[4] = { 0 };
	set_add_range(digits, '0', '9');
	if (d->kind != REGEX_SET || !is_digits(d->set) || from < 1 || to > REGEX_RUN)
		return;
	bool empty = first_of(items[2], &next);
	if (!refuses_digits(items[2]) && (empty || next.fails || set_meets(next.set, digits)))
		return;
	f->start = START_DIGITS;
	f->digits[0] = from;
	f->digits[1] = to;
}

static bool
needs_utf(struct span s)
{
	for (size_t i = 0; i < s.n; i++) {
		struct span rest = span_cut(s, i, s.n);
		if ((unsigned char)s.p[i] >= 0x80 || span_starts(rest, SPAN_LIT("\\p")) ||
			span_starts(rest, SPAN_LIT("\\P")))
			return true;
		/* for example \x{100} */
		size_t close = span_chr(rest, '}');
		if (span_starts(rest, SPAN_LIT("\\x{")) && close < rest.n && close > 5)
			return true;
		if (s.p[i] == '\\')
			i++;
	}
	return false;
}

bool
regex_study(
	struct arena *a, struct span regex, struct regex_facts *out, char why[200], size_t *at)
{
	static const struct follow none;
	const struct regex_node *items[ITEMS];
	struct regex re;

	*out = (struct regex_facts){ .utf = needs_utf(regex) };
	*at = 0;
	if (regex.n > REGEX_BYTES || span_chr(regex, 0) < regex.n) {
		strcpy(why, regex.n > REGEX_BYTES ? "longer than 1000 bytes" : "holds a NUL");
		return false;
	}
	SCOPED_ARENA(tmp, 0, false);
	bool good = regex_read(&tmp, regex, REGEX_OWN, out->utf, &re);
	struct width w = good ? width_of(re.root) : (struct width){ 0, 0 };
	double tried = good ? ways(re.root, &none) : 0;
	if (!good) {
		snprintf(why, 200, "%s", re.why);
		*at = re.at;
	} else if (w.min < 1) {
		strcpy(why, "the pattern matches the empty text");
	} else if (w.max > (double)REGEX_WIDTH) {
		say_number(why, "a match may have", w.max,
			"bytes, but at most 4096 are accepted: limit its repetitions, as in "
			"{1,20}");
	} else if (tried > (double)REGEX_WAYS) {
		say_number(why, "can be tried in", tried,
			"ways at one position, but at most 1000 are accepted: limit its "
			"repetitions, as in {1,20}, or exclude what follows them, as in "
			"[^;]+;");
	} else {
		out->regex = arena_dup(a, re.text).p;
		out->width = (size_t)w.max;
		size_t n = flatten(re.root, items, 0);
		if (n <= ITEMS)
			find_literal(a, items, n, out);
		if (n <= ITEMS && out->start == START_ANYWHERE)
			find_digits(items, n, out);
	}
	return out->regex;
}
