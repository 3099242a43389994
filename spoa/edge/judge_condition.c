/* Conditions of rules: whether they leave out what passes the gate, or the relay's second pass
 * (configuration.txt 7.2). Rules of the response cannot read the request's host, so tollgate's
 * ACL never fits there: they ask for its verdict.
 *
 *   condition = ("if" | "unless") branch { ("or" | "||") branch }
 *   branch    = term { term }
 *   term      = [ "!" ] ( NAME | "{" words "}" ) */
#include "edge/judge_private.h"

struct term {
	bool negated;
	size_t from, to;  /* its words, braces aside */
	struct span name; /* where it is a name */
};

static bool
is_or(struct span word)
{
	return span_is(word, "or") || span_is(word, "||");
}

/* The term at word *i, which moves after it. */
static struct term
next_term(const struct haproxy_line *l, size_t *i)
{
	struct term t = { .negated = false };
	struct span word = l->word[*i];

	if (span_is(word, "!") && *i + 1 < l->n) {
		t.negated = true;
		word = l->word[++*i];
	} else if (word.n > 1 && *word.p == '!') {
		t.negated = true;
		word = span_cut(word, 1, word.n);
	}
	t.from = ++*i;
	if (!span_is(word, "{")) {
		t.name = word;
		return t;
	}
	while (*i < l->n && !span_is(l->word[*i], "}"))
		++*i;
	t.to = *i;
	*i += *i < l->n;
	return t;
}

enum what { GATE, INNER, DECIDED };

static bool
words_are(
	const struct haproxy_line *l, const struct term *t, const char *const *words, size_t n)
{
	if (t->name.n || t->to - t->from != n)
		return false;
	for (size_t i = 0; i < n; i++)
		if (!span_is(l->word[t->from + i], words[i]))
			return false;
	return true;
}

/* The term is tollgate's own ACL, so_name of the inner bind or an ACL of the section for it, or
 * says that there is a verdict. */
static bool
names(const struct haproxy_section *s, const struct haproxy_line *l, const struct term *t,
	enum what what)
{
	static const char *const inner[] = { "so_name", "tollgate-inner" };
	static const char *const decided[] = { "var(txn.tollgate.via)", "-m", "found" };

	if (what == DECIDED)
		return words_are(l, t, decided, COUNT_OF(decided));
	if (what == GATE)
		return span_is(t->name, "tollgate");
	if (span_is(t->name, "tollgate-inner") || words_are(l, t, inner, COUNT_OF(inner)))
		return true;
	for (size_t i = 0; t->name.n && i < s->n; i++) {
		const struct haproxy_line *acl = &s->line[i];
		if (span_is(acl->word[0], "acl") && acl->n == 4 &&
			span_eq(acl->word[1], t->name) && span_is(acl->word[2], inner[0]) &&
			span_is(acl->word[3], inner[1]))
			return true;
	}
	return false;
}

static bool
leaves_out(const struct haproxy_section *s, const struct haproxy_line *l, enum what what)
{
	size_t i = condition_at(l);
	bool unless, all = true;

	if (i >= l->n)
		return false;
	unless = span_is(l->word[i++], "unless");
	while (i < l->n) {
		size_t terms = 0;
		bool hit = false;
		for (; i < l->n && !is_or(l->word[i]); terms++) {
			struct term t = next_term(l, &i);
			hit |= t.negated != unless && names(s, l, &t, what);
		}
		if (unless && hit && terms == 1)
			return true;
		all &= hit;
		i++; /* or */
	}
	return !unless && all;
}

bool
spares_the_gate(const struct haproxy_section *s, const struct haproxy_line *l)
{
	return leaves_out(s, l, GATE);
}

bool
spares_the_inner(const struct haproxy_section *s, const struct haproxy_line *l)
{
	return leaves_out(s, l, INNER);
}

bool
spares_the_decided(const struct haproxy_line *l)
{
	return leaves_out(NULL, l, DECIDED);
}
