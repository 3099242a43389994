/* Failures caused by one caller's requests count only for that caller: other callers use the
 * target as before. With a clock that the tests set. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/caps.h"
#include "gate/targets/rank.h"
#include "gate/targets/share.h"

#define S 1000000ull
enum { BAD = 9, GOOD = 20 };
static struct target_table *table;
static uint64_t now;
static const struct target the_target = {
	.name = "a", .model = "m", .breaker = { .on = true, .failures = 5, .open_us = 5 * S }
};
static const struct target_end well = { .cause = CAUSE_DONE, .status = 200 },
			       is_500 = { .cause = CAUSE_PERHAPS_BILLED, .status = 500 },
			       is_403 = { .cause = CAUSE_REFUSED_US, .status = 403 },
			       is_429 = { .cause = CAUSE_THROTTLED, .status = 429 },
			       is_429_20s = { .cause = CAUSE_THROTTLED,
				       .status = 429,
				       .asked_us = 20 * S },
			       never = { .cause = CAUSE_NEVER_SENT, .status = 503 },
			       no_key = {
				       .cause = CAUSE_REFUSED_US, .status = 401, .our_key = true
			       };

static int
fresh(void **state)
{
	(void)state;
	target_table_free(&table);
	table = target_table_new();
	now = 1000 * S;
	return table ? 0 : -1;
}

static int
gone(void **state)
{
	(void)state;
	target_table_free(&table);
	return 0;
}

static struct target_state *
a_target(void)
{
	return target_state(table, "a", "m");
}

static enum target_condition
for_caller(uint32_t caller)
{
	return target_condition_for(a_target(), caller, true, now, NULL, NULL);
}

static enum target_begun
asks_as(const struct target_asks *asks, const struct target_end *e)
{
	struct target_attempt a;
	enum target_begun b = target_begin(&a, a_target(), &the_target, asks, now);

	if (b == TARGET_BEGUN)
		target_over(&a, e, now);
	return b;
}

static enum target_begun
asks(uint32_t caller, const struct target_end *e)
{
	return asks_as(&(struct target_asks){ .caller = caller }, e);
}

static void
fails(uint32_t caller, int times)
{
	while (times--)
		asks(caller, &is_500);
}

/* Sixteen requests a second fail, for any reason; four a second succeed. */
static void
failures_of_one_caller_do_not_affect_others(void **state)
{
	static const struct target_end *const how[] = { &is_500, &is_403, &is_429,
		&is_429_20s };

	for (size_t k = 0; k < COUNT_OF(how); k++)
		for (uint32_t others = 1; others <= 4; others++) {
			unsigned refused = 0;
			fresh(state);
			for (int i = 0; i < 60 * 20; i++) {
				now += S / 20;
				if (i % 5)
					asks(BAD, how[k]);
				else
					refused += asks(GOOD + (uint32_t)i / 5 % others,
							   &well) != TARGET_BEGUN;
			}
			if (refused)
				fail_msg("%zu: %u of 240 refused, of %u others", k, refused,
					others);
			assert_true(target_latency_us(a_target(), TARGET_SMALL, now) <
				    2 * TARGET_UNKNOWN_US);
		}
}

/* The caller began when no other caller was present. */
static void
failures_of_the_only_caller_open_the_breaker_for_that_caller(void **state)
{
	(void)state;
	fails(BAD, 5);
	assert_int_equal(target_condition(a_target(), true, now, NULL, NULL), TARGET_OPEN);
	assert_int_equal(for_caller(BAD), TARGET_OPEN);
	assert_int_equal(for_caller(GOOD), TARGET_CLOSED);
	assert_int_equal(asks(BAD, &well), TARGET_NO_PROBE);
	for (int i = 0; i < 20; i++)
		assert_int_equal(asks(GOOD, &well), TARGET_BEGUN);
	/* after the pause, two of the caller's requests succeed, and only this caller has a
	 * ramp */
	now += 6 * S;
	assert_int_equal(
		for_caller(BAD), TARGET_PROBED); /* as long as another caller is present */
	now += 10 * S;
	assert_int_equal(for_caller(BAD), TARGET_PROBE_DUE);
	asks(BAD, &well);
	asks(BAD, &well);
	assert_int_equal(for_caller(BAD), TARGET_RAMP);
	assert_int_equal(for_caller(GOOD), TARGET_CLOSED);
}

static void
failing_provider_is_open_for_its_only_caller_at_any_rate(void **state)
{
	static const uint64_t every[] = { 0, S / 4, S, 3 * S, 15 * S };

	for (size_t i = 0; i < COUNT_OF(every); i++) {
		fresh(state);
		for (int k = 0; k < 30; k++, now += S)
			asks(GOOD, &well);
		for (int k = 0; k < 5; k++, now += every[i])
			assert_int_equal(asks(GOOD, &is_500), TARGET_BEGUN);
		now -= every[i];
		assert_int_equal(for_caller(GOOD), TARGET_OPEN);
	}
}

