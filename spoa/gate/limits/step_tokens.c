/* The tokens step: counts the prompt where a limit of tokens, or of what they cost, applies to
 * the request, and no rule had it counted; or leaves it to the quota step, which knows what is
 * left. A step of its own, because a helper thread counts
 * what is long. */
#include "gate/limits/limits.h"

static bool
counts(const struct limit *l)
{
	return l->of != LIMIT_REQUESTS && l->of != LIMIT_CONCURRENT &&
	       l->of != LIMIT_OUTPUT_TOKENS;
}

/* Other amounts, said at run time, change nothing here. */
static bool
limit_applies(struct request *r)
{
	const struct identity *id = &r->found.identity;
	const struct found_limits *l = &r->found.limits;
	struct policy_facts f;
	bool any = false;

	for (size_t i = 0; i < id->nlimits; i++)
		any |= counts(&id->limits[i]);
	if (any || !r->snap->policy->counts_tokens)
		return any;
	/* Jobs are charged what it takes, by the limits that apply to them. */
	if (dialect_batch_file(&r->found.endpoint, &r->in.body))
		return true;
	request_facts(r, &f);
	if (limits_apply(r, &f))
		return false; /* the next step says so */
	for (size_t i = 0; i < l->n; i++)
		any |= counts(l->hit[i].limit);
	return any;
}

enum step_result
step_tokens(struct request *r)
{
	/* what only adds to a turn reserves nothing */
	if (r->in.message != MESSAGE_ALONE && !r->found.tokens_by && r->in.have_body &&
		r->in.body_state == BODY_STATE_WHOLE &&
		!dialect_is_of_mcp(r->found.endpoint.family) && limit_applies(r) &&
		!request_bound_tokens(r))
		request_count_tokens(r);
	return STEP_NEXT;
}
