/* Calendar windows, money and requests in flight: used, held and released amounts, on Redis and
 * in a table of this process. */
#include <stdlib.h>

#include "budget/quota/quota_table.h"
#include "support/quota_rig.h"

enum { HOLD_S = 900 };

/* The store of a test: on Redis, or in the process. */
static struct store {
	struct line line;
	struct quota_table *table;
	struct quota *quota;
} st;

static void
store_up(bool redis)
{
	memset(&st, 0, sizeof(st));
	if (redis) {
		line_up(&st.line, RIG_PATIENT_US);
		assert_true(run_until_up(st.line.redis, 2000000));
		st.quota = st.line.quota;
		return;
	}
	st.table = quota_table_new(&self);
	st.quota = quota_new(NULL, st.table, &self, &st.line.m);
}

static void
store_down(void)
{
	if (st.line.redis) {
		line_down(&st.line);
		return;
	}
	quota_free(&st.quota);
	quota_table_free(&st.table);
}

/* Runs the test with both stores. */
#define ON_BOTH(redis)                                                                         \
	(void)state;                                                                           \
	for (int redis = 0; redis < 2; redis++)                                                \
		if (redis && !server.pid)                                                      \
			print_message("not on Redis: it is not installed\n");                  \
		else

static void
clean(bool redis)
{
	if (redis)
		redis_rig_do(&server, "FLUSHALL");
}

enum shape { TOKENS_CHARGE, TOKENS_DROP, TOKENS_DIRECT, REQUESTS, IN_FLIGHT };

static struct quota_dim
dim(enum shape shape, uint64_t limit, uint64_t n)
{
	struct quota_dim d;

	dim_set(&d, "c", limit, 0, n);
	d.span.kind = shape == IN_FLIGHT ? QUOTA_IN_FLIGHT : QUOTA_CALENDAR;
	d.span.calendar = QUOTA_MONTH;
	d.unit = shape == IN_FLIGHT  ? QUOTA_CONCURRENT
		 : shape == REQUESTS ? QUOTA_REQUESTS
				     : QUOTA_NANOUSD;
	d.orphan = shape == TOKENS_DROP ? QUOTA_ORPHAN_DROP : QUOTA_ORPHAN_CHARGE;
	d.hold_s = shape == TOKENS_DIRECT || shape == REQUESTS ? 0 : HOLD_S;
	return d;
}

static enum quota_result
reserve_dim(struct quota *qt, struct ask *a, struct quota_dim d)
{
	*a = (struct ask){ .q.ndims = 1, .q.dim[0] = d, .q.done = asked, .q.arg = a };
	quota_reserve(qt, &a->q);
	for (int i = 0; i < 20000 && !a->done; i++)
		run_for(300);
	assert_true(a->done);
	return a->q.result;
}

static void
settle_at(struct ask *a, uint64_t actual)
{
	a->q.dim[0].actual = actual;
	quota_settle(st.quota, &a->q, clock_mono_us());
	run_for(5000);
}

static void
counts_are(const char *name, const struct ask *a, uint64_t used, uint64_t held, uint64_t left)
{
	const struct quota_dim *d = &a->q.dim[0];

	if (d->used != used || d->held != held || d->remaining != left)
		fail_msg("%s: used %llu, held %llu, left %llu", name,
			(unsigned long long)d->used, (unsigned long long)d->held,
			(unsigned long long)d->remaining);
}

/* Asserts that every counter key has at least this TTL and none is negative. */
static void
keys_expire_after(long long least_s)
{
	redisReply *keys = redisCommand(server.c, "KEYS tollgate:q:*");

	for (size_t i = 0; i < keys->elements; i++) {
		const char *key = keys->element[i]->str;
		redisReply *v = redisCommand(server.c, "GET %s", key);
		long long ttl = redis_rig_do(&server, "TTL %s", key);
		if (strtoll(v->str, NULL, 10) < 0 || ttl < least_s)
			fail_msg("%s is %s and lives for %lld s", key, v->str, ttl);
		freeReplyObject(v);
	}
	freeReplyObject(keys);
}

