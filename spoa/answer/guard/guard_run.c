/* The table of runs, at most CAP_ANSWER_RUNS. A run whose text has ended stays, so that later
 * text in it is noticed. */
#include "answer/guard/guard_stream.h"

#include "base/err.h"

enum { RUN_HEADS = 128 };

static struct run **
head_of(struct guard *g, enum answer_kind kind, uint64_t path, const uint32_t *slot)
{
	uint64_t h = path ^ kind;

	for (size_t i = 0; i < ANSWER_SLOTS; i++)
		h = (h ^ slot[i]) * 0x9e3779b97f4a7c15u;
	return &g->runs.heads[(h ^ h >> 29) % RUN_HEADS];
}

struct run *
guard_run_find(const struct guard *g, enum answer_kind kind, uint64_t path,
	const uint32_t slot[ANSWER_SLOTS])
{
	struct run *r = g->runs.n ? *head_of((struct guard *)g, kind, path, slot) : NULL;

	while (r && (r->kind != kind || r->path != path ||
			    memcmp(r->slot, slot, sizeof(r->slot)) != 0))
		r = r->same;
	return r;
}

/* Removes the oldest run without work in progress and returns it, or NULL. Sets
 * *unread (prose: ok unread) if the run had ended, since that fact is forgotten with it. */
static struct run *
forget_one(struct guard *g, bool *unread)
{
	struct run *r, **at;

	TAILQ_FOREACH (r, &g->runs.all, all)
		if (!r->channel && !r->transcript &&
			!(r->member &&
				(r->member->scan || r->member->event == g->members.event)))
			break;
	if (!r)
		return NULL;
	for (at = head_of(g, r->kind, r->path, r->slot); *at && *at != r;)
		at = &(*at)->same;
	INVARIANT(*at == r && g->runs.n > 0);
	*at = r->same;
	TAILQ_REMOVE(&g->runs.all, r, all);
	g->runs.n--;
	*unread = r->over;
	return r;
}

struct run *
guard_run(struct guard *g, enum answer_kind kind, uint64_t path,
	const uint32_t slot[ANSWER_SLOTS])
{
	struct run *r = guard_run_find(g, kind, path, slot);
	bool unread = false;

	if (r)
		return r;
	if (g->runs.n >= CAP_ANSWER_RUNS && !(r = forget_one(g, &unread)) && kind == KIND_OTHER)
		return NULL;
	if (unread && guard_unread(g, 1,
			      "the response has more choices, items or tool calls than the "
			      "gateway holds"))
		return NULL;
	if (!g->runs.heads)
		g->runs.heads = arena_array(&g->life, RUN_HEADS, sizeof(*g->runs.heads));
	if (!r)
		r = arena_new(&g->life, struct run);
	if (!r || !g->runs.heads) {
		guard_no_memory(g);
		return NULL;
	}
	INVARIANT(!r->channel && !r->transcript);
	struct run **head = head_of(g, kind, path, slot);
	if (r->member)
		memset(r->member, 0, sizeof(*r->member));
	if (r->place)
		memset(r->place, 0, sizeof(*r->place));
	*r = (struct run){ .same = *head,
		.kind = kind,
		.path = path,
		.member = r->member,
		.place = r->place };
	memcpy(r->slot, slot, sizeof(r->slot));
	*head = r;
	TAILQ_INSERT_TAIL(&g->runs.all, r, all);
	g->runs.n++;
	return r;
}
