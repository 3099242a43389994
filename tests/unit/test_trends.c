/* What was decided in minutes and hours: over restarts, clocks that are set, torn lines and many names. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>
#include <jansson.h>

#include "base/attr.h"
#include "budget/trends/trends.h"

#define MINUTE_NS INT64_C(60000000000)
/* 2026-09-21, at the beginning of an hour */
#define BEGIN_NS (INT64_C(494800) * 3600 * 1000000000)

static struct tallies *w;
static const struct tallies *all[1];
static struct rates_source source = { all, 1, 0 };
static struct rates *r;
static struct trends *t;
static char path[64];
static int64_t ns;

static int
setup(void **state UNUSED)
{
	snprintf(path, sizeof(path), "/tmp/test_trends.%d", (int)getpid());
	unlink(path);
	all[0] = w = calloc(1, sizeof(*w));
	r = rates_new();
	t = trends_open(path);
	ns = BEGIN_NS;
	rates_sample(r, &source, ns, 1000000);
	return w && r && t ? 0 : -1;
}

static int
teardown(void **state UNUSED)
{
	trends_close(&t);
	rates_free(&r);
	free(w);
	source.cache_hits = 0;
	return unlink(path) && access(path, F_OK) == 0;
}

static void
count(const char *route, enum series_value v, uint64_t n)
{
	const struct span label[SERIES_LABELS] = { span_str(route), SPAN_LIT("p"), SPAN_LIT("m") };
	const struct series_part part = { v, n };

	series_count(&w->series, label, &part, 1);
	team_tally_add(&w->teams, span_str(route), &part, 1);
}

/* A minute passes, with `n` permitted requests of a route. */
static void
minute(const char *route, uint64_t n)
{
	if (n)
		count(route, SERIES_PERMIT, n);
	for (int i = 0; i < RATES_MINUTE; i++) {
		ns += MINUTE_NS / RATES_MINUTE;
		rates_sample(r, &source, ns, (uint64_t)ns / 1000);
	}
	trends_minute(t, r, ns - 1);
}

static void
restart(void)
{
	trends_close(&t);
	t = trends_open(path);
	assert_non_null(t);
}

static json_t *
trends_of(enum rates_by by, enum trends_range range)
{
	struct buf b;

	buf_init(&b, 0);
	buf_putc(&b, '{');
	trends_json(t, by, range, ns - 1, &b);
	buf_putc(&b, '}');
	json_t *o = json_loadb(buf_view(&b).p, b.n, 0, NULL);
	assert_non_null(o);
	buf_free(&b);
	return o;
}

/* The sum of a row's value; -1: there is no such row or value. */
static json_int_t
sum(enum rates_by by, enum trends_range range, const char *period, const char *name,
	const char *value)
{
	json_t *o = trends_of(by, range), *row, *n, *values = NULL;
	json_int_t all_of = 0;
	size_t i;

	json_array_foreach(json_object_get(o, period), i, row)
		if (!strcmp(json_string_value(json_object_get(row, "name")), name))
			values = json_object_get(row, value);
	if (values)
		assert_int_equal(json_array_size(values),
			json_integer_value(json_object_get(o, "steps")));
	json_array_foreach(values, i, n)
		all_of += json_integer_value(n);
	all_of = values ? all_of : -1;
	json_decref(o);
	return all_of;
}

static json_int_t
total(enum trends_range range)
{
	return sum(RATES_ALL, range, "series", "", "permit");
}

static void
minutes_of_each_kind_are_kept_over_a_restart(void **state UNUSED)
{
	rule_tally_add(&w->rules, "no-secrets", RULE_DID_DENY, 1);
	source.cache_hits = 4;
	count("chat", SERIES_COST, 3000000);
	minute("chat", 3);
	minute("mail", 2);
	for (int life = 0; life < 2; life++) {
		assert_int_equal(total(TRENDS_1H), 5);
		assert_int_equal(total(TRENDS_24H), 5);
		assert_int_equal(total(TRENDS_7D), 5);
		assert_int_equal(total(TRENDS_90D), 5);
		assert_int_equal(sum(RATES_ROUTE, TRENDS_1H, "series", "chat", "permit"), 3);
		assert_int_equal(sum(RATES_TEAM, TRENDS_1H, "series", "mail", "permit"), 2);
		assert_int_equal(
			sum(RATES_TEAM, TRENDS_1H, "series", "chat", "cost_microusd"), 3000);
		assert_int_equal(sum(RATES_RULE, TRENDS_1H, "series", "no-secrets", "deny"), 1);
		assert_int_equal(sum(RATES_ALL, TRENDS_1H, "series", "", "cache_hits"), 4);
		restart();
	}
}

