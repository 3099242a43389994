/* The order of a route's targets, with fixed seeds, so that shares can be counted. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "gate/targets/rank.h"

#define S 1000000ull
enum { N = 5, DRAWS = 20000 };
static struct target_table *table;
static struct target target[N];
static struct rank_target ranked[N];
static struct policy_rank rank[N];
static struct rank_ask ask;
static uint64_t now;

static int
fresh(void **state)
{
	static const char *const names[N] = { "a", "b", "c", "d", "e" };

	(void)state;
	target_table_free(&table);
	table = target_table_new();
	now = 1000 * S;
	for (size_t i = 0; i < N; i++) {
		target[i] = (struct target){ .name = names[i],
			.weight = 1,
			.priority = 1,
			.breaker = { .on = true, .failures = 5, .open_us = 5 * S } };
		ranked[i] = (struct rank_target){ .target = &target[i],
			.state = target_state(table, names[i], NULL) };
	}
	ask = (struct rank_ask){ .now_us = now };
	return 0;
}

static int
gone(void **state)
{
	(void)state;
	target_table_free(&table);
	return 0;
}

/* Returns the target that is asked first, or N. */
static size_t
first(size_t n)
{
	size_t best = N;

	ask.now_us = now;
	targets_rank(&ask, ranked, n, rank);
	for (size_t i = 0; i < n; i++)
		if (!rank[i].out && (best == N || rank[i].place < rank[best].place))
			best = i;
	return best;
}

static void
end(size_t i, enum attempt_cause cause, uint64_t first_content_us)
{
	struct target_attempt a;

	target_begin(&a, target_state(table, target[i].name, NULL), &target[i], NULL, now);
	if (first_content_us)
		target_first_content(&a, TARGET_SMALL, first_content_us, now);
	target_over(&a, &(struct target_end){ .cause = cause }, now);
}

static void
fails(size_t i)
{
	for (int k = 0; k < 5; k++)
		end(i, CAUSE_NEVER_SENT, 0);
}

/* Counts how often each target is first. */
static void
shares(size_t n, unsigned count[N])
{
	memset(count, 0, N * sizeof(*count));
	for (unsigned k = 0; k < DRAWS; k++) {
		ask.random = k * UINT64_C(0x9e3779b97f4a7c15);
		count[first(n)]++;
	}
}

/* Within four standard deviations of the expected share. */
static void
assert_share(unsigned count, double share)
{
	double mean = DRAWS * share, off = (double)count - mean;

	if (off * off > 16 * mean * (1 - share))
		fail_msg("%u of %d, not %.3f", count, DRAWS, share);
}

static void
order_is_the_routes_order_within_groups(void **state)
{
	(void)state;
	assert_int_equal(first(N), 0);
	target[0].priority = 2;
	assert_int_equal(first(N), 1);
	assert_true(rank[0].place == N - 1);
	ask.sticky = 77; /* without random numbers */
	assert_int_equal(first(N), 1);
}

static void
later_group_is_used_only_if_the_first_is_out(void **state)
{
	(void)state;
	target[2].priority = target[3].priority = target[4].priority = 2;
	fails(0);
	assert_int_equal(first(N), 1);
	fails(1);
	assert_int_equal(first(N), 2);
	assert_int_equal(rank[0].out, TARGET_EJECTED);
	ranked[2].out = TARGET_TRIED;
	ranked[3].out = TARGET_WINDOW;
	assert_int_equal(first(N), 4);
	assert_int_equal(rank[2].out, TARGET_TRIED);
	assert_int_equal(rank[3].out, TARGET_WINDOW);
	ranked[4].out = TARGET_PINNED;
	assert_int_equal(first(N), N);
}

static void
weights_give_exact_shares(void **state)
{
	unsigned count[N];

	(void)state;
	ask.choose.by = CHOOSE_WEIGHT;
	target[0].weight = 97;
	target[1].weight = 2;
	shares(3, count);
	assert_share(count[0], 0.97);
	assert_share(count[1], 0.02);
	assert_share(count[2], 0.01);
	fails(0);
	shares(3, count);
	assert_int_equal(count[0], 0);
	assert_share(count[1], 2.0 / 3);
}

static void
target_with_weight_zero_is_used_last(void **state)
{
	unsigned count[N];

	(void)state;
	ask.choose.by = CHOOSE_WEIGHT;
	target[0].weight = 0;
	shares(2, count);
	assert_int_equal(count[0], 0);
	fails(1);
	assert_int_equal(first(2), 0);
}

