/* Decisions by minute and hour: over restarts, changed clocks, torn lines and many names. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <malloc.h>
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
static struct rates_source source = { all, 1, 0, 0 };
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
	source.cache_hits = source.failed = 0;
	return unlink(path) && access(path, F_OK) == 0;
}

static void
count(const char *route, enum series_value v, uint64_t n)
{
	const struct span label[SERIES_LABELS] = { span_str(route), SPAN_LIT("p"),
		SPAN_LIT("m") };
	const struct series_part part = { v, n };

	series_count(&w->series, label, &part, 1);
	const uint64_t heavy[HEAVY_VALUES] = { [HEAVY_PERMIT] = v == SERIES_PERMIT ? n : 0,
		[HEAVY_NANOUSD] = v == SERIES_COST ? n : 0 };
	heavy_add(&w->heavy[HEAVY_TEAM], span_str(route), heavy);
}

/* Adds usage to a person, key, tool or team. */
static void
spend(enum heavy_kind kind, const char *name, uint64_t requests, uint64_t nanousd)
{
	const uint64_t v[HEAVY_VALUES] = {
		[HEAVY_PERMIT] = requests, [HEAVY_NANOUSD] = nanousd
	};

	heavy_add(&w->heavy[kind], span_str(name), v);
}

static void
pass_minute(void)
{
	for (int i = 0; i < RATES_MINUTE; i++) {
		ns += MINUTE_NS / RATES_MINUTE;
		rates_sample(r, &source, ns, (uint64_t)ns / 1000);
	}
	for (int k = 0; k < HEAVY_KINDS; k++)
		heavy_turn(&w->heavy[k]);
	trends_minute(t, r, &source, ns - 1);
}

/* Ends the daemon in the middle of a minute, after `n` permitted requests of a route. */
static void
stop_amid(const char *route, uint64_t n)
{
	count(route, SERIES_PERMIT, n);
	ns += MINUTE_NS / RATES_MINUTE;
	rates_sample(r, &source, ns, (uint64_t)ns / 1000);
	for (int k = 0; k < HEAVY_KINDS; k++)
		heavy_turn(&w->heavy[k]);
	trends_minute(t, r, &source, ns - 1);
}

/* Passes a minute with `n` permitted requests of a route. */
static void
minute(const char *route, uint64_t n)
{
	if (n)
		count(route, SERIES_PERMIT, n);
	pass_minute();
}

static void
restart(void)
{
	trends_close(&t);
	t = trends_open(path);
	assert_non_null(t);
}

static json_t *
trends_of(unsigned by, enum trends_range range, const char *name)
{
	struct buf b;

	buf_init(&b, 0);
	buf_putc(&b, '{');
	trends_json(&t, 1, &(struct trends_asked){ by, name, range }, ns - 1, &b);
	buf_putc(&b, '}');
	json_t *o = json_loadb(buf_view(&b).p, b.n, 0, NULL);
	assert_non_null(o);
	buf_free(&b);
	return o;
}

