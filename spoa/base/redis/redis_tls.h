/* TLS to Redis. hiredis supports TLS from 1.0 on, in a separate library. On Debian 12, which has
 * hiredis 0.14, HAProxy makes the TLS connection (haproxy/redis-tls.cfg). */
#ifndef BASE_REDIS_REDIS_TLS_H
#define BASE_REDIS_REDIS_TLS_H

#include <hiredis/hiredis.h>

#include "base/buf.h"
#include "base/redis/redis_options.h"

/* Whether this build supports TLS. */
extern const bool redis_tls_built;
/* The message for a build without TLS. */
#define REDIS_TLS_MISSING                                                                      \
	"this build's hiredis has no TLS (1.0 and later have): load redis-tls.cfg into "       \
	"HAProxy and set unix:/run/tollgate/redis-tls.sock (operations.md)"

struct redis_tls;
/* owner: one thread. Borrows the options. Returns NULL if memory is exhausted. */
struct redis_tls *redis_tls_new(const struct redis_options *o);
void redis_tls_free(struct redis_tls **t);
/* Returns what was wrong with the certificate of the last server; NULL: nothing is known. */
const char *redis_tls_verdict(const struct redis_tls *t);
/* Begins TLS on a context that is connected or connecting. The certificate must be signed by a
 * known authority and name `host` (or tls_name). Files that have changed are read again. Returns
 * 0, or a negative error with *why. */
int redis_tls_begin(struct redis_tls *t, redisContext *c, const char *host, struct buf *why);

#endif
