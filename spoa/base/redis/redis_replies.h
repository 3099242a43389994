/* Replies, read: where Redis is, and that it is full. */
#ifndef BASE_REDIS_REDIS_REPLIES_H
#define BASE_REDIS_REDIS_REPLIES_H

#include <hiredis/hiredis.h>

#include "base/buf.h"
#include "base/redis/redis_map.h"

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

#endif