/* With several callers, at most half of the requests that the breaker needs fail. */
static void
failing_provider_is_open_for_all_its_callers(void **state)
{
	static const struct {
		uint32_t callers;
		uint64_t every;
		int most;
	} rows[] = { { 2, S / 4, 7 }, { 3, S / 2, 7 }, { 10, S / 4, 10 }, { 4, 3 * S, 7 },
		{ 50, 3 * S, 7 }, { 1000, 5 * S, 6 }, { 200, S / 20, 130 } };

	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		uint32_t at = 0;
		int n = 0;
		fresh(state);
		for (int k = 0; k < 300; k++, now += rows[i].every)
			asks(GOOD + at++ % rows[i].callers, &well);
		for (; n < 1000 && for_caller(1) != TARGET_OPEN; n++, now += rows[i].every) {
			asks(GOOD + at++ % rows[i].callers, &is_500);
			if (target_condition(a_target(), true, now, NULL, NULL) >= TARGET_OPEN)
				break;
		}
		if (n >= rows[i].most)
			fail_msg("%u callers: %d failed", rows[i].callers, n + 1);
	}
}

static void
breaker_opens_for_all_if_half_of_the_callers_fail(void **state)
{
	(void)state;
	asks(GOOD, &well);
	asks(GOOD + 1, &well);
	asks(GOOD + 2, &well);
	fails(BAD, 50);
	fails(BAD + 1, 50);
	assert_int_equal(for_caller(GOOD), TARGET_CLOSED); /* two of five */
	fails(GOOD, 1);
	assert_int_equal(for_caller(GOOD + 1), TARGET_OPEN_SHARE);
	/* the other of two callers fails once, which may be that caller's own fault */
	fresh(state);
	asks(GOOD, &well);
	fails(BAD, 50);
	fails(GOOD, 1);
	assert_int_equal(for_caller(GOOD), TARGET_CLOSED);
	fails(GOOD, 1);
	assert_int_equal(for_caller(GOOD), TARGET_OPEN);
	assert_int_equal(for_caller(GOOD + 7), TARGET_OPEN);
}

static void
breaker_open_for_one_opens_for_all_with_a_second_failing_caller(void **state)
{
	(void)state;
	fails(BAD, 5);
	assert_int_equal(for_caller(GOOD), TARGET_CLOSED);
	fails(GOOD, 2);
	assert_int_equal(for_caller(GOOD), TARGET_OPEN);
	assert_int_equal(for_caller(GOOD + 1), TARGET_OPEN);
}

static void
single_callers_429_counts_only_for_that_caller(void **state)
{
	(void)state;
	asks(BAD, &is_429_20s);
	assert_int_equal(for_caller(BAD), TARGET_THROTTLED);
	assert_int_equal(for_caller(GOOD), TARGET_CLOSED);
	asks(GOOD, &is_429_20s);
	assert_int_equal(for_caller(GOOD), TARGET_THROTTLED);
	assert_int_equal(for_caller(GOOD + 1), TARGET_THROTTLED);
	asks(GOOD + 1, &well);
	now += 20 * S;
	assert_int_equal(for_caller(GOOD + 1), TARGET_CLOSED);
}

static void
failure_that_no_caller_can_cause_counts_at_once(void **state)
{
	(void)state;
	for (uint32_t i = 0; i < 10; i++)
		asks(GOOD + i, &well);
	for (int i = 0; i < 4; i++)
		asks(BAD, &never);
	assert_int_equal(for_caller(GOOD), TARGET_CLOSED);
	asks(BAD, &never);
	assert_int_equal(for_caller(GOOD), TARGET_OPEN);
	fresh(state);
	for (uint32_t i = 0; i < 10; i++)
		asks(GOOD + i, &well);
	asks(BAD, &no_key);
	assert_int_equal(for_caller(GOOD), TARGET_OUT);
}

/* More callers than slots: callers that count are not displaced. */
static void
many_names_do_not_inflate_the_failures_of_a_few(void **state)
{
	(void)state;
	for (uint32_t i = 0; i < 64; i++)
		asks(GOOD + i, &well);
	for (uint32_t i = 0; i < 500; i++)
		asks(5000 + i, &is_500);
	assert_int_equal(for_caller(GOOD), TARGET_CLOSED);
	/* ten seconds later the slots are free */
	now += 10 * S;
	for (uint32_t i = 0; i < 6; i++)
		asks(9000 + i, &is_500);
	assert_int_equal(for_caller(GOOD), TARGET_OPEN);
}

