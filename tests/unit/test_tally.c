/* Counters by labels and histograms: which values are distinguished, which count as "other",
 * and what a scraper reads of several workers, also while they count. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/scoped.h"
#include "budget/tally/awaited.h"
#include "budget/tally/tally.h"

static struct tallies *w[2];
static struct series_sum *sum;
static char text[4 << 20];

static int
setup(void **state)
{
	(void)state;
	for (int i = 0; i < 2; i++)
		w[i] = calloc(1, sizeof(*w[i]));
	sum = series_sum_new();
	return w[0] && w[1] && sum ? 0 : -1;
}

static int
teardown(void **state)
{
	(void)state;
	free(w[0]);
	free(w[1]);
	series_sum_free(&sum);
	return 0;
}

static bool
count(int worker, const char *route, const char *provider, const char *model,
	enum series_value v, uint64_t n)
{
	bool known = !model || series_has_model(&w[worker]->series, span_str(model));
	const struct span label[SERIES_LABELS] = { span_str(route), span_str(provider),
		known ? span_str(model) : SERIES_OTHER };

	return series_count(&w[worker]->series, label, &(struct series_part){ v, n }, 1);
}

/* Fills `text` with the output of /metrics. */
static uint64_t
scrape(void)
{
	const struct tallies *const all[] = { w[0], w[1] };
	struct buf b;

	buf_init(&b, 0);
	uint64_t lost = tally_write(sum, &b, all, 2, false);
	snprintf(text, sizeof(text), "%.*s", SPAN_ARG(buf_view(&b)));
	assert_true(b.n < sizeof(text));
	buf_free(&b);
	return lost;
}

static bool
has(const char *line)
{
	char want[512];

	snprintf(want, sizeof(want), "\n%s\n", line);
	return strstr(text, want) != NULL;
}

static size_t
lines_with(const char *what)
{
	size_t n = 0;

	for (const char *p = text; (p = strstr(p, what)); p++)
		n++;
	return n;
}

#define DECISIONS "tollgate_route_decisions_total"
#define TOKENS	  "tollgate_route_tokens_total"

static void
workers_are_summed_by_labels(void **state)
{
	(void)state;
	assert_true(series_add_model(&w[0]->series, SPAN_LIT("m")));
	assert_true(series_add_model(&w[1]->series, SPAN_LIT("m")));
	count(0, "chat", "openai", "m", SERIES_PERMIT, 1);
	count(1, "chat", "openai", "m", SERIES_PERMIT, 1);
	count(1, "chat", "azure", "m", SERIES_PERMIT, 1);
	count(0, "chat", "openai", "m", SERIES_DENY, 1);
	count(0, "chat", "openai", "m", SERIES_INPUT, 17);
	count(0, NULL, NULL, NULL, SERIES_DENY, 1);
	assert_int_equal(scrape(), 0);
	assert_true(has(DECISIONS
		"{route=\"chat\",provider=\"openai\",model=\"m\",decision=\"permit\"} 2"));
	assert_true(has(DECISIONS
		"{route=\"chat\",provider=\"azure\",model=\"m\",decision=\"permit\"} 1"));
	assert_true(has(DECISIONS
		"{route=\"chat\",provider=\"openai\",model=\"m\",decision=\"deny\"} 1"));
	assert_true(has(
		TOKENS "{route=\"chat\",provider=\"openai\",model=\"m\",type=\"input\"} 17"));
	assert_true(
		has(DECISIONS "{route=\"-\",provider=\"-\",model=\"-\",decision=\"deny\"} 1"));
	assert_int_equal(lines_with("decision=\"redact\""), 0);
	assert_int_equal(lines_with("# TYPE " DECISIONS " counter"), 1);
	scrape(); /* the series is made again */
	assert_true(has(DECISIONS
		"{route=\"chat\",provider=\"openai\",model=\"m\",decision=\"permit\"} 2"));
}

