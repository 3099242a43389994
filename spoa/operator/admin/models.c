/* GET /models: models by name. Seen: what workers count by model (budget/tally/series.h), where
 * names are capped. Configured: what targets of the policy in force send, with how these do and
 * what they cost. */
#include <string.h>

#include "base/clock.h"
#include "base/codec/json_text.h"
#include "base/scoped.h"
#include "gate/snapshot.h"
#include "operator/admin/calls.h"
#include "operator/server/server.h"
#include "policy/prices.h"

/* Its object among the models, made where it is not there. */
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
			continue; /* of no model */
		json_t *m = model_of(models, name);
		for (size_t k = 0; m && k < COUNT_OF(parts); k++) {
			uint64_t more =
				atomic_load_explicit(&e->v[parts[k].of], memory_order_relaxed);
			json_object_set_new(m, parts[k].name,
				json_integer(json_int_in(m, parts[k].name) + (json_int_t)more));
		}
	}
}

/* US dollars for a million tokens. */
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
