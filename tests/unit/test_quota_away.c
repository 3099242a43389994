/* Redis is unavailable: the amount that each daemon may spend on its own. All daemons together
 * stay within the limit over both transitions, in whatever order they notice. */
#include "budget/quota/quota_private.h"
#include "support/quota_rig.h"

enum { LIMIT = 100, APART = 40, DAEMONS = 2, SHARE = APART / DAEMONS };

struct daemon {
	struct line line;
	struct quota_table *table;
	struct quota *quota;
};

static void
daemon_up(struct daemon *d)
{
	memset(d, 0, sizeof(*d));
	d->line.redis = redis_new(loop, server.url, RIG_PATIENT_US, &d->line.m);
	d->table = quota_table_new(&self);
	d->quota = quota_new(d->line.redis, d->table, &self, &d->line.m);
	assert_true(run_until_up(d->line.redis, 3000000));
}

/* Stops Redis; clients wait no longer than this for it. */
static void
stop(struct daemon *d, int n, uint64_t deadline_us)
{
	kill(server.pid, SIGSTOP);
	for (int i = 0; i < n; i++)
		redis_waits(d[i].line.redis, deadline_us);
}

/* Lets Redis continue, and waits until each daemon has found it. */
static void
go_on(struct daemon *d, int n)
{
	kill(server.pid, SIGCONT);
	for (int i = 0; i < n; i++)
		redis_waits(d[i].line.redis, RIG_PATIENT_US);
	for (int i = 0; i < n; i++)
		assert_true(run_until_up(d[i].line.redis, 3000000));
}

static void
daemon_down(struct daemon *d)
{
	d->line.quota = d->quota;
	line_down(&d->line);
	quota_table_free(&d->table);
}

static const struct kind {
	const char *name;
	enum quota_window_kind kind;
	enum quota_orphan orphan;
} kinds[] = {
	{ "rolling", QUOTA_ROLLING, QUOTA_ORPHAN_CHARGE },
	{ "of the calendar", QUOTA_CALENDAR, QUOTA_ORPHAN_CHARGE },
	{ "of the calendar, dropped", QUOTA_CALENDAR, QUOTA_ORPHAN_DROP },
	{ "in flight", QUOTA_IN_FLIGHT, QUOTA_ORPHAN_DROP },
};

static struct quota_dim
dim(const struct kind *k, enum quota_away away)
{
	struct quota_dim d;

	dim_set(&d, "a", LIMIT, 3600, 1);
	d.span.kind = k->kind;
	d.span.calendar = QUOTA_MONTH;
	d.unit = k->kind == QUOTA_IN_FLIGHT ? QUOTA_CONCURRENT : QUOTA_TOKENS;
	d.orphan = k->orphan;
	d.hold_s = 900;
	d.away = away;
	if (away == QUOTA_AWAY_SHARE) {
		d.apart = APART;
		d.share = SHARE;
	}
	return d;
}

static enum quota_result
reserve(struct daemon *d, struct ask *a, const struct quota_dim *dims, size_t n)
{
	*a = (struct ask){ .q.ndims = n, .q.done = asked, .q.arg = a };
	memcpy(a->q.dim, dims, n * sizeof(*dims));
	quota_reserve(d->quota, &a->q);
	for (int i = 0; i < 20000 && !a->done; i++)
		run_for(200);
	assert_true(a->done);
	return a->q.result;
}

/* Returns how many requests this daemon admits until it refuses or fails as `end`. */
static unsigned
all_of(struct daemon *d, const struct quota_dim *dim, struct ask *last, enum quota_result end)
{
	unsigned n = 0;

	while (reserve(d, last, dim, 1) == QUOTA_ADMITTED)
		n++;
	assert_int_equal(last->q.result, end);
	return n;
}

