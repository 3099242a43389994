/* Notes on prices: models that the policy names and its price list does not have, routes on
 * which limits in dollars refuse every request, and a price list that is older than 90 days. */
#include "policy/advice/price_notes.h"

#include "base/clock.h"
#include "policy/prices.h"
#include "scan/dialect/dialect.h"

enum { OLD_DAYS = 90 }; /* since `as_of` of the list */

/* Borrowed for one call of policy_price_notes(). */
struct pricing {
	const struct policy *p;
	int64_t now_ns; /* wall clock */
	const struct noting *to;
};

static const char *
cost_without_price(const struct pricing *c)
{
	return c->p->unknown_price ? "it costs unknown_price"
				   : "limits in dollars refuse it: add the price";
}

/* Returns true if the list of some target has a price for the model now. */
static bool
has_price(const struct pricing *c, const char *model)
{
	for (size_t i = 0; i < c->p->nroutes; i++)
		for (size_t k = 0; k < c->p->routes[i].ntargets; k++)
			if (price_find(c->p->routes[i].targets[k].prices, span_str(model),
				    c->now_ns))
				return true;
	return false;
}

static void
note_model_price(const struct pricing *c, const struct yaml_node *at, const char *what,
	const char *name, const char *model)
{
	if (model && !has_price(c, model))
		note_say(c->to, at, "%s %s: model %s has no price in %s: %s", what, name, model,
			c->p->prices->file, cost_without_price(c));
}

/* Returns true if a route before `route` has the same target by an alias: one note is enough.
 */
static bool
is_noted_before(const struct pricing *c, size_t route, const struct target *t)
{
	for (size_t i = 0; i < route; i++)
		for (size_t a = 0; a < c->p->routes[i].naliases; a++)
			for (size_t k = 0; k < c->p->routes[i].aliases[a].ntargets; k++)
				if (c->p->routes[i].aliases[a].targets[k].at == t->at)
					return true;
	return false;
}

static void
note_target_prices(const struct pricing *c, size_t route, const struct target *v, size_t n)
{
	for (const struct target *t = v; t < v + n; t++)
		if (t->model && !price_find(t->prices, span_str(t->model), c->now_ns) &&
			!is_noted_before(c, route, t))
			note_say(c->to, t->at, "target %s: model %s has no price in %s: %s",
				t->name, t->model, c->p->prices->file, cost_without_price(c));
}

static void
note_all_targets(const struct pricing *c)
{
	for (size_t i = 0; i < c->p->nroutes; i++) {
		const struct route *r = &c->p->routes[i];
		const struct cache_semantic *s = r->cache.semantic;
		note_target_prices(c, i, r->targets, r->ntargets);
		/* Requests for embeddings are charged, but no limit refuses them. */
		if (s && !price_find(s->at.prices, span_str(s->at.model), c->now_ns))
			note_say(c->to, s->at.at,
				"route %s: cache: embeddings model %s has no price in %s: %s",
				r->name, s->at.model, c->p->prices->file,
				c->p->unknown_price ? "it costs unknown_price"
						    : "its cost is not counted");
		for (size_t k = 0; k < r->naliases; k++)
			note_target_prices(c, i, r->aliases[k].targets, r->aliases[k].ntargets);
	}
}

/* Returns the first limit in dollars that may count requests of the route, or NULL. Messages to
 * MCP servers and requests without a body cost nothing. */
static const struct limit *
limit_in_dollars(const struct policy *p, const struct route *r)
{
	if ((r->dialect && dialect_is_of_mcp(r->dialect)) || !route_takes_body(r))
		return NULL;
	for (const struct limit *l = p->limits; l < p->limits + p->nlimits; l++)
		if (l->of == LIMIT_USD && limit_may_reach(l, r))
			return l;
	return NULL;
}

/* A provider that the list does not have, on a route with a limit in dollars. */
static void
note_unlisted(const struct pricing *c)
{
	for (size_t i = 0; !c->p->unknown_price && i < c->p->nroutes; i++) {
		const struct route *r = &c->p->routes[i];
		const struct limit *usd = limit_in_dollars(c->p, r);
		for (size_t k = 0; usd && k < r->ntargets; k++)
			if (!r->targets[k].prices)
				note_say(c->to, r->at,
					"route %s: %s%shas no price list: limit %s refuses "
					"every "
					"request: add the provider to the list, or set "
					"unknown_price",
					r->name, r->targets[k].name,
					r->targets[k].name[0] ? " " : "", usd->name);
	}
}

static void
note_list_age(const struct pricing *c)
{
	const struct prices *list = c->p->prices;
	int64_t at;

	if (clock_parse_day(list->as_of, strlen(list->as_of), &at))
		return;
	int64_t days = (c->now_ns - at) / CLOCK_DAY_NS;
	if (days > OLD_DAYS)
		note_say(c->to, NULL,
			"%s: the prices are as of %s, %lld days ago: compare them with the "
			"providers' pages",
			list->file, list->as_of, (long long)days);
}

void
policy_price_notes(const struct policy *p, int64_t now_wall_ns, const struct noting *to)
{
	const struct pricing c = { p, now_wall_ns, to };

	if (!p->prices)
		return;
	note_list_age(&c);
	note_all_targets(&c);
	for (size_t i = 0; i < p->nrules; i++)
		if (p->rules[i].change)
			note_model_price(&c, p->rules[i].at, "rule", p->rules[i].name,
				p->rules[i].change->model);
	for (size_t i = 0; i < p->nlimits; i++) {
		const struct limit *l = &p->limits[i];
		if (l->at_soft)
			note_model_price(&c, l->at, "limit", l->name, l->at_soft->model);
		if (l->at_limit)
			note_model_price(&c, l->at, "limit", l->name, l->at_limit->model);
	}
	note_unlisted(&c);
}