static void
model_without_a_permitted_request_counts_as_other(void **state)
{
	(void)state;
	count(0, "chat", "p", "guessed", SERIES_DENY, 1);
	scrape();
	assert_true(has(DECISIONS
		"{route=\"chat\",provider=\"p\",model=\"other\",decision=\"deny\"} 1"));
	assert_int_equal(lines_with("guessed"), 0);
	assert_true(series_add_model(&w[0]->series, SPAN_LIT("guessed")));
	count(0, "chat", "p", "guessed", SERIES_DENY, 1);
	scrape();
	assert_true(has(DECISIONS
		"{route=\"chat\",provider=\"p\",model=\"guessed\",decision=\"deny\"} 1"));
}

static void
only_valid_model_names_are_labels(void **state)
{
	static const struct {
		const char *name;
		bool may;
	} rows[] = {
		{ "gpt-4o-2024-08-06", true },
		{ "us.anthropic.claude-3-5-sonnet-20240620-v1:0", true },
		{ "meta-llama/Llama-3.1-70B@7", true },
		{ "", false },
		{ "two words", false },
		{ "a\"b", false },
		{ "a\\b", false },
		{ "a\nb", false },
		{ "m\xc3\xbc", false },
		{ "1234567890123456789012345678901234567890123456789012345678901234", false },
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++)
		if (series_may_be_model(span_str(rows[i].name)) != rows[i].may)
			fail_msg("%s", rows[i].name);
	assert_false(series_may_be_model(span_of("a\0b", 3)));
}

static void
number_of_models_is_limited(void **state)
{
	char name[32];

	(void)state;
	for (int i = 0; i < CAP_SERIES_MODELS; i++) {
		snprintf(name, sizeof(name), "model-%d", i);
		assert_true(series_add_model(&w[0]->series, span_str(name)));
	}
	assert_true(series_add_model(&w[0]->series, SPAN_LIT("model-3")));
	assert_false(series_add_model(&w[0]->series, SPAN_LIT("one-more")));
	count(0, "r", "p", "one-more", SERIES_PERMIT, 1);
	count(0, "r", "p", "model-127", SERIES_PERMIT, 1);
	scrape();
	assert_true(has(DECISIONS
		"{route=\"r\",provider=\"p\",model=\"other\",decision=\"permit\"} 1"));
	assert_true(has(DECISIONS
		"{route=\"r\",provider=\"p\",model=\"model-127\",decision=\"permit\"} 1"));
}

/* As after many reloads. */
static void
number_of_label_sets_is_limited(void **state)
{
	char name[32];
	bool room = true;

	(void)state;
	for (int i = 0; i < CAP_SERIES + 10; i++) {
		snprintf(name, sizeof(name), "route-%d", i);
		room = count(0, name, "p", NULL, SERIES_DENY, 1);
		assert_true(room == (i < CAP_SERIES));
	}
	assert_int_equal(scrape(), 0); /* the worker reported it itself */
	assert_true(has(DECISIONS
		"{route=\"other\",provider=\"other\",model=\"other\",decision=\"deny\"} 10"));
	assert_int_equal(lines_with(DECISIONS "{"), CAP_SERIES + 1);
	/* other labels in another worker: they fit there, but not in the sum */
	for (int i = 0; i < 5; i++) {
		snprintf(name, sizeof(name), "else-%d", i);
		assert_true(count(1, name, "p", NULL, SERIES_DENY, 1));
	}
	assert_int_equal(scrape(), 5);
	assert_true(has(DECISIONS
		"{route=\"other\",provider=\"other\",model=\"other\",decision=\"deny\"} 15"));
	assert_int_equal(lines_with(DECISIONS "{"), CAP_SERIES + 1);
	assert_true(has(DECISIONS
		"{route=\"route-7\",provider=\"p\",model=\"-\",decision=\"deny\"} 1"));
}

static void
labels_are_escaped_and_shortened(void **state)
{
	char name[100];

	(void)state;
	memset(name, 'r', sizeof(name));
	memcpy(name + 62, "\xe2\x82\xac",
		3); /* bytes 63 and 64 would be half of the character */
	name[99] = 0;
	count(0, name, "a\"b\\c\nd\x1b", NULL, SERIES_DENY, 1);
	count(0, name, "a\"b\\c\nd\x1b", NULL, SERIES_DENY, 1);
	scrape();
	name[62] = 0;
	char want[300];
	snprintf(want, sizeof(want),
		DECISIONS "{route=\"%s\",provider=\"a\\\"b\\\\c\\nd?\",model=\"-\","
			  "decision=\"deny\"} 2",
		name);
	assert_true(has(want));
}