/* A limit of 500 dollars a month in nano-dollars, of which parts are reserved and settled. */
static void
held_amount_becomes_used_amount(void **state)
{
	const uint64_t usd = 1000000000, limit = 500 * usd;
	static const struct {
		const char *name;
		enum shape shape;
		bool holds;
	} rows[] = {
		{ "held until the month ends", TOKENS_CHARGE, true },
		{ "held until a deadline", TOKENS_DROP, true },
		{ "charged at once", TOKENS_DIRECT, false },
	};

	ON_BOTH(redis)
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct ask a, b, c;
		clean(redis);
		store_up(redis);
		struct quota_dim d = dim(rows[i].shape, limit, 200 * usd);
		d.soft = 400 * usd;
		assert_int_equal(reserve_dim(st.quota, &a, d), QUOTA_ADMITTED);
		counts_are(rows[i].name, &a, rows[i].holds ? 0 : 200 * usd,
			rows[i].holds ? 200 * usd : 0, 300 * usd);
		assert_false(a.q.dim[0].soft_reached);
		assert_int_equal(reserve_dim(st.quota, &b, d), QUOTA_ADMITTED);
		assert_true(b.q.dim[0].soft_reached);
		/* held amounts may be released soon, used amounts are not */
		assert_int_equal(reserve_dim(st.quota, &c, d), QUOTA_REFUSED);
		if (rows[i].holds)
			assert_int_equal(c.q.retry_after_s, 1);
		else
			assert_int_equal(c.q.retry_after_s, (c.q.dim[0].reset_ms + 999) / 1000);
		run_for(5000);
		counts_are(rows[i].name, &c, rows[i].holds ? 0 : 400 * usd,
			rows[i].holds ? 400 * usd : 0, 100 * usd);
		settle_at(&a, 1);
		run_for(30000); /* a refusal relies on counts that are up to this old */
		assert_int_equal(reserve_dim(st.quota, &c, d), QUOTA_ADMITTED);
		counts_are(rows[i].name, &c, rows[i].holds ? 1 : 400 * usd + 1,
			rows[i].holds ? 400 * usd : 0, 100 * usd - 1);
		/* more than was held, and beyond the limit: everything counts */
		settle_at(&c, 400 * usd);
		quota_release(st.quota, &b.q, clock_mono_us());
		quota_release(
			st.quota, &b.q, clock_mono_us()); /* the second release has no effect */
		run_for(30000);
		d.n = 100 * usd;
		assert_int_equal(reserve_dim(st.quota, &c, d), QUOTA_REFUSED);
		assert_int_equal(c.q.retry_after_s, (c.q.dim[0].reset_ms + 999) / 1000);
		counts_are(rows[i].name, &c, 400 * usd + 1, 0, 100 * usd - 1);
		d.n = 100 * usd - 1;
		run_for(30000);
		assert_int_equal(reserve_dim(st.quota, &c, d), QUOTA_ADMITTED);
		counts_are(rows[i].name, &c, rows[i].holds ? 400 * usd + 1 : limit,
			rows[i].holds ? 100 * usd - 1 : 0, 0);
		if (redis)
			keys_expire_after(rows[i].shape == TOKENS_DROP ? HOLD_S : HOLD_S + 30);
		store_down();
	}
}

static void
requests_in_a_month_are_counted(void **state)
{
	ON_BOTH(redis)
	{
		struct ask a;
		clean(redis);
		store_up(redis);
		struct quota_dim d = dim(REQUESTS, 3, 1);
		d.hold_s = HOLD_S; /* a request counts as one, however it ends */
		for (uint64_t i = 1; i <= 3; i++) {
			assert_int_equal(reserve_dim(st.quota, &a, d), QUOTA_ADMITTED);
			counts_are("a request", &a, i, 0, 3 - i);
			settle_at(&a, 1);
		}
		struct ask over;
		assert_int_equal(reserve_dim(st.quota, &over, d), QUOTA_REFUSED);
		/* never sent: released */
		quota_release(st.quota, &a.q, clock_mono_us());
		run_for(30000);
		assert_int_equal(reserve_dim(st.quota, &over, d), QUOTA_ADMITTED);
		if (redis) {
			keys_expire_after(60);
			/* the counter, the epoch, its members, the mark that a daemon continued,
			 * and the id of the release */
			assert_int_equal(redis_rig_do(&server, "DBSIZE"), 5);
		}
		store_down();
	}
}

