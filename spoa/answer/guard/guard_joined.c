/* Finds values in the texts of a whole response that clients join: parts, and blocks of one
 * kind.
 *
 * scan_joined() scans the joined text, cuts its findings at the texts' borders, and merges them
 * with the findings of each text alone. So both a value over a border and a value inside one
 * text are found. Example: "alice@" and "example.org" in two parts give one finding in each, of
 * one value. */
#include <stdlib.h>

#include "answer/guard/guard_private.h"

#include "base/err.h"

/* ---- which texts are joined ---- */

/* Compares two texts. Returns 0 if a client joins them. */
static int
apart(const struct guard *g, const struct answer_text *a, const struct answer_text *b)
{
	/* If a format has blocks only, texts are joined whatever their block; a call's
	 * arguments are not. */
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

/* ---- findings ---- */

/* Findings of one text. `whole` has for each one the entry of guard.wholes. */
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

/* Cuts the joined text's findings at the borders of one text. *first: the first finding that
 * ends after `from`. Returns false if memory is out. */
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

/* Merges both lists in their order, without findings of the text alone that add nothing. */
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

/* Scans n texts that a client joins, whose indexes are in `at`. */
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
