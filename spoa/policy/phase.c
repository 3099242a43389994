/* Rules on responses and on calls: the effects they may have, and the routes they may reach. If
 * a rule may read the responses of a route, these are inspected in any case. Conditions are
 * evaluated with the fields that are known for all requests of a route; if the result is
 * unknown, the rule may reach the route. */
#include <stdio.h>

#include "policy/env.h"
#include "policy/limit.h"
#include "policy/policy.h"

#include "policy/build.h"

/* Effects that come too late for a response, and all but the first for a call. */
static const char *const of_requests[] = { "permit", "route", "max_output_tokens", "require",
	"set_headers", NULL };

/* ---- one rule ---- */

/* Argument of cel_names(): some name is a class with an injection score. */
struct scored {
	const struct policy *p;
	bool any;
};

static void
name_scored(void *arg, struct span name)
{
	struct scored *s = arg;

	for (size_t k = 0; k < s->p->nclasses; k++)
		s->any |=
			s->p->classes[k].injection > 0 && span_is(name, s->p->classes[k].name);
}

/* Returns true if the condition may depend on the injection score, directly or by a class. */
static bool
reads_score(const struct policy *p, const struct rule *r)
{
	struct scored s = { p, false };

	if (!r->when)
		return false;
	if (cel_reads(r->when, V_RESPONSE_INJECTION))
		return true;
	if (!cel_names(r->when, V_RESPONSE_CLASSES, name_scored, &s))
		for (size_t k = 0; k < p->nclasses; k++)
			s.any |= p->classes[k].injection > 0;
	return s.any;
}

/* Returns the first field that a stream has only at the end of a block, or NULL. */
static const char *
late_field(const struct rule *r)
{
	static const enum policy_slot late[] = { V_RESPONSE_FINISH, V_RESPONSE_BYTES,
		V_RESPONSE_TOKENS };

	for (size_t i = 0; r->when && i < COUNT_OF(late); i++)
		if (cel_reads(r->when, late[i]))
			return policy_env.vars[late[i]].path;
	return r->reads_score ? policy_env.vars[V_RESPONSE_INJECTION].path : NULL;
}

/* Reports effects that the rule's phase cannot have. */
static void
not_of_requests(struct builder *b, const struct yaml_node *n, size_t from, const char *says)
{
	const struct yaml_node *c;

	for (size_t i = from; of_requests[i]; i++)
		if ((c = yaml_get(n, of_requests[i])))
			diag_at(b->d, c->key, "%s: a rule with %s", of_requests[i], says);
}

void
build_tool_rule(struct builder *b, const struct yaml_node *n, struct rule *r)
{
	not_of_requests(b, n, 1, "phase: tool may permit, deny, redact and tag");
	r->reads_method = r->when && cel_reads(r->when, V_MCP_METHOD);
	r->reads_state = r->when && cel_reads(r->when, V_TOOL_STATE);
}

void
build_answer_rule(struct builder *b, const struct yaml_node *n, struct rule *r)
{
	const struct yaml_node *c;

	r->reads_score = reads_score(b->p, r);
	const char *late = late_field(r);
	not_of_requests(b, n, 0, "phase: response may deny, redact and tag");
	r->reads_finish = r->when && cel_reads(r->when, V_RESPONSE_FINISH);
	r->reads_late = late != NULL;
	if (late && (c = yaml_get(n, "redact")))
		diag_at(b->d, c->key,
			"redact: the rule reads %s, which a stream has only at the end of a "
			"block, after its text was sent: use deny or tag",
			late);
}

/* ---- reachable routes ---- */

/* A route and one of its targets, whose fields are known for every request. */
struct reach {
	const struct route *route;
	const struct target *target;
	bool mcp;     /* calls are MCP calls, otherwise calls in responses of a model */
	bool offered; /* tools that a request offers: their server may be named there */
};

static bool
is_mcp(const struct route *r)
{
	return r->dialect && span_is(span_str("mcp"), dialect_name(r->dialect));
}

/* Returns true if the field has the same value for every request of the route. */
static bool
reach_known(void *ctx, size_t slot)
{
	const struct reach *x = ctx;
	const struct route *r = x->route;

	switch (slot) {
	case V_TOOL_SERVER: return !x->offered;
	case V_RESOURCE_URI: return !x->mcp && !x->offered;
	case V_TOOL_STATE:
	case V_MCP_METHOD: return !x->mcp; /* a request that is no MCP message has no method */
	case V_ROUTE_NAME:
	case V_TARGET_NAME:
	case V_TARGET_REGION:
	case V_TARGET_EXTERNAL: return true;
	case V_REQUEST_METHOD: return r->nmethods == 1;
	case V_REQUEST_PATH: return r->npaths == 1 && r->nprefixes == 0 && !r->api;
	default: return false;
	}
}

static struct cel_value
reach_value(void *ctx, size_t slot, bool *present)
{
	const struct reach *x = ctx;
	const char *s;

	*present = true;
	switch (slot) {
	case V_ROUTE_NAME: s = x->route->name; break;
	case V_TARGET_NAME: s = x->target->name; break;
	case V_TARGET_REGION: s = x->target->region; break;
	case V_REQUEST_METHOD: s = x->route->methods[0]; break;
	case V_REQUEST_PATH: s = x->route->paths[0]; break;
	case V_TOOL_SERVER: s = x->mcp ? x->target->name : ""; break;
	case V_TOOL_STATE:
	case V_RESOURCE_URI:
	case V_MCP_METHOD: s = ""; break;
	default: return cel_bool(x->target->external);
	}
	*present = s && s[0];
	return cel_string(span_str(s));
}

