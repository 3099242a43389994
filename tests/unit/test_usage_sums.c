/* cmd/usage: members of a line, sums by fields of records, and the printed table. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>
#include <jansson.h>
#include <stdlib.h>

#include "cmd/usage/usage.h"
#include "support/guard.h"

/* ---- lines ---- */

static const struct {
	const char *name, *in, *a, *b; /* the raw values of "a" and "b" */
} lines[] = {
	{ "texts and numbers", "{\"a\":\"x\",\"c\":1,\"b\":23}", "\"x\"", "23" },
	{ "objects are stepped over",
		"{\"c\":{\"a\":1,\"d\":[{\"b\":2}]},\"a\":{\"b\":3},\"b\":[1,2]}", "{\"b\":3}",
		"[1,2]" },
	{ "quotes and brackets in texts",
		"{\"c\":\"}\\\"],\\\\\",\"a\":\"\\\\\\\"\",\"b\":\"{\"}", "\"\\\\\\\"\"",
		"\"{\"" },
	{ "a text that is a name", "{\"c\":\"a\",\"b\":1}", "", "1" },
	{ "none of them", "{\"ab\":1,\"ba\":2}", "", "" },
	{ "an empty object", "{}", "", "" },
	{ "true and null", "{\"a\":true,\"b\":null}", "true", "null" },
	{ "no object", "[1]", "", "" },
	{ "nothing", "", "", "" },
	{ "cut in a text", "{\"a\":\"x", "\"x", "" },
	{ "cut after a name", "{\"a\"", "", "" },
};

static void
members_are_found_in_one_scan(void **state)
{
	static const char *const names[] = { "a", "b", NULL };
	struct span got[2];

	(void)state;
	for (size_t i = 0; i < COUNT_OF(lines); i++) {
		struct span in = span_str(lines[i].in);
		char *p = guard_dup(in.p, in.n);
		usage_members(span_of(p, in.n), names, got);
		if (!span_is(got[0], lines[i].a) || !span_is(got[1], lines[i].b))
			fail_msg("%s: %.*s %.*s", lines[i].name, SPAN_ARG(got[0]),
				SPAN_ARG(got[1]));
		guard_free(p, in.n);
		/* cut anywhere, nothing is read beyond the end */
		for (size_t n = 0; n < in.n; n++) {
			p = guard_dup(in.p, n);
			usage_members(span_of(p, n), names, got);
			guard_free(p, n);
		}
	}
}

/* ---- sums ---- */

#define DECISION(who, model, what)                                                             \
	"{\"v\":1,\"type\":\"decision\",\"decision\":" what ",\"route\":\"chat\",\"target\":"  \
	"\"openai\",\"model\":\"" model                                                        \
	"\",\"identity\":{\"method\":\"jwt\",\"person\":\"" who                                \
	"\",\"roles\":[\"a\"],\"team\":\"red\"},\"tags\":[\"x\",\"y\"]}"
#define COMPLETION(who, model, rest)                                                           \
	"{\"v\":1,\"type\":\"completion\",\"route\":\"chat\",\"target\":\"openai\",\"model\":" \
	"\"" model "\",\"identity\":{\"person\":\"" who "\"}," rest "}"

static const char *const records[] = {
	DECISION("alice", "m", "\"permit\""),
	COMPLETION("alice", "m",
		"\"usage\":{\"input_tokens\":10,\"output_tokens\":5,\"cached_tokens\":4,"
		"\"cache_write_tokens\":3,\"cache_write_1h_tokens\":2,"
		"\"reasoning_tokens\":2},\"cost_nanousd\":1500"),
	DECISION("alice", "m", "\"redact\""),
	COMPLETION("alice", "m",
		"\"usage\":{\"input_tokens\":1,\"output_tokens\":1,\"cached_tokens\":0},"
		"\"cost_nanousd\":500,\"unpriced\":[\"search\"]"),
	DECISION("bob \\\"q\\\"", "=m", "\"deny\",\"code\":\"price_unknown\""),
	DECISION("bob \\\"q\\\"", "=m", "\"permit\""),
	COMPLETION("bob \\\"q\\\"", "=m",
		"\"usage_unknown\":true,\"estimated_usage\":{\"input_tokens\":3,"
		"\"output_tokens\":12,\"cost_nanousd\":70}"),
	"{\"v\":1,\"type\":\"policy\",\"policy\":\"p\"}",
	"no JSON at all",
};