/* Returns the sum of a row's value; -1: no such row or value. */
static json_int_t
sum(unsigned by, enum trends_range range, const char *period, const char *name,
	const char *value)
{
	json_t *o = trends_of(by, range, NULL), *row, *n, *values = NULL;
	json_int_t all_of = 0;
	size_t i;

	json_array_foreach(json_object_get(o, period), i,
		row) if (!strcmp(json_string_value(json_object_get(row, "name")), name))
		values = json_object_get(row, value);
	if (values)
		assert_int_equal(json_array_size(values),
			json_integer_value(json_object_get(o, "steps")));
	json_array_foreach(values, i, n) all_of += json_integer_value(n);
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
minutes_of_each_range_are_kept_over_a_restart(void **state UNUSED)
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
hour_is_summed_once_also_after_a_restart(void **state UNUSED)
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
part_of_a_minute_counts_at_a_stop(void **state UNUSED)
{
	source.failed = 2;
	minute("chat", 3);
	stop_amid("chat", 4);
	for (int life = 0; life < 2; life++) {
		assert_int_equal(total(TRENDS_1H), 7);
		assert_int_equal(sum(RATES_ROUTE, TRENDS_1H, "series", "chat", "permit"), 7);
		assert_int_equal(sum(RATES_TEAM, TRENDS_1H, "series", "chat", "permit"), 7);
		assert_int_equal(sum(RATES_ALL, TRENDS_1H, "series", "", "failed"), 2);
		restart();
	}
}

static void
minute_without_a_daemon_is_null(void **state UNUSED)
{
	minute("chat", 1);
	minute("chat", 0);
	ns += 2 * MINUTE_NS;
	rates_sample(r, &source, ns, (uint64_t)ns / 1000);
	minute("chat", 1);
	json_t *o = trends_of(RATES_ALL, TRENDS_1H, NULL);
	const json_t *v =
		json_object_get(json_array_get(json_object_get(o, "series"), 0), "permit");
	size_t n = json_array_size(v);
	assert_int_equal(json_integer_value(json_array_get(v, n - 1)), 1);
	assert_true(json_is_null(json_array_get(v, n - 2)));
	assert_true(json_is_null(json_array_get(v, n - 3)));
	assert_true(json_is_integer(json_array_get(v, n - 4)));
	assert_int_equal(json_integer_value(json_array_get(v, n - 5)), 1);
	json_decref(o);
}

static void
clock_set_back_or_forward_loses_nothing(void **state UNUSED)
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

/* Persons too: an hour back, and a day ahead for some minutes, with gaps between the
 * minutes. */
static void
clock_that_jumps_keeps_the_values_of_names(void **state UNUSED)
{
	static const int64_t jumps_minutes[] = { 0, -60, 61, 24 * 60, -24 * 60, 7, 25 * 60 };
	json_int_t n = 0;

	for (size_t i = 0; i < COUNT_OF(jumps_minutes); i++) {
		ns += jumps_minutes[i] * MINUTE_NS;
		for (int k = 0; k < 170; k++, n++) {
			spend(HEAVY_PERSON, "ann", 1, 1000);
			pass_minute();
		}
	}
	for (int life = 0; life < 2; life++) {
		assert_int_equal(sum(TRENDS_PERSON, TRENDS_90D, "series", "ann", "permit"), n);
		assert_int_equal(sum(TRENDS_PERSON, TRENDS_7D, "series", "ann", "permit"), n);
		assert_int_equal(sum(TRENDS_PERSON, TRENDS_1H, "series", "ann", "permit"), 60);
		restart();
	}
}

/* An hour that a wrong clock closed in the future does not end the following hours. */
static void
hour_in_the_future_hides_no_later_one(void **state UNUSED)
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
file_of_another_version_is_unchanged(void **state UNUSED)
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

/* A file that could not be written gets every name once it can be written. */
static void
names_of_an_unwritten_minute_are_written_later(void **state UNUSED)
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
written_values_are_added_to_those_of_other_daemons(void **state UNUSED)
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
torn_or_foreign_line_is_ignored(void **state UNUSED)
{
	static const char *const lines[] = { "minute 29688001 0.0=", "minute x 0.0=1\n",
		"hour\n", "name 300 route \"x\"\n", "name 9 route x\n",
		"minute 29688001 999.1=4\n", "\n", "minute 99999999999999999999 0.0=1\n",
		"tollgate-trends 2 permit\n", "minute 29688001 0.0=5" };

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
full_table_keeps_the_names_with_the_highest_cost(void **state UNUSED)
{
	char name[16];

	for (int i = 0; i < 20; i++) {
		spend(HEAVY_TEAM, "dear", 1, 1000000);
		for (int k = 0; k < 20; k++) {
			snprintf(name, sizeof(name), "t%d-%d", i, k);
			spend(HEAVY_TEAM, name, 1, 2000);
		}
		pass_minute();
	}
	spend(HEAVY_TEAM, "late", 7, 3000);
	for (int life = 0; life < 2; life++) {
		pass_minute();
		assert_int_equal(sum(RATES_TEAM, TRENDS_1H, "series", "dear", "permit"), 20);
		assert_int_equal(sum(RATES_TEAM, TRENDS_1H, "series", "late", "permit"), 7);
		assert_true(sum(RATES_TEAM, TRENDS_1H, "series", "other", "permit") > 300);
		restart();
	}
}

static void
median_is_weighted_by_requests(void **state UNUSED)
{
	FILE *f = fopen(path, "w");

	assert_non_null(f);
	fprintf(f,
		"tollgate-trends 1 overhead_p95_us permit overhead_p50_us\nname 0 total \"\"\n"
		"minute 29688000 0.1=90 0.2=100 0.0=300\nminute 29688001 0.1=10 0.2=1100 "
		"0.0=200\n");
	fclose(f);
	restart();
	ns = 29688003 * MINUTE_NS;
	assert_int_equal(sum(RATES_ALL, TRENDS_24H, "series", "", "overhead_p50_us"), 200);
	assert_int_equal(sum(RATES_ALL, TRENDS_24H, "series", "", "overhead_p95_us"), 300);
}

static void
each_kind_of_names_has_its_own_rows(void **state UNUSED)
{
	spend(HEAVY_PERSON, "ann", 1, 5000);
	spend(HEAVY_KEY, "ann", 2, 0);
	spend(HEAVY_TOOL, "files/read", 4, 0);
	pass_minute();
	for (int life = 0; life < 2; life++) {
		for (enum trends_range range = 0; range < TRENDS_RANGES; range++) {
			assert_int_equal(
				sum(TRENDS_PERSON, range, "series", "ann", "permit"), 1);
			assert_int_equal(
				sum(TRENDS_PERSON, range, "series", "ann", "cost_microusd"), 5);
			assert_int_equal(sum(TRENDS_KEY, range, "series", "ann", "permit"), 2);
			assert_int_equal(
				sum(TRENDS_TOOL, range, "series", "files/read", "permit"), 4);
		}
		restart();
	}
	assert_int_equal(trends_by_of("provider"), RATES_TARGET);
	assert_int_equal(trends_by_of("tool"), TRENDS_TOOL);
	assert_int_equal(trends_by_of("whatever"), TRENDS_BY);
}

static void
many_persons_take_limited_memory(void **state UNUSED)
{
	char name[32];

	for (int i = 0; i < 100000; i++) {
		snprintf(name, sizeof(name), "person%d@example.com", i);
		spend(HEAVY_PERSON, name, 1, 1000);
		if (i % 100 == 0)
			spend(HEAVY_PERSON, "dear@example.com", 1, 1000000);
		if (i % 1000 == 999)
			pass_minute();
	}
	for (int life = 0; life < 2; life++) {
		assert_int_equal(
			sum(TRENDS_PERSON, TRENDS_24H, "series", "dear@example.com", "permit"),
			1000);
		json_t *o = trends_of(TRENDS_PERSON, TRENDS_24H, NULL), *row, *n;
		size_t i, k, rows = json_array_size(json_object_get(o, "series"));
		json_int_t all_of = 0;
		json_array_foreach(json_object_get(o, "series"), i, row) json_array_foreach(
			json_object_get(row, "permit"), k, n) all_of += json_integer_value(n);
		assert_int_equal(all_of, 101000);
		assert_int_equal(rows, 25);
		json_decref(o);
		restart();
	}
}

static void
valid_names_are_kept_and_others_count_as_other(void **state UNUSED)
{
	static const char *const kept[] = { "\xe5\xb1\xb1\xe7\x94\xb0",
		"\xd7\x93\xd7\xa0\xd7\x94", "\xe2\x80\xaereversed", "a \"quoted\"\nline" };
	char *longest = malloc(10241);

	memset(longest, 'x', 10240);
	longest[10240] = '\0';
	for (size_t i = 0; i < COUNT_OF(kept); i++)
		spend(HEAVY_PERSON, kept[i], 1, 0);
	spend(HEAVY_PERSON, longest, 1, 0);
	spend(HEAVY_PERSON, "not \xff UTF-8", 1, 0);
	free(longest);
	pass_minute();
	for (int life = 0; life < 2; life++) {
		for (size_t i = 0; i < COUNT_OF(kept); i++)
			assert_int_equal(
				sum(TRENDS_PERSON, TRENDS_1H, "series", kept[i], "permit"), 1);
		assert_int_equal(sum(TRENDS_PERSON, TRENDS_1H, "series", "other", "permit"), 2);
		restart();
	}
}

static void
other_has_no_quantiles(void **state UNUSED)
{
	FILE *f = fopen(path, "w");

	assert_non_null(f);
	fprintf(f, "tollgate-trends 1 permit overhead_p95_us\nname 1 route \"other\"\n"
		   "minute 29688001 1.0=90 1.1=300\n");
	for (int i = 0; i < 40; i++)
		fprintf(f, "name %d route \"r%d\"\nminute 29688001 %d.0=%d %d.1=%d\n", 10 + i,
			i, 10 + i, 100 + i, 10 + i, 400 + i);
	fclose(f);
	restart();
	ns = 29688003 * MINUTE_NS;
	assert_int_equal(sum(RATES_ROUTE, TRENDS_1H, "series", "r39", "overhead_p95_us"), 439);
	assert_int_equal(sum(RATES_ROUTE, TRENDS_1H, "series", "other", "overhead_p95_us"), -1);
	assert_int_equal(
		sum(RATES_ROUTE, TRENDS_1H, "series", "other", "permit"), 90 + 16 * 100 + 120);
}

static void
merged_minutes_keep_the_sums_of_each_view(void **state UNUSED)
{
	for (int i = 0; i < 400; i++) {
		spend(HEAVY_PERSON, i % 2 ? "ann" : "bob", 1, 1000);
		minute("chat", 1);
	}
	for (int life = 0; life < 2; life++) {
		assert_int_equal(total(TRENDS_24H), 400);
		assert_int_equal(
			sum(TRENDS_PERSON, TRENDS_24H, "series", "ann", "permit"), 200);
		assert_int_equal(sum(TRENDS_PERSON, TRENDS_7D, "series", "bob", "permit"), 200);
		assert_int_equal(sum(TRENDS_PERSON, TRENDS_1H, "series", "bob", "permit"), 30);
		assert_int_equal(sum(TRENDS_PERSON, TRENDS_1H, "before", "bob", "permit"), 30);
		restart();
	}
	json_t *o = trends_of(TRENDS_PERSON, TRENDS_1H, "ann");
	json_t *row = json_array_get(json_object_get(o, "before"), 0), *n;
	size_t i;
	json_array_foreach(json_object_get(row, "permit"), i, n)
		assert_true(json_is_integer(n)); /* both hours have each minute */
	json_decref(o);
}

static void
two_trends_are_shown_as_their_sum(void **state UNUSED)
{
	struct trends *other = trends_open(NULL);
	struct trends_reader *reader = trends_reader_new(other);
	struct trends *const both[] = { t, other };
	const struct trends_asked asked = { TRENDS_PERSON, NULL, TRENDS_1H };
	struct buf lines, b;

	buf_init(&lines, 0);
	buf_init(&b, 0);
	spend(HEAVY_PERSON, "bob", 8, 0);
	pass_minute();
	trends_since(t, true, &lines);
	spend(HEAVY_PERSON, "ann", 1, 0);
	spend(HEAVY_PERSON, "bob", 2, 0);
	pass_minute();
	trends_read(reader, buf_view(&lines));
	buf_putc(&b, '{');
	trends_json(both, 2, &asked, ns - 1, &b);
	buf_putc(&b, '}');
	json_t *o = json_loadb(buf_view(&b).p, b.n, 0, NULL),
	       *rows = json_object_get(o, "series");
	assert_int_equal(json_array_size(rows), 2);
	const json_t *bob = json_object_get(json_array_get(rows, 0), "permit");
	size_t n = json_array_size(bob);
	assert_int_equal(json_integer_value(json_array_get(bob, n - 1)), 2);
	assert_int_equal(json_integer_value(json_array_get(bob, n - 2)), 16);
	json_decref(o);
	buf_free(&lines);
	buf_free(&b);
	free(reader);
	trends_close(&other);
}

static void
one_name_is_shown_alone(void **state UNUSED)
{
	static const struct {
		const char *name;
		size_t rows;
	} rows[] = { { "ann", 1 }, { "eve", 0 }, { "other", 0 }, { "", 0 } };

	spend(HEAVY_PERSON, "ann", 1, 0);
	spend(HEAVY_PERSON, "bob", 2, 0);
	pass_minute();
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		json_t *o = trends_of(TRENDS_PERSON, TRENDS_7D, rows[i].name);
		assert_int_equal(json_array_size(json_object_get(o, "series")), rows[i].rows);
		json_decref(o);
	}
}

/* A week with full tables. The names of persons, teams, keys and tools differ in each minute. A
 * step is an hour for five days, then a quarter of an hour, and then a minute. */
static void
week_of_full_tables_stays_within_its_memory(void **state UNUSED)
{
	const size_t begin = mallinfo2().uordblks + mallinfo2().hblkhd;
	char name[64];

	for (int i = 0; i < 5 * 24 + 2 * 96 + 150; i++) {
		ns += (i < 5 * 24 ? 59 : i < 5 * 24 + 2 * 96 ? 14 : 0) * MINUTE_NS;
		for (int k = 0; k < 64; k++) {
			snprintf(name, sizeof(name), "rule-%d", k);
			rule_tally_add(&w->rules, name, (enum rule_did)(k % 4), 1);
			snprintf(name, sizeof(name), "r%d", k % 23);
			for (int v = SERIES_PERMIT; v <= SERIES_UNPRICED; v++)
				count(name, (enum series_value)v, 1000);
			snprintf(name, sizeof(name), "name%d@example.com",
				(i * 64 + k) % 100000);
			const uint64_t v[HEAVY_VALUES] = { 3, 1, 1, 1, 20000, 4000, 5000000,
				1 };
			for (int kind = 0; kind < HEAVY_KINDS; kind++)
				heavy_add(&w->heavy[kind], span_str(name), v);
		}
		pass_minute();
	}
	const size_t used = mallinfo2().uordblks + mallinfo2().hblkhd - begin;
	assert_true(used < 4 << 20);
}

static void
unwritable_file_stops_nothing(void **state UNUSED)
{
	trends_close(&t);
	t = trends_open("/nowhere/trends");
	assert_non_null(t);
	minute("chat", 2);
	assert_int_equal(total(TRENDS_1H), 2);
}

/* The size of the file is limited, however long the daemon runs. */
static void
file_is_rewritten_before_it_grows(void **state UNUSED)
{
	long most = 0;

	for (int i = 0; i < 5 * TRENDS_MINUTES; i++) {
		minute("chat", 1);
		FILE *f = fopen(path, "r");
		fseek(f, 0, SEEK_END);
		most = ftell(f) > most ? ftell(f) : most;
		fclose(f);
	}
	assert_true(most < (4 * TRENDS_MINUTES + 2 * TRENDS_HOURS) * 64);
	assert_int_equal(total(TRENDS_7D), 7 * 24 * 60);
}

int
main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(minutes_of_each_range_are_kept_over_a_restart),
		T(hour_is_summed_once_also_after_a_restart),
		T(part_of_a_minute_counts_at_a_stop),
		T(minute_without_a_daemon_is_null),
		T(clock_set_back_or_forward_loses_nothing),
		T(clock_that_jumps_keeps_the_values_of_names),
		T(hour_in_the_future_hides_no_later_one),
		T(file_of_another_version_is_unchanged),
		T(names_of_an_unwritten_minute_are_written_later),
		T(written_values_are_added_to_those_of_other_daemons),
		T(torn_or_foreign_line_is_ignored),
		T(full_table_keeps_the_names_with_the_highest_cost),
		T(each_kind_of_names_has_its_own_rows),
		T(many_persons_take_limited_memory),
		T(valid_names_are_kept_and_others_count_as_other),
		T(other_has_no_quantiles),
		T(merged_minutes_keep_the_sums_of_each_view),
		T(two_trends_are_shown_as_their_sum),
		T(one_name_is_shown_alone),
		T(week_of_full_tables_stays_within_its_memory),
		T(median_is_weighted_by_requests),
		T(unwritable_file_stops_nothing),
		T(file_is_rewritten_before_it_grows),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
