/* Targets and models: GET /targets, POST /targets/eject and /targets/admit, and GET /models.
 *
 * A model in GET /models was used, or a target of the policy in force sends it, or both. Use is
 * what the workers count by model (budget/tally/series.h), where the number of names is capped.
 * For configured models the response has their targets' health and prices. */
#include <microhttpd.h>
#include <string.h>

#include "base/attr.h"
#include "base/clock.h"
#include "base/codec/json_text.h"
#include "base/json_put.h"
#include "base/scoped.h"
#include "gate/snapshot.h"
#include "gate/targets/sync.h"
#include "operator/admin/calls.h"
#include "operator/admin/change.h"
#include "operator/server/server.h"
#include "policy/config/read.h"
#include "policy/policy.h"
#include "policy/prices.h"
#include "policy/route.h"

void
admin_targets(struct server *s, struct buf *out)
{
	json_put_form(out, "{'targets':");
	server_targets(s, out, NULL);
	buf_str(out, "}\n");
}

static bool
change_target(struct change *c, json_t **before UNUSED, json_t **after)
{
	const char *name = change_text(c, "target");
	struct nearest near;

	if (c->status != MHD_HTTP_OK)
		return false;
	if (!name || !name[0])
		return change_refuse(c, MHD_HTTP_BAD_REQUEST,
			"target: this parameter is missing: send PROVIDER or PROVIDER/MODEL");
	if (!server_target_find(c->s, name, &near))
		return change_refuse(c, MHD_HTTP_NOT_FOUND,
			"%.160s: the policy in force has no such target%s", name,
			nearest_hint(&near));
	*after = json_pack("{s:s}", "id", name);
	return change_sign(c, *after);
}

static void
apply_ejection(struct change *c, const json_t *after)
{
	target_eject(gate_targets(c->s->shared), json_span(json_object_get(after, "id")));
	target_sync_soon(c->s->target_sync);
}

static void
apply_readmission(struct change *c, const json_t *after)
{
	target_admit(gate_targets(c->s->shared), json_span(json_object_get(after, "id")));
	target_sync_soon(c->s->target_sync);
}

const struct change_row admin_target_eject = { "target", 0, "eject", change_target,
	apply_ejection };

const struct change_row admin_target_admit = { "target", 0, "admit", change_target,
	apply_readmission };

/* ---- models ---- */

/* Returns the object of a model, which is created if needed. */
static json_t *
model_of(json_t *models, const char *name)
{
	json_t *m = json_object_get(models, name);

	if (m)
		return m;
	m = json_pack("{s:s,s:b,s:[],s:i,s:i,s:i,s:i,s:I,s:I,s:I}", "model", name, "configured",
		0, "targets", "permit", 0, "redact", 0, "deny", 0, "observed", 0,
		"input_tokens", (json_int_t)0, "output_tokens", (json_int_t)0, "cost_nanousd",
		(json_int_t)0);
	json_object_set_new(models, name, m);
	return m;
}

static void
add_seen(json_t *models, const struct series *s)
{
	static const struct {
		enum series_value of;
		const char *name;
	} parts[] = { { SERIES_PERMIT, "permit" }, { SERIES_REDACT, "redact" },
		{ SERIES_DENY, "deny" }, { SERIES_OBSERVED, "observed" },
		{ SERIES_INPUT, "input_tokens" }, { SERIES_OUTPUT, "output_tokens" },
		{ SERIES_COST, "cost_nanousd" }, { SERIES_UNPRICED, "unpriced_answers" } };
	size_t n = atomic_load_explicit(&s->n, memory_order_acquire);

	for (size_t i = 0; i < n; i++) {
		const struct series_entry *e = &s->entry[i];
		const char *name = e->key.label[SERIES_MODEL];
		if (!strcmp(name, "-"))
			continue; /* requests without a model */
		json_t *m = model_of(models, name);
		for (size_t k = 0; m && k < COUNT_OF(parts); k++) {
			uint64_t more =
				atomic_load_explicit(&e->v[parts[k].of], memory_order_relaxed);
			json_object_set_new(m, parts[k].name,
				json_integer(json_int_in(m, parts[k].name) + (json_int_t)more));
		}
	}
}

/* Adds the prices in US dollars for a million tokens. */
static void
add_price(json_t *m, const struct price_row *row)
{
	static const enum price_kind kinds[] = { PRICE_INPUT, PRICE_CACHED, PRICE_OUTPUT };
	json_t *price = json_object();

	for (size_t i = 0; i < COUNT_OF(kinds); i++)
		if (row->rates.has >> kinds[i] & 1)
			json_object_set_new(price, price_names[kinds[i]],
				json_real((double)row->rates.pico[kinds[i]] / 1e6));
	if (row->model)
		json_object_set_new(price, "row", json_string(row->model));
	json_object_set_new(m, "usd_per_million", price);
}

static void
add_targets(json_t *models, const struct policy *p, const struct route *routes, size_t n,
	const json_t *states)
{
	for (size_t i = 0; i < n; i++)
		for (size_t k = 0; k < routes[i].ntargets; k++) {
			const struct target *t = &routes[i].targets[k];
			json_t *m = t->model ? model_of(models, t->model) : NULL, *one,
			       *found = NULL;
			char name[256];
			size_t at;
			if (!m)
				continue;
			snprintf(name, sizeof(name), "%s/%s", t->name, t->model);
			json_array_foreach(states, at, one)
			{
				if (str_same(json_str_in(one, "target"), name))
					found = one;
			}
			json_object_set_new(m, "configured", json_true());
			json_array_append_new(json_object_get(m, "targets"),
				json_pack("{s:s,s:s,s:O?,s:O?,s:O?}", "target", name, "route",
					routes[i].name, "state",
					json_object_get(found, "state"), "errors",
					json_object_get(found, "errors"), "last_failure",
					json_object_get(found, "last_failure")));
			const struct price_row *row =
				policy_price(p, t, span_str(t->model), clock_wall_ns());
			if (row)
				add_price(m, row);
		}
}

void
admin_models(struct server *s, struct buf *out)
{
	SCOPED_SNAPSHOT(snap, s);
	const struct policy *p = snap->policy;
	json_auto_t *models = json_object();
	json_t *list = json_array(), *m;
	const char *name;

	SCOPED_BUF(text, 0);
	server_targets(s, &text, NULL);
	json_auto_t *states = json_loadb(buf_view(&text).p, text.n, 0, NULL);
	for (unsigned i = 0; i < s->nworkers; i++)
		add_seen(models, &gate_tally(s->workers[i].gate)->series);
	add_targets(models, p, p->routes, p->nroutes, states);
	for (size_t i = 0; i < p->nroutes; i++)
		add_targets(models, p, p->routes[i].aliases, p->routes[i].naliases, states);
	json_object_foreach(models, name, m) json_array_append(list, m);
	calls_json(out, json_pack("{s:o}", "models", list));
}
