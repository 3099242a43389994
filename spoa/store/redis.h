/* One asynchronous Redis connection on a libev loop (hiredis 0.14 and 1.x):
 * reconnects by itself, gives every pipeline a deadline, and breaks the circuit
 * while Redis is away so that callers fail at once. owner: one thread. */
#ifndef STORE_REDIS_H
#define STORE_REDIS_H

#include <ev.h>

#include "base/metrics.h"
#include "base/span.h"

struct redis;
struct redisReply;

/* url: "unix:/path[?db=N]" or "redis://[:password@]host[:port][/db]". NULL:
 * not understood (see redis_url_check). Connecting begins at once. */
struct redis *redis_new(struct ev_loop *loop, const char *url, uint64_t deadline_us, struct metrics *m);
void redis_free(struct redis **r);
/* 0, or ERR_SYNTAX. */
int redis_url_check(const char *url);
bool redis_up(const struct redis *r);

/* A pipeline: begin, add commands, send. The callback runs exactly once, on the
 * loop: err 0 with one reply a command (valid during the call; an individual
 * reply may be an error), or ERR_TIMEOUT, ERR_IO (breaker open, connection
 * lost). It never runs inside redis_send. A late reply is dropped. */
typedef void redis_cb(void *arg, int err, struct redisReply **replies, size_t n);
struct redis_pipe;
struct redis_pipe *redis_begin(struct redis *r, redis_cb *cb, void *arg);
void redis_command(struct redis_pipe *p, int argc, const char **argv, const size_t *lens);
__attribute__((format(printf, 2, 3))) void redis_commandf(struct redis_pipe *p, const char *fmt, ...); /* words split at blanks; arguments must hold none */
void redis_send(struct redis_pipe *p);

#endif
