/* Compares the policy's files on disk with the policy in force. With `policy_watch: false`, an
 * edited file changes nothing until somebody orders a reload. Until then, `tollgate status`,
 * the console and the metric tollgate_policy_differs show the difference by rules. */
#ifndef OPERATOR_RELOAD_EDITED_H
#define OPERATOR_RELOAD_EDITED_H

#include <ev.h>
#include <pthread.h>

#include "base/file_set.h"
#include "base/tag.h"

struct config;
struct watch;

/* owner: main, except for members that `lock` guards */
struct edited {
	struct tag tag;
	struct watch *watch;
	/* the files of the policy in force, borrowed; NULL: nothing is compared */
	const struct file_set *in_force;
	struct arena names; /* holds `policy` and `shadow` */
	/* paths as in the configuration; NULL: no shadow policy */
	const char *policy, *shadow;
	pthread_mutex_t lock; /* guards `since_ns` and `what` */
	/* wall time at which the difference was noticed; 0: no difference */
	int64_t since_ns;
	struct buf what; /* text of the difference, for example "rules no-secrets, pii" */
};

/* Returns 0 or ERR_NOMEM. */
int edited_init(struct edited *e, struct ev_loop *loop);
/* Ends the comparison and frees everything. */
void edited_free(struct edited *e);
/* Compares `files` (each followed by a NUL) with `in_force`, which was read at `read_ns` (wall
 * time), from now until the next call. The set is borrowed, `cfg` is not. */
void edited_compare(struct edited *e, struct span files, const struct file_set *in_force,
	const struct config *cfg, int64_t read_ns);
/* Compares the files now, without waiting for a change. For a start that took the kept text. */
void edited_look(struct edited *e);
/* Stops the comparison until the next edited_compare(). */
void edited_nothing(struct edited *e);
/* Appends how the files on disk differ from this set, for example "rules no-secrets, pii", or
 * nothing if they do not. `policy` and `shadow` (NULL: none) are the paths in tollgate.yaml. Any
 * thread. */
void edited_differences(const struct file_set *in_force, const char *policy, const char *shadow,
	struct buf *out);
/* Returns the wall time in ns since which the files differ, and appends the difference to *what
 * (may be NULL). Returns 0 if they are equal. Any thread. */
int64_t edited_since(struct edited *e, struct buf *what);

#endif
