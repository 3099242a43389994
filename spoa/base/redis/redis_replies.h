/* Replies: what one may be before it is stored, where Redis is, and that it is full. */
#ifndef BASE_REDIS_REDIS_REPLIES_H
#define BASE_REDIS_REDIS_REPLIES_H

#include <hiredis/async.h>
#include <hiredis/hiredis.h>
#include <stdbool.h>

#include "base/buf.h"
#include "base/redis/redis_map.h"

/* Bounds of a reply, before hiredis stores it. A server that sends something else, or what nobody asked for,
 * loses its connection, and the daemon neither ends nor runs out of memory. hiredis itself aborts on a reply
 * without a command, and allocates as many elements as the first line of a list says.
 *
 * The bounds are far above what any command here asks for (caps.h: a hash of 10,000 fields, 1 MB): a larger value of
 * an honest server is a limit of one request, and no reason to hang up. */
enum {
	REDIS_REPLY_ELEMENTS = 1 << 18, /* of all its lists together */
	REDIS_REPLY_BYTES = 64 << 20,	/* of its strings; and of what is not yet parsed */
};

/* One connection's reply that is being read. Lives as long as the context. */
struct redis_reading {
	const redisAsyncContext *ac; /* NULL: of a blocking one */
	size_t elements, bytes;
	const char *broken; /* why the connection ends, for its message; NULL: it does not */
};

/* From now on, what r reads is bounded. `reading` is NULL for a blocking context. */
void redis_bound(redisReader *r, struct redis_reading *reading);
/* After a read: false if more bytes wait to be parsed than a reply may have. */
bool redis_bound_holds(const redisReader *r);
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
/* The server's ACL does not permit the command, or the server has none of that name. */
bool redis_forbids(const redisReply *r);

#endif
