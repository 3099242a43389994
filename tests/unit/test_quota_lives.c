/* Limits on a Redis that loses its counts, has another clock, or has a long latency. Amounts
 * are counted again in the next Redis epoch, also under holds, by another worker, only half of
 * them or too many of them. */
#include <stdlib.h>
#include <sys/socket.h>

#include "budget/quota/lives/quota_lives_private.h"
#include "budget/quota/quota_lives.h"
#include "budget/quota/quota_private.h"
#include "support/quota_rig.h"

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

/* Redis lost its counts while requests were admitted: they count in its next epoch too, and are
 * released there, once, whichever worker noticed first. */
static void
admitted_requests_count_in_the_next_epoch(void **state)
{
	enum { LOST = 10, LIMIT = 1000, N = 100, BEATS_US = 200000 };
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
			line_up(&l[k], RIG_PATIENT_US);
			assert_true(run_until_up(l[k].redis, 2000000));
		}
		run_for(2 * BEATS_US); /* the workers know of each other */
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
			redis_rig_start(&server, quota_dir);
			for (int k = 0; k < 2; k++) {
				run_for(30000);
				assert_true(run_until_up(l[k].redis, 3000000));
			}
		}
		/* one releases before a worker noticed, others after */
		settle_tokens(l[0].quota, &lost[0].q, 1, clock_mono_us());
		quota_release(l[1].quota, &lost[1].q, clock_mono_us());
		run_for(40000); /* a refusal relies on counts that are up to this old */
		/* everything except the released amounts */
		unsigned got = admitted_of(l[0].quota, LOST / 2, LIMIT, N) +
			       admitted_of(l[1].quota, LOST / 2, LIMIT, N);
		if (got != 1)
			fail_msg("%s: %u again", rows[i].name, got);
		assert_true(redis_life(l[0].redis)->epoch != epoch);
		assert_int_equal(redis_life(l[0].redis)->epoch, redis_life(l[1].redis)->epoch);
		for (int k = 0; k < LOST; k++)
			quota_release(l[k / 5].quota, &lost[k].q, clock_mono_us());
		run_for(20000);
		got += admitted_of(l[0].quota, 6, LIMIT, N);
		run_for(40000);
		got += admitted_of(l[1].quota, 6, LIMIT, N);
		run_for(20000);
		long long sum = stored_in("t", redis_life(l[0].redis)->epoch);
		if (got != LIMIT / N || sum != LIMIT)
			fail_msg("%s: %u of %d, %lld", rows[i].name, got, LIMIT / N, sum);
		for (int k = 0; k < 2; k++)
			line_down(&l[k]);
	}
}

/* The clock of this machine or of Redis is wrong or is set: each charge ends in the bucket of
 * Redis' clock, and no window of that clock holds more than the limit. */
static void
charge_is_in_the_bucket_of_redis_clock(void **state)
{
	enum { LIMIT = 20, MAX = 400, RUN_US = 2300000, WINDOW_US = 1000000 };
	static uint64_t at[MAX];
	struct line l[2];
	struct ask a;
	size_t n = 0;
	unsigned seed = 7, tries = 0;

	NEEDS_REDIS;
	for (int k = 0; k < 2; k++) {
		line_up(&l[k], RIG_PATIENT_US);
		assert_true(run_until_up(l[k].redis, 2000000));
	}
	uint64_t until = clock_mono_us() + RUN_US;
	while (clock_mono_us() < until) {
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
		if (a.q.result == QUOTA_FAILED) /* the machine paused for long */
			continue;
		if (a.q.result == QUOTA_REFUSED)
			assert_true(a.q.retry_after_s >= 1 && a.q.retry_after_s <= 2);
		if (a.q.result == QUOTA_ADMITTED && n < MAX)
			at[n++] = clock_mono_us();
	}
	assert_true(tries > 0);
	assert_true(n > LIMIT); /* its room was available again */
	for (size_t i = 0; i + LIMIT < n; i++)
		/* time between the reply and the reading of the clock */
		if (at[i + LIMIT] - at[i] < WINDOW_US - 30000)
			fail_msg("%d within %llu us", LIMIT + 1,
				(unsigned long long)(at[i + LIMIT] - at[i]));
	for (int k = 0; k < 2; k++)
		line_down(&l[k]);
}

/* A count in a bucket that Redis' clock has left is released, and counted once more in the
 * current one. */
static void
late_charge_is_counted_again(void **state)
{
	struct line l;
	struct ask a;

	NEEDS_REDIS;
	line_up(&l, RIG_PATIENT_US);
	assert_true(run_until_up(l.redis, 2000000));
	struct quota_place was;
	int turns = 0;
	do { /* if the machine pauses for a bucket at each attempt, the request fails: repeat */
		kill(server.pid, SIGSTOP);
		a = (struct ask){ .q.ndims = 1 };
		dim_set(&a.q.dim[0], "r", 10, 1, 1); /* one second: buckets of 100 ms */
		a.q.done = asked;
		a.q.arg = &a;
		quota_reserve(l.quota, &a.q);
		run_for(250000);
		assert_false(a.done);
		was = a.q.dim[0].at;
		kill(server.pid, SIGCONT);
		asked_out(&a);
	} while (a.q.result == QUOTA_FAILED && ++turns < 10);
	assert_int_equal(a.q.result, QUOTA_ADMITTED);
	for (int i = 0; i < 10000 && count_at(&a.q.dim[0], was) != 0; i++)
		run_for(3000); /* the amount is released there */
	assert_int_equal(count_at(&a.q.dim[0], was), 0);
	assert_int_equal(count_at(&a.q.dim[0], a.q.dim[0].at), 1);
	line_down(&l);
}

