/* The end of a stream: whether what its dialect has there came, and a finish that may be none.
 * Vertex says a finish reason in each event: whether one is the end is known by what comes
 * after it, so its event waits for that. */
#include "guard/guard_stream.h"

/* ---- whether it came ---- */

static uint64_t
bit_of(uint32_t choice)
{
	return UINT64_C(1) << (choice < 63 ? choice : 63);
}

void
guard_end_note(struct guard *g, const struct answer_document *d)
{
	if (g->format->last && !d->type.n)
		return;
	g->end.says |= g->format->last || d->model.n || d->ncalls || d->opaque_bytes;
	for (size_t i = 0; i < d->ntexts; i++) {
		g->end.says |= text_grows(&d->texts[i]);
		if (text_grows(&d->texts[i]) && d->texts[i].text.n)
			g->end.begun |= bit_of(d->texts[i].slot[0]);
	}
	for (size_t i = 0; i < d->ncalls; i++)
		g->end.begun |= bit_of(d->calls[i].slot[0]);
	g->end.done |= d->ends.all ? UINT64_MAX : d->ends.choices;
	g->end.last |= d->error;
	for (const char *const *type = g->format->last; type && *type; type++)
		g->end.last |= span_is(d->type, *type);
	g->report.ended = g->format->last ? g->end.last : g->end.done != 0;
}

bool
guard_end_is_unknown(const struct guard *g)
{
	return g->format == &answer_any ||
	       (g->frames.kind == FRAMES_LINES && !g->format->lines);
}

bool
guard_end_is_cut(const struct guard *g)
{
	const struct answer_format *f = g->format;

	if (f->endless || !g->end.says || g->end.last || guard_end_is_unknown(g))
		return false;
	return f->last || !g->end.done || (g->end.begun & ~g->end.done);
}

/* ---- a finish that may be none ---- */

bool
guard_end_may_go(const struct guard *g, const struct event *e)
{
	(void)e;
	return g->end.repeats;
}

enum guard_result
guard_end_take(struct guard *g, struct event *e, bool *waits)
{
	const struct event_queue *q = &g->queues[QUEUE_FINISH];
	const struct answer_document *d = event_says(e);
	bool first = STAILQ_EMPTY(&q->events);

	if (!g->format->repeats || g->end.repeats || !guard_reads(g) ||
		(first && !(d && d->finish.n && !d->error)))
		return g->failed;
	*waits = true;
	g->end.repeats = queue_is_full(q, e) || (!first && d && d->ncalls);
	for (size_t i = 0; !first && d && i < d->ntexts; i++)
		g->end.repeats |= text_grows(&d->texts[i]) && d->texts[i].text.n;
	return g->failed;
}
