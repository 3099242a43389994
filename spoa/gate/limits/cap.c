/* A request that states no cap under a limit that counts what its answer takes: output_default
 * is sent as the cap, so that what is held bounds what is spent. Where no such limit applies
 * the body stays as it came. */
#include "gate/gate_private.h"
#include "gate/limits/limits.h"

bool
limits_counts_answer(enum limit_of of)
{
	return of == LIMIT_TOKENS || of == LIMIT_OUTPUT_TOKENS || of == LIMIT_USD ||
	       of == LIMIT_MESSAGE;
}

bool
limits_counts_text(enum limit_of of)
{
	return limits_counts_answer(of) || of == LIMIT_INPUT_TOKENS;
}

void
limits_expect(struct request *r)
{
	const struct identity *id = &r->found.identity;
	const struct found_limits *l = &r->found.limits;
	struct policy_facts f;
	struct amendment am;

	if (!r->gate || !r->in.have_body || r->found.route->reserve != RESERVE_CAP ||
		!dialect_lacks_cap(&r->in.body) ||
		(request_amendment(r, &am) && am.model.n && !span_eq(am.model, r->in.body.model)))
		return;
	request_facts(r, &f);
	if (limits_apply(r, &f))
		return; /* the quota step says so */
	r->found.bounded = false;
	for (size_t i = 0; i < l->n; i++)
		r->found.bounded |= limits_counts_answer(l->hit[i].limit->of);
	for (size_t i = 0; i < id->nlimits; i++)
		r->found.bounded |= limits_counts_answer(id->limits[i].of);
	limits_send_default(r);
}

bool
limits_send_default(struct request *r)
{
	struct amendment am;

	if (!r->found.bounded || r->found.sends_default || !r->in.have_body ||
		r->found.route->reserve == RESERVE_ESTIMATE || !dialect_lacks_cap(&r->in.body))
		return false;
	/* Without a relay nothing of a body is changed. */
	if (!gate_cfg(r->gate)->relay)
		return false;
	/* A rule's cap, or one that was learned, is sent already. */
	request_amendment(r, &am);
	if (am.cap_tokens && am.cap_tokens <= request_output_default(r, am.model, false))
		return false;
	r->found.sends_default = true;
	return true;
}
