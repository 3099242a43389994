/* Limits on a real Redis that is busy, stopped, killed, loading or locked, and on
 * one that speaks as the test wants. */
#include <arpa/inet.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/clock.h"
#include "base/log.h"
#include "gate/quota.h"
#include "support/redis_rig.h"

static void
dim_set(struct quota_dim *d, const char *name, uint64_t limit, uint64_t window_s, uint64_t n)
{
	*d = (struct quota_dim){ .limit = limit, .window_s = window_s, .n = n, .name = name };
	snprintf(d->key, sizeof(d->key), "tollgate:q:{%s:0123}", name);
}

static char dir[64];
static struct redis_rig server;
static struct ev_loop *loop;
static struct mailbox self;

static int
setup(void **state)
{
	(void)state;
	log_setup(LOG_LOGFMT, LOG_ERROR);
	snprintf(dir, sizeof(dir), "/tmp/tollgate-quota-XXXXXX");
	if (!mkdtemp(dir))
		return -1;
	loop = ev_loop_new(EVFLAG_AUTO);
	mailbox_init(&self, NULL, NULL);
	if (redis_rig_installed())
		redis_rig_start(&server, dir);
	else
		print_message("redis-server is not installed: tests on it are skipped\n");
	return 0;
}

static int
teardown(void **state)
{
	char cmd[128];

	(void)state;
	redis_rig_stop(&server);
	ev_loop_destroy(loop);
	snprintf(cmd, sizeof(cmd), "rm -rf '%s'", dir);
	return system(cmd);
}

#define NEEDS_REDIS                                                                            \
	do {                                                                                   \
		(void)state;                                                                   \
		if (!server.pid)                                                               \
			skip();                                                                \
		redis_rig_do(&server, "FLUSHALL");                                             \
	} while (0)

static void
run_for(uint64_t us)
{
	uint64_t until = clock_mono_us() + us;

	while (clock_mono_us() < until) {
		ev_run(loop, EVRUN_NOWAIT);
		mailbox_drain(&self, NULL);
		usleep(300);
	}
}

static bool
run_until_up(struct redis *r, uint64_t us)
{
	uint64_t until = clock_mono_us() + us;

	while (!(redis_up(r) && redis_life(r)->epoch) && clock_mono_us() < until)
		run_for(1000);
	return redis_up(r);
}

struct ask {
	struct quota_request q;
	bool done;
	uint64_t sent_us, done_us;
};

static void
asked(struct quota_request *q)
{
	struct ask *a = q->arg;

	assert_false(a->done);
	a->done = true;
	a->done_us = clock_mono_us();
}

static void
ask(struct quota *qt, struct ask *a, uint64_t requests, uint64_t tokens, uint64_t n)
{
	*a = (struct ask){ .sent_us = clock_mono_us() };
	a->q.ndims = tokens ? 2 : 1;
	dim_set(&a->q.dim[0], "r", requests, 60, 1);
	dim_set(&a->q.dim[1], "t", tokens, 60, n);
	a->q.dim[1].kind = QUOTA_TOKENS;
	a->q.done = asked;
	a->q.arg = a;
	quota_reserve(qt, &a->q);
	assert_false(a->done);
}

static void
ask_wait(struct quota *qt, struct ask *a, uint64_t requests, uint64_t tokens, uint64_t n)
{
	ask(qt, a, requests, tokens, n);
	for (int i = 0; i < 20000 && !a->done; i++)
		run_for(300);
	assert_true(a->done);
}

/* Sum of all keys that hold this name (of a life; 0: of any), and whether each has a TTL
 * and none is below zero. */
static long long
stored_in(const char *name, uint64_t epoch)
{
	char life[SPAN_DECIMAL + 1] = "*";
	long long sum = 0;

	if (epoch)
		life[span_decimal(life, (int64_t)epoch)] = '\0';
	redisReply *keys = redisCommand(server.c, "KEYS tollgate:q:{%s:*:%s:*", name, life);

	for (size_t i = 0; i < keys->elements; i++) {
		const char *key = keys->element[i]->str;
		redisReply *v = redisCommand(server.c, "GET %s", key);
		long long n = strtoll(v->str, NULL, 10),
			  ttl = redis_rig_do(&server, "TTL %s", key);
		assert_true(n >= 0);
		assert_true(ttl > 60 && ttl <= 80);
		sum += n;
		freeReplyObject(v);
	}
	freeReplyObject(keys);
	return sum;
}

static long long
stored(const char *name)
{
	return stored_in(name, 0);
}

static long long
count_at(const struct quota_dim *d, struct quota_place at)
{
	redisReply *v = redisCommand(server.c, "GET %s:%llu:%lld", d->key,
		(unsigned long long)at.epoch, (long long)at.bucket);
	long long n = v->str ? strtoll(v->str, NULL, 10) : 0;

	freeReplyObject(v);
	return n;
}

struct line {
	struct redis *redis;
	struct quota *quota;
	struct metrics m;
};

static void
line_up(struct line *l, uint64_t deadline_us)
{
	memset(l, 0, sizeof(*l));
	l->redis = redis_new(loop, server.url, deadline_us, &l->m);
	assert_non_null(l->redis);
	l->quota = quota_new(l->redis, NULL, &self, &l->m);
}

