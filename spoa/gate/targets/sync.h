/* Shares the state of targets with the other daemons through Redis, once a second, on a
 * thread of its own (tg-targets).
 *
 * For each target, tollgate:{targets}:of:NAME has a text of gate/targets/share.h. If a
 * caller's attempts fail, tollgate:{targets}:callers:NAME has the target's callers.
 * tollgate:{targets}:probe:NAME is the lease of the only probe. If Redis does not answer,
 * each daemon continues on its own. */
#ifndef GATE_TARGETS_SYNC_H
#define GATE_TARGETS_SYNC_H

#include "base/metrics.h"
#include "base/redis/redis_options.h"
#include "gate/targets/state.h"

struct target_sync;

/* Starts the thread. The options are copied, the other arguments are borrowed. Redis may be
 * unreachable. Returns NULL with *why. */
struct target_sync *target_sync_start(struct target_table *t, const char *node,
	const struct redis_options *redis, struct metrics *m, struct buf *why);
/* Waits until Redis was read once, but at most most_us. Ejections by hand are known then. */
void target_sync_first(struct target_sync *s, uint64_t most_us);
/* Shares a change by hand at once. `s` may be NULL. Any thread. */
void target_sync_soon(struct target_sync *s);
void target_sync_stop(struct target_sync **s);

#define TARGET_FACTS_KEY   "tollgate:{targets}:of:"
#define TARGET_CALLERS_KEY "tollgate:{targets}:callers:"
#define TARGET_PROBE_KEY   "tollgate:{targets}:probe:"

#endif
