/* Limits for all replies, and readers for some of them. */
#ifndef BASE_REDIS_REDIS_REPLIES_H
#define BASE_REDIS_REDIS_REPLIES_H

#include <hiredis/async.h>
#include <hiredis/hiredis.h>
#include <stdbool.h>

#include "base/buf.h"
#include "base/redis/redis_map.h"

/* Limits of a reply, checked before hiredis allocates memory for it. If a reply exceeds them, or
 * no command was sent for it, the connection is closed. Without these limits, hiredis aborts the
 * process at a reply without a command, and allocates as many elements as the first line of a
 * list announces.
 *
 * The limits are far above what the commands here ask for (caps.h: a hash of 10,000 fields, 1
 * MB), so that a value that is too large fails one request and not the connection. */
enum {
	REDIS_REPLY_ELEMENTS = 1 << 18, /* elements of all lists of a reply */
	/* bytes of all its strings, and bytes that were not parsed yet */
	REDIS_REPLY_BYTES = 64 << 20,
};

/* The reply that a connection is reading. It must live as long as the context. */
struct redis_reading {
	const redisAsyncContext *ac; /* NULL: the context is blocking */
	size_t elements, bytes;
	const char *broken; /* why the reply is refused; NULL: it is not */
};

/* Applies the limits to all replies that r reads. `reading` is NULL for a blocking context. */
void redis_bound(redisReader *r, struct redis_reading *reading);
/* Called after a read. Returns false, with the reason in `broken`, if more bytes wait to be
 * parsed than a reply may have. */
bool redis_bound_holds(redisReader *r);
/* Returns why the last reply on a blocking context of this thread was refused; NULL: it was
 * not. */
const char *redis_bound_broken(void);

/* Reads the reply to SENTINEL MASTER: the place, without its address, and the configuration
 * epoch. `r` may be NULL: no reply. Returns 0, or ERR_IO or ERR_SYNTAX with *why. */
int redis_master_read(
	const redisReply *r, struct redis_place *out, uint64_t *epoch, struct buf *why);
/* Reads the reply to CLUSTER SLOTS of the node whose host is `asked`: the masters, without their
 * addresses, and their slots. `r` may be NULL. Returns 0; ERR_IO if it is not a list;
 * ERR_SYNTAX; or ERR_LIMIT for too many masters. After an error, *out is undefined. */
int redis_slots_read(const redisReply *r, const char *asked, struct redis_map *out);
/* Returns true if the command was refused because the server is at its maxmemory ("OOM …"). */
bool redis_is_full(const redisReply *r);
/* Returns true if the server's ACL forbids the command, or the server does not know it. */
bool redis_forbids(const redisReply *r);

#endif