static void
histogram_is_consistent(void **state)
{
	static const struct {
		uint64_t us;
		const char *first; /* the first bucket that contains it */
	} rows[] = { { 0, "0.00001" }, { 10, "0.00001" }, { 11, "0.000025" }, { 1000, "0.001" },
		{ 2500000, "2.5" }, { 2500001, "+Inf" } };
	char line[128];

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++)
		histogram_add(&w[i % 2]->stage[STAGE_QUOTA], rows[i].us);
	scrape();
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		size_t n = 0;
		for (size_t k = 0; k < COUNT_OF(rows); k++)
			n += rows[k].us <= rows[i].us || !strcmp(rows[k].first, rows[i].first);
		snprintf(line, sizeof(line),
			"tollgate_stage_seconds_bucket{stage=\"quota\",le=\"%s\"} %zu",
			rows[i].first, n);
		if (!has(line))
			fail_msg("no line %s", line);
	}
	assert_true(has("tollgate_stage_seconds_sum{stage=\"quota\"} 5.001022"));
	assert_true(has("tollgate_stage_seconds_count{stage=\"quota\"} 6"));
	assert_true(has("tollgate_stage_seconds_count{stage=\"audit\"} 0"));
	/* every number is in the bucket that a search from the first one finds */
	for (uint64_t us = 0; us < 5000000; us += 1 + us / 64) {
		static const uint64_t le[] = { 10, 25, 50, 100, 250, 500, 1000, 2500, 5000,
			10000, 25000, 50000, 100000, 250000, 1000000, 2500000 };
		struct histogram *h = calloc(1, sizeof(*h));
		size_t i = 0;
		while (i < COUNT_OF(le) && us > le[i])
			i++;
		histogram_add(h, us);
		assert_int_equal(h->bucket[i], 1);
		free(h);
	}
	assert_int_equal(lines_with("# TYPE tollgate_stage_seconds histogram"), 1);
}

/* ---- providers ---- */

static void
answered(int worker, const char *name, int status, int64_t ms)
{
	provider_answered(provider_entry(&w[worker]->providers, span_str(name)), status, ms);
}