static void
sum_up(struct usage_table *t)
{
	assert_int_equal(usage_table_init(t), 0);
	for (size_t i = 0; i < COUNT_OF(records); i++)
		usage_add(t, span_str(records[i]), SPAN_LIT("2026-11-21"));
	usage_sort(t);
}

static char *
printed_after(
	const struct usage_table *t, const struct usage_before *before, enum usage_form form)
{
	struct buf out;

	buf_init(&out, 0);
	struct usage_page p = { .limit = 0 };
	assert_int_equal(usage_paged(t, &p), 0);
	assert_true(usage_print(t, before, &p, form, "2026-11-20T00:00:00Z", NULL, &out));
	free(p.row);
	char *text = strndup(buf_view(&out).p, out.n);
	buf_free(&out);
	return text;
}

static char *
printed(const struct usage_table *t, enum usage_form form)
{
	const struct usage_before none = { .since = "" };

	return printed_after(t, &none, form);
}

/* The columns of a row without prompts, times or an earlier period. */
#define NO_FIGURES ",0,,,,,,,,,0,,,,0,,,,,,0,,,,,,,,,,\r\n"

static void
record_counts_for_its_person(void **state)
{
	struct usage_table t = { .by = { BY_PERSON, BY_MODEL }, .nby = 2 };

	(void)state;
	sum_up(&t);
	char *csv = printed(&t, FORM_CSV);
	assert_string_equal(csv,
		"person,model,requests,refused,refused_unpriced,input_tokens,cached_tokens,"
		"cache_write_tokens,cache_write_1h_tokens,output_tokens,reasoning_tokens,"
		"audio_input_tokens,audio_output_tokens,images,searches,sessions,cost_nanousd,"
		"unpriced_answers,unknown_usage,estimated_nanousd,estimated_input_tokens,estimated_output_tokens,further_attempts,"
		"haproxy_answered,cache_hits,saved_input_tokens,saved_output_tokens,"
		"saved_nanousd,embedded_tokens,embedded_nanousd,left_url,left_host,left_tool,left_size,left_unknown,redacted,cached_percent,"
		"prompt_tokens_count,prompt_tokens_mean,prompt_tokens_p95,prompt_tokens_max,"
		"prompt_tokens_max_id,requests_growth_percent,input_tokens_growth_percent,"
		"prompt_tokens_mean_growth_percent,cost_growth_percent,first_token_ms_count,"
		"first_token_ms_mean,first_token_ms_p95,first_token_ms_max,total_ms_count,"
		"total_ms_mean,total_ms_p95,total_ms_max,first_token_ms_p50,total_ms_p50,"
		"tokens_per_s_count,tokens_per_s_mean,tokens_per_s_p5,tokens_per_s_p50,"
		"tokens_per_s_p95,request_nanousd_mean,request_nanousd_max,request_nanousd_max_id,"
		"total_ms_max_id,refused_percent,refused_growth_points\r\n"
		"\"alice\",\"m\",2,0,0,11,4,3,2,6,2,0,0,0,0,0,2000,1,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,1,36."
		"4,2,5.5,10,10,,,,,,0,,,,0,,,,,,0,,,,,1000,1500,,,0.0,\r\n"
		"\"bob "
		"\"\"q\"\"\",\"'=m\",2,1,1,0,0,0,0,0,0,0,0,0,0,0,0,0,1,70,3,12,0,0,0,0,0,0,0,0,0,0,0,0,0,0,"
		",0,,,,,,,,,0,,,,0,,,,,,0,,,,,,,,,50.0,\r\n");
	free(csv);
	char *text = printed(&t, FORM_JSON);
	json_t *j = json_loads(text, 0, NULL);
	if (!j)
		fail_msg("%s", text);
	assert_int_equal(json_array_size(json_object_get(j, "rows")), 2);
	json_t *bob = json_array_get(json_object_get(j, "rows"), 1);
	assert_string_equal(json_string_value(json_object_get(bob, "person")), "bob \"q\"");
	assert_int_equal(json_integer_value(
				 json_object_get(json_object_get(j, "total"), "cost_nanousd")),
		2000);
	assert_true(json_is_null(json_object_get(bob, "cached_percent")));
	assert_true(json_real_value(json_object_get(
			    json_object_get(j, "total"), "cached_percent")) == 36.4);
	assert_string_equal(
		json_string_value(json_object_get(j, "since")), "2026-11-20T00:00:00Z");
	assert_true(json_is_null(json_object_get(j, "until")));
	json_decref(j);
	free(text);
	text = printed(&t, FORM_TEXT);
	assert_non_null(strstr(text, "0.0 +           0           -\n"));
	assert_non_null(strstr(text, "0.000002 +           5        36.4\n"));
	assert_non_null(strstr(text, "        US dollars       written    cached %\n"));
	assert_non_null(strstr(text, "\ntotal "));
	assert_non_null(strstr(text,
		"1 responses lack a price for a part of their usage, and the usage of 1 is"));
	free(text);
	usage_table_free(&t);
}