/* ---- a Redis with a long latency ---- */

/* A proxy between a worker and the server: each chunk is forwarded after `delay_us`. One
 * connection per proxy. */
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
	int near_fd = accept(f->listener, NULL, NULL), fd = connect_server();

	(void)revents;
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
	char name[16];

	snprintf(name, sizeof(name), "far%d.sock", which);
	*f = (struct far){ .delay_us = delay_us };
	f->listener = listen_at(f->url, name);
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

/* ---- participants ---- */

/* One of two workers is killed, and Redis loses its data before anyone notices. The other
 * worker waits for it, and then spends only its share, of which it has spent most. */
static void
missing_worker_is_left_a_share(void **state)
{
	enum { LIMIT = 1000, N = 100, BEATS_US = 200000, SETTLE_US = 5000000 };
	struct line l[2];
	struct far f;
	struct ask a;

	NEEDS_REDIS;
	far_up(&f, 0, 0);
	for (int k = 0; k < 2; k++) {
		line_up_at(&l[k], k ? f.url : server.url, RIG_PATIENT_US);
		assert_true(run_until_up(l[k].redis, 2000000));
	}
	run_for(2 * BEATS_US);
	assert_int_equal(admitted_of(l[0].quota, 3, LIMIT, N), 3);
	assert_int_equal(admitted_of(l[1].quota, 4, LIMIT, N), 4);
	far_down(&f); /* the worker cannot announce its end */
	line_down(&l[1]);
	redis_rig_do(&server, "FLUSHALL");
	redis_waits(l[0].redis, 100000);
	uint64_t began = clock_mono_us();
	do {
		ask_wait(l[0].quota, &a, 1000, LIMIT, N);
		assert_true(a.q.result != QUOTA_REFUSED);
		assert_true(a.q.result == QUOTA_FAILED || clock_mono_us() - began >= SETTLE_US);
	} while (a.q.result == QUOTA_FAILED);
	redis_waits(l[0].redis, RIG_PATIENT_US);
	assert_int_equal(admitted_of(l[0].quota, 5, LIMIT, N), 1);
	line_down(&l[0]);
}

/* For example a worker that starts with a Redis of many workers before it knows them, or beside
 * a killed one. */
static void
more_members_than_known_are_reported_once(void **state)
{
	enum { BEAT = 100000, BEATS = LIVES_UNKNOWN_US / BEAT };
	uint64_t since = 0, now = 1;
	unsigned said = 0;

	(void)state;
	for (unsigned i = 0; i < BEATS; i++) /* killed, and still counted */
		assert_false(lives_unknown(&since, 4, 2, now += BEAT));
	assert_false(lives_unknown(&since, 2, 2, now += BEAT));
	for (unsigned i = 0; i < 1000; i++) {
		assert_false(said == 0 && i > BEATS);
		said += lives_unknown(&since, 3, 2, now += BEAT);
	}
	assert_int_equal(said, 1);
	since = 0;
	for (unsigned i = 0; i < 1000; i++)
		assert_false(lives_unknown(&since, i % 5, i % 2 ? 0 : 4, now += BEAT));
}

/* A daemon that knows of two daemons starts, and no other one comes: it waits, then spends
 * half. */
static void
lone_new_daemon_spends_a_share(void **state)
{
	struct life_facts f = { .added = true, .expected = 2, .came = 1 };

	(void)state;
	for (f.waited_us = 0; f.waited_us <= 5000000; f.waited_us += 1000000)
		assert_int_equal(life_next(LIFE_SETTLES, &f), LIFE_SETTLES);
	assert_int_equal(life_next(LIFE_SETTLES, &f), LIFE_SETTLED);
	assert_int_equal(life_share(1000, f.came, f.expected), 500);
}

/* Two daemons are set up one after the other: the first one reduces limits until the second one
 * has come, whatever is left of the window. */
