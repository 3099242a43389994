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
	for (size_t i = 0; i < r->found.route->nprefixes && matched == 0; i++)
		if (span_starts(r->in.head.path, span_str(r->found.route->prefixes[i])))
			matched = strlen(r->found.route->prefixes[i]);
	for (size_t i = 0; i < r->in.ntarget; i++)
		if (r->in.target[i].role == ROLE_PATH && r->in.target[i].start < matched)
			r->in.target[i].reserved = true;
}

enum step_result
step_match(struct request *r)
{
	r->found.route =
		policy_route(r->snap->policy, r->in.head.method, r->in.host, r->in.head.path);
	if (!r->found.route)
		return request_deny(r, 404, "no_route", "",
			SPAN_LIT("no route of the policy matches this method, host and path"));
	r->found.dialect = r->found.route->dialect ? r->found.route->dialect
						   : dialect_for_path(r->in.head.path);
	reserve_matched(r);
	return STEP_NEXT;
}
