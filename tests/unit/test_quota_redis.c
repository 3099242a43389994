/* Limits on a real Redis that is busy, stopped, killed, loading or locked, and on a server that
 * answers as the test wants. */
#include <arpa/inet.h>
#include <stdlib.h>

#include "support/quota_rig.h"

static void
concurrent_workers_never_exceed_a_limit(void **state)
{
	enum { LINES = 4, FLIGHT = 16, LIMIT = 100, ROUNDS = 6 };
	static struct ask asks[LINES][FLIGHT];
	struct line lines[LINES];
	unsigned admitted = 0;

	NEEDS_REDIS;
	lines_up(lines, LINES);
	/* a refused request is counted for a moment, which may refuse another one: repeat */
	for (int round = 0; round < ROUNDS || (admitted < LIMIT && round < 20 * ROUNDS);
		round++) {
		if (round >= ROUNDS)
			run_for(30000);
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
	assert_int_equal(admitted, LIMIT);
	assert_int_equal(stored_soon("r", LIMIT), LIMIT);
	assert_int_equal(stored_soon("t", LIMIT * 50), LIMIT * 50);
	lines_down(lines, LINES);
}

static void
settlement_corrects_its_charge(void **state)
{
	struct line l;
	struct ask a, b;

	NEEDS_REDIS;
	line_up(&l, RIG_PATIENT_US);
	assert_true(run_until_up(l.redis, 2000000));
	ask_wait(l.quota, &a, 10, 1000, 400);
	assert_int_equal(a.q.result, QUOTA_ADMITTED);
	assert_int_equal(a.q.dim[1].remaining, 600);
	settle_tokens(l.quota, &a.q, 150, clock_mono_us());
	assert_int_equal(stored_soon("t", 150), 150);
	assert_int_equal(stored("r"), 1);
	settle_tokens(l.quota, &a.q, 1700, clock_mono_us()); /* more than the limit: added */
	assert_int_equal(stored_soon("t", 1700), 1700);
	ask_wait(l.quota, &b, 10, 1000, 1);
	assert_int_equal(b.q.result, QUOTA_REFUSED);
	assert_int_equal(b.q.refused_by, 1);
	assert_true(b.q.retry_after_s >= 40 && b.q.retry_after_s <= 67);
	assert_int_equal(stored_soon("r", 1), 1); /* a refusal releases both */
	quota_release(l.quota, &a.q, clock_mono_us());
	quota_release(l.quota, &a.q, clock_mono_us()); /* the second release has no effect */
	assert_int_equal(stored_soon("t", 0), 0);
	assert_int_equal(stored_soon("r", 0), 0);
	run_for(20000);
	assert_int_equal(stored("r"), 0);
	line_down(&l);
}

static long long
value_of(const struct quota_dim *d, struct cell c)
{
	char key[CELL_KEY_TEXT];
	size_t n = cell_key(key, d, d->at.epoch, c);
	redisReply *v = redisCommand(server.c, "GET %b", key, n);
	long long is = v->str ? strtoll(v->str, NULL, 10) : 0;

	freeReplyObject(v);
	return is;
}

/* Redis has run the command and replies after the deadline, on the connection that waits for it
 * or on one that was given up. Then the settlement is sent again. */
static void
settlement_answered_late_is_counted_once(void **state)
{
	static const struct {
		const char *name;
		enum quota_window_kind kind;
		enum quota_orphan orphan;
		uint64_t stopped_us, used;
	} rows[] = {
		{ "rolling, the connection stays", QUOTA_ROLLING, QUOTA_ORPHAN_CHARGE, 300000, 672 },
		{ "rolling, another connection", QUOTA_ROLLING, QUOTA_ORPHAN_CHARGE, 2200000, 672 },
		{ "a day, the connection stays", QUOTA_CALENDAR, QUOTA_ORPHAN_CHARGE, 300000, 672 },
		{ "a day, another connection", QUOTA_CALENDAR, QUOTA_ORPHAN_CHARGE, 2200000, 672 },
		{ "a hold that expires, below it", QUOTA_CALENDAR, QUOTA_ORPHAN_DROP, 300000, 150 },
		{ "a hold that expires, another connection", QUOTA_CALENDAR, QUOTA_ORPHAN_DROP,
			2200000, 672 },
	};

	NEEDS_REDIS;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct line l;
		struct ask a = { .q.ndims = 1 };
		struct quota_dim *d = &a.q.dim[0];
		redis_rig_do(&server, "FLUSHALL");
		line_up(&l, RIG_PATIENT_US);
		assert_true(run_until_up(l.redis, 2000000));
		dim_set(d, "t", 100000, 60, 400);
		d->unit = QUOTA_TOKENS;
		d->span.kind = rows[i].kind;
		d->span.calendar = QUOTA_DAY;
		d->orphan = rows[i].orphan;
		d->hold_s = rows[i].kind == QUOTA_CALENDAR ? 60 : 0;
		a.q.done = asked;
		a.q.arg = &a;
		quota_reserve(l.quota, &a.q);
		asked_out(&a);
		assert_int_equal(a.q.result, QUOTA_ADMITTED);
		kill(server.pid, SIGSTOP);
		settle_tokens(l.quota, &a.q, rows[i].used, clock_mono_us());
		run_for(1000);
		redis_waits(l.redis, 50000);
		run_for(rows[i].stopped_us);
		assert_int_equal(l.quota->nlate, 1);
		kill(server.pid, SIGCONT);
		redis_waits(l.redis, RIG_PATIENT_US);
		line_done(&l);
		long long own = value_of(d, cell_own(d, &d->at));
		if (own != (long long)rows[i].used)
			fail_msg("%s: %lld", rows[i].name, own);
		if (rows[i].kind == QUOTA_CALENDAR && rows[i].used > 400)
			assert_int_equal(value_of(d, cell_spent(d, &d->at)), rows[i].used);
		line_down(&l);
	}
}