static void
line_down(struct line *l)
{
	quota_free(&l->quota);
	redis_free(&l->redis);
}

static void
test_redis_concurrent(void **state)
{
	enum { LINES = 4, FLIGHT = 16, LIMIT = 100, ROUNDS = 6 };
	static struct ask asks[LINES][FLIGHT];
	struct line lines[LINES];
	unsigned admitted = 0;

	NEEDS_REDIS;
	for (int i = 0; i < LINES; i++) {
		line_up(&lines[i], 2000000);
		assert_true(run_until_up(lines[i].redis, 2000000));
	}
	for (int round = 0; round < ROUNDS; round++) {
		for (int k = 0; k < FLIGHT; k++)
			for (int i = 0; i < LINES; i++)
				ask(lines[i].quota, &asks[i][k], LIMIT, 10000, 50);
		for (int k = 0; k < FLIGHT; k++)
			for (int i = 0; i < LINES; i++) {
				while (!asks[i][k].done)
					run_for(300);
				assert_int_not_equal(asks[i][k].q.result, QUOTA_FAILED);
				admitted += asks[i][k].q.result == QUOTA_ADMITTED;
			}
	}
	run_for(20000);
	assert_int_equal(admitted, LIMIT);
	assert_int_equal(stored("r"), LIMIT);
	assert_int_equal(stored("t"), LIMIT * 50);
	for (int i = 0; i < LINES; i++)
		line_down(&lines[i]);
}

static void
test_redis_settle(void **state)
{
	struct line l;
	struct ask a, b;

	NEEDS_REDIS;
	line_up(&l, 2000000);
	assert_true(run_until_up(l.redis, 2000000));
	ask_wait(l.quota, &a, 10, 1000, 400);
	assert_int_equal(a.q.result, QUOTA_ADMITTED);
	assert_int_equal(a.q.dim[1].remaining, 600);
	quota_settle(l.quota, &a.q, 150, clock_mono_us());
	run_for(20000);
	assert_int_equal(stored("t"), 150);
	assert_int_equal(stored("r"), 1);
	quota_settle(l.quota, &a.q, 1700, clock_mono_us()); /* more than the limit: added */
	run_for(20000);
	assert_int_equal(stored("t"), 1700);
	ask_wait(l.quota, &b, 10, 1000, 1);
	assert_int_equal(b.q.result, QUOTA_REFUSED);
	assert_int_equal(b.q.refused_by, 1);
	assert_true(b.q.retry_after_s >= 60 && b.q.retry_after_s <= 66);
	run_for(20000);
	assert_int_equal(stored("r"), 1); /* a refusal takes back both */
	quota_release(l.quota, &a.q, clock_mono_us());
	quota_release(l.quota, &a.q, clock_mono_us()); /* once */
	run_for(20000);
	assert_int_equal(stored("t"), 0);
	assert_int_equal(stored("r"), 0);
	line_down(&l);
}

/* Redis forgot the charge: what is given back does not stay below zero. */
static void
test_redis_forgot(void **state)
{
	struct line l;
	struct ask a;

	NEEDS_REDIS;
	line_up(&l, 2000000);
	assert_true(run_until_up(l.redis, 2000000));
	ask_wait(l.quota, &a, 10, 1000, 400);
	redis_rig_do(&server, "FLUSHALL");
	quota_settle(l.quota, &a.q, 100, clock_mono_us());
	run_for(30000);
	assert_int_equal(stored("t"), 0);
	quota_release(l.quota, &a.q, clock_mono_us());
	run_for(30000);
	assert_int_equal(stored("t"), 0);
	/* The bucket died: less is dropped, more counts now. */
	ask_wait(l.quota, &a, 10, 1000, 400);
	redis_rig_do(&server, "FLUSHALL");
	quota_settle(l.quota, &a.q, 100, clock_mono_us() + 80000000);
	run_for(20000);
	assert_int_equal(redis_rig_do(&server, "DBSIZE"), 0);
	quota_settle(l.quota, &a.q, 700, clock_mono_us() + 80000000);
	run_for(20000);
	assert_int_equal(stored("t"), 600);
	line_down(&l);
}

static unsigned
admitted_of(struct quota *qt, unsigned times, uint64_t limit, uint64_t n)
{
	unsigned sum = 0;

	for (unsigned i = 0; i < times; i++) {
		struct ask a;
		ask_wait(qt, &a, 1000, limit, n);
		assert_int_not_equal(a.q.result, QUOTA_FAILED);
		sum += a.q.result == QUOTA_ADMITTED;
	}
	return sum;
}

/* Redis lost its counts while requests were let go: what they give back does not fall on
 * the counts of its next life, whoever noticed first. */
