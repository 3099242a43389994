/* A cutover's requests (design rule 15): which they are, and what becomes of them. They run
 * through the steps as any, until one decides; here that decision is laid aside, recorded and
 * not enforced. */
#include "gate/steps/steps.h"

#include "policy/identity/observe.h"

enum step_result
request_observe(struct request *r)
{
	const struct policy *p = r->snap->policy;
	const struct credentials shown = { .head = &r->in.head,
		.certificate = r->in.certificate };
	bool given = r->found.identified && r->found.identity.verified; /* decide */

	if (!observe_host(p, r->in.host, r->now_wall_ns) || given ||
		observe_shows_ours(p, &shown, &r->arena))
		return STEP_NEXT;
	r->found.observed = true;
	if (r->in.body_state != BODY_STATE_PARTIAL)
		return STEP_NEXT;
	if (r->gate && !request_hold(r, r->in.prefix.n))
		return request_overheld(r);
	/* Nothing is enforced on it: that its end was seen is proof enough. */
	if (r->in.ended) {
		r->in.body_raw = r->in.prefix;
		r->in.body_state = BODY_STATE_WHOLE;
	}
	return STEP_NEXT;
}

void
request_observed(struct request *r)
{
	/* What is refused all the same: no room, and no record (rules 9 and 14). What cannot be
	 * framed, and CONNECT, TRACE and Upgrade, are refused before it is known to be a
	 * cutover's. */
	static const char *const refused[] = { "overloaded", "audit_unavailable" };
	struct decision *d = &r->out.decision;

	if (!r->found.observed || d->kind == D_OBSERVED ||
		(d->kind == D_DENY && d->code && SPAN_IN(span_str(d->code), refused)))
		return;
	r->out.would = *d;
	*d = (struct decision){ .kind = D_OBSERVED, .via = VIA_OBSERVE, .rule = "" };
}
