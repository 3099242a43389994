/* The half of the reader that handles structure: alternatives, sequences, repetitions, groups
 * and references to them. It is a recursive descent parser; set.c reads the characters. */
#include <stdio.h>

#include "base/ascii.h"
#include "base/bits.h"
#include "base/caps.h"
#include "base/regex/reader.h"

/* The differences of the syntaxes, by regex_syntax. */
static const struct {
	unsigned depth; /* of nested brackets */
	const char *too_deep, *flags, *bad_group, *twice;
} syntaxes[] = {
	[REGEX_RULE] = { 63, REGEX_NOT_VALID, "ims-", REGEX_NOT_VALID, NULL },
	[REGEX_OWN] = { REGEX_DEPTH, "brackets are nested too deep", "ims-",
		"this group is not supported; these are: ( ) (?: ) (?> ) (?<name> ) (?= ) (?! "
		") (?<= ) (?<! ) (?i) (?m) (?s)",
		"a repetition follows a repetition: use ( )" },
	[REGEX_RE2] = { 99, REGEX_NOT_VALID, "imsU-",
		"that kind of group is not part of the syntax (RE2)",
		"two repetitions follow each other" },
};

static struct regex_node *alternatives(struct regex_reader *r);

struct regex_node *
regex_refuse(struct regex_reader *r, size_t at, const char *why)
{
	if (!r->why) {
		r->why = why;
		r->at = at;
	}
	r->none = (struct regex_node){ .kind = REGEX_CAT };
	return &r->none;
}

struct regex_node *
regex_node(struct regex_reader *r, enum regex_kind kind)
{
	struct regex_node *n = arena_new(r->a, struct regex_node);

	if (!n)
		return regex_refuse(r, 0, "out of memory");
	if (++r->nodes > CAP_RULE_NODES)
		regex_refuse(r, r->i, "too many parts");
	n->kind = kind;
	return n;
}

void
regex_rewrite(struct regex_reader *r, size_t from, const char *text)
{
	buf_span(&r->out, span_cut(r->s, r->copied, from));
	buf_str(&r->out, text);
	r->copied = r->i;
}

/* ---- references: REGEX_RULE ---- */

static struct regex_node *
anything(struct regex_reader *r)
{
	struct regex_node *n = regex_node(r, REGEX_REPEAT);

	n->child = regex_node(r, REGEX_SET);
	set_add_range(n->child->set, 0, 255);
	n->max = REGEX_FOREVER;
	return n;
}

/* \1 \g{name}: a copy of the group of that name; anything, if the group is not known. */
static struct regex_node *
reference(struct regex_reader *r)
{
	size_t from = r->i + 3, n = span_chr(span_cut(r->s, from, r->s.n), '}');
	struct span name = span_cut(r->s, from, from + n);

	if (is_digit(regex_peek(r, 1))) {
		r->i = span_past(r->s, r->i + 1, is_digit);
		return anything(r);
	}
	if (name.p + name.n == r->s.p + r->s.n)
		return regex_refuse(r, r->i, REGEX_NOT_VALID);
	r->i = from + n + 1;
	for (size_t i = 0; i < r->nnamed && !r->caseless && !r->looks; i++) {
		/* References to groups with references multiply the nodes. */
		if (!span_eq(r->named[i].n->name, name) ||
			r->nodes + r->named[i].nodes > CAP_RULE_NODES)
			continue;
		r->nodes += r->named[i].nodes;
		struct regex_node *copy = regex_node(r, REGEX_CAT);
		*copy = *r->named[i].n;
		copy->next = NULL;
		copy->name = SPAN_LIT("");
		return copy;
	}
	return anything(r);
}

/* ---- groups ---- */

/* Reads (?i) (?-i) (?i: at r->i, after the question mark. Returns true if the group consists
 * only of flags. */
static bool
read_flags(struct regex_reader *r, size_t open)
{
	bool off = false, any = false;

	for (; is_one_of(regex_peek(r, 0), syntaxes[r->syntax].flags); r->i++, any = true) {
		char c = r->s.p[r->i];
		if (c == '-' && off && r->syntax == REGEX_RE2)
			break;
		off |= c == '-';
		if (c == 'i')
			r->caseless = !off || r->syntax == REGEX_RE2;
		if (c == 's')
			r->dotall = !off;
	}
	char end = regex_peek(r, 0);
	bool empty = r->syntax == REGEX_RE2 && (any ? r->s.p[r->i - 1] == '-' : end == ')');
	if ((end != ')' && end != ':') || empty)
		regex_refuse(r, open, syntaxes[r->syntax].bad_group);
	r->i++;
	return end == ')';
}