static void
number_of_requests_in_flight_is_limited(void **state)
{
	ON_BOTH(redis)
	{
		struct ask a[4];
		clean(redis);
		store_up(redis);
		struct quota_dim d = dim(IN_FLIGHT, 2, 1);
		assert_int_equal(reserve_dim(st.quota, &a[0], d), QUOTA_ADMITTED);
		d.hold_s = 86400; /* another route, with long responses */
		assert_int_equal(reserve_dim(st.quota, &a[1], d), QUOTA_ADMITTED);
		counts_are("two", &a[1], 0, 2, 0);
		assert_int_equal(reserve_dim(st.quota, &a[2], d), QUOTA_REFUSED);
		assert_int_equal(a[2].q.retry_after_s, 1);
		settle_at(&a[0], 0);
		run_for(30000);
		assert_int_equal(reserve_dim(st.quota, &a[2], d), QUOTA_ADMITTED);
		quota_release(st.quota, &a[1].q, clock_mono_us());
		settle_at(&a[2], 0);
		settle_at(&a[2], 0); /* the second settlement has no effect */
		run_for(30000);
		assert_int_equal(reserve_dim(st.quota, &a[3], d), QUOTA_ADMITTED);
		counts_are("one", &a[3], 0, 1, 1);
		if (redis)
			keys_expire_after(60);
		store_down();
	}
}

/* A hold whose host is lost is dropped at its deadline, or charged. */
static void
orphaned_hold_is_dropped_or_charged(void **state)
{
	static const struct {
		const char *name;
		enum shape shape;
		enum quota_result after;
	} rows[] = {
		{ "charged", TOKENS_CHARGE, QUOTA_REFUSED },
		{ "dropped", TOKENS_DROP, QUOTA_ADMITTED },
		{ "in flight", IN_FLIGHT, QUOTA_ADMITTED },
	};

	NEEDS_REDIS;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct ask a;
		clean(true);
		store_up(true);
		struct quota_dim d = dim(rows[i].shape, 10, 8);
		assert_int_equal(reserve_dim(st.quota, &a, d), QUOTA_ADMITTED);
		store_down(); /* the hold is never settled */
		/* As time would do: keys with a deadline expire with it. */
		redisReply *keys = redisCommand(server.c, "KEYS tollgate:q:*");
		for (size_t k = 0; k < keys->elements; k++)
			if (redis_rig_do(&server, "TTL %s", keys->element[k]->str) <
				HOLD_S + 1000)
				redis_rig_do(&server, "DEL %s", keys->element[k]->str);
		freeReplyObject(keys);
		store_up(true);
		if (reserve_dim(st.quota, &a, d) != rows[i].after)
			fail_msg("%s: %d", rows[i].name, a.q.result);
		store_down();
	}
}

/* Redis is unavailable when responses end: their usage is counted when Redis is back. */
static void
settlement_waits_for_redis(void **state)
{
	struct ask a, b;

	NEEDS_REDIS;
	memset(&st, 0, sizeof(st));
	line_up(&st.line, 50000);
	st.quota = st.line.quota;
	assert_true(run_until_up(st.line.redis, 2000000));
	struct quota_dim d = dim(TOKENS_DROP, 1000, 300);
	assert_int_equal(reserve_dim(st.quota, &a, d), QUOTA_ADMITTED);
	kill(server.pid, SIGSTOP);
	run_for(1000);
	assert_int_equal(reserve_dim(st.quota, &b, d), QUOTA_FAILED);
	settle_at(&a, 250);
	run_for(100000);
	kill(server.pid, SIGCONT);
	assert_true(run_until_up(st.line.redis, 3000000));
	run_for(30000);
	d.n = 1;
	assert_int_equal(reserve_dim(st.quota, &b, d), QUOTA_ADMITTED);
	assert_int_equal(b.q.dim[0].used, 250);
	line_down(&st.line);
}

