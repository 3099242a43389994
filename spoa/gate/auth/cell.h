/* The value of a credential that one thread replaces and all read, without a lock: a sequence
 * lock over words. What was there is gone once the next one is in. */
#ifndef GATE_AUTH_CELL_H
#define GATE_AUTH_CELL_H

#include <stdatomic.h>

#include "base/caps.h"
#include "base/span.h"

enum { CELL_PARTS = 3, CELL_BYTES = CAP_CREDENTIAL_BYTES + 1024 };

/* Secret: its reader zeroes it. */
struct cell_value {
	uint16_t n[CELL_PARTS]; /* lengths of the texts, one after the other */
	char text[CELL_BYTES];
};

struct cell {
	_Atomic unsigned sequence; /* odd while it is being written */
	_Atomic uint64_t words[sizeof(struct cell_value) / sizeof(uint64_t) + 1];
};

/* One thread. The texts together are CELL_BYTES at most; false: they are more, and nothing
 * changes. */
bool cell_put(struct cell *c, const struct span parts[CELL_PARTS]);
void cell_wipe(struct cell *c);
/* Any thread. */
void cell_get(struct cell *c, struct cell_value *out);
struct span cell_part(const struct cell_value *v, size_t i);

#endif
