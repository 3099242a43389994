/* Texts of a whole answer that its clients join: parts, and blocks of one kind. What is spread
 * over several of them is found where they meet; what is in one of them is found in it,
 * whatever is next to it. */
#include <stdlib.h>

#include "answer/guard/guard_private.h"

#include "base/err.h"

/* ---- which ones are joined ---- */

/* 0: a client joins them. */
static int
apart(const struct guard *g, const struct answer_text *a, const struct answer_text *b)
{
	/* In formats whose answers are blocks only a call's arguments are told apart by their
	 * place. */
	unsigned from = g->format->blocks && !kind_is_call(a->kind) ? ANSWER_SLOTS - 1 : 0;

	if (a->kind != b->kind || a->copy != b->copy)
		return (int)(a->kind * 2 + a->copy) - (int)(b->kind * 2 + b->copy);
	return memcmp(a->slot + from, b->slot + from, (ANSWER_SLOTS - from) * sizeof(*a->slot));
}

struct texts {
	const struct guard *g;
	const struct answer_text *v;
};

static int
joined_by_text(const void *x, const void *y, void *arg)
{
	const struct texts *t = arg;
	size_t i = *(const size_t *)x, j = *(const size_t *)y;
	int order = apart(t->g, &t->v[i], &t->v[j]);

	return order ? order : i < j ? -1 : i > j;
}

/* ---- what is found in them ---- */

/* Findings of one text; `whole` says of each what struct guard's `wholes` does. */
struct part {
	struct findings f;
	struct span *whole;
};

static bool
part_new(struct guard *g, size_t room, struct part *p)
{
	*p = (struct part){ .f.v = arena_array(&g->work, room + 1, sizeof(*p->f.v)),
		.whole = arena_array(&g->work, room + 1, sizeof(*p->whole)) };
	return p->f.v && p->whole;
}

static void
part_add(struct part *p, struct finding f, struct span whole)
{
	p->f.v[p->f.n] = f;
	p->whole[p->f.n++] = whole;
}

/* Those of the joined text that are between two of its places, cut there. *first: the first one
 * that is not over before. */
static bool
cut_findings(struct guard *g, const struct findings *all, struct span text, size_t from,
	size_t to, size_t *first, struct part *out)
{
	size_t n = 0;

	while (*first < all->n && all->v[*first].end <= from)
		++*first;
	while (*first + n < all->n && all->v[*first + n].start < to)
		n++;
	if (!part_new(g, n, out))
		return false;
	for (size_t i = 0; i < n; i++) {
		struct finding f = all->v[*first + i];
		struct span value = span_cut(text, f.start, f.end), whole = { NULL, 0 };
		if (f.start < from)
			whole = SPAN_LIT("");
		else if (f.end > to)
			whole = value;
		f.start = f.start > from ? f.start - from : 0;
		f.end = (f.end < to ? f.end : to) - from;
		part_add(out, f, whole);
	}
	return true;
}

/* Both in their order; those of the text alone that are nothing new are left out. */
static bool
merge(struct guard *g, enum answer_kind kind, const struct part *cut,
	const struct findings *alone, struct part *out)
{
	size_t i = 0, j = 0;

	if (!part_new(g, cut->f.n + alone->n, out))
		return false;
	while (i < cut->f.n || j < alone->n) {
		const struct finding *c = i ? &cut->f.v[i - 1] : NULL;
		const struct finding *x = j < alone->n ? &alone->v[j] : NULL;
		if (!x || (i < cut->f.n && cut->f.v[i].start <= x->start)) {
			part_add(out, cut->f.v[i], cut->whole[i]);
			i++;
			continue;
		}
		if (!c || c->entity != x->entity || c->end < x->end) {
			guard_found(g, x->entity, kind);
			part_add(out, *x, (struct span){ NULL, 0 });
		}
		j++;
	}
	out->f.evasion = cut->f.evasion | alone->evasion;
	return true;
}

/* Texts at[n], which a client joins. */
static enum guard_result
scan_joined(struct guard *g, const struct answer_document *d, const size_t *at, size_t n,
	struct findings *v, const struct span **wholes)
{
	struct findings joined, alone;
	struct part cut, both;
	struct answer_text all = d->texts[at[0]];
	size_t first = 0;
	struct buf b;
	bool is_new;

	INVARIANT(n > 0);
	if (n == 1)
		return guard_scan(g, &d->texts[at[0]], &v[at[0]], &is_new);
	buf_init(&b, 0);
	for (size_t i = 0; i < n; i++)
		buf_span(&b, d->texts[at[i]].text);
	if (guard_take(g, &b, &all.text) || guard_scan(g, &all, &joined, &is_new))
		return g->failed;
	for (size_t i = 0, from = 0, to; i < n; i++, from = to) {
		const struct answer_text *t = &d->texts[at[i]];
		to = from + t->text.n;
		if (guard_look(g, t, &alone))
			return g->failed;
		if (!cut_findings(g, &joined, all.text, from, to, &first, &cut) ||
			!merge(g, t->kind, &cut, &alone, &both))
			return guard_no_memory(g);
		v[at[i]] = both.f;
		wholes[at[i]] = both.whole;
	}
	return g->failed;
}

enum guard_result
guard_scan_all(struct guard *g, const struct answer_document *d, struct findings *v,
	const struct span **wholes)
{
	struct texts texts = { g, d->texts };
	size_t *at = arena_array(&g->work, d->ntexts + 1, sizeof(*at)), n = 0;
	bool is_new;

	if (!at)
		return guard_no_memory(g);
	for (size_t i = 0; i < d->ntexts; i++) {
		const struct answer_text *t = &d->texts[i];
		if (t->kind != KIND_OTHER && !t->deep)
			at[n++] = i;
		else if (guard_scan(g, t, &v[i], &is_new))
			return g->failed;
	}
	qsort_r(at, n, sizeof(*at), joined_by_text, &texts);
	for (size_t i = 0, end; i < n; i = end) {
		for (end = i + 1; end < n && !apart(g, &d->texts[at[i]], &d->texts[at[end]]);
			end++)
			continue;
		if (scan_joined(g, d, at + i, end - i, v, wholes))
			return g->failed;
	}
	return g->failed;
}
