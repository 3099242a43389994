/* What was said of limits while the daemon runs: another amount for some callers, and limits
 * of an API key's own. */
#include <stdio.h>

#include "gate/gate_private.h"
#include "limits/limits.h"
#include "policy/claims.h"

static bool
pair_fits(const struct request *r, const struct policy_facts *f, const struct live_pair *p)
{
	struct identity id = r->found.identity;

	for (size_t i = 0; i < IDENTITY_TEXTS; i++)
		if (span_is(p->name, identity_texts[i].name))
			return span_eq(*identity_text(&id, i), p->value);
	if (span_is(p->name, "key"))
		return !strcmp(id.method, "api_key") && span_eq(id.key_id, p->value);
	if (span_is(p->name, "model"))
		return span_eq(f->model, p->value);
	return span_is(p->name, "route") && f->route && span_is(p->value, f->route->name);
}

static bool
fits(const struct request *r, const struct policy_facts *f, const struct live_override *o,
	const struct limit *l)
{
	/* A limit that counts something else by now has another unit. */
	if (strcmp(o->limit, l->name) != 0 || strcmp(o->counts, limits_kinds[l->of]) != 0 ||
		(o->until_ns && o->until_ns <= r->now_wall_ns))
		return false;
	for (size_t i = 0; i < o->npairs; i++)
		if (!pair_fits(r, f, &o->pairs[i]))
			return false;
	return true;
}

/* Who is named more closely comes first, then what was said last. */
static const struct live_override *
override_of(const struct request *r, const struct policy_facts *f, const struct live_view *v,
	const struct limit *l)
{
	const struct live_override *best = NULL;

	for (size_t i = 0; i < v->nlimits; i++) {
		const struct live_override *o = v->limits[i];
		if (!fits(r, f, o, l))
			continue;
		if (!best || o->npairs > best->npairs ||
			(o->npairs == best->npairs && o->serial > best->serial))
			best = o;
	}
	return best;
}

/* What is warned of at a share of it still is. */
static void
set_amount(struct limit *l, uint64_t to)
{
	l->soft = (uint64_t)((unsigned __int128)l->soft * to / l->amount);
	l->amount = to;
}

/* A limit with another amount has the same name, and so the same counter. */
static void
apply_overrides(struct request *r, const struct policy_facts *f, struct policy_limit_hit *hits,
	size_t n)
{
	struct live *live = r->gate->shared->live;
	const struct live_view *v = live ? live_enter(live, r->worker) : NULL;

	for (size_t i = 0; v && v->nlimits && i < n; i++) {
		const struct live_override *o = override_of(r, f, v, hits[i].limit);
		struct limit *l = o ? arena_new(&r->arena, struct limit) : NULL;
		if (!l)
			continue;
		*l = *hits[i].limit;
		set_amount(l, o->to);
		hits[i].limit = l;
	}
	if (live)
		live_leave(live, r->worker);
}

/* Counted for the key and the window: with another amount it goes on, with another window it
 * begins anew. */
static int
add_own(struct request *r, bool whole, struct policy_limit_hit *hits, size_t *n)
{
	const struct identity *id = &r->found.identity;

	for (size_t i = 0; i < id->nlimits; i++) {
		const struct limit *l = &id->limits[i];
		if (!whole && l->reads_body)
			continue;
		if (*n == LIMIT_HITS_MAX)
			return ERR_LIMIT;
		hits[(*n)++] = (struct policy_limit_hit){ l,
			arena_printf(&r->arena, "%zu:%.*s%s:%llu:%d", id->key_id.n,
				SPAN_ARG(id->key_id), limits_kinds[l->of],
				(unsigned long long)l->window_s,
				l->by_calendar ? (int)l->calendar : -1) };
	}
	return 0;
}

int
request_limits(struct request *r, const struct policy_facts *f, struct policy_limit_hit **hits,
	size_t *n)
{
	int err = policy_limits(r->snap->policy, f, &r->arena, hits, n);

	if (err)
		return err;
	apply_overrides(r, f, *hits, *n);
	err = add_own(r, f->whole, *hits, n);
	return err ? err : arena_failed(&r->arena) ? ERR_NOMEM : 0;
}
