/* Requests of a cutover, during which the gateway only watches. They run through the steps like
 * others until one decides. That decision is then replaced by *observed*: recorded, but not
 * enforced. */
#include "gate/steps/steps.h"

#include "policy/identity/observe.h"

enum step_result
request_observe(struct request *r)
{
	const struct policy *p = r->snap->policy;
	const struct credentials shown = { .head = &r->in.head,
		.certificate = r->in.certificate };
	/* an identity given to `tollgate decide` */
	bool given = r->found.identified && r->found.identity.verified;

	if (!observe_host(p, r->in.host, r->now_wall_ns) || given ||
		observe_shows_ours(p, &shown, &r->arena))
		return STEP_NEXT;
	r->found.observed = true;
	if (r->in.body_state != BODY_STATE_PARTIAL)
		return STEP_NEXT;
	if (r->gate && !request_hold(r, r->in.prefix.n))
		return request_overheld(r);
	/* nothing is enforced, so it suffices that the end of the body was seen */
	if (r->in.ended) {
		r->in.body_raw = r->in.prefix;
		r->in.body_state = BODY_STATE_WHOLE;
	}
	return STEP_NEXT;
}

void
request_observed(struct request *r)
{
	/* These denials are enforced: without memory or without a record the request must not
	 * continue. Ambiguous framing, CONNECT, TRACE and Upgrade are denied earlier, before
	 * the request is known to belong to a cutover. */
	static const char *const refused[] = { "overloaded", "audit_unavailable" };
	const struct decision *d = &r->out.decision;

	if (!r->found.observed || d->kind == D_OBSERVED ||
		(d->kind == D_DENY && d->code && SPAN_IN(span_str(d->code), refused)))
		return;
	request_decide_observed(r);
}
