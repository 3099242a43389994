/* The asynchronous Redis client in a test: a loop, the wait until it is ready, and a command
 * with its reply. */
#ifndef TESTS_REDIS_LOOP_H
#define TESTS_REDIS_LOOP_H

#include <stdarg.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "base/redis/redis.h"
#include "base/redis/redis_find.h"
#include "base/redis/redis_sync.h"

static struct ev_loop *loop;
static struct metrics metrics;

static inline void
on_turn(struct ev_loop *l, ev_timer *t, int revents)
{
	(void)l;
	(void)t;
	(void)revents;
}

/* The longest wait for a condition, and for the reply of a running Redis. */
enum { PATIENT_MS = 30000 };

/* Turns the loop until the client is ready (or, with !want, no longer ready), at most `ms`. */
static inline bool
run_until(struct redis *r, bool want, unsigned ms)
{
	uint64_t until = clock_mono_us() + ms * 1000ull;
	ev_timer t;

	ev_timer_init(&t, on_turn, 0.005, 0.005);
	ev_timer_start(loop, &t);
	while (redis_ready(r) != want && clock_mono_us() < until)
		ev_run(loop, EVRUN_ONCE);
	ev_timer_stop(loop, &t);
	return redis_ready(r) == want;
}

/* Waits for the state, however long that takes. */
static inline bool
becomes(struct redis *r, bool want)
{
	return run_until(r, want, PATIENT_MS);
}

struct told {
	int err, reply;
	int64_t i;
	struct redis_reply_ints first;
	bool done;
};

static inline void
on_told(void *arg, int err, const struct redis_reply_ints *replies, size_t n)
{
	struct told *t = *(struct told *const *)arg;

	t->err = err;
	t->i = -1;
	if (n) {
		t->first = replies[0];
		t->reply = replies[0].err;
		t->i = replies[0].i;
	}
	t->done = true;
}

/* Sends a pipeline with one command of these words, which end with NULL. */
static inline struct told
told(struct redis *r, ...)
{
	struct told t = { 0 }, *arg = &t;
	const char *argv[20];
	size_t lens[20];
	int n = 0;
	va_list ap;

	va_start(ap, r);
	while ((argv[n] = va_arg(ap, const char *))) {
		lens[n] = strlen(argv[n]);
		n++;
	}
	va_end(ap);
	struct redis_pipe *p = redis_begin(r, 1, on_told, &arg, sizeof(arg));
	redis_command(p, n, argv, lens);
	redis_send(p);
	while (!t.done)
		ev_run(loop, EVRUN_ONCE);
	return t;
}

/* Sends INCRBY by one and returns the reply. */
static inline struct told
count(struct redis *r, const char *key)
{
	return told(r, "INCRBY", key, "1", NULL);
}

static inline struct redis *
begin_with(const struct redis_options *o, uint64_t deadline_us)
{
	struct redis_finder *f = redis_finder_new(o);
	struct redis *r = redis_new_at(loop, f, deadline_us, &metrics);

	INVARIANT(r);
	redis_finder_free(&f);
	return r;
}

static inline struct redis *
begin(const struct redis_options *o)
{
	return begin_with(o, PATIENT_MS * 1000ull);
}

__attribute__((format(printf, 1, 2))) static inline struct redis_options
options(const char *fmt, ...)
{
	struct redis_options o;
	char url[600];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(url, sizeof(url), fmt, ap);
	va_end(ap);
	INVARIANT(redis_options_url(&o, url) == 0);
	return o;
}

#endif
