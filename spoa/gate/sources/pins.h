/* Which target a thing belongs to that a provider keeps or has sealed: by a hash of its name
 * and of who asked for it, 31 days. In a table of this process; where Redis is configured,
 * there too, for the other daemons and for later. What is not known here may be known to
 * nobody: a pin is a hint, and no guarantee. Any thread, but for pins_get() and pins_put():
 * owner: worker. */
#ifndef GATE_SOURCES_PINS_H
#define GATE_SOURCES_PINS_H

#include "base/redis/redis.h"
#include "base/span.h"

enum { PIN_KEY_BYTES = 16, PINS_AT_ONCE = 24 };

struct pin_key {
	unsigned char h[PIN_KEY_BYTES];
};

/* A target, told by what daemons that share a policy call it: provider in the upper half, model
 * in the lower one; never 0. */
uint64_t pin_target(struct span provider, struct span model);
bool pin_same_provider(uint64_t a, uint64_t b);

/* Of CAP_PINS; where its places are taken, the oldest of them goes. NULL: out of memory. */
struct pin_table;
struct pin_table *pin_table_new(void);
void pin_table_free(struct pin_table **t);

struct pins {
	struct pin_table *table;
	struct redis *redis; /* NULL: none */
};

/* Stays where it is until done() ran, on the worker's loop. */
struct pin_wait {
	struct pin_key key[PINS_AT_ONCE];
	size_t n;		       /* of them that are asked for */
	uint64_t target[PINS_AT_ONCE]; /* 0: not known */
	void (*done)(struct pin_wait *w);
	void *arg;
};
/* True: w->target says what is known; false: done() will run, later, within Redis' deadline.
 * Redis is asked only where nothing of it is known here. */
bool pins_get(const struct pins *p, struct pin_wait *w, int64_t now_s);
void pins_put(const struct pins *p, const struct pin_key *k, uint64_t target, int64_t now_s);

#endif
