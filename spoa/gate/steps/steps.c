/* The table of the steps, from the list in steps.h: one row for each name, and the indexes at
 * which steps resume. Apart from gate.c, because `tollgate decide` runs the steps without an
 * engine. */
#include "gate/steps/steps.h"

/* clang-format off */
#define AT(name, all, stage)  AT_##name,
#define ROW(name, all, stage) { #name, step_##name, all, STAGE_##stage },
/* clang-format on */
enum { STEPS(AT) };
const struct step steps[] = { STEPS(ROW) };
const size_t nsteps = COUNT_OF(steps), step_read_at = AT_read, step_policy_at = AT_policy,
	     step_rewrite_at = AT_rewrite, step_quota_at = AT_quota;