/* A full Redis has counted and marked nothing: it counts when the settlement is sent again. */
static void
settlement_refused_by_a_full_redis_is_counted_later(void **state)
{
	struct line l;
	struct ask a;

	NEEDS_REDIS;
	line_up(&l, RIG_PATIENT_US);
	assert_true(run_until_up(l.redis, 2000000));
	redis_rig_do(&server, "CONFIG SET maxmemory-policy noeviction");
	ask_wait(l.quota, &a, 10, 100000, 400);
	redis_rig_do(&server, "CONFIG SET maxmemory 1");
	settle_tokens(l.quota, &a.q, 672, clock_mono_us());
	run_for(600000);
	assert_int_equal(l.quota->nlate, 1);
	assert_int_equal(
		l.quota->eval_us, 0); /* a full Redis does not count as one that forbids EVAL */
	assert_int_equal(stored("t"), 400);
	redis_rig_do(&server, "CONFIG SET maxmemory 0");
	assert_int_equal(stored_soon("t", 672), 672);
	line_done(&l);
	assert_int_equal(stored("t"), 672);
	line_down(&l);
}

/* An ACL of an earlier version forbids EVAL: the settlement is counted, at least once. */
static void
settlements_are_counted_without_eval(void **state)
{
	struct line l;
	struct ask a;

	NEEDS_REDIS;
	if (redis_rig_do(&server, "ACL SETUSER default -eval") < 0)
		skip();
	line_up(&l, RIG_PATIENT_US);
	assert_true(run_until_up(l.redis, 2000000));
	for (int i = 1; i <= 3; i++) {
		ask_wait(l.quota, &a, 10, 1000000, 400);
		settle_tokens(l.quota, &a.q, 672, clock_mono_us());
		assert_int_equal(stored_soon("t", i * 672), i * 672);
	}
	assert_true(l.quota->eval_us > 0);
	line_done(&l);
	line_down(&l);
	redis_rig_do(&server, "ACL SETUSER default +@all");
}

