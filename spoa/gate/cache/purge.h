/* Purges entries in a Redis, as cache_purge() does in this process. The function waits for
 * Redis, so it is for a thread without an event loop. */
#ifndef GATE_CACHE_PURGE_H
#define GATE_CACHE_PURGE_H

#include <hiredis/hiredis.h>
#include <stdatomic.h>

#include "gate/cache/cache.h"

struct cache_purged {
	uint64_t purged;
	uint64_t failed; /* entries that could not be read or deleted */
};

/* Visits all entries of one server with SCAN, a few at a time, so that other clients do not
 * wait long. The stamp of each entry is read unless all are selected. Entries that exist at
 * the beginning are all visited.
 *
 * Returns 0; ERR_BAD_STATE if *stop became true; ERR_TIMEOUT after until_us (monotonic);
 * ERR_IO with *why if the connection is lost or Redis refuses. Adds to *out in all cases. If
 * only some entries failed, *why is the first reason. */
int cache_redis_purge(redisContext *c, const struct cache_purge *p, const atomic_bool *stop,
	uint64_t until_us, struct cache_purged *out, struct buf *why);

#endif
