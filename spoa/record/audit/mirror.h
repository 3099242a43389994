/* Copies the journal to the Redis Stream "tollgate:audit:NODE" as the journal grows, never
 * past its durable end.
 *
 * Each record is one entry: id BOOT-SEQ, field r with the record's bytes, and field c with
 * the commit line if the record is the last of its commit. If another program destroyed
 * records before they were copied, one entry stands for them: the id of the last one, and
 * field g with {"first","last","segment","how"}. The stream is bounded in bytes of Redis'
 * memory and in entries, and is trimmed further if Redis reaches its maxmemory. The mirror
 * stores no position: it asks the stream. It has a thread of its own, so that a slow Redis
 * never delays a sync. */
#ifndef RECORD_AUDIT_MIRROR_H
#define RECORD_AUDIT_MIRROR_H

#include "base/buf.h"
#include "base/metrics.h"
#include "base/redis/redis.h"
#include "base/redis/redis_options.h"
#include "record/journal/chain.h"

/* Borrowed during mirror_start() only. */
struct mirror_options {
	const struct redis_options *redis; /* copied */
	const char *journal, *node;
	uint64_t maxlen; /* entries to which the stream is trimmed, about; 0: no limit */
	uint64_t bytes;	 /* bytes of Redis' memory; 0: no limit */
	/* bytes up to which other data, the cache, fills this Redis; 0: none */
	uint64_t others;
	bool consumed; /* also trim what every consumer group has acknowledged */
};

struct mirror;
/* Starts the thread; Redis may be away. Returns NULL with the reason in *why if memory or
 * threads are exhausted. */
struct mirror *mirror_start(const struct mirror_options *o, struct metrics *m, struct buf *why);
enum mirror_state {
	MIRROR_BEGINNING,
	MIRROR_FOLLOWING,
	MIRROR_AWAY, /* Redis or the journal cannot be read; tried every second */
	/* stream and journal contradict each other; tried every five seconds */
	MIRROR_CONFLICT
};
/* Any thread. */
enum mirror_state mirror_state(const struct mirror *m);
/* Returns how many durable records are not known to be in the stream; all of them until Redis
 * has responded once. Any thread. */
uint64_t mirror_behind(const struct mirror *m);
/* Returns the entries that may be trimmed if the mirror's Redis is full. Lives as long as the
 * mirror. */
struct redis_ballast *mirror_ballast(struct mirror *m);
/* Appends lines for /readyz: entries were trimmed recently; Redis may become full. Any
 * thread. */
void mirror_says(struct mirror *m, struct buf *out);
/* Returns the last record that is known to be in the stream; 0: none yet. Any thread. */
uint64_t mirror_copied(const struct mirror *m);
/* The segment `name` is durable up to `bytes`. Its last commit has the records
 * first..end->seq; `commit` is its text, which is copied. Audit thread only. */
void mirror_publish(struct mirror *m, const char *name, uint64_t bytes, const struct chain *end,
	uint64_t first, struct span commit);
/* Stops copying, or continues. Any thread. */
void mirror_pause(struct mirror *m, bool pause);
/* Continues to copy for at most timeout_us while Redis responds, then ends the thread and
 * sets *m to NULL. */
void mirror_stop(struct mirror **m, uint64_t timeout_us);

#endif
