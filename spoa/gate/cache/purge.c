/* The purge in Redis: SCAN, GET, UNLINK. The stamp is at the beginning of an entry, but the
 * whole entry is read, so that a cut entry is noticed. */
#include "gate/cache/purge.h"

#include <stdlib.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/redis/redis_sync.h"
#include "base/why.h"

enum { AT_ONCE = 8 /* entries of up to 512 KB in one round */ };
#define SCAN_COUNT "32"

/* Returns the next reply of the pipeline, or NULL with *why if the connection is lost. */
static redisReply *
purge_reply(redisContext *c, struct buf *why)
{
	redisReply *r = redis_reply(c);

	if (r)
		return r;
	buf_clear(why);
	buf_str(why, redis_sync_error(c));
	return NULL;
}

static void
note_failed(const redisReply *r, struct cache_purged *out, struct buf *why)
{
	out->failed++;
	if (!why->n)
		buf_put(why, r->str, r->len);
}

/* Decides whether the entry is deleted, from the reply to GET. */
static bool
is_to_go(const struct cache_purge *p, const redisReply *r, struct cache_purged *out,
	struct buf *why)
{
	struct span said = span_of(r->str, r->len);

	if (r->type == REDIS_REPLY_STRING)
		return cache_purges(p, said);
	if (r->type != REDIS_REPLY_ERROR) /* the entry has expired since SCAN */
		return false;
	/* the name is ours but the value is not an entry: useless */
	if (span_starts(said, SPAN_LIT("WRONGTYPE")))
		return cache_purges(p, SPAN_LIT(""));
	note_failed(r, out, why);
	return false;
}

/* Handles up to AT_ONCE keys in two rounds: GET all, then UNLINK the selected ones. */
static int
purge_some(redisContext *c, redisReply *const *key, size_t n, const struct cache_purge *p,
	struct cache_purged *out, struct buf *why)
{
	bool goes[AT_ONCE], all = !p->route && !p->who && !p->before_ms;

	for (size_t i = 0; !all && i < n; i++)
		redisAppendCommandArgv(c, 2, (const char *[]){ "GET", key[i]->str },
			(size_t[]){ 3, key[i]->len });
	for (size_t i = 0; i < n; i++) {
		goes[i] = all;
		if (all)
			continue;
		reply_auto_t *r = purge_reply(c, why);
		if (!r)
			return ERR_IO;
		goes[i] = is_to_go(p, r, out, why);
	}
	/* one key a command, because the keys are in several slots of a cluster */
	for (size_t i = 0; i < n; i++)
		if (goes[i])
			redisAppendCommandArgv(c, 2, (const char *[]){ "UNLINK", key[i]->str },
				(size_t[]){ 6, key[i]->len });
	for (size_t i = 0; i < n; i++) {
		if (!goes[i])
			continue;
		reply_auto_t *r = purge_reply(c, why);
		if (!r)
			return ERR_IO;
		if (r->type == REDIS_REPLY_ERROR)
			note_failed(r, out, why);
		else
			out->purged += r->integer == 1;
	}
	return 0;
}

/* Names of requests in flight have the same prefix but another length
 * (gate/engine/together.c). */
static bool
is_entry_name(const redisReply *key, const char *prefix)
{
	return key->type == REDIS_REPLY_STRING &&
	       key->len == strlen(prefix) + 2 * (size_t)CACHE_KEY_BYTES;
}

/* Makes one round of SCAN and purges the entries found. */
static int
purge_round(redisContext *c, char cursor[REDIS_CURSOR], const struct cache_purge *p,
	struct cache_purged *out, struct buf *why)
{
	const char *prefix = p->prefix ? p->prefix : CACHE_REDIS_PREFIX;
	char match[64];
	const char *argv[] = { "SCAN", cursor, "MATCH", match, "COUNT", SCAN_COUNT };
	int err = 0;

	snprintf(match, sizeof(match), "%s*", prefix);
	redisAppendCommandArgv(c, 6, argv, NULL);
	reply_auto_t *r = purge_reply(c, why);
	if (!r)
		return ERR_IO;
	const redisReply *keys = redis_scan_list(r, cursor);
	if (!keys) {
		buf_clear(why);
		return why_err(why, ERR_IO, "SCAN: %s",
			r->str ? r->str : "Redis returned another type of reply");
	}
	redisReply *some[AT_ONCE];
	size_t n = 0;
	for (size_t i = 0; i < keys->elements && !err; i++) {
		if (is_entry_name(keys->element[i], prefix))
			some[n++] = keys->element[i];
		if (n < AT_ONCE && i + 1 < keys->elements)
			continue;
		err = purge_some(c, some, n, p, out, why);
		n = 0;
	}
	return err;
}

int
cache_redis_purge(redisContext *c, const struct cache_purge *p, const atomic_bool *stop,
	uint64_t until_us, struct cache_purged *out, struct buf *why)
{
	char cursor[REDIS_CURSOR] = "0";
	int err;

	do {
		err = atomic_load(stop)		    ? ERR_BAD_STATE
		      : clock_mono_us() >= until_us ? ERR_TIMEOUT
						    : purge_round(c, cursor, p, out, why);
	} while (!err && strcmp(cursor, "0") != 0);
	if (err == ERR_BAD_STATE || err == ERR_TIMEOUT) {
		buf_clear(why);
		buf_str(why, err == ERR_TIMEOUT
				     ? "the purge did not finish in time: purge again"
				     : "the daemon is stopping: purge again after its start");
	}
	return err;
}
