/* Entries in this process: what a route's cache keeps where no Redis is named for it. One for
 * all workers; the oldest used go first, and no caller has more than its share. Any thread. */
#ifndef GATE_CACHE_CACHE_H
#define GATE_CACHE_CACHE_H

#include <sys/queue.h>

#include "gate/cache/entry.h"

struct cache;

/* How many of a caller's bytes it takes in a quarter of an hour: a share of all, so that none
 * drives the others' out. */
enum { CACHE_SHARES = 8 };

/* `secret`: of keys and entries; daemons that have the same one share what is in Redis. NULL:
 * out of memory. */
struct cache *cache_new(const unsigned char secret[CACHE_KEY_BYTES], uint64_t max_bytes);
void cache_free(struct cache **c);
const struct cache_keys *cache_keys(const struct cache *c);

/* Whether n bytes more of this caller's fit its share; they are counted then. */
bool cache_may_keep(struct cache *c, const unsigned char who[CACHE_NAME_BYTES], size_t n);
/* Whether there is some of it left. */
bool cache_has_share(struct cache *c, const unsigned char who[CACHE_NAME_BYTES]);
/* A copy of it, until then (monotonic); what was there before goes. */
void cache_put(struct cache *c, const unsigned char key[CACHE_KEY_BYTES], struct span sealed,
	uint64_t until_us);
/* Appends it. False: there is none. */
bool cache_get(struct cache *c, const unsigned char key[CACHE_KEY_BYTES], struct buf *out);

/* Of an entry in Redis: a string, which is set with its end. */
#define CACHE_REDIS_PREFIX "tollgate:cache:"
enum { CACHE_REDIS_NAME = sizeof(CACHE_REDIS_PREFIX) + 2 * CACHE_KEY_BYTES };
/* Its length; ends with a NUL. */
size_t cache_redis_name(const unsigned char key[CACHE_KEY_BYTES], char out[CACHE_REDIS_NAME]);

/* ---- identical requests under way: one of this process asks for a key, others wait ---- */

/* Embedded in the request that asks; {0} at first. */
struct cache_flight {
	LIST_ENTRY(cache_flight) of_place;
	unsigned char key[CACHE_KEY_BYTES];
	uint64_t serial; /* 0: it asks for nobody but itself */
};
enum cache_flight_role {
	FLIGHT_LEADS,	/* to be ended with cache_flight_end() */
	FLIGHT_FOLLOWS, /* another asks: *serial */
	FLIGHT_LOOKS,	/* another's ended since it was looked for */
	FLIGHT_ALONE,	/* one like it was not kept lately: whoever asks, asks for itself */
	FLIGHT_FAILED	/* the same, since CACHE_FLIGHTS of them failed in a row */
};
enum { CACHE_FLIGHTS = 3 };
enum cache_flight_end {
	FLIGHT_ENDS_KEPT,   /* there is an answer for all */
	FLIGHT_ENDS_FAILED, /* another may fare better */
	FLIGHT_ENDS_IN_VAIN /* what it is told is not kept, nor would another's be */
};
/* `looked_us`: when the cache had no answer for it; monotonic. */
enum cache_flight_role cache_flight_begin(struct cache *c, struct cache_flight *f,
	const unsigned char key[CACHE_KEY_BYTES], uint64_t looked_us, uint64_t *serial);
/* That one is under way. */
bool cache_flight_lasts(
	struct cache *c, const unsigned char key[CACHE_KEY_BYTES], uint64_t serial);
/* Once; where it has none, nothing. */
void cache_flight_end(struct cache *c, struct cache_flight *f, enum cache_flight_end how);

/* NULL: any route, any person; 0: of any age. */
struct cache_purge {
	const unsigned char *route, *who;
	int64_t before_ms; /* stored before that, wall */
	const char *prefix; /* of names in Redis; NULL: CACHE_REDIS_PREFIX */
};
bool cache_purges(const struct cache_purge *p, struct span sealed);
/* How many went. */
size_t cache_purge(struct cache *c, const struct cache_purge *p);

struct cache_size {
	size_t entries;
	uint64_t bytes;
};
struct cache_size cache_size(struct cache *c);

#endif
