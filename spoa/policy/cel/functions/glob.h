/* Shell patterns, as the function glob() reads them. */
#ifndef POLICY_CEL_FUNCTIONS_GLOB_H
#define POLICY_CEL_FUNCTIONS_GLOB_H

#include "base/span.h"

/* Returns true if s matches pattern p: *, ?, [set], \\. */
bool cel_glob(struct span p, struct span s);

#endif
