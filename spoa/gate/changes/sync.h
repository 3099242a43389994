/* Brings entries to the other daemons by Redis, and theirs here: a thread of its own. All of
 * them are fields of one hash, tollgate:{live}:entries; each change counts
 * tollgate:{live}:version up, which every daemon reads three times a second, and the hash where
 * it is another, or after ten seconds. What Redis lost, or an old copy of it brought back, is
 * written anew by whoever knows better. */
#ifndef GATE_CHANGES_SYNC_H
#define GATE_CHANGES_SYNC_H

#include "base/redis/turns.h"
#include "gate/changes/live.h"

struct live_sync;

/* Starts the thread. The options are copied. Redis may be away. NULL with *why. */
struct live_sync *live_sync_start(
	struct live *l, const struct redis_options *redis, struct buf *why);
void live_sync_stop(struct live_sync **s);
/* For turns_first(), after which is known what was revoked while this daemon was down,
 * turns_wait() and turns_up(). Any thread. */
struct turns *live_sync_turns(struct live_sync *s);
/* The key that somebody else wrote and that was written anew within ten minutes; NULL: none. */
const char *live_sync_righted(struct live_sync *s);

/* Which nodes have carried out which erasures, as Redis says it: names of nodes to `nodes`, an
 * array; to `done`, an object, "NODE/ERASURE": "SERIAL TIME". Asks by a connection of its own,
 * each command at most most_us, all at most six times as long, and takes at most 64 MB. 0, or
 * ERR_IO with *why. Any thread. */
int live_erased_read(const struct redis_options *redis, uint64_t most_us, json_t *nodes,
	json_t *done, struct buf *why);

/* What a daemon whose file was not there at the start believes. */
enum live_past {
	LIVE_PAST_OWN,	/* nothing: it had its file, or Redis has no entries either */
	LIVE_PAST_NEW,	/* Redis; this node was never there */
	LIVE_PAST_LOST, /* Redis; this node had a file: what only that knew is lost */
};
/* *entries: how many it believes. Any thread. */
enum live_past live_sync_past(struct live_sync *s, size_t *entries);

#define LIVE_NODES_KEY	 "tollgate:{live}:nodes"
#define LIVE_ENTRIES_KEY "tollgate:{live}:entries"
#define LIVE_VERSION_KEY "tollgate:{live}:version"
#define LIVE_ERASED_KEY	 "tollgate:{live}:erased"

#endif