/* A cache hit used no tokens: the saved amount is counted separately, and shown if there is
 * one. */
static void
cache_hits_are_summed_separately(void **state)
{
	static const char *const asked[] = {
		DECISION("alice", "m", "\"permit\""),
		COMPLETION("alice", "m",
			"\"cache\":\"miss\",\"usage\":{\"input_tokens\":10,\"output_tokens\":5}"
			","
			"\"cost_nanousd\":1500"),
		DECISION("alice", "m", "\"permit\""),
		COMPLETION("alice", "m",
			"\"cache\":\"hit\",\"cache_embedded_tokens\":17,"
			"\"cache_embedded_nanousd\":34,\"cache_age_s\":3,\"saved\":{\"input_"
			"tokens\":10,"
			"\"output_tokens\":5,\"cost_nanousd\":1500}"),
		DECISION("alice", "m", "\"permit\""),
		COMPLETION("alice", "m", "\"cache\":\"hit\",\"cache_age_s\":4,\"saved\":{}"),
		COMPLETION("alice", "m", "\"cache\":\"off\",\"cache_why\":\"hit\""),
	};
	struct usage_table t = { .by = { BY_PERSON }, .nby = 1 };

	(void)state;
	assert_int_equal(usage_table_init(&t), 0);
	for (size_t i = 0; i < COUNT_OF(asked); i++) {
		usage_add(&t, span_str(asked[i]), SPAN_LIT("2026-11-21"));
		if (i > 1)
			continue;
		char *before = printed(&t, FORM_TEXT);
		assert_null(strstr(before, "saved"));
		free(before);
	}
	char *csv = printed(&t, FORM_CSV);
	if (!strstr(csv,
		    "\"alice\",3,0,0,10,0,0,0,5,0,0,0,0,0,0,1500,0,0,0,0,0,0,0,2,10,5,1500,17,34,0,0,0,0,0,0,"
		    "0.0,1,10.0,10,10,,"))
		fail_msg("%s", csv);
	free(csv);
	char *text = printed(&t, FORM_TEXT);
	if (!strstr(text,
		    "  hits    saved in   saved out     saved dollars    embedded  embedded "
		    "dollars        US dollars ") ||
		!strstr(text, "  2          10           5         0.0000015          17       "
			      "0.000000034         0.0000015 "))
		fail_msg("%s", text);
	free(text);
	text = printed(&t, FORM_JSON);
	assert_non_null(strstr(text,
		"\"cache_hits\":2,\"saved_input_tokens\":10,\"saved_output_tokens\":5,"
		"\"saved_nanousd\":1500,\"embedded_tokens\":17,\"embedded_nanousd\":34"));
	free(text);
	usage_table_free(&t);
}

/* Each of its tags has all of it; the total has it once. */
static void
record_counts_for_each_tag_and_once_in_the_total(void **state)
{
	struct usage_table t = { .by = { BY_TAG }, .nby = 1 };

	(void)state;
	sum_up(&t);
	char *csv = printed(&t, FORM_CSV);
	assert_non_null(strstr(csv, "\"x\",4,1,1,"));
	assert_non_null(strstr(csv, "\"y\",4,1,1,"));
	assert_non_null(strstr(csv, "\"\",0,0,0,11,"));
	assert_int_equal(t.total.sum[SUM_REQUESTS], 4);
	free(csv);
	usage_table_free(&t);
}

