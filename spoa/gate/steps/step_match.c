/* The step *match*: finds the policy's route. For a route to an MCP server, also serves the
 * document about logging in, and denies requests of web pages: sections "Authorization" and DNS
 * rebinding of the MCP specification. */
#include "gate/steps/steps.h"

#include "policy/policy.h"

bool
request_names_model(const struct request *r, const struct segment *s)
{
	return s->role == ROLE_PATH && s->start < r->found.endpoint.model_end &&
	       s->end > r->found.endpoint.model;
}

/* Reserves path segments that chose the route, and the model's name: routing reads them, so a
 * finding in one is denied instead of rewritten. */
static void
reserve_matched(struct request *r)
{
	size_t matched = 0;

	for (size_t i = 0; i < r->found.route->npaths; i++)
		if (span_is(r->in.head.path, r->found.route->paths[i]))
			matched = r->in.head.path.n;
	if (r->found.route->api)
		matched = r->in.head.path.n;
	for (size_t i = 0; i < r->found.route->nprefixes && matched == 0; i++)
		if (span_starts(r->in.head.path, span_str(r->found.route->prefixes[i])))
			matched = strlen(r->found.route->prefixes[i]);
	for (size_t i = 0; i < r->in.ntarget; i++) {
		struct segment *s = &r->in.target[i];
		if ((s->role == ROLE_PATH && s->start < matched) || request_names_model(r, s))
			s->reserved = s->identifier = true;
	}
}

/* ---- routes to MCP servers ---- */

/* Serves the protected resource metadata (RFC 9728 3) to everyone, before any credential is
 * checked. */
static enum step_result
login_document(struct request *r)
{
	static const char *const methods[] = { "GET", "HEAD" };
	const struct route *of;
	const struct policy *p = r->snap->policy;
	const struct login *l = p->logs_in && !r->found.observed
					? policy_login(p, r->in.host, r->in.head.path, &of)
					: NULL;

	if (!l || !SPAN_IN(r->in.head.method, methods) || r->in.body_state != BODY_STATE_NONE)
		return STEP_NEXT;
	r->found.route = of;
	identity_nobody(p, &r->found.identity);
	if (r->gate && request_hold_identity(r) == STEP_DECIDED)
		return STEP_DECIDED;
	r->found.document = span_str(l->document);
	request_decide(r, D_PERMIT, VIA_RELAY, "");
	return STEP_DECIDED;
}

enum step_result
request_not_by_page(struct request *r)
{
	struct span said;
	int n = http_field_one(&r->in.head, "origin", &said);

	if (n == 0 || (n == 1 && r->in.origin.n && span_eq(said, r->in.origin)))
		return STEP_NEXT;
	return request_deny(r, 403, "origin_not_listed", "",
		r->in.origin_told
			? SPAN_LIT("this page's origin is not in the gateway's origins.lst; "
				   "its operators can add it")
			: SPAN_LIT(
				  "HAProxy does not report whether this origin is in "
				  "origins.lst; the gateway's operators must update spoe.cfg"));
}

/* Denies a request whose path belongs to an MCP server's route but whose host does not. */
static enum step_result
not_elsewhere(struct request *r)
{
	const struct route *other = policy_route_elsewhere(
		r->snap->policy, r->in.head.method, r->in.host, r->in.head.path);

	if (!other)
		return STEP_NEXT;
	r->found.endpoint.dialect = other->dialect;
	return request_deny(r, 403, "wrong_host", "",
		SPAN_LIT(
			"this route does not accept the Host; use a host name of the gateway"));
}

enum step_result
step_match(struct request *r)
{
	struct endpoint *e = &r->found.endpoint;
	struct body_refusal why = { 0 };

	if (login_document(r) == STEP_DECIDED)
		return STEP_DECIDED;
	r->found.route =
		policy_route(r->snap->policy, r->in.head.method, r->in.host, r->in.head.path);
	if (r->found.route && r->found.route->dialect && r->found.route->dialect != e->family)
		*e = dialect_endpoint(
			r->found.route->dialect, r->in.head.method, r->in.head.path);
	if (endpoint_check_path(e, r->in.head.path, &why) < 0)
		return request_refuse(r, &why);
	if (!r->found.route && not_elsewhere(r) == STEP_DECIDED)
		return STEP_DECIDED;
	/* clients that offer WebSockets first use plain HTTP after a 426, and repeat the
	 * handshake after any other status */
	if (r->in.socket && !(r->found.route && r->found.route->websocket)) {
		if (!r->found.route)
			e->dialect = dialect_for_path(r->in.head.path, true);
		return request_deny(r, 426, "upgrade_required", "",
			SPAN_LIT("the gateway does not serve WebSockets here; send the request "
				 "as plain HTTP"));
	}
	if (!r->found.route) {
		e->dialect = dialect_for_path(r->in.head.path, true);
		return request_deny(r, 404, "no_route", "",
			SPAN_LIT("the gateway's policy has no route for this path, with this "
				 "method and host; check the URL, or let the gateway's operators "
				 "add a route"));
	}
	reserve_matched(r);
	return r->gate && request_is_mcp(r) ? request_not_by_page(r) : STEP_NEXT;
}