static void
test_redis_lives(void **state)
{
	enum { LOST = 10, LIMIT = 1000, N = 100 };
	static const struct {
		const char *name, *command; /* NULL: killed, and started empty */
	} rows[] = {
		{ "flushed", "FLUSHALL" },
		{ "its database flushed", "FLUSHDB" },
		{ "killed, and started empty", NULL },
		{ "the epoch evicted", "DEL %s" },
		{ "another epoch", "SET %s 12345" },
	};

	NEEDS_REDIS;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		static struct ask lost[LOST];
		struct line l[2];
		redis_rig_do(&server, "FLUSHALL");
		for (int k = 0; k < 2; k++) {
			line_up(&l[k], 500000);
			assert_true(run_until_up(l[k].redis, 2000000));
		}
		uint64_t epoch = redis_life(l[0].redis)->epoch;
		assert_int_equal(epoch, redis_life(l[1].redis)->epoch);
		for (int k = 0; k < LOST; k++) {
			ask_wait(l[k % 2].quota, &lost[k], 1000, LIMIT, N);
			assert_int_equal(lost[k].q.result, QUOTA_ADMITTED);
		}
		if (rows[i].command) {
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
#pragma GCC diagnostic ignored "-Wformat-extra-args"
			redis_rig_do(&server, rows[i].command, redis_life(l[0].redis)->key);
#pragma GCC diagnostic pop
		} else {
			redis_rig_stop(&server);
			run_for(5000);
			redis_rig_start(&server, dir);
			for (int k = 0; k < 2; k++) {
				run_for(30000);
				assert_true(run_until_up(l[k].redis, 3000000));
			}
		}
		/* one gives back before anybody noticed, others after */
		quota_settle(l[0].quota, &lost[0].q, 1, clock_mono_us());
		quota_release(l[1].quota, &lost[1].q, clock_mono_us());
		run_for(40000); /* a refusal rests on what was read for so long */
		unsigned got = admitted_of(l[0].quota, LOST / 2, LIMIT, N) +
			       admitted_of(l[1].quota, LOST / 2, LIMIT, N);
		assert_true(redis_life(l[0].redis)->epoch != epoch);
		assert_int_equal(redis_life(l[0].redis)->epoch, redis_life(l[1].redis)->epoch);
		for (int k = 0; k < LOST; k++)
			quota_release(l[k / 5].quota, &lost[k].q, clock_mono_us());
		run_for(20000);
		got += admitted_of(l[0].quota, 5, LIMIT, N);
		run_for(40000);
		got += admitted_of(l[1].quota, 5, LIMIT, N);
		run_for(20000);
		long long sum = stored_in("t", redis_life(l[0].redis)->epoch);
		if (got != LIMIT / N || sum != LIMIT)
			fail_msg("%s: %u of %d, %lld", rows[i].name, got, LIMIT / N, sum);
		for (int k = 0; k < 2; k++)
			line_down(&l[k]);
	}
}

/* A clock that is off or is set, ours against Redis': each charge ends in the bucket of
 * Redis' clock, and no window of it holds more than the limit. */
static void
test_redis_clock(void **state)
{
	enum { LIMIT = 20, MAX = 400, RUN_US = 2300000, WINDOW_US = 1000000 };
	static uint64_t at[MAX];
	struct line l[2];
	struct ask a;
	size_t n = 0;
	unsigned seed = 7, tries = 0;

	NEEDS_REDIS;
	for (int k = 0; k < 2; k++) {
		line_up(&l[k], 500000);
		assert_true(run_until_up(l[k].redis, 2000000));
	}
	uint64_t until = clock_mono_us() + RUN_US;
	for (int i = 0; clock_mono_us() < until; i++) {
		static const int64_t by[] = { 15000000, -15000000, 20000000, -20000000, 90000,
			-90000, 600000, -600000 };
		seed = seed * 1664525 + 1013904223;
		struct line *on = &l[(seed >> 16) % 2];
		if (seed >> 18 & 1)
			((struct redis_life *)redis_life(on->redis))->offset_us +=
				by[(seed >> 20) % 8];
		a = (struct ask){ .q.ndims = 1, .q.done = asked, .q.arg = &a };
		dim_set(&a.q.dim[0], "c", LIMIT, 1, 1);
		quota_reserve(on->quota, &a.q);
		while (!a.done)
			run_for(300);
		tries += a.q.tries;
		if (a.q.result == QUOTA_FAILED) /* the machine was away for long */
			continue;
		if (a.q.result == QUOTA_REFUSED)
			assert_true(a.q.retry_after_s >= 1 && a.q.retry_after_s <= 2);
		if (a.q.result == QUOTA_ADMITTED && n < MAX)
			at[n++] = clock_mono_us();
	}
	assert_true(tries > 0);
	assert_true(n > LIMIT); /* its room came back */
	for (size_t i = 0; i + LIMIT < n; i++)
		/* what lies between the reply and our look at the clock */
		if (at[i + LIMIT] - at[i] < WINDOW_US - 30000)
			fail_msg("%d within %llu us", LIMIT + 1,
				(unsigned long long)(at[i + LIMIT] - at[i]));
	for (int k = 0; k < 2; k++)
		line_down(&l[k]);
}

