/* GET /cache and POST /cache/purge: what the cache of answers has and gave, and what goes at
 * once. A Redis is waited for on a thread of each call's own, while its connection is
 * suspended. */
#ifndef OPERATOR_ADMIN_CACHES_H
#define OPERATOR_ADMIN_CACHES_H

#include "operator/admin/endpoint.h"

struct caches; /* the calls under way; any thread */
struct admin;
struct caches *admin_caches(struct admin *a);

/* NULL: out of memory. */
struct caches *caches_new(void);
/* What is under way ends soon, and nothing begins any more. Before the doors close: no
 * connection is suspended by it from then on. */
void caches_stop(struct caches *all);
void caches_free(struct caches **all);

/* That person's entries go, of this process now, those of a Redis soon: the log says whether.
 * For an erasure, whose own record is all that is written of it. `all` may be NULL (struct
 * server): there is no cache yet. */
void caches_forget(struct caches *all, struct server *s, struct span person);

admin_begin_fn caches_stats;
/* route, person, older: entries of which all are true; or all. */
admin_begin_fn caches_purge;

#endif
