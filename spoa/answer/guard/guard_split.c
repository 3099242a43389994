/* Replaces values that are spread over the unnamed members of several events: in the first
 * event by the replacement, in the others by nothing. guard_members.c marks the parts. */
#include <stdlib.h>

#include "answer/guard/guard_stream.h"
#include "base/err.h"

/* ---- events and their marks ---- */

void
split_drop(struct split *s)
{
	INVARIANT(!s || s->refs > 0);
	if (!s || --s->refs)
		return;
	buf_free(&s->value);
	buf_free(&s->with);
	free(s);
}

struct split *
split_new(size_t entity, enum answer_kind kind, struct span value)
{
	struct split *s = calloc(1, sizeof(*s));

	if (!s)
		return NULL;
	s->refs = 1;
	s->entity = entity;
	s->kind = kind;
	buf_init(&s->value, 0);
	buf_init(&s->with, 0);
	buf_span(&s->value, value);
	return s;
}

int
event_mark(struct event *e, size_t text, size_t start, size_t end, struct split *of)
{
	INVARIANT(of->refs > 0 && start <= end && e->nmarks <= e->room);
	if (e->nmarks == e->room) {
		size_t room = e->room ? 2 * e->room : 4;
		struct mark *v = realloc(e->marks, room * sizeof(*v));
		if (!v)
			return ERR_NOMEM;
		e->marks = v;
		e->room = room;
	}
	e->marks[e->nmarks++] = (struct mark){
		.text = text, .start = start, .end = end, .of = of, .first = of->n == 0
	};
	of->n += end - start;
	of->refs++;
	return 0;
}

void
event_unmark(struct event *e)
{
	for (size_t i = 0; i < e->nmarks; i++)
		split_drop(e->marks[i].of);
	free(e->marks);
	e->marks = NULL;
	e->nmarks = e->room = 0;
}

/* ---- editing ---- */

enum guard_result
guard_split_decide(struct guard *g, struct split *s)
{
	struct span with;

	if (s->is != SPLIT_NEW)
		return g->failed;
	s->is = SPLIT_STAYS;
	if (guard_found(g, s->entity, s->kind) && guard_judge(g, ANSWER_NEW))
		return g->failed;
	if (!guard_replacement(g, s->entity, buf_view(&s->value), false, &with))
		return g->failed;
	s->is = SPLIT_REPLACED;
	buf_span(&s->with, with);
	return with.p && !buf_failed(&s->with) ? g->failed : guard_no_memory(g);
}

/* Appends the text from `from` to `to`, with the findings inside replaced. */
static void
put_between(struct guard *g, const struct answer_text *t, const struct findings *found,
	size_t from, size_t to, struct buf *out)
{
	struct answer_text part = *t;
	struct findings in = { 0 };
	struct span now;

	part.text = span_cut(t->text, from, to);
	in.v = arena_array(&g->work, found->n + 1, sizeof(*in.v));
	for (size_t i = 0; in.v && i < found->n; i++) {
		struct finding f = found->v[i];
		if (f.start < from || f.end > to)
			continue;
		f.start -= from;
		f.end -= from;
		in.v[in.n++] = f;
	}
	if (!in.v)
		guard_no_memory(g);
	else if (!guard_edit(g, &part, &in, &now))
		buf_span(out, now);
}

/* Extends a mark over the findings of the text alone that it touches, but not before `from`. */
static void
widen(struct mark *m, const struct findings *found, size_t from)
{
	for (size_t i = 0; i < found->n; i++) {
		const struct finding *f = &found->v[i];
		if (f->end <= m->start || f->start >= m->end)
			continue;
		m->start = f->start < m->start ? f->start : m->start;
		m->end = f->end > m->end ? f->end : m->end;
	}
	m->start = m->start < from ? from : m->start;
}

static bool
is_marked(const struct event *e, size_t text, const struct finding *f)
{
	for (size_t i = 0; i < e->nmarks; i++)
		if (e->marks[i].text == text && e->marks[i].start < f->end &&
			f->start < e->marks[i].end)
			return true;
	return false;
}

/* Scans the text alone, and notes findings that no mark covers. */
static enum guard_result
scan_alone(struct guard *g, const struct event *e, const struct answer_text *t, size_t text,
	struct findings *found)
{
	bool is_new = false;

	*found = (struct findings){ 0 };
	g->report.text_bytes += t->text.n;
	int err = detect_scan(
		g->plan.rules, g->plan.scratch, t->text, &g->plan.options, &g->work, found);
	if (err)
		return guard_gave_up(g, t->text.n, err);
	g->evasion |= found->evasion;
	for (size_t i = 0; i < found->n; i++)
		if (!is_marked(e, text, &found->v[i]))
			is_new |= guard_found(g, found->v[i].entity, t->kind);
	return is_new ? guard_judge(g, ANSWER_NEW) : g->failed;
}

enum guard_result
guard_members_edit(
	struct guard *g, struct event *e, const struct answer_text *t, struct span *out)
{
	size_t text = e->next++, from = 0, marks = 0;
	struct findings found;
	struct buf b;

	for (size_t i = 0; i < e->nmarks; i++)
		marks += e->marks[i].text == text;
	if (!marks)
		return guard_edit_alone(g, t, out);
	if (scan_alone(g, e, t, text, &found))
		return g->failed;
	buf_init(&b, 0);
	for (size_t i = 0; i < e->nmarks && !g->failed; i++) {
		struct mark m = e->marks[i];
		if (m.text != text || guard_split_decide(g, m.of))
			continue;
		widen(&m, &found, from);
		if (m.end <= from)
			continue;
		put_between(g, t, &found, from, m.start, &b);
		struct span with = m.of->is == SPLIT_STAYS ? span_cut(t->text, m.start, m.end)
				   : m.first		   ? buf_view(&m.of->with)
							   : SPAN_LIT("");
		guard_transcribe(g, t, with);
		buf_span(&b, with);
		from = m.end;
	}
	if (!g->failed && from < t->text.n)
		put_between(g, t, &found, from, t->text.n, &b);
	return guard_take(g, &b, out);
}
