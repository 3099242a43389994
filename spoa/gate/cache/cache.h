/* The response cache of this process, for routes without a Redis. One cache serves all
 * workers. When the cache is full, the least recently used entry is removed. A caller may
 * store at most a share of its size. All functions may be called from any thread. */
#ifndef GATE_CACHE_CACHE_H
#define GATE_CACHE_CACHE_H

#include <sys/queue.h>

#include "gate/cache/entry.h"

struct cache;

/* A caller may store 1/CACHE_SHARES of the cache's bytes in 15 minutes, so that one caller
 * cannot remove the entries of all others. */
enum { CACHE_SHARES = 8 };

/* The keys of names and entries are derived from `secret`. Daemons with the same secret can
 * share entries in a Redis. Returns NULL if memory is exhausted. */
struct cache *cache_new(const unsigned char secret[CACHE_KEY_BYTES], uint64_t max_bytes);
void cache_free(struct cache **c);
/* Valid as long as the cache. */
const struct cache_keys *cache_keys(const struct cache *c);

/* Returns true if `n` more bytes fit the caller's share, and counts them. */
bool cache_may_keep(struct cache *c, const unsigned char who[CACHE_NAME_BYTES], size_t n);
/* Returns true if the caller's share has room for an average entry. Counts nothing. */
bool cache_has_share(struct cache *c, const unsigned char who[CACHE_NAME_BYTES]);
/* Stores a copy of an entry until until_us (monotonic) and replaces an older entry with this
 * key. Without memory nothing is stored. */
void cache_put(struct cache *c, const unsigned char key[CACHE_KEY_BYTES], struct span sealed,
	uint64_t until_us);
/* Appends the entry to `out`. Returns false if there is none or if it has expired. */
bool cache_get(struct cache *c, const unsigned char key[CACHE_KEY_BYTES], struct buf *out);

/* The name of an entry in Redis. The value is a string that Redis expires. */
#define CACHE_REDIS_PREFIX "tollgate:cache:"
enum { CACHE_REDIS_NAME = sizeof(CACHE_REDIS_PREFIX) + 2 * CACHE_KEY_BYTES };
/* Writes the name, ending with a NUL. Returns its length. */
size_t cache_redis_name(const unsigned char key[CACHE_KEY_BYTES], char out[CACHE_REDIS_NAME]);

/* ---- identical requests in flight: one request of this process asks the provider, others
 * wait ---- */

/* Embedded in the request that asks the provider; {0} at first. */
struct cache_flight {
	LIST_ENTRY(cache_flight) of_place;
	unsigned char key[CACHE_KEY_BYTES];
	uint64_t serial; /* 0: this request leads no flight */
};
enum cache_flight_role {
	FLIGHT_LEADS,	/* asks for all; end it with cache_flight_end() */
	FLIGHT_FOLLOWS, /* another request asks; its number is in *serial */
	FLIGHT_LOOKS,	/* a flight has ended since the lookup: look again */
	/* a response to this key could not be stored in the last ten seconds: ask without
	 * waiting */
	FLIGHT_ALONE,
	FLIGHT_FAILED /* the request asks alone, because CACHE_FLIGHTS flights in a row failed
		       */
};
enum { CACHE_FLIGHTS = 3 };
enum cache_flight_end {
	FLIGHT_ENDS_KEPT,   /* the response is stored; all can use it */
	FLIGHT_ENDS_FAILED, /* no response; another request may succeed */
	/* the response cannot be stored, and a repeated one could not be either */
	FLIGHT_ENDS_IN_VAIN
};
/* Chooses the request's role. `looked_us`: monotonic time of the lookup that found no entry.
 */
enum cache_flight_role cache_flight_begin(struct cache *c, struct cache_flight *f,
	const unsigned char key[CACHE_KEY_BYTES], uint64_t looked_us, uint64_t *serial);
/* Returns true if the flight `serial` is still in flight. */
bool cache_flight_lasts(
	struct cache *c, const unsigned char key[CACHE_KEY_BYTES], uint64_t serial);
/* Ends the flight that *f leads, if it leads one. */
void cache_flight_end(struct cache *c, struct cache_flight *f, enum cache_flight_end how);

/* Selects entries. NULL matches any route or caller, and 0 any age. */
struct cache_purge {
	const unsigned char *route, *who;
	int64_t before_ms;  /* stored before this wall-clock time */
	const char *prefix; /* prefix of names in Redis; NULL: CACHE_REDIS_PREFIX */
};
/* Removes the selected entries. Returns their number. */
size_t cache_purge(struct cache *c, const struct cache_purge *p);

struct cache_size {
	size_t entries;
	uint64_t bytes;
};
struct cache_size cache_size(struct cache *c);

#endif
