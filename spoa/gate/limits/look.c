/* Reads limits for `tollgate quota get`. A request that nobody sent is matched with the limits
 * of each route. Its counters take 0, so that reserving them reads the numbers and changes
 * nothing. */
#include "gate/limits/look.h"

#include <stdlib.h>

#include "base/clock.h"
#include "base/codec/json_text.h"
#include "base/err.h"
#include "gate/gate_private.h"
#include "policy/data.h"
#include "policy/identity/claims.h"
#include "policy/identity/keylimits.h"
#include "policy/policy.h"

/* seconds; nothing is held, but a reservation needs an end */
enum { LOOK_HOLD_S = 60 };

/* Ends the question with a result: *what* explains an error, `name` is the object in question.
 */
static void
end_look(struct look *l, int err, const char *what, struct span name)
{
	INVARIANT(l->done && l->asked <= l->nrows);
	l->err = err;
	if (what)
		l->why = name.n ? arena_printf(&l->arena, "%.*s: %s", SPAN_ARG(name), what)
				: span_str(what);
	request_free(&l->r);
	TAG_CLEAR(look, l);
	l->done(l);
}

/* ---- the caller ---- */

static bool
read_look_lists(struct look *l, struct identity *id)
{
	json_t *roles = json_object_get(l->identity, "roles"), *one;
	json_t *more = json_object_get(l->identity, "attributes"), *v;
	const char *name;
	size_t i, n = 0;

	if ((roles && !json_is_array(roles)) || (more && !json_is_object(more)))
		return false;
	struct cel_value *list =
		arena_array(&l->arena, json_array_size(roles) + 1, sizeof(*list));
	struct cel_value *pairs =
		arena_array(&l->arena, 2 * json_object_size(more) + 1, sizeof(*pairs));
	json_array_foreach(roles, i, one)
	{
		if (!json_is_string(one))
			return false;
		if (list)
			list[id->nroles++] = cel_string(json_span(one));
	}
	json_object_foreach(more, name, v)
	{
		if (!pairs || data_json(v, CAP_DATA_DEPTH, &l->arena, &pairs[n + 1]) < 0)
			return false;
		pairs[n] = cel_string(span_str(name));
		n += 2;
	}
	id->roles = list;
	id->attributes = pairs;
	id->nattributes = n / 2;
	return true;
}

/* Reads the identity. Returns false if that ended the question. */
static bool
read_identity(struct look *l, struct identity *id)
{
	json_t *v = json_object_get(l->identity, "method");
	json_t *clearance = json_object_get(l->identity, "clearance");
	bool fits = !v || json_is_string(v);

	*id = (struct identity){ .method = v && fits ? json_string_value(v) : "jwt",
		.verified = true,
		.clearance = json_integer_value(clearance) };
	for (size_t i = 0; i < IDENTITY_TEXTS; i++) {
		v = json_object_get(l->identity, identity_texts[i].name);
		fits = fits && (!v || json_is_string(v));
		*identity_text(id, i) = json_span(v);
	}
	fits = fits && (!clearance || json_is_integer(clearance)) && read_look_lists(l, id);
	if (!fits)
		end_look(l, ERR_SYNTAX,
			"expected strings, a list of roles, an integer clearance and an object "
			"of "
			"attributes",
			SPAN_LIT("identity"));
	return fits;
}

/* Finds the API key with that id, made at run time or in a file. Returns false if that ended
 * the question. */
static bool
find_looked_key(const struct gate *g, struct look *l, struct identity *id)
{
	struct live *live = g->shared->live;
	const struct live_view *v = live ? live_enter(live, g->worker) : NULL;
	int err = identity_of_key(
		g->snap->policy, g->snap->keys, v ? &v->keys : NULL, l->key, &l->arena, id);

	if (live)
		live_leave(live, g->worker);
	if (err)
		end_look(l, err, err == ERR_NOTFOUND ? "no such API key" : NULL, l->key);
	return err == 0;
}

/* ---- limits that apply ---- */

