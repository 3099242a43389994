/* Files whose change is noticed: looked at twice a second on a loop, which works on every
 * file system and for files that are replaced, and costs a stat() each. owner: one thread. */
#ifndef BASE_WATCH_H
#define BASE_WATCH_H

#include <ev.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/span.h"

struct watch;

/* `changed` runs on the loop with the name of one file that changed and then stayed the same
 * for one look, so that what is being written is not read half. NULL: out of memory. */
struct watch *watch_new(
	struct ev_loop *loop, void (*changed)(void *arg, const char *file), void *arg);
void watch_free(struct watch **w);
/* From now on these files and folders (each with a NUL after it; twice is once), of a folder
 * its *.yaml. `also`: those that were watched before too. What changed at or after `since_ns`
 * (wall time at which reading them began), and not later than now, counts as changed since. False: out of memory, or
 * more than CAP_WATCHED; then the first ones are watched. */
bool watch_files(struct watch *w, struct span files, bool also, int64_t since_ns);
/* None any more. */
void watch_nothing(struct watch *w);
size_t watch_count(const struct watch *w);

#endif
