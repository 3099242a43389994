/* Tells the other daemons by Redis how targets do, and is told: a thread of its own, once a
 * second. A text of gate/targets/share.h for each target, at tollgate:{targets}:of:NAME, and of its
 * callers, where one fails, at tollgate:{targets}:callers:NAME; the lease of the one probe at
 * tollgate:{targets}:probe:NAME. Where Redis is away each daemon goes on alone.
 */
#ifndef GATE_TARGETS_SYNC_H
#define GATE_TARGETS_SYNC_H

#include "base/metrics.h"
#include "base/redis/redis_options.h"
#include "gate/targets/state.h"

struct target_sync;

/* The options are copied, `node` is not. Redis may be away. NULL with *why. */
struct target_sync *target_sync_start(struct target_table *t, const char *node,
	const struct redis_options *redis, struct metrics *m, struct buf *why);
/* Waits until it has asked once, at most so long: what was ejected by hand is known then. */
void target_sync_first(struct target_sync *s, uint64_t most_us);
/* Something was said by hand: it is told at once. NULL: nothing. Any thread. */
void target_sync_soon(struct target_sync *s);
void target_sync_stop(struct target_sync **s);

#define TARGET_FACTS_KEY   "tollgate:{targets}:of:"
#define TARGET_CALLERS_KEY "tollgate:{targets}:callers:"
#define TARGET_PROBE_KEY   "tollgate:{targets}:probe:"

#endif
