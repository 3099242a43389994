/* Held bytes: memory for requests is limited for the daemon and for each identity. All workers
 * share the counters without a lock: one for the daemon, and a table of 16,384 for identities.
 * An identity has a counter as long as it has requests, or expired tickets that are not
 * forgiven. Its place follows from a hash with a random key of this process, so that nobody can
 * choose to share a certain caller's place. Two identities share a counter only if 32 places in
 * a row are taken, and until one of them is free. If two workers see a new identity at the same
 * moment, it may have two counters for as long; the daemon's limit holds all the same. */
#ifndef GATE_HOLD_H
#define GATE_HOLD_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/span.h"

enum { HOLD_SLOTS = 16384, HOLD_PROBES = 32 };

/* owner: all workers; every member but the caps and the key is atomic. */
struct holds {
	unsigned char key[16]; /* random */
	_Atomic size_t all;    /* bytes held in the daemon */
	/* 40 bits of the owner's hash, and the number of its requests in the lower 24; 0: free
	 */
	_Atomic uint64_t owner[HOLD_SLOTS];
	_Atomic size_t slot[HOLD_SLOTS]; /* bytes held for the owner */
	/* part of `slot`: under tickets that the relay has not taken up */
	_Atomic size_t waiting[HOLD_SLOTS];
	/* monotonic: when all expired tickets are forgiven */
	_Atomic uint64_t forgiven_us[HOLD_SLOTS];
	/* bytes: limits of `all`, of one slot, and of one slot's `waiting` */
	size_t cap_all, cap_slot, cap_waiting;
};

/* Each expired ticket is forgiven HOLD_FORGIVE_US after the one before. An identity with more
 * than HOLD_EXPIRED_MANY of them is refused; if half of the daemon's limit is held, with more
 * than HOLD_EXPIRED_FEW. At most HOLD_EXPIRED_MAX are remembered. */
#define HOLD_FORGIVE_US 100000u
enum { HOLD_EXPIRED_MANY = 64, HOLD_EXPIRED_FEW = 8, HOLD_EXPIRED_MAX = 160 };

/* Call first: makes the key. The caller sets the caps. */
void holds_init(struct holds *h);
/* Returns the slot of an identity and counts one request there, until hold_leave(). Any thread.
 */
size_t hold_join(struct holds *h, struct span who, uint64_t now_us);
/* Ends hold_join(). slot HOLD_SLOTS: does nothing. */
void hold_leave(struct holds *h, size_t slot);

/* Takes n bytes of the daemon's limit and, if slot < HOLD_SLOTS, of that slot's. The last
 * quarter of the daemon's limit is only for slots that hold less than a quarter of their own.
 * `own`: bytes this request holds there already. A request counts for at most half of the
 * slot's limit, so that a body that limits.body admits can be served whatever memory reading it
 * takes, with small requests of the same caller beside it. Returns false if a limit is reached;
 * then nothing was taken. Any thread. */
bool hold_take(struct holds *h, size_t slot, size_t own, size_t n);
/* Gives n of those `own` bytes back. */
void hold_give(struct holds *h, size_t slot, size_t own, size_t n);

/* Marks n bytes of the slot as waiting for a ticket to be taken up. Returns false if the slot's
 * limit for waiting bytes is reached. The first ticket of a slot may wait whatever it holds. */
bool hold_wait(struct holds *h, size_t slot, size_t n);
/* Notes that a ticket of the slot expired. */
void hold_expired(struct holds *h, size_t slot, uint64_t now_us);
/* Returns for how many µs the slot's requests are refused because of expired tickets, or
 * because waiting bytes are near their limit (a quarter of it if half of the daemon's limit is
 * taken); 0: they are not refused. */
uint64_t hold_refused_us(struct holds *h, size_t slot, uint64_t now_us);

#endif