/* Callers in all slots wait for a response; then other callers arrive and fail. */
static void
many_names_do_not_take_the_slots_of_waiting_callers(void **state)
{
	struct target_attempt a;

	(void)state;
	for (uint32_t i = 0; i < 64; i++)
		assert_int_equal(target_begin(&a, a_target(), &the_target,
					 &(struct target_asks){ .caller = GOOD + i }, now),
			TARGET_BEGUN);
	for (uint32_t i = 0; i < 500; i++)
		asks(5000 + i, &is_500);
	assert_int_equal(for_caller(GOOD), TARGET_CLOSED);
	assert_int_equal(target_load(a_target(), GOOD, now).first, 1);
}

/* Up to 255 requests are counted, and the failure stays known. */
static void
caller_with_more_failures_than_are_counted_has_failed(void **state)
{
	static const struct target_end asks_to_wait = {
		.cause = CAUSE_THROTTLED, .status = 429, .asked_us = 20 * S
	};
	struct target_attempt a[300];

	(void)state;
	for (size_t i = 0; i < COUNT_OF(a); i++)
		target_begin(&a[i], a_target(), &the_target,
			&(struct target_asks){ .caller = BAD }, now);
	for (size_t i = 0; i < COUNT_OF(a); i++) {
		target_over(&a[i], &asks_to_wait, now);
		assert_int_equal(for_caller(BAD), TARGET_THROTTLED);
		assert_int_equal(for_caller(BAD + 1), TARGET_CLOSED);
	}
}

static void
probe_is_sent_by_the_caller_with_fewest_failures(void **state)
{
	(void)state;
	fails(BAD, 3);
	fails(GOOD, 2);
	assert_int_equal(for_caller(GOOD), TARGET_OPEN);
	now += 7 * S;
	asks(BAD, &is_500); /* the probe fails, so the next one is another caller's */
	now += 13 * S;
	struct rank_target t = { .target = &the_target, .state = a_target() };
	struct policy_rank out;
	targets_rank(&(struct rank_ask){ .now_us = now, .caller = GOOD }, &t, 1, &out);
	assert_int_equal(out.out, TARGET_IN);
	assert_int_equal(for_caller(BAD), TARGET_PROBED);
	assert_int_equal(asks(BAD, &is_500), TARGET_NO_PROBE);
	assert_int_equal(asks(GOOD, &well), TARGET_BEGUN);
	assert_int_equal(asks(BAD, &is_500), TARGET_NO_PROBE);
	assert_int_equal(asks(GOOD, &well), TARGET_BEGUN);
	assert_int_equal(for_caller(GOOD), TARGET_RAMP);
	/* without other callers, this caller sends the probe */
	fresh(state);
	fails(BAD, 3);
	fails(GOOD, 2);
	now += 7 * S;
	asks(BAD, &is_500);
	now += 13 * S;
	assert_int_equal(for_caller(BAD), TARGET_PROBE_DUE);
}

static void
only_target_is_asked_before_its_pause_ends(void **state)
{
	static const struct target_asks early = { .caller = GOOD, .early = true };
	struct target_attempt a;
	uint64_t back, later;
	uint32_t well_s;

	(void)state;
	fails(BAD, 3);
	fails(GOOD, 2);
	target_condition(a_target(), true, now, &back, NULL);
	assert_true(target_may_early(a_target(), GOOD, now, &well_s));
	assert_int_equal(target_begin(&a, a_target(), &the_target, &early, now), TARGET_BEGUN);
	assert_false(target_may_early(a_target(), GOOD, now, &well_s)); /* one at a time */
	target_over(&a, &is_500, now);
	/* a failed one changes nothing, and the next one is a second later */
	target_condition(a_target(), true, now, &later, NULL);
	assert_true(back == later);
	assert_int_equal(asks_as(&early, &well), TARGET_NO_PROBE);
	now += S;
	assert_int_equal(asks(GOOD, &well), TARGET_NO_PROBE); /* if there is another target */
	assert_int_equal(asks_as(&early, &is_500), TARGET_BEGUN);
	now += S;
	/* by now, this caller has failed more often than another active one */
	assert_int_equal(asks_as(&early, &well), TARGET_NO_PROBE);
	static const struct target_asks another = { .caller = GOOD + 1, .early = true };
	assert_int_equal(asks_as(&another, &well), TARGET_BEGUN);
	assert_int_equal(asks_as(&another, &well), TARGET_BEGUN);
	assert_int_equal(for_caller(GOOD), TARGET_RAMP);
}

