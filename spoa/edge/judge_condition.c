/* Conditions of rules: whether they leave out what passes the gate, or the relay's second pass
 * (configuration.txt 7.2). Rules of the response cannot read the request's host, so `acl
 * tollgate` never fits there: they ask for the stanza's variable, or for the verdict.
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

/* GATED: what the stanza's first line decided; NAMED: what `acl tollgate` names now. */
enum what { GATED = 1, NAMED = 2, INNER = 4, DECIDED = 8 };

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

/* The term is one of these: the stanza's variable or its ACL, `acl tollgate`, so_name of the
 * inner bind or an ACL of the section for it, or says that there is a verdict. */
static bool
names(const struct haproxy_section *s, const struct haproxy_line *l, const struct term *t,
	unsigned what)
{
	static const char *const inner[] = { "so_name", "tollgate-inner" };
	static const char *const decided[] = { "var(txn.tollgate.via)", "-m", "found" };
	static const char *const gated[] = { "var(" GATED_VARIABLE ")", "-m", "bool" };

	if (what & DECIDED && words_are(l, t, decided, COUNT_OF(decided)))
		return true;
	if (what & GATED &&
		(span_is(t->name, GATED_ACL) || words_are(l, t, gated, COUNT_OF(gated))))
		return true;
	if (what & NAMED && span_is(t->name, "tollgate"))
		return true;
	if (!(what & INNER))
		return false;
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

/* Each part of the condition is true only where none of these is (leave), or one is. */
static bool
holds_only(const struct haproxy_section *s, const struct haproxy_line *l, unsigned what,
	bool leave)
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
			hit |= (t.negated != unless) == leave && names(s, l, &t, what);
		}
		if (unless && hit && terms == 1)
			return true;
		all &= hit;
		i++; /* or */
	}
	return !unless && all;
}

/* Where the stanza's variable is set the word of its ACL holds, and `acl tollgate` holds until
 * something changes what that tests; before, the ACL alone. */
bool
spares_the_gate(const struct haproxy_section *s, const struct haproxy_line *l)
{
	const struct haproxy_line *once = decided_once(s);
	bool above = once && span_is(l->word[0], "http-request") && is_before(s, l, once);
	unsigned gated = once && !above ? GATED : 0;

	if (!holds_only(s, l, gated | NAMED, true))
		return false;
	return above || (gated && holds_only(s, l, gated, true)) || !scope_changed_before(s, l);
}

bool
spares_the_named(const struct haproxy_section *s, const struct haproxy_line *l)
{
	return holds_only(s, l, GATED | NAMED, true);
}

bool
spares_the_inner(const struct haproxy_section *s, const struct haproxy_line *l)
{
	return holds_only(s, l, INNER, true);
}

bool
is_of_the_gate(const struct haproxy_section *s, const struct haproxy_line *l)
{
	return holds_only(s, l, GATED | NAMED | INNER, false);
}

bool
is_of_the_inner(const struct haproxy_section *s, const struct haproxy_line *l)
{
	return holds_only(s, l, INNER, false);
}

bool
spares_the_decided(const struct haproxy_line *l)
{
	return holds_only(NULL, l, DECIDED | GATED, true);
}
