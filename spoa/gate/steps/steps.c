/* The steps of a decision, in the order of the path: the list to read first. */
#include "gate/steps/steps.h"

#include "gate/limits/limits.h"

/* X(name, looks at all of the body, stage of the tallies) */
/* clang-format off */
#define STEPS(X) \
	X(framing,  false, MATCH)    /* what is ambiguous: 400, 501 */ \
	X(target,   false, MATCH)    /* what data is in path and query */ \
	X(declared, false, MATCH)    /* the body as the head describes it: 413, 415 */ \
	X(match,    false, MATCH)    /* which route: 404 */ \
	X(identity, false, IDENTITY) /* who is asking; may wait for an issuer's keys: 401, 403, 503 */ \
	X(read,     true,  READ)     /* the body's segments; skipped while it is not whole */ \
	X(classify, true,  CLASSIFY) /* what data is inside */ \
	X(data,     false, OUTSIDE)  /* what conditions read from outside; may wait for it: 503 */ \
	X(external, false, OUTSIDE)  /* what others find in it; may wait for them */ \
	X(pins,     false, OUTSIDE)  /* to which target it belongs; may wait for Redis */ \
	X(policy,   true,  POLICY)   /* what the policy in force says */ \
	X(mentions, true,  REWRITE)  /* where else what is redacted is, and credentials */ \
	X(rewrite,  true,  REWRITE)  /* the body and the target to send */ \
	X(tokens,   true,  QUOTA)    /* how many, where a limit of them applies */ \
	X(quota,    false, QUOTA)    /* reserve; may wait for Redis */ \
	X(audit,    false, AUDIT)    /* the record is durable; waits for the disk */

#define AT(name, all, stage)  AT_##name,
#define ROW(name, all, stage) { #name, step_##name, all, STAGE_##stage },
/* clang-format on */
enum { STEPS(AT) };
const struct step steps[] = { STEPS(ROW) };
const size_t nsteps = COUNT_OF(steps), step_read_at = AT_read, step_policy_at = AT_policy,
	     step_rewrite_at = AT_rewrite;
