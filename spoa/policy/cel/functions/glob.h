/* Shell patterns: what the function glob() reads. */
#ifndef POLICY_CEL_FUNCTIONS_GLOB_H
#define POLICY_CEL_FUNCTIONS_GLOB_H

#include "base/span.h"

/* Whether s is as the pattern p says: *, ?, [set], \. */
bool cel_glob(struct span p, struct span s);

#endif