/* Redis lost the charge: its release must not leave a negative count. */
static void
lost_charge_is_not_released(void **state)
{
	struct line l;
	struct ask a;

	NEEDS_REDIS;
	line_up(&l, RIG_PATIENT_US);
	assert_true(run_until_up(l.redis, 2000000));
	ask_wait(l.quota, &a, 10, 1000, 400);
	redis_rig_do(&server, "FLUSHALL");
	settle_tokens(l.quota, &a.q, 100, clock_mono_us());
	run_for(30000);
	assert_int_equal(stored("t"), 0);
	quota_release(l.quota, &a.q, clock_mono_us());
	run_for(30000);
	assert_int_equal(stored("t"), 0);
	/* The bucket was lost: a decrease is dropped, an increase counts now. */
	ask_wait(l.quota, &a, 10, 1000, 400);
	run_for(40000);
	redis_rig_do(&server, "FLUSHALL");
	settle_tokens(l.quota, &a.q, 100, clock_mono_us() + 80000000);
	run_for(20000);
	assert_int_equal(redis_rig_do(&server, "DBSIZE"), 0);
	settle_tokens(l.quota, &a.q, 700, clock_mono_us() + 80000000);
	assert_int_equal(stored_soon("t", 600), 600);
	line_down(&l);
}

static void
stopped_redis_fails_within_the_deadline(void **state)
{
	struct line l;
	struct ask a[8];

	NEEDS_REDIS;
	line_up(&l, RIG_PATIENT_US);
	assert_true(run_until_up(l.redis, 2000000));
	kill(server.pid, SIGSTOP);
	redis_waits(l.redis, 50000);
	for (int i = 0; i < 4; i++)
		ask(l.quota, &a[i], 100, 0, 0);
	for (int i = 0; i < 4; i++) {
		asked_out(&a[i]);
		assert_int_equal(a[i].q.result, QUOTA_FAILED);
		/* by its own deadline, not earlier, and not by the initial one */
		assert_true(a[i].done_us - a[i].sent_us >= 50000);
		assert_true(a[i].done_us - a[i].sent_us < RIG_PATIENT_US);
	}
	assert_false(redis_up(l.redis));
	/* The circuit is open: no waiting. */
	redis_waits(l.redis, RIG_PATIENT_US);
	ask_wait(l.quota, &a[4], 100, 0, 0);
	assert_int_equal(a[4].q.result, QUOTA_FAILED);
	assert_true(a[4].done_us - a[4].sent_us < RIG_PATIENT_US);
	kill(server.pid, SIGCONT);
	assert_true(run_until_up(l.redis, 2000000));
	/* Amounts that the late replies report for failed requests are released. */
	run_for(20000);
	ask_wait(l.quota, &a[5], 100, 0, 0);
	assert_int_equal(a[5].q.result, QUOTA_ADMITTED);
	assert_int_equal(a[5].q.dim[0].remaining, 99);
	line_down(&l);
}

/* Redis is stopped for so long that the connection is given up; pending commands end without a
 * reply. */
static void
connection_to_a_long_stopped_redis_is_given_up(void **state)
{
	struct line l;
	struct ask a;

	NEEDS_REDIS;
	line_up(&l, RIG_PATIENT_US);
	assert_true(run_until_up(l.redis, 2000000));
	kill(server.pid, SIGSTOP);
	redis_waits(l.redis, 20000);
	ask(l.quota, &a, 100, 0, 0);
	run_for(1500000);
	asked_out(&a);
	assert_false(redis_up(l.redis));
	kill(server.pid, SIGCONT);
	redis_waits(l.redis, RIG_PATIENT_US);
	assert_true(run_until_up(l.redis, 3000000));
	ask_wait(l.quota, &a, 100, 0, 0);
	assert_int_equal(a.q.result, QUOTA_ADMITTED);
	line_down(&l);
}

static void
killed_redis_fails_at_once_and_recovers(void **state)
{
	struct line l;
	struct ask a;

	NEEDS_REDIS;
	line_up(&l, RIG_PATIENT_US);
	assert_true(run_until_up(l.redis, 2000000));
	ask(l.quota, &a, 100, 0, 0);
	redis_rig_stop(&server);
	asked_out(&a);
	run_for(100000);
	assert_false(redis_up(l.redis));
	ask_wait(l.quota, &a, 100, 0, 0);
	assert_int_equal(a.q.result, QUOTA_FAILED);
	redis_rig_start(&server, quota_dir);
	assert_true(run_until_up(l.redis, 3000000));
	ask_wait(l.quota, &a, 100, 0, 0);
	assert_int_equal(a.q.result, QUOTA_ADMITTED);
	line_down(&l);
}

