/* sources/pins with a Redis: a pin that one daemon stores is found by another. */
#include "gate/sources/pins.h"
#include "support/quota_rig.h"

static bool came;

static void
on_came(struct pin_wait *w)
{
	came = true;
	*(bool *)w->arg = true;
}

static bool
get(const struct pins *p, struct pin_wait *w, int64_t now_s)
{
	bool done = false;

	w->done = on_came;
	w->arg = &done;
	came = false;
	if (pins_get(p, w, now_s))
		return true;
	for (uint64_t until = clock_mono_us() + RIG_PATIENT_US;
		!done && clock_mono_us() < until;)
		run_for(1000);
	return done;
}

static void
pin_is_found_by_another_daemon(void **state)
{
	const int64_t now = 1800000000;
	uint64_t a = pin_target(SPAN_LIT("a"), SPAN_LIT("m")),
		 b = pin_target(SPAN_LIT("b"), SPAN_LIT(""));
	struct pin_wait w = { .n = 3,
		.key = { { "0123456789abcde" }, { "\xff\xfe\x01 not text\n" },
			{ "nobody's" } } };
	struct metrics m = { 0 };

	NEEDS_REDIS;
	redis_rig_do(&server, "FLUSHALL");
	struct redis *r = redis_new(loop, server.url, RIG_PATIENT_US, &m);
	assert_true(run_until_up(r, 3000000));
	struct pins one = { pin_table_new(), r }, other = { pin_table_new(), r },
		    alone = { pin_table_new(), NULL };
	pins_put(&one, &w.key[0], a, now);
	pins_put(&one, &w.key[1], b, now);
	assert_true(get(&other, &w, now));
	assert_true(came && w.target[0] == a && w.target[1] == b && w.target[2] == 0);
	/* afterwards it is in this daemon's own memory */
	assert_true(get(&other, &w, now));
	assert_true(!came && w.target[0] == a && w.target[1] == b);
	assert_true(get(&alone, &w, now) && !w.target[0]);
	/* kept for the documented time, under a documented name */
	assert_int_equal(redis_rig_do(&server, "KEYS tollgate:pin:*"), 2);
	long long ttl =
		redis_rig_do(&server, "TTL tollgate:pin:30313233343536373839616263646500");
	assert_true(ttl > 31 * 86400 - 60 && ttl <= 31 * 86400);
	/* an invalid value is not a target */
	redis_rig_do(&server, "SET tollgate:pin:6e6f626f647927730000000000000000 -5");
	redis_rig_do(&server, "SET tollgate:pin:30313233343536373839616263646500 text");
	struct pins third = { pin_table_new(), r };
	assert_true(get(&third, &w, now));
	assert_true(!w.target[0] && !w.target[2]);
	/* if Redis is unavailable, nothing is found */
	signal(SIGPIPE, SIG_IGN); /* as the daemon does */
	redis_rig_stop(&server);
	struct pins fourth = { pin_table_new(), r };
	assert_true(get(&fourth, &w, now));
	assert_true(!w.target[0] && !w.target[1]);
	redis_free(&r);
	pin_table_free(&one.table);
	pin_table_free(&other.table);
	pin_table_free(&alone.table);
	pin_table_free(&third.table);
	pin_table_free(&fourth.table);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(pin_is_found_by_another_daemon),
	};

	return cmocka_run_group_tests(tests, quota_setup, quota_teardown);
}
