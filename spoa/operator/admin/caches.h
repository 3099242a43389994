/* GET /cache and POST /cache/purge: what the cache of answers has and gave, and what goes at
 * once. A Redis is waited for on a thread of each call's own, while its connection is
 * suspended. */
#ifndef OPERATOR_ADMIN_CACHES_H
#define OPERATOR_ADMIN_CACHES_H

#include "gate/changes/erasing.h"
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

/* For erasing_serves(), with the server as their argument. */
extern const struct erasing_caches caches_of_erasures;
/* Computes the name of the person in that part. Daemons with the same state_key compute the same. */
void caches_name(struct server *s, enum live_part part, struct span person,
	unsigned char out[LIVE_NAME_BYTES]);
/* Waits up to most_us until no erasure is deleting anything. `all` may be NULL. */
void caches_wait_forgotten(struct caches *all, uint64_t most_us);

admin_begin_fn caches_stats;
/* route, person, older: entries of which all are true; or all. */
admin_begin_fn caches_purge;

#endif