/* A Redis whose memory is full refuses to count: used and unused amounts are counted once it
 * accepts writes again. */
static void
settlement_refused_by_redis_is_repeated(void **state)
{
	static const struct {
		const char *name;
		enum shape shape;
		uint64_t used;
	} rows[] = {
		{ "less, dropped", TOKENS_DROP, 250 },
		{ "more, dropped", TOKENS_DROP, 900 },
		{ "less, charged", TOKENS_CHARGE, 250 },
		{ "more, charged", TOKENS_CHARGE, 900 },
	};
	struct ask a, b;

	NEEDS_REDIS;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		uint64_t used = 0;
		redis_rig_do(&server, "FLUSHALL");
		memset(&st, 0, sizeof(st));
		line_up(&st.line, RIG_PATIENT_US);
		st.quota = st.line.quota;
		assert_true(run_until_up(st.line.redis, 2000000));
		struct quota_dim d = dim(rows[i].shape, 1000, 300);
		assert_int_equal(reserve_dim(st.quota, &a, d), QUOTA_ADMITTED);
		redis_rig_do(&server, "CONFIG SET maxmemory 1");
		settle_at(&a, rows[i].used);
		run_for(60000);
		redis_rig_do(&server, "CONFIG SET maxmemory 0");
		d.n = 1;
		for (int k = 0; k < 300 && used != rows[i].used; k++) {
			run_for(10000);
			assert_int_equal(reserve_dim(st.quota, &b, d), QUOTA_ADMITTED);
			used = 1000 - b.q.dim[0].n - b.q.dim[0].remaining;
			quota_release(st.quota, &b.q, clock_mono_us());
		}
		if (used != rows[i].used)
			fail_msg("%s: %llu", rows[i].name, (unsigned long long)used);
		line_down(&st.line);
	}
}

static void
concurrent_daemons_never_exceed_a_budget(void **state)
{
	enum { LINES = 4, FLIGHT = 16, LIMIT = 100, ROUNDS = 6 };
	static const enum shape shapes[] = { TOKENS_CHARGE, TOKENS_DROP, TOKENS_DIRECT,
		REQUESTS, IN_FLIGHT };

	NEEDS_REDIS;
	for (size_t s = 0; s < sizeof(shapes) / sizeof(shapes[0]); s++) {
		static struct ask asks[LINES][FLIGHT];
		struct line lines[LINES];
		unsigned admitted = 0;
		clean(true);
		lines_up(lines, LINES);
		for (int round = 0; round < ROUNDS; round++) {
			for (int k = 0; k < FLIGHT; k++)
				for (int i = 0; i < LINES; i++) {
					struct ask *a = &asks[i][k];
					*a = (struct ask){
						.q.ndims = 1, .q.done = asked, .q.arg = a
					};
					a->q.dim[0] = dim(shapes[s], LIMIT, 1);
					quota_reserve(lines[i].quota, &a->q);
				}
			for (int k = 0; k < FLIGHT; k++)
				for (int i = 0; i < LINES; i++) {
					while (!asks[i][k].done)
						run_for(300);
					assert_int_not_equal(asks[i][k].q.result, QUOTA_FAILED);
					admitted += asks[i][k].q.result == QUOTA_ADMITTED;
				}
		}
		assert_true(admitted <= LIMIT);
		/* Requests that were refused while others were being refused leave nothing. */
		run_for(40000);
		struct ask a;
		while (reserve_dim(lines[0].quota, &a, dim(shapes[s], LIMIT, 1)) ==
			QUOTA_ADMITTED)
			admitted++;
		if (admitted != LIMIT)
			fail_msg("shape %zu: %u", s, admitted);
		lines_down(lines, LINES);
	}
}