static void
limits_are_full_once_the_missing_daemon_has_come(void **state)
{
	enum { LIMIT = 1000, N = 100, LOOK_US = 1000000 };
	struct line l[2];
	struct quota_company company;
	struct ask a;

	NEEDS_REDIS;
	redis_rig_do(&server, "FLUSHALL");
	line_up(&l[0], RIG_PATIENT_US);
	quota_together(l[0].quota, 1, 2);
	assert_true(run_until_up(l[0].redis, 2000000));
	do
		ask_wait(l[0].quota, &a, 1000, LIMIT, N);
	while (a.q.result == QUOTA_FAILED);
	assert_int_equal(a.q.result, QUOTA_ADMITTED);
	assert_int_equal(admitted_of(l[0].quota, 10, LIMIT, N), 4);
	ask_wait(l[0].quota, &a, 1000, LIMIT, N);
	assert_int_equal(a.q.result, QUOTA_REFUSED);
	assert_int_equal(a.q.dim[0].limit, LIMIT / 2);
	assert_in_range(a.q.dim[0].reduced_s, 50, 60);
	quota_company(l[0].quota, &company);
	assert_int_equal(company.came, 1);
	assert_int_equal(company.expected, 2);
	assert_in_range(company.reduced_s, 50, 60);
	line_up(&l[1], RIG_PATIENT_US);
	quota_together(l[1].quota, 1, 2);
	assert_true(run_until_up(l[1].redis, 2000000));
	assert_int_equal(admitted_of(l[1].quota, 1, LIMIT, N), 1);
	run_for(2 * LOOK_US);
	assert_int_equal(admitted_of(l[0].quota, 10, LIMIT, N), 4);
	quota_company(l[0].quota, &company);
	assert_int_equal(company.reduced_s, 0);
	for (int k = 0; k < 2; k++)
		line_down(&l[k]);
}

/* ---- missing members ---- */

#define NAMES(...)                                                                             \
	{                                                                                      \
		.n = sizeof((uint64_t[]){ __VA_ARGS__ }) / sizeof(uint64_t),                   \
		.id = { __VA_ARGS__ }                                                          \
	}
/* A worker, identified by node, process and place. */
#define W(node, process, place)                                                                \
	((uint64_t)(node) << 32 | (uint64_t)(process) << 10 | (uint64_t)(place))

