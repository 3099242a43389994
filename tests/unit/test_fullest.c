/* The limits with the largest used share: their order, their number, and the day on which each
 * will be exhausted. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <jansson.h>

#include "base/attr.h"
#include "budget/tally/fullest.h"

enum { HOUR_MS = 3600000, DAY_MS = 24 * HOUR_MS };
#define MIDNIGHT_MS (INT64_C(20000) * DAY_MS) /* 2024-10-04 */

static struct fullest worker[2];

static int
fresh(void **state UNUSED)
{
	memset(worker, 0, sizeof(worker));
	return 0;
}

/* Records the use of a calendar limit of 100 for a month that began five days earlier, unless
 * `begin_ms` is given; below 0, of a rolling limit over 30 days. */
static void
see(int w, uint64_t caller, const char *person, uint64_t used, int64_t at_ms, int64_t begin_ms)
{
	const struct full_seen seen = { .caller = caller,
		.used = used,
		.of = 100,
		.counts = "requests",
		.calendar = begin_ms < 0 ? NULL : "month",
		.window_s = begin_ms < 0 ? 30 * 86400 : 0,
		.begin_ms = begin_ms < 0 ? 0
			    : begin_ms	 ? begin_ms
					 : MIDNIGHT_MS - 5 * INT64_C(1) * DAY_MS,
		.at_ms = at_ms,
		.reset_ms = MIDNIGHT_MS + 20 * INT64_C(1) * DAY_MS };
	struct full_kept *k = fullest_see(&worker[w], &seen);
	const struct span text[FULL_TEXTS] = { SPAN_LIT("monthly"), span_str(person),
		SPAN_LIT("red"), SPAN_LIT("chat") };

	if (k)
		fullest_name(&worker[w], k, text);
}

static json_t *
limits(size_t count, int64_t now_ms)
{
	const struct fullest *const all[] = { &worker[0], &worker[1] };
	struct buf b;

	buf_init(&b, 0);
	fullest_json(&b, all, 2, count, now_ms);
	json_t *o = json_loadb(buf_view(&b).p, b.n, 0, NULL);
	assert_non_null(o);
	buf_free(&b);
	json_t *rows = json_incref(json_object_get(o, "limits"));
	json_decref(o);
	return rows;
}

static const char *
text_of(const json_t *rows, size_t i, const char *member)
{
	const char *s = json_string_value(json_object_get(json_array_get(rows, i), member));

	return s ? s : "null";
}

static void
fullest_limit_is_first_and_each_is_listed_once(void **state UNUSED)
{
	see(0, 1, "ann", 10, MIDNIGHT_MS, 0);
	see(0, 2, "bob", 50, MIDNIGHT_MS, 0);
	see(1, 1, "ann", 60, MIDNIGHT_MS + 1000, 0);
	json_t *rows = limits(20, MIDNIGHT_MS + 2000);
	assert_int_equal(json_array_size(rows), 2);
	assert_string_equal(text_of(rows, 0, "person"), "ann");
	assert_string_equal(text_of(rows, 0, "window"), "month");
	assert_int_equal(
		json_integer_value(json_object_get(json_array_get(rows, 0), "used")), 60);
	assert_int_equal(
		json_integer_value(json_object_get(json_array_get(rows, 0), "of")), 100);
	assert_int_equal(
		json_integer_value(json_object_get(json_array_get(rows, 1), "used_percent")),
		50);
	json_decref(rows);
	rows = limits(1, MIDNIGHT_MS + 2000);
	assert_int_equal(json_array_size(rows), 1);
	json_decref(rows);
}

static void
limit_of_a_past_window_is_not_listed(void **state UNUSED)
{
	see(0, 1, "ann", 10, MIDNIGHT_MS, 0);
	json_t *rows = limits(20, MIDNIGHT_MS + 21 * INT64_C(1) * DAY_MS);
	assert_int_equal(json_array_size(rows), 0);
	json_decref(rows);
}