/* Redis replies with errors: no count can be trusted. */
static void
redis_with_errors_admits_nothing(void **state)
{
	struct line l;
	struct ask a;
	char key[160];

	NEEDS_REDIS;
	line_up(&l, RIG_PATIENT_US);
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

/* A counter is more valuable than a copy of an old record. */
static void
stream_gives_way_to_counters_in_a_full_redis(void **state)
{
	struct redis_ballast ballast = { .key = "tollgate:audit:x" };
	struct line l;
	struct ask a;

	NEEDS_REDIS;
	line_up(&l, RIG_PATIENT_US);
	redis_ballast(l.redis, &ballast);
	assert_true(run_until_up(l.redis, 2000000));
	redis_rig_do(&server, "CONFIG SET maxmemory-policy noeviction");
	for (int i = 0; i < 2000; i++)
		redis_rig_do(&server, "XADD tollgate:audit:x * r %0512d", i);
	ballast.entries = 2000;
	redisReply *info = redisCommand(server.c, "INFO memory");
	long long used = atoll(strstr(info->str, "used_memory:") + strlen("used_memory:"));
	freeReplyObject(info);
	redis_rig_do(&server, "CONFIG SET maxmemory %lld", used - 20000);
	assert_int_equal(redis_rig_do(&server, "SET other x"), -1);
	for (int i = 0; i < 20; i++) {
		ask_wait(l.quota, &a, 100, 0, 0);
		assert_int_equal(a.q.result, QUOTA_ADMITTED);
	}
	long long left = redis_rig_do(&server, "XLEN tollgate:audit:x");
	assert_true(left < 2000 && left >= 1000);
	assert_int_equal(ballast.given, 2000 - left);
	assert_int_equal(ballast.entries, left);
	/* with nothing left to remove, a full Redis is an error */
	ballast.entries = 0;
	redis_rig_do(&server, "CONFIG SET maxmemory 1");
	ask_wait(l.quota, &a, 100, 0, 0);
	assert_int_equal(a.q.result, QUOTA_FAILED);
	redis_rig_do(&server, "CONFIG SET maxmemory 0");
	redis_rig_do(&server, "DEL tollgate:audit:x");
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

/* A URL with a password, a different one, or one that the server does not know; a database that
 * does not exist. Never up, never admitted. */
static void
redis_that_refuses_the_login_is_never_up(void **state)
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
		struct redis *r = redis_new(loop, url, RIG_PATIENT_US, &m);
		assert_non_null(r);
		struct quota *q = quota_new(r, NULL, &self, &m);
		if (rows[i].up)
			run_until_up(r, RIG_PATIENT_US);
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
freed_client_runs_no_callback(void **state)
{
	static struct ask a[4];
	struct line l;

	NEEDS_REDIS;
	/* sent and not answered */
	line_up(&l, 50000);
	assert_true(run_until_up(l.redis, 2000000));
	for (int i = 0; i < 4; i++)
		ask(l.quota, &a[i], 100, 100, 1);
	line_down(&l);
	run_for(100000);
	assert_false(a[0].done);
	/* failed with a timeout, the reply still to arrive; a release in flight */
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
	/* failing at once, and the callback has not run yet */
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

/* A hash has its own callback, and its owner is freed first. */
static void
hash_request_may_outlive_its_owner(void **state)
{
	struct line l;

	NEEDS_REDIS;
	line_up(&l, 50000);
	assert_true(run_until_up(l.redis, 2000000));
	redis_hash(l.redis, SPAN_LIT("h"), 8, 64, hash_came, NULL);
	line_down(&l);
	/* failing at once, and the callback has not run yet */
	line_up(&l, 50000);
	redis_hash(l.redis, SPAN_LIT("h"), 8, 64, hash_came, NULL);
	line_down(&l);
	run_for(20000);
	assert_int_equal(hashes, 0);
}

/* ---- a server that answers as the test wants ---- */

struct fake {
	int listener, fd;
	char url[128];
	const char *pong; /* NULL: no reply */
	const char *info; /* NULL: the normal reply */
	const char *counts;
	/* in place of counts: a clock that runs and can be set */
	uint64_t began_us;
	int64_t set_us;
	ev_io accept, read;
	unsigned accepted, reads; /* reads: number of reads of adjacent buckets */
};

#define FAKE_TIME(s) "*2\r\n$10\r\n" s "\r\n$1\r\n0\r\n"

/* For a request without earlier counts: its count, the clock, eleven adjacent buckets and the
 * revision; the epoch and the revision. */
#define NIL4	     "$-1\r\n$-1\r\n$-1\r\n$-1\r\n"
#define COUNTED(own) "+OK\r\n" own ":1\r\n"
#define TIME	     FAKE_TIME("1790000002")
#define REVISION     "*1\r\n$-1\r\n"
#define NEAR(x)	     REVISION "*11\r\n" x "$-1\r\n$-1\r\n" NIL4 NIL4 NOTES
#define NOTES	     "*16\r\n" NIL4 NIL4 NIL4 NIL4
#define LIFE	     "*3\r\n$1\r\n7\r\n$-1\r\n$-1\r\n"
#define GOOD(own)    COUNTED(own) TIME NEAR("$1\r\n7\r\n") LIFE

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

/* Three in this bucket, seven in the previous one. */
static void
say_counts(struct fake *f, bool reads)
{
	long long us = (long long)(clock_mono_us() - f->began_us) + f->set_us;
	char out[600];

	snprintf(out, sizeof(out), "%s*2\r\n$10\r\n%lld\r\n$6\r\n%06lld\r\n%s" LIFE,
		reads ? COUNTED(":3\r\n") : ":3\r\n", 1790000002 + us / 1000000, us % 1000000,
		reads ? NEAR("$1\r\n7\r\n") : "");
	say(f, out);
	f->reads += reads;
}

/* At a connect with the epoch, which is read twice, and then once a second. */
static void
say_life(struct fake *f, bool epoch)
{
	uint64_t us =
		f->began_us && !epoch ? clock_mono_us() - f->began_us + (uint64_t)f->set_us : 0;
	char out[200];

	snprintf(out, sizeof(out), "+OK\r\n*2\r\n$10\r\n%llu\r\n$6\r\n%06llu\r\n%s",
		(unsigned long long)(1790000002 + us / 1000000),
		(unsigned long long)(us % 1000000), epoch ? "$1\r\n7\r\n$1\r\n7\r\n" : "");
	say(f, out);
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
	for (int i = times(in, "INFO"); i > 0; i--)
		say(f, f->info ? f->info : "$20\r\n# Server\r\nrun_id:x\r\n\r\n");
	if (strstr(in, "SET\r\n$16\r\ntollgate:epoch:x"))
		say_life(f, strstr(in, "\r\nGET\r\n") != NULL);
	if (strstr(in, "\r\nSET\r\n") && strstr(in, "tollgate:begun:"))
		say(f, "+OK\r\n");
	/* the worker's announcement and the other members: at first, whether one of them
	 * continues */
	int beats = times(in, "ZREMRANGEBYSCORE"), first = 0;
	for (const char *at = in; (at = strstr(at, "ZREMRANGEBYSCORE"));) {
		at = strstr(at, "MGET");
		assert_non_null(at); /* an announcement arrives in one piece */
		bool begun = !strncmp(at + strcspn(at, "t"), "tollgate:begun:", 15);
		first += begun;
		say(f, begun ? ":1\r\n:1\r\n:0\r\n:1\r\n*2\r\n$-1\r\n$1\r\n7\r\n"
			     : ":1\r\n:1\r\n:0\r\n:1\r\n" LIFE);
		say(f, ":0\r\n"); /* no worker retired */
		const char *names = strstr(at, "\r\nZRANGE\r\n"),
			   *next = strstr(at, "ZREMRANGEBYSCORE");
		if (names && (!next || names < next))
			say(f, "*0\r\n");
	}
	/* corrections first */
	int asks = times(in, "\r\nMGET\r\n$16\r\ntollgate:epoch:x") - (beats - first);
	int notes = times(in, "\r\nHINCRBY\r\n");
	for (const char *at = in; (at = strstr(at, "\r\nEXPIRE\r\n")); at += 10)
		notes += strstr(at, "tollgate:p:") == at + 10 + strcspn(at + 10, "t");
	for (int i = notes; i > 0; i--)
		say(f, ":1\r\n");
	int corrections = times(in, "\r\nINCRBY\r\n") - asks + times(in, "\r\nEVAL\r\n");
	for (int i = corrections; (f->counts || f->began_us) && i > 0; i--)
		say(f, ":1\r\n");
	if (f->began_us && asks)
		say_counts(f, times(in, "MGET") - beats > 1);
	for (; f->counts && *f->counts && asks > 0; asks--)
		say(f, f->counts);
}

static void
fake_accept(struct ev_loop *l, ev_io *w, int revents)
{
	struct fake *f = w->data;

	(void)revents;
	if (f->fd >= 0) { /* the client closed the previous connection */
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
	memset(f, 0, sizeof(*f));
	f->fd = -1;
	f->listener = listen_at(f->url, "fake.sock");
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
reply_has_its_result(void **state)
{
	static const struct {
		const char *name, *counts;
		enum quota_result want;
	} rows[] = {
		{ "within the limit", GOOD(":3\r\n"), QUOTA_ADMITTED },
		{ "over it", GOOD(":4\r\n"), QUOTA_REFUSED },
		{ "over it, at the bucket's last moment",
			COUNTED(":4\r\n") "*2\r\n$10\r\n1790000003\r\n$6\r\n999999\r\n" NEAR(
				"$1\r\n7\r\n") LIFE,
			QUOTA_REFUSED },
		{ "over it, where the next bucket has begun: once more",
			COUNTED(":4\r\n") FAKE_TIME("1790000004") NEAR("$1\r\n7\r\n") LIFE,
			QUOTA_REFUSED },
		{ "loading",
			"-LOADING Redis is loading\r\n-LOADING x\r\n-LOADING x\r\n-LOADING "
			"x\r\n-LOADING x\r\n-LOADING x\r\n-LOADING x\r\n",
			QUOTA_FAILED },
		{ "loading at the read only",
			COUNTED(":1\r\n") "-LOADING x\r\n-LOADING x\r\n-LOADING x\r\n-LOADING "
					  "x\r\n",
			QUOTA_FAILED },
		{ "a list that is too short",
			COUNTED(":1\r\n") TIME REVISION "*1\r\n$-1\r\n" LIFE, QUOTA_FAILED },
		{ "a number where the list should be",
			COUNTED(":1\r\n") TIME REVISION ":1\r\n" LIFE, QUOTA_FAILED },
		{ "a word where the number should be",
			COUNTED("$1\r\n1\r\n") TIME NEAR("$-1\r\n") LIFE, QUOTA_FAILED },
		{ "nothing", "", QUOTA_FAILED },
		{ "half of it", "+OK\r\n:1\r\n", QUOTA_FAILED },
		{ "all but the epoch", COUNTED(":3\r\n") TIME NEAR("$1\r\n7\r\n"),
			QUOTA_FAILED },
		{ "no epoch, whatever is asked",
			COUNTED(":3\r\n")
				TIME NEAR("$1\r\n7\r\n") "*3\r\n$-1\r\n$-1\r\n$-1\r\n",
			QUOTA_FAILED },
		{ "another epoch, whatever is asked",
			COUNTED(":3\r\n")
				TIME NEAR("$1\r\n7\r\n") "*3\r\n$1\r\n8\r\n$-1\r\n$-1\r\n",
			QUOTA_FAILED },
		{ "an error where the epoch should be",
			COUNTED(":3\r\n") TIME NEAR("$1\r\n7\r\n") "-WRONGTYPE x\r\n",
			QUOTA_FAILED },
		{ "no clock", COUNTED(":3\r\n") "*-1\r\n" NEAR("$1\r\n7\r\n") LIFE,
			QUOTA_FAILED },
		{ "a clock that was set forward: once more",
			COUNTED(":3\r\n") FAKE_TIME("1790000620") NEAR("$1\r\n7\r\n") LIFE,
			QUOTA_ADMITTED },
		{ "a clock that was set back: once more",
			COUNTED(":3\r\n") FAKE_TIME("1789000000") NEAR("$1\r\n7\r\n") LIFE,
			QUOTA_ADMITTED },
		{ "garbage", "?!\r\n", QUOTA_FAILED },
		{ "a neighbour below zero hides nothing",
			COUNTED(":11\r\n") TIME NEAR("$2\r\n-9\r\n") LIFE, QUOTA_REFUSED },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct fake f;
		struct metrics m = { 0 };
		struct ask a;
		fake_up(&f);
		struct redis *r = redis_new(loop, f.url, RIG_PATIENT_US, &m);
		struct quota *q = quota_new(r, NULL, &self, &m);
		assert_true(run_until_up(r, 2000000));
		if (rows[i].want == QUOTA_FAILED)
			redis_waits(r, 30000);
		f.counts = rows[i].counts;
		ask_wait(q, &a, 10, 0, 0);
		if (a.q.result != rows[i].want)
			fail_msg("%s: %d", rows[i].name, a.q.result);
		/* A request is refused without a time to retry only if it is larger than its limit. */
		assert_int_equal(a.q.retry_after_s > 0, rows[i].want == QUOTA_REFUSED);
		f.counts = NULL;
		run_for(20000);
		quota_free(&q);
		redis_free(&r);
		fake_down(&f);
	}
}

/* Counts of closed buckets stay valid while Redis' clock runs; if the clock was set, the bucket
 * may be open again. */
static void
closed_buckets_are_read_again_after_a_clock_change(void **state)
{
	static const struct {
		const char *name;
		int64_t by_us;
		unsigned reads;
	} rows[] = {
		{ "it goes on", 0, 1 },
		{ "set back by a second", -1000000, 2 },
		{ "set forward by a second", 1000000, 2 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct fake f;
		struct metrics m = { 0 };
		struct ask a;
		fake_up(&f);
		struct redis *r = redis_new(loop, f.url, RIG_PATIENT_US, &m);
		struct quota *q = quota_new(r, NULL, &self, &m);
		assert_true(run_until_up(r, 2000000));
		f.began_us = clock_mono_us();
		f.set_us = 2000000;
		ask_wait(q, &a, 20, 0, 0);
		assert_int_equal(f.reads, 1);
		f.set_us += rows[i].by_us;
		ask_wait(q, &a, 20, 0, 0);
		assert_int_equal(a.q.result, QUOTA_ADMITTED);
		assert_int_equal(a.q.dim[0].remaining, 10);
		if (f.reads != rows[i].reads)
			fail_msg("%s: %u", rows[i].name, f.reads);
		quota_free(&q);
		redis_free(&r);
		fake_down(&f);
	}
}

/* A Redis that answers, but not with the epoch of its counts: limits fail at once, and apply
 * again when it does. */
static void
limits_fail_at_once_without_an_epoch(void **state)
{
	static const char *const infos[] = { "-NOPERM no permission to run 'info'\r\n",
		"$10\r\n# Server\r\n\r\n", "$7\r\nrun_id:\r\n", "*0\r\n", ":1\r\n" };

	(void)state;
	for (size_t i = 0; i < sizeof(infos) / sizeof(infos[0]); i++) {
		struct fake f;
		struct metrics m = { 0 };
		struct ask a;
		fake_up(&f);
		f.info = infos[i];
		f.counts = GOOD(":3\r\n");
		struct redis *r = redis_new(loop, f.url, RIG_PATIENT_US, &m);
		struct quota *q = quota_new(r, NULL, &self, &m);
		for (int k = 0; k < 30000 && !redis_up(r); k++)
			run_until_up(r, 1000);
		assert_true(redis_up(r));
		ask_wait(q, &a, 10, 0, 0);
		assert_int_equal(a.q.result, QUOTA_FAILED);
		assert_true(a.done_us - a.sent_us < RIG_PATIENT_US / 2);
		f.info = NULL;
		assert_true(run_until_up(r, 2000000));
		ask_wait(q, &a, 10, 0, 0);
		assert_int_equal(a.q.result, QUOTA_ADMITTED);
		quota_free(&q);
		redis_free(&r);
		fake_down(&f);
	}
}

/* The peer vanishes without closing. The connection is given up within about two seconds,
 * because a probe gets no reply, and a new one is made. */
static void
connection_to_a_vanished_peer_is_given_up(void **state)
{
	struct fake f;
	struct metrics m = { 0 };
	struct ask a;

	(void)state;
	fake_up(&f);
	struct redis *r = redis_new(loop, f.url, RIG_PATIENT_US, &m);
	struct quota *q = quota_new(r, NULL, &self, &m);
	assert_true(run_until_up(r, 2000000));
	f.pong = NULL;
	redis_waits(r, 30000);
	ask_wait(q, &a, 10, 0, 0);
	assert_int_equal(a.q.result, QUOTA_FAILED);
	unsigned before = f.accepted;
	for (uint64_t until = clock_mono_us() + RIG_PATIENT_US;
		f.accepted == before && clock_mono_us() < until;)
		run_for(1000);
	assert_true(f.accepted > before);
	redis_waits(r, RIG_PATIENT_US);
	f.pong = "+PONG\r\n";
	assert_true(run_until_up(r, 3000000));
	quota_free(&q);
	redis_free(&r);
	fake_down(&f);
}

/* Any data that a Redis with full memory evicts is lost usage. */
static void
evicting_redis_is_detected(void **state)
{
	static const struct {
		const char *name, *most, *policy;
		bool evicts;
	} rows[] = {
		{ "no bound", "0", "allkeys-lru", false },
		{ "a bound, and it refuses", "100mb", "noeviction", false },
		{ "a bound, and it forgets", "100mb", "allkeys-lru", true },
		{ "keys with a TTL alone, as all of ours", "100mb", "volatile-ttl", true },
	};

	NEEDS_REDIS;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct metrics m = { 0 };
		redis_rig_do(&server, "CONFIG SET maxmemory %s", rows[i].most);
		redis_rig_do(&server, "CONFIG SET maxmemory-policy %s", rows[i].policy);
		struct redis *r = redis_new(loop, server.url, RIG_PATIENT_US, &m);
		assert_true(run_until_up(r, 3000000));
		if (redis_evicts(r) != rows[i].evicts)
			fail_msg("%s", rows[i].name);
		redis_free(&r);
	}
	redis_rig_do(&server, "CONFIG SET maxmemory 0");
	redis_rig_do(&server, "CONFIG SET maxmemory-policy noeviction");
}

/* Tokens expire and records have times by this machine's clock. */
static void
clock_difference_to_redis_is_detected(void **state)
{
	struct metrics m = { 0 };
	struct fake f;

	(void)state;
	fake_up(&f);
	struct redis *r = redis_new(loop, f.url, RIG_PATIENT_US, &m);
	assert_int_equal(redis_skew_us(r), 0);
	assert_true(run_until_up(r, 3000000));
	int64_t off_us = clock_wall_ns() / 1000 - INT64_C(1790000002000000);
	assert_true(llabs(off_us - redis_skew_us(r)) < RIG_PATIENT_US);
	redis_free(&r);
	fake_down(&f);
	if (!server.pid)
		return;
	r = redis_new(loop, server.url, RIG_PATIENT_US, &m);
	assert_true(run_until_up(r, 3000000));
	assert_true(llabs(redis_skew_us(r)) < 5000000);
	redis_free(&r);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(concurrent_workers_never_exceed_a_limit),
		cmocka_unit_test(settlement_corrects_its_charge),
		cmocka_unit_test(settlement_answered_late_is_counted_once),
		cmocka_unit_test(settlement_refused_by_a_full_redis_is_counted_later),
		cmocka_unit_test(settlements_are_counted_without_eval),
		cmocka_unit_test(clock_difference_to_redis_is_detected),
		cmocka_unit_test(lost_charge_is_not_released),
		cmocka_unit_test(stopped_redis_fails_within_the_deadline),
		cmocka_unit_test(connection_to_a_long_stopped_redis_is_given_up),
		cmocka_unit_test(killed_redis_fails_at_once_and_recovers),
		cmocka_unit_test(redis_with_errors_admits_nothing),
		cmocka_unit_test(stream_gives_way_to_counters_in_a_full_redis),
		cmocka_unit_test(redis_that_refuses_the_login_is_never_up),
		cmocka_unit_test(freed_client_runs_no_callback),
		cmocka_unit_test(hash_request_may_outlive_its_owner),
		cmocka_unit_test(reply_has_its_result),
		cmocka_unit_test(closed_buckets_are_read_again_after_a_clock_change),
		cmocka_unit_test(limits_fail_at_once_without_an_epoch),
		cmocka_unit_test(evicting_redis_is_detected),
		cmocka_unit_test(connection_to_a_vanished_peer_is_given_up),
	};

	return cmocka_run_group_tests(tests, quota_setup, quota_teardown);
}