static void
test_redis_stopped(void **state)
{
	struct line l;
	struct ask a[8];

	NEEDS_REDIS;
	line_up(&l, 50000);
	assert_true(run_until_up(l.redis, 2000000));
	kill(server.pid, SIGSTOP);
	for (int i = 0; i < 4; i++)
		ask(l.quota, &a[i], 100, 0, 0);
	run_for(90000);
	for (int i = 0; i < 4; i++) {
		assert_true(a[i].done);
		assert_int_equal(a[i].q.result, QUOTA_FAILED);
		/* within the deadline and a tick, on a shared machine */
		assert_true(a[i].done_us - a[i].sent_us >= 50000);
		assert_true(a[i].done_us - a[i].sent_us < 85000);
	}
	assert_false(redis_up(l.redis));
	/* The circuit is open: no waiting. */
	ask(l.quota, &a[4], 100, 0, 0);
	run_for(3000);
	assert_true(a[4].done);
	assert_int_equal(a[4].q.result, QUOTA_FAILED);
	kill(server.pid, SIGCONT);
	assert_true(run_until_up(l.redis, 2000000));
	/* The late replies were dropped; what they charged stays until it dies. */
	run_for(20000);
	ask_wait(l.quota, &a[5], 100, 0, 0);
	assert_int_equal(a[5].q.result, QUOTA_ADMITTED);
	assert_true(a[5].q.dim[0].remaining <= 95);
	line_down(&l);
}

/* Redis is stopped for so long that the connection is given up; what was asked
 * ends without a reply. */
static void
test_redis_stopped_long(void **state)
{
	struct line l;
	struct ask a;

	NEEDS_REDIS;
	line_up(&l, 20000);
	assert_true(run_until_up(l.redis, 2000000));
	kill(server.pid, SIGSTOP);
	ask(l.quota, &a, 100, 0, 0);
	run_for(1500000);
	assert_true(a.done);
	assert_false(redis_up(l.redis));
	kill(server.pid, SIGCONT);
	assert_true(run_until_up(l.redis, 3000000));
	ask_wait(l.quota, &a, 100, 0, 0);
	assert_int_equal(a.q.result, QUOTA_ADMITTED);
	line_down(&l);
}

static void
test_redis_killed(void **state)
{
	struct line l;
	struct ask a;

	NEEDS_REDIS;
	line_up(&l, 50000);
	assert_true(run_until_up(l.redis, 2000000));
	ask(l.quota, &a, 100, 0, 0);
	redis_rig_stop(&server);
	run_for(100000);
	assert_true(a.done);
	assert_false(redis_up(l.redis));
	ask_wait(l.quota, &a, 100, 0, 0);
	assert_int_equal(a.q.result, QUOTA_FAILED);
	redis_rig_start(&server, dir);
	assert_true(run_until_up(l.redis, 3000000));
	ask_wait(l.quota, &a, 100, 0, 0);
	assert_int_equal(a.q.result, QUOTA_ADMITTED);
	line_down(&l);
}

/* Redis answers errors: no count can be trusted. */
static void
test_redis_errors(void **state)
{
	struct line l;
	struct ask a;
	char key[160];

	NEEDS_REDIS;
	line_up(&l, 500000);
	assert_true(run_until_up(l.redis, 2000000));
	ask_wait(l.quota, &a, 100, 0, 0);
	snprintf(key, sizeof(key), "%s:%llu:%lld", a.q.dim[0].key,
		(unsigned long long)a.q.dim[0].at.epoch, (long long)a.q.dim[0].at.bucket);
	redis_rig_do(&server, "DEL %s", key);
	redis_rig_do(&server, "LPUSH %s x", key);
	ask_wait(l.quota, &a, 100, 0, 0);
	/* WRONGTYPE, unless the bucket changed meanwhile */
	if (strstr(key, ":") &&
		a.q.dim[0].at.bucket == strtoll(strrchr(key, ':') + 1, NULL, 10))
		assert_int_equal(a.q.result, QUOTA_FAILED);
	redis_rig_do(&server, "CONFIG SET maxmemory 1");
	redis_rig_do(&server, "CONFIG SET maxmemory-policy noeviction");
	ask_wait(l.quota, &a, 100, 0, 0);
	assert_int_equal(a.q.result, QUOTA_FAILED);
	redis_rig_do(&server, "CONFIG SET maxmemory 0");
	line_down(&l);
}

static int
free_port(void)
{
	struct sockaddr_in a = { .sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t n = sizeof(a);
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	assert_int_equal(bind(fd, (struct sockaddr *)&a, sizeof(a)), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&a, &n), 0);
	close(fd);
	return ntohs(a.sin_port);
}

/* A URL with a password, another, or one that the server does not know; a
 * database that does not exist. Never up, never admitted. */
static void
test_redis_refuses(void **state)
{
	static const struct {
		const char *name, *requirepass, *user, *db;
		bool up;
	} rows[] = {
		{ "the right password", "secret", ":secret@", "", true },
		{ "a wrong one", "secret", ":other@", "", false },
		{ "none where one is needed", "secret", "", "", false },
		{ "one where none is known", "", ":other@", "", false },
		{ "a user that is not there", "", "u:other@", "", false },
		{ "a database that is not there", "", "", "/99", false },
		{ "one that is", "", "", "/3", true },
	};
	int port = free_port();

	NEEDS_REDIS;
	if (redis_rig_do(&server, "CONFIG SET port %d", port) < 0) {
		print_message("this Redis opens no port while it runs: skipped\n");
		skip();
	}
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		char url[200];
		struct metrics m = { 0 };
		struct ask a;
		bool seen_up = false;
		snprintf(url, sizeof(url), "redis://%s127.0.0.1:%d%s", rows[i].user, port,
			rows[i].db);
		redis_rig_do(&server, "CONFIG SET requirepass %s", rows[i].requirepass);
		struct redis *r = redis_new(loop, url, 50000, &m);
		assert_non_null(r);
		struct quota *q = quota_new(r, NULL, &self, &m);
		for (int k = 0; k < 300; k++) {
			run_for(1000);
			seen_up |= redis_up(r);
		}
		if (seen_up != rows[i].up || redis_up(r) != rows[i].up)
			fail_msg("%s: up %d", rows[i].name, seen_up);
		ask_wait(q, &a, 10, 0, 0);
		assert_int_equal(a.q.result, rows[i].up ? QUOTA_ADMITTED : QUOTA_FAILED);
		quota_free(&q);
		redis_free(&r);
		redis_rig_do(&server, "AUTH %s", rows[i].requirepass);
		redis_rig_do(&server, "CONFIG SET requirepass %s", "");
	}
	redis_rig_do(&server, "CONFIG SET port 0");
}

