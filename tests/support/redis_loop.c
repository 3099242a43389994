/* The asynchronous Redis client in a test: turns one loop until the client is ready, or until a
 * reply has arrived. */
#include <stdarg.h>

#include "support/redis_loop.h"

struct ev_loop *test_loop;

struct metrics metrics;

static void
on_turn(struct ev_loop *l, ev_timer *t, int revents)
{
	(void)l;
	(void)t;
	(void)revents;
}

bool
loop_until(struct redis *r, bool want, unsigned ms)
{
	uint64_t until = clock_mono_us() + ms * 1000ull;
	ev_timer t;

	ev_timer_init(&t, on_turn, 0.005, 0.005);
	ev_timer_start(test_loop, &t);
	while (redis_ready(r) != want && clock_mono_us() < until)
		ev_run(test_loop, EVRUN_ONCE);
	ev_timer_stop(test_loop, &t);
	return redis_ready(r) == want;
}

bool
loop_becomes(struct redis *r, bool want)
{
	return loop_until(r, want, PATIENT_MS);
}

static void
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

struct told
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
		ev_run(test_loop, EVRUN_ONCE);
	return t;
}

struct told
redis_count_up(struct redis *r, const char *key)
{
	return told(r, "INCRBY", key, "1", NULL);
}

struct redis *
loop_begin_with(const struct redis_options *o, uint64_t deadline_us)
{
	struct redis_finder *f = redis_finder_new(o);
	struct redis *r = redis_new_at(test_loop, f, deadline_us, &metrics);

	INVARIANT(r);
	redis_finder_free(&f);
	return r;
}

struct redis *
loop_begin(const struct redis_options *o)
{
	return loop_begin_with(o, PATIENT_MS * 1000ull);
}

struct redis_options
loop_options(const char *fmt, ...)
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
