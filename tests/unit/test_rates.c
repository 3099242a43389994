/* The last hour in steps: which request counts in which step and under which name; quantiles;
 * names without room; and a reader during a sample. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <jansson.h>

#include "budget/trends/rates.h"

static struct tallies *w[2];
static const struct tallies *all[2];
static struct rates_source source = { all, 2, 0, 0 };
static struct rates *r;
static int64_t ns;
static uint64_t us;

static int
setup(void **state)
{
	(void)state;
	for (int i = 0; i < 2; i++)
		all[i] = w[i] = calloc(1, sizeof(*w[i]));
	r = rates_new();
	ns = INT64_C(1790000000000000000);
	us = 5000000;
	rates_sample(r, &source, ns, us);
	return w[0] && w[1] && r ? 0 : -1;
}

static int
teardown(void **state)
{
	(void)state;
	for (int i = 0; i < 2; i++)
		free(w[i]);
	rates_free(&r);
	return 0;
}

static void
step(void)
{
	ns += INT64_C(10000000000);
	us += 10000000;
	rates_sample(r, &source, ns, us);
}

static void
count(int worker, const char *route, const char *provider, const char *model,
	enum series_value v, uint64_t n)
{
	series_add_model(&w[worker]->series, span_str(model));
	const struct span label[SERIES_LABELS] = { span_str(route), span_str(provider),
		span_str(model) };

	series_count(&w[worker]->series, label, &(struct series_part){ v, n }, 1);
}

static json_t *
parsed(struct buf *b)
{
	json_t *o = json_loadb(buf_view(b).p, b->n, 0, NULL);

	if (!o)
		fail_msg("%.*s", (int)b->n, buf_view(b).p);
	buf_free(b);
	return o;
}

static json_t *
series(enum rates_by by, uint64_t window_s)
{
	struct buf b;

	buf_init(&b, 0);
	rates_series(r, by, window_s, &b);
	return parsed(&b);
}

static json_t *
now(void)
{
	struct buf b;

	buf_init(&b, 0);
	rates_now(r, &source, ns, us, &b);
	return parsed(&b);
}

static json_t *
row(const json_t *o, const char *list, const char *by, const char *name)
{
	json_t *one;
	size_t i;

	json_array_foreach(json_object_get(o, list), i, one)
	{
		if (!strcmp(json_string_value(json_object_get(one, "by")), by) &&
			!strcmp(json_string_value(json_object_get(one, "name")), name))
			return one;
	}
	return NULL;
}

/* Returns value i of a row, counted from the newest. */
static json_int_t
value(const json_t *o, const char *by, const char *name, const char *what, size_t i)
{
	json_t *v = json_object_get(row(o, "series", by, name), what);

	return json_integer_value(json_array_get(v, json_array_size(v) - 1 - i));
}

static double
rate(const json_t *o, const char *by, const char *name, const char *what)
{
	return json_number_value(json_object_get(row(o, "rates", by, name), what));
}

static void
decisions_count_in_their_step_by_name(void **state)
{
	(void)state;
	count(0, "chat", "openai", "gpt", SERIES_PERMIT, 1);
	count(1, "chat", "azure", "gpt", SERIES_DENY, 2);
	step();
	count(1, "chat", "openai", "gpt", SERIES_PERMIT, 4);
	count(0, "tools", "openai", "o1", SERIES_COST, 7000);
	step();
	json_t *o = series(RATES_BY, 3600);
	assert_int_equal(json_integer_value(json_object_get(o, "steps")), 3);
	assert_int_equal(value(o, "total", "", "permit", 0), 4);
	assert_int_equal(value(o, "total", "", "permit", 1), 1);
	assert_int_equal(value(o, "total", "", "permit", 2), 0);
	assert_int_equal(value(o, "route", "chat", "deny", 1), 2);
	assert_int_equal(value(o, "target", "azure", "deny", 1), 2);
	assert_int_equal(value(o, "target", "openai", "permit", 0), 4);
	assert_int_equal(value(o, "model", "gpt", "permit", 1), 1);
	assert_int_equal(value(o, "model", "o1", "cost_microusd", 0), 7);
	assert_null(json_object_get(row(o, "series", "model", "o1"), "permit"));
	json_decref(o);
	o = series(RATES_ROUTE, 10);
	assert_int_equal(json_integer_value(json_object_get(o, "steps")), 1);
	assert_non_null(row(o, "series", "route", "tools"));
	assert_null(row(o, "series", "total", ""));
	assert_null(row(o, "series", "model", "gpt"));
	json_decref(o);
}

static void
steps_older_than_an_hour_are_dropped(void **state)
{
	(void)state;
	count(0, "old", "p", "m", SERIES_PERMIT, 9);
	step();
	for (int i = 0; i < RATES_SLOTS - 1; i++)
		step();
	json_t *o = series(RATES_BY, 3600);
	assert_int_equal(value(o, "route", "old", "permit", RATES_SLOTS - 1), 9);
	json_decref(o);
	step();
	o = series(RATES_BY, 3600);
	assert_null(row(o, "series", "route", "old"));
	assert_int_equal(json_integer_value(json_object_get(o, "steps")), RATES_SLOTS);
	json_decref(o);
}

static void
names_without_room_count_as_other(void **state)
{
	char name[40];

	(void)state;
	for (int i = 0; i < RATES_ROUTES + 10; i++) {
		snprintf(name, sizeof(name), "route-%d", i);
		count(0, name, "p", "m", SERIES_PERMIT, 1);
	}
	step();
	json_t *o = series(RATES_ROUTE, 3600);
	assert_int_equal(json_array_size(json_object_get(o, "series")), RATES_ROUTES);
	assert_int_equal(value(o, "route", "other", "permit", 0), 11);
	assert_int_equal(value(o, "route", "route-0", "permit", 0), 1);
	json_decref(o);
}

