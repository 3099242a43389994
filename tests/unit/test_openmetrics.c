/* OpenMetrics: which requests get it, and that a strict reader accepts
 * the whole output. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/metrics.h"
#include "budget/tally/tally.h"
#include "operator/telemetry/openmetrics.h"
#include "support/openmetrics_check.h"

static struct tallies *w[2];
static struct series_sum *sum;
static struct om_check checked;

#define TRACE "4bf92f3577b34da6a3ce929d0e0e4736"
#define ID    "01J9ZQ4T5N8E2B7C6D5F4G3H2A"

static void
openmetrics_is_sent_if_accepted(void **state)
{
	(void)state;
	/* clang-format off */
	static const struct { const char *name, *accept; bool want; } rows[] = {
		{ "nothing said", NULL, false },
		{ "empty", "", false },
		{ "anything", "*/*", false },
		{ "the text format", "text/plain;version=0.0.4", false },
		{ "OpenMetrics", "application/openmetrics-text", true },
		{ "in another case", "Application/OpenMetrics-Text; Version=1.0.0", true },
		{ "with a charset", "application/openmetrics-text; version=1.0.0; charset=utf-8", true },
		{ "quoted", "application/openmetrics-text;version=\"1.0.0\"", true },
		{ "an older version", "application/openmetrics-text;version=0.0.1", false },
		{ "a later one", "application/openmetrics-text;version=2.0.0", false },
		{ "Prometheus 2.42", "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1", true },
		{ "Prometheus 3", "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,application/openmetrics-text;version=0.0.1;q=0.5,text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,text/plain;version=0.0.4;q=0.3,*/*;q=0.2", true },
		{ "text is liked more", "application/openmetrics-text;q=0.3,text/plain;q=0.5", false },
		{ "anything is liked more", "application/openmetrics-text;q=0.3,*/*", false },
		{ "as much as text", "text/plain,application/openmetrics-text", true },
		{ "refused", "application/openmetrics-text;q=0", false },
		{ "refused in full", "application/openmetrics-text;q=0.000,text/plain;q=0", false },
		{ "a quality that is none", "application/openmetrics-text;q=high", false },
		{ "a quality over 1", "application/openmetrics-text;q=9", false },
		{ "commas alone", ",,;,;q=,", false },
		{ "another type that begins so", "application/openmetrics-text2", false },
	};
	/* clang-format on */
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		if (openmetrics_wanted(rows[i].accept) != rows[i].want)
			fail_msg("%s", rows[i].name);
	}
}

/* Writes all tables of two workers, as text or as OpenMetrics. */
static char *
write_all(bool open)
{
	static struct metrics m;
	struct metrics *const blocks[] = { &m };
	const struct tallies *const all[] = { w[0], w[1] };
	struct buf text, out;

	buf_init(&text, 0);
	buf_init(&out, 0);
	tally_write(sum, &text, all, 2, open);
	metrics_write(&text, blocks, 1);
	metrics_head(&text, "held_bytes", "gauge", "bytes of \"bodies\" held");
	buf_str(&text, "tollgate_held_bytes 12\n");
	metrics_head(&text, "odd", "gauge", "labels that are hard to read");
	buf_str(&text, "tollgate_odd{a=\"} # {x\\\"=\\\\\",b=\"x y,z=\"} 1.500\n");
	if (open)
		openmetrics_write(&out, buf_view(&text));
	else
		buf_span(&out, buf_view(&text));
	buf_putc(&out, '\0');
	char *s = strdup(out.p + out.start);
	buf_free(&text);
	buf_free(&out);
	return s;
}

static void
fill(void)
{
	const struct span label[SERIES_LABELS] = { SPAN_LIT("a \"route\"\\"), SPAN_LIT("openai"),
		SPAN_LIT("other") };

	for (int i = 0; i < 2; i++) {
		w[i] = calloc(1, sizeof(*w[i]));
		for (uint64_t us = 1; us < 10000000; us *= 3) {
			histogram_add(&w[i]->stage[STAGE_TOTAL], us);
			histogram_add(&w[i]->stage[STAGE_READ], us);
		}
		series_count(&w[i]->series, label, &(struct series_part){ SERIES_PERMIT, 3 }, 1);
		struct provider_entry *e = provider_entry(&w[i]->providers, SPAN_LIT("openai"));
		provider_heard(e, true, 1234567);
		provider_answered(e, 200, 1);
		call_tally_add(&w[i]->calls, SPAN_LIT("crm"), SPAN_LIT("find"), CALL_DENY);
	}
	sum = series_sum_new();
}

static void
drop(void)
{
	series_sum_free(&sum);
	free(w[0]);
	free(w[1]);
}