static void
shares_of_daemons_stay_within_the_limit(void **state)
{
	NEEDS_REDIS;
	for (size_t k = 0; k < sizeof(kinds) / sizeof(kinds[0]); k++) {
		struct daemon d[DAEMONS];
		struct ask a, last;
		redis_rig_do(&server, "FLUSHALL");
		const struct quota_dim share = dim(&kinds[k], QUOTA_AWAY_SHARE);
		for (int i = 0; i < DAEMONS; i++)
			daemon_up(&d[i]);
		unsigned with = all_of(&d[0], &share, &last, QUOTA_REFUSED);
		with += all_of(&d[1], &share, &last, QUOTA_REFUSED);
		if (with != LIMIT - APART)
			fail_msg("%s: %u with Redis", kinds[k].name, with);
		stop(d, DAEMONS, 30000);
		/* released amounts are available again, and the rest is one share each */
		run_for(60000);
		assert_int_equal(reserve(&d[0], &a, &share, 1), QUOTA_ADMITTED);
		assert_true(a.q.alone);
		quota_release(d[0].quota, &a.q, clock_mono_us());
		run_for(2000);
		for (int i = 0; i < DAEMONS; i++) {
			unsigned alone = all_of(&d[i], &share, &last, QUOTA_FAILED);
			if (alone != SHARE)
				fail_msg("%s: %u without it", kinds[k].name, alone);
		}
		go_on(d, DAEMONS);
		run_for(40000);
		/* Redis is available: no daemon has more, and no share counts twice. */
		for (int i = 0; i < DAEMONS; i++)
			assert_int_equal(all_of(&d[i], &share, &last, QUOTA_REFUSED), 0);
		stop(d, DAEMONS, 30000);
		run_for(60000);
		for (int i = 0; i < DAEMONS; i++)
			assert_int_equal(all_of(&d[i], &share, &last, QUOTA_FAILED), 0);
		go_on(d, DAEMONS);
		for (int i = 0; i < DAEMONS; i++)
			daemon_down(&d[i]);
	}
}

/* Three daemons, for which redis.daemons is not set: each spends a third of the reserved part,
 * because three came to Redis. A daemon with a configured number that sees no more keeps that
 * number. */
static void
share_depends_on_the_daemons_that_came(void **state)
{
	enum { CAME = 3 };
	static const struct {
		const char *name;
		unsigned told; /* redis.daemons; 0: not set */
		unsigned alone;
	} rows[] = {
		{ "told nothing", 0, APART / CAME },
		{ "told of one", 1, APART / CAME },
		{ "told of four", 4, APART / 4 },
	};

	NEEDS_REDIS;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		unsigned told = rows[i].told ? rows[i].told : 1;
		struct quota_dim share = dim(&kinds[1], QUOTA_AWAY_SHARE);
		struct daemon d[CAME];
		struct ask last;
		bool all = false;
		share.share = APART / told;
		share.guessed = rows[i].told == 0;
		redis_rig_do(&server, "FLUSHALL");
		for (int k = 0; k < CAME; k++) {
			daemon_up(&d[k]);
			/* continues at once; another test covers the wait for four */
			quota_together(d[k].quota, 1, rows[i].told ? 1 : 0);
		}
		for (int n = 0; n < 3000 && !all; n++) { /* until each has seen the others */
			all = true;
			run_for(10000);
			for (int k = 0; k < CAME; k++)
				all &= lives_alone(d[k].quota->lives, APART, true) ==
				       APART / CAME;
		}
		stop(d, CAME, 30000);
		for (int k = 0; k < CAME; k++) {
			unsigned alone = all_of(&d[k], &share, &last, QUOTA_FAILED);
			if (alone != rows[i].alone)
				fail_msg("%s: %u of %d", rows[i].name, alone, APART);
		}
		go_on(d, CAME);
		for (int k = 0; k < CAME; k++)
			daemon_down(&d[k]);
	}
}

/* A daemon pauses for so long that the others no longer count it. When it continues it has its
 * share, and the others keep what they may spend meanwhile. */
static void
paused_daemon_keeps_its_share(void **state)
{
	enum { CAME = 2 };
	struct quota_dim share = dim(&kinds[1], QUOTA_AWAY_SHARE);
	struct ev_loop *loops[CAME];
	struct daemon d[CAME];
	struct ask last;
	bool all = false;

	NEEDS_REDIS;
	share.share = APART;
	share.guessed = true;
	for (int k = 0; k < CAME; k++) {
		loops[k] = k ? ev_loop_new(EVFLAG_AUTO) : loop;
		loop = loops[k];
		daemon_up(&d[k]);
		quota_together(d[k].quota, 1, 0);
	}
	for (int n = 0; n < 3000 && !all; n++) { /* until each has seen the other */
		all = true;
		for (int k = 0; k < CAME; k++) {
			loop = loops[k];
			run_for(5000);
			all &= lives_alone(d[k].quota->lives, APART, true) == APART / CAME;
		}
	}
	assert_true(all);
	/* The second daemon pauses: Redis drops it, and the first one notices. */
	loop = loops[0];
	unsigned long long epoch = redis_life(d[0].line.redis)->epoch;
	for (int beat = 0; beat < 3; beat++) {
		redis_rig_do(&server, "DEL tollgate:members:%llu", epoch);
		while (!redis_rig_do(&server, "EXISTS tollgate:members:%llu", epoch))
			run_for(1000);
	}
	stop(d, CAME, 30000);
	for (int k = 0; k < CAME; k++) {
		loop = loops[k];
		assert_int_equal(all_of(&d[k], &share, &last, QUOTA_FAILED), APART / CAME);
	}
	for (int k = 0; k < CAME; k++) {
		loop = loops[k];
		go_on(&d[k], 1);
		daemon_down(&d[k]);
	}
	loop = loops[0];
	ev_loop_destroy(loops[1]);
}