/* name = letter { letter | digit } up to `close`, where "_" is a letter too; r->i is at the
 * name. */
static struct span
read_name(struct regex_reader *r, size_t open, char close)
{
	struct span rest = span_cut(r->s, r->i, r->s.n), name = span_next(&rest, close);
	bool re2 = r->syntax == REGEX_RE2;
	char first = name.n ? *name.p : 0;

	/* (?<* is a look-around too: PCRE2's, which is not always atomic. */
	if (!is_alpha(first) && first != '_' && (re2 || !is_high(first)))
		regex_refuse(r, open,
			re2 ? "lookaround is not part of the syntax (RE2)"
			    : syntaxes[r->syntax].bad_group);
	if (!rest.p || (re2 && span_past(name, 0, is_word) < name.n))
		regex_refuse(r, open, "a group's name does not end");
	r->i += name.n + 1;
	return name;
}

/* "(" … ")". *flags: the group consists only of flags, which apply until the enclosing group
 * ends. */
static struct regex_node *
group(struct regex_reader *r, bool *flags)
{
	static const struct {
		const char *open;
		bool look, behind, negative;
	} known[] = { { "(?<=", true, true, false }, { "(?<!", true, true, true },
		{ "(?=", true, false, false }, { "(?!", true, false, true },
		{ "(?>", false, false, false }, { "(?:", false, false, false } };
	enum { KNOWN = COUNT_OF(known) };
	size_t open = r->i, k = r->syntax == REGEX_RE2 ? KNOWN : 0, before = r->nodes;
	bool caseless = r->caseless, dotall = r->dotall;
	struct span name = { NULL, 0 };

	if (r->syntax != REGEX_RE2 && regex_ahead(r, "(*"))
		return regex_refuse(r, open, "verbs are not supported");
	if (++r->depth > syntaxes[r->syntax].depth)
		return regex_refuse(r, open, syntaxes[r->syntax].too_deep);
	while (k < KNOWN && !regex_ahead(r, known[k].open))
		k++;
	bool look = k < KNOWN && known[k].look;
	if (k < KNOWN) {
		r->i += strlen(known[k].open);
	} else if (regex_ahead(r, "(?<") || regex_ahead(r, "(?P<") ||
		   (r->syntax == REGEX_RULE && regex_ahead(r, "(?'"))) {
		r->i += regex_ahead(r, "(?P") ? 4 : 3;
		name = read_name(r, open, r->s.p[r->i - 1] == '<' ? '>' : '\'');
	} else if (regex_ahead(r, "(?")) {
		r->i += 2;
		*flags = read_flags(r, open);
	} else {
		r->i++;
	}
	if (*flags || r->why) {
		r->depth--;
		return regex_node(r, REGEX_CAT);
	}
	r->looks += look; /* inside a negative look-around, accepting more means accepting less */
	struct regex_node *n = alternatives(r);
	r->looks -= look;
	r->depth--;
	if (regex_peek(r, 0) != ')')
		return regex_refuse(r, open, REGEX_NOT_VALID);
	r->i++;
	if (r->syntax != REGEX_RE2)
		r->caseless = caseless;
	r->dotall = dotall;
	n->name = name;
	if (name.p && r->nnamed < REGEX_NAMED) {
		r->named[r->nnamed].nodes = r->nodes - before;
		r->named[r->nnamed++].n = n;
	}
	if (!look)
		return n;
	struct regex_node *l = regex_node(r, REGEX_LOOK);
	l->child = n;
	l->behind = known[k].behind;
	l->negative = known[k].negative;
	return l;
}

/* ---- repetitions ---- */

static bool
read_repeat_number(const struct regex_reader *r, size_t *k, uint32_t *out)
{
	size_t from = *k;

	for (*out = 0; is_digit(regex_peek(r, *k)); ++*k)
		if (*out < 1000000)
			*out = *out * 10 + (uint32_t)(regex_peek(r, *k) - '0');
	return *k > from;
}

/* repetition = "*" | "+" | "?" | "{" n ["," [m]] "}" at r->i. Returns its length, or 0 if there
 * is none. */
static size_t
repetition(struct regex_reader *r, uint32_t *min, uint32_t *max)
{
	char c = regex_peek(r, 0);
	size_t k = 1;

	*min = c == '+';
	*max = c == '?' ? 1 : REGEX_FOREVER;
	if (c == '*' || c == '+' || c == '?')
		return 1;
	if (c != '{' || !read_repeat_number(r, &k, min))
		return 0;
	*max = *min;
	if (regex_peek(r, k) == ',') {
		k++;
		if (!read_repeat_number(r, &k, max))
			*max = REGEX_FOREVER;
	}
	if (regex_peek(r, k) != '}')
		return 0;
	if (r->syntax == REGEX_RE2 && (*min > 1000 || (*max > 1000 && *max != REGEX_FOREVER)))
		regex_refuse(r, r->i, "a repetition count is above 1000");
	return k + 1;
}

