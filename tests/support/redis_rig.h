/* A private redis-server on a socket, for a test. If the program is missing, the test prints so
 * and skips. */
#ifndef TESTS_REDIS_RIG_H
#define TESTS_REDIS_RIG_H

#include "base/buf.h"
#include "base/err.h"
#include "base/redis/redis.h"
#include "base/redis/redis_find.h"
#include "base/redis/redis_sync.h"
#include "support/child.h"

struct redis_rig {
	char socket[100], url[128];
	pid_t pid;
	redisContext *c;
};

/* Returns true if the server program exists. */
bool redis_rig_installed(void);

/* Starts an empty server in `folder` and waits until it answers. */
void redis_rig_start(struct redis_rig *r, const char *folder);

/* Kills the server, if it runs. */
void redis_rig_stop(struct redis_rig *r);

/* Runs a command. Returns its integer, or the number of elements; -1: an error. */
__attribute__((format(printf, 2, 3))) long long redis_rig_do(
	struct redis_rig *r, const char *fmt, ...);

/* Makes a client from a URL (base/redis/redis_options.h). Returns NULL also if the URL is not
 * valid. */
struct redis *redis_new(
	struct ev_loop *loop, const char *url, uint64_t deadline_us, struct metrics *m);

#endif