/* One daemon's requests are short, and it does not look for long holds until there are some.
 * The daemon that counts last sees the other's. */
static void
long_holds_are_counted_by_a_daemon_without_them(void **state)
{
	enum { LONG_S = 7200 };
	static const struct {
		const char *name;
		enum shape shape;
		bool first; /* the long one is first */
	} rows[] = {
		{ "in flight, the long one first", IN_FLIGHT, true },
		{ "in flight, the short one first", IN_FLIGHT, false },
		{ "until a deadline, the long one first", TOKENS_DROP, true },
		{ "until a deadline, the short one first", TOKENS_DROP, false },
	};

	NEEDS_REDIS;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct line other;
		struct ask a, b, c;
		clean(true);
		store_up(true);
		line_up(&other, RIG_PATIENT_US);
		assert_true(run_until_up(other.redis, 2000000));
		struct quota_dim d = dim(rows[i].shape, 10, 1), l = d;
		l.hold_s = LONG_S;
		l.n = 9;
		/* the daemon knows of no long hold */
		assert_int_equal(reserve_dim(st.quota, &a, d), QUOTA_ADMITTED);
		assert_int_equal(redis_rig_do(&server, "EXISTS tollgate:longs:%llu",
					 (unsigned long long)a.q.dim[0].at.epoch),
			0);
		quota_release(st.quota, &a.q, clock_mono_us());
		run_for(5000);
		if (!rows[i].first)
			assert_int_equal(reserve_dim(st.quota, &a, d), QUOTA_ADMITTED);
		assert_int_equal(reserve_dim(other.quota, &b, l), QUOTA_ADMITTED);
		d.n = 2;
		assert_int_equal(reserve_dim(st.quota, &c, d), QUOTA_REFUSED);
		quota_release(other.quota, &b.q, clock_mono_us());
		run_for(30000);
		if (reserve_dim(st.quota, &c, d) != QUOTA_ADMITTED)
			fail_msg("%s: not given back", rows[i].name);
		keys_expire_after(HOLD_S);
		line_down(&other);
		store_down();
	}
}

/* Redis' clock is 32 minutes ahead for a moment. By it, the cell with the request has ended. */
static void
amount_released_while_redis_clock_is_ahead_is_free(void **state)
{
	static const enum shape shapes[] = { IN_FLIGHT, TOKENS_DROP };
	struct ask a, b;

	NEEDS_REDIS;
	for (size_t i = 0; i < sizeof(shapes) / sizeof(shapes[0]); i++) {
		clean(true);
		store_up(true);
		struct redis_life *life =
			(struct redis_life *)(uintptr_t)redis_life(st.line.redis);
		assert_int_equal(reserve_dim(st.quota, &a, dim(shapes[i], 10, 1)), QUOTA_ADMITTED);
		const struct redis_life was = *life;
		life->offset_us += 32 * 60000000ll;
		quota_release(st.quota, &a.q, clock_mono_us());
		*life = was;
		run_for(5000);
		assert_int_equal(reserve_dim(st.quota, &b, dim(shapes[i], 10, 1)), QUOTA_ADMITTED);
		counts_are("after it", &b, 0, 1, 9);
		keys_expire_after(1);
		store_down();
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(held_amount_becomes_used_amount),
		cmocka_unit_test(requests_in_a_month_are_counted),
		cmocka_unit_test(number_of_requests_in_flight_is_limited),
		cmocka_unit_test(amount_released_while_redis_clock_is_ahead_is_free),
		cmocka_unit_test(orphaned_hold_is_dropped_or_charged),
		cmocka_unit_test(settlement_waits_for_redis),
		cmocka_unit_test(settlement_refused_by_redis_is_repeated),
		cmocka_unit_test(concurrent_daemons_never_exceed_a_budget),
		cmocka_unit_test(long_holds_are_counted_by_a_daemon_without_them),
	};

	return cmocka_run_group_tests(tests, quota_setup, quota_teardown);
}