/* A request counts once for its caller, and once for each target that was asked. */
static void
request_counts_for_each_asked_target(void **state)
{
#define ASKED(type, decision, target, model)                                                   \
	"{\"v\":1,\"time\":\"2026-11-21T00:00:00Z\",\"type\":\"" type                          \
	"\",\"decision\":\"" decision "\",\"route\":\"r\",\"target\":\"" target                \
	"\",\"model\":\"" model                                                                \
	"\",\"identity\":{\"person\":\"ann\",\"agent\":\"coder\"},\"attempts\":[{\"target\":\"a/m\",\"cost\":5}]}"
	static const char *const asked[] = { ASKED("decision", "permit", "a", "m"),
		ASKED("attempt", "permit", "b", "m"), ASKED("attempt", "permit", "c", "n"),
		ASKED("attempt", "deny", "d", "m") };
	static const struct {
		enum usage_dim by;
		const char *rows[3]; /* with the requests of each */
	} tables[] = { { BY_TARGET, { "\"a/m\",1,", "\"b/m\",1,", "\"c/n\",1," } },
		{ BY_PROVIDER, { "\"a\",1,", "\"b\",1,", "\"c\",1," } },
		{ BY_MODEL, { "\"m\",2,", "\"n\",1,", "" } },
		{ BY_AGENT, { "\"coder\",1,", "", "" } },
		{ BY_PERSON, { "\"ann\",1,", "", "" } }, { BY_ROUTE, { "\"r\",1,", "", "" } } };

	(void)state;
	for (size_t i = 0; i < COUNT_OF(tables); i++) {
		struct usage_table t = { .by = { tables[i].by }, .nby = 1 };
		assert_int_equal(usage_table_init(&t), 0);
		for (size_t k = 0; k < COUNT_OF(asked); k++)
			usage_add(&t, span_str(asked[k]), SPAN_LIT("2026-11-21"));
		usage_count_attempts(&t);
		char *csv = printed(&t, FORM_CSV);
		for (size_t k = 0; k < 3; k++)
			if (!strstr(csv, tables[i].rows[k]) || strstr(csv, "\"d"))
				fail_msg("%s: %s", tables[i].rows[k], csv);
		free(csv);
		assert_int_equal(t.total.sum[SUM_REQUESTS], 1);
		assert_int_equal(t.total.sum[SUM_FURTHER], 2);
		assert_int_equal(t.total.sum[SUM_ESTIMATE], 0);
		usage_table_free(&t);
	}
}

/* The last attempt is the completion's own; the charges of earlier attempts belong to their
 * targets. */
static void
attempt_counts_for_its_target(void **state)
{
	static const char line[] = COMPLETION("alice", "m2",
		"\"attempts\":[{\"target\":\"a/x/m1\",\"cause\":\"throttled\",\"ms\":3},"
		"{\"target\":\"b\",\"cause\":\"perhaps_billed\",\"tokens\":9,\"cost\":40,"
		"\"maybe_billed\":true},{\"target\":\"openai/m2\",\"cause\":\"done\","
		"\"cost\":700}],\"usage\":{\"input_tokens\":10},\"cost_nanousd\":700,"
		"\"tags\":[\"x\"]");
	struct usage_table t = { .by = { BY_TARGET, BY_TAG }, .nby = 2 };

	(void)state;
	assert_int_equal(usage_table_init(&t), 0);
	usage_add(&t, span_str(line), SPAN_LIT("2026-11-21"));
	usage_sort(&t);
	char *csv = printed(&t, FORM_CSV);
	if (!strstr(csv, "\"openai/"
			 "m2\",\"x\",0,0,0,10,0,0,0,0,0,0,0,0,0,0,700,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0."
			 "0,1,10.0,10,10,,") ||
		!strstr(csv, "\"b\",\"x\",0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,40,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,"
			     NO_FIGURES) ||
		strstr(csv, "a/x"))
		fail_msg("%s", csv);
	free(csv);
	assert_int_equal(t.total.sum[SUM_COST], 700);
	assert_int_equal(t.total.sum[SUM_ESTIMATE], 40);
	char *text = printed(&t, FORM_TEXT);
	if (!strstr(text, "0.0 +           0           -\n") ||
		!strstr(text, "0.0000007 +           0         0.0\n+ the actual cost is "
			      "higher: 0 responses") ||
		!strstr(text, "earlier attempts cost at most 0.00000004)"))
		fail_msg("%s", text);
	free(text);
	usage_table_free(&t);
	t = (struct usage_table){ .by = { BY_PROVIDER, BY_MODEL }, .nby = 2 };
	assert_int_equal(usage_table_init(&t), 0);
	usage_add(&t, span_str(line), SPAN_LIT("2026-11-21"));
	csv = printed(&t, FORM_CSV);
	assert_non_null(strstr(csv, "\"b\",\"\",0,"));
	assert_non_null(strstr(csv, "\"openai\",\"m2\",0,"));
	free(csv);
	/* cut anywhere, nothing is read beyond the end */
	for (size_t n = 0; n < sizeof(line) - 1; n++) {
		char *p = guard_dup(line, n);
		usage_add(&t, span_of(p, n), SPAN_LIT(""));
		guard_free(p, n);
	}
	usage_table_free(&t);
}

