/* The steps of a decision, in the order of the path: the list to read first. */
#include "steps/steps.h"

#include "limits/limits.h"

/* clang-format off */
const struct step steps[] = {
	{ "framing",  step_framing,  false,  STAGE_MATCH     }, /* what is ambiguous: 400, 501 */
	{ "target",   step_target,   false,  STAGE_MATCH     }, /* what data is in path and query */
	{ "declared", step_declared, false,  STAGE_MATCH     }, /* the body as the head describes it: 413, 415 */
	{ "match",    step_match,    false,  STAGE_MATCH     }, /* which route: 404 */
	{ "identity", step_identity, false,  STAGE_IDENTITY  }, /* who is asking; may wait for an issuer's keys: 401, 403, 503 */
	{ "read",     step_read,     true,   STAGE_READ      }, /* the body's segments; skipped while it is not whole */
	{ "classify", step_classify, true,   STAGE_CLASSIFY  }, /* what data is inside */
	{ "data",     step_data,     false,  STAGE_OUTSIDE   }, /* what conditions read from outside; may wait for it: 503 */
	{ "external", step_external, false,  STAGE_OUTSIDE   }, /* what others find in it; may wait for them */
	{ "policy",   step_policy,   true,   STAGE_POLICY    }, /* what the policy in force says */
	{ "mentions", step_mentions, true,   STAGE_REWRITE   }, /* where else what is redacted is, and credentials */
	{ "rewrite",  step_rewrite,  true,   STAGE_REWRITE   }, /* the body and the target to send */
	{ "tokens",   step_tokens,   true,   STAGE_QUOTA     }, /* how many, where a limit of them applies */
	{ "quota",    step_quota,    false,  STAGE_QUOTA     }, /* reserve; may wait for Redis */
	{ "audit",    step_audit,    false,  STAGE_AUDIT     }, /* the record is durable; waits for the disk */
};
/* clang-format on */
const size_t nsteps = COUNT_OF(steps);
