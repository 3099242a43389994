/* Probes: requests of `tollgate check --probe`, which asks what answers a request on each host.
 * One runs through the steps up to its route, so that framing, hosts and paths are those of
 * everybody, and is decided there: who it is from and what its key asks for is all that counts.
 * It has no person, takes no limit and no budget, and its records are of the type "probe".
 *
 * By default nothing of it reaches a provider. Which line of HAProxy's answers then is there on
 * each edge that can serve requests at all, also one that was laid by an earlier version:
 *
 *   direct  HAProxy is told the decision "observed" with via=direct. It takes the way of a
 *           permitted request, and the guard of the provider's backend, which passes "permit"
 *           alone, answers 503.
 *   relay   HAProxy's second pass asks for a backend that does not exist. The stanza's line
 *           before the provider's backend answers 503. */
#include "gate/steps/steps.h"

static bool
bearer_of(const struct request *r, struct span *key)
{
	struct span v;

	if (http_field_one(&r->in.head, "authorization", &v) != 1)
		return false;
	v = span_trim(v, " \t");
	if (!span_istarts(v, SPAN_LIT("Bearer ")))
		return false;
	*key = span_trim(span_cut(v, 7, v.n), " ");
	return true;
}

enum step_result
request_probe(struct request *r)
{
	struct span key;

	if (!r->gate || !r->gate->shared->has_probe_secret || r->in.socket ||
		r->in.body_state == BODY_STATE_PARTIAL || !bearer_of(r, &key))
		return STEP_NEXT;
	r->found.probe = probe_key_read(r->gate->shared->probe_secret, key, r->now_wall_ns,
		r->in.head.method, r->in.body_raw);
	if (!r->found.probe)
		return STEP_NEXT;
	/* one without a body is of a route that takes none: what a provider would give away for
	 * it is not known here */
	r->found.probe_stops =
		!r->snap->policy->probe_provider || r->in.body_state == BODY_STATE_NONE;
	r->found.identity = (struct identity){ .method = "probe", .verified = true };
	r->found.identified = true;
	if (request_hold_identity(r) == STEP_DECIDED)
		return STEP_DECIDED;
	r->in.raw = r->in.body_raw;
	hmac_sha256(r->gate->shared->prompt_key, r->in.raw, r->found.raw_hmac);
	r->out.decision = (struct decision){ .kind = D_PERMIT,
		.via = r->found.probe == PROBE_RELAY ? VIA_RELAY : VIA_DIRECT,
		.rule = "" };
	return STEP_DECIDED;
}

const char *
request_decision_told(const struct request *r)
{
	bool stops = r->found.probe_stops && r->out.decision.via == VIA_DIRECT &&
		     r->out.decision.kind == D_PERMIT;

	return decision_names[stops ? D_OBSERVED : r->out.decision.kind];
}
