/* The asynchronous Redis client in a test: a loop, the wait until it is ready, and a command
 * with its reply. */
#ifndef TESTS_REDIS_LOOP_H
#define TESTS_REDIS_LOOP_H

#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "base/redis/redis.h"
#include "base/redis/redis_find.h"
#include "base/redis/redis_sync.h"

extern struct ev_loop *test_loop;
extern struct metrics metrics;

/* The longest wait for a condition, and for the reply of a running Redis. */
enum { PATIENT_MS = 30000 };

/* Turns the loop until the client is ready (or, with !want, no longer ready), at most `ms`. */
bool loop_until(struct redis *r, bool want, unsigned ms);

/* Waits for the state, however long that takes. */
bool loop_becomes(struct redis *r, bool want);

struct told {
	int err, reply;
	int64_t i;
	struct redis_reply_ints first;
	bool done;
};

/* Sends a pipeline with one command of these words, which end with NULL. */
struct told told(struct redis *r, ...);

/* Sends INCRBY by one and returns the reply. */
struct told redis_count_up(struct redis *r, const char *key);

/* Makes a client. `deadline_us`: how long it waits for a reply. */
struct redis *loop_begin_with(const struct redis_options *o, uint64_t deadline_us);

/* Makes a client that waits PATIENT_MS for a reply. */
struct redis *loop_begin(const struct redis_options *o);

__attribute__((format(printf, 1, 2))) struct redis_options loop_options(const char *fmt, ...);

#endif