/* A daemon that starts while Redis is unavailable, without redis.daemons, spends nothing on its
 * own. With redis.daemons it spends its share. */
static void
daemon_without_a_known_number_has_no_share(void **state)
{
	NEEDS_REDIS;
	for (unsigned told = 0; told <= DAEMONS; told += DAEMONS) {
		struct quota_dim share = dim(&kinds[1], QUOTA_AWAY_SHARE);
		struct daemon d = { 0 };
		struct ask last;
		share.guessed = told == 0;
		d.line.redis = redis_new(loop, "unix:/nobody/there", 30000, &d.line.m);
		d.table = quota_table_new(&self);
		d.quota = quota_new(d.line.redis, d.table, &self, &d.line.m);
		quota_together(d.quota, 1, told);
		assert_int_equal(all_of(&d, &share, &last, QUOTA_FAILED), told ? SHARE : 0);
		daemon_down(&d);
	}
}

/* One limit that denies is enough; a limit that allows counts nothing. */
static void
strictest_limit_decides(void **state)
{
	static const struct {
		const char *name;
		enum quota_away away[2];
		bool passes;
	} rows[] = {
		{ "a share, and all", { QUOTA_AWAY_SHARE, QUOTA_AWAY_ALLOW }, true },
		{ "all, and a share", { QUOTA_AWAY_ALLOW, QUOTA_AWAY_SHARE }, true },
		{ "a share, and none", { QUOTA_AWAY_SHARE, QUOTA_AWAY_DENY }, false },
		{ "none, and a share", { QUOTA_AWAY_DENY, QUOTA_AWAY_SHARE }, false },
		/* the step admits the request */
		{ "all", { QUOTA_AWAY_ALLOW, QUOTA_AWAY_ALLOW }, false },
	};
	struct daemon d;
	struct ask a;

	NEEDS_REDIS;
	daemon_up(&d);
	stop(&d, 1, 30000);
	run_for(1000);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct quota_dim dims[2] = { dim(&kinds[0], rows[i].away[0]),
			dim(&kinds[1], rows[i].away[1]) };
		strcat(dims[1].key, "2");
		reserve(&d, &a, dims, 2);
		bool charged = a.q.dim[0].charged || a.q.dim[1].charged;
		if ((a.q.result == QUOTA_ADMITTED) != rows[i].passes ||
			charged != rows[i].passes)
			fail_msg("%s: %d", rows[i].name, a.q.result);
	}
	kill(server.pid, SIGCONT);
	daemon_down(&d);
}

static void
ask_for(struct daemon *d, struct ask *a, const struct quota_dim *dim, uint64_t n)
{
	*a = (struct ask){ .q.ndims = 1, .q.dim[0] = *dim, .q.done = asked, .q.arg = a };
	a->q.dim[0].n = n;
	quota_reserve(d->quota, &a->q);
}

/* When a stopped Redis continues, it counts the commands that it was sent. The amounts are
 * known once it replies, and are released, except for requests that were admitted without a
 * reply. */