/* Limits an open repetition in a policy's own pattern. */
static void
bound(struct regex_reader *r, struct regex_node *n, size_t from)
{
	char text[32];

	n->max = n->child->kind == REGEX_SET ? REGEX_OPEN : REGEX_OPEN_GROUP;
	n->max = n->max < n->min ? n->min : n->max;
	snprintf(text, sizeof(text), "{%u,%u}", n->min, n->max);
	regex_rewrite(r, from, text);
}

/* piece = atom { repetition [ "?" | "+" ] } */
static struct regex_node *
piece(struct regex_reader *r)
{
	bool flags = false;
	size_t from = r->i, len;
	struct regex_node *n;
	uint32_t min, max;

	if (repetition(r, &min, &max))
		return regex_refuse(r, from, "a repetition has nothing to repeat");
	switch (r->s.p[r->i]) {
	case '(': n = group(r, &flags); break;
	case '[': n = regex_bracket(r); break;
	case '.': n = regex_dot(r); break;
	case '^':
	case '$':
		n = regex_node(r, REGEX_EDGE);
		r->i++;
		break;
	case '\\':
		n = r->syntax == REGEX_RULE &&
				    (is_digit(regex_peek(r, 1)) || regex_ahead(r, "\\g{"))
			    ? reference(r)
			    : regex_escaped(r);
		break;
	case ')':
		r->unmatched = true; /* other errors are reported first */
	/* fall through */
	default: n = regex_character(r);
	}
	for (bool again = false; !r->why && !flags && (len = repetition(r, &min, &max)) > 0;
		again = true) {
		if (again && syntaxes[r->syntax].twice)
			return regex_refuse(r, from, syntaxes[r->syntax].twice);
		struct regex_node *x = regex_node(r, REGEX_REPEAT);
		size_t at = r->i;
		r->i += len;
		x->child = n;
		x->min = min;
		x->max = max;
		if (max == REGEX_FOREVER && r->syntax == REGEX_OWN)
			bound(r, x, at);
		x->possessive = regex_peek(r, 0) == '+' && r->syntax != REGEX_RE2;
		r->i += x->possessive || regex_peek(r, 0) == '?';
		n = x;
		if (x->child->kind == REGEX_LOOK && r->syntax == REGEX_RULE)
			n = regex_node(r, REGEX_CAT); /* perhaps an assertion: matches nothing */
	}
	return n;
}

/* ---- sequences, alternatives ---- */

static struct regex_node *
sequence(struct regex_reader *r)
{
	struct regex_node *n = regex_node(r, REGEX_CAT), **at = &n->child;

	while (!r->why && r->i < r->s.n && r->s.p[r->i] != '|' &&
		(r->s.p[r->i] != ')' || r->depth == 0)) {
		*at = piece(r);
		at = &(*at)->next;
	}
	return n;
}

static struct regex_node *
alternatives(struct regex_reader *r)
{
	struct regex_node *first = sequence(r);

	if (regex_peek(r, 0) != '|')
		return first;
	struct regex_node *n = regex_node(r, REGEX_ALT), **at = &first->next;
	n->child = first;
	while (!r->why && regex_peek(r, 0) == '|') {
		r->i++;
		*at = sequence(r);
		at = &(*at)->next;
	}
	return n;
}

bool
regex_read(
	struct arena *a, struct span s, enum regex_syntax syntax, bool utf, struct regex *out)
{
	struct regex_reader r = { .a = a,
		.s = s,
		.syntax = syntax,
		.utf = utf || syntax == REGEX_RE2,
		.unicode = utf && syntax == REGEX_OWN };

	buf_init(&r.out, 0);
	if (utf && syntax == REGEX_RULE)
		regex_refuse(&r, 0, "characters are not bytes");
	out->root = alternatives(&r);
	if (r.unmatched)
		regex_refuse(&r, 0, REGEX_NOT_VALID);
	out->text = s;
	if (syntax != REGEX_RULE) {
		regex_rewrite(&r, s.n, "");
		out->text = arena_dup(a, buf_view(&r.out));
	}
	if (buf_failed(&r.out) || !out->text.p)
		regex_refuse(&r, 0, "out of memory");
	buf_free(&r.out);
	out->why = r.why;
	out->at = r.at;
	return !r.why;
}
