/* A request that states no cap under a limit that counts what its answer takes: output_default
 * is sent as the cap, so that what is held bounds what is spent. Where no such limit applies
 * the body stays as it came. */
#include "gate/gate_private.h"
#include "limits/limits.h"

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
