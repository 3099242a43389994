/* The response cache of a process: a hash table of entries with a list in the order of use, under
 * one mutex. The flights of identical requests have a table of the same size, so that a lookup
 * and a flight of one key have the same place. Each place also remembers when a flight last ended
 * in it, and the last key whose response could not be stored. */
#include "gate/cache/cache.h"

#include <pthread.h>
#include <sodium.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/scoped.h"

enum {
	PLACES = 1 << 12,
	CALLERS = 1 << 12,
	SHARE_REST = 4 << 10, /* average bytes of an entry, for cache_has_share() */
	ENTRY_OVERHEAD = 64   /* bytes that the allocator and the lists need for an entry */
};
#define SHARE_WINDOW_US (900 * UINT64_C(1000000))
#define ALONE_US	(10 * UINT64_C(1000000))
#define IN_A_ROW_US	(30 * UINT64_C(1000000)) /* no request waits longer than this */

/* owner: the cache, under its mutex. */
struct kept {
	TAILQ_ENTRY(kept) by_use;
	LIST_ENTRY(kept) by_key;
	unsigned char key[CACHE_KEY_BYTES];
	uint64_t until_us;
	size_t n;
	char sealed[];
};

/* All members are guarded by the mutex. max_bytes bounds the entries; the other arrays are
 * fixed. */
struct cache {
	pthread_mutex_t mutex;
	struct cache_keys keys;
	uint64_t max_bytes, bytes;
	size_t entries;
	TAILQ_HEAD(, kept) by_use; /* least recently used first */
	LIST_HEAD(, kept) by_key[PLACES];
	struct {
		LIST_HEAD(, cache_flight) under_way;
		/* monotonic: when the last flight ended, and the last one whose response was not
		 * stored; `alone` is the key of the latter */
		uint64_t ended_us, alone_us;
		unsigned char alone[CACHE_KEY_BYTES];
		/* flights of the key `alone` that failed in a row; 0: the response could not be
		 * stored */
		unsigned failed;
	} flights[PLACES];
	uint64_t serial;
	/* bytes that callers have stored in this window of SHARE_WINDOW_US, by the hash of
	 * their name; callers with the same hash share one amount */
	uint64_t window_us, took[CALLERS];
};

struct cache *
cache_new(const unsigned char secret[CACHE_KEY_BYTES], uint64_t max_bytes)
{
	struct cache *c = calloc(1, sizeof(*c));

	if (!c || pthread_mutex_init(&c->mutex, NULL) != 0) {
		free(c);
		return NULL;
	}
	cache_keys_derive(secret, &c->keys);
	c->max_bytes = max_bytes;
	TAILQ_INIT(&c->by_use);
	return c;
}

const struct cache_keys *
cache_keys(const struct cache *c)
{
	return &c->keys;
}

static void
forget_kept(struct cache *c, struct kept *k)
{
	TAILQ_REMOVE(&c->by_use, k, by_use);
	LIST_REMOVE(k, by_key);
	INVARIANT(c->entries > 0 && c->bytes >= k->n + sizeof(*k) + ENTRY_OVERHEAD);
	c->bytes -= k->n + sizeof(*k) + ENTRY_OVERHEAD;
	c->entries--;
	free(k);
}

void
cache_free(struct cache **cp)
{
	struct cache *c = *cp;

	if (!c)
		return;
	while (!TAILQ_EMPTY(&c->by_use))
		forget_kept(c, TAILQ_FIRST(&c->by_use));
	INVARIANT(c->entries == 0 && c->bytes == 0);
	pthread_mutex_destroy(&c->mutex);
	sodium_memzero(&c->keys, sizeof(c->keys));
	free(c);
	*cp = NULL;
}

/* Returns the place of a hash in a table, from its first two bytes. */
static size_t
place_of(const unsigned char *hash, size_t places)
{
	return (hash[0] | (size_t)hash[1] << 8) % places;
}