/* Freed with work in flight: no callback, no leak, no late write. */
static void
test_redis_free_busy(void **state)
{
	static struct ask a[4];
	struct line l;

	NEEDS_REDIS;
	/* asked and not answered */
	line_up(&l, 50000);
	assert_true(run_until_up(l.redis, 2000000));
	for (int i = 0; i < 4; i++)
		ask(l.quota, &a[i], 100, 100, 1);
	line_down(&l);
	run_for(100000);
	assert_false(a[0].done);
	/* answered with a timeout, the reply still to come; a refund on its way */
	line_up(&l, 20000);
	assert_true(run_until_up(l.redis, 2000000));
	ask_wait(l.quota, &a[1], 100, 100, 5);
	kill(server.pid, SIGSTOP);
	ask(l.quota, &a[0], 100, 100, 1);
	quota_release(l.quota, &a[1].q, clock_mono_us());
	run_for(60000);
	assert_true(a[0].done);
	line_down(&l);
	kill(server.pid, SIGCONT);
	run_for(50000);
	/* failing at once, and not told yet */
	line_up(&l, 20000);
	ask(l.quota, &a[0], 100, 100, 1);
	line_down(&l);
	run_for(20000);
	assert_false(a[0].done);
}

static unsigned hashes;

static void
hash_came(void *arg, int err, const struct span *pairs, size_t n)
{
	(void)arg;
	(void)err;
	(void)pairs;
	(void)n;
	hashes++;
}

/* A hash has a callback of its own, and its owner is freed first. */
static void
test_redis_free_hash(void **state)
{
	struct line l;

	NEEDS_REDIS;
	line_up(&l, 50000);
	assert_true(run_until_up(l.redis, 2000000));
	redis_hash(l.redis, SPAN_LIT("h"), 8, 64, hash_came, NULL);
	line_down(&l);
	/* failing at once, and not told yet */
	line_up(&l, 50000);
	redis_hash(l.redis, SPAN_LIT("h"), 8, 64, hash_came, NULL);
	line_down(&l);
	run_for(20000);
	assert_int_equal(hashes, 0);
}

/* ---- a Redis that is far away ---- */

/* Between a line and the server: each chunk goes on after `delay_us`. One connection a
 * proxy. */
struct far_chunk {
	struct far_chunk *next;
	uint64_t at_us;
	size_t n;
	char bytes[];
};
struct far_way {
	int from, to;
	ev_io in;
	struct far_chunk *first, **last;
};
struct far {
	int listener;
	char url[128];
	uint64_t delay_us;
	ev_io accept;
	ev_timer tick;
	struct far_way way[2];
};

static void
far_in(struct ev_loop *l, ev_io *w, int revents)
{
	struct far *f = w->data;
	struct far_way *way = w == &f->way[0].in ? &f->way[0] : &f->way[1];
	static char buf[262144];
	ssize_t n = read(way->from, buf, sizeof(buf));

	(void)revents;
	if (n <= 0) {
		ev_io_stop(l, w);
		return;
	}
	struct far_chunk *c = malloc(sizeof(*c) + (size_t)n);
	*c = (struct far_chunk){ .at_us = clock_mono_us() + f->delay_us, .n = (size_t)n };
	memcpy(c->bytes, buf, (size_t)n);
	*way->last = c;
	way->last = &c->next;
}

static void
far_out(struct ev_loop *l, ev_timer *t, int revents)
{
	struct far *f = t->data;

	(void)l;
	(void)revents;
	for (int i = 0; i < 2; i++)
		while (f->way[i].first && f->way[i].first->at_us <= clock_mono_us()) {
			struct far_chunk *c = f->way[i].first;
			f->way[i].first = c->next;
			if (!c->next)
				f->way[i].last = &f->way[i].first;
			if (write(f->way[i].to, c->bytes, c->n) != (ssize_t)c->n)
				print_message("far: a chunk was cut\n");
			free(c);
		}
}

