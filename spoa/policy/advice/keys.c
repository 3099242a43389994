/* API keys against the policy: scopes without a route, and patterns that match no model. A scope
 * that is no route permits nothing, which nobody notices before the first request. */
#include "policy/advice/keys.h"

#include "policy/cel/functions/glob.h"
#include "policy/config/read.h"
#include "policy/policy.h"
#include "policy/prices.h"
#include "policy/route.h"
#include "policy/target.h"

bool
policy_key_scope(const struct policy *p, struct span scope, struct buf *why)
{
	struct nearest near = nearest_to(scope);

	for (size_t i = 0; i < p->nroutes; i++)
		if (nearest_is(&near, p->routes[i].name))
			return true;
	buf_printf(why, "the policy %s has no route %.*s%s; its routes are ", p->label,
		SPAN_ARG(scope), nearest_hint(&near));
	for (size_t i = 0; i < p->nroutes; i++)
		buf_printf(why, "%s%s", i ? ", " : "", p->routes[i].name);
	return false;
}

/* Returns the part of a pattern before its first special character. */
static struct span
pattern_prefix(struct span pattern)
{
	size_t n = 0;

	while (n < pattern.n && !memchr("*?[\\", pattern.p[n], 4))
		n++;
	return span_cut(pattern, 0, n);
}

/* Returns true if a text may match both patterns. If both have special characters, only the
 * parts before these are compared. */
static bool
patterns_meet(struct span a, struct span b)
{
	struct span begin_a = pattern_prefix(a), begin_b = pattern_prefix(b);

	if (begin_a.n == a.n)
		return cel_glob(b, a);
	if (begin_b.n == b.n)
		return cel_glob(a, b);
	return span_starts(begin_a, begin_b) || span_starts(begin_b, begin_a);
}

/* The names that a pattern is compared with. A name that matches every model names none. */
struct model_search {
	struct span pattern;
	bool any, found; /* the policy names a model; the pattern may match one */
};

static void
try_model(struct model_search *s, const char *name)
{
	if (!name || !strcmp(name, "*"))
		return;
	s->any = true;
	s->found = s->found || patterns_meet(s->pattern, span_str(name));
}

static void
try_route_models(struct model_search *s, const struct route *r)
{
	try_model(s, r->alias);
	for (size_t i = 0; i < r->ntargets; i++)
		try_model(s, r->targets[i].model);
	for (size_t i = 0; i < r->naliases; i++)
		try_route_models(s, &r->aliases[i]);
}

static void
try_priced_models(struct model_search *s, const struct price_list *l)
{
	for (size_t i = 0; i < l->nrows; i++)
		try_model(s, l->rows[i].model);
	/* a row also has the versions of its model; INT64_MAX: at any time */
	s->found = s->found || price_find(l, s->pattern, INT64_MAX);
}

bool
policy_key_model(const struct policy *p, struct span pattern, struct buf *why)
{
	struct model_search s = { .pattern = pattern };

	for (size_t i = 0; i < p->nroutes; i++)
		try_route_models(&s, &p->routes[i]);
	for (size_t i = 0; p->prices && i < p->prices->nlists; i++)
		try_priced_models(&s, &p->prices->lists[i]);
	for (size_t i = 0; i < p->noutput_defaults; i++)
		try_model(&s, p->output_defaults[i].model);
	if (s.any && !s.found)
		buf_printf(why,
			"the policy %s names no model that matches %.*s (in models, targets, "
			"prices and output_default)",
			p->label, SPAN_ARG(pattern));
	return !s.any || s.found;
}
