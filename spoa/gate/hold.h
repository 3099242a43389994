/* Held bytes (design: memory is capped globally and per identity), shared by all workers
 * without a lock: one counter for all, and a table of counters, of which an identity has one as
 * long as it has requests, or expired tickets to be forgiven. Its place is by a hash under a
 * key of this process, so that nobody can choose whose it shares: two share only where 32
 * places in a row are taken, and until one of them is free. Where two workers see a new
 * identity at once it may have two for as long: the cap of all holds. */
#ifndef GATE_HOLD_H
#define GATE_HOLD_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/span.h"

enum { HOLD_SLOTS = 16384, HOLD_PROBES = 32 };

struct holds {
	unsigned char key[16]; /* random */
	_Atomic size_t all;
	/* Whose it is: 40 bits of the hash, and how many requests have it in 24. */
	_Atomic uint64_t owner[HOLD_SLOTS];
	_Atomic size_t slot[HOLD_SLOTS];
	/* of them, under tickets that nobody has taken up */
	_Atomic size_t waiting[HOLD_SLOTS];
	/* when the tickets that expired will be forgiven */
	_Atomic uint64_t forgiven_us[HOLD_SLOTS];
	size_t cap_all, cap_slot, cap_waiting;
};

/* An expired ticket is forgiven after HOLD_FORGIVE_US, one after the other. Whoever has
 * more than HOLD_EXPIRED_MANY to be forgiven is refused; where half of the global cap is
 * held, more than HOLD_EXPIRED_FEW. */
#define HOLD_FORGIVE_US 100000u
enum { HOLD_EXPIRED_MANY = 64, HOLD_EXPIRED_FEW = 8, HOLD_EXPIRED_MAX = 160 };

/* Before all else: the key. */
void holds_init(struct holds *h);
/* The slot of an identity, for one request of it, until that leaves it. */
size_t hold_join(struct holds *h, struct span who, uint64_t now_us);
void hold_leave(struct holds *h, size_t slot);

/* Takes n bytes of the global cap and, with slot < HOLD_SLOTS, of that slot's; the last
 * quarter of the global one only where the slot holds less than a quarter of its own.
 * `own`: what this request holds there already. A request counts for at most half of the
 * slot's cap: one that limits.body lets in can be served, whatever reading it takes,
 * and small ones of the same caller next to it. False: over a cap, nothing taken. Any
 * thread. */
bool hold_take(struct holds *h, size_t slot, size_t own, size_t n);
/* Gives n of those `own` bytes back. */
void hold_give(struct holds *h, size_t slot, size_t own, size_t n);

/* n bytes of the slot's wait for a ticket to be taken up, and do no more. The first ticket
 * of a slot may wait whatever it holds. */
bool hold_wait(struct holds *h, size_t slot, size_t n);
void hold_waited(struct holds *h, size_t slot, size_t n);
/* A ticket of the slot expired. */
void hold_expired(struct holds *h, size_t slot, uint64_t now_us);
/* How long the slot's requests are refused for that, or because what waits is near its
 * cap (where half of the global one is taken: a quarter of it); 0: they are not. */
uint64_t hold_refused_us(struct holds *h, size_t slot, uint64_t now_us);

#endif