/* The breaker is open, and an attempt that began earlier is answered with Retry-After. */
static void
target_with_retry_after_is_not_asked_before_its_time(void **state)
{
	struct target_attempt a[2];
	uint32_t well_s;

	(void)state;
	for (uint32_t i = 0; i < 2; i++)
		target_begin(&a[i], a_target(), &the_target,
			&(struct target_asks){ .caller = GOOD + i }, now);
	for (int i = 0; i < 5; i++)
		asks(BAD, &never);
	assert_true(target_may_early(a_target(), GOOD + 2, now, &well_s));
	for (uint32_t i = 0; i < 2; i++)
		target_over(&a[i], &is_429_20s, now);
	assert_int_equal(for_caller(GOOD + 2), TARGET_OPEN);
	assert_false(target_may_early(a_target(), GOOD + 2, now, &well_s));
}

/* ---- repeats ---- */

static void
repeats_are_limited_to_a_share_of_first_attempts(void **state)
{
	static const struct target_load none, four_more = { 4, 0, 0 }, five_more = { 10, 1, 0 },
					      ten = { 0, 0, 10 };
	static const struct target_asks alone = { .beside = &none },
					four = { .beside = &four_more },
					five = { .beside = &five_more },
					waits = { .beside = &ten };
	struct target_attempt a;
	int n;

	(void)state;
	for (n = 0; target_begin(&a, a_target(), &the_target, &alone, now) == TARGET_BEGUN; n++)
		target_over(&a, &well, now);
	/* three, plus those that are needed to open the breaker; of the route's largest
	 * breaker */
	assert_int_equal(n, 3 + 5);
	assert_true(target_may_repeat(a_target(), &the_target, &waits, now));
	assert_false(target_may_repeat(a_target(), &the_target, &alone, now));
	for (int i = 0; i < 100; i++)
		asks(1, &well);
	for (; target_begin(&a, a_target(), &the_target, &alone, now) == TARGET_BEGUN; n++) {
		assert_true(target_under_way(a_target()) == 1);
		target_over(&a, &well, now);
	}
	assert_int_equal(n, 20);
	assert_int_equal(target_under_way(a_target()), 0);
	assert_int_equal(
		target_begin(&a, a_target(), &the_target, &alone, now), TARGET_NO_BUDGET);
	/* the other targets of the route count too */
	assert_false(target_may_repeat(a_target(), &the_target, &four, now));
	assert_true(target_may_repeat(a_target(), &the_target, &five, now));
	assert_int_equal(target_begin(&a, a_target(), &the_target, &five, now), TARGET_BEGUN);
	target_over(&a, &well, now);
	assert_false(target_may_repeat(a_target(), &the_target, &five, now));
	assert_int_equal(target_load(a_target(), 0, now).first, 100);
	assert_int_equal(target_load(a_target(), 0, now).repeats, 21);
	now += 10 * S;
	assert_true(target_may_repeat(a_target(), &the_target, &alone, now));
	assert_int_equal(target_load(a_target(), 0, now).first, 0);
}

static void
repeat_refused_without_budget_takes_no_place(void **state)
{
	static const struct target_load none;
	struct target one = the_target;
	struct target_asks again = { .caller = GOOD, .beside = &none };
	struct target_attempt a;
	uint64_t back;

	(void)state;
	one.concurrent = 1;
	while (asks_as(&again, &well) == TARGET_BEGUN)
		;
	for (int i = 0; i < 5; i++)
		asks(BAD, &never);
	/* a probe is expected: a repeat is no probe, and the places at the provider and of the
	 * probe stay free for the next request */
	target_condition(a_target(), true, now, &back, NULL);
	assert_true(back - now < 7 * S);
	now = back;
	assert_int_equal(target_begin(&a, a_target(), &one, &again, now), TARGET_NO_BUDGET);
	assert_int_equal(for_caller(GOOD), TARGET_PROBE_DUE);
	assert_true(target_has_room(a_target(), &one));
	assert_int_equal(target_begin(&a, a_target(), &one,
				 &(struct target_asks){ .caller = GOOD }, now),
		TARGET_BEGUN);
	target_over(&a, &well, now);
}

static void
repeats_are_budgeted_per_caller(void **state)
{
	static const struct target_load none;
	struct target_asks bad = { .caller = BAD, .beside = &none },
			   good = { .caller = GOOD, .beside = &none };
	int n = 0;

	(void)state;
	for (int i = 0; i < 160; i++)
		asks(BAD, &well);
	while (asks_as(&bad, &well) == TARGET_BEGUN)
		n++;
	assert_int_equal(n, 32);
	for (n = 0; asks_as(&good, &well) == TARGET_BEGUN;)
		n++;
	assert_int_equal(n, 3 + 5);
}

