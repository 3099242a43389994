/* Keeps pins on disk and exchanges them with the other daemons through Redis, on a thread of
 * its own (tg-pins).
 *
 * A pin is a field of the hash tollgate:{pins}:entries. Each change is an event of the stream
 * tollgate:{pins}:log, which every daemon reads about three times a second. The first text of
 * a pin is written with HSETNX, so that Redis decides which daemon's text was first. Until
 * Redis has decided, this daemon uses the text that it saw itself. If Redis has another text,
 * ours counts as changed from then on. */
#ifndef GATE_TOOLPINS_SYNC_H
#define GATE_TOOLPINS_SYNC_H

#include "base/redis/redis_options.h"
#include "gate/toolpins/approve.h"

struct tool_pins_sync;

struct tool_pins_place {
	/* NULL: pins are lost with the process. The file is created with the first pin. */
	const char *file;
	/* the file of the other instance, whose pins are joined with ours; NULL: none */
	const char *other;
	const struct redis_options *redis; /* copied; NULL: pins are not shared */
	/* signs the lines: the state_key, or a key of this daemon if only this daemon uses
	 * the file */
	unsigned char key[SHA256_BYTES];
};

/* Reads the file and starts the thread. Redis may be unreachable. Returns NULL with *why if
 * the file cannot be read or has lines that do not verify, because approvals would then be
 * forgotten. */
struct tool_pins_sync *tool_pins_sync_start(
	struct tool_pins *p, const struct tool_pins_place *place, struct buf *why);
void tool_pins_sync_stop(struct tool_pins_sync **s);
/* Waits until the thread has made its first pass, but at most most_us. `s` may be NULL. */
void tool_pins_sync_first(struct tool_pins_sync *s, uint64_t most_us);
/* Waits, at most most_us, until disk and Redis have the approvals made before the call.
 * Returns false if one of them has not; *why names it. */
bool tool_pins_sync_wait(struct tool_pins_sync *s, uint64_t most_us, struct buf *why);
/* Returns false, with *why, if Redis or the file does not accept pins. Any thread. */
bool tool_pins_sync_up(struct tool_pins_sync *s, struct buf *why);

#define TOOL_PINS_ENTRIES_KEY "tollgate:{pins}:entries"
#define TOOL_PINS_LOG_KEY     "tollgate:{pins}:log"

#endif
