/* Held bytes (design: memory is capped globally and per identity), shared by all
 * workers without a lock: one counter for all, and a fixed table of counters by
 * hash of the identity. Two identities that share a slot share its cap: the
 * error is on the safe side. */
#ifndef GATE_HOLD_H
#define GATE_HOLD_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { HOLD_SLOTS = 4096 };

struct holds {
	_Atomic size_t all;
	_Atomic size_t slot[HOLD_SLOTS];
	size_t cap_all, cap_slot;
};

/* Takes n bytes of the global cap and, with slot < HOLD_SLOTS, of that slot's.
 * `own`: what this request holds there already; where that is all there is, the
 * slot's cap does not count: a request that limits.body lets in can be served,
 * whatever reading it takes. False: over a cap, nothing taken. Any thread. */
bool hold_take(struct holds *h, size_t slot, size_t own, size_t n);
void hold_give(struct holds *h, size_t slot, size_t n);

#endif