/* ---- means, percentiles and growth ---- */

#define ANSWERED(id, who, input, rest)                                                         \
	"{\"v\":1,\"time\":\"2026-11-21T00:00:00Z\",\"type\":\"completion\",\"id\":\"" id           \
	"\",\"identity\":{\"person\":\"" who "\"},\"tags\":[\"x\",\"y\"],\"usage\":{"               \
	"\"input_tokens\":" input "},\"cost_nanousd\":10" rest "}"
#define TIMES(streamed, first, whole)                                                          \
	",\"answer\":{" streamed "\"model\":\"m\",\"first_text_us\":" first                        \
	"},\"duration_us\":" whole
#define STREAMED "\"streamed\":true,"

static void
add_lines(struct usage_table *t, const char *const *line, size_t n)
{
	assert_int_equal(usage_table_init(t), 0);
	for (size_t i = 0; i < n; i++)
		usage_add(t, span_str(line[i]), SPAN_LIT("2026-11-21"));
}

/* Compares the columns at the end of the CSV row that begins with `name`. */
static void
figures_are(const char *csv, const char *name, const char *want)
{
	char begin[64];

	snprintf(begin, sizeof(begin), "\n\"%s\",", name);
	const char *row = strstr(csv, begin);
	if (!row)
		fail_msg("%s is missing: %s", name, csv);
	const char *end = strstr(row, "\r\n");
	size_t n = strlen(want);
	if ((size_t)(end - row) < n || strncmp(end - n, want, n) != 0)
		fail_msg("%s: %.*s does not end with %s", name, (int)(end - row - 1), row + 1,
			want);
}

static const char *const answers[] = {
	/* 7 tokens after the first in 7 ms */
	ANSWERED("01B", "ann", "100,\"output_tokens\":8", TIMES(STREAMED, "2000", "9000")),
	/* 2 tokens after the first in 1 ms: reasoning is not text */
	ANSWERED("01C", "ann", "300,\"output_tokens\":12,\"reasoning_tokens\":9",
		TIMES(STREAMED, "4000", "5000")),
	ANSWERED("01A", "ann", "300", TIMES("", "7000", "7500")),
	/* of equal size, with a later id */
	ANSWERED("01G", "ann", "300", ""),
	ANSWERED("01D", "ann", "0", ""),
	/* without text: the time is not that of a response */
	ANSWERED("01E", "bob", "5", ",\"duration_us\":99"),
	/* a response from the gateway's own cache */
	ANSWERED("01F", "eve", "0", ",\"cache\":\"hit\"" TIMES(STREAMED, "200", "300")),
	ANSWERED("a b\\u0000", "carl", "7", ""),
	ANSWERED("01234567890123456789012345678901", "dora", "7", ""),
};

static void
prompts_and_times_have_mean_p95_and_maximum_columns(void **state)
{
	static const struct {
		const char *name, *want;
	} rows[] = {
		{ "ann", ",4,250.0,300,300,01A,,,,,2,3.0,4.0,4.0,3,7.2,9.0,9.0,2.0,7.5,2,1500.0,1007.6,1007.6,2000.0,10,10,01A,01B,," },
		{ "bob", ",1,5.0,5,5,01E,,,,,0,,,,0,,,,,,0,,,,,10,10,01E,,," },
		{ "eve", ",0,,,,,,,,,0,,,,0,,,,,,0,,,,,10,10,01F,,," },
		/* a foreign id is not shown */
		{ "carl", ",1,7.0,7,7,,,,,,0,,,,0,,,,,,0,,,,,10,10,,,," },
		{ "dora", ",1,7.0,7,7,,,,,,0,,,,0,,,,,,0,,,,,10,10,,,," },
	};
	struct usage_table t = { .by = { BY_PERSON }, .nby = 1 };

	(void)state;
	add_lines(&t, answers, COUNT_OF(answers));
	char *csv = printed(&t, FORM_CSV);
	for (size_t i = 0; i < COUNT_OF(rows); i++)
		figures_are(csv, rows[i].name, rows[i].want);
	free(csv);
	char *text = printed(&t, FORM_TEXT);
	if (!strstr(text, "\nprompts in tokens, times in ms\n") || strstr(text, "growth") ||
		strstr(text, "+%") ||
		!strstr(text, "           4       250.0         300         300"
			      "                         01A         3.0         4.0         7.2"
			      "         9.0         2.0         7.5      1007.6      1007.6"
			      "        0.00000001        0.00000001                         01A                         01B\n"))
		fail_msg("%s", text);
	free(text);
	text = printed(&t, FORM_JSON);
	json_t *j = json_loads(text, 0, NULL);
	if (!j)
		fail_msg("%s", text);
	json_t *total = json_object_get(j, "total");
	assert_int_equal(json_integer_value(json_object_get(total, "prompt_tokens_count")), 7);
	assert_string_equal(
		json_string_value(json_object_get(total, "prompt_tokens_max_id")), "01A");
	assert_true(json_is_null(json_object_get(total, "requests_growth_percent")));
	assert_true(json_is_null(json_object_get(j, "before")));
	json_decref(j);
	free(text);
	usage_table_free(&t);
}

