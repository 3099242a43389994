/* GET /cache and POST /cache/purge: contents and use of the response cache, and removal of
 * entries. A request that needs Redis gets a thread of its own and suspends its connection
 * meanwhile. This file also removes entries for erasures of persons. */
#ifndef OPERATOR_ADMIN_CACHES_H
#define OPERATOR_ADMIN_CACHES_H

#include "gate/changes/erasing.h"
#include "operator/admin/endpoint.h"

struct caches; /* running jobs; any thread may use it */
struct admin;
/* Returns the admin server's jobs. */
struct caches *admin_caches(struct admin *a);

/* Returns NULL if memory is exhausted. */
struct caches *caches_new(void);
/* Waits until the running jobs have ended and refuses new ones. Call this before the doors
 * close: afterwards no connection is suspended for a job. */
void caches_stop(struct caches *all);
void caches_free(struct caches **all);

/* The functions for erasing_serves(), whose argument is the server. */
extern const struct erasing_caches caches_of_erasures;
/* Computes the name under which this part keeps entries of the person. Daemons with the same
 * state_key compute the same name. */
void caches_name(struct server *s, enum live_part part, struct span person,
	unsigned char out[LIVE_NAME_BYTES]);
/* Waits up to most_us until no erasure is deleting entries. `all` may be NULL. */
void caches_wait_forgotten(struct caches *all, uint64_t most_us);

/* GET /cache. */
admin_begin_fn caches_stats;
/* POST /cache/purge. Parameters: `route`, `person`, `older`; entries that match all given ones
 * are removed. Or `all`. */
admin_begin_fn caches_purge;

#endif