static void
rates_cover_the_last_seconds(void **state)
{
	(void)state;
	count(0, "chat", "openai", "gpt", SERIES_PERMIT, 1000);
	step();
	us += 5000000;
	count(0, "chat", "openai", "gpt", SERIES_PERMIT, 30);
	count(0, "chat", "openai", "gpt", SERIES_DENY, 15);
	count(1, "chat", "openai", "gpt", SERIES_OUTPUT, 150);
	count(1, "chat", "openai", "gpt", SERIES_COST, UINT64_C(1000000000));
	provider_answered(provider_entry(&w[1]->providers, SPAN_LIT("openai")), 500, 1);
	provider_answered(provider_entry(&w[1]->providers, SPAN_LIT("openai")), 200, 1);
	json_t *o = now();
	/* 15 seconds: since the sample before the last one */
	assert_true(json_real_value(json_object_get(o, "over_s")) == 15);
	assert_true(rate(o, "total", "", "requests_per_s") > 69 &&
		    rate(o, "total", "", "requests_per_s") < 70);
	assert_true(rate(o, "route", "chat", "denials_per_s") == 1);
	assert_true(rate(o, "model", "gpt", "tokens_per_s") == 10);
	assert_true(rate(o, "total", "", "usd_per_hour") == 240);
	assert_true(rate(o, "target", "openai", "errors_per_s") > 0.066 &&
		    rate(o, "target", "openai", "errors_per_s") < 0.068);
	json_decref(o);
	us += 5000000;
	step();
	us += 11000000;
	o = now();
	assert_true(json_real_value(json_object_get(o, "over_s")) == 11);
	assert_true(rate(o, "total", "", "requests_per_s") == 0);
	assert_null(row(o, "rates", "route", "chat"));
	json_decref(o);
}

static void
decide(int worker, const char *route, uint64_t took_us)
{
	const struct decided d = { .at_ns = ns,
		.took_us = took_us,
		.decision = "permit",
		.via = "",
		.id = "0123456789012345678901234X",
		.route = span_str(route),
		.target = SPAN_LIT("openai"),
		.model = SPAN_LIT("gpt") };

	recent_add(&w[worker]->recent, &d);
	histogram_add(&w[worker]->stage[STAGE_TOTAL], took_us);
	count(worker, route, "openai", "gpt", SERIES_PERMIT, 1);
}

static void
latencies_are_reported_as_quantiles(void **state)
{
	(void)state;
	for (int i = 1; i <= 20; i++)
		decide(i & 1, "chat", (uint64_t)i * 10);
	decide(0, "slow", 90000);
	provider_heard(provider_entry(&w[0]->providers, SPAN_LIT("openai")), true, 400000);
	ns += 1000000000;
	us += 1000000;
	json_t *o = now(),
	       *q = json_object_get(row(o, "rates", "route", "chat"), "overhead_us");
	assert_int_equal(json_integer_value(json_object_get(q, "of")), 20);
	assert_int_equal(json_integer_value(json_object_get(q, "p50")), 100);
	assert_int_equal(json_integer_value(json_object_get(q, "p95")), 190);
	q = json_object_get(row(o, "rates", "target", "openai"), "first_byte_ms");
	json_int_t p50 = json_integer_value(json_object_get(q, "p50"));
	assert_true(p50 > 250 && p50 <= 500);
	json_decref(o);
	ns -= 1000000000;
	step();
	o = series(RATES_BY, 60);
	assert_int_equal(value(o, "route", "slow", "overhead_p95_us", 0), 90000);
	assert_true(value(o, "total", "", "overhead_p50_us", 0) > 50);
	assert_true(value(o, "target", "openai", "first_byte_p95_ms", 0) > 250);
	json_decref(o);
	step();
	o = series(RATES_BY, 10);
	assert_null(row(o, "series", "route", "slow"));
	json_decref(o);
}

static void
quantiles_are_computed_from_buckets(void **state)
{
	uint64_t n[HISTOGRAM_BUCKETS + 1] = { 0 };

	(void)state;
	assert_int_equal(histogram_quantile(n, 500), 0);
	n[0] = 10; /* up to 10 */
	assert_int_equal(histogram_quantile(n, 500), 5);
	assert_int_equal(histogram_quantile(n, 1000), 10);
	n[1] = 90; /* up to 25 */
	assert_true(histogram_quantile(n, 100) == 10 && histogram_quantile(n, 990) > 20);
	n[HISTOGRAM_BUCKETS] = 1000;
	assert_int_equal(histogram_quantile(n, 990), 2500000);
}

static atomic_bool enough;

static void *
ask_on(void *arg)
{
	(void)arg;
	while (!atomic_load(&enough)) {
		json_decref(now());
		json_decref(series(RATES_BY, 60));
	}
	return NULL;
}

static void
rates_can_be_read_during_a_sample(void **state)
{
	pthread_t t;

	(void)state;
	pthread_create(&t, NULL, ask_on, NULL);
	for (int i = 0; i < 200; i++) {
		decide(0, "chat", 5);
		rates_sample(r, &source, ns, us);
	}
	atomic_store(&enough, true);
	pthread_join(t, NULL);
}

int
main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(decisions_count_in_their_step_by_name),
		T(steps_older_than_an_hour_are_dropped),
		T(names_without_room_count_as_other),
		T(rates_cover_the_last_seconds),
		T(latencies_are_reported_as_quantiles),
		T(quantiles_are_computed_from_buckets),
		T(rates_can_be_read_during_a_sample),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