static void
free_repeat_at_a_healthy_target_needs_no_budget(void **state)
{
	static const struct target_load none;
	struct target_asks again = { .caller = GOOD, .beside = &none };

	(void)state;
	while (asks_as(&again, &well) == TARGET_BEGUN)
		;
	again.free = true;
	for (int i = 0; i < 100; i++) {
		assert_true(target_may_repeat(a_target(), &the_target, &again, now));
		assert_int_equal(asks_as(&again, &well), TARGET_BEGUN);
	}
	assert_int_equal(target_load(a_target(), GOOD, now).first, 0);
	/* the target is not healthy either for the caller who failed there last */
	assert_int_equal(asks_as(&again, &is_500), TARGET_BEGUN);
	assert_false(target_may_repeat(a_target(), &the_target, &again, now));
	assert_int_equal(asks_as(&again, &well), TARGET_NO_BUDGET);
}

static void
failure_for_one_caller_is_no_failure_of_the_target(void **state)
{
	(void)state;
	for (int i = 0; i < 200; i++)
		asks(i % 5 ? BAD : GOOD, i % 5 ? &is_500 : &well);
	assert_true(target_errors(a_target(), now) < 0.1);
	fails(GOOD, 5);
	assert_true(target_errors(a_target(), now) > 0.005);
}

/* Not consecutive: others succeed in between, while the breaker is open for one caller. */
static void
occasional_connection_failures_do_not_open_the_breaker(void **state)
{
	(void)state;
	fails(BAD, 5);
	for (int i = 0; i < 20; i++) {
		asks(GOOD, &never);
		asks(GOOD, &well);
		asks(GOOD + 1, &well);
		asks(GOOD + 2, &well);
	}
	assert_int_equal(for_caller(GOOD), TARGET_CLOSED);
}

/* ---- a target that is out, and the callers who probe it ---- */

static void
attempt_as(struct target_attempt *a, uint32_t caller, bool quiet)
{
	assert_int_equal(
		target_begin(a, a_target(), &the_target,
			&(struct target_asks){ .caller = caller, .quiet = quiet }, now),
		TARGET_BEGUN);
}

/* However a caller's probe ends without success, it does not keep the target from others. */
static void
one_callers_probes_do_not_keep_a_target_out(void **state)
{
	static const struct target_end refused = { .cause = CAUSE_REFUSED_US,
		.status = 401,
		.refused = REFUSED_HERE },
				       only = { .cause = CAUSE_REFUSED_US,
					       .status = 402,
					       .refused = REFUSED_ONLY },
				       is_400 = { .cause = CAUSE_FINAL, .status = 400 },
				       left = { .cause = CAUSE_ABORTED };
	static const struct target_end *const how[] = { &refused, &only, &is_400, &left,
		&is_500, &is_403, &is_429, &is_429_20s };

	for (size_t k = 0; k < COUNT_OF(how); k++) {
		fresh(state);
		asks(BAD, &no_key);
		assert_int_equal(for_caller(GOOD), TARGET_OUT);
		now += 60 * S;
		/* ten requests a second for three minutes */
		for (int i = 0; i < 1800; i++, now += S / 10)
			asks(BAD, how[k]);
		if (for_caller(GOOD) != TARGET_PROBE_DUE &&
			for_caller(GOOD) != TARGET_THROTTLED)
			fail_msg("%zu: the target is %s", k,
				target_conditions[for_caller(GOOD)]);
		now += 20 * S; /* as long as a throttled target asked for */
		assert_int_equal(asks(GOOD, &well), TARGET_BEGUN);
		assert_int_equal(for_caller(GOOD), TARGET_CLOSED);
		assert_int_equal(for_caller(GOOD + 1), TARGET_CLOSED);
	}
}

/* The caller whose key error put it out probes, and the response takes long. */
static void
probe_of_a_refused_caller_does_not_hold_back_others(void **state)
{
	struct target_attempt slow, also;

	(void)state;
	asks(BAD, &no_key);
	now += 60 * S;
	attempt_as(&slow, BAD, false);
	assert_int_equal(for_caller(BAD + 1), TARGET_PROBE_DUE);
	attempt_as(&also, GOOD, false);
	assert_int_equal(for_caller(BAD + 1), TARGET_PROBED);
	target_over(&slow, &is_500, now);
	assert_int_equal(for_caller(BAD + 1), TARGET_PROBED);
	target_over(&also, &well, now);
	assert_int_equal(for_caller(BAD + 1), TARGET_CLOSED);
}

/* A key that is named as bad stays out for all, whoever probed. */
static void
probe_that_names_the_key_keeps_the_target_out(void **state)
{
	(void)state;
	asks(BAD, &no_key);
	now += 60 * S;
	asks(GOOD, &no_key);
	assert_int_equal(for_caller(GOOD + 1), TARGET_OUT);
	now += 60 * S;
	assert_int_equal(for_caller(GOOD + 1), TARGET_PROBE_DUE);
}

