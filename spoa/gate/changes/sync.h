/* Exchanges entries with the other daemons through Redis, on a thread of its own (tg-live).
 *
 * All entries are fields of one hash, tollgate:{live}:entries. Each change increments
 * tollgate:{live}:version. Every daemon reads the version about three times a second, and
 * reads the hash if the version has changed or after ten seconds. If Redis lost entries or
 * was restored from an old copy, a daemon that has newer entries writes them again. */
#ifndef GATE_CHANGES_SYNC_H
#define GATE_CHANGES_SYNC_H

#include "base/redis/redis_service.h"
#include "gate/changes/live.h"

struct live_sync;

/* Starts the thread. The options are copied, `l` is borrowed. Redis may be unreachable.
 * Returns NULL with *why. */
struct live_sync *live_sync_start(
	struct live *l, const struct redis_options *redis, struct buf *why);
void live_sync_stop(struct live_sync **s);
/* For redis_service_await_first(), which waits until this daemon knows what was revoked while it
 * was down, and for redis_service_wait() and redis_service_up(). Any thread. */
struct redis_service *live_sync_service(struct live_sync *s);
/* Returns the key of ours that another program overwrote and that was written again within
 * the last ten minutes, or NULL. */
const char *live_sync_righted(struct live_sync *s);

/* Reads from Redis which nodes have carried out which erasures. Appends the names of nodes to
 * `nodes`, an array, and sets in `done`, an object, "NODE/ERASURE": "SERIAL TIME". Uses a
 * connection of its own. Each command takes at most most_us, all together at most six times
 * as long, and the replies at most 64 MB. Returns 0, or ERR_IO with *why. Any thread. */
int live_erased_read(const struct redis_options *redis, uint64_t most_us, json_t *nodes,
	json_t *done, struct buf *why);

/* The entries that a daemon without a state file accepted from Redis at its start. */
enum live_past {
	LIVE_PAST_OWN, /* no entries were read: the daemon had its file, or Redis has no
			* entries either */
	LIVE_PAST_NEW, /* this node is new, and took the entries of Redis */
	/* this node took the entries of Redis; it had a file before, and entries that only the
	 * file had are lost */
	LIVE_PAST_LOST,
};
/* *entries: how many entries were accepted. Any thread. */
enum live_past live_sync_past(struct live_sync *s, size_t *entries);

#define LIVE_NODES_KEY	 "tollgate:{live}:nodes"
#define LIVE_ENTRIES_KEY "tollgate:{live}:entries"
#define LIVE_VERSION_KEY "tollgate:{live}:version"
#define LIVE_ERASED_KEY	 "tollgate:{live}:erased"

#endif
