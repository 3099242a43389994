/* Finds values that cross the end of a block in a stream, because clients join blocks of one
 * kind.
 *
 * guard_channel.c reads each block alone. If a value may have begun at a block's end,
 * boundary_open() copies the channel's scan, and the copy continues into the following blocks.
 * The events wait unchanged until the copy knows the result (QUEUE_BOUNDARY). The value is then
 * replaced in its first block and removed from the others, as guard_joined.c does in a whole
 * response.
 *
 * States of struct boundary: closed (scan NULL), between two blocks (`between`), and inside a
 * block. Example: one block ends with "alice@" and the next one begins with "example.org". */

#include "answer/guard/guard_stream.h"
#include "base/err.h"
#include "base/push.h"
#include "scan/detect/stream/stream.h"

static bool
is_joined(const struct answer_text *t)
{
	return text_grows(t) && !t->deep && t->text.n;
}

/* ---- values over an edge ---- */

/* Keeps a value until the end of the stream, which may repeat it. */
static int
add_crossing(struct guard *g, const struct stream_piece *p, size_t start)
{
	struct boundary *s = &g->boundary;

	if (s->ncrossings == CAP_CROSSINGS)
		return guard_unread(g, p->text.n,
			       "too many values continue across the ends of blocks")
			       ? ERR_BAD_STATE
			       : 0;
	struct crossing *x = ARENA_PUSH(&g->life, s->crossings, s->ncrossings,
		s->crossings_room, 8, (struct crossing){ .start = start });
	if (!x)
		return ERR_NOMEM;
	*x = (struct crossing){ .of = split_new(p->finding.entity, s->kind, p->text),
		.start = start,
		.end = start + p->text.n,
		.cuts = arena_array(&g->life, s->nedges, sizeof(*x->cuts)) };
	for (size_t i = 0; x->cuts && i < s->nedges; i++)
		if (x->start < s->edges[i] && s->edges[i] < x->end)
			x->cuts[x->ncuts++] = s->edges[i] - x->start;
	INVARIANT(x->ncuts <= s->nedges && x->start < x->end);
	return !x->of || buf_failed(&x->of->value) || !x->cuts ? ERR_NOMEM : 0;
}

static int
take_piece(void *arg, const struct stream_piece *p)
{
	struct guard *g = arg;
	struct boundary *s = &g->boundary;
	size_t start = s->from + p->start;

	s->decided = start + p->text.n;
	if (p->kind != PIECE_FINDING || p->more || s->decided <= s->opened)
		return 0;
	return add_crossing(g, p, start);
}

/* Ends the scan, so that all waiting events may leave. */
static enum guard_result
boundary_end(struct guard *g, bool finish)
{
	struct boundary *s = &g->boundary;
	int err = 0;

	if (!s->scan)
		return g->failed;
	if (finish)
		err = detect_stream_finish(s->scan, g->plan.scratch, take_piece, g);
	detect_stream_free(&s->scan);
	return guard_scanned(g, err);
}

/* ---- opening and reading ---- */

/* Returns a channel that ends with the event and whose text may continue in another one. NULL:
 * none. */
static struct channel *
ends_in(struct guard *g, const struct answer_document *d)
{
	struct channel *c, *ended = NULL;

	if (!d || !d->ends.any || d->ends.all || d->finish.n || d->error)
		return NULL;
	for (size_t i = 0; i < d->ntexts; i++)
		if (is_joined(&d->texts[i]))
			return NULL;
	LIST_FOREACH (c, &g->channels, all) {
		if (kind_is_shown(c->of.kind) && c->scan && !c->halved.is &&
			answer_ends(d, c->of.slot) &&
			g->boundary.total[c->of.kind] == c->from + c->fed)
			ended = c;
	}
	return ended;
}

