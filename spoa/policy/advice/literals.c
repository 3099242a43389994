/* Literals in conditions that nothing of the policy can be: `route.name == "chta"` is valid CEL
 * and never matches. Only what is certain: a slot of which any caller may choose the value is
 * silent. */
#include "policy/advice/literals.h"


#include "base/ascii.h"
#include "base/attr.h"
#include "base/codec/uri_normal.h"
#include "policy/section.h"

/* A condition, and what of it is compared. */
struct literals {
	const struct noting *to;
	struct policy_condition of;
	const struct slot *slot;
};

/* Whether some request has this value; what is like it is tried. */
typedef bool can_be(const struct policy *p, struct span value, struct nearest *near);

static bool
a_route(const struct policy *p, struct span value UNUSED, struct nearest *near)
{
	return nearest_find(near, p->routes, p->nroutes, sizeof(*p->routes)) < p->nroutes;
}

static bool
of_target(const struct policy *p, bool region, struct nearest *near)
{
	for (size_t i = 0; i < p->nroutes; i++)
		for (size_t k = 0; k < p->routes[i].ntargets; k++) {
			const struct target *t = &p->routes[i].targets[k];
			if (nearest_is(near, region ? t->region : t->name))
				return true;
		}
	return false;
}

static bool
a_target(const struct policy *p, struct span value UNUSED, struct nearest *near)
{
	return of_target(p, false, near);
}

static bool
a_region(const struct policy *p, struct span value UNUSED, struct nearest *near)
{
	return of_target(p, true, near);
}

/* The caller names it, where its body can. */
static bool
a_model(const struct policy *p, struct span value UNUSED, struct nearest *near UNUSED)
{
	for (size_t i = 0; i < p->nroutes; i++)
		if (!p->routes[i].dialect || dialect_has_model(p->routes[i].dialect))
			return true;
	return false;
}

/* Others than capitals, and CONNECT and TRACE, are refused before any rule. */
static bool
a_method(const struct policy *p, struct span value, struct nearest *near)
{
	bool served = !span_is(value, "CONNECT") && !span_is(value, "TRACE");

	for (size_t i = 0; i < value.n; i++)
		served = served && (is_upper(value.p[i]) || is_one_of(value.p[i], "-_"));
	for (const struct route *r = p->routes; r < p->routes + p->nroutes; r++) {
		if (r->nmethods == 0 && served)
			return true;
		for (size_t k = 0; k < r->nmethods; k++)
			if (nearest_is(near, r->methods[k]))
				return true;
	}
	return false;
}

static bool
a_host(const struct policy *p, struct span value, struct nearest *near)
{
	for (const struct route *r = p->routes; r < p->routes + p->nroutes; r++) {
		if (r->nhosts == 0 || policy_host_in(value, r->hosts, r->nhosts))
			return true;
		for (size_t k = 0; k < r->nhosts; k++)
			nearest_try(near, r->hosts[k]);
	}
	return false;
}

static bool
a_path(const struct policy *p, struct span value, struct nearest *near)
{
	for (const struct route *r = p->routes; r < p->routes + p->nroutes; r++) {
		if (policy_route_has_path(r, SPAN_LIT(""), value))
			return true;
		for (size_t k = 0; k < r->npaths; k++)
			nearest_try(near, r->paths[k]);
	}
	return false;
}

static bool
an_identity_method(
	const struct policy *p UNUSED, struct span value UNUSED, struct nearest *near)
{
	for (size_t i = 0; identity_words[i]; i++)
		if (nearest_is(near, identity_words[i]))
			return true;
	return false;
}

static bool
a_tool_state(const struct policy *p UNUSED, struct span value UNUSED, struct nearest *near)
{
	static const char *const states[] = { "new", "approved", "changed", "unlisted" };

	return nearest_find(near, states, COUNT_OF(states), sizeof(*states)) < COUNT_OF(states);
}

/* What else a route would refuse; connectors have ids. */
static bool
a_uri(const struct policy *p UNUSED, struct span value, struct nearest *near UNUSED)
{
	return uri_template_is_normal(value) || uri_lacks_slash(value) ||
	       span_chr(value, ':') == value.n;
}

/* clang-format off */
static const struct slot { size_t slot; const char *name; can_be *can; } slots[] = {
	{ V_IDENTITY_METHOD, "identity.method", an_identity_method },
	{ V_ROUTE_NAME,     "route.name",     a_route  },
	{ V_TARGET_NAME,    "target.name",    a_target },
	{ V_TARGET_REGION,  "target.region",  a_region },
	{ V_MODEL_NAME,     "model.name",     a_model  },
	{ V_REQUEST_METHOD, "request.method", a_method },
	{ V_REQUEST_HOST,   "request.host",   a_host   },
	{ V_REQUEST_PATH,   "request.path",   a_path   },
	{ V_TOOL_SERVER,    "tool.server",    a_target },
	{ V_TOOL_STATE,     "tool.state",     a_tool_state },
	{ V_RESOURCE_URI,   "resource.uri",   a_uri    },
};
/* clang-format on */

/* "" asks whether there is any. */
static void
literal(void *arg, struct span value)
{
	const struct literals *l = arg;
	struct nearest near = nearest_to(value);

	if (value.n && !l->slot->can(l->to->p, value, &near))
		note_say(l->to, l->of.at, "%s %s: no %s can be \"%.*s\"%s", l->of.what,
			l->of.name, l->slot->name, value.n > 100 ? 100 : (int)value.n, value.p,
			nearest_hint(&near));
}

void
policy_literals(const struct noting *to)
{
	struct literals l = { .to = to };

	while (policy_condition_next(to->p, &l.of))
		for (size_t i = 0; l.of.when && i < COUNT_OF(slots); i++) {
			l.slot = &slots[i];
			cel_compared(l.of.when, slots[i].slot, literal, &l);
		}
}
