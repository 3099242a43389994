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

struct span
value_after(const struct haproxy_line *l, size_t from, const char *word)
{
	for (size_t i = from; i + 1 < l->n; i++)
		if (span_is(l->word[i], word))
			return l->word[i + 1];
	return span_of("", 0);
}

void
haproxy_resolve(struct haproxy *h)
{
	const struct haproxy_section *last = NULL;

	for (size_t i = 0; i < h->n; i++) {
		struct haproxy_section *s = &h->section[i];
		struct span from = value_after(s->head, 1, "from");
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

const struct haproxy_section *
haproxy_global(const struct haproxy *h)
{
	for (size_t i = 0; i < h->n; i++)
		if (h->section[i].kind == HAPROXY_GLOBAL)
			return &h->section[i];
	return NULL;
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
haproxy_own(const struct haproxy_section *s, const char *a, const char *b)
{
	for (size_t i = 0; i < s->n; i++)
		if (haproxy_begins(&s->line[i], a, b))
			return &s->line[i];
	return NULL;
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
