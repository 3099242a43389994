/* Keeps pins on disk and brings them to the other daemons by Redis, and theirs here: a thread
 * of its own. A pin is a field of the hash tollgate:{pins}:entries; each change is an event of
 * the stream tollgate:{pins}:log, which every daemon reads three times a second. The first text
 * of a pin is written with HSETNX: Redis decides whose was first. Until it has said so this
 * daemon goes by what it saw itself; where Redis took another's, ours is changed from then on.
 */
#ifndef GATE_TOOLPINS_SYNC_H
#define GATE_TOOLPINS_SYNC_H

#include "base/redis/redis_options.h"
#include "gate/toolpins/approve.h"

struct tool_pins_sync;

struct tool_pins_place {
	const char *file; /* NULL: pins end with the process; made with the first pin */
	const struct redis_options *redis; /* copied; NULL: none */
	/* of lines: a state_key's, or any that stays where the file is this daemon's alone */
	unsigned char key[SHA256_BYTES];
};

/* Reads the file and starts the thread. Redis may be away. NULL with *why: the file cannot be
 * read, or holds lines that do not verify: then approvals would be forgotten. */
struct tool_pins_sync *tool_pins_sync_start(
	struct tool_pins *p, const struct tool_pins_place *place, struct buf *why);
void tool_pins_sync_stop(struct tool_pins_sync **s);
/* Waits until it has looked once, at most so long. */
void tool_pins_sync_first(struct tool_pins_sync *s, uint64_t most_us);
/* Waits until disk and Redis have what was approved before the call, at most so long; false:
 * one of them has not, *why which. */
bool tool_pins_sync_wait(struct tool_pins_sync *s, uint64_t most_us, struct buf *why);
/* False, with *why: Redis or the file does not take them. Any thread. */
bool tool_pins_sync_up(struct tool_pins_sync *s, struct buf *why);

#define TOOL_PINS_ENTRIES_KEY "tollgate:{pins}:entries"
#define TOOL_PINS_LOG_KEY     "tollgate:{pins}:log"

#endif