/* A list of models or a count of tokens shows nothing about the key. */
static void
quiet_attempt_takes_no_probe(void **state)
{
	struct target_attempt a;

	(void)state;
	asks(BAD, &no_key);
	now += 60 * S;
	attempt_as(&a, BAD + 1, true);
	assert_true(a.quiet && !a.probe_us);
	assert_int_equal(for_caller(GOOD), TARGET_PROBE_DUE);
	target_over(&a, &well, now);
	assert_int_equal(for_caller(GOOD), TARGET_PROBE_DUE);
}

/* ---- missing models and endpoints ---- */

static const struct target_request *
request_for(const char *model, uint32_t caller)
{
	static struct target_request of;

	of = (struct target_request){ span_str(model), SPAN_LIT("chat"), caller };
	return &of;
}

/* Reports a refusal of the gateway's key at an endpoint. Returns true if the key is bad for
 * all. */
static bool
refuses(uint32_t caller, const char *endpoint)
{
	const struct target_request of = { SPAN_LIT("m"), span_str(endpoint), caller };

	return target_refuses(table, a_target(), &of, 401, now);
}

static bool
no_access(uint32_t caller, const char *endpoint)
{
	const struct target_request of = { SPAN_LIT("m"), span_str(endpoint), caller };
	const char *what = target_is_without(table, a_target(), &of, now);

	assert_true(!what || !strcmp(what, "no_access"));
	return what;
}

static void
refusal_without_a_key_holds_for_its_caller_and_endpoint(void **state)
{
	const struct target_request embeddings = { SPAN_LIT("m"), SPAN_LIT("embeddings"), BAD };

	(void)state;
	assert_false(no_access(BAD, "embeddings"));
	for (int i = 0; i < 50; i++)
		assert_false(refuses(BAD, "embeddings"));
	assert_true(no_access(BAD, "embeddings"));
	assert_false(no_access(BAD, "chat"));
	assert_false(no_access(GOOD, "embeddings"));
	/* also if this caller is refused everywhere */
	for (int i = 0; i < 50; i++)
		assert_false(refuses(BAD, i % 2 ? "images" : "speech"));
	assert_false(no_access(GOOD, "images"));
	/* a second caller at this endpoint */
	now += S;
	target_has(table, a_target(), &embeddings);
	assert_false(no_access(BAD, "embeddings"));
	now += 60 * S;
	assert_false(no_access(BAD, "images"));
	assert_false(refuses(BAD, "embeddings"));
	assert_false(refuses(GOOD, "embeddings"));
	assert_true(no_access(GOOD + 1, "embeddings"));
	assert_false(no_access(GOOD + 1, "chat"));
	now += 60 * S;
	assert_false(no_access(GOOD + 1, "embeddings"));
}

static void
two_callers_refused_at_two_endpoints_show_a_bad_key(void **state)
{
	(void)state;
	assert_false(refuses(BAD, "embeddings"));
	assert_true(refuses(GOOD, "chat"));
	/* not if a request succeeded in between: the key works */
	fresh(state);
	assert_false(refuses(BAD, "embeddings"));
	now += S;
	asks(GOOD, &well);
	assert_false(refuses(GOOD, "images"));
	/* nor after a minute */
	fresh(state);
	assert_false(refuses(BAD, "embeddings"));
	now += 60 * S;
	assert_false(refuses(GOOD, "chat"));
	/* the endpoint where two callers were refused counts for each of them */
	fresh(state);
	assert_false(refuses(BAD, "embeddings"));
	assert_false(refuses(GOOD, "embeddings"));
	assert_true(refuses(BAD, "chat"));
	/* nor at another target */
	fresh(state);
	assert_false(refuses(BAD, "embeddings"));
	const struct target_request of = { SPAN_LIT("m"), SPAN_LIT("chat"), GOOD };
	assert_false(target_refuses(table, target_state(table, "b", "m"), &of, 401, now));
}

static bool
is_without(const char *model, uint32_t caller)
{
	return target_is_without(table, a_target(), request_for(model, caller), now);
}

static void
lacks(const char *model, uint32_t caller)
{
	target_lacks(table, a_target(), request_for(model, caller), now);
}