/* Each tag has all values of the record; the total has them once. */
static void
values_count_for_each_tag_and_once_in_the_total(void **state)
{
	struct usage_table t = { .by = { BY_TAG }, .nby = 1 };

	(void)state;
	add_lines(&t, answers, 3);
	char *csv = printed(&t, FORM_CSV);
	figures_are(csv, "x", ",3,233.3,300,300,01A,,,,,2,3.0,4.0,4.0,3,7.2,9.0,9.0,2.0,7.5,2,1500.0,1007.6,1007.6,2000.0,10,10,01A,01B,,");
	figures_are(csv, "y", ",3,233.3,300,300,01A,,,,,2,3.0,4.0,4.0,3,7.2,9.0,9.0,2.0,7.5,2,1500.0,1007.6,1007.6,2000.0,10,10,01A,01B,,");
	assert_int_equal(t.total.spread[SPREAD_PROMPT].n, 3);
	free(csv);
	usage_table_free(&t);
}

static void
without_prompts_lines_have_no_second_table(void **state)
{
	static const char *const asked[] = { DECISION("ann", "m", "\"permit\"") };
	struct usage_table t = { .by = { BY_PERSON }, .nby = 1 };

	(void)state;
	add_lines(&t, asked, 1);
	char *text = printed(&t, FORM_TEXT);
	assert_null(strstr(text, "prompts"));
	free(text);
	usage_table_free(&t);
}

static void
growth_is_relative_to_the_previous_period(void **state)
{
	static const char *const now[] = {
		DECISION("ann", "m", "\"permit\""),
		DECISION("ann", "m", "\"permit\""),
		DECISION("ann", "m", "\"permit\""),
		ANSWERED("01A", "ann", "90", ""),
		DECISION("new", "m", "\"permit\""),
		ANSWERED("01B", "new", "40", ""),
		DECISION("late", "m", "\"permit\""),
		ANSWERED("01C", "late", "10", ""),
		ANSWERED("01D", "flat", "9999", ""),
	};
	static const char *const was[] = {
		DECISION("ann", "m", "\"permit\""),
		DECISION("ann", "m", "\"permit\""),
		ANSWERED("00A", "ann", "60", ""),
		ANSWERED("00B", "ann", "60", ""),
		ANSWERED("00C", "flat", "10000", ""),
		DECISION("gone", "m", "\"permit\""),
		/* only a refusal: no earlier tokens to compare with */
		DECISION("late", "m", "\"deny\""),
	};
	static const struct {
		const char *name, *want;
	} rows[] = {
		{ "ann", ",50.0,-25.0,50.0,-50.0,0,,,,0,,,,,,0,,,,,10,10,01A,,0.0,0.0" },
		{ "new", ",01B,,,,,0,,,,0,,,,,,0,,,,,10,10,01B,,0.0," },
		/* -0.01 % */
		{ "flat", ",01D,,0.0,0.0,0.0,0,,,,0,,,,,,0,,,,,10,10,01D,,," },
		{ "late", ",01C,0.0,,,,0,,,,0,,,,,,0,,,,,10,10,01C,,0.0,-100.0" },
	};
	struct usage_table t = { .by = { BY_PERSON }, .nby = 1 };
	struct usage_before before = { .table = { .by = { BY_PERSON }, .nby = 1 },
		.since = "2026-11-19T00:00:00.000000000Z",
		.until = "2026-11-20T00:00:00.000000000Z",
		.first = "2026-11-19T08:00:00.000000000Z" };

	(void)state;
	add_lines(&t, now, COUNT_OF(now));
	add_lines(&before.table, was, COUNT_OF(was));
	char *csv = printed_after(&t, &before, FORM_CSV);
	for (size_t i = 0; i < COUNT_OF(rows); i++)
		figures_are(csv, rows[i].name, rows[i].want);
	assert_null(strstr(csv, "gone"));
	free(csv);
	char *text = printed_after(&t, &before, FORM_TEXT);
	if (!strstr(text, "growth since the period from 2026-11-19T00:00:00Z to "
			  "2026-11-20T00:00:00Z (first "
			  "record: "
			  "2026-11-19T08:00:00Z)\n") ||
		!strstr(text, "        50.0       -25.0        50.0       -50.0 ") ||
		!strstr(text,
			"         01B           -           -           -           - ") ||
		/* the total: 4 to 5 requests, 10120 to 10139 tokens, 3373.3 to 2534.8 per
		 * prompt
		 */
		!strstr(text, "        25.0         0.2       -24.9        33.3 "))
		fail_msg("%s", text);
	free(text);
	text = printed_after(&t, &before, FORM_JSON);
	assert_non_null(strstr(text,
		"\"before\":{\"since\":\"2026-11-19T00:00:00.000000000Z\",\"until\":\"2026-11-"
		"20T00:00:00.000000000Z\",\"first_record\":\"2026-11-19T08:00:00.000000000Z\"}"));
	json_t *j = json_loads(text, 0, NULL);
	assert_non_null(j);
	json_decref(j);
	free(text);
	usage_table_free(&t);
	usage_table_free(&before.table);
}

