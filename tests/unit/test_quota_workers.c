/* The workers of one daemon, each with its own loop: one of them watches Redis while nothing is
 * requested, the others rest. They learn in time what the watcher notices. */
#include <stdlib.h>

#include "budget/quota/quota_lives.h"
#include "support/quota_rig.h"

enum { WORKERS = 3, LIMIT = 1000, N = 100, WATCHES_MS = 200, RESTS_MS = 1000 };

static struct {
	struct ev_loop *loop[WORKERS];
	struct line line[WORKERS];
	struct redis_finder *finder;
	struct quota_daemon daemon;
} d;

/* Turns only this worker's loop. */
static void
turns_of(int k, unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		ev_run(d.loop[k], EVRUN_NOWAIT);
		mailbox_drain(&self, NULL);
		usleep(300);
	}
}

#define TURN_UNTIL(condition)                                                                  \
	do {                                                                                   \
		uint64_t until_ = clock_mono_us() + RIG_PATIENT_US;                            \
		while (!(condition) && clock_mono_us() < until_)                               \
			for (int k_ = 0; k_ < WORKERS; k_++)                                   \
				turns_of(k_, 1);                                               \
		assert_true(condition);                                                        \
	} while (0)

static int
watchers(void)
{
	int n = 0;

	for (int k = 0; k < WORKERS; k++)
		n += d.line[k].redis->f->every_ms == WATCHES_MS;
	return n;
}

static int
resting(void)
{
	int n = 0;

	for (int k = 0; k < WORKERS; k++)
		n += d.line[k].redis->f->every_ms == RESTS_MS;
	return n;
}

static int
the_watcher(void)
{
	for (int k = 0; k < WORKERS; k++)
		if (d.line[k].redis->f->every_ms == WATCHES_MS)
			return k;
	return -1;
}

/* Waits until everything sent is answered, so that only a wake-up or a timer can follow. */
static bool
quiet(void)
{
	bool any = false;

	for (int k = 0; k < WORKERS; k++)
		any |= ev_is_active(&d.line[k].redis->f->often) ||
		       ev_async_pending(&d.line[k].redis->f->listener.wake);
	return !any;
}

static void
daemon_up(void)
{
	struct redis_options o;

	memset(&d, 0, sizeof(d));
	assert_int_equal(redis_options_url(&o, server.url), 0);
	d.finder = redis_finder_new(&o);
	assert_non_null(d.finder);
	d.daemon.node = 7;
	d.daemon.process = redis_life_draw();
	for (int k = 0; k < WORKERS; k++) {
		struct line *l = &d.line[k];
		d.loop[k] = ev_loop_new(EVFLAG_AUTO);
		l->redis = redis_new_at(d.loop[k], d.finder, RIG_PATIENT_US, &l->m);
		l->quota = quota_new(l->redis, NULL, &self, &l->m);
		quota_together(l->quota, WORKERS, 1);
		quota_beside(l->quota, &d.daemon, (unsigned)k);
	}
	TURN_UNTIL(watchers() == 1 && resting() == WORKERS - 1 &&
		   d.daemon.members >> 48 == WORKERS && quiet());
}

static void
daemon_down(void)
{
	for (int k = 0; k < WORKERS; k++) {
		if (d.line[k].quota)
			line_down(&d.line[k]);
		ev_loop_destroy(d.loop[k]);
	}
	redis_finder_free(&d.finder);
}

static enum quota_result
asked_of(int k)
{
	struct ask a;
	uint64_t until = clock_mono_us() + 2ull * RIG_PATIENT_US;

	ask(d.line[k].quota, &a, 1000, LIMIT, N);
	while (!a.done && clock_mono_us() < until)
		for (int i = 0; i < WORKERS; i++)
			if (d.line[i].quota)
				turns_of(i, 1);
	assert_true(a.done);
	return a.q.result;
}

/* Returns true if the worker's loop would not wait any longer. */
static bool
is_woken(int k)
{
	return ev_async_pending(&d.line[k].redis->f->listener.wake);
}

static bool
asks(int k)
{
	struct redis *r = d.line[k].redis;

	return !TAILQ_EMPTY(&r->f->sent) || redis_conn_waits(r);
}

/* A resting worker has one turn per second. When the watcher finds another epoch, all workers
 * are woken and add their admitted amounts to it, although they get no request. */
