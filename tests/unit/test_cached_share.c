/* The share of input tokens that providers' caches serve, minute by minute: when a drop is
 * reported and when not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "budget/trends/cached_share.h"

static struct tallies *w[2];
static const struct tallies *all[2];
static struct cached_shares *c;
static uint64_t us;

static int
setup(void **state)
{
	(void)state;
	for (int i = 0; i < 2; i++)
		all[i] = w[i] = calloc(1, sizeof(*w[i]));
	c = cached_shares_new();
	us = 5000000;
	cached_shares_look(c, all, 2, us);
	return w[0] && w[1] && c ? 0 : -1;
}

static int
teardown(void **state)
{
	(void)state;
	for (int i = 0; i < 2; i++)
		free(w[i]);
	cached_shares_free(&c);
	return 0;
}

static void
used(int worker, const char *route, const char *model, uint64_t requests, uint64_t input,
	uint64_t cached)
{
	const struct span label[SERIES_LABELS] = { span_str(route), SPAN_LIT("openai"),
		span_str(model) };
	const struct series_part parts[] = { { SERIES_USAGES, requests },
		{ SERIES_INPUT, input }, { SERIES_CACHED, cached } };

	series_add_model(&w[worker]->series, span_str(model));
	series_count(&w[worker]->series, label, parts, COUNT_OF(parts));
}

static bool
is_fallen(const char *route)
{
	struct cached_share is = { false, 0, 0 };

	return cached_shares_of(c, route, &is) && is.fallen;
}

/* Passes minutes in which the route's requests have this usage, with a check about every
 * second. Returns how often a drop was reported. */
struct traffic {
	unsigned minutes, requests; /* per minute */
	unsigned percent, tokens;   /* cached; tokens of a request */
};
#define TRAFFIC(minutes, requests, percent)                                                    \
	(struct traffic)                                                                       \
	{                                                                                      \
		minutes, requests, percent, 1000                                               \
	}

static unsigned
pass_traffic(const char *route, struct traffic t)
{
	unsigned begun = 0;

	for (unsigned m = 0; m < t.minutes; m++) {
		bool was = is_fallen(route);
		uint64_t input = (uint64_t)t.requests * t.tokens;
		for (unsigned i = 0; i < 60; i++) {
			us += 1000000;
			if (i == 30 && t.requests) /* two workers and two models */
				used(m % 2, route, m % 3 ? "m" : "n", t.requests, input,
					input * t.percent / 100);
			cached_shares_look(c, all, 2, us);
		}
		begun += !was && is_fallen(route);
	}
	return begun;
}

static void
drop_of_the_share_and_recovery_are_reported(void **state)
{
	struct cached_share is;

	(void)state;
	assert_false(cached_shares_of(c, "chat", &is));
	assert_int_equal(pass_traffic("chat", TRAFFIC(24 * 60, 20, 71)), 0);
	assert_true(cached_shares_of(c, "chat", &is));
	/* a short drop is not reported, a continued one is */
	assert_int_equal(pass_traffic("chat", TRAFFIC(4, 20, 12)), 0);
	assert_int_equal(pass_traffic("chat", TRAFFIC(20, 20, 12)), 1);
	assert_true(cached_shares_of(c, "chat", &is));
	assert_true(is.fallen);
	assert_in_range(is.from, 69, 71);
	assert_int_equal(is.to, 12);
	/* half of the difference is not a recovery */
	pass_traffic("chat", TRAFFIC(60, 20, 45));
	assert_true(is_fallen("chat"));
	assert_int_equal(pass_traffic("chat", TRAFFIC(25, 20, 70)), 0);
	assert_false(is_fallen("chat"));
}

static void
small_drop_is_not_reported(void **state)
{
	static const struct {
		unsigned from, to;
		bool fell;
	} rows[] = { { 71, 12, true }, { 71, 40, false }, /* by less than half */
		{ 18, 0, false }, { 24, 3, true },	  /* by percentage points */
		{ 0, 0, false }, { 30, 90, false }, { 100, 0, true } };

	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		if (i) {
			teardown(state);
			setup(state);
		}
		pass_traffic("chat", TRAFFIC(120, 20, rows[i].from));
		pass_traffic("chat", TRAFFIC(40, 20, rows[i].to));
		if (is_fallen("chat") != rows[i].fell)
			fail_msg("from %u to %u", rows[i].from, rows[i].to);
	}
}

static void
drop_with_too_little_traffic_is_not_reported(void **state)
{
	static const struct {
		const char *name;
		struct traffic before, after;
		unsigned pause; /* between the minutes */
	} rows[] = {
		{ "few requests of late", { 120, 20, 80, 1000 }, { 60, 3, 0, 50000 }, 16 },
		{ "few tokens of late", { 120, 20, 80, 1000 }, { 60, 20, 0, 300 }, 16 },
		{ "no traffic any more", { 120, 20, 80, 1000 }, { 600, 0, 0, 0 }, 0 },
		{ "few requests before", { 40, 1, 80, 50000 }, { 15, 20, 0, 1000 }, 60 },
		{ "few tokens before", { 120, 1, 80, 50 }, { 15, 20, 0, 1000 }, 0 },
		{ "right after the start", { 30, 100, 90, 1000 }, { 30, 100, 0, 1000 }, 0 },
	};

	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		if (i) {
			teardown(state);
			setup(state);
		}
		unsigned n = pass_traffic("chat", rows[i].before);
		n += pass_traffic("chat", TRAFFIC(rows[i].pause, 0, 0));
		n += pass_traffic("chat", rows[i].after);
		if (n)
			fail_msg("%s", rows[i].name);
	}
}