static void
far_accept(struct ev_loop *l, ev_io *w, int revents)
{
	struct far *f = w->data;
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	int near_fd = accept(f->listener, NULL, NULL), fd = socket(AF_UNIX, SOCK_STREAM, 0);

	(void)revents;
	snprintf(a.sun_path, sizeof(a.sun_path), "%s", server.socket);
	assert_int_equal(connect(fd, (struct sockaddr *)&a, sizeof(a)), 0);
	for (int i = 0; i < 2; i++) {
		f->way[i].from = i ? fd : near_fd;
		f->way[i].to = i ? near_fd : fd;
		f->way[i].last = &f->way[i].first;
		ev_io_init(&f->way[i].in, far_in, f->way[i].from, EV_READ);
		f->way[i].in.data = f;
		ev_io_start(l, &f->way[i].in);
	}
}

static void
far_up(struct far *f, int which, uint64_t delay_us)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };

	*f = (struct far){ .delay_us = delay_us };
	snprintf(a.sun_path, sizeof(a.sun_path), "%s/far%d.sock", dir, which);
	snprintf(f->url, sizeof(f->url), "unix:%s", a.sun_path);
	unlink(a.sun_path);
	f->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
	assert_int_equal(bind(f->listener, (struct sockaddr *)&a, sizeof(a)), 0);
	assert_int_equal(listen(f->listener, 8), 0);
	ev_io_init(&f->accept, far_accept, f->listener, EV_READ);
	ev_timer_init(&f->tick, far_out, 0.0005, 0.0005);
	f->accept.data = f->tick.data = f;
	ev_io_start(loop, &f->accept);
	ev_timer_start(loop, &f->tick);
}

static void
far_down(struct far *f)
{
	ev_io_stop(loop, &f->accept);
	ev_timer_stop(loop, &f->tick);
	for (int i = 0; i < 2; i++) {
		ev_io_stop(loop, &f->way[i].in);
		close(f->way[i].from);
		for (struct far_chunk *c = f->way[i].first, *next; c; c = next) {
			next = c->next;
			free(c);
		}
	}
	close(f->listener);
}

/* ---- callers that ask again at once ---- */

struct caller {
	struct quota_request q;
	struct quota *quota;
	uint64_t limit, window_s, n, admitted, refused;
	bool *stop;
	struct mail again;
};

static void caller_asks(struct caller *c);

static void
caller_again(struct mail *m, void *worker)
{
	(void)worker;
	caller_asks(CONTAINER_OF(m, struct caller, again));
}

static void
caller_told(struct quota_request *q)
{
	struct caller *c = q->arg;

	c->admitted += q->result == QUOTA_ADMITTED;
	c->refused += q->result == QUOTA_REFUSED;
	if (*c->stop)
		return;
	c->again.run = caller_again;
	mailbox_send(&self, &c->again);
}

static void
caller_asks(struct caller *c)
{
	c->q = (struct quota_request){ .ndims = 1, .done = caller_told, .arg = c };
	dim_set(&c->q.dim[0], "s", c->limit, c->window_s, c->n);
	quota_reserve(c->quota, &c->q);
}

/* What small callers get of a shared limit while others ask for more than there is, all
 * refused; on one worker and on another daemon, Redis a way off. */
static void
test_redis_starved(void **state)
{
	enum { LIMIT = 100000 };
	static const struct {
		const char *name;
		uint64_t delay_us; /* each way */
		unsigned small;	   /* callers, of 1 % each */
		unsigned large;	   /* callers of 95 % each */
		unsigned percent;  /* of the limit that is used in the end, at least */
	} rows[] = {
		{ "1 ms each way, 16 that ask for 95 %", 1000, 4, 16, 90 },
		{ "10 ms each way, 16 that ask for 95 %", 10000, 4, 16, 85 },
		{ "10 ms each way, 64 that ask for 1 %", 10000, 64, 0, 90 },
	};

	NEEDS_REDIS;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		static struct caller callers[2][128];
		struct line l[2];
		struct far f[2];
		bool stop = false;
		uint64_t used = 0;
		redis_rig_do(&server, "FLUSHALL");
		for (int k = 0; k < 2; k++) {
			far_up(&f[k], k, rows[i].delay_us);
			memset(&l[k], 0, sizeof(l[k]));
			l[k].redis = redis_new(loop, f[k].url, 500000, &l[k].m);
			l[k].quota = quota_new(l[k].redis, NULL, &self, &l[k].m);
			assert_true(run_until_up(l[k].redis, 2000000));
		}
		/* The small ones take a little first, so that the large ones never fit. */
		struct ask a = { .q.ndims = 1, .q.done = asked, .q.arg = &a };
		dim_set(&a.q.dim[0], "s", LIMIT, 60, LIMIT / 10);
		quota_reserve(l[0].quota, &a.q);
		while (!a.done)
			run_for(300);
		used += LIMIT / 10;
		unsigned each = rows[i].small + rows[i].large;
		for (unsigned c = 0; c < 2 * each; c++) {
			struct caller *on = &callers[c % 2][c / 2];
			bool small = c / 2 >= rows[i].large;
			*on = (struct caller){ .quota = l[c % 2].quota,
				.limit = LIMIT,
				.window_s = 60,
				.n = small ? LIMIT / 100 : LIMIT / 100 * 95,
				.stop = &stop };
			caller_asks(on);
		}
		run_for(40 * rows[i].delay_us + 100000);
		stop = true;
		run_for(4 * rows[i].delay_us + 20000);
		for (unsigned c = 0; c < 2 * each; c++) {
			struct caller *on = &callers[c % 2][c / 2];
			used += on->admitted * on->n;
		}
		print_message("%s: %llu %% used\n", rows[i].name,
			(unsigned long long)(used / (LIMIT / 100)));
		if (used > LIMIT || used < LIMIT / 100 * rows[i].percent)
			fail_msg("%s: %llu of %d", rows[i].name, (unsigned long long)used,
				LIMIT);
		assert_int_equal(stored("s"), used);
		for (int k = 0; k < 2; k++) {
			line_down(&l[k]);
			far_down(&f[k]);
		}
	}
}

