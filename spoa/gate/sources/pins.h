/* The target that an object of a provider belongs to: a stored response, a file, a sealed
 * reasoning block.
 *
 * The key is a hash of the object's name and its caller. A pin lasts 31 days, in a table of
 * this process and, if Redis is configured, also there, for other daemons and later starts. A
 * missing pin proves nothing: a pin is a hint, not a guarantee. Any thread, except for
 * pins_get() and pins_put(): owner: worker. */
#ifndef GATE_SOURCES_PINS_H
#define GATE_SOURCES_PINS_H

#include "base/redis/redis.h"
#include "base/span.h"

enum { PIN_KEY_BYTES = 16, PINS_AT_ONCE = 24 };

struct pin_key {
	unsigned char h[PIN_KEY_BYTES];
};

/* Returns a number for a target, equal in all daemons that share a policy: the provider in
 * the upper half, the model in the lower half; never 0. */
uint64_t pin_target(struct span provider, struct span model);
/* Returns true if both targets have the same provider. */
bool pin_same_provider(uint64_t a, uint64_t b);

/* A table of CAP_PINS pins. If the places of a key are taken, the oldest pin is replaced.
 * Returns NULL if memory is exhausted. */
struct pin_table;
struct pin_table *pin_table_new(void);
void pin_table_free(struct pin_table **t);

struct pins {
	struct pin_table *table;
	struct redis *redis; /* NULL: not configured */
};

/* A lookup, in the caller's memory until done() has run, on the worker's loop. */
struct pin_wait {
	struct pin_key key[PINS_AT_ONCE];
	size_t n;		       /* number of keys */
	uint64_t target[PINS_AT_ONCE]; /* results; 0: not known */
	void (*done)(struct pin_wait *w);
	void *arg;
};
/* Looks up all keys. Returns true if w->target is complete; false if done() will run later,
 * within Redis' deadline. Redis is asked only if no key is known here. now_s: wall clock in
 * seconds. */
bool pins_get(const struct pins *p, struct pin_wait *w, int64_t now_s);
/* Stores a pin here and in Redis. */
void pins_put(const struct pins *p, const struct pin_key *k, uint64_t target, int64_t now_s);

#endif