static void
resting_workers_are_woken_for_a_new_epoch(void **state)
{
	NEEDS_REDIS;
	daemon_up();
	for (int i = 0; i < 7; i++)
		assert_int_equal(asked_of(i % WORKERS), QUOTA_ADMITTED);
	TURN_UNTIL(watchers() == 1 && resting() == WORKERS - 1 && quiet());
	int w = the_watcher();
	uint64_t doubts = d.daemon.doubts, epoch = redis_life(d.line[w].redis)->epoch;
	redis_rig_do(&server, "FLUSHALL");
	uint64_t until = clock_mono_us() + RIG_PATIENT_US;
	while (d.daemon.doubts == doubts && clock_mono_us() < until)
		turns_of(w, 1);
	for (int k = 0; k < WORKERS; k++)
		if (k != w) {
			assert_true(is_woken(k));
			turns_of(k, 1);
			assert_true(asks(k));
		}
	TURN_UNTIL(stored("t") == 7 * N);
	for (int k = 0; k < WORKERS; k++)
		assert_int_not_equal(redis_life(d.line[k].redis)->epoch, epoch);
	for (int i = 0; i < 4; i++)
		assert_int_equal(asked_of(i % WORKERS), i < 3 ? QUOTA_ADMITTED : QUOTA_REFUSED);
	daemon_down();
}

/* A worker with a request notices the end of an epoch in a reply and wakes the others too. */
static void
worker_that_notices_the_end_wakes_the_others(void **state)
{
	NEEDS_REDIS;
	daemon_up();
	int w = the_watcher(), asked_one = (w + 1) % WORKERS, third = (w + 2) % WORKERS;
	struct ask a;

	redis_rig_do(&server, "FLUSHALL");
	ask(d.line[asked_one].quota, &a, 1000, LIMIT, N);
	uint64_t doubts = d.daemon.doubts, until = clock_mono_us() + RIG_PATIENT_US;
	while (d.daemon.doubts == doubts && clock_mono_us() < until)
		turns_of(asked_one, 1);
	assert_true(is_woken(third));
	TURN_UNTIL(a.done);
	assert_int_equal(a.q.result, QUOTA_ADMITTED);
	daemon_down();
}

/* A worker of another daemon connects, which only the watcher notices. It admits an amount and
 * is disconnected, and Redis loses its data. The resting workers wait for it as if they had
 * noticed it themselves. */
static void
resting_workers_know_the_members_that_the_watcher_saw(void **state)
{
	enum { SETTLE_US = 5000000 };
	struct line other;

	NEEDS_REDIS;
	daemon_up();
	int w = the_watcher(), rests = (w + 1) % WORKERS;
	line_up(&other, RIG_PATIENT_US);
	assert_true(run_until_up(other.redis, RIG_PATIENT_US));
	uint64_t until = clock_mono_us() + RIG_PATIENT_US;
	while (d.daemon.members >> 48 != WORKERS + 1 && clock_mono_us() < until) {
		run_for(300);
		turns_of(w, 1);
	}
	assert_int_equal(d.daemon.members >> 48, WORKERS + 1);
	redis_rig_do(&server, "FLUSHALL");
	uint64_t began = clock_mono_us();
	assert_int_equal(asked_of(rests), QUOTA_ADMITTED); /* this worker has a long deadline */
	assert_true(clock_mono_us() - began >= SETTLE_US);
	line_down(&other);
	daemon_down();
}

/* The watcher ends, or its loop stalls: another worker takes its place. */
static void
one_worker_always_watches(void **state)
{
	NEEDS_REDIS;
	for (int stands = 0; stands < 2; stands++) {
		daemon_up();
		int w = the_watcher(), a = (w + 1) % WORKERS, b = (w + 2) % WORKERS;
		uint64_t was = d.daemon.watcher, until = clock_mono_us() + RIG_PATIENT_US;
		if (!stands) {
			line_down(&d.line[w]);
			assert_true(is_woken(a));
		}
		while ((d.daemon.watcher == was || d.daemon.watcher == 0) &&
			clock_mono_us() < until) {
			turns_of(a, 1);
			turns_of(b, 1);
		}
		assert_int_not_equal(d.daemon.watcher, was);
		assert_int_equal((d.line[a].redis->f->every_ms == WATCHES_MS) +
					 (d.line[b].redis->f->every_ms == WATCHES_MS),
			1);
		daemon_down();
	}
}

/* Returns how often Redis has run the command. */
static long
calls_of(const char *command)
{
	char stat[64];

	snprintf(stat, sizeof(stat), "cmdstat_%s:calls=", command);
	redisReply *reply = redisCommand(server.c, "INFO commandstats");
	assert_non_null(reply);
	assert_non_null(reply->str);
	const char *at = strstr(reply->str, stat);
	long calls = at ? atol(at + strlen(stat)) : 0;
	freeReplyObject(reply);
	return calls;
}

/* Without requests, a daemon of many workers costs Redis as much as one worker: the watcher
 * renews all names. A worker that ends is not renewed. */
