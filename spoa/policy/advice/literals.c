/* Notes on literals in conditions that can never be equal to the field: `route.name == "chta"`
 * is valid CEL and never matches. There is one row in `slots` for each field whose values the
 * policy or the protocol limits. A field whose value a caller may choose freely has no row, so
 * every note is certain. */
#include "base/ascii.h"
#include "base/attr.h"
#include "base/codec/uri.h"
#include "policy/advice/notes.h"
#include "policy/config/read.h"
#include "policy/section.h"

/* The condition and the field whose literals are looked at. */
struct literals {
	const struct noting *to;
	struct policy_condition of;
	const struct slot *slot;
};

/* Returns true if a request can have this value. Offers the possible values to `near`, which
 * finds the one that is spelled most like it. */
typedef bool can_be(const struct policy *p, struct span value, struct nearest *near);

static bool
can_be_route(const struct policy *p, struct span value UNUSED, struct nearest *near)
{
	return nearest_find(near, p->routes, p->nroutes, sizeof(*p->routes)) < p->nroutes;
}

static bool
is_target_or_region(const struct policy *p, bool region, struct nearest *near)
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
can_be_target(const struct policy *p, struct span value UNUSED, struct nearest *near)
{
	return is_target_or_region(p, false, near);
}

static bool
can_be_region(const struct policy *p, struct span value UNUSED, struct nearest *near)
{
	return is_target_or_region(p, true, near);
}

/* The caller chooses the model, so any name is possible if some route has a dialect with
 * models. */
static bool
can_be_model(const struct policy *p, struct span value UNUSED, struct nearest *near UNUSED)
{
	for (size_t i = 0; i < p->nroutes; i++)
		if (!p->routes[i].dialect || dialect_has_model(p->routes[i].dialect))
			return true;
	return false;
}

/* The gateway refuses methods that are not upper case, CONNECT and TRACE before any rule. */
static bool
can_be_method(const struct policy *p, struct span value, struct nearest *near)
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
can_be_host(const struct policy *p, struct span value, struct nearest *near)
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
can_be_path(const struct policy *p, struct span value, struct nearest *near)
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
can_be_identity_method(
	const struct policy *p UNUSED, struct span value UNUSED, struct nearest *near)
{
	for (size_t i = 0; identity_words[i]; i++)
		if (nearest_is(near, identity_words[i]))
			return true;
	return false;
}

static bool
can_be_tool_state(const struct policy *p UNUSED, struct span value UNUSED, struct nearest *near)
{
	static const char *const states[] = { "new", "approved", "changed", "unlisted" };

	return nearest_find(near, states, COUNT_OF(states), sizeof(*states)) < COUNT_OF(states);
}

/* The gateway refuses a URI that is not in its normal form. Connectors have ids without a
 * colon. */
static bool
can_be_uri(const struct policy *p UNUSED, struct span value, struct nearest *near UNUSED)
{
	return uri_template_is_normal(value) || uri_lacks_slash(value) ||
	       span_chr(value, ':') == value.n;
}

/* clang-format off */
static const struct slot { size_t slot; const char *name; can_be *can; } slots[] = {
	{ V_IDENTITY_METHOD, "identity.method", can_be_identity_method },
	{ V_ROUTE_NAME,     "route.name",     can_be_route  },
	{ V_TARGET_NAME,    "target.name",    can_be_target },
	{ V_TARGET_REGION,  "target.region",  can_be_region },
	{ V_MODEL_NAME,     "model.name",     can_be_model  },
	{ V_REQUEST_METHOD, "request.method", can_be_method },
	{ V_REQUEST_HOST,   "request.host",   can_be_host   },
	{ V_REQUEST_PATH,   "request.path",   can_be_path   },
	{ V_TOOL_SERVER,    "tool.server",    can_be_target },
	{ V_TOOL_STATE,     "tool.state",     can_be_tool_state },
	{ V_RESOURCE_URI,   "resource.uri",   can_be_uri    },
};
/* clang-format on */

/* Writes the note. The literal "" is left out: it tests whether the field has a value. */
static void
note_literal(void *arg, struct span value)
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
			cel_compared(l.of.when, slots[i].slot, note_literal, &l);
		}
}
