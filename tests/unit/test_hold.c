/* Counters of held bytes: whose they are, and for how long. */
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

/* The last byte that fits is held, and one more is not: of all, and of one caller's. */
static void
both_caps_are_held_to_the_byte(void **state)
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
	/* Of a caller two requests with half of it each. */
	h->cap_slot = 1000;
	assert_true(hold_take(h, one, 0, 500));
	assert_true(hold_take(h, one, 0, 499));
	assert_true(hold_take(h, one, 0, 1));
	assert_false(hold_take(h, one, 0, 1));
	assert_int_equal(h->slot[one], 1000);
	assert_int_equal(h->all, 1000);
	free(h);
}

/* Four thousand at once: each has a counter of its own, and the same one again. */
static void
each_identity_has_its_own(void **state)
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
	hold_leave(h, HOLD_SLOTS); /* nobody's */
	free(h);
}

/* Where all places are taken two share, until there is room. */
static void
who_finds_no_room_shares_for_a_while(void **state)
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

/* What is to be forgiven stays its owner's, and nobody else's. */
static void
who_left_is_remembered(void **state)
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
	/* When all is forgiven its place is anybody's. */
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
workers_leave_nothing_behind(void **state)
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

/* Two processes do not put them at the same places. */
static void
places_are_by_a_key(void **state)
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
		cmocka_unit_test(both_caps_are_held_to_the_byte),
		cmocka_unit_test(each_identity_has_its_own),
		cmocka_unit_test(who_finds_no_room_shares_for_a_while),
		cmocka_unit_test(who_left_is_remembered),
		cmocka_unit_test(workers_leave_nothing_behind),
		cmocka_unit_test(places_are_by_a_key),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