/* Notes that a block ends here, and forgets the ends before the decided part. */
static enum guard_result
add_edge(struct guard *g)
{
	struct boundary *s = &g->boundary;
	size_t known = 0;

	while (known < s->nedges && s->edges[known] <= s->decided)
		known++;
	INVARIANT(s->scan && known <= s->nedges);
	s->nedges -= known;
	if (known)
		memmove(s->edges, s->edges + known, s->nedges * sizeof(*s->edges));
	if (!ARENA_PUSH(&g->life, s->edges, s->nedges, s->edges_room, 8, s->fed))
		return guard_no_memory(g);
	s->between = true;
	return g->failed;
}

static enum guard_result
boundary_open(struct guard *g, struct channel *c)
{
	struct boundary *s = &g->boundary;

	if (!detect_stream_held(c->scan))
		return g->failed;
	INVARIANT(!s->scan);
	s->scan = detect_stream_copy(c->scan);
	if (!s->scan)
		return guard_no_memory(g);
	s->kind = c->of.kind;
	memcpy(s->slot, c->of.slot, sizeof(s->slot));
	s->from = c->from;
	s->fed = c->from + c->fed;
	s->decided = s->fed - detect_stream_held(s->scan);
	s->opened = s->fed;
	s->halved.is = false;
	s->nedges = 0;
	return add_edge(g);
}

/* Returns true if the event shows that the text does not continue. */
static bool
boundary_is_over(const struct guard *g, const struct answer_document *d)
{
	const struct boundary *s = &g->boundary;

	if (!d || d->ends.all || d->finish.n || d->error || d->ncalls || d->ninputs)
		return true;
	for (size_t i = 0; i < d->ntexts; i++) {
		const struct answer_text *t = &d->texts[i];
		if (!is_joined(t))
			continue;
		bool same = !memcmp(t->slot, s->slot, sizeof(s->slot));
		const struct run *r = guard_run_find(g, t->kind, 0, t->slot);
		if (t->kind != s->kind || t->slot[ANSWER_NUMBERS] != s->slot[ANSWER_NUMBERS] ||
			(!s->between && !same) || (r && r->over))
			return true;
	}
	return false;
}

/* Scans byte by byte, so that the result does not depend on the pieces, and stops once all is
 * decided. */
static enum guard_result
boundary_feed(struct guard *g, struct span text)
{
	struct boundary *s = &g->boundary;

	for (size_t i = 0; i < text.n; i++) {
		s->fed++;
		int err = detect_stream_feed(
			s->scan, g->plan.scratch, span_cut(text, i, i + 1), take_piece, g);
		if (guard_scanned(g, err))
			return g->failed;
		if (s->decided >= s->edges[s->nedges - 1])
			return boundary_end(g, false);
	}
	return g->failed;
}

/* Reads the event's texts of the kind. */
static enum guard_result
boundary_read(struct guard *g, const struct answer_document *d)
{
	struct boundary *s = &g->boundary;

	if (boundary_is_over(g, d))
		return boundary_end(g, true);
	for (size_t i = 0; i < d->ntexts; i++) {
		struct answer_text t = d->texts[i];
		if (!is_joined(&t))
			continue;
		s->between = false;
		memcpy(s->slot, t.slot, sizeof(s->slot));
		if (guard_pair(g, &s->halved, &t) || boundary_feed(g, t.text) || !s->scan)
			return g->failed;
	}
	/* the block ends with the event, if it had text */
	if (s->between || !answer_ends(d, s->slot))
		return g->failed;
	bool half = s->halved.is;
	s->halved.is = false;
	if (half && (boundary_feed(g, SPAN_LIT(GUARD_NO_HALF)) || !s->scan))
		return g->failed;
	return s->fed > s->edges[s->nedges - 1] ? add_edge(g) : g->failed;
}

/* ---- events ---- */

/* While a scan is open, events whose text is decided may leave. */
bool
guard_boundary_may_go(const struct guard *g, const struct event *e)
{
	return !g->boundary.scan || e->text_end <= g->boundary.decided;
}

