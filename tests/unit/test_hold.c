/* Counters of held bytes: their owners, and their duration. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "gate/hold.h"

static struct holds *
holds_new(void)
{
	struct holds *h = calloc(1, sizeof(*h));

	assert_non_null(h);
	holds_init(h);
	h->cap_all = 1 << 20;
	h->cap_slot = 1 << 16;
	h->cap_waiting = 1 << 14;
	return h;
}

static size_t
join(struct holds *h, unsigned who, uint64_t now_us)
{
	char name[16];

	snprintf(name, sizeof(name), "p%u", who);
	return hold_join(h, span_str(name), now_us);
}

/* The last byte that fits is held, and one more is refused: in total and for one caller. */
static void
both_limits_are_exact(void **state)
{
	struct holds *h = holds_new();
	size_t all = h->cap_all, one = join(h, 1, 1);

	(void)state;
	h->cap_slot = all;
	assert_false(hold_take(h, HOLD_SLOTS, 0, all + 1));
	assert_true(hold_take(h, HOLD_SLOTS, 0, all));
	assert_false(hold_take(h, HOLD_SLOTS, all, 1));
	assert_int_equal(h->all, all);
	hold_give(h, HOLD_SLOTS, all, all);
	/* One caller has two requests, each with half of the caller's bytes. */
	h->cap_slot = 1000;
	assert_true(hold_take(h, one, 0, 500));
	assert_true(hold_take(h, one, 0, 499));
	assert_true(hold_take(h, one, 0, 1));
	assert_false(hold_take(h, one, 0, 1));
	assert_int_equal(h->slot[one], 1000);
	assert_int_equal(h->all, 1000);
	free(h);
}

/* Four thousand callers: each has its own counter, and the same one each time. */
static void
each_identity_has_its_own_counter(void **state)
{
	enum { MANY = 4096 };
	static size_t slot[MANY];
	static unsigned char taken[HOLD_SLOTS];
	struct holds *h = holds_new();

	(void)state;
	memset(taken, 0, sizeof(taken));
	for (unsigned i = 0; i < MANY; i++) {
		slot[i] = join(h, i, 1);
		assert_true(slot[i] < HOLD_SLOTS && !taken[slot[i]]);
		taken[slot[i]] = 1;
	}
	for (unsigned i = 0; i < MANY; i++) {
		assert_int_equal(join(h, i, 2), slot[i]);
		hold_leave(h, slot[i]);
		hold_leave(h, slot[i]);
	}
	for (size_t i = 0; i < HOLD_SLOTS; i++)
		assert_int_equal(h->owner[i] & 0xffffff, 0);
	hold_leave(h, HOLD_SLOTS); /* without an owner */
	free(h);
}

/* If all counters are taken, two callers share one until there is room. */
static void
caller_without_a_counter_shares_one_for_a_while(void **state)
{
	static size_t slot[2 * HOLD_SLOTS];
	static unsigned had[HOLD_SLOTS];
	struct holds *h = holds_new();
	size_t n = 0;

	(void)state;
	memset(had, 0, sizeof(had));
	for (; n < COUNT_OF(slot); n++) {
		slot[n] = join(h, (unsigned)n, 1);
		assert_true(slot[n] < HOLD_SLOTS);
		had[slot[n]]++;
	}
	unsigned last = (unsigned)n;
	size_t shared = join(h, last, 1);
	assert_true(had[shared] > 0);
	for (size_t i = 0; i < n; i++)
		hold_leave(h, slot[i]);
	size_t own = join(h, last, 2);
	assert_int_equal(h->owner[own] & 0xffffff, own == shared ? 2 : 1);
	hold_leave(h, shared);
	hold_leave(h, own);
	free(h);
}

/* Expired decisions stay with their owner. */
static void
expired_decisions_are_remembered(void **state)
{
	struct holds *h = holds_new();

	(void)state;
	size_t offender = join(h, 0, 1);
	for (int i = 0; i < HOLD_EXPIRED_MAX; i++)
		hold_expired(h, offender, 1);
	hold_leave(h, offender);
	for (unsigned i = 1; i < 3 * HOLD_SLOTS; i++) {
		size_t slot = join(h, i, 2);
		assert_int_not_equal(slot, offender);
		assert_int_equal(hold_refused_us(h, slot, 2), 0);
		hold_leave(h, slot);
	}
	assert_int_equal(join(h, 0, 2), offender);
	assert_true(hold_refused_us(h, offender, 2) > 0);
	hold_leave(h, offender);
	/* After all are forgiven, the counter may be reused. */
	uint64_t later = 3 + (uint64_t)HOLD_EXPIRED_MAX * HOLD_FORGIVE_US;
	bool used = false;
	for (unsigned i = 1; i < 64 * HOLD_SLOTS && !used; i++) {
		size_t slot = join(h, i, later);
		used = slot == offender;
		assert_int_equal(hold_refused_us(h, slot, later), 0);
		hold_leave(h, slot);
	}
	assert_true(used);
	free(h);
}

static void *
come_and_go(void *arg)
{
	struct holds *h = arg;

	for (unsigned i = 0; i < 20000; i++) {
		size_t slot = join(h, i % 64, 1);
		if (hold_take(h, slot, 0, 100))
			hold_give(h, slot, 100, 100);
		hold_leave(h, slot);
	}
	return NULL;
}

static void
concurrent_workers_leave_no_held_byte(void **state)
{
	struct holds *h = holds_new();
	pthread_t t[4];

	(void)state;
	for (size_t i = 0; i < COUNT_OF(t); i++)
		assert_int_equal(pthread_create(&t[i], NULL, come_and_go, h), 0);
	for (size_t i = 0; i < COUNT_OF(t); i++)
		pthread_join(t[i], NULL);
	assert_int_equal(h->all, 0);
	for (size_t i = 0; i < HOLD_SLOTS; i++) {
		assert_int_equal(h->owner[i] & 0xffffff, 0);
		assert_int_equal(h->slot[i], 0);
	}
	free(h);
}

/* Two processes place callers differently. */
static void
places_depend_on_a_random_key(void **state)
{
	struct holds *a = holds_new(), *b = holds_new();
	size_t same = 0;

	(void)state;
	for (unsigned i = 0; i < 64; i++)
		same += join(a, i, 1) == join(b, i, 1);
	assert_true(same < 8);
	free(a);
	free(b);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(both_limits_are_exact),
		cmocka_unit_test(each_identity_has_its_own_counter),
		cmocka_unit_test(caller_without_a_counter_shares_one_for_a_while),
		cmocka_unit_test(expired_decisions_are_remembered),
		cmocka_unit_test(concurrent_workers_leave_no_held_byte),
		cmocka_unit_test(places_depend_on_a_random_key),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
