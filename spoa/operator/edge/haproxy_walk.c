/* What applies to a section: its defaults, its lines in their order, its options. */
#include "operator/edge/credential.h"

/* The defaults section of this name, of those before; the last wins. */
static const struct haproxy_section *
defaults_named(const struct haproxy *h, size_t before, struct span name)
{
	for (size_t i = before; i-- > 0;)
		if (h->section[i].kind == HAPROXY_DEFAULTS && span_eq(h->section[i].name, name))
			return &h->section[i];
	return NULL;
}

/* The word after `from` in a section's head; empty: none. */
static struct span
head_from(const struct haproxy_line *head)
{
	for (size_t i = 1; i + 1 < head->n; i++)
		if (span_is(head->word[i], "from"))
			return head->word[i + 1];
	return span_of("", 0);
}

void
haproxy_resolve(struct haproxy *h)
{
	const struct haproxy_section *last = NULL;

	for (size_t i = 0; i < h->n; i++) {
		struct haproxy_section *s = &h->section[i];
		struct span from = head_from(s->head);
		if (span_is(s->name, "from"))
			s->name = span_of("", 0);
		if (s->kind != HAPROXY_GLOBAL && s->kind != HAPROXY_OTHER) {
			s->defaults = from.n			    ? defaults_named(h, i, from)
				      : s->kind == HAPROXY_DEFAULTS ? NULL
								    : last;
			if (from.n && !s->defaults)
				haproxy_note(h, s->head->file, s->head->line,
					"no section `defaults %.*s` comes before",
					SPAN_ARG(from));
		}
		if (s->kind == HAPROXY_DEFAULTS)
			last = s;
	}
	credentials_mark(h);
}

struct haproxy_walk
haproxy_walk(const struct haproxy_section *s)
{
	struct haproxy_walk w = { .depth = 0 };

	for (; s && w.depth < COUNT_OF(w.chain); s = s->defaults)
		w.chain[w.depth++] = s;
	return w;
}

const struct haproxy_line *
haproxy_next(struct haproxy_walk *w)
{
	while (w->depth) {
		const struct haproxy_section *s = w->chain[w->depth - 1];
		if (w->at < s->n)
			return &s->line[w->at++];
		w->at = 0;
		w->depth--;
	}
	return NULL;
}

const struct haproxy_line *
haproxy_option(const struct haproxy_section *s, const char *name)
{
	struct haproxy_walk w = haproxy_walk(s);
	const struct haproxy_line *l, *on = NULL;

	while ((l = haproxy_next(&w)))
		if (span_is(l->word[0], "option") && span_is(haproxy_word(l, 1), name))
			on = l->negated ? NULL : l;
	return on;
}

const struct haproxy_line *
haproxy_last(const struct haproxy_section *s, const char *a, const char *b)
{
	struct haproxy_walk w = haproxy_walk(s);
	const struct haproxy_line *l, *found = NULL;

	while ((l = haproxy_next(&w)))
		if (span_is(l->word[0], a) && (!b || span_is(haproxy_word(l, 1), b)))
			found = l->negated ? NULL : l;
	return found;
}