/* The dearest request of each group and its id. Orders by cost_max and by refused_growth. */
static void
dearest_requests_and_rising_refusals_come_first(void **state)
{
#define COSTS(id, who, nanousd)                                                                \
	"{\"v\":1,\"time\":\"2026-11-21T00:00:00Z\",\"type\":\"completion\",\"id\":\"" id           \
	"\",\"identity\":{\"person\":\"" who "\"},\"cost_nanousd\":" nanousd "}"
	static const char *const now[] = {
		/* all that cal sends is cheap, but cal sends most */
		COSTS("01A", "cal", "900"), COSTS("01B", "cal", "900"), COSTS("01C", "cal", "900"),
		COSTS("01D", "ann", "2000000000"), COSTS("01E", "ann", "5"), COSTS("01F", "bob", "1000"),
		/* ann: 1 of 4 refused, as before; bob: 3 of 6, before 1 of 6; cal: its only one */
		DECISION("ann", "m", "\"deny\""), DECISION("ann", "m", "\"permit\""),
		DECISION("ann", "m", "\"permit\""), DECISION("ann", "m", "\"redact\""),
		DECISION("bob", "m", "\"deny\""), DECISION("bob", "m", "\"deny\""),
		DECISION("bob", "m", "\"deny\""), DECISION("bob", "m", "\"permit\""),
		DECISION("bob", "m", "\"permit\""), DECISION("bob", "m", "\"permit\""),
		DECISION("cal", "m", "\"deny\""), DECISION("dan", "m", "\"permit\""),
	};
	static const char *const was[] = {
		DECISION("ann", "m", "\"deny\""), DECISION("ann", "m", "\"permit\""),
		DECISION("ann", "m", "\"permit\""), DECISION("ann", "m", "\"permit\""),
		DECISION("bob", "m", "\"deny\""), DECISION("bob", "m", "\"permit\""),
		DECISION("bob", "m", "\"permit\""), DECISION("bob", "m", "\"permit\""),
		DECISION("bob", "m", "\"permit\""), DECISION("bob", "m", "\"permit\""),
		DECISION("cal", "m", "\"permit\""), DECISION("dan", "m", "\"deny\""),
	};
	static const struct {
		const char *name, *want;
	} rows[] = {
		{ "ann", ",1000000002,2000000000,01D,,25.0,0.0" },
		{ "bob", ",1000,1000,01F,,50.0,33.3" },
		{ "cal", ",900,900,01A,,100.0,100.0" },
		{ "dan", ",,,,,0.0,-100.0" },
	};
	static const struct {
		enum usage_order order;
		const char *want; /* the first letters of the rows in order */
	} orders[] = { { ORDER_COST, "acbd" }, { ORDER_DEAREST, "abcd" }, { ORDER_REFUSED, "bacd" },
		{ ORDER_REFUSED_MORE, "bcad" } };
	struct usage_table t = { .by = { BY_PERSON }, .nby = 1 };
	struct usage_before before = { .table = { .by = { BY_PERSON }, .nby = 1 },
		.since = "2026-11-19T00:00:00.000000000Z",
		.until = "2026-11-20T00:00:00.000000000Z" };

	(void)state;
	add_lines(&t, now, COUNT_OF(now));
	add_lines(&before.table, was, COUNT_OF(was));
	char *csv = printed_after(&t, &before, FORM_CSV);
	for (size_t i = 0; i < COUNT_OF(rows); i++)
		figures_are(csv, rows[i].name, rows[i].want);
	free(csv);
	for (size_t i = 0; i < COUNT_OF(orders); i++) {
		struct usage_page p = { .order = orders[i].order, .before = &before };
		char got[8] = "";
		assert_int_equal(usage_paged(&t, &p), 0);
		assert_int_equal(p.n, 4);
		for (size_t k = 0; k < p.n; k++)
			got[k] = p.row[k]->key[1];
		assert_string_equal(got, orders[i].want);
		free(p.row);
	}
	char *text = printed_after(&t, &before, FORM_TEXT);
	if (!strstr(text, "1.000000002               2.0                         01D        25.0         0.0\n") ||
		!strstr(text, "   refused % refused +pp\n"))
		fail_msg("%s", text);
	free(text);
	usage_table_free(&t);
	usage_table_free(&before.table);
}