static int
add_row(struct look *l, const struct policy_limit_hit *hit, bool burst)
{
	const struct limit *limit = hit->limit, *of = hit->of;
	struct look_row row = { .route = l->r->found.route->name,
		.of = limit->of,
		.amount = burst ? limit->burst.amount : limit->amount,
		.burst = burst,
		.counted = !limit_has(limit->of, IS_SINGLE) };

	limits_dim(limit, hit->values, burst, &row.dim);
	if (of)
		row.policy_amount = burst ? of->burst.amount : of->amount;
	for (size_t i = 0; i < l->nrows; i++)
		if (!strcmp(l->rows[i].dim.key, row.dim.key))
			return 0;
	if (l->nrows == LOOK_ROWS_MAX)
		return ERR_LIMIT;
	l->rows[l->nrows++] = row;
	return 0;
}

/* Adds the limits of one route. Returns false if that ended the question. */
static bool
add_route(struct look *l, const struct route *route)
{
	struct policy_facts f;
	struct policy_limit_hit *hits;
	size_t n = 0;

	l->r->found.route = route;
	request_facts(l->r, &f);
	int err = policy_limits(l->r->snap->policy, &f, &l->r->arena, &hits, &n);
	if (!err)
		err = limits_live(l->r, &f, hits, &n);
	for (size_t i = 0; i < n && !err; i++) {
		err = add_row(l, &hits[i], false);
		if (!err && hits[i].limit->burst.amount)
			err = add_row(l, &hits[i], true);
	}
	if (err)
		end_look(l, err, NULL, (struct span){ NULL, 0 });
	return err == 0;
}

/* ---- counters ---- */

static void ask_look(struct look *l);

static void
look_counted(struct quota_request *q)
{
	struct look *l = TAGGED(look, q->arg);

	if (q->result != QUOTA_ADMITTED) {
		end_look(l, ERR_IO, WHY_QUOTA_SILENT, (struct span){ NULL, 0 });
		return;
	}
	for (size_t k = 0; k < q->ndims; k++)
		for (size_t i = 0; i < l->nrows; i++) {
			struct look_row *row = &l->rows[i];
			if (strcmp(row->dim.key, q->dim[k].key) != 0)
				continue;
			const struct quota_dim *d = &row->dim;
			row->dim = q->dim[k];
			if (d->reduced_s)
				row->reduced_to = life_share(row->amount, d->came, d->expected);
		}
	quota_release(l->r->gate->quota, q, clock_mono_us());
	ask_look(l);
}

/* Asks for the next counters, as many as one reservation holds. */
static void
ask_look(struct look *l)
{
	struct quota_request *q = request_quota(l->r);

	if (!q) {
		end_look(l, ERR_NOMEM, NULL, (struct span){ NULL, 0 });
		return;
	}
	*q = (struct quota_request){ .done = look_counted, .arg = l };
	for (; l->asked < l->nrows && q->ndims < QUOTA_DIMS_MAX; l->asked++) {
		const struct look_row *row = &l->rows[l->asked];
		if (!row->counted)
			continue;
		struct quota_dim *d = &q->dim[q->ndims++];
		*d = row->dim;
		d->limit = LIMITS_NO_BOUND;
		d->hold_s = LOOK_HOLD_S;
	}
	if (q->ndims)
		quota_reserve(l->r->gate->quota, q);
	else
		end_look(l, 0, NULL, (struct span){ NULL, 0 });
}

void
limits_look(struct gate *g, struct look *l)
{
	const struct policy *p = g->snap->policy;
	bool found = !l->route.n;

	TAG(look, l);
	l->r = request_new(g->snap, g->worker, g->calls);
	l->rows = arena_array(&l->arena, LOOK_ROWS_MAX, sizeof(*l->rows));
	if (!l->r || !l->rows) {
		end_look(l, ERR_NOMEM, NULL, (struct span){ NULL, 0 });
		return;
	}
	l->r->gate = g;
	l->r->in.body_state = BODY_STATE_WHOLE;
	l->r->in.body.model = l->model;
	if (l->key.n ? !find_looked_key(g, l, &l->r->found.identity)
		     : !read_identity(l, &l->r->found.identity))
		return;
	l->r->found.identified = true;
	for (size_t i = 0; i < p->nroutes; i++) {
		if (l->route.n && !span_is(l->route, p->routes[i].name))
			continue;
		found = true;
		if (!add_route(l, &p->routes[i]))
			return;
	}
	if (found)
		ask_look(l);
	else
		end_look(l, ERR_NOTFOUND, "the policy has no such route", l->route);
}