static void
missing_model_is_not_requested_for_five_minutes(void **state)
{
	(void)state;
	assert_false(is_without("m1", GOOD));
	lacks("m1", BAD);
	assert_true(is_without("m1", BAD));
	assert_false(is_without(
		"m1", GOOD)); /* the content of the caller's request may be the reason */
	assert_false(is_without("m2", BAD));
	lacks("m1", BAD);
	assert_false(is_without("m1", GOOD));
	lacks("m1", GOOD);
	assert_true(is_without("m1", GOOD + 1));
	assert_false(target_is_without(
		table, target_state(table, "b", NULL), request_for("m1", GOOD), now));
	/* the same for the provider without a model, and for a target that names the model */
	assert_true(target_is_without(
		table, target_state(table, "a", NULL), request_for("m1", GOOD), now));
	/* and not at another endpoint */
	assert_false(target_is_without(table, a_target(),
		&(struct target_request){ SPAN_LIT("m1"), SPAN_LIT("responses"), GOOD }, now));
	now += 300 * S;
	assert_false(is_without("m1", GOOD));
	lacks("m1", GOOD);
	assert_false(is_without("m1", BAD));
	lacks("m1", BAD);
	target_has(table, a_target(), request_for("m1", GOOD));
	assert_false(is_without("m1", BAD));
}

static void
missing_model_is_shown_and_can_be_admitted(void **state)
{
	static const char *const shown[] = { "\"closed\"", "\"closed\"", "\"no_model\"" };
	struct buf b;

	(void)state;
	buf_init(&b, 0);
	asks(GOOD, &well);
	for (uint32_t i = 0; i < 4; i++) {
		buf_clear(&b);
		target_table_json(&b, table, now);
		buf_putc(&b, '\0');
		assert_non_null(strstr(buf_view(&b).p, i < 3 ? shown[i] : "\"closed\""));
		lacks("m", GOOD + i);
		if (i == 2)
			target_admit(table, SPAN_LIT("a/m"));
	}
	buf_free(&b);
	lacks("m", GOOD);
	target_reloaded(table, NULL);
	assert_false(is_without("m", GOOD));
}

static void
number_of_missing_models_is_limited(void **state)
{
	char name[16];

	(void)state;
	for (int round = 0; round < 2; round++, now += 300 * S)
		for (int i = 0; i < CAP_TARGET_LACKS + 10; i++) {
			snprintf(name, sizeof(name), "m%d-%d", round, i);
			lacks(name, GOOD);
			assert_int_equal(is_without(name, GOOD), i < CAP_TARGET_LACKS);
		}
}

static void
target_without_the_model_is_the_last_choice(void **state)
{
	static const struct target b = { .name = "b", .weight = 1, .priority = 1 };
	struct rank_target t[2] = {
		{ .target = &the_target, .state = a_target(), .lacks = "no_model" },
		{ .target = &b, .state = target_state(table, "b", NULL) }
	};
	struct policy_rank out[2];

	(void)state;
	targets_rank(&(struct rank_ask){ .now_us = now, .caller = GOOD }, t, 2, out);
	assert_int_equal(out[0].out, TARGET_EJECTED);
	assert_string_equal(out[0].state, "no_model");
	assert_int_equal(out[1].out, TARGET_IN);
	t[0].early = true;
	targets_rank(&(struct rank_ask){ .now_us = now, .caller = GOOD }, t, 1, out);
	assert_int_equal(out[0].out, TARGET_IN);
}

/* ---- several daemons ---- */

static struct target_table *other;
static char shared[CALLERS_TEXT_BYTES];

static int
tell(struct target_table *t)
{
	const struct target_sharing w = {
		.table = t, .node = "x", .now_us = now, .offset_us = 5000 * (int64_t)S
	};
	struct buf out;

	buf_init(&out, CALLERS_TEXT_BYTES);
	int err = target_share_callers(&w, target_state(t, "a", "m"), span_str(shared), &out);
	if (out.n)
		snprintf(shared, sizeof(shared), "%.*s", (int)out.n, buf_view(&out).p);
	buf_free(&out);
	return err;
}

static void
callers_are_counted_across_daemons(void **state)
{
	struct target_table *mine = table;

	(void)state;
	other = target_table_new();
	shared[0] = 0;
	/* without a failure nothing is written */
	asks(GOOD, &well);
	tell(mine);
	assert_string_equal(shared, "");
	/* one caller fails here, the others are at the other daemon */
	fails(BAD, 4);
	table = other;
	for (uint32_t i = 1; i < 5; i++)
		asks(GOOD + i, &well);
	table = mine;
	now += S;
	tell(mine);
	tell(other);
	tell(mine);
	fails(BAD, 10);
	assert_int_equal(target_condition(a_target(), true, now, NULL, NULL), TARGET_CLOSED);
	/* half of all callers fail, one at each daemon */
	now += 11 * S;
	shared[0] = 0;
	fails(BAD, 3);
	table = other;
	fails(GOOD, 1);
	table = mine;
	now += S;
	tell(mine);
	tell(other);
	table = other;
	fails(GOOD, 1);
	assert_int_equal(for_caller(GOOD + 1), TARGET_OPEN);
	table = mine;
	/* the same caller at both daemons counts once */
	fresh(state);
	mine = table;
	target_table_free(&other);
	other = target_table_new();
	shared[0] = 0;
	fails(BAD, 4);
	tell(mine);
	tell(other);
	table = other;
	asks(GOOD, &well);
	fails(BAD, 4);
	assert_int_equal(target_condition(a_target(), true, now, NULL, NULL), TARGET_CLOSED);
	table = mine;
	target_table_free(&other);
}