static void
late_counted_amounts_are_released(void **state)
{
	static const struct {
		size_t kind;
		enum quota_away away;
		unsigned left;
	} rows[] = {
		{ 0, QUOTA_AWAY_DENY, LIMIT - 1 },
		{ 1, QUOTA_AWAY_DENY, LIMIT - 1 },
		{ 2, QUOTA_AWAY_DENY, LIMIT - 1 },
		{ 3, QUOTA_AWAY_DENY, LIMIT - 1 },
		{ 0, QUOTA_AWAY_ALLOW, LIMIT - 1 - 10 - 20 },
	};

	NEEDS_REDIS;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const struct quota_dim each = dim(&kinds[rows[i].kind], rows[i].away);
		struct daemon d[DAEMONS];
		struct ask a, silent[DAEMONS];
		redis_rig_do(&server, "FLUSHALL");
		for (int k = 0; k < DAEMONS; k++)
			daemon_up(&d[k]);
		/* one daemon has read the counts, the other one has not */
		assert_int_equal(reserve(&d[0], &a, &each, 1), QUOTA_ADMITTED);
		stop(d, DAEMONS, 100000);
		ask_for(&d[0], &silent[0], &each, 10);
		ask_for(&d[1], &silent[1], &each, 20);
		while (!silent[0].done || !silent[1].done)
			run_for(1000);
		assert_int_equal(silent[0].q.result, QUOTA_FAILED);
		assert_int_equal(silent[1].q.result, QUOTA_FAILED);
		go_on(d, DAEMONS);
		run_for(100000);
		unsigned left = all_of(&d[0], &each, &a, QUOTA_REFUSED);
		if (left != rows[i].left)
			fail_msg("%s, %u: %u of %u are left", kinds[rows[i].kind].name,
				rows[i].away, left, rows[i].left);
		for (int k = 0; k < DAEMONS; k++)
			daemon_down(&d[k]);
	}
}

/* Redis counts, and then refuses a command that the decision needs, because of its user's
 * rights. The request is denied, and its count is released. */
static void
count_of_a_failed_decision_is_released(void **state)
{
	static const char *const commands[] = { "time", "mget" };

	NEEDS_REDIS;
	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
		for (size_t k = 0; k < sizeof(kinds) / sizeof(kinds[0]); k++) {
			const struct quota_dim each = dim(&kinds[k], QUOTA_AWAY_DENY);
			struct daemon d;
			struct ask a;
			redis_rig_do(&server, "FLUSHALL");
			daemon_up(&d);
			assert_int_equal(reserve(&d, &a, &each, 1), QUOTA_ADMITTED);
			redis_rig_do(&server, "ACL SETUSER default -%s", commands[i]);
			for (int n = 0; n < 5; n++)
				assert_int_equal(reserve(&d, &a, &each, 1), QUOTA_FAILED);
			redis_rig_do(&server, "ACL SETUSER default +%s", commands[i]);
			assert_true(run_until_up(d.line.redis, 3000000));
			unsigned left = all_of(&d, &each, &a, QUOTA_REFUSED);
			if (left != LIMIT - 1)
				fail_msg("%s without %s: %u are left", kinds[k].name,
					commands[i], left);
			daemon_down(&d);
		}
}

/* The last daemon that finds Redis again delays all others. A Redis that was unavailable for a
 * moment is found faster than one that never answered, which is tried once a second. On a busy
 * machine, it is found at the next attempt. Half a second counts from its return, because the
 * second began when it was lost. */
static void
briefly_lost_redis_is_found_soon(void **state)
{
	enum { HELD_US = 1050000, SOON_US = 500000, TRIES = 10 };
	uint64_t took_us = SOON_US;
	struct daemon d;

	NEEDS_REDIS;
	daemon_up(&d);
	for (int i = 0; i < TRIES && took_us >= SOON_US; i++) {
		run_for(HELD_US);
		redis_rig_stop(&server);
		for (int k = 0; k < 1000 && redis_up(d.line.redis); k++)
			run_for(30000);
		assert_false(redis_up(d.line.redis));
		redis_rig_start(&server, quota_dir);
		uint64_t back_us = clock_mono_us();
		assert_true(run_until_up(d.line.redis, 3000000));
		took_us = clock_mono_us() - back_us;
	}
	assert_true(took_us < SOON_US);
	daemon_down(&d);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(shares_of_daemons_stay_within_the_limit),
		cmocka_unit_test(share_depends_on_the_daemons_that_came),
		cmocka_unit_test(paused_daemon_keeps_its_share),
		cmocka_unit_test(daemon_without_a_known_number_has_no_share),
		cmocka_unit_test(strictest_limit_decides),
		cmocka_unit_test(late_counted_amounts_are_released),
		cmocka_unit_test(count_of_a_failed_decision_is_released),
		cmocka_unit_test(briefly_lost_redis_is_found_soon),
	};

	return cmocka_run_group_tests(tests, quota_setup, quota_teardown);
}
