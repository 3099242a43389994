/* Blocking Redis connections with deadlines, for threads and commands without a loop: the finder
 * that asks Sentinels and clusters, the follower of the stream, `audit verify`. */
#ifndef BASE_REDIS_REDIS_SYNC_H
#define BASE_REDIS_REDIS_SYNC_H

#include <hiredis/hiredis.h>

#include "base/buf.h"
#include "base/redis/redis_map.h"
#include "base/redis/redis_options.h"
#include "base/redis/redis_tls.h"

/* Connect to a Sentinel to ask it, or to a server to work with it. */
enum redis_dial { REDIS_DIAL_SENTINEL, REDIS_DIAL_SERVER };

/* Sets place->address, if it is empty, to the first address of its host that accepts a connection,
 * or to the first one if none does. Returns 0, or an error of resolve_name() with *why. */
int redis_place_resolve(struct redis_place *place, uint64_t timeout_us, struct buf *why);
/* Connects (to `place`'s address, otherwise its host, otherwise the URL's socket), logs in, sets
 * the client name and selects the database. Every later command fails after timeout_us too.
 * Returns NULL with *why, which never contains a password. */
redisContext *redis_dial_at(const struct redis_options *o, struct redis_tls *tls,
	const struct redis_place *place, enum redis_dial what, uint64_t timeout_us,
	struct buf *why);
/* Connects to the server that holds `key`, after asking Sentinels or the cluster for it. */
redisContext *redis_dial(
	const struct redis_options *o, struct span key, uint64_t timeout_us, struct buf *why);

/* A reply that is freed when its scope ends; may be NULL. */
static inline void
redis_reply_free(redisReply **r)
{
	freeReplyObject(*r);
}
#define reply_auto_t __attribute__((cleanup(redis_reply_free))) redisReply
/* Returns the list in a reply to SCAN or HSCAN and sets *cursor, which is "0" at the end.
 * Returns NULL, with "0", for any other reply. A faulty Redis may never send "0": a thread that
 * reads a hash stops after REDIS_SCAN_ROUNDS. With COUNT 500, these are 500,000 fields, or five
 * million empty places. */
enum { REDIS_CURSOR = 24, REDIS_SCAN_ROUNDS = 1000 };
const redisReply *redis_scan_list(const redisReply *r, char cursor[REDIS_CURSOR]);

/* Reads the next reply to the appended commands, within the limits of redis_replies.h. Returns
 * NULL on failure; redis_sync_error() has the reason. */
redisReply *redis_reply(redisContext *c);
/* Sends one command and reads its reply. The format is that of hiredis (%s, %llu, %b). */
redisReply *redis_ask(redisContext *c, const char *format, ...);
redisReply *redis_ask_argv(
	redisContext *c, int argc, const char **argv, const size_t *lens);

/* Returns why the last command failed, in our words if the system's text would not help. */
const char *redis_sync_error(const redisContext *c);

/* Connects to each server that holds keys: the nodes of a cluster, otherwise one. Returns their
 * number, or a negative error with *why. */
int redis_dial_all(const struct redis_options *o, uint64_t timeout_us,
	redisContext *out[REDIS_NODES_MAX], struct buf *why);

#endif