static void
an_hour_is_summed_once_and_not_again_after_a_restart(void **state UNUSED)
{
	for (int i = 0; i < 130; i++) {
		minute("chat", 1);
		if (i % 50 == 20)
			restart();
	}
	assert_int_equal(total(TRENDS_7D), 130);
	assert_int_equal(total(TRENDS_90D), 130);
	assert_int_equal(total(TRENDS_24H), 130);
	assert_int_equal(total(TRENDS_1H), 60);
	assert_int_equal(sum(RATES_ALL, TRENDS_1H, "before", "", "permit"), 60);
}

static void
a_minute_in_which_the_daemon_did_not_run_is_null(void **state UNUSED)
{
	minute("chat", 1);
	minute("chat", 0);
	ns += 2 * MINUTE_NS;
	rates_sample(r, &source, ns, (uint64_t)ns / 1000);
	minute("chat", 1);
	json_t *o = trends_of(RATES_ALL, TRENDS_1H);
	const json_t *v = json_object_get(
		json_array_get(json_object_get(o, "series"), 0), "permit");
	size_t n = json_array_size(v);
	assert_int_equal(json_integer_value(json_array_get(v, n - 1)), 1);
	assert_true(json_is_null(json_array_get(v, n - 2)));
	assert_true(json_is_null(json_array_get(v, n - 3)));
	assert_true(json_is_integer(json_array_get(v, n - 4)));
	assert_int_equal(json_integer_value(json_array_get(v, n - 5)), 1);
	json_decref(o);
}

static void
a_clock_that_is_set_back_or_forward_loses_nothing(void **state UNUSED)
{
	int64_t before;

	minute("chat", 1);
	before = ns;
	ns += 400 * INT64_C(24) * 60 * MINUTE_NS;
	minute("chat", 2);
	ns = before - 30 * MINUTE_NS;
	minute("chat", 4);
	ns = before;
	minute("chat", 8);
	assert_int_equal(total(TRENDS_1H), 13);
	restart();
	assert_int_equal(total(TRENDS_1H), 13);
}

/* An hour that a wrong clock closed in the future does not end the hours that follow. */
static void
an_hour_of_the_future_hides_no_later_one(void **state UNUSED)
{
	minute("chat", 1);
	ns += 23 * 60 * MINUTE_NS + 57 * MINUTE_NS;
	for (int i = 0; i < 4; i++)
		minute("chat", 0);
	ns -= 24 * 60 * MINUTE_NS;
	for (int i = 0; i < 200; i++)
		minute("chat", 1);
	assert_int_equal(total(TRENDS_7D), 201);
	restart();
	assert_int_equal(total(TRENDS_7D), 201);
	assert_int_equal(total(TRENDS_90D), 201);
}

static void
a_file_of_another_version_stays_as_it_is(void **state UNUSED)
{
	FILE *f = fopen(path, "w");

	assert_non_null(f);
	fputs("tollgate-trends 2 whatever\n", f);
	fclose(f);
	restart();
	minute("chat", 2);
	assert_int_equal(total(TRENDS_1H), 2);
	char line[64] = "";
	f = fopen(path, "r");
	assert_non_null(f);
	assert_non_null(fgets(line, sizeof(line), f));
	fclose(f);
	assert_string_equal(line, "tollgate-trends 2 whatever\n");
}

/* The file that could not be written has every name when it can be. */
static void
a_name_of_a_minute_that_was_not_written_is_written_later(void **state UNUSED)
{
	minute("chat", 1);
	assert_int_equal(rename(path, "/tmp/test_trends.aside"), 0);
	assert_int_equal(mkdir(path, 0700), 0);
	minute("new", 2);
	assert_int_equal(rmdir(path), 0);
	assert_int_equal(rename("/tmp/test_trends.aside", path), 0);
	minute("new", 4);
	restart();
	assert_int_equal(sum(RATES_ROUTE, TRENDS_1H, "series", "new", "permit"), 6);
	assert_int_equal(total(TRENDS_1H), 7);
}

static void
what_a_daemon_wrote_is_added_to_that_of_others(void **state UNUSED)
{
	struct trends *together = trends_open(NULL), *own = t;
	struct trends_reader *readers[2];
	struct buf lines;

	assert_non_null(together);
	for (int i = 0; i < 2; i++)
		readers[i] = trends_reader_new(together);
	minute("chat", 1);
	for (int step = 0; step < 3; step++) {
		buf_init(&lines, 0);
		assert_int_equal(trends_since(t, false, &lines), step == 0);
		for (int i = 0; i < 2; i++)
			trends_read(readers[i], buf_view(&lines));
		buf_free(&lines);
		minute(step ? "mail" : "later", 2);
	}
	t = together;
	assert_int_equal(total(TRENDS_1H), 2 * 5);
	assert_int_equal(sum(RATES_TEAM, TRENDS_1H, "series", "later", "permit"), 4);
	t = own;
	for (int i = 0; i < 2; i++)
		free(readers[i]);
	trends_close(&together);
}