static void
missing_member_is_known_by_name(void **state)
{
	static const struct {
		const char *name;
		struct names missed, is;
		bool back;
		size_t nodes;
		uint64_t gone; /* the node that is retired; 0: none */
	} rows[] = {
		{ "all", NAMES(W(1, 1, 0), W(2, 1, 0)), NAMES(W(2, 1, 0), W(1, 1, 0)), true, 2, 0 },
		{ "one is missing", NAMES(W(1, 1, 0), W(2, 1, 0)), NAMES(W(1, 1, 0)), false, 1, 0 },
		{ "another node", NAMES(W(1, 1, 0), W(2, 1, 0)), NAMES(W(1, 1, 0), W(3, 1, 0)),
			false, 2, 0 },
		{ "another node, often", NAMES(W(1, 1, 0), W(2, 1, 0)),
			NAMES(W(1, 1, 0), W(3, 1, 0), W(3, 2, 0), W(3, 3, 0)), false, 2, 0 },
		{ "a later process of the node", NAMES(W(1, 1, 0), W(2, 1, 0), W(2, 1, 1)),
			NAMES(W(1, 1, 0), W(2, 2, 0)), true, 2, 0 },
		{ "its second worker only", NAMES(W(1, 1, 0), W(2, 1, 0)),
			NAMES(W(1, 1, 0), W(2, 2, 1)), false, 2, 0 },
		{ "one of a process's two workers", NAMES(W(1, 1, 0), W(2, 1, 0), W(2, 1, 1)),
			NAMES(W(1, 1, 0), W(2, 1, 0)), false, 2, 0 },
		{ "two daemons have one node's name", NAMES(W(1, 1, 0), W(1, 2, 0)),
			NAMES(W(1, 1, 0)), false, 1, 0 },
		{ "the missing node is retired", NAMES(W(1, 1, 0), W(2, 1, 0), W(2, 1, 1)),
			NAMES(W(1, 1, 0)), true, 1, .gone = 2 },
		{ "one of two missing nodes is retired", NAMES(W(1, 1, 0), W(2, 1, 0), W(3, 1, 0)),
			NAMES(W(1, 1, 0)), false, 1, .gone = 2 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct quota_daemon d = { .node = 1 };
		if (rows[i].gone)
			d.gone[0] = quota_node_gone(rows[i].gone);
		if (names_back(&rows[i].missed, &rows[i].is, &d) != rows[i].back ||
			names_nodes(&rows[i].is) != rows[i].nodes)
			fail_msg("%s", rows[i].name);
	}
	assert_int_equal(worker_name(7, 1 << 22 | 5, 3), W(7, 5, 3));
	const struct span pairs[] = { SPAN_LIT("-1"), SPAN_LIT("5"), SPAN_LIT("x"), SPAN_LIT("5"),
		SPAN_LIT("12"), SPAN_LIT("5") };
	struct names read;
	names_read(&read, pairs, 3);
	assert_int_equal(read.n, 2);
	assert_true(read.id[0] == UINT64_MAX && read.id[1] == 12);
}

static void
node_up(struct line *l, struct quota_daemon *d, const char *url, uint64_t node)
{
	*d = (struct quota_daemon){ .node = node, .process = redis_life_draw() };
	line_up_at(l, url, RIG_PATIENT_US);
	quota_beside(l->quota, d, 0);
	assert_true(run_until_up(l->redis, 2000000));
}

/* One of two daemons is killed, and Redis loses its data. A third daemon, even if it starts
 * repeatedly, does not add what the missing one admitted. */
static void
other_daemon_does_not_replace_the_missing_one(void **state)
{
	enum { LIMIT = 1000, N = 100, STARTS = 5, LOOK_US = 1000000 };
	struct line l[2], other;
	struct quota_daemon d[2], third;
	struct quota_company company;
	struct far f;
	struct ask a;

	NEEDS_REDIS;
	far_up(&f, 0, 0);
	node_up(&l[0], &d[0], server.url, 1);
	node_up(&l[1], &d[1], f.url, 2);
	run_for(LOOK_US);
	assert_int_equal(admitted_of(l[0].quota, 3, LIMIT, N), 3);
	far_down(&f);
	line_down(&l[1]);
	redis_rig_do(&server, "FLUSHALL");
	do
		ask_wait(l[0].quota, &a, 1000, LIMIT, N);
	while (a.q.result == QUOTA_FAILED);
	/* also if it was sent before the loss was noticed */
	assert_int_equal(a.q.dim[0].limit, LIMIT / 2);
	for (int i = 0; i < STARTS; i++) {
		far_up(&f, 0, 0);
		node_up(&other, &third, f.url, 3);
		run_for(LOOK_US);
		assert_int_equal(admitted_of(other.quota, 1, LIMIT, 1), 1);
		far_down(&f); /* killed */
		line_down(&other);
	}
	node_up(&other, &third, server.url, 3);
	run_for(5 * LOOK_US);
	quota_company(l[0].quota, &company);
	assert_in_range(company.reduced_s, 1, 60);
	node_up(&l[1], &d[1], server.url, 2);
	assert_int_equal(admitted_of(l[1].quota, 1, LIMIT, 1), 1);
	run_for(2 * LOOK_US);
	quota_company(l[0].quota, &company);
	assert_int_equal(company.reduced_s, 0);
	for (int k = 0; k < 2; k++)
		line_down(&l[k]);
	line_down(&other);
}

/* A worker that ended in order is not waited for. */
static void
ended_worker_is_not_waited_for(void **state)
{
	enum { LIMIT = 1000, N = 100, BEATS_US = 200000, SETTLE_US = 5000000 };
	struct line l[2];

	NEEDS_REDIS;
	for (int k = 0; k < 2; k++) {
		line_up(&l[k], RIG_PATIENT_US);
		assert_true(run_until_up(l[k].redis, 2000000));
	}
	run_for(2 * BEATS_US);
	assert_int_equal(admitted_of(l[0].quota, 3, LIMIT, N), 3);
	line_down(&l[1]);
	/* the other worker's announcement counts them */
	const struct redis_life *life = redis_life(l[0].redis);
	uint64_t until = clock_mono_us() + RIG_PATIENT_US;
	while (redis_rig_do(&server, "ZCARD tollgate:members:%llu",
		       (unsigned long long)life->epoch) != 1 &&
		clock_mono_us() < until)
		run_for(5000);
	run_for(20000);
	redis_rig_do(&server, "FLUSHALL");
	assert_int_equal(
		admitted_of(l[0].quota, 8, LIMIT, N), 7); /* no request fails meanwhile */
	line_down(&l[0]);
}

/* A daemon starts with an empty Redis before the existing daemon found it again. It waits for
 * the other one, whose usage counts. */
static void
new_daemon_waits_for_the_others(void **state)
{
	enum { LIMIT = 1000, N = 100 };
	struct line old, new;
	struct far f;
	struct ask a;
	unsigned got = 0;

	NEEDS_REDIS;
	far_up(&f, 0, 0);
	line_up_at(&old, f.url, RIG_PATIENT_US);
	assert_true(run_until_up(old.redis, 2000000));
	assert_int_equal(admitted_of(old.quota, 7, LIMIT, N), 7);
	far_down(&f);
	redis_rig_do(&server, "FLUSHALL");
	line_up(&new, RIG_PATIENT_US);
	quota_together(new.quota, 1, 2);
	assert_true(run_until_up(new.redis, 2000000));
	redis_waits(new.redis, 100000);
	ask_wait(new.quota, &a, 1000, LIMIT, N);
	assert_int_equal(a.q.result, QUOTA_FAILED);
	redis_waits(new.redis, RIG_PATIENT_US);
	far_up(&f, 0, 0); /* at the same place */
	do {
		ask_wait(new.quota, &a, 1000, LIMIT, N);
		got += a.q.result == QUOTA_ADMITTED;
	} while (a.q.result != QUOTA_REFUSED);
	assert_int_equal(got, 3);
	line_down(&new);
	line_down(&old);
	far_down(&f);
}

/* The same for a daemon without redis.daemons. A third one that starts later finds the admitted
 * amounts, and waits for no other. */
static void
new_daemon_without_a_configured_number_waits_too(void **state)
{
	enum { LIMIT = 1000, N = 100 };
	struct line old, new, third;
	struct far f;
	struct ask a;
	unsigned got = 0;

	NEEDS_REDIS;
	far_up(&f, 0, 0);
	line_up_at(&old, f.url, RIG_PATIENT_US);
	assert_true(run_until_up(old.redis, 2000000));
	assert_int_equal(admitted_of(old.quota, 7, LIMIT, N), 7);
	far_down(&f);
	redis_rig_do(&server, "FLUSHALL");
	line_up(&new, RIG_PATIENT_US);
	quota_together(new.quota, 1, 0);
	assert_true(run_until_up(new.redis, 2000000));
	redis_waits(new.redis, 100000);
	ask_wait(new.quota, &a, 1000, LIMIT, N);
	assert_int_equal(a.q.result, QUOTA_FAILED);
	redis_waits(new.redis, RIG_PATIENT_US);
	far_up(&f, 0, 0); /* at the same place */
	assert_true(run_until_up(old.redis, 2000000));
	do {
		ask_wait(new.quota, &a, 1000, LIMIT, N);
		got += a.q.result == QUOTA_ADMITTED;
	} while (a.q.result != QUOTA_REFUSED);
	assert_int_equal(got, 3);
	line_up(&third, RIG_PATIENT_US);
	quota_together(third.quota, 1, 0);
	assert_true(run_until_up(third.redis, 2000000));
	assert_int_equal(redis_rig_do(&server, "EXISTS tollgate:begun:%llu",
				 (unsigned long long)redis_life(third.redis)->epoch),
		1);
	ask_wait(third.quota, &a, 1000, LIMIT, N);
	assert_int_equal(a.q.result, QUOTA_REFUSED);
	line_down(&third);
	line_down(&new);
	line_down(&old);
	far_down(&f);
}

/* Several workers may each replace the epoch. A worker that waits for the others in one of
 * these epochs must not wait there until its time is over. */
static void
waiting_worker_notices_another_epoch(void **state)
{
	struct line l;

	NEEDS_REDIS;
	redis_rig_do(&server, "FLUSHALL");
	line_up(&l, RIG_PATIENT_US);
	quota_together(l.quota, 1, 2);
	assert_true(run_until_up(l.redis, 2000000));
	for (uint64_t until = clock_mono_us() + 300000; clock_mono_us() < until; usleep(200))
		ev_run(loop, EVRUN_NOWAIT);
	const struct redis_life *life = redis_life(l.redis);
	assert_false(lives_all_settled(l.quota));
	redis_rig_do(&server, "SET %s 77", life->key);
	for (uint64_t until = clock_mono_us() + 2500000;
		life->epoch != 77 && clock_mono_us() < until; usleep(200))
		ev_run(loop, EVRUN_NOWAIT);
	assert_int_equal(life->epoch, 77);
	line_down(&l);
}

/* When a daemon without redis.daemons continues: it waits for others for 2 s, unless one
 * continued before. */
static void
daemon_without_a_configured_number_continues(void **state)
{
	static const struct {
		const char *name;
		struct life_facts f;
		enum life_state want;
	} rows[] = {
		{ "alone in a new life", { .came = 1, .waited_us = 1900000 }, LIFE_SETTLES },
		{ "and nobody came", { .came = 1, .waited_us = 2100000 }, LIFE_SETTLED },
		{ "others came, more may", { .came = 7, .waited_us = 100000 }, LIFE_SETTLES },
		{ "somebody goes on", { .came = 1, .begun = true }, LIFE_SETTLED },
		{ "its own are not there", { .came = 0, .begun = true }, LIFE_SETTLES },
		{ "nor for 2 s", { .came = 0, .waited_us = 2100000 }, LIFE_SETTLES },
		{ "nor for 5 s", { .came = 0, .waited_us = 5100000 }, LIFE_SETTLED },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct life_facts f = rows[i].f;
		f.added = f.guesses = true;
		f.expected = 1;
		if (life_next(LIFE_SETTLES, &f) != rows[i].want)
			fail_msg("%s", rows[i].name);
	}
}

/* ---- callers that repeat at once ---- */

enum { CALLERS = 128 };

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

/* Returns the sum of the admitted amounts. */
static uint64_t
told_of(struct caller callers[2][CALLERS], unsigned each)
{
	uint64_t sum = 0;

	for (unsigned c = 0; c < 2 * each; c++)
		sum += callers[c % 2][c / 2].admitted * callers[c % 2][c / 2].n;
	return sum;
}

/* The amount that small callers get of a shared limit, while others request more than the limit
 * has and are refused; with one worker and with two daemons, and with a latency of Redis. */
static void
small_requests_get_their_share(void **state)
{
	enum { LIMIT = 100000 };
	static const struct {
		const char *name;
		uint64_t delay_us; /* in each direction */
		unsigned small;	   /* callers, of 1 % each */
		unsigned large;	   /* callers of 95 % each */
		unsigned percent;  /* least part of the limit that is used in the end */
	} rows[] = {
		{ "1 ms each way, 16 that ask for 95 %", 1000, 4, 16, 90 },
		{ "10 ms each way, 16 that ask for 95 %", 10000, 4, 16, 85 },
		{ "10 ms each way, 64 that ask for 1 %", 10000, 64, 0, 90 },
	};

	NEEDS_REDIS;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		static struct caller callers[2][CALLERS];
		struct line l[2];
		struct far f[2];
		bool stop = false;
		uint64_t used = 0;
		redis_rig_do(&server, "FLUSHALL");
		for (int k = 0; k < 2; k++) {
			far_up(&f[k], k, rows[i].delay_us);
			line_up_at(&l[k], f[k].url, RIG_PATIENT_US);
			assert_true(run_until_up(l[k].redis, 2000000));
		}
		/* The small ones use a little first, so that the large ones never fit. */
		struct ask a = { .q.ndims = 1, .q.done = asked, .q.arg = &a };
		dim_set(&a.q.dim[0], "s", LIMIT, 60, LIMIT / 10);
		quota_reserve(l[0].quota, &a.q);
		asked_out(&a);
		assert_int_equal(a.q.result, QUOTA_ADMITTED);
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
		/* ten times as long on a busy machine */
		for (int more = 0; more < 10; more++) {
			run_for(40 * rows[i].delay_us + 100000);
			if (used + told_of(callers, each) >= LIMIT / 100 * rows[i].percent)
				break;
		}
		stop = true;
		/* pending requests are answered, later on a busy machine */
		for (int more = 0; more < 20; more++) {
			run_for(4 * rows[i].delay_us + 20000);
			if ((uint64_t)stored("s") == used + told_of(callers, each))
				break;
		}
		used += told_of(callers, each);
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

static void
on_slow_turn(struct ev_loop *l, ev_prepare *w, int revents)
{
	(void)l;
	(void)w;
	(void)revents;
	usleep(30000);
}

/* A worker whose turns take longer than its counts stay valid. */
static void
worker_with_slow_turns_has_current_counts(void **state)
{
	NEEDS_REDIS;
	struct metrics m = { 0 };
	struct redis *r = redis_new(loop, server.url, 500000, &m);
	struct quota *qt = quota_new(r, NULL, &self, &m);
	ev_prepare slow;
	struct ask a;

	assert_true(run_until_up(r, 2000000));
	ask_wait(qt, &a, 1, 0, 0);
	assert_int_equal(a.q.result, QUOTA_ADMITTED);
	ask_wait(qt, &a, 1, 0, 0);
	assert_int_equal(a.q.result, QUOTA_REFUSED);
	ev_prepare_init(&slow, on_slow_turn);
	ev_set_priority(&slow, EV_MAXPRI);
	ev_prepare_start(loop, &slow);
	ask(qt, &a, 1, 0, 0);
	for (int i = 0; i < 20 && !a.done; i++)
		run_for(1000);
	assert_true(a.done);
	assert_int_equal(a.q.result, QUOTA_REFUSED);
	ev_prepare_stop(loop, &slow);
	quota_free(&qt);
	redis_free(&r);
}

/* A master that was a replica meanwhile, and is one again: its epoch has the same name as
 * before, but not what was admitted at the other master. */
static void
earlier_epoch_is_not_continued(void **state)
{
	struct line l;
	struct ask a;

	NEEDS_REDIS;
	line_up(&l, RIG_PATIENT_US);
	assert_true(run_until_up(l.redis, 2000000));
	const struct redis_life *life = redis_life(l.redis);
	uint64_t first = life->epoch, second = first ^ 1;
	ask_wait(l.quota, &a, 100, 1000, 600);
	assert_int_equal(a.q.result, QUOTA_ADMITTED);
	redis_rig_do(&server, "SET %s %llu", life->key, (unsigned long long)second);
	for (int i = 0; i < 5000 && life->epoch != second; i++)
		run_for(1000);
	ask_wait(l.quota, &a, 100, 1000, 300);
	assert_int_equal(a.q.result, QUOTA_ADMITTED);
	redis_rig_do(&server, "SET %s %llu", life->key, (unsigned long long)first);
	for (int i = 0; i < 5000 && (life->epoch == second || !life->epoch); i++)
		run_for(1000);
	for (int i = 0; i < 5000 && (life->epoch == first || !life->epoch); i++)
		run_for(1000);
	ask_wait(l.quota, &a, 100, 1000, 101);
	assert_int_equal(a.q.result, QUOTA_REFUSED);
	ask_wait(l.quota, &a, 100, 1000, 100);
	assert_int_equal(a.q.result, QUOTA_ADMITTED);
	line_down(&l);
}

/* After a hand-over, the usage of the older instance counts in the next epoch, and the instance
 * does not count in redis.daemons. */
static void
usage_of_a_retired_worker_counts_in_the_next_epoch(void **state)
{
	enum { LIMIT = 10, OLDER = 9, BEATS_US = 2500000, LATE_US = 2000000 };
	struct line older, newer;
	struct ask a;
	unsigned admitted = OLDER;

	NEEDS_REDIS;
	line_up(&older, RIG_PATIENT_US);
	line_up(&newer, RIG_PATIENT_US);
	quota_together(newer.quota, 1, 1);
	assert_true(run_until_up(older.redis, RIG_PATIENT_US));
	assert_true(run_until_up(newer.redis, RIG_PATIENT_US));
	for (int i = 0; i < OLDER; i++) {
		ask_wait(older.quota, &a, LIMIT, 0, 0);
		assert_int_equal(a.q.result, QUOTA_ADMITTED);
	}
	quota_retire(older.quota);
	run_for(LIVES_UNKNOWN_US + BEATS_US);
	assert_int_equal(newer.m.v[M_QUOTA_UNKNOWN], 0);
	redis_rig_do(&server, "FLUSHALL");
	for (uint64_t until = clock_mono_us() + LATE_US; clock_mono_us() < until;) {
		ask_wait(newer.quota, &a, LIMIT, 0, 0);
		admitted += a.q.result == QUOTA_ADMITTED;
	}
	assert_int_equal(admitted, LIMIT);
	line_down(&older);
	line_down(&newer);
}

/* ---- amounts that are counted again ---- */

enum { HOLD_S = 900, LONG_S = 7200, LIMIT = 1000, TWO_BEATS_US = 200000 };

enum shape { CHARGE, DROP, IN_FLIGHT };

static struct quota_dim
dim(const char *name, enum shape shape, uint64_t hold_s, uint64_t n)
{
	struct quota_dim d;

	dim_set(&d, name, LIMIT, 0, n);
	d.span.kind = shape == IN_FLIGHT ? QUOTA_IN_FLIGHT : QUOTA_CALENDAR;
	d.span.calendar = QUOTA_MONTH;
	d.unit = shape == IN_FLIGHT ? QUOTA_CONCURRENT : QUOTA_NANOUSD;
	d.orphan = shape == DROP ? QUOTA_ORPHAN_DROP : QUOTA_ORPHAN_CHARGE;
	d.hold_s = hold_s;
	return d;
}

static enum quota_result
reserve(struct line *l, struct ask *a, struct quota_dim d)
{
	*a = (struct ask){ .q.ndims = 1, .q.dim[0] = d, .q.done = asked, .q.arg = a };
	quota_reserve(l->quota, &a->q);
	for (int i = 0; i < 20000 && !a->done; i++)
		run_for(300);
	assert_true(a->done);
	return a->q.result;
}

/* Starts two workers that know of each other. */
static void
workers_up(struct line l[2])
{
	lines_up(l, 2);
	run_for(2 * TWO_BEATS_US);
}

/* Asserts that all but one of `left` are admitted, and no more. */
static void
left_is(const char *name, struct line *l, enum shape shape, uint64_t left)
{
	struct ask a;

	run_for(40000); /* a refusal relies on counts that are up to this old */
	if (left < LIMIT && reserve(l, &a, dim("c", shape, HOLD_S, left + 1)) != QUOTA_REFUSED)
		fail_msg("%s: more than %llu left", name, (unsigned long long)left);
	run_for(40000);
	if (reserve(l, &a, dim("c", shape, HOLD_S, left)) != QUOTA_ADMITTED)
		fail_msg("%s: not %llu left", name, (unsigned long long)left);
	quota_release(l->quota, &a.q, clock_mono_us());
	run_for(5000);
}

/* Redis is emptied under a hold. The hold counts in the next epoch and is settled there, by the
 * worker that reserved it or by another one, before or after they noticed. */
static void
hold_is_settled_in_the_next_epoch(void **state)
{
	enum { HELD = 600, USED = 250 };
	static const struct {
		const char *name;
		enum shape shape;
		uint64_t hold_s;
		uint64_t used; /* used in the end */
	} shapes[] = {
		{ "charged", CHARGE, HOLD_S, USED },
		{ "dropped at a deadline", DROP, HOLD_S, USED },
		{ "dropped at a long deadline", DROP, LONG_S, USED },
		{ "in flight", IN_FLIGHT, HOLD_S, 0 },
		{ "long in flight", IN_FLIGHT, LONG_S, 0 },
	};

	NEEDS_REDIS;
	for (size_t i = 0; i < 4 * sizeof(shapes) / sizeof(shapes[0]); i++) {
		const char *name = shapes[i / 4].name;
		enum shape shape = shapes[i / 4].shape;
		bool other = i & 1, late = i & 2;
		struct line l[2];
		struct ask a;
		redis_rig_do(&server, "FLUSHALL");
		workers_up(l);
		struct quota_dim d = dim("c", shape, shapes[i / 4].hold_s, HELD);
		assert_int_equal(reserve(&l[0], &a, d), QUOTA_ADMITTED);
		redis_rig_do(&server, "FLUSHALL");
		if (late) {
			left_is(name, &l[1], shape, LIMIT - HELD);
			assert_true(redis_life(l[1].redis)->epoch != a.q.dim[0].at.epoch);
		}
		a.q.dim[0].actual = shape == IN_FLIGHT ? 0 : USED;
		quota_settle(l[other].quota, &a.q, clock_mono_us());
		run_for(20000);
		left_is(name, &l[0], shape, LIMIT - shapes[i / 4].used);
		left_is(name, &l[1], shape, LIMIT - shapes[i / 4].used);
		/* emptied again, before the workers have registered in that epoch */
		redis_rig_do(&server, "FLUSHALL");
		left_is(name, &l[1], shape, LIMIT - shapes[i / 4].used);
		lines_down(l, 2);
	}
}

/* One of two counters cannot be added again: that epoch is given up, and in the next one each
 * counter counts once. */
static void
partly_added_counters_are_added_again_in_a_new_epoch(void **state)
{
	static const char *const names[] = { "c", "half" };
	struct line l;
	struct ask a;

	NEEDS_REDIS;
	line_up(&l, RIG_PATIENT_US);
	assert_true(run_until_up(l.redis, 2000000));
	for (int i = 0; i < 2; i++)
		assert_int_equal(
			reserve(&l, &a, dim(names[i], CHARGE, 0, 400)), QUOTA_ADMITTED);
	/* the second counter's, in a later epoch */
	redis_rig_do(&server, "LPUSH %s:12345:tm%lld x", a.q.dim[0].key,
		(long long)a.q.dim[0].at.bucket);
	redis_rig_do(&server, "SET %s 12345", redis_life(l.redis)->key);
	run_for(TWO_BEATS_US);
	left_is("in half", &l, CHARGE, LIMIT - 400);
	uint64_t epoch = redis_life(l.redis)->epoch;
	assert_true(epoch != 12345 && epoch != a.q.dim[0].at.epoch);
	for (int i = 0; i < 2; i++)
		assert_int_equal(
			redis_rig_do(&server, "INCRBY tollgate:q:{%s:0123}:%llu:tm%lld 0",
				names[i], (unsigned long long)epoch,
				(long long)a.q.dim[0].at.bucket),
			400);
	line_down(&l);
}

/* An amount for which the ledger has no room is reported, and lost together with its Redis. */
static void
full_ledger_is_reported(void **state)
{
	struct line l;
	struct ask a;

	NEEDS_REDIS;
	line_up(&l, RIG_PATIENT_US);
	assert_true(run_until_up(l.redis, 2000000));
	assert_int_equal(reserve(&l, &a, dim("in", CHARGE, HOLD_S, 600)), QUOTA_ADMITTED);
	assert_true(a.q.dim[0].at.noted);
	size_t n = l.quota->ledger->n;
	l.quota->ledger->n = LEDGER_MAX;
	for (int i = 1; i <= 2; i++) {
		assert_int_equal(
			reserve(&l, &a, dim("c", CHARGE, HOLD_S, 300)), QUOTA_ADMITTED);
		assert_false(a.q.dim[0].at.noted);
		assert_int_equal(l.m.v[M_QUOTA_UNNOTED], i);
	}
	assert_true(l.quota->said_full);
	l.quota->ledger->n = n;
	redis_rig_do(&server, "FLUSHALL");
	left_is("not noted", &l, CHARGE, LIMIT);
	assert_int_equal(reserve(&l, &a, dim("in", CHARGE, HOLD_S, 401)), QUOTA_REFUSED);
	/* released in an epoch that is gone, which has no effect */
	quota_release(l.quota, &a.q, clock_mono_us());
	run_for(5000);
	left_is("not noted", &l, CHARGE, LIMIT);
	line_down(&l);
}

/* "longs" cannot be set although the hold is counted. No other worker would see the hold, so it
 * is refused. */
static void
long_hold_that_others_cannot_see_is_refused(void **state)
{
	struct line l;
	struct ask a;

	NEEDS_REDIS;
	if (redis_rig_do(&server, "ACL SETUSER default resetkeys ~tollgate:[^l]* "
				  "%%R~tollgate:l*") < 0)
		skip(); /* before Redis 7 */
	line_up(&l, RIG_PATIENT_US);
	assert_true(run_until_up(l.redis, 2000000));
	assert_int_equal(reserve(&l, &a, dim("c", DROP, LONG_S, 600)), QUOTA_FAILED);
	run_for(20000);
	left_is("a long one", &l, DROP, LIMIT);
	assert_int_equal(redis_rig_do(&server, "ACL SETUSER default ~*"), 0);
	assert_int_equal(reserve(&l, &a, dim("c", DROP, LONG_S, 600)), QUOTA_ADMITTED);
	left_is("a long one", &l, DROP, LIMIT - 600);
	line_down(&l);
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(earlier_epoch_is_not_continued),
		cmocka_unit_test(admitted_requests_count_in_the_next_epoch),
		cmocka_unit_test(missing_worker_is_left_a_share),
		cmocka_unit_test(more_members_than_known_are_reported_once),
		cmocka_unit_test(lone_new_daemon_spends_a_share),
		cmocka_unit_test(limits_are_full_once_the_missing_daemon_has_come),
		cmocka_unit_test(missing_member_is_known_by_name),
		cmocka_unit_test(other_daemon_does_not_replace_the_missing_one),
		cmocka_unit_test(ended_worker_is_not_waited_for),
		cmocka_unit_test(usage_of_a_retired_worker_counts_in_the_next_epoch),
		cmocka_unit_test(new_daemon_waits_for_the_others),
		cmocka_unit_test(waiting_worker_notices_another_epoch),
		cmocka_unit_test(new_daemon_without_a_configured_number_waits_too),
		cmocka_unit_test(daemon_without_a_configured_number_continues),
		cmocka_unit_test(charge_is_in_the_bucket_of_redis_clock),
		cmocka_unit_test(small_requests_get_their_share),
		cmocka_unit_test(worker_with_slow_turns_has_current_counts),
		cmocka_unit_test(late_charge_is_counted_again),
		cmocka_unit_test(hold_is_settled_in_the_next_epoch),
		cmocka_unit_test(partly_added_counters_are_added_again_in_a_new_epoch),
		cmocka_unit_test(full_ledger_is_reported),
		cmocka_unit_test(long_hold_that_others_cannot_see_is_refused),
	};

	return cmocka_run_group_tests(tests, quota_setup, quota_teardown);
}
