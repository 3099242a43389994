/* A blocking Redis connection with deadlines, for threads and commands that have
 * no loop: who asks Sentinels and clusters where things are, the stream's follower,
 * `audit verify`. */
#ifndef BASE_REDIS_REDIS_SYNC_H
#define BASE_REDIS_REDIS_SYNC_H

#include <hiredis/hiredis.h>

#include "base/buf.h"
#include "base/redis/redis_map.h"
#include "base/redis/redis_options.h"
#include "base/redis/redis_tls.h"

/* To a Sentinel, to ask it; or to a server, to work with it. */
enum redis_dial { REDIS_DIAL_SENTINEL, REDIS_DIAL_SERVER };

/* Connected (by `place`'s address, else its host, else the URL's socket), authenticated, named
 * and on its database; every later command fails after timeout_us too. NULL with *why, which
 * never holds a password. */
redisContext *redis_dial_at(const struct redis_options *o, struct redis_tls *tls,
	const struct redis_place *place, enum redis_dial what, uint64_t timeout_us,
	struct buf *why);
/* The same, with the server that holds `key`: Sentinels or a cluster are asked which. */
redisContext *redis_dial(
	const struct redis_options *o, struct span key, uint64_t timeout_us, struct buf *why);

/* A reply that is freed where its scope ends; NULL: none. */
static inline void
redis_reply_free(redisReply **r)
{
	freeReplyObject(*r);
}
#define reply_auto_t __attribute__((cleanup(redis_reply_free))) redisReply
/* The list in what SCAN or HSCAN answered, and *cursor where it goes on, "0" at the end. NULL,
 * and "0": it is no such answer. A Redis that lies never sends "0": a thread that reads a hash ends
 * after REDIS_SCAN_ROUNDS. With COUNT 500, these are 500,000 fields, or five million empty places. */
enum { REDIS_CURSOR = 24, REDIS_SCAN_ROUNDS = 1000 };
const redisReply *redis_scan_list(const redisReply *r, char cursor[REDIS_CURSOR]);

/* Reads the next reply to the appended commands, within the bounds of redis_replies.h. NULL: it
 * failed; redis_sync_error() returns why. */
redisReply *redis_reply(redisContext *c);
/* Sends one command and reads its reply. The format is that of hiredis (%s, %llu, %b). */
redisReply *redis_ask(redisContext *c, const char *format, ...);
redisReply *redis_ask_argv(
	redisContext *c, int argc, const char **argv, const size_t *lens);

/* What its last command failed of, in words of ours where the system has none of use. */
const char *redis_sync_error(const redisContext *c);

/* The same with each server that holds keys: the nodes of a cluster, else one. How many, or
 * negative with *why. */
int redis_dial_all(const struct redis_options *o, uint64_t timeout_us,
	redisContext *out[REDIS_NODES_MAX], struct buf *why);

#endif
