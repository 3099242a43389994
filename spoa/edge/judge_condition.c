/* Conditions of rules: whether they leave out what passes the gate, or the relay's second pass
 * (configuration.txt 7.2).
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

/* The term is tollgate's own ACL, so_name of the inner bind, or an ACL of the section for it.
 */
static bool
names(const struct haproxy_section *s, const struct haproxy_line *l, const struct term *t,
	bool inner)
{
	if (!t->name.n)
		return inner && t->to - t->from == 2 && span_is(l->word[t->from], "so_name") &&
		       span_is(l->word[t->from + 1], "tollgate-inner");
	if (span_is(t->name, inner ? "tollgate-inner" : "tollgate"))
		return true;
	for (size_t i = 0; inner && i < s->n; i++) {
		const struct haproxy_line *acl = &s->line[i];
		if (span_is(acl->word[0], "acl") && acl->n == 4 &&
			span_eq(acl->word[1], t->name) && span_is(acl->word[2], "so_name") &&
			span_is(acl->word[3], "tollgate-inner"))
			return true;
	}
	return false;
}

static bool
leaves_out(const struct haproxy_section *s, const struct haproxy_line *l, bool inner)
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
			hit |= t.negated != unless && names(s, l, &t, inner);
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
	return leaves_out(s, l, false);
}

bool
spares_the_inner(const struct haproxy_section *s, const struct haproxy_line *l)
{
	return leaves_out(s, l, true);
}
