/* Amounts that are counted again in the next Redis epoch, in difficult cases: under holds, by
 * another worker, only half of them, too many of them. */
#include "budget/quota/quota_private.h"
#include "support/quota_rig.h"

enum { HOLD_S = 900, LONG_S = 7200, LIMIT = 1000, BEAT_US = 200000 };

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
	run_for(2 * BEAT_US);
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
	run_for(BEAT_US);
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
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(hold_is_settled_in_the_next_epoch),
		cmocka_unit_test(partly_added_counters_are_added_again_in_a_new_epoch),
		cmocka_unit_test(full_ledger_is_reported),
		cmocka_unit_test(long_hold_that_others_cannot_see_is_refused),
	};

	return cmocka_run_group_tests(tests, quota_setup, quota_teardown);
}
