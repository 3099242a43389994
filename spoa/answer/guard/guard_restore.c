/* Restores placeholders, and decides for which tools' arguments. Tools that the route names as
 * keeping their input get values beside URLs; any other tool may send its input to a host in
 * it. */
#include "answer/guard/guard_private.h"
#include "base/caps.h"
#include "base/err.h"
#include "base/push.h"

/* ---- calls by name ---- */

static struct named_call *
call_at(struct guard *g, const uint32_t slot[ANSWER_SLOTS])
{
	for (size_t i = 0; i < g->ncalls; i++)
		if (!memcmp(g->calls[i].slot, slot, ANSWER_NUMBERS * sizeof(*slot)))
			return &g->calls[i];
	return NULL;
}

/* A name in pieces may be the joined name or one of the pieces, depending on the client. If
 * they differ in `keeping`, the call counts as not keeping. */
void
guard_restore_call(struct guard *g, const struct answer_call *c)
{
	struct named_call *n = g->plan.nkeeping ? call_at(g, c->slot) : NULL;
	bool is_new = !n || n->over;
	size_t i = 0;

	if (!g->plan.nkeeping || !c->name.n)
		return;
	if (!n && g->ncalls < CAP_ANSWER_CHANNELS)
		n = ARENA_PUSH(&g->life, g->calls, g->ncalls, g->calls_room, 16,
			(struct named_call){ .over = true });
	if (!n)
		return; /* not a keeping tool */
	while (i < g->plan.nkeeping && !span_is(c->name, g->plan.keeping[i]))
		i++;
	if (is_new)
		*n = (struct named_call){ .keeping = i };
	else if (n->keeping != i)
		n->keeping = g->plan.nkeeping;
	memcpy(n->slot, c->slot, sizeof(n->slot));
}

void
guard_restore_over(struct guard *g, enum answer_kind kind, const uint32_t slot[ANSWER_SLOTS])
{
	struct named_call *n = kind_is_call(kind) ? call_at(g, slot) : NULL;

	if (n)
		n->over = true;
}

/* ---- where texts end in a URL ---- */

/* Returns the place in a URL at which the preceding text ended, for texts that clients join:
 * blocks, parts, and members without a row in a stream's events. Texts repeated at the end have
 * places of their own. `note`: a new member gets a place. NULL: none. */
static struct url_place *
url_place_of(struct guard *g, const struct answer_text *t, bool note)
{
	if (t->unnamed && g->report.streamed) {
		struct run *r = guard_run(g, t->kind, t->path, t->slot);
		if (r && note && !r->place)
			r->place = arena_new(&g->life, struct url_place);
		if (r && note)
			r->placed = r->place != NULL;
		return r && r->placed ? r->place : NULL;
	}
	if (!kind_is_shown(t->kind))
		return NULL;
	return t->copy && g->report.streamed ? &g->places->again[t->kind]
					     : &g->places->grown[t->kind];
}

void
guard_place_event(struct guard *g)
{
	for (size_t kind = 0; g->places && kind < KIND_OTHER; kind++)
		g->places->again[kind] =
			(struct url_place){ .at = g->places->split >> kind & 1 ? URL_IN
									       : URL_OUT };
}

void
guard_place_note(struct guard *g, const struct answer_text *t, const struct restorer *r)
{
	struct url_place *at = url_place_of(g, t, true);

	if (at)
		*at = *restorer_place(r);
}

/* ---- restorers ---- */

struct restorer *
guard_restorer(struct guard *g, const struct answer_text *t)
{
	bool json = t->kind == KIND_ARGUMENTS && !t->deep;
	struct restorer *r =
		restorer_new(g->plan.vault, json		    ? RESTORE_JSON
					    : kind_is_call(t->kind) ? RESTORE_VALUE
								    : RESTORE_TEXT);
	const struct named_call *n = kind_is_call(t->kind) ? call_at(g, t->slot) : NULL;

	if (!r) {
		guard_no_memory(g);
		return NULL;
	}
	/* repeated text is restored as it was the first time */
	if (kind_is_call(t->kind) || t->strict)
		restorer_arguments(r, n && n->keeping < g->plan.nkeeping,
			g->report.streamed && !t->deep ? CAP_STREAM_HELD : SIZE_MAX);
	const struct url_place *at = url_place_of(g, t, false);
	if (at)
		restorer_goes_on(r, at);
	if (at && at->at != URL_OUT && !t->copy)
		g->places->split |= 1u << t->kind;
	return r;
}

void
guard_restored(struct guard *g, const struct answer_text *t, const struct restorer *r)
{
	guard_place_note(g, t, r);
	g->report.restorations += restorer_count(r);
	g->report.left_in_urls += restorer_left(r);
	g->report.unresolved += restorer_unknown(r);
}

enum guard_result
guard_put_back(struct guard *g, const struct answer_text *t, struct span text, struct span *out)
{
	struct restorer *r = guard_restorer(g, t);
	struct buf b;

	if (!r)
		return g->failed;
	buf_init(&b, 0);
	int err = restorer_feed(r, text, &b);
	if (!err)
		err = restorer_end(r, &b);
	if (!guard_scanned(g, err))
		guard_restored(g, t, r);
	if (restorer_count(r))
		guard_take(g, &b, out);
	else
		buf_free(&b);
	restorer_free(&r);
	return g->failed;
}