/* ---- a server that speaks as the test wants ---- */

struct fake {
	int listener, fd;
	char path[100];
	const char *pong; /* NULL: silence */
	const char *counts;
	ev_io accept, read;
	unsigned accepted;
};

#define FAKE_TIME(s) "*2\r\n$10\r\n" s "\r\n$1\r\n0\r\n"

static int
times(const char *in, const char *what)
{
	int n = 0;

	while ((in = strstr(in, what))) {
		in += strlen(what);
		n++;
	}
	return n;
}

static void
say(struct fake *f, const char *text)
{
	assert_true(write(f->fd, text, strlen(text)) > 0);
}

static void
fake_read(struct ev_loop *l, ev_io *w, int revents)
{
	struct fake *f = w->data;
	char in[8192];
	ssize_t n = read(f->fd, in, sizeof(in) - 1);

	(void)revents;
	if (n <= 0) {
		ev_io_stop(l, w);
		close(f->fd);
		f->fd = -1;
		return;
	}
	in[n] = '\0';
	if (strstr(in, "PING") && f->pong)
		say(f, f->pong);
	if (strstr(in, "INFO"))
		say(f, "$20\r\n# Server\r\nrun_id:x\r\n\r\n");
	if (strstr(in, "SET\r\n"))
		say(f, "+OK\r\n" FAKE_TIME("1790000000") "$1\r\n7\r\n");
	/* corrections first */
	int asks = times(in, "\r\nMGET\r\n$16\r\ntollgate:epoch:x");
	for (int i = times(in, "INCRBY") - asks; f->counts && i > 0; i--)
		say(f, ":1\r\n:1\r\n");
	for (; f->counts && *f->counts && asks > 0; asks--)
		say(f, f->counts);
}

static void
fake_accept(struct ev_loop *l, ev_io *w, int revents)
{
	struct fake *f = w->data;

	(void)revents;
	if (f->fd >= 0) { /* the one before was left by its client */
		ev_io_stop(l, &f->read);
		close(f->fd);
	}
	f->fd = accept(f->listener, NULL, NULL);
	f->accepted++;
	ev_io_init(&f->read, fake_read, f->fd, EV_READ);
	f->read.data = f;
	ev_io_start(l, &f->read);
}

static void
fake_up(struct fake *f)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };

	memset(f, 0, sizeof(*f));
	f->fd = -1;
	snprintf(f->path, sizeof(f->path), "%s/fake.sock", dir);
	unlink(f->path);
	snprintf(a.sun_path, sizeof(a.sun_path), "%s", f->path);
	f->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
	assert_int_equal(bind(f->listener, (struct sockaddr *)&a, sizeof(a)), 0);
	assert_int_equal(listen(f->listener, 8), 0);
	ev_io_init(&f->accept, fake_accept, f->listener, EV_READ);
	f->accept.data = f;
	ev_io_start(loop, &f->accept);
	f->pong = "+PONG\r\n";
}

static void
fake_down(struct fake *f)
{
	ev_io_stop(loop, &f->accept);
	if (f->fd >= 0) {
		ev_io_stop(loop, &f->read);
		close(f->fd);
	}
	close(f->listener);
}