bool
cache_may_keep(struct cache *c, const unsigned char who[CACHE_NAME_BYTES], size_t n)
{
	size_t place = place_of(who, CALLERS);
	uint64_t now_us = clock_mono_us();

	SCOPED_LOCK(&c->mutex);
	if (now_us - c->window_us >= SHARE_WINDOW_US) {
		memset(c->took, 0, sizeof(c->took));
		c->window_us = now_us;
	}
	bool may = c->took[place] + n <= c->max_bytes / CACHE_SHARES;
	if (may)
		c->took[place] += n;
	return may;
}

bool
cache_has_share(struct cache *c, const unsigned char who[CACHE_NAME_BYTES])
{
	SCOPED_LOCK(&c->mutex);
	return c->took[place_of(who, CALLERS)] + SHARE_REST <= c->max_bytes / CACHE_SHARES;
}

/* The entry is valid while the mutex is held. */
static struct kept *
find_kept(struct cache *c, const unsigned char key[CACHE_KEY_BYTES])
{
	struct kept *k;

	LIST_FOREACH (k, &c->by_key[place_of(key, PLACES)], by_key)
		if (!memcmp(k->key, key, CACHE_KEY_BYTES))
			break;
	return k;
}

void
cache_put(struct cache *c, const unsigned char key[CACHE_KEY_BYTES], struct span sealed,
	uint64_t until_us)
{
	size_t size = sealed.n + sizeof(struct kept) + ENTRY_OVERHEAD;
	struct kept *k = size <= c->max_bytes ? malloc(sizeof(*k) + sealed.n) : NULL;

	if (!k)
		return;
	memcpy(k->key, key, CACHE_KEY_BYTES);
	memcpy(k->sealed, sealed.p, sealed.n);
	k->n = sealed.n;
	k->until_us = until_us;
	SCOPED_LOCK(&c->mutex);
	struct kept *was = find_kept(c, key);
	if (was)
		forget_kept(c, was);
	INVARIANT(size <= c->max_bytes && c->bytes <= c->max_bytes);
	while (c->bytes + size > c->max_bytes)
		forget_kept(c, TAILQ_FIRST(&c->by_use));
	TAILQ_INSERT_TAIL(&c->by_use, k, by_use);
	LIST_INSERT_HEAD(&c->by_key[place_of(key, PLACES)], k, by_key);
	c->bytes += size;
	c->entries++;
}

bool
cache_get(struct cache *c, const unsigned char key[CACHE_KEY_BYTES], struct buf *out)
{
	SCOPED_LOCK(&c->mutex);
	struct kept *k = find_kept(c, key);
	if (k && k->until_us <= clock_mono_us()) {
		forget_kept(c, k);
		k = NULL;
	}
	if (k) {
		TAILQ_REMOVE(&c->by_use, k, by_use);
		TAILQ_INSERT_TAIL(&c->by_use, k, by_use);
		buf_put(out, k->sealed, k->n);
	}
	return k && !buf_failed(out);
}

size_t
cache_redis_name(const unsigned char key[CACHE_KEY_BYTES], char out[CACHE_REDIS_NAME])
{
	size_t n = (size_t)snprintf(out, CACHE_REDIS_NAME, CACHE_REDIS_PREFIX);

	sodium_bin2hex(out + n, CACHE_REDIS_NAME - n, key, CACHE_KEY_BYTES);
	return CACHE_REDIS_NAME - 1;
}

/* ---- flights ---- */

/* Call with the mutex held. */
static struct cache_flight *
flight_of(struct cache *c, const unsigned char key[CACHE_KEY_BYTES])
{
	struct cache_flight *f;

	LIST_FOREACH (f, &c->flights[place_of(key, PLACES)].under_way, of_place)
		if (!memcmp(f->key, key, CACHE_KEY_BYTES))
			break;
	return f;
}

/* Returns true if this key's flight ended without a stored response within the last
 * within_us. Each place remembers only one such key. */
