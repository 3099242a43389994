/* The Redis Stream's follower: reads the journal as it grows, never past what is
 * durable, and copies it to "tollgate:audit:NODE", one entry a record: id
 * BOOT-SEQ, field r the record's bytes, field c the commit line on the last record
 * of a commit. The stream keeps to a number of bytes of Redis' memory and to a number of
 * entries, and gives way if Redis is at its maxmemory. Records that another program destroyed before they were copied are
 * one entry: the id of the last, field g {"first","last","segment","how"}. It keeps no memory
 * of its own: where to go on it asks the stream. A thread of its own, so that a slow Redis
 * never holds up a sync. */
#ifndef RECORD_AUDIT_MIRROR_H
#define RECORD_AUDIT_MIRROR_H

#include "base/buf.h"
#include "base/metrics.h"
#include "base/redis/redis.h"
#include "base/redis/redis_options.h"
#include "record/journal/chain.h"

struct mirror_options {
	const struct redis_options *redis; /* copied */
	const char *journal, *node;
	uint64_t maxlen; /* the stream is trimmed to about this; 0: never */
	uint64_t bytes;	 /* and to so much of Redis' memory; 0: no bound */
	uint64_t others; /* bytes up to which something else fills that Redis: the cache; or 0 */
	bool consumed;	 /* and behind what every consumer group has acknowledged */
};

struct mirror;
/* NULL with *why: no memory, or no thread. Redis may be away. */
struct mirror *mirror_start(const struct mirror_options *o, struct metrics *m, struct buf *why);
enum mirror_state {
	MIRROR_BEGINNING,
	MIRROR_FOLLOWING,
	MIRROR_AWAY,	/* Redis or the journal cannot be reached: tried every second */
	MIRROR_CONFLICT /* the stream or the journal is not as it must be: every five */
};
/* Any thread. */
enum mirror_state mirror_state(const struct mirror *m);
/* Durable records that are not known to be in the stream: all of them until Redis has answered
 * once. Any thread. */
uint64_t mirror_behind(const struct mirror *m);
/* What gives way if the mirror's Redis is full. It lives as long as the mirror. */
struct redis_ballast *mirror_ballast(struct mirror *m);
/* Lines for /readyz: entries gave way lately; Redis may get full. Any thread. */
void mirror_says(struct mirror *m, struct buf *out);
/* The last of those that are in it; 0 until then. Any thread. */
uint64_t mirror_copied(const struct mirror *m);
/* Segment `name` is durable up to `bytes`; its last commit, records first..end->seq, is
 * `commit`, which is copied. The audit thread only. */
void mirror_publish(struct mirror *m, const char *name, uint64_t bytes, const struct chain *end,
	uint64_t first, struct span commit);
/* Copies on for at most timeout_us while Redis answers, then ends the thread. */
void mirror_stop(struct mirror **m, uint64_t timeout_us);

#endif
