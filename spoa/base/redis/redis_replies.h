/* Replies: bounds for all of them, and readers for some. */
#ifndef BASE_REDIS_REDIS_REPLIES_H
#define BASE_REDIS_REDIS_REPLIES_H

#include <hiredis/async.h>
#include <hiredis/hiredis.h>
#include <stdbool.h>

#include "base/buf.h"
#include "base/redis/redis_map.h"

/* Bounds of a reply, checked before hiredis allocates memory for it. If a reply exceeds them, or no
 * command was sent for it, the connection is closed. hiredis alone aborts the process at a reply
 * without a command, and allocates as many elements as the first line of a list states.
 *
 * The bounds are far above what the commands here ask for (caps.h: a hash of 10,000 fields, 1 MB), so
 * that a value over a cap fails one request and not the connection. */
enum {
	REDIS_REPLY_ELEMENTS = 1 << 18, /* elements of all lists of a reply */
	REDIS_REPLY_BYTES = 64 << 20,	/* bytes of all its strings, and bytes not yet parsed */
};

/* The reply that a connection is reading. Must live as long as the context. */
struct redis_reading {
	const redisAsyncContext *ac; /* NULL: the context is a blocking one */
	size_t elements, bytes;
	const char *broken; /* why the reply is refused; NULL: it is not */
};

/* Applies the bounds to all replies that r reads. `reading` is NULL for a blocking context. */
void redis_bound(redisReader *r, struct redis_reading *reading);
/* After a read: false, with the reason in `broken`, if more bytes wait to be parsed than a reply
 * may have. */
bool redis_bound_holds(redisReader *r);
/* Why the last reply on a blocking context of this thread was refused; NULL: it was not. */
const char *redis_bound_broken(void);

/* SENTINEL MASTER: the place, without its address, and the configuration epoch. `r` may be
 * NULL: no answer. 0, ERR_IO or ERR_SYNTAX with *why. */
int redis_master_read(
	const redisReply *r, struct redis_place *out, uint64_t *epoch, struct buf *why);
/* CLUSTER SLOTS of the node whose host is `asked`: the masters, without their addresses, and
 * their slots. `r` may be NULL. 0, ERR_IO: no list; ERR_SYNTAX, ERR_LIMIT: too many masters;
 * then *out is not to be used. */
int redis_slots_read(const redisReply *r, const char *asked, struct redis_map *out);
/* "OOM …": the command was refused because the server is at its maxmemory. */
bool redis_is_full(const redisReply *r);
/* True if the server's ACL forbids the command, or the server does not know it. */
bool redis_forbids(const redisReply *r);

#endif
