/* TLS to Redis. hiredis has it from 1.0 on, in a library of its own; on Debian 12,
 * whose hiredis is 0.14, haproxy/redis-tls.cfg speaks it for us. */
#ifndef BASE_REDIS_REDIS_TLS_H
#define BASE_REDIS_REDIS_TLS_H

#include <hiredis/hiredis.h>

#include "base/buf.h"
#include "base/redis/redis_options.h"

/* This build can. */
extern const bool redis_tls_built;
/* Why not, and what to do. */
#define REDIS_TLS_MISSING                                                                      \
	"this build's hiredis has no TLS (1.0 and later have): load redis-tls.cfg into "       \
	"HAProxy and set unix:/run/tollgate/redis-tls.sock (operations.md)"

struct redis_tls;
/* owner: one thread. NULL: out of memory. */
struct redis_tls *redis_tls_new(const struct redis_options *o);
void redis_tls_free(struct redis_tls **t);
/* What was wrong with the certificate of the last server; NULL: nothing is known. */
const char *redis_tls_verdict(const struct redis_tls *t);
/* Begins TLS on a context that is connected or connecting; the certificate must be of a known
 * authority and name `host` (or tls_name). Files that changed are read anew. 0, or negative
 * with *why. */
int redis_tls_begin(struct redis_tls *t, redisContext *c, const char *host, struct buf *why);

#endif