enum guard_result
guard_boundary_take(struct guard *g, struct event *e, bool *waits)
{
	const struct answer_document *d = event_says(e);
	struct boundary *s = &g->boundary;
	bool open = s->scan != NULL;
	struct channel *c;

	if (!guard_inspects(g) || !g->format->blocks)
		return g->failed;
	if (!open && (!(c = ends_in(g, d)) || boundary_open(g, c) || !s->scan))
		return g->failed;
	if (open && e->frame.has_data && boundary_read(g, d))
		return g->failed;
	*waits = true;
	e->text_end = s->fed;
	if (!queue_is_full(&g->queues[QUEUE_BOUNDARY], e))
		return g->failed;
	/* a value that began in one block continues in the next one */
	if (!s->between && guard_unread(g, s->fed - s->decided,
				   "a value that continues across the end of a block is longer "
				   "than the gateway holds"))
		return g->failed;
	return boundary_end(g, true);
}

enum guard_result
guard_boundary_end(struct guard *g)
{
	return boundary_end(g, true);
}

void
guard_boundary_free(struct guard *g)
{
	detect_stream_free(&g->boundary.scan);
	for (size_t i = 0; i < g->boundary.ncrossings; i++)
		split_drop(g->boundary.crossings[i].of);
}

/* ---- replacement ---- */

struct crossing *
guard_boundary_at(struct guard *g, enum answer_kind kind, size_t start, size_t end)
{
	struct crossing *first = NULL;

	for (size_t i = 0; i < g->boundary.ncrossings; i++) {
		struct crossing *x = &g->boundary.crossings[i];
		if (x->end > start && x->start < end && x->of->kind == kind &&
			(!first || x->start < first->start))
			first = x;
	}
	return first;
}

/* ---- repetitions ---- */

/* Sets *out to part k of the value, as a finding of the text. The first part must end the text,
 * the last one must begin it, and a part between must be the whole text. Returns false if it
 * does not. */
static bool
part_of(const struct crossing *x, struct span text, size_t k, struct finding *out)
{
	struct span value = buf_view(&x->of->value), part;
	bool last = k == x->ncuts;

	INVARIANT(k <= x->ncuts && x->ncuts > 0);
	part = span_cut(value, k ? x->cuts[k - 1] : 0, last ? value.n : x->cuts[k]);
	bool is = k == 0 ? span_ends(text, part)
		  : last ? span_starts(text, part)
			 : span_eq(text, part);
	*out = (struct finding){ .start = k ? 0 : text.n - part.n,
		.end = k ? part.n : text.n,
		.entity = (uint16_t)x->of->entity };
	return is;
}

/* Adds such parts of all values: the first parts, or the later ones. The kind is not compared,
 * since reasoning may be repeated in a row of text. */
static void
add_parts(struct guard *g, const struct answer_text *t, bool first, struct findings *all,
	struct span *wholes)
{
	struct finding part;

	for (size_t i = 0; i < g->boundary.ncrossings; i++) {
		struct crossing *x = &g->boundary.crossings[i];
		if (x->of->is != SPLIT_REPLACED || !x->ncuts)
			continue;
		for (size_t k = first ? 0 : 1; k <= (first ? 0 : x->ncuts); k++)
			if (part_of(x, t->text, k, &part)) {
				wholes[all->n] = first ? buf_view(&x->of->value) : SPAN_LIT("");
				all->v[all->n++] = part;
				break;
			}
	}
}

enum guard_result
guard_boundary_again(struct guard *g, const struct answer_text *t, struct findings *found)
{
	size_t room = found->n + 2 * g->boundary.ncrossings;
	struct findings all = { .evasion = found->evasion };

	if (!t->copy || t->kind == KIND_OTHER || !g->boundary.ncrossings)
		return g->failed;
	all.v = arena_array(&g->work, room, sizeof(*all.v));
	struct span *wholes = arena_array(&g->work, room, sizeof(*wholes));
	if (!all.v || !wholes)
		return guard_no_memory(g);
	add_parts(g, t, false, &all, wholes);
	for (size_t i = 0; i < found->n; i++) {
		wholes[all.n] = (struct span){ NULL, 0 };
		all.v[all.n++] = found->v[i];
	}
	add_parts(g, t, true, &all, wholes);
	INVARIANT(all.n <= room);
	*found = all;
	g->wholes = wholes;
	return g->failed;
}
