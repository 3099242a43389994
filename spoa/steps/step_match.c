/* The match step: which route of the policy it is. */
#include "steps/steps.h"

/* A path segment that chose the route is read by routing: a finding in it is
 * denied, not rewritten. */
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
	for (size_t i = 0; i < r->in.ntarget; i++)
		if (r->in.target[i].role == ROLE_PATH && r->in.target[i].start < matched)
			r->in.target[i].reserved = true;
}

bool
request_names_model(const struct request *r, const struct segment *s)
{
	return s->role == ROLE_PATH && s->start < r->found.endpoint.model_end &&
	       s->end > r->found.endpoint.model;
}

/* So is the model's name. */
static void
reserve_model(struct request *r)
{
	for (size_t i = 0; i < r->in.ntarget; i++)
		if (request_names_model(r, &r->in.target[i]))
			r->in.target[i].reserved = true;
}

static enum step_result
refuse_path(struct request *r, const struct body_refusal *why)
{
	return request_deny(
		r, why->status, why->code, "", arena_dup(&r->arena, span_str(why->why)));
}

enum step_result
step_match(struct request *r)
{
	struct endpoint *e = &r->found.endpoint;
	struct body_refusal why = { 0 };

	if (request_login_document(r) == STEP_DECIDED)
		return STEP_DECIDED;
	r->found.route =
		policy_route(r->snap->policy, r->in.head.method, r->in.host, r->in.head.path);
	if (r->found.route && r->found.route->dialect && r->found.route->dialect != e->family)
		*e = dialect_endpoint(
			r->found.route->dialect, r->in.head.method, r->in.head.path);
	if (endpoint_check_path(e, r->in.head.path, &why) < 0)
		return refuse_path(r, &why);
	if (!r->found.route && request_not_elsewhere(r) == STEP_DECIDED)
		return STEP_DECIDED;
	if (!r->found.route) {
		e->dialect = dialect_for_refusal(r->in.head.path);
		return request_deny(r, 404, "no_route", "",
			SPAN_LIT("no route of the policy matches this method, host and path"));
	}
	reserve_matched(r);
	reserve_model(r);
	return request_not_by_page(r);
}
