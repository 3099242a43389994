/* Passes events to the caller in their order. Three stages may keep an event until more has
 * arrived:
 *
 *   QUEUE_MEMBERS   a member without a row may continue (guard_members.c)
 *   QUEUE_BOUNDARY  a value may cross the end of a block (guard_boundary.c)
 *   QUEUE_FINISH    a finish reason may not be the last one (below)
 *
 * Each stage has a queue. An event that leaves one enters the next, and later events wait
 * behind it. A queue is bounded by QUEUE_MOST and QUEUE_HELD_MOST. */
#include <stdlib.h>

#include "answer/guard/guard_stream.h"

#include "base/err.h"

static const struct stage {
	enum guard_result (*take)(struct guard *g, struct event *e, bool *waits);
	bool (*may_go)(const struct guard *g, const struct event *e);
	enum guard_result (*end)(struct guard *g); /* NULL: at the end all events leave */
} stages[QUEUES] = {
	[QUEUE_MEMBERS] = { guard_members_take, guard_members_may_go, guard_members_end },
	[QUEUE_BOUNDARY] = { guard_boundary_take, guard_boundary_may_go, guard_boundary_end },
	[QUEUE_FINISH] = { guard_end_take, guard_end_may_go, NULL },
};

/* Returns an event, reusing the last one. If it may wait, it is read from a copy in g->work,
 * which then becomes the event's own memory. NULL: out of memory. */
static struct event *
event_new(struct guard *g, const struct frame *f)
{
	struct event *e = g->spare ? g->spare : calloc(1, sizeof(*e));

	g->spare = NULL;
	if (!e)
		return NULL;
	INVARIANT(!e->marks && !e->nmarks); /* event_free() dropped the last event's marks */
	e->frame = *f;
	e->waits = false;
	e->open = e->next = 0;
	e->bytes = f->raw.n;
	if (!guard_reads(g))
		return e;
	e->bytes = frame_copy(&e->frame, NULL);
	char *copy = arena_alloc(&g->work, e->bytes);
	if (copy)
		frame_copy(&e->frame, copy);
	return e;
}

static void
event_free(struct guard *g, struct event *e)
{
	event_unmark(e);
	if (e->waits)
		arena_reset(&e->work);
	if (g->spare)
		free(e);
	else
		g->spare = e;
}

static enum guard_result pass_event(
	struct guard *g, struct event *e, size_t from, struct buf *out);

/* Passes on the events that may leave a queue; `all`: every event. */
static enum guard_result
drain(struct guard *g, size_t queue, bool all, struct buf *out)
{
	struct event_queue *q = &g->queues[queue];
	struct event *e;

	while (!g->failed && (e = STAILQ_FIRST(&q->events)) &&
		(all || stages[queue].may_go(g, e))) {
		INVARIANT(e->waits && q->bytes >= e->bytes);
		INVARIANT(q->held_bytes >= e->work.used_bytes);
		STAILQ_REMOVE_HEAD(&q->events, all);
		q->bytes -= e->bytes;
		q->held_bytes -= e->work.used_bytes;
		pass_event(g, e, queue + 1, out);
	}
	return g->failed;
}

/* Passes an event through the stages from `from` on: it waits in one, or is sent. */
static enum guard_result
pass_event(struct guard *g, struct event *e, size_t from, struct buf *out)
{
	bool waits = false;

	INVARIANT(from <= QUEUES);
	for (size_t i = from; i < QUEUES && !g->failed; i++) {
		if (stages[i].take(g, e, &waits) || !waits)
			continue;
		if (!e->waits) {
			e->work = g->work;
			arena_init(&g->work, CAP_ANSWER_WORK, true);
		}
		e->waits = true;
		STAILQ_INSERT_TAIL(&g->queues[i].events, e, all);
		g->queues[i].bytes += e->bytes;
		g->queues[i].held_bytes += e->work.used_bytes;
		return drain(g, i, false, out);
	}
	if (!g->failed)
		guard_event_say(g, e, out);
	event_free(g, e);
	return g->failed;
}

enum guard_result
guard_queue_pass(struct guard *g, const struct frame *f, struct buf *out)
{
	struct event *e = event_new(g, f);

	if (!e || arena_failed(&g->work))
		guard_no_memory(g);
	if (e && (g->failed || guard_event_read(g, e, out)))
		event_free(g, e);
	/* each MCP message is complete, so none waits for the next one */
	return e && !g->failed ? pass_event(g, e, g->plan.messages.is ? QUEUES : 0, out)
			       : g->failed;
}

enum guard_result
guard_queue_end(struct guard *g, struct buf *out)
{
	for (size_t i = 0; i < QUEUES && !g->failed; i++)
		if (!stages[i].end || !stages[i].end(g))
			drain(g, i, true, out);
	return g->failed;
}

size_t
guard_queue_held(const struct guard *g)
{
	size_t n = 0;

	for (size_t i = 0; i < QUEUES; i++)
		n += g->queues[i].held_bytes;
	return n;
}

void
guard_queue_free(struct guard *g)
{
	struct event *e;

	for (size_t i = 0; i < QUEUES; i++)
		while ((e = STAILQ_FIRST(&g->queues[i].events))) {
			STAILQ_REMOVE_HEAD(&g->queues[i].events, all);
			event_free(g, e);
		}
	free(g->spare);
}

/* ---- whether the stream is complete ---- */

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

void
guard_stands_alone(struct guard *g)
{
	g->stands_alone = true;
}

bool
guard_end_is_cut(const struct guard *g)
{
	const struct answer_format *f = g->format;

	if (f->endless || g->stands_alone || !g->end.says || g->end.last ||
		guard_end_is_unknown(g))
		return false;
	return f->last || !g->end.done || (g->end.begun & ~g->end.done);
}

/* ---- finish reasons that may repeat ---- */

/* Vertex sends a finish reason in each event. Only the next event shows whether one was the
 * last, so the event waits for it. */

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
