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
