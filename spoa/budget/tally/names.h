/* Tables by name that only grow: names come from the policy, which reloads. If a table is full,
 * a new name is counted in its first entry, "other". owner: the worker, the only thread that
 * adds; any thread reads the first *n entries. */
#ifndef BUDGET_TALLY_NAMES_H
#define BUDGET_TALLY_NAMES_H

#include <stdatomic.h>

#include "base/span.h"

/* Describes a table. Each entry begins with its name: an array of name_bytes chars that ends
 * with a NUL and is constant once it is set. */
struct names {
	_Atomic size_t *n; /* entries that may be read */
	void *entries;
	size_t size, room; /* bytes of an entry with its name; number of entries at most */
	size_t name_bytes;
};

/* Returns the entry of the name. A new name gets an entry if there is room and the name fits;
 * otherwise the first entry, "other", is returned. */
void *names_entry(const struct names *t, struct span name);

/* Returns a counter's value. Another thread may increase the counter meanwhile. */
static inline uint64_t
tally_value(const _Atomic uint64_t *v)
{
	return atomic_load_explicit(v, memory_order_relaxed);
}

/* Adds n. A counter has a single writer, so that nothing is lost between load and store. */
static inline void
tally_grow(_Atomic uint64_t *v, uint64_t n)
{
	atomic_store_explicit(v, tally_value(v) + n, memory_order_relaxed);
}

/* Writes entry n of a ring into a slot, as words. The slot's turn is 2n + 1 while it is
 * written, and 2n + 2 afterwards; a reader accepts the words only if the turn is the same
 * before and after. Words are stored with release and loaded with acquire instead of fences,
 * because thread sanitizers do not see fences. */
void slot_write(_Atomic uint64_t *turn, _Atomic uint64_t *word, uint64_t n, const void *from,
	size_t bytes);
/* Reads entry n. Returns false if the slot has another entry by now, or is being written. */
bool slot_read(const _Atomic uint64_t *turn, const _Atomic uint64_t *word, uint64_t n, void *to,
	size_t bytes);

#endif