static void
fullest_limits_of_many_callers_are_kept(void **state UNUSED)
{
	for (uint64_t i = 1; i <= 100000; i++)
		see(0, i, i == 5 ? "full" : "x", i == 5 ? 99 : i % 90, MIDNIGHT_MS, 0);
	json_t *rows = limits(20, MIDNIGHT_MS);
	assert_int_equal(json_array_size(rows), 20);
	assert_string_equal(text_of(rows, 0, "person"), "full");
	for (size_t i = 1; i < 20; i++)
		assert_int_equal(
			json_integer_value(json_object_get(json_array_get(rows, i), "used")),
			89);
	json_decref(rows);
}

static void
limit_is_forecast_by_the_current_rate(void **state UNUSED)
{
	/* clang-format off */
	static const struct {
		const char *name;
		uint64_t first, then;
		int64_t first_ms, then_ms, begin_ms;
		const char *want;
	} rows[] = {
		{ "measured from the first request, a day later", 20, 40, 0, DAY_MS, -1, "2024-10-08T00:00:00Z" },
		{ "measured from the window's begin", 20, 40, 0, DAY_MS, 0, "2024-10-14T00:00:00Z" },
		{ "measured from the first request on the day before", 10, 50, -HOUR_MS, DAY_MS, -1, "2024-10-06T07:15:00Z" },
		{ "not known after half a day", 20, 40, 0, 12 * HOUR_MS, -1, "null" },
		{ "not known in a window that began today", 0, 50, HOUR_MS, 2 * HOUR_MS, MIDNIGHT_MS, "null" },
		{ "used up when the limit was reached", 20, 100, 0, HOUR_MS, 0, "2024-10-04T01:00:00Z" },
		{ "not used up before the window ends", 1, 2, 0, DAY_MS, MIDNIGHT_MS, "null" },
		{ "not known without use since", 20, 20, 0, DAY_MS + HOUR_MS, -1, "null" },
		{ "not known if a clock was set back", 20, 40, 12 * HOUR_MS, HOUR_MS, -1, "null" },
	};
	/* clang-format on */
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		fresh(NULL);
		see(0, 7, "ann", rows[i].first, MIDNIGHT_MS + rows[i].first_ms,
			rows[i].begin_ms);
		see(0, 7, "ann", rows[i].then, MIDNIGHT_MS + rows[i].then_ms, rows[i].begin_ms);
		json_t *o = limits(20, MIDNIGHT_MS + rows[i].then_ms);
		const char *up = text_of(o, 0, "used_up_at");
		if (strncmp(up, rows[i].want, 19) != 0)
			fail_msg("%s: %s, not %s", rows[i].name, up, rows[i].want);
		json_decref(o);
	}
}

static void
names_are_sanitized_and_shortened(void **state UNUSED)
{
	char longest[10241];

	memset(longest, 'x', sizeof(longest) - 1);
	longest[sizeof(longest) - 1] = '\0';
	see(0, 1, "not \xff UTF-8", 10, MIDNIGHT_MS, 0);
	see(0, 2, longest, 9, MIDNIGHT_MS, 0);
	see(0, 3, "\xe5\xb1\xb1\xe7\x94\xb0", 8, MIDNIGHT_MS, 0);
	json_t *rows = limits(20, MIDNIGHT_MS);
	assert_string_equal(text_of(rows, 0, "person"), "?");
	assert_int_equal(strlen(text_of(rows, 1, "person")), FULL_TEXT - 1);
	assert_string_equal(text_of(rows, 2, "person"), "\xe5\xb1\xb1\xe7\x94\xb0");
	json_decref(rows);
}

int
main(void)
{
#define T(f) cmocka_unit_test_setup(f, fresh)
	const struct CMUnitTest tests[] = {
		T(fullest_limit_is_first_and_each_is_listed_once),
		T(limit_of_a_past_window_is_not_listed),
		T(fullest_limits_of_many_callers_are_kept),
		T(limit_is_forecast_by_the_current_rate),
		T(names_are_sanitized_and_shortened),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