static void
price_selects_the_cheapest_and_unknown_prices_last(void **state)
{
	unsigned count[N];

	(void)state;
	ask.choose.by = CHOOSE_PRICE;
	ranked[0].price_nanousd = UINT64_MAX;
	ranked[1].price_nanousd = 300;
	ranked[2].price_nanousd = 200;
	ranked[3].price_nanousd = 200;
	ranked[4].price_nanousd = 100;
	target[4].priority = 2;
	shares(N, count);
	assert_share(count[2], 0.5);
	assert_share(count[3], 0.5);
	assert_true(rank[0].place == 3);
	assert_true(rank[4].place == 4);
}

static void
latency_selects_the_better_of_two_random_targets(void **state)
{
	unsigned count[N];

	(void)state;
	ask.choose.by = CHOOSE_LATENCY;
	end(0, CAUSE_DONE, 100000);
	end(1, CAUSE_DONE, 200000);
	end(2, CAUSE_DONE, 300000);
	assert_int_equal(first(2), 0);
	/* the best of three is drawn in two of three draws, the worst never wins */
	shares(3, count);
	assert_share(count[0], 2.0 / 3);
	assert_share(count[1], 1.0 / 3);
	assert_int_equal(count[2], 0);
}

static void
requests_in_flight_multiply_latency(void **state)
{
	struct target_attempt a[2];

	(void)state;
	ask.choose.by = CHOOSE_LATENCY;
	end(0, CAUSE_DONE, 100000);
	end(1, CAUSE_DONE, 250000);
	for (size_t i = 0; i < 2; i++) {
		assert_int_equal(first(2), 0);
		target_begin(&a[i], target_state(table, "a", NULL), &target[0], NULL, now);
	}
	assert_int_equal(first(2), 1); /* 3 × 100 ms */
	target_over(&a[0], &(struct target_end){ .cause = CAUSE_ABORTED }, now);
	assert_int_equal(first(2), 0);
	target_over(&a[1], &(struct target_end){ .cause = CAUSE_ABORTED }, now);
}

static void
unknown_target_gets_one_request_at_a_time(void **state)
{
	struct target_attempt a;

	(void)state;
	ask.choose.by = CHOOSE_LATENCY;
	end(0, CAUSE_DONE, 1000);
	assert_int_equal(first(2), 1);
	target_begin(&a, target_state(table, "b", NULL), &target[1], NULL, now);
	assert_int_equal(first(2), 0);
	target_first_content(&a, ask.size, 2000, now);
	target_over(&a, &(struct target_end){ .cause = CAUSE_DONE }, now);
	assert_int_equal(first(2), 0);
}

static void
unknown_targets_are_drawn_by_weight(void **state)
{
	unsigned count[N];

	(void)state;
	ask.choose.by = CHOOSE_LATENCY;
	target[0].weight = 3;
	shares(2, count);
	assert_share(count[0], 0.75);
}

static void
fast_failures_do_not_attract_requests(void **state)
{
	(void)state;
	ask.choose.by = CHOOSE_LATENCY;
	end(0, CAUSE_NEVER_SENT, 0);
	end(1, CAUSE_DONE, 5000000);
	assert_int_equal(first(2), 1);
}

static void
sticky_key_moves_only_if_its_target_is_out(void **state)
{
	unsigned count[N] = { 0 };

	(void)state;
	ask.choose = (struct choose){ CHOOSE_WEIGHT, STICKY_CONVERSATION };
	target[0].weight = 3;
	for (uint64_t key = 1; key <= DRAWS; key++) {
		ask.sticky = key * UINT64_C(0xd1342543de82ef95);
		ask.random = key;
		size_t with = first(4);
		ask.random = key * 7;
		assert_int_equal(first(4), with);
		count[with]++;
		ranked[3].out = TARGET_EJECTED;
		size_t without = first(4);
		assert_true(without != 3 && (with == 3 || without == with));
		ranked[3].out = TARGET_IN;
		size_t wider = first(5);
		assert_true(wider == with || wider == 4);
	}
	assert_share(count[0], 0.5);
	assert_share(count[1], 1.0 / 6);
	assert_share(count[3], 1.0 / 6);
}

static void
sticky_choice_does_not_depend_on_the_order(void **state)
{
	(void)state;
	ask.choose = (struct choose){ CHOOSE_LATENCY, STICKY_IDENTITY };
	for (uint64_t key = 1; key < 1000; key++) {
		ask.sticky = key * UINT64_C(0xd1342543de82ef95);
		const char *name = ranked[first(3)].target->name;
		struct rank_target was = ranked[0];
		ranked[0] = ranked[2];
		ranked[2] = was;
		assert_string_equal(ranked[first(3)].target->name, name);
	}
}

