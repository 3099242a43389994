/* Whether the files of the policy differ from what is in force, and in which rules. With
 * `policy_watch: false` an edited file changes nothing until somebody orders a reload; `tollgate
 * status`, the console and the metric tollgate_policy_differs show that the edit waits. */
#ifndef OPERATOR_RELOAD_EDITED_H
#define OPERATOR_RELOAD_EDITED_H

#include <ev.h>
#include <pthread.h>

#include "base/file_set.h"
#include "base/tag.h"

struct config;
struct watch;

/* owner: main, except what `lock` guards */
struct edited {
	struct tag tag;
	struct watch *watch;
	const struct file_set *in_force; /* borrowed; NULL: nothing is compared */
	struct arena names;		 /* holds the two that follow */
	const char *policy, *shadow;	 /* as the configuration names them; NULL: no shadow policy */
	pthread_mutex_t lock;		 /* of what follows */
	int64_t since_ns;		 /* wall ns at which it was noticed; 0: no difference */
	struct buf what;		 /* "rules no-secrets, pii" */
};

/* 0 or ERR_NOMEM. */
int edited_init(struct edited *e, struct ev_loop *loop);
void edited_free(struct edited *e);
/* From now on `files` (each with a NUL after it) are compared with `in_force`, which was read at
 * `read_ns` (wall time), until the next call. The set is borrowed, `cfg` is not. */
void edited_compare(struct edited *e, struct span files, const struct file_set *in_force,
	const struct config *cfg, int64_t read_ns);
/* Nothing is compared any more. */
void edited_nothing(struct edited *e);
/* Returns since when the files differ, in wall ns, with what differs appended to *what (may be
 * NULL); 0: they do not. Any thread. */
int64_t edited_since(struct edited *e, struct buf *what);

#endif
