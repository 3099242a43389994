/* The table of targets under many threads: no attempt is lost, and no budget is used twice. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <pthread.h>
#include <stdio.h>

#include <cmocka.h>

#include "gate/targets/state.h"

static struct target_table *table;
static const uint64_t now = 1000000000;
static const struct target without = { .name = "a", .model = "m" };

static int
fresh(void **state)
{
	(void)state;
	table = target_table_new();
	return table ? 0 : -1;
}

static int
gone(void **state)
{
	(void)state;
	target_table_free(&table);
	return 0;
}

struct run {
	pthread_t thread;
	unsigned begun, repeats;
};

static const struct target_load none; /* its route has no other target */
static const struct target_asks alone = { .beside = &none };

static void *
run(void *arg)
{
	struct run *r = arg;
	struct target_attempt a;
	char name[16];

	for (unsigned i = 0; i < 4000; i++) {
		uint64_t at = now + i * 500;
		snprintf(name, sizeof(name), "m%u", i % 50);
		struct target_state *s = target_state(table, "many", name);
		bool first = i % 4 != 0;
		struct target t = { .name = "many",
			.model = name,
			.concurrent = 3,
			.breaker = { .on = true, .failures = 3, .open_us = 1000 } };
		(void)target_latency_us(s, TARGET_SMALL, at);
		(void)target_errors(s, at);
		/* more callers than slots */
		const struct target_asks asks = { .caller = 1 + i % 97,
			.beside = first ? NULL : &none,
			.free = i % 8 == 0,
			.early = i % 16 < 8 };
		const struct target_request of = { span_str(name), SPAN_LIT("chat"),
			asks.caller };
		target_lacks(table, s, &of, at);
		target_refuses(table, s, &of, 401, at);
		if (!target_is_without(table, s, &of, at) && i % 7 == 0)
			target_has(table, s, &of);
		if (target_begin(&a, s, &t, &asks, at) != TARGET_BEGUN)
			continue;
		r->begun++;
		r->repeats += !first;
		if (i % 3)
			target_first_content(&a, i % TARGET_SIZES, i, at);
		target_over(&a,
			&(struct target_end){
				.cause = i % CAUSES, .status = 500, .asked_us = i % 100 },
			at);
		if (i % 500 == 0) {
			target_eject(table, SPAN_LIT("many/m7"));
			target_admit(table, SPAN_LIT("many"));
			target_reloaded(table, NULL);
		}
	}
	return NULL;
}

static void
many_threads_leave_no_attempt_in_flight_and_keep_the_budget(void **state)
{
	struct run r[4] = { 0 };

	(void)state;
	for (size_t i = 0; i < 4; i++)
		pthread_create(&r[i].thread, NULL, run, &r[i]);
	unsigned begun = 0;
	for (size_t i = 0; i < 4; i++) {
		pthread_join(r[i].thread, NULL);
		begun += r[i].begun;
	}
	assert_true(begun > 0);
	size_t n = 0;
	for (const struct target_state *s; (s = target_at(table, n)); n++)
		assert_int_equal(target_under_way(s), 0);
	assert_int_equal(n, 51); /* the provider and its models, each once */
	struct target t = { .name = "many", .concurrent = 1 };
	assert_true(target_has_room(target_state(table, "many", "m0"), &t));
}

static void *
repeat(void *arg)
{
	struct run *r = arg;
	struct target_attempt a;

	for (unsigned i = 0; i < 1000; i++)
		if (target_begin(&a, target_state(table, "a", "m"), &without, &alone, now) ==
			TARGET_BEGUN) {
			r->repeats++;
			target_over(&a, &(struct target_end){ .cause = CAUSE_DONE }, now);
		}
	return NULL;
}

static void
concurrent_repeats_stay_within_the_budget(void **state)
{
	struct run r[4] = { 0 };
	unsigned all = 0;

	(void)state;
	for (int i = 0; i < 500; i++) {
		struct target_attempt a;
		target_begin(&a, target_state(table, "a", "m"), &without, NULL, now);
		target_over(&a, &(struct target_end){ .cause = CAUSE_DONE }, now);
	}
	for (size_t i = 0; i < 4; i++)
		pthread_create(&r[i].thread, NULL, repeat, &r[i]);
	for (size_t i = 0; i < 4; i++) {
		pthread_join(r[i].thread, NULL);
		all += r[i].repeats;
	}
	assert_int_equal(all, 100);
}

int
main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, fresh, gone)
	const struct CMUnitTest tests[] = {
		T(many_threads_leave_no_attempt_in_flight_and_keep_the_budget),
		T(concurrent_repeats_stay_within_the_budget),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