static void
a_torn_or_foreign_line_is_left_out(void **state UNUSED)
{
	static const char *const lines[] = { "minute 29688001 0.0=", "minute x 0.0=1\n", "hour\n",
		"name 300 route \"x\"\n", "name 9 route x\n", "minute 29688001 999.1=4\n", "\n",
		"minute 99999999999999999999 0.0=1\n", "tollgate-trends 2 permit\n", "minute 29688001 0.0=5" };

	minute("chat", 3);
	for (size_t i = 0; i < COUNT_OF(lines); i++) {
		FILE *f = fopen(path, "a");
		assert_non_null(f);
		fputs(lines[i], f);
		fclose(f);
		restart();
		assert_int_equal(total(TRENDS_1H), 3);
		assert_int_equal(sum(RATES_ROUTE, TRENDS_1H, "series", "chat", "permit"), 3);
		minute("chat", 0);
		restart();
		assert_int_equal(total(TRENDS_1H), 3);
	}
}

static void
names_over_the_room_are_other_until_old_ones_are_gone(void **state UNUSED)
{
	char name[16];

	for (int day = 0; day < 20; day++) {
		for (int i = 0; i < 20; i++) {
			snprintf(name, sizeof(name), "r%d-%d", day, i);
			count(name, SERIES_PERMIT, 1);
		}
		minute("chat", 0);
		rates_free(&r);
		r = rates_new();
		memset(w, 0, sizeof(*w));
		rates_sample(r, &source, ns, (uint64_t)ns / 1000);
	}
	assert_int_equal(total(TRENDS_1H), 400);
	assert_true(sum(RATES_ROUTE, TRENDS_1H, "series", "other", "permit") > 100);
	assert_int_equal(sum(RATES_ROUTE, TRENDS_1H, "series", "r0-0", "permit"), 1);
	for (int i = 0; i < TRENDS_MINUTES + 10; i++) { /* a minute of each hour, for more than ninety days */
		ns += 59 * MINUTE_NS;
		minute("chat", 0);
	}
	restart();
	minute("later", 1);
	assert_int_equal(sum(RATES_ROUTE, TRENDS_1H, "series", "later", "permit"), 1);
}

static void
a_median_is_weighed_by_its_requests(void **state UNUSED)
{
	FILE *f = fopen(path, "w");

	assert_non_null(f);
	fprintf(f, "tollgate-trends 1 overhead_p95_us permit overhead_p50_us\nname 0 total \"\"\n"
		   "minute 29688000 0.1=90 0.2=100 0.0=300\nminute 29688001 0.1=10 0.2=1100 0.0=200\n");
	fclose(f);
	restart();
	ns = 29688003 * MINUTE_NS;
	assert_int_equal(sum(RATES_ALL, TRENDS_24H, "series", "", "overhead_p50_us"), 200);
	assert_int_equal(sum(RATES_ALL, TRENDS_24H, "series", "", "overhead_p95_us"), 300);
}

static void
a_file_that_cannot_be_written_stops_nothing(void **state UNUSED)
{
	trends_close(&t);
	t = trends_open("/nowhere/trends");
	assert_non_null(t);
	minute("chat", 2);
	assert_int_equal(total(TRENDS_1H), 2);
}

/* The file stays within a bound however long the daemon runs. */
static void
the_file_is_written_anew_before_it_grows(void **state UNUSED)
{
	long most = 0;

	for (int i = 0; i < 5 * TRENDS_MINUTES; i++) {
		minute("chat", 1);
		FILE *f = fopen(path, "r");
		fseek(f, 0, SEEK_END);
		most = ftell(f) > most ? ftell(f) : most;
		fclose(f);
	}
	assert_true(most < (2 * TRENDS_MINUTES + TRENDS_HOURS) * 64);
	assert_int_equal(total(TRENDS_7D), 7 * 24 * 60);
}

int
main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(minutes_of_each_kind_are_kept_over_a_restart),
		T(an_hour_is_summed_once_and_not_again_after_a_restart),
		T(a_minute_in_which_the_daemon_did_not_run_is_null),
		T(a_clock_that_is_set_back_or_forward_loses_nothing),
		T(an_hour_of_the_future_hides_no_later_one),
		T(a_file_of_another_version_stays_as_it_is),
		T(a_name_of_a_minute_that_was_not_written_is_written_later),
		T(what_a_daemon_wrote_is_added_to_that_of_others),
		T(a_torn_or_foreign_line_is_left_out),
		T(names_over_the_room_are_other_until_old_ones_are_gone),
		T(a_median_is_weighed_by_its_requests),
		T(a_file_that_cannot_be_written_stops_nothing),
		T(the_file_is_written_anew_before_it_grows),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