static void
each_route_is_compared_with_itself(void **state)
{
	(void)state;
	for (unsigned m = 0; m < 3 * 60; m++) {
		uint64_t cached = m < 120 ? 15000 : 0;
		us += 60000000;
		used(0, "chat", "m", 20, 20000, cached);
		used(1, "steady", "m", 20, 20000, 15000);
		used(1, "", "m", 20, 20000, cached); /* without a route */
		cached_shares_look(c, all, 2, us);
	}
	assert_true(is_fallen("chat"));
	assert_false(is_fallen("steady"));
	assert_false(is_fallen("none"));
}

/* Minutes with and without cached input alternate, and a batch arrives each hour. */
static void
alternating_share_is_reported_a_few_times(void **state)
{
	unsigned n = 0;

	(void)state;
	pass_traffic("chat", TRAFFIC(120, 20, 80));
	for (int i = 0; i < 100; i++) {
		n += pass_traffic("chat", TRAFFIC(3, 20, 0));
		n += pass_traffic("chat", TRAFFIC(3, 20, 80));
	}
	assert_int_equal(n, 0);
	for (int hour = 0; hour < 24; hour++) {
		n += pass_traffic("chat", TRAFFIC(35, 20, 90));
		n += pass_traffic("chat", TRAFFIC(25, 20, 0));
	}
	assert_in_range(n, 1, 3);
	/* after a quiet day, the drop is reported as soon as the first time; a lasting drop is
	 * reported each time */
	pass_traffic("chat", TRAFFIC(26 * 60, 20, 90));
	assert_int_equal(pass_traffic("chat", TRAFFIC(20, 20, 0)), 1);
	n = 0;
	for (int i = 0; i < 20; i++) {
		n += pass_traffic("chat", TRAFFIC(5 * 60, 20, 90));
		n += pass_traffic("chat", TRAFFIC(7 * 60, 20, 0));
	}
	assert_int_equal(n, 20);
}

static void
lasting_low_share_becomes_the_new_normal(void **state)
{
	(void)state;
	pass_traffic("chat", TRAFFIC(24 * 60, 20, 71));
	assert_int_equal(pass_traffic("chat", TRAFFIC(6 * 60, 20, 12)), 1);
	assert_true(is_fallen("chat"));
	assert_int_equal(pass_traffic("chat", TRAFFIC(20 * 60, 20, 12)), 0);
	assert_false(is_fallen("chat"));
	/* a rise is no drop, and neither is a value slightly below the new share */
	assert_int_equal(pass_traffic("chat", TRAFFIC(60, 20, 60)), 0);
	assert_int_equal(pass_traffic("chat", TRAFFIC(60, 20, 12)), 0);
}

/* A night without traffic does not end the report; a day without traffic does. */
static void
drop_stays_reported_without_traffic_for_a_night(void **state)
{
	struct cached_share is;

	(void)state;
	pass_traffic("chat", TRAFFIC(24 * 60, 20, 71));
	pass_traffic("chat", TRAFFIC(60, 20, 12));
	assert_true(is_fallen("chat"));
	assert_int_equal(pass_traffic("chat", TRAFFIC(12 * 60, 0, 0)), 0);
	assert_true(cached_shares_of(c, "chat", &is) && is.fallen);
	assert_int_equal(is.to, 12);
	assert_int_equal(pass_traffic("chat", TRAFFIC(60, 20, 12)), 0);
	assert_true(is_fallen("chat"));
	pass_traffic("chat", TRAFFIC(25 * 60, 0, 0));
	assert_false(is_fallen("chat"));
}

/* A late check counts all minutes; after a month of sleep, earlier minutes are unknown. */
static void
late_check_counts_all_minutes(void **state)
{
	pass_traffic("chat", TRAFFIC(120, 20, 80));
	us += 7 * 60000000;
	used(0, "chat", "m", 200, 200000, 0);
	assert_int_equal(pass_traffic("chat", TRAFFIC(20, 20, 0)), 1);
	assert_true(is_fallen("chat"));
	teardown(state);
	setup(state);
	pass_traffic("chat", TRAFFIC(120, 2000, 80));
	us += UINT64_C(30) * 86400 * 1000000;
	for (int i = 0; i < 20; i++) {
		us += 60000000;
		used(0, "chat", "m", 100, 100000, 0);
		cached_shares_look(c, all, 2, us);
		assert_false(is_fallen("chat"));
	}
}

static void
long_names_and_too_many_routes_are_handled(void **state)
{
	char name[80];

	memset(name, 'r', sizeof(name));
	name[64] = '\0';
	assert_int_equal(pass_traffic(name, TRAFFIC(120, 20, 80)), 0);
	assert_int_equal(pass_traffic(name, TRAFFIC(30, 20, 0)), 1);
	for (int i = 0; i < 2 * CACHED_SHARE_ROUTES; i++) {
		snprintf(name, sizeof(name), "route-%d", i);
		pass_traffic(name, TRAFFIC(1, 1, 50));
	}
	struct cached_share is;
	assert_true(cached_shares_of(c, "route-1", &is));
	assert_false(cached_shares_of(c, name, &is));
	assert_false(cached_shares_of(c, "other", &is));
	(void)state;
}

int
main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(drop_of_the_share_and_recovery_are_reported),
		T(small_drop_is_not_reported),
		T(drop_with_too_little_traffic_is_not_reported),
		T(each_route_is_compared_with_itself),
		T(alternating_share_is_reported_a_few_times),
		T(lasting_low_share_becomes_the_new_normal),
		T(drop_stays_reported_without_traffic_for_a_night),
		T(late_check_counts_all_minutes),
		T(long_names_and_too_many_routes_are_handled),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
