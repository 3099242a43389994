/* Entries in a Redis that go at once: what cache_purge() is to those of this process. Waits for
 * its answers: for a thread that has no loop. */
#ifndef GATE_CACHE_PURGE_H
#define GATE_CACHE_PURGE_H

#include <hiredis/hiredis.h>
#include <stdatomic.h>

#include "gate/cache/cache.h"

struct cache_purged {
	uint64_t purged;
	uint64_t failed; /* could not be read, or not be deleted */
};

/* All entries of a server are gone through by SCAN, a few at a time, so that nobody else waits
 * long for it; the stamp of each is read, where not all go. What is there when it begins is
 * seen. It ends early where *stop is true (ERR_BAD_STATE), or after until_us, monotonic
 * (ERR_TIMEOUT). Adds to *out, also where it fails: 0; ERR_IO, the connection is lost or Redis
 * refuses; with *why. Of `failed` alone, *why has the first reason. */
int cache_redis_purge(redisContext *c, const struct cache_purge *p, const atomic_bool *stop,
	uint64_t until_us, struct cache_purged *out, struct buf *why);

#endif
