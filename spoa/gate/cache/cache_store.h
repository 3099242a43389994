/* The store of the response cache. Entries are in this process, or in a Redis that several
 * daemons share. Only a shared store has claims of requests in flight and vectors of prompts.
 * The rest of the gate calls these functions, and asks which store it has only because a shared
 * one takes time. Commands of Redis are in cache_store.c alone, and in the purge of cache.c.
 * owner: worker. */
#ifndef GATE_CACHE_CACHE_STORE_H
#define GATE_CACHE_CACHE_STORE_H

#include "base/metrics.h"
#include "base/redis/redis.h"
#include "gate/cache/cache.h"

struct cache_store {
	struct cache *here;
	struct redis *redis; /* NULL: entries are in `here` */
	struct metrics *metrics;
};

/* Returns true if other daemons find the entries. A result then arrives later. */
bool cache_store_is_shared(const struct cache_store *s);
/* Returns true if the store can be asked now. */
bool cache_store_is_up(const struct cache_store *s);
/* Returns true if the store accepts an entry. A shared one may also hold limits and then evicts
 * nothing, so the cache stops at `most_bytes`. */
bool cache_store_has_room(const struct cache_store *s, uint64_t most_bytes);

/* ---- entries ---- */

enum { CACHE_STORED_MOST = 2 * CACHE_ENTRY_MOST }; /* bytes of a sealed entry */

/* Looks for an entry. Returns true if the result is known without a wait: *sealed has the entry, or is
 * empty if there is none or the store is not up. Otherwise `came` runs as for
 * cache_store_ask(). */
bool cache_store_get(const struct cache_store *s, const unsigned char key[CACHE_KEY_BYTES],
	struct buf *sealed, redis_hash_cb *came, void *arg);
/* Asks a shared store. `came` runs exactly once, on the loop, never inside the call: err 0 and
 * n = 1 with the entry in pairs[1], or n = 0. */
void cache_store_ask(const struct cache_store *s, const unsigned char key[CACHE_KEY_BYTES],
	redis_hash_cb *came, void *arg);

/* An entry to store. The views are copied. */
struct cache_put {
	const unsigned char *key; /* CACHE_KEY_BYTES */
	struct span sealed;
	uint64_t ttl_us;
	/* Returns true if a person was erased since `since`. It is asked again when the entry
	 * is stored, because the search of that erasure may have run before: the entry is then
	 * deleted. */
	bool (*erased)(const void *of, uint64_t since);
	const void *of; /* must outlive the worker */
	uint64_t since;
	const unsigned char *who; /* CACHE_NAME_BYTES: the owner */
};
void cache_store_put(const struct cache_store *s, const struct cache_put *p);

/* ---- claims: one daemon of those that share the store asks the provider ---- */

enum cache_claim {
	CLAIM_OWN,     /* this request asks for all */
	CLAIM_OTHERS,  /* a request of another daemon asks */
	CLAIM_IN_VAIN, /* the response cannot be stored: no request waits for another */
	CLAIM_OVER,    /* nobody asks any more, or the response is stored */
	CLAIM_UNKNOWN  /* the store did not reply */
};
typedef void cache_claim_cb(void *arg, enum cache_claim is);
/* How long a claim lasts that nobody renews, and when to renew it, in µs. */
enum { CLAIM_LASTS_US = 2000000, CLAIM_RENEW_US = 700000 };

/* Claims a key with this number, above 0. The callback runs once, later: CLAIM_OWN,
 * CLAIM_OTHERS, CLAIM_IN_VAIN or CLAIM_UNKNOWN. */
void cache_store_claim(const struct cache_store *s, const unsigned char key[CACHE_KEY_BYTES],
	int64_t number, cache_claim_cb *came, void *arg);
/* Looks after another daemon's claim. The callback runs once, later, with any value but
 * CLAIM_OWN. */
void cache_store_watch(const struct cache_store *s, const unsigned char key[CACHE_KEY_BYTES],
	cache_claim_cb *came, void *arg);
void cache_store_renew(const struct cache_store *s, const unsigned char key[CACHE_KEY_BYTES]);
/* Ends the claim if it still has this number. `in_vain`: its response cannot be stored. */
void cache_store_release(const struct cache_store *s, const unsigned char key[CACHE_KEY_BYTES],
	int64_t number, bool in_vain);

/* ---- vectors of prompts, in sets by cache_meaning_key() (Redis documentation, "Vector
 * sets"). An element is the key of a response: cache_bind() ---- */

/* Looks for the nearest vector. `came` as for cache_store_ask(): one pair of element and score,
 * 1 for the same direction and 0 for the opposite. */
void cache_store_nearest(const struct cache_store *s, const unsigned char set[CACHE_KEY_BYTES],
	struct span vector, redis_hash_cb *came, void *arg);
/* Stores the vector of a response. */
void cache_store_put_vector(const struct cache_store *s,
	const unsigned char set[CACHE_KEY_BYTES],
	const unsigned char element[CACHE_BOUND_BYTES], struct span vector, uint64_t ttl_us);
/* Removes a vector whose response is not stored any more. */
void cache_store_drop_vector(const struct cache_store *s,
	const unsigned char set[CACHE_KEY_BYTES],
	const unsigned char element[CACHE_BOUND_BYTES]);

#endif