static void
output_passes_the_strict_reader(void **state)
{
	(void)state;
	fill();
	char *s = write_all(true);
	assert_non_null(strstr(s, "# TYPE tollgate_decisions counter\n"));
	assert_non_null(strstr(s, "\ntollgate_decisions_total{decision=\"permit\"} 0\n"));
	assert_non_null(strstr(s, "# UNIT tollgate_stage_seconds seconds\n"));
	assert_non_null(strstr(s, "# UNIT tollgate_scanned_bytes bytes\n"));
	assert_non_null(strstr(s, "stage=\"total\",le=\"2.5e-05\"} "));
	assert_non_null(strstr(s, "le=\"1000.0\"} "));
	assert_non_null(strstr(s, "bytes of \\\"bodies\\\" held\n"));
	assert_non_null(strstr(s, "tollgate_odd{a=\"} # {x\\\"=\\\\\",b=\"x y,z=\"} 1.500\n"));
	assert_null(strstr(s, "trace_id"));
	if (!om_check(&checked, s))
		fail_msg("%s", checked.why);
	assert_true(checked.samples > 200);
	free(s);
	drop();
}

static void
exemplars_are_written_only_in_openmetrics(void **state)
{
	(void)state;
	fill();
	char *before = write_all(false);
	exemplar_put(&w[0]->total, 20, TRACE, "01OLDER0000000000000000000", 1790000000000);
	exemplar_put(&w[1]->total, 21, TRACE, ID, 1790000000123);
	exemplar_put(&w[0]->total, 99000000, TRACE, ID, 1790000000123);
	struct provider_entry *e = provider_entry(&w[0]->providers, SPAN_LIT("openai"));
	exemplar_put(&e->first_byte_of[1], 1234, TRACE, ID, 1790000000123);
	char *after = write_all(false), *s = write_all(true);
	assert_string_equal(before, after); /* the text format has no exemplars */
	assert_non_null(strstr(s,
		"le=\"2.5e-05\"} 6 # {trace_id=\"" TRACE "\",decision_id=\"" ID
		"\"} 0.000021 1790000000.123\n"));
	assert_non_null(strstr(s, "le=\"+Inf\"} 30 # {trace_id="));
	assert_non_null(strstr(s, "} 1.234000 1790000000.123\n"));
	assert_null(strstr(s, "OLDER"));
	if (!om_check(&checked, s))
		fail_msg("%s", checked.why);
	assert_int_equal(checked.exemplars, 3);
	/* an exemplar that is being written is skipped */
	w[1]->total.bucket[1].turn++;
	free(s);
	s = write_all(true);
	assert_non_null(strstr(s, "OLDER"));
	free(s);
	free(before);
	free(after);
	drop();
}

/* The checker must detect errors. */
static void
checker_detects_errors(void **state)
{
	(void)state;
	/* clang-format off */
	static const struct { const char *text, *why; } rows[] = {
		{ "# TYPE a counter\na_total 1\n# EOF\n", "" },
		{ "# TYPE a counter\na_total 1\n", "no # EOF" },
		{ "# TYPE a counter\na_total 1\n# EOF\n\n", "more after" },
		{ "# TYPE a counter\na 1\n# EOF\n", "no sample" },
		{ "a 1\n# EOF\n", "not of the family" },
		{ "# TYPE a gauge\na{x=\"1\"} 1\na{x=\"1\"} 2\n# EOF\n", "twice" },
		{ "# TYPE a gauge\n# UNIT a bytes\n# EOF\n", "its unit" },
		{ "# TYPE a gauge\n# HELP a say \"x\"\n# EOF\n", "bare quote" },
		{ "# TYPE a gauge\na 1 # {t=\"1\"} 1\n# EOF\n", "exemplar at a gauge" },
		{ "# TYPE a histogram\na_bucket{le=\"1\"} 1\n# EOF\n", "\"1.0\"" },
		{ "# TYPE a histogram\na_bucket{le=\"1.0\"} 1 # {t=\"1\"} 2\n# EOF\n", "in a bucket" },
		{ "# TYPE a histogram\na_bucket{le=\"1.0\"} 2\na_bucket{le=\"+Inf\"} 1\n# EOF\n", "grow" },
		{ "# TYPE a histogram\na_bucket{le=\"+Inf\"} 1\na_count 2\n# EOF\n", "+Inf" },
	};
	/* clang-format on */
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		char *s = strdup(rows[i].text);
		bool ok = om_check(&checked, s);
		if (ok != !rows[i].why[0] || !strstr(checked.why, rows[i].why))
			fail_msg("%s: %s", rows[i].text, checked.why);
		free(s);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(openmetrics_is_sent_if_accepted),
		cmocka_unit_test(output_passes_the_strict_reader),
		cmocka_unit_test(exemplars_are_written_only_in_openmetrics),
		cmocka_unit_test(checker_detects_errors),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
