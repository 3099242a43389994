/* Changes of limits while the daemon runs: overrides, which give some callers another amount,
 * and limits of API keys. */
#include <stdio.h>

#include "gate/gate_private.h"
#include "gate/limits/limits.h"
#include "policy/identity/claims.h"

/* Returns the request's value for a name that overrides use (team, model, route, …); empty:
 * none. */
static struct span
override_value(const struct request *r, const struct policy_facts *f, const char *name)
{
	struct identity id = r->found.identity;

	for (size_t i = 0; i < IDENTITY_TEXTS; i++)
		if (!strcmp(name, identity_texts[i].name))
			return *identity_text(&id, i);
	if (!strcmp(name, "model"))
		return f->model;
	if (!strcmp(name, "route") && f->route)
		return span_str(f->route->name);
	if (!strcmp(name, "key") && !strcmp(id.method, "api_key"))
		return id.key_id;
	return (struct span){ NULL, 0 };
}

static bool
override_fits(const struct request *r, const struct live_override *o, const struct limit *l,
	const struct span *values)
{
	/* if the limit now counts another unit, the amount does not fit */
	if (strcmp(o->counts, limits_kinds[l->of]) != 0 ||
		(o->until_ns && o->until_ns <= r->now_wall_ns))
		return false;
	for (size_t i = 0; i < o->npairs; i++) {
		size_t k = span_find(o->pairs[i].name, live_pair_names, LIVE_PAIR_NAMES);
		if (k == LIVE_PAIR_NAMES || !span_eq(o->pairs[i].value, values[k]))
			return false;
	}
	return true;
}

/* Returns the override that applies: the one with the most conditions, then the newest. */
static const struct live_override *
override_of(const struct request *r, const struct live_view *v, const struct limit *l,
	const struct span *values)
{
	const struct live_override *best = NULL;

	/* the last round is for overrides without conditions */
	for (size_t k = 0; k <= LIVE_PAIR_NAMES; k++) {
		bool everyone = k == LIVE_PAIR_NAMES;
		struct span name = span_str(everyone ? "" : live_pair_names[k]);
		struct span value = everyone ? span_str("") : values[k];
		size_t at = 0;
		while ((value.n || everyone) &&
			(at = live_next_override(v, l->name, name, value, at))) {
			const struct live_override *o = v->limits[at - 1];
			if (override_fits(r, o, l, values) &&
				(!best || o->npairs > best->npairs ||
					(o->npairs == best->npairs &&
						o->serial > best->serial)))
				best = o;
		}
	}
	return best;
}

/* Replaces amounts of limits. The copy keeps the name, and therefore the counter. */
static void
apply_overrides(struct request *r, const struct policy_facts *f, struct policy_limit_hit *hits,
	size_t n)
{
	struct live *live = r->gate->shared->live;
	const struct live_view *v = live ? live_enter(live, r->worker) : NULL;

	struct span values[LIVE_PAIR_NAMES];

	for (size_t k = 0; k < LIVE_PAIR_NAMES; k++)
		values[k] = override_value(r, f, live_pair_names[k]);
	for (size_t i = 0; v && v->nlimits && i < n; i++) {
		hits[i].limit = hits[i].of; /* undo an earlier override, if called again */
		const struct live_override *o = override_of(r, v, hits[i].of, values);
		struct limit *l = o ? arena_new(&r->arena, struct limit) : NULL;
		if (!l)
			continue;
		*l = *hits[i].of;
		/* the soft limit keeps its share of the amount */
		l->soft = (uint64_t)((unsigned __int128)l->soft * o->to / l->amount);
		l->amount = o->to;
		hits[i].limit = l;
	}
	if (live)
		live_leave(live, r->worker);
}

bool
limits_overridden_by_model(const struct request *r, const struct limit *l)
{
	struct live *live = r->gate->shared->live;
	const struct live_view *v = live ? live_enter(live, r->worker) : NULL;
	bool is = false;

	for (size_t i = 0; v && i < v->nlimits; i++) {
		const struct live_override *o = v->limits[i];
		for (size_t k = 0; k < o->npairs && !strcmp(o->limit, l->name); k++)
			is |= span_is(o->pairs[k].name, "model");
	}
	if (live)
		live_leave(live, r->worker);
	return is;
}

/* Adds the API key's own limits. A counter is named by key, unit and window: with another
 * amount it continues, with another window a new counter begins. */
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
				l->by_calendar ? (int)l->calendar : -1),
			NULL };
	}
	return 0;
}

int
limits_live(struct request *r, const struct policy_facts *f, struct policy_limit_hit *hits,
	size_t *n)
{
	apply_overrides(r, f, hits, *n);
	int err = add_own(r, f->whole, hits, n);
	return err ? err : arena_failed(&r->arena) ? ERR_NOMEM : 0;
}

int
limits_apply(struct request *r, const struct policy_facts *f)
{
	struct found_limits *l = &r->found.limits;

	if (l->known && l->resumed == r->run.resumed && span_eq(l->model, f->model))
		return 0;
	*l = (struct found_limits){ .model = f->model, .resumed = r->run.resumed };
	int err = policy_limits(r->snap->policy, f, &r->arena, &l->hit, &l->n);
	l->known = err == 0;
	return err;
}
