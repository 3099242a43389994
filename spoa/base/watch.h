/* Notices when files change. The files are checked with stat() twice a second on a loop, which
 * works on every file system and for files that are replaced. owner: one thread. */
#ifndef BASE_WATCH_H
#define BASE_WATCH_H

#include <ev.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/span.h"

struct watch;

/* `changed` runs on the loop with the name of a file that changed and then stayed the same for
 * one check, so that a file is not read while it is being written. Returns NULL if memory is
 * exhausted. */
struct watch *watch_new(
	struct ev_loop *loop, void (*changed)(void *arg, const char *file), void *arg);
void watch_free(struct watch **w);
/* Watches these files and folders from now on; each name ends with a NUL, and duplicates are
 * ignored. In a folder, its *.yaml are watched. `also`: keeps watching the previous files too. A
 * file that changed at or after `since_ns` (the wall time at which reading began), and not in
 * the future, counts as changed. Returns false if memory is exhausted or for more than
 * CAP_WATCHED files; the first ones are then watched. */
bool watch_files(struct watch *w, struct span files, bool also, int64_t since_ns);
/* Watches no file any more. */
void watch_nothing(struct watch *w);
size_t watch_count(const struct watch *w);

#endif