static void
watcher_renews_the_names_of_resting_workers(void **state)
{
	enum { VALID_US = 3000000, IDLE_US = 5000000 };

	NEEDS_REDIS;
	daemon_up();
	long zadd = calls_of("zadd"), zrange = calls_of("zrange"), set = calls_of("set");
	for (uint64_t until = clock_mono_us() + IDLE_US; clock_mono_us() < until;)
		for (int k = 0; k < WORKERS; k++)
			turns_of(k, 1);
	assert_true(IDLE_US > VALID_US);
	assert_int_equal(d.daemon.members >> 48, WORKERS);
	assert_in_range(calls_of("zadd") - zadd, 2, IDLE_US / 900000 + 2);
	assert_in_range(calls_of("zrange") - zrange, 0, IDLE_US / 900000 + 2);
	assert_in_range(calls_of("set") - set, 2, IDLE_US / 900000 + WORKERS + 1);
	assert_int_equal(d.daemon.nnames, WORKERS);
	line_down(&d.line[(the_watcher() + 1) % WORKERS]);
	uint64_t ended_us = clock_mono_us(), until = ended_us + RIG_PATIENT_US;
	while ((d.daemon.members >> 48 != WORKERS - 1 || clock_mono_us() < ended_us + 1500000) &&
		clock_mono_us() < until)
		for (int k = 0; k < WORKERS; k++)
			if (d.line[k].quota)
				turns_of(k, 1);
	assert_int_equal(d.daemon.members >> 48, WORKERS - 1);
	daemon_down();
}

/* A resting worker reads no names. If Redis loses its data, the worker still waits by name for
 * the members that the watcher read: a daemon that starts in place of another one does not
 * replace it. */
static void
resting_workers_know_the_names_that_the_watcher_read(void **state)
{
	struct line other;
	struct quota_company company;
	struct quota_daemon beside = { .node = 8, .process = redis_life_draw() };

	NEEDS_REDIS;
	daemon_up();
	int rests = (the_watcher() + 1) % WORKERS;
	line_up(&other, RIG_PATIENT_US);
	quota_beside(other.quota, &beside, 0);
	assert_true(run_until_up(other.redis, RIG_PATIENT_US));
	uint64_t until = clock_mono_us() + RIG_PATIENT_US;
	while (d.daemon.nnames != WORKERS + 1 && clock_mono_us() < until) {
		run_for(300);
		for (int k = 0; k < WORKERS; k++)
			turns_of(k, 1);
	}
	assert_int_equal(d.daemon.nnames, WORKERS + 1);
	/* it does not come back, and leaves no word */
	redis_before_write(other.redis, NULL, NULL);
	redis_rig_do(&server, "FLUSHALL");
	assert_int_equal(asked_of(rests), QUOTA_ADMITTED);
	struct quota_daemon third = { .node = 9, .process = redis_life_draw() };
	struct line instead;
	line_up(&instead, RIG_PATIENT_US);
	quota_beside(instead.quota, &third, 0);
	assert_true(run_until_up(instead.redis, RIG_PATIENT_US));
	for (until = clock_mono_us() + 2500000; clock_mono_us() < until;) {
		run_for(300);
		for (int k = 0; k < WORKERS; k++)
			turns_of(k, 1);
	}
	assert_int_equal(asked_of(rests), QUOTA_ADMITTED);
	quota_company(d.line[rests].quota, &company);
	assert_int_equal(company.came, WORKERS);
	assert_int_equal(company.expected, WORKERS + 1);
	line_down(&instead);
	line_down(&other);
	daemon_down();
}

/* A place that one worker finds or learns needs no turn of the others. */
static void
new_place_of_redis_wakes_resting_workers(void **state)
{
	struct redis_place place = { .host = "127.0.0.1", .port = 1 };

	NEEDS_REDIS;
	daemon_up();
	int rests = (the_watcher() + 1) % WORKERS;
	redis_finder_report_moved(d.finder, 0, &place);
	assert_true(is_woken(rests));
	daemon_down();
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(resting_workers_are_woken_for_a_new_epoch),
		cmocka_unit_test(worker_that_notices_the_end_wakes_the_others),
		cmocka_unit_test(resting_workers_know_the_members_that_the_watcher_saw),
		cmocka_unit_test(one_worker_always_watches),
		cmocka_unit_test(watcher_renews_the_names_of_resting_workers),
		cmocka_unit_test(resting_workers_know_the_names_that_the_watcher_read),
		cmocka_unit_test(new_place_of_redis_wakes_resting_workers),
	};

	return cmocka_run_group_tests(tests, quota_setup, quota_teardown);
}
