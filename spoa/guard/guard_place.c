/* Where in a URL a text ends, for those that clients join to it: blocks, parts, and members
 * that no row names in the events of a stream. Nothing is put back in a URL, whichever of them
 * it began in. */
#include "guard/guard_private.h"

/* What a stream says when it is done is no part of what grew. `note`: a member's is made, where
 * it is new. */
static struct url_place *
place_of(struct guard *g, const struct answer_text *t, bool note)
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
guard_place_begin(struct guard *g, const struct answer_text *t, struct restorer *r)
{
	const struct url_place *at = place_of(g, t, false);

	if (!at)
		return;
	restorer_goes_on(r, at);
	if (at->at != URL_OUT && !t->copy)
		g->places->split |= 1u << t->kind;
}

void
guard_place_note(struct guard *g, const struct answer_text *t, const struct restorer *r)
{
	struct url_place *at = place_of(g, t, true);

	if (at)
		*at = *restorer_place(r);
}
