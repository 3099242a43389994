/* Remarks on prices: models that the policy itself names and its list does not have, limits in
 * dollars that refuse whatever a route is asked for, and a list of long ago. */
#include "policy/advice/price_notes.h"

#include "base/clock.h"
#include "policy/prices.h"
#include "scan/dialect/dialect.h"

enum { OLD_DAYS = 90 };

struct pricing {
	const struct policy *p;
	int64_t now_ns;
	const struct noting *to;
};

static const char *
follows(const struct pricing *c)
{
	return c->p->unknown_price ? "unknown_price counts" : "limits in dollars refuse it";
}

/* By the lists of all targets that may be sent it. */
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
model_of(const struct pricing *c, const struct yaml_node *at, const char *what,
	const char *name, const char *model)
{
	if (model && !has_price(c, model))
		note_say(c->to, at, "%s %s: model %s has no price in %s: %s", what, name, model,
			c->p->prices->file, follows(c));
}

/* A route before this one has the same target of the same alias. */
static bool
is_known(const struct pricing *c, size_t route, const struct target *t)
{
	for (size_t i = 0; i < route; i++)
		for (size_t a = 0; a < c->p->routes[i].naliases; a++)
			for (size_t k = 0; k < c->p->routes[i].aliases[a].ntargets; k++)
				if (c->p->routes[i].aliases[a].targets[k].at == t->at)
					return true;
	return false;
}

static void
targets_of(const struct pricing *c, size_t route, const struct target *v, size_t n)
{
	for (const struct target *t = v; t < v + n; t++)
		if (t->model && !price_find(t->prices, span_str(t->model), c->now_ns) &&
			!is_known(c, route, t))
			note_say(c->to, t->at, "target %s: model %s has no price in %s: %s",
				t->name, t->model, c->p->prices->file, follows(c));
}

static void
targets(const struct pricing *c)
{
	for (size_t i = 0; i < c->p->nroutes; i++) {
		const struct route *r = &c->p->routes[i];
		const struct cache_semantic *s = r->cache.semantic;
		targets_of(c, i, r->targets, r->ntargets);
		/* What asks for vectors is charged like any other, and refused by nothing. */
		if (s && !price_find(s->at.prices, span_str(s->at.model), c->now_ns))
			note_say(c->to, s->at.at,
				"route %s: cache: model %s of its embeddings has no price in "
				"%s: %s",
				r->name, s->at.model, c->p->prices->file,
				c->p->unknown_price ? "unknown_price counts"
						    : "their dollars are not counted");
		for (size_t k = 0; k < r->naliases; k++)
			targets_of(c, i, r->aliases[k].targets, r->aliases[k].ntargets);
	}
}

/* The first limit in dollars that counts requests of the route: neither messages to MCP servers nor
 * requests without a body cost any. NULL: none. */
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

/* A provider for which the list has nothing, where dollars are counted. */
static void
unlisted(const struct pricing *c)
{
	for (size_t i = 0; !c->p->unknown_price && i < c->p->nroutes; i++) {
		const struct route *r = &c->p->routes[i];
		const struct limit *usd = limit_in_dollars(c->p, r);
		for (size_t k = 0; usd && k < r->ntargets; k++)
			if (!r->targets[k].prices)
				note_say(c->to, r->at,
					"route %s: %s%shas no list of prices: where limit %s "
					"applies every request is refused",
					r->name, r->targets[k].name,
					r->targets[k].name[0] ? " " : "", usd->name);
	}
}

static void
age(const struct pricing *c)
{
	const struct prices *list = c->p->prices;
	int64_t at;

	if (clock_parse_day(list->as_of, strlen(list->as_of), &at))
		return;
	int64_t days = (c->now_ns - at) / CLOCK_DAY_NS;
	if (days > OLD_DAYS)
		note_say(c->to, NULL,
			"%s: as of %s, %lld days ago: compare it with the providers' pages",
			list->file, list->as_of, (long long)days);
}

void
policy_price_notes(const struct policy *p, int64_t now_wall_ns, const struct noting *to)
{
	const struct pricing c = { p, now_wall_ns, to };

	if (!p->prices)
		return;
	age(&c);
	targets(&c);
	for (size_t i = 0; i < p->nrules; i++)
		if (p->rules[i].change)
			model_of(&c, p->rules[i].at, "rule", p->rules[i].name,
				p->rules[i].change->model);
	for (size_t i = 0; i < p->nlimits; i++) {
		const struct limit *l = &p->limits[i];
		if (l->at_soft)
			model_of(&c, l->at, "limit", l->name, l->at_soft->model);
		if (l->at_limit)
			model_of(&c, l->at, "limit", l->name, l->at_limit->model);
	}
	unlisted(&c);
}