static void
recovered_target_gets_a_growing_share(void **state)
{
	unsigned count[N];

	(void)state;
	fails(0);
	now += 6 * S;
	end(0, CAUSE_DONE, 1000);
	end(0, CAUSE_DONE, 1000);
	now += 2 * S;
	shares(2, count);
	assert_share(count[0], 0.2);
	now += 5 * S;
	shares(2, count);
	assert_share(count[0], 0.7);
	now += 3 * S;
	assert_int_equal(first(2), 0);
	/* and the whole share if no other target is left */
	now -= 7 * S;
	ranked[1].out = TARGET_TRIED;
	shares(2, count);
	assert_int_equal(count[0], DRAWS);
}

static void
open_by_share(size_t i)
{
	for (int k = 0; k < 11; k++) {
		end(i, CAUSE_DONE, 1000);
		end(i, CAUSE_NEVER_SENT, 0);
	}
	assert_int_equal(
		target_condition(ranked[i].state, true, now, NULL, NULL), TARGET_OPEN_SHARE);
}

static void
failure_share_alone_never_empties_a_group(void **state)
{
	(void)state;
	target[1].priority = target[2].priority = 2;
	open_by_share(0);
	assert_int_equal(first(3), 0);
	/* if another target is in its group, it is placed after all others */
	target[1].priority = 1;
	assert_int_equal(first(3), 1);
	assert_true(rank[0].place > rank[2].place);
	/* even if that one is open because of its share */
	open_by_share(1);
	assert_int_equal(first(3), 0);
	/* not if it is open because of consecutive failures */
	fails(2);
	assert_int_equal(first(3), 0);
	assert_int_equal(rank[2].out, TARGET_EJECTED);
}

static void
target_with_an_expected_probe_is_in(void **state)
{
	struct target_attempt a;
	uint64_t back;

	(void)state;
	fails(0);
	assert_int_equal(first(2), 1);
	target_condition(ranked[0].state, true, now, &back, NULL);
	now = back;
	assert_int_equal(first(2), 0);
	target_begin(&a, target_state(table, "a", NULL), &target[0], NULL, now);
	assert_int_equal(first(2), 1);
	target_over(&a, &(struct target_end){ .cause = CAUSE_ABORTED }, now);
	assert_int_equal(first(2), 0);
}

static void
full_provider_is_busy(void **state)
{
	struct target_attempt a;

	(void)state;
	target[0].concurrent = 1;
	target_begin(&a, target_state(table, "a", NULL), &target[0], NULL, now);
	assert_int_equal(first(2), 1);
	/* while its short queue has a place, it is available to requests without another
	 * target */
	assert_int_equal(rank[0].out, TARGET_IN);
	ranked[1].out = TARGET_TRIED;
	assert_int_equal(first(2), 0);
	assert_true(target_queue(target_state(table, "a", NULL), &target[0]));
	assert_int_equal(first(2), N);
	assert_int_equal(rank[0].out, TARGET_BUSY);
	ranked[1].out = TARGET_IN;
	target_over(&a, &(struct target_end){ .cause = CAUSE_DONE }, now);
	assert_int_equal(first(2), 0);
}

static void
equal_input_gives_equal_order(void **state)
{
	struct policy_rank again[N];

	(void)state;
	ask.choose.by = CHOOSE_LATENCY;
	ask.random = 42;
	first(N);
	targets_rank(&ask, ranked, N, again);
	for (size_t i = 0; i < N; i++) {
		assert_int_equal(rank[i].place, again[i].place);
		for (size_t k = 0; k < i; k++)
			assert_int_not_equal(rank[i].place, rank[k].place);
	}
}

int
main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, fresh, gone)
	const struct CMUnitTest tests[] = {
		T(order_is_the_routes_order_within_groups),
		T(later_group_is_used_only_if_the_first_is_out),
		T(weights_give_exact_shares),
		T(target_with_weight_zero_is_used_last),
		T(price_selects_the_cheapest_and_unknown_prices_last),
		T(latency_selects_the_better_of_two_random_targets),
		T(requests_in_flight_multiply_latency),
		T(unknown_target_gets_one_request_at_a_time),
		T(unknown_targets_are_drawn_by_weight),
		T(fast_failures_do_not_attract_requests),
		T(sticky_key_moves_only_if_its_target_is_out),
		T(sticky_choice_does_not_depend_on_the_order),
		T(recovered_target_gets_a_growing_share),
		T(failure_share_alone_never_empties_a_group),
		T(target_with_an_expected_probe_is_in),
		T(full_provider_is_busy),
		T(equal_input_gives_equal_order),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
