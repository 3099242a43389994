/* Warnings about limits that were given already, for the other instance of the node: `tollgate
 * upgrade` passes them on, so that nobody is warned again. */
#ifndef GATE_LIMITS_WARNED_H
#define GATE_LIMITS_WARNED_H

#include "base/buf.h"

struct gate_shared;

/* Appends the names of the warnings, 8 bytes each in host order. Any thread. */
void gate_warned_put(const struct gate_shared *s, struct buf *out);
/* Takes the names from an older instance. Any thread. */
void gate_warned_take(struct gate_shared *s, struct span bytes);

#endif