static void
provider_responses_are_counted_by_status(void **state)
{
	const struct provider_tally *const all[] = { &w[0]->providers, &w[1]->providers };
	char name[16];
	struct buf b;

	(void)state;
	answered(0, "a", 200, 1000);
	answered(1, "b", 200, 1000);
	answered(1, "a", 429, 2000);
	answered(0, "a", 429, 3000);
	answered(1, "a", PROVIDER_TIMEOUT, 2500);
	answered(0, "a", 404, 9000); /* an error of the caller */
	provider_sent(provider_entry(&w[1]->providers, SPAN_LIT("b")));
	provider_heard(provider_entry(&w[1]->providers, SPAN_LIT("b")), true, 30000000);
	provider_heard(provider_entry(&w[0]->providers, SPAN_LIT("b")), true, 10000000);
	scrape();
#define ANSWERS "tollgate_provider_answers_total"
	assert_true(has(ANSWERS "{provider=\"a\",status=\"200\"} 1"));
	assert_true(has(ANSWERS "{provider=\"a\",status=\"429\"} 2"));
	assert_true(has(ANSWERS "{provider=\"a\",status=\"404\"} 1"));
	assert_true(has(ANSWERS "{provider=\"a\",status=\"provider_timeout\"} 1"));
	assert_true(has(ANSWERS "{provider=\"b\",status=\"200\"} 1"));
	assert_true(has(ANSWERS "{provider=\"b\",status=\"401\"} 0"));
	assert_true(has("tollgate_provider_requests_in_flight{provider=\"b\"} 1"));
#define BUCKET "tollgate_provider_first_byte_seconds_bucket{provider=\"b\",kind=\"streamed\""
	assert_true(has(BUCKET ",le=\"5\"} 0"));
	assert_true(has(BUCKET ",le=\"10\"} 1"));
	assert_true(has(BUCKET ",le=\"50\"} 2"));
	assert_true(has("tollgate_provider_first_byte_seconds_sum{provider=\"b\","
			"kind=\"streamed\"} 40.000000"));
	provider_took(provider_entry(&w[1]->providers, SPAN_LIT("b")), true, 40000, 2000000);
	provider_took(provider_entry(&w[0]->providers, SPAN_LIT("b")), false, 0, 60000);
	scrape();
#define TOKEN "tollgate_provider_first_token_seconds_bucket{provider=\"b\""
	assert_true(has(TOKEN ",le=\"0.025\"} 0"));
	assert_true(has(TOKEN ",le=\"0.05\"} 1"));
	assert_true(has("tollgate_provider_first_token_seconds_count{provider=\"b\"} 1"));
#define TOTAL(kind) "tollgate_provider_total_seconds_sum{provider=\"b\",kind=\"" kind "\"} "
	assert_true(has(TOTAL("streamed") "2.000000"));
	assert_true(has(TOTAL("whole") "0.060000"));
	buf_init(&b, 0);
	provider_tally_json(&b, all, 2);
	buf_putc(&b, '\0');
	assert_string_equal(buf_view(&b).p,
		"[{\"provider\":\"a\",\"under_way\":0,\"answers\":5,\"errors\":3,"
		"\"last_error\":\"429\",\"means\":\"the provider limits the rate or quota of the key\","
		"\"last_error_at\":\"1970-01-01T00:00:03.000Z\",\"failing\":true,"
		"\"last_success_at\":\"1970-01-01T00:00:01.000Z\"},"
		"{\"provider\":\"b\",\"under_way\":1,\"answers\":1,\"errors\":0,"
		"\"last_success_at\":\"1970-01-01T00:00:01.000Z\","
		"\"first_byte_ms\":{\"answers\":2,\"mean\":20000,\"most\":30000}}]");
	buf_free(&b);
	/* statuses and names without room */
	for (int i = 0; i < 100; i++)
		answered(0, "a", 500 + i, 4000);
	for (int i = 0; i < 100; i++) {
		snprintf(name, sizeof(name), "p%d", i);
		answered(0, name, 200, 4000);
	}
	scrape();
	assert_true(has(ANSWERS "{provider=\"a\",status=\"other\"} 72"));
	assert_true(has(ANSWERS "{provider=\"other\",status=\"200\"} 39"));
}

static void
each_metric_has_a_help_text(void **state)
{
	(void)state;
	for (int status = 200; status < 600; status++) {
		bool minds = status == 401 || status == 402 || status == 403 || status == 429 ||
			     status >= 500;
		assert_int_equal(provider_means(status) != NULL, minds);
	}
	for (int i = 1; i < PROVIDER_FAILED; i++) {
		char code[16];
		assert_non_null(provider_means(i));
		assert_int_equal(provider_failure(provider_status_text(i, code)), i);
	}
	assert_int_equal(provider_failure("overloaded"), 0);
	assert_int_equal(provider_failure(NULL), 0);
}

static _Atomic bool stop;
static _Atomic unsigned counted;

static void *
counts(void *arg)
{
	char name[32];
	(void)arg;
	for (unsigned i = 0; !stop; i++) {
		snprintf(name, sizeof(name), "m%u", i % 200);
		series_add_model(&w[0]->series, span_str(name));
		count(0, name, "p", name, SERIES_PERMIT, 1);
		histogram_add(&w[0]->stage[STAGE_TOTAL], i % 3000);
		counted = i;
	}
	return NULL;
}

static void *
scrapes(void *arg)
{
	const struct tallies *const all[] = { w[0], w[1] };
	(void)arg;
	while (!stop) {
		struct buf b;
		buf_init(&b, 0);
		tally_write(sum, &b, all, 2, false);
		buf_free(&b);
	}
	return NULL;
}

static void
scrape_while_a_worker_counts_is_consistent(void **state)
{
	pthread_t t[2];

	(void)state;
	stop = false;
	assert_int_equal(pthread_create(&t[0], NULL, counts, NULL), 0);
	assert_int_equal(pthread_create(&t[1], NULL, scrapes, NULL), 0);
	for (int i = 0; i < 100 || counted < 1000; i++)
		scrape();
	stop = true;
	pthread_join(t[0], NULL);
	pthread_join(t[1], NULL);
	scrape();
	uint64_t total = 0;
	for (const char *p = text; (p = strstr(p, "\n" DECISIONS "{")); p++)
		total += strtoull(strstr(p, "} ") + 2, NULL, 10);
	char line[128];
	snprintf(line, sizeof(line), "tollgate_stage_seconds_count{stage=\"total\"} %llu",
		(unsigned long long)total);
	assert_true(total > 0 && has(line));
}