/* One slow response does not make a group slow. */
static void
slowest_group_has_the_largest_median(void **state)
{
	static const char *const answered[] = {
		ANSWERED("01A", "ann", "1", TIMES("", "1", "9000000")),
		ANSWERED("01B", "ann", "1", TIMES("", "1", "100")),
		ANSWERED("01C", "ann", "1", TIMES("", "1", "100")),
		ANSWERED("01D", "bob", "1", TIMES("", "1", "5000")),
		ANSWERED("01E", "cal", "1", ""),
	};
	struct usage_table t = { .by = { BY_PERSON }, .nby = 1 };
	struct usage_page p = { .order = ORDER_TIME };

	(void)state;
	add_lines(&t, answered, COUNT_OF(answered));
	assert_int_equal(usage_paged(&t, &p), 0);
	assert_int_equal(p.n, 3);
	assert_string_equal(p.row[0]->key, "\"bob\"");
	assert_string_equal(p.row[1]->key, "\"ann\"");
	assert_string_equal(p.row[1]->of.largest_id[LARGEST_TIME], "01A");
	assert_string_equal(p.row[2]->of.largest_id[LARGEST_PROMPT], "01E");
	free(p.row);
	usage_table_free(&t);
}

static void
groups_without_room_are_combined(void **state)
{
	struct usage_table t = { .by = { BY_MODEL }, .nby = 1 };
	char line[256];

	(void)state;
	assert_int_equal(usage_table_init(&t), 0);
	for (size_t i = 0; i < CAP_USAGE_GROUPS + 10; i++) {
		int n = snprintf(line, sizeof(line),
			"{\"type\":\"decision\",\"decision\":\"permit\",\"model\":\"m%zu\"}",
			i);
		usage_add(&t, span_of(line, (size_t)n), SPAN_LIT(""));
	}
	assert_true(t.full);
	assert_int_equal(t.ngroups, CAP_USAGE_GROUPS + 1);
	assert_in_range(t.index_size, t.ngroups, 8 * t.ngroups);
	assert_int_equal(t.group[0].of.sum[SUM_REQUESTS], 10);
	assert_int_equal(t.total.sum[SUM_REQUESTS], CAP_USAGE_GROUPS + 10);
	usage_table_free(&t);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(members_are_found_in_one_scan),
		cmocka_unit_test(record_counts_for_its_person),
		cmocka_unit_test(record_counts_for_each_tag_and_once_in_the_total),
		cmocka_unit_test(attempt_counts_for_its_target),
		cmocka_unit_test(cache_hits_are_summed_separately),
		cmocka_unit_test(request_counts_for_each_asked_target),
		cmocka_unit_test(prompts_and_times_have_mean_p95_and_maximum_columns),
		cmocka_unit_test(values_count_for_each_tag_and_once_in_the_total),
		cmocka_unit_test(without_prompts_lines_have_no_second_table),
		cmocka_unit_test(growth_is_relative_to_the_previous_period),
		cmocka_unit_test(dearest_requests_and_rising_refusals_come_first),
		cmocka_unit_test(slowest_group_has_the_largest_median),
		cmocka_unit_test(groups_without_room_are_combined),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
