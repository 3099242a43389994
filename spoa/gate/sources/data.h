/* Data that policies read from Redis and URLs (data.NAME). Each worker keeps a value for the
 * source's ttl and has one fetch of a source in flight at most. owner: worker; values are
 * reference-counted and may follow a request to another worker. */
#ifndef GATE_SOURCES_DATA_H
#define GATE_SOURCES_DATA_H

#include <ev.h>

#include "base/metrics.h"
#include "base/redis/redis.h"
#include "policy/data.h"

struct data_cache;
struct policy;

/* An immutable value and its memory. */
struct data_value {
	_Atomic unsigned refs;
	struct arena arena;
	struct cel_value v;
};
/* Drops one reference and sets *v to NULL. Any thread. */
void data_value_unref(struct data_value **v);

/* If `redis` is NULL, every hash fails. Returns NULL if memory is exhausted. */
struct data_cache *data_cache_new(struct ev_loop *loop, struct redis *redis, struct metrics *m);
void data_cache_free(struct data_cache **c);
/* Call it when the daemon stops: waits for URLs end without a value. A wait for a hash ends
 * by Redis' deadline. */
void data_abort(struct data_cache *c);
/* Removes sources that this policy does not name. */
void data_keep(struct data_cache *c, const struct policy *p);

/* A wait for a fetch, in the caller's memory until done() has run, on the worker's loop. */
struct data_wait {
	struct data_wait *next;
	void (*done)(struct data_wait *w);
	struct data_value *value; /* the value with one reference, which the waiter owns;
				   * NULL: no value */
	void *arg;
	size_t i;
};

/* Returns 1 and the value in *out, which the caller owns; 0: w->done() will run later;
 * negative: no value, because a fetch failed within DATA_AGAIN_US, memory is exhausted or no
 * Redis is configured. */
int data_get(struct data_cache *c, const struct data_source *s, struct data_value **out,
	struct data_wait *w);

/* how long a failure is remembered */
#define DATA_AGAIN_US 500000u

#endif