static void
limits_are_summed_by_name(void **state)
{
	char name[32];

	(void)state;
	limit_tally_used(&w[0]->limits, "team", 250000);
	limit_tally_used(&w[1]->limits, "team", 937500);
	limit_tally_used(&w[1]->limits, "team", 500000);
	limit_tally_used(&w[1]->limits, "day", 1000000);
	limit_tally_warned(&w[0]->limits, "team", LEVEL_80);
	limit_tally_warned(&w[1]->limits, "team", LEVEL_80);
	limit_tally_warned(&w[1]->limits, "team", LEVEL_90);
	scrape();
	assert_true(has("tollgate_limit_used_ratio{limit=\"team\"} 0.937500"));
	assert_true(has("tollgate_limit_used_ratio{limit=\"day\"} 1.000000"));
	assert_true(has("tollgate_limit_warnings_total{limit=\"team\",level=\"80\"} 2"));
	assert_true(has("tollgate_limit_warnings_total{limit=\"team\",level=\"90\"} 1"));
	assert_true(has("tollgate_limit_warnings_total{limit=\"team\",level=\"100\"} 0"));
	for (int i = 0; i < 100; i++) {
		snprintf(name, sizeof(name), "limit-%d", i);
		limit_tally_used(&w[0]->limits, name, 1);
	}
	scrape();
	assert_true(has("tollgate_limit_used_ratio{limit=\"limit-61\"} 0.000001"));
	assert_int_equal(lines_with("{limit=\"limit-99\"}"), 0);
	assert_true(has("tollgate_limit_used_ratio{limit=\"other\"} 0.000001"));
}

static void
oldest_requests_that_wait_are_listed(void **state)
{
	(void)state;
	struct awaited *of[2] = { awaited_new(), awaited_new() };
	static struct awaited_request r[12];

	SCOPED_BUF(none, 4096);
	awaited_write(of, 2, 99, &none);
	assert_true(span_is(buf_view(&none), "{\"requests\":0,\"oldest\":[]}"));
	for (int i = 0; i < 12; i++) {
		r[i].since_us = (uint64_t)(i + 1) * 1000000;
		snprintf(r[i].id, sizeof(r[i].id), "id-%d", i);
		snprintf(r[i].model, sizeof(r[i].model), "a\"%d", i);
		awaited_add(of[i % 2], &r[i]);
	}
	/* the first of one worker got a response; to remove it twice does nothing */
	awaited_remove(of[0], &r[0]);
	awaited_remove(of[0], &r[0]);
	SCOPED_BUF(said, 4096);
	awaited_write(of, 2, 13500000, &said);
	buf_putc(&said, '\0');
	assert_non_null(strstr(said.p, "{\"requests\":11,\"oldest\":[{\"id\":\"id-1\","));
	assert_non_null(strstr(said.p, "\"model\":\"a\\\"1\",\"seconds\":11.5}"));
	assert_non_null(strstr(said.p, "id-5"));
	assert_null(strstr(said.p, "id-6"));
	for (int i = 1; i < 12; i++)
		awaited_remove(of[i % 2], &r[i]);
	awaited_free(&of[0]);
	awaited_free(&of[1]);
}

int
main(void)
{
#define ROW(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		ROW(workers_are_summed_by_labels),
		ROW(limits_are_summed_by_name),
		ROW(model_without_a_permitted_request_counts_as_other),
		ROW(only_valid_model_names_are_labels),
		ROW(number_of_models_is_limited),
		ROW(number_of_label_sets_is_limited),
		ROW(labels_are_escaped_and_shortened),
		ROW(histogram_is_consistent),
		ROW(provider_responses_are_counted_by_status),
		ROW(oldest_requests_that_wait_are_listed),
		ROW(each_metric_has_a_help_text),
		ROW(scrape_while_a_worker_counts_is_consistent),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