static void
invalid_text_about_callers_is_refused(void **state)
{
	static const char *const rows[] = { "2 5:6000:1", "1 5:6000", "1 x:6000:1",
		"1 5:99999:1", "1 0:6000:1", "1 5:6000:256", "1 4294967296:6000:1",
		"1 5:6000:1 ", "5" };

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		snprintf(shared, sizeof(shared), "%s", rows[i]);
		if (tell(table) == 0)
			fail_msg("%s", rows[i]);
	}
	snprintf(shared, sizeof(shared), "1 5:6000:200");
	assert_int_equal(tell(table), 0);
	shared[0] = 0;
}

static void
number_of_callers_in_a_text_is_limited(void **state)
{
	(void)state;
	for (int n = 64; n <= 65; n++) {
		int at = snprintf(shared, sizeof(shared), "1");
		for (int i = 1; i <= n; i++)
			at += snprintf(
				shared + at, sizeof(shared) - (size_t)at, " %d:6000:1", i);
		assert_int_equal(tell(table) == 0, n == 64);
		assert_int_equal(for_caller(GOOD), TARGET_CLOSED);
	}
	shared[0] = 0;
}

/* A caller who failed there a minute ago is no second failing caller. */
static void
old_failures_at_another_daemon_do_not_count(void **state)
{
	(void)state;
	snprintf(shared, sizeof(shared), "1 5:5940:200 7:6000:1");
	assert_int_equal(tell(table), 0);
	fails(BAD, 5);
	assert_int_equal(for_caller(GOOD), TARGET_CLOSED);
	fresh(state);
	snprintf(shared, sizeof(shared), "1 5:5999:200 7:6000:1");
	assert_int_equal(tell(table), 0);
	fails(BAD, 5);
	assert_int_equal(for_caller(GOOD), TARGET_OPEN);
	/* an older end does not replace a newer one */
	fresh(state);
	asks(5, &well);
	asks(6, &well);
	snprintf(shared, sizeof(shared), "1 5:5995:200 7:6000:1");
	assert_int_equal(tell(table), 0);
	fails(BAD, 5);
	assert_int_equal(for_caller(GOOD), TARGET_CLOSED);
	shared[0] = 0;
}

int
main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, fresh, gone)
	const struct CMUnitTest tests[] = {
		T(failures_of_one_caller_do_not_affect_others),
		T(failures_of_the_only_caller_open_the_breaker_for_that_caller),
		T(failing_provider_is_open_for_its_only_caller_at_any_rate),
		T(failing_provider_is_open_for_all_its_callers),
		T(breaker_opens_for_all_if_half_of_the_callers_fail),
		T(breaker_open_for_one_opens_for_all_with_a_second_failing_caller),
		T(single_callers_429_counts_only_for_that_caller),
		T(failure_that_no_caller_can_cause_counts_at_once),
		T(many_names_do_not_inflate_the_failures_of_a_few),
		T(many_names_do_not_take_the_slots_of_waiting_callers),
		T(caller_with_more_failures_than_are_counted_has_failed),
		T(probe_is_sent_by_the_caller_with_fewest_failures),
		T(only_target_is_asked_before_its_pause_ends),
		T(target_with_retry_after_is_not_asked_before_its_time),
		T(repeats_are_limited_to_a_share_of_first_attempts),
		T(repeat_refused_without_budget_takes_no_place),
		T(repeats_are_budgeted_per_caller),
		T(free_repeat_at_a_healthy_target_needs_no_budget),
		T(one_callers_probes_do_not_keep_a_target_out),
		T(probe_of_a_refused_caller_does_not_hold_back_others),
		T(probe_that_names_the_key_keeps_the_target_out),
		T(quiet_attempt_takes_no_probe),
		T(refusal_without_a_key_holds_for_its_caller_and_endpoint),
		T(two_callers_refused_at_two_endpoints_show_a_bad_key),
		T(missing_model_is_not_requested_for_five_minutes),
		T(failure_for_one_caller_is_no_failure_of_the_target),
		T(occasional_connection_failures_do_not_open_the_breaker),
		T(missing_model_is_shown_and_can_be_admitted),
		T(number_of_missing_models_is_limited),
		T(target_without_the_model_is_the_last_choice),
		T(callers_are_counted_across_daemons),
		T(invalid_text_about_callers_is_refused),
		T(number_of_callers_in_a_text_is_limited),
		T(old_failures_at_another_daemon_do_not_count),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
