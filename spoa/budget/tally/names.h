/* Tables by name that only grow: names come from the policy, which reloads, and beyond the cap a
 * name is "other". owner: the worker, which alone adds; any thread reads the first *n entries. */
#ifndef BUDGET_TALLY_NAMES_H
#define BUDGET_TALLY_NAMES_H

#include <stdatomic.h>

#include "base/span.h"

/* An entry begins with its name, which does not change any more: an array of chars with a NUL. */
struct names {
	_Atomic size_t *n; /* entries that may be read */
	void *entries;
	size_t size, room; /* of an entry, with its name; how many there may be */
	size_t name_bytes;
};

/* The entry of that name, made where there is room; else the first, which is all other. */
void *names_entry(const struct names *t, struct span name);

#endif
