/* What a caller of an MCP server is told of logging in, and what keeps web pages away from it:
 * the specification's "Authorization" and its section on DNS rebinding. The document is the
 * policy's, made once (policy/sections/login.c); the challenge is gate/vars.c's. */
#include "steps/steps.h"

/* RFC 9728 3: for whoever asks, before any credential is looked at. */
enum step_result
request_login_document(struct request *r)
{
	static const char *const methods[] = { "GET", "HEAD" };
	const struct route *of;
	const struct login *l = r->found.observed ? NULL
						  : policy_login(r->snap->policy, r->in.host,
							    r->in.head.path, &of);

	if (!l || !SPAN_IN(r->in.head.method, methods) || r->in.body_state != BODY_STATE_NONE)
		return STEP_NEXT;
	r->found.route = of;
	identity_nobody(r->snap->policy, &r->found.identity);
	if (r->gate && request_hold_identity(r) == STEP_DECIDED)
		return STEP_DECIDED;
	r->found.document = span_str(l->document);
	r->out.decision = (struct decision){ .kind = D_PERMIT, .via = VIA_RELAY, .rule = "" };
	return STEP_DECIDED;
}

/* A page that a browser shows may ask whom it likes by a name of its own that it lets resolve
 * to us, and the browser sends what it has for that name: it cannot leave out where it comes
 * from. HAProxy has the list of those that may. */
enum step_result
request_not_by_page(struct request *r)
{
	struct span said;

	if (!r->gate || !request_is_mcp(r))
		return STEP_NEXT;
	int n = http_field_one(&r->in.head, "origin", &said);
	if (n == 0 || (n == 1 && r->in.origin.n && span_eq(said, r->in.origin)))
		return STEP_NEXT;
	return request_deny(r, 403, "origin_not_listed", "",
		r->in.origin_told
			? SPAN_LIT("the page that asks is of no origin in origins.lst")
			: SPAN_LIT(
				  "HAProxy does not say whether this origin is in origins.lst: "
				  "its spoe.cfg is of an older version"));
}

/* The path is an MCP server's, and the name it was asked by is another's. */
enum step_result
request_not_elsewhere(struct request *r)
{
	const struct route *other = policy_route_elsewhere(
		r->snap->policy, r->in.head.method, r->in.host, r->in.head.path);

	if (!other)
		return STEP_NEXT;
	r->found.endpoint.dialect = other->dialect;
	return request_deny(r, 403, "wrong_host", "",
		SPAN_LIT(
			"the Host is none of the route's: it may be a page's own name for this "
			"address"));
}

bool
request_presents(const struct request *r)
{
	const struct policy *p = r->snap->policy;

	for (size_t i = 0; i < p->nidentities; i++)
		if (p->identities[i].header &&
			http_field_nth(&r->in.head, p->identities[i].header, 0))
			return true;
	return false;
}
