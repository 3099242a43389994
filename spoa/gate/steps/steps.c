/* The steps as a table. */
#include "gate/steps/steps.h"

/* clang-format off */
#define AT(name, all, stage)  AT_##name,
#define ROW(name, all, stage) { #name, step_##name, all, STAGE_##stage },
/* clang-format on */
enum { STEPS(AT) };
const struct step steps[] = { STEPS(ROW) };
const size_t nsteps = COUNT_OF(steps), step_read_at = AT_read, step_policy_at = AT_policy,
	     step_rewrite_at = AT_rewrite, step_quota_at = AT_quota;
