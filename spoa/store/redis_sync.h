/* A blocking Redis connection with deadlines, for threads and commands that have
 * no loop: the stream's follower, `audit verify`. */
#ifndef STORE_REDIS_SYNC_H
#define STORE_REDIS_SYNC_H

#include <hiredis/hiredis.h>

#include "base/buf.h"
#include "store/redis_url.h"

/* Connected, authenticated and on its database; every later command fails after
 * timeout_us too. NULL with *why, which never holds the password. */
redisContext *redis_dial(const struct redis_url *u, uint64_t timeout_us, struct buf *why);

#endif