/* Returns true if the condition may be true for a request of the route to any of its
 * targets. */
static bool
may_reach(struct arena *a, const struct cel_program *when, const struct route *route,
	bool offered)
{
	for (size_t i = 0; i < route->ntargets; i++) {
		struct reach x = { route, &route->targets[i], is_mcp(route), offered };
		struct cel_activation act = { .ctx = &x, .lookup = reach_value };
		if (!when || cel_partial(when, &act, reach_known, a) != 0)
			return true;
	}
	return false;
}

bool
policy_may_reach(struct arena *a, const struct cel_program *when, const struct route *route)
{
	return may_reach(a, when, route, false);
}

/* Adds the parts of responses that a rule uses. */
static void
add_uses(struct builder *b, const struct rule *r, struct answer_uses *u)
{
	u->any = true;
	entities_join(&u->entities, &r->redact);
	u->all |= !policy_answer_names_used(b->p, b->rules, r->when, &u->entities);
	u->injection |= r->reads_score;
	u->calls |= r->phase == PHASE_TOOL;
	u->arguments |= r->phase == PHASE_TOOL &&
			(r->redacts || (r->when && cel_reads(r->when, V_TOOL_ARGUMENTS)));
	u->tool_calls |= u->calls || (r->when && cel_reads(r->when, V_RESPONSE_TOOL_CALLS));
	u->media |= r->when && cel_reads(r->when, V_RESPONSE_MEDIA);
}

/* Returns true if limits count the calls in the route's responses. With `response: ignore`,
 * they do not. */
static bool
counts_calls(struct builder *b, const struct route *route)
{
	bool model = !route->dialect || dialect_has_model(route->dialect);

	if (is_mcp(route) || !model || route->response_ignore)
		return false;
	for (size_t i = 0; i < b->p->nlimits; i++)
		if (b->p->limits[i].reads_tool &&
			policy_may_reach(b->a, b->p->limits[i].when, route))
			return true;
	return false;
}

/* Determines which rules may reach the route, and inspects its responses if any does. */
static void
build_route_uses(struct builder *b, struct route *route)
{
	const struct rule *first = NULL;
	/* a dialect without models has no calls in responses */
	bool mcp = is_mcp(route),
	     calls = !route->dialect || mcp || dialect_has_model(route->dialect);

	/* rules with phase: tool follow those with phase: response */
	for (size_t i = 0; i < b->p->nanswer_rules + b->p->ntool_rules; i++) {
		const struct rule *r = &b->p->answer_rules[i];
		if (r->phase == PHASE_TOOL && !calls)
			continue;
		if (r->phase == PHASE_TOOL && !mcp)
			route->uses.offered |= may_reach(b->a, r->when, route, true);
		if (r->phase == PHASE_TOOL && r->when && !r->shadow &&
			may_reach(b->a, r->when, route, !mcp))
			route->uses.uris |= cel_reads(r->when, V_RESOURCE_URI) ||
					    cel_reads(r->when, V_TOOL_SERVER);
		if (!policy_may_reach(b->a, r->when, route))
			continue;
		first = first ? first : r;
		add_uses(b, r, &route->uses);
	}
	if (counts_calls(b, route)) {
		route->uses.any = route->uses.calls = route->uses.tool_calls = true;
		route->response |= RESP_INSPECT;
		policy_entities_hash(b->rules, &route->uses.entities, route->uses.searched);
	}
	if (!first)
		return;
	if (route->response_ignore)
		diag_at(b->d, route->response_ignore,
			"response: ignore: rule %s, at %s:%u:%u, reads the responses of this "
			"route: use response: [inspect]",
			first->name, first->at->file, first->at->line, first->at->column);
	route->response |= RESP_INSPECT;
	if (route->uses.all || route->find_all)
		snprintf(route->uses.searched, sizeof(route->uses.searched), "all");
	else
		policy_entities_hash(b->rules, &route->uses.entities, route->uses.searched);
}

void
build_answers(struct builder *b)
{
	struct policy *p = b->p;
	uint16_t *slots = arena_array(b->a, p->env->n, sizeof(*slots));
	size_t n = 0;

	for (size_t i = 0; i < p->nroutes; i++)
		build_route_uses(b, &b->routes[i]);
	/* keep the request's fields that these rules read */
	for (size_t slot = 0; slots && slot < p->env->n; slot++) {
		bool reads = false;
		for (size_t i = 0; i < p->nanswer_rules + p->ntool_rules; i++)
			reads |= p->answer_rules[i].when &&
				 cel_reads(p->answer_rules[i].when, slot);
		if (reads && !policy_slot_reads_answer(slot) && !policy_slot_reads_tool(slot))
			slots[n++] = (uint16_t)slot;
	}
	p->answer_slots = slots;
	p->nanswer_slots = slots ? n : 0;
}