static void
test_replies(void **state)
{
	/* Eleven neighbours, as one request asks for them; the clock, the epoch. */
#define NEAR(x)                                                                                \
	"*11\r\n" x "$-1\r\n$-1\r\n$-1\r\n$-1\r\n$-1\r\n$-1\r\n$-1\r\n$-1\r\n$-1\r\n$-1\r\n"
#define LIFE	  FAKE_TIME("1790000000") "*1\r\n$1\r\n7\r\n"
#define GOOD(own) own ":1\r\n" NEAR("$1\r\n7\r\n")
	static const struct {
		const char *name, *counts;
		enum quota_result want;
	} rows[] = {
		{ "within the limit", GOOD(":3\r\n") LIFE, QUOTA_ADMITTED },
		{ "over it", GOOD(":4\r\n") LIFE, QUOTA_REFUSED },
		{ "loading",
			"-LOADING Redis is loading\r\n-LOADING x\r\n-LOADING x\r\n-LOADING "
			"x\r\n-LOADING x\r\n",
			QUOTA_FAILED },
		{ "loading at the read only",
			":1\r\n:1\r\n-LOADING x\r\n-LOADING x\r\n-LOADING x\r\n",
			QUOTA_FAILED },
		{ "a list that is too short", ":1\r\n:1\r\n*1\r\n$-1\r\n" LIFE, QUOTA_FAILED },
		{ "a number where the list should be", ":1\r\n:1\r\n:1\r\n" LIFE,
			QUOTA_FAILED },
		{ "a word where the number should be", "$1\r\n1\r\n:1\r\n" NEAR("$-1\r\n") LIFE,
			QUOTA_FAILED },
		{ "nothing", "", QUOTA_FAILED },
		{ "half of it", ":1\r\n", QUOTA_FAILED },
		{ "all but the epoch", GOOD(":3\r\n") FAKE_TIME("1790000000"), QUOTA_FAILED },
		{ "no epoch, whatever is asked",
			GOOD(":3\r\n") FAKE_TIME("1790000000") "*1\r\n$-1\r\n", QUOTA_FAILED },
		{ "another epoch, whatever is asked",
			GOOD(":3\r\n") FAKE_TIME("1790000000") "*1\r\n$1\r\n8\r\n",
			QUOTA_FAILED },
		{ "an error where the epoch should be",
			GOOD(":3\r\n") FAKE_TIME("1790000000") "-WRONGTYPE x\r\n",
			QUOTA_FAILED },
		{ "no clock", GOOD(":3\r\n") "*-1\r\n*1\r\n$1\r\n7\r\n", QUOTA_FAILED },
		{ "a clock that was set forward: once more",
			GOOD(":3\r\n") FAKE_TIME("1790000620") "*1\r\n$1\r\n7\r\n",
			QUOTA_ADMITTED },
		{ "a clock that was set back: once more",
			GOOD(":3\r\n") FAKE_TIME("1789000000") "*1\r\n$1\r\n7\r\n",
			QUOTA_ADMITTED },
		{ "garbage", "?!\r\n", QUOTA_FAILED },
		{ "a neighbour below zero hides nothing",
			":11\r\n:1\r\n" NEAR("$2\r\n-9\r\n") LIFE, QUOTA_REFUSED },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct fake f;
		struct metrics m = { 0 };
		struct ask a;
		char url[128];
		fake_up(&f);
		snprintf(url, sizeof(url), "unix:%s", f.path);
		struct redis *r = redis_new(loop, url, 30000, &m);
		struct quota *q = quota_new(r, NULL, &self, &m);
		assert_true(run_until_up(r, 2000000));
		f.counts = rows[i].counts;
		ask_wait(q, &a, 10, 0, 0);
		if (a.q.result != rows[i].want)
			fail_msg("%s: %d", rows[i].name, a.q.result);
		f.counts = NULL;
		run_for(20000);
		quota_free(&q);
		redis_free(&r);
		fake_down(&f);
	}
}

/* What Redis counts in a bucket that its clock has left is taken back, and counted once
 * more where it is now. */
static void
test_too_late(void **state)
{
	struct line l;
	struct ask a;

	NEEDS_REDIS;
	line_up(&l, 2000000);
	assert_true(run_until_up(l.redis, 2000000));
	kill(server.pid, SIGSTOP);
	a = (struct ask){ .q.ndims = 1 };
	dim_set(&a.q.dim[0], "r", 10, 1, 1); /* a second: buckets of 100 ms */
	a.q.done = asked;
	a.q.arg = &a;
	quota_reserve(l.quota, &a.q);
	run_for(250000);
	assert_false(a.done);
	struct quota_place was = a.q.dim[0].at;
	kill(server.pid, SIGCONT);
	run_for(50000);
	assert_true(a.done);
	assert_int_equal(a.q.result, QUOTA_ADMITTED);
	assert_int_equal(count_at(&a.q.dim[0], was), 0);
	assert_int_equal(count_at(&a.q.dim[0], a.q.dim[0].at), 1);
	line_down(&l);
}

/* The peer vanishes without closing: the connection is left within about a second
 * and another one is made. */
static void
test_vanished(void **state)
{
	struct fake f;
	struct metrics m = { 0 };
	struct ask a;
	char url[128];

	(void)state;
	fake_up(&f);
	snprintf(url, sizeof(url), "unix:%s", f.path);
	struct redis *r = redis_new(loop, url, 30000, &m);
	struct quota *q = quota_new(r, NULL, &self, &m);
	assert_true(run_until_up(r, 2000000));
	f.pong = NULL;
	ask_wait(q, &a, 10, 0, 0);
	assert_int_equal(a.q.result, QUOTA_FAILED);
	unsigned before = f.accepted;
	run_for(1500000);
	assert_true(f.accepted > before);
	f.pong = "+PONG\r\n";
	assert_true(run_until_up(r, 3000000));
	quota_free(&q);
	redis_free(&r);
	fake_down(&f);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_redis_concurrent),
		cmocka_unit_test(test_redis_settle),
		cmocka_unit_test(test_redis_forgot),
		cmocka_unit_test(test_redis_lives),
		cmocka_unit_test(test_redis_clock),
		cmocka_unit_test(test_redis_stopped),
		cmocka_unit_test(test_redis_stopped_long),
		cmocka_unit_test(test_redis_killed),
		cmocka_unit_test(test_redis_errors),
		cmocka_unit_test(test_redis_refuses),
		cmocka_unit_test(test_redis_free_busy),
		cmocka_unit_test(test_redis_free_hash),
		cmocka_unit_test(test_redis_starved),
		cmocka_unit_test(test_replies),
		cmocka_unit_test(test_too_late),
		cmocka_unit_test(test_vanished),
	};

	/* as in the daemon: a Redis that went away is an error, not an end */
	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, setup, teardown);
}
