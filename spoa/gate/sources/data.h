/* What policies read from Redis and URLs (data.NAME), remembered per worker for its ttl. One
 * fetch at a time for a source, whoever asks. owner: worker; values are counted and may
 * follow a request to another. */
#ifndef GATE_SOURCES_DATA_H
#define GATE_SOURCES_DATA_H

#include <ev.h>

#include "base/metrics.h"
#include "base/redis/redis.h"
#include "policy/data.h"

struct data_cache;

/* An immutable value with its memory. */
struct data_value {
	_Atomic unsigned refs;
	struct arena arena;
	struct cel_value v;
};
void data_value_unref(struct data_value **v);

/* `redis` NULL: every hash fails. NULL: out of memory. */
struct data_cache *data_cache_new(struct ev_loop *loop, struct redis *redis, struct metrics *m);
void data_cache_free(struct data_cache **c);
/* The daemon stops: who waits for a URL is told that there is no value; a hash has the
 * deadline of Redis. */
void data_abort(struct data_cache *c);
/* Forgets sources that this policy does not name. */
void data_keep(struct data_cache *c, const struct policy *p);

/* Who waits for a fetch; stays where it is until done() ran, on the worker's loop. */
struct data_wait {
	struct data_wait *next;
	void (*done)(struct data_wait *w);
	struct data_value *value; /* the waiter's; NULL: there is none */
	void *arg;
	size_t i;
};

/* 1: *out is the caller's, 0: w->done() will run, later; negative: there is none (asking
 * failed a moment ago, or there is nobody to ask). */
int data_get(struct data_cache *c, const struct data_source *s, struct data_value **out,
	struct data_wait *w);

/* How long a failure is remembered. */
#define DATA_AGAIN_US 500000u

#endif
