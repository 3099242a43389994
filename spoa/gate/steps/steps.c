/* The table of the steps, from the list in steps.h: one row for each name. Apart from gate.c, because `tollgate decide` runs the steps without an
 * engine. */
#include "gate/steps/steps.h"

/* clang-format off */
#define ROW(name, all, stage) { #name, step_##name, all, STAGE_##stage },
/* clang-format on */
const struct step steps[] = { STEPS(ROW) };
