/* Tables by name that only grow: names come from the policy, which reloads, and beyond the cap
 * a name is "other". owner: the worker, which alone adds; any thread reads the first *n
 * entries. */
#ifndef BUDGET_TALLY_NAMES_H
#define BUDGET_TALLY_NAMES_H

#include <stdatomic.h>

#include "base/span.h"

/* An entry begins with its name, which does not change any more: an array of chars with a NUL.
 */
struct names {
	_Atomic size_t *n; /* entries that may be read */
	void *entries;
	size_t size, room; /* of an entry, with its name; how many there may be */
	size_t name_bytes;
};

/* The entry of that name, made where there is room; else the first, which is all other. */
void *names_entry(const struct names *t, struct span name);

/* What it is now; it may grow meanwhile. */
static inline uint64_t
tally_value(const _Atomic uint64_t *v)
{
	return atomic_load_explicit(v, memory_order_relaxed);
}

/* One writer: no other thread's count is lost between load and store. */
static inline void
tally_grow(_Atomic uint64_t *v, uint64_t n)
{
	atomic_store_explicit(v, tally_value(v) + n, memory_order_relaxed);
}

/* Entry n of a ring, as words: readers take it only where it is the same before and after. Its
 * turn is odd while it is written. Words are stored with release and loaded with acquire, in
 * place of fences, which thread sanitizers do not see. */
void slot_write(_Atomic uint64_t *turn, _Atomic uint64_t *word, uint64_t n, const void *from,
	size_t bytes);
/* False: it is another's by now. */
bool slot_read(const _Atomic uint64_t *turn, const _Atomic uint64_t *word, uint64_t n, void *to,
	size_t bytes);

#endif