static bool
was_not_kept(const struct cache *c, size_t place, const unsigned char key[CACHE_KEY_BYTES],
	uint64_t within_us)
{
	uint64_t at_us = c->flights[place].alone_us;

	return at_us && clock_mono_us() - at_us < within_us &&
	       !memcmp(c->flights[place].alone, key, CACHE_KEY_BYTES);
}

enum cache_flight_role
cache_flight_begin(struct cache *c, struct cache_flight *f,
	const unsigned char key[CACHE_KEY_BYTES], uint64_t looked_us, uint64_t *serial)
{
	size_t place = place_of(key, PLACES);
	enum cache_flight_role role = FLIGHT_LEADS;

	INVARIANT(!f->serial); /* the request leads no flight */
	SCOPED_LOCK(&c->mutex);
	const struct cache_flight *first = flight_of(c, key);
	unsigned failed = c->flights[place].failed;
	if ((!failed || failed >= CACHE_FLIGHTS) && was_not_kept(c, place, key, ALONE_US)) {
		role = failed ? FLIGHT_FAILED : FLIGHT_ALONE;
	} else if (first) {
		role = FLIGHT_FOLLOWS;
		INVARIANT(first != f && first->serial);
		*serial = first->serial;
	} else if (c->flights[place].ended_us >= looked_us) {
		role = FLIGHT_LOOKS;
	} else {
		memcpy(f->key, key, CACHE_KEY_BYTES);
		f->serial = ++c->serial;
		LIST_INSERT_HEAD(&c->flights[place].under_way, f, of_place);
	}
	return role;
}

bool
cache_flight_lasts(struct cache *c, const unsigned char key[CACHE_KEY_BYTES], uint64_t serial)
{
	SCOPED_LOCK(&c->mutex);
	const struct cache_flight *f = flight_of(c, key);
	return f && f->serial == serial;
}

void
cache_flight_end(struct cache *c, struct cache_flight *f, enum cache_flight_end how)
{
	size_t place = place_of(f->key, PLACES);

	if (!f->serial)
		return;
	SCOPED_LOCK(&c->mutex);
	LIST_REMOVE(f, of_place);
	f->serial = 0;
	bool again = was_not_kept(c, place, f->key, IN_A_ROW_US);
	if (how == FLIGHT_ENDS_KEPT) {
		c->flights[place].ended_us = clock_mono_us();
		if (again)
			c->flights[place].alone_us = 0;
	} else {
		unsigned before = again ? c->flights[place].failed : 0;
		c->flights[place].failed = how == FLIGHT_ENDS_FAILED ? before + 1 : 0;
		c->flights[place].alone_us = clock_mono_us();
		memcpy(c->flights[place].alone, f->key, CACHE_KEY_BYTES);
	}
}

/* ---- purges ---- */

bool
cache_purges(const struct cache_purge *p, struct span sealed)
{
	struct cache_stamp st;

	/* an entry without a readable stamp is useless */
	if (!cache_stamp_of(sealed, &st))
		return true;
	return (!p->route || !memcmp(st.route, p->route, CACHE_NAME_BYTES)) &&
	       (!p->who || !memcmp(st.who, p->who, CACHE_NAME_BYTES)) &&
	       (!p->before_ms || st.stored_ms < p->before_ms);
}

size_t
cache_purge(struct cache *c, const struct cache_purge *p)
{
	struct kept *k, *next;
	size_t n = 0;

	/* Takes the mutex for one place at a time, because workers wait for it. */
	for (size_t i = 0; i < PLACES; i++) {
		pthread_mutex_lock(&c->mutex);
		for (k = LIST_FIRST(&c->by_key[i]); k; k = next) {
			next = LIST_NEXT(k, by_key);
			if (cache_purges(p, span_of(k->sealed, k->n))) {
				forget_kept(c, k);
				n++;
			}
		}
		pthread_mutex_unlock(&c->mutex);
	}
	return n;
}

struct cache_size
cache_size(struct cache *c)
{
	SCOPED_LOCK(&c->mutex);
	struct cache_size s = { c->entries, c->bytes };
	return s;
}
