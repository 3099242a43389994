/* Data for a collector and its responses: spans of records, sampling, GenAI metrics, /metrics
 * as OTLP JSON, responses, and the file of header fields.
 * tests/e2e/otlp.mjs checks each field with opentelemetry-proto. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include "base/caps.h"
#include "base/err.h"
#include "operator/telemetry/headers.h"
#include "operator/telemetry/otlp_answer.h"
#include "operator/telemetry/otlp_metrics.h"
#include "operator/telemetry/spans.h"

#define ID     "01J9ZQ4T5N8E2B7C6D5F4G3H2A"
#define TRACE  "4bf92f3577b34da6a3ce929d0e0e4736"
#define PARENT "00f067aa0ba902b7"

static void
responses_of_a_collector_are_read(void **state)
{
	(void)state;
	/* clang-format off */
	static const struct { const char *name; int err, status; const char *body, *after; enum otlp_end end; uint64_t rejected, after_s; const char *said; } rows[] = {
		{ "taken", 0, 200, "{}", "", OTLP_TAKEN, 0, 0, "" },
		{ "taken, with nothing said", 0, 200, " \n", "", OTLP_TAKEN, 0, 0, "" },
		{ "taken in part, the count a text", 0, 200, "{\"partialSuccess\":{\"rejectedSpans\":\"3\",\"errorMessage\":\"too\\u0007 many\\u00e9\"}}", "", OTLP_TAKEN, 3, 0, "too? many??" },
		{ "taken in part, a number, no message", 0, 200, "{\"partial_success\":{\"rejected_data_points\":7}}", "", OTLP_TAKEN, 7, 0, "the collector rejected some of the data" },
		{ "a warning alone", 0, 200, "{\"partialSuccess\":{\"errorMessage\":\"hm\"}}", "", OTLP_TAKEN, 0, 0, "hm" },
		{ "less than none", 0, 200, "{\"partialSuccess\":{\"rejectedSpans\":-1}}", "", OTLP_TAKEN, 0, 0, "" },
		{ "a page", 0, 200, "<html>", "", OTLP_UNREAD, 0, 0, "status 2xx, but the body is not a JSON object of OTLP" },
		{ "a list", 0, 200, "[]", "", OTLP_UNREAD, 0, 0, NULL },
		{ "too long", ERR_LIMIT, 0, "", "", OTLP_UNREAD, 0, 0, "the response is too long" },
		{ "no HTTP", ERR_SYNTAX, 0, "", "", OTLP_UNREAD, 0, 0, NULL },
		{ "nobody there", ERR_IO, 0, "", "", OTLP_AGAIN, 0, 0, "why" },
		{ "too late", ERR_TIMEOUT, 0, "", "", OTLP_AGAIN, 0, 0, "why" },
		{ "busy", 0, 429, "", "7", OTLP_AGAIN, 0, 7, "status 429" },
		{ "busy for ever", 0, 503, "", "99999999", OTLP_AGAIN, 0, 300, NULL },
		{ "busy till a date", 0, 503, "", "Mon, 01 Jan 2035 00:00:00 GMT", OTLP_AGAIN, 0, 0, NULL },
		{ "a bad gateway", 0, 502, "<html>", "", OTLP_AGAIN, 0, 0, NULL },
		{ "a gateway's timeout", 0, 504, "", "", OTLP_AGAIN, 0, 0, NULL },
		{ "an error that stays", 0, 500, "", "5", OTLP_NEVER, 0, 0, "status 500" },
		{ "wrong", 0, 400, "", "", OTLP_NEVER, 0, 0, NULL },
		{ "elsewhere", 0, 307, "", "", OTLP_NEVER, 0, 0, "status 307, a redirect, which is not followed" },
	};
	/* clang-format on */
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct otlp_answer a;
		otlp_answer(&a, rows[i].err, "why", rows[i].status, span_str(rows[i].body),
			span_str(rows[i].after));
		if (a.end != rows[i].end || a.rejected != rows[i].rejected ||
			a.after_us != rows[i].after_s * 1000000 ||
			(rows[i].said && strcmp(a.said, rows[i].said)))
			fail_msg("%s: %d %llu %llu \"%s\"", rows[i].name, (int)a.end,
				(unsigned long long)a.rejected, (unsigned long long)a.after_us,
				a.said);
	}
}

static struct audit_note
note(const char *trace)
{
	struct audit_note n = { .id = ID,
		.begun_us = 1000000,
		.begun_ns = 1790000000000000000,
		.format = "openai",
		.endpoint = "chat",
		.model = "gpt-4o",
		.outcome = "complete",
		.status = 200,
		.stage_us = { 10, 20, 30 } };

	memcpy(n.trace, trace, strlen(trace));
	return n;
}

static void
sampling_follows_caller_or_share(void **state)
{
	(void)state;
	static const double ratios[] = { 0, 0.25, 0.5, 1 };
	struct span_ids ids;
	struct audit_note n = note("00-" TRACE "-" PARENT "-01");

	span_ids(&n, span_least(0), &ids);
	assert_true(ids.sampled && ids.has_parent);
	n = note("00-" TRACE "-" PARENT "-00");
	span_ids(&n, span_least(1), &ids);
	/* the caller's decision */
	assert_false(ids.sampled);
	/* without a caller's trace, the trace id is derived from the request id, and a share of
	 * ids is sampled */
	n = note("");
	span_ids(&n, span_least(1), &ids);
	assert_true(ids.sampled && !ids.has_parent);
	static const unsigned char want[16] = { 0x01, 0x92, 0x7f, 0x72, 0x68, 0xb5, 0x43, 0x84,
		0xb3, 0xb0, 0xcd, 0x2b, 0xc9, 0x01, 0xc4, 0x4a };
	assert_memory_equal(ids.trace, want, 16);
	for (size_t r = 0; r < COUNT_OF(ratios); r++) {
		size_t taken = 0;
		for (unsigned i = 0; i < 4096; i++) {
			static const char digits[] = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";
			uint64_t x = (i + 1) * UINT64_C(0x9E3779B97F4A7C15);
			for (size_t k = 14; k < 26; k++, x >>= 5)
				n.id[k] = digits[x & 31];
			span_ids(&n, span_least(ratios[r]), &ids);
			taken += ids.sampled;
		}
		double share = (double)taken / 4096;
		assert_true(share >= ratios[r] - 0.05 && share <= ratios[r] + 0.05);
	}
}

/* Returns the spans of a record as a list. */
static json_t *
spans(const struct audit_note *n, const char *fields)
{
	struct span_ids ids;
	struct buf b;

	span_ids(n, 0, &ids);
	buf_init(&b, 0);
	buf_putc(&b, '[');
	size_t count = spans_write(&b, n, 42, span_str(fields), n->begun_us + 5000, &ids);
	buf_putc(&b, ']');
	json_t *list = json_loadb(b.p + b.start, b.n, JSON_REJECT_DUPLICATES, NULL);
	if (!list || json_array_size(list) != count)
		fail_msg("%.*s", SPAN_ARG(buf_view(&b)));
	buf_free(&b);
	return list;
}

static const char *
text(const json_t *span, const char *name)
{
	const json_t *v = json_object_get(span, name), *a;
	size_t i;

	if (v)
		return json_string_value(v) ? json_string_value(v) : "";
	json_array_foreach(json_object_get(span, "attributes"), i, a) {
		const json_t *value = json_object_get(a, "value");
		if (strcmp(json_string_value(json_object_get(a, "key")), name))
			continue;
		v = json_object_get(value, "stringValue");
		v = v ? v : json_object_get(value, "intValue");
		return json_string_value(v) ? json_string_value(v) : "?";
	}
	return "";
}

static void
span_of_a_decision_has_its_attributes(void **state)
{
	(void)state;
	struct audit_note n = note("00-" TRACE "-" PARENT "-01");
	json_t *list = spans(&n,
		"\"type\":\"decision\",\"decision\":\"deny\",\"status\":403,\"code\":"
		"\"permission_denied\","
		"\"reason\":\"no text\",\"rule\":\"r\",\"via\":\"relay\",\"route\":\"chat\","
		"\"request\":{\"path\":\"/hidden\"},\"identity\":{\"person\":\"alice\"},"
		"\"calls\":[{\"by\":\"mcp\",\"server\":\"crm\",\"method\":\"tools/"
		"call\",\"tool\":\"say "
		"hello\",\"decision\":\"deny\"}]");
	const json_t *s = json_array_get(list, 0), *call = json_array_get(list, 1);

	assert_int_equal(json_array_size(list), 2);
	assert_string_equal(text(s, "traceId"), TRACE);
	assert_string_equal(text(s, "parentSpanId"), PARENT);
	assert_string_equal(text(s, "name"), "decide chat");
	assert_string_equal(text(s, "error.type"), "permission_denied");
	assert_string_equal(text(s, "tollgate.record.seq"), "42");
	assert_string_equal(text(s, "startTimeUnixNano"), "1790000000000000000");
	assert_string_equal(text(s, "endTimeUnixNano"), "1790000000005000000");
	assert_null(json_object_get(s, "status")); /* a denial is not an error of the gateway */
	assert_int_equal(json_array_size(json_object_get(s, "events")), 4);
	assert_string_equal(text(call, "parentSpanId"), text(s, "spanId"));
	assert_string_equal(
		/* the tool's name is text of the caller, so it is not in the span's name */
		text(call, "name"), "tools/call");
	char *all = json_dumps(list, 0);
	assert_null(strstr(all, "alice"));
	assert_null(strstr(all, "hidden"));
	assert_null(strstr(all, "no text"));
	assert_null(strstr(all, "say hello"));
	free(all);
	json_decref(list);
}

/* A name is sent if it is valid, up to 128 bytes. */
static void
names_in_spans_are_valid(void **state)
{
	(void)state;
	static const struct {
		const char *name;
		bool sent;
	} rows[] = {
		{ "crm/find-all_2@v1:x+y.z", true },
		{ "the customer is Ann", false },
		{ "a\nb", false },
		{ "h\xc3\xa9", false },
		{ "", false },
	};
	char text[200];

	for (size_t i = 0; i < COUNT_OF(rows); i++)
		if ((otlp_plain(span_str(rows[i].name)).n > 0) != rows[i].sent)
			fail_msg("%s", rows[i].name);
	memset(text, 'x', sizeof(text));
	assert_int_equal(otlp_plain(span_of(text, 128)).n, 128);
	assert_int_equal(otlp_plain(span_of(text, 129)).n, 0);
}

/* If a call lasted longer than all known times, its begin equals its end. */
static void
span_of_a_call_has_its_times(void **state)
{
	(void)state;
	struct audit_note n = note("");
	n.completion = true;
	n.ended_us = 1900000;
	json_t *list =
		spans(&n, "\"type\":\"completion\",\"calls\":[{\"tool\":\"a\",\"duration_us\":"
			  "500000},{\"tool\":\"b\",\"duration_us\":9000000000}]");
	assert_int_equal(json_array_size(list), 2);
	assert_string_equal(
		text(json_array_get(list, 0), "startTimeUnixNano"), "1790000000400000000");
	assert_string_equal(
		text(json_array_get(list, 1), "startTimeUnixNano"), "1790000000900000000");
	json_decref(list);
}

static void
attempts_have_their_own_spans(void **state)
{
	(void)state;
	struct audit_note n = note("");
	n.completion = true;
	n.sent_us = 1002000;
	n.ended_us = 1900000;
	n.used = true;
	n.input_tokens = 11;
	n.output_tokens = 22;
	json_t *list = spans(&n, "\"type\":\"completion\",\"route\":\"chat\",\"target\":\"a\","
				 "\"cost_nanousd\":5,\"answer\":{\"model\":\"gpt-4o-x\"}");
	json_t *odd = spans(&n, "\"type\":\"completion\",\"answer\":{\"model\":\"I am Ann\"}");
	assert_string_equal(text(json_array_get(odd, 0), "gen_ai.response.model"), "");
	json_decref(odd);
	const json_t *s = json_array_get(list, 0);
	assert_int_equal(json_array_size(list), 1);
	assert_string_equal(text(s, "name"), "chat gpt-4o");
	assert_string_equal(text(s, "startTimeUnixNano"), "1790000000002000000");
	assert_string_equal(text(s, "endTimeUnixNano"), "1790000000900000000");
	assert_string_equal(text(s, "gen_ai.usage.output_tokens"), "22");
	assert_string_equal(text(s, "gen_ai.response.model"), "gpt-4o-x");
	assert_string_equal(text(s, "error.type"), "");
	json_decref(list);
	/* several attempts: each has its own time and cause, and the last
	 * one the result */
	n.attempts = 2;
	n.attempt[0].begun_us = 1002000;
	n.attempt[0].took_us = 1000;
	n.attempt[1].begun_us = 1500000;
	n.attempt[1].took_us = 400000;
	list = spans(&n, "\"type\":\"completion\",\"attempts\":[{"
			 "\"target\":\"a/m\",\"cause\":"
			 "\"throttled\",\"ms\":1,\"status\":429},{\"target\":\"b/m\",\"cause\":"
			 "\"done\",\"status\":200,\"tokens\":33,\"cost\":5}]");
	assert_int_equal(json_array_size(list), 2);
	s = json_array_get(list, 0);
	assert_string_equal(text(s, "error.type"), "429");
	assert_string_equal(text(s, "tollgate.target"), "a/m");
	assert_string_equal(text(s, "gen_ai.usage.output_tokens"), "");
	assert_int_equal(json_integer_value(json_object_get(json_object_get(s, "status"), "code")), 2);
	s = json_array_get(list, 1);
	assert_string_equal(text(s, "startTimeUnixNano"), "1790000000500000000");
	assert_string_equal(text(s, "gen_ai.usage.output_tokens"), "22");
	json_decref(list);
	/* a request that was never sent has no attempt span, and an invalid record has no
	 * span */
	n.attempts = 0;
	n.sent_us = 0;
	json_decref(spans(&n, "\"type\":\"completion\""));
	json_decref(spans(&n, "\"type\":"));
}

static void
many_model_names_are_limited(void **state)
{
	(void)state;
	struct gen_ai *g = gen_ai_new();
	struct audit_note n = note("");
	size_t points = 0;
	struct buf b;

	n.completion = true;
	n.sent_us = 1000000;
	n.first_us = 1100000;
	n.ended_us = 2000000;
	n.events = 10;
	n.used = true;
	n.input_tokens = 1;
	for (int i = 0; i < 10000; i++) {
		snprintf(n.model, sizeof(n.model), "m%d", i);
		n.status = i % 2 ? 200 : 500 + i % 100;
		gen_ai_add(g, &n);
	}
	n.endpoint = NULL;
	gen_ai_add(g, &n); /* a request without a model */
	buf_init(&b, 0);
	buf_str(&b, "[0");
	gen_ai_write(g, &b, 1, 2, &points);
	buf_putc(&b, ']');
	json_t *list = json_loadb(b.p + b.start, b.n, JSON_REJECT_DUPLICATES, NULL), *m, *p;
	assert_non_null(list);
	assert_int_equal(json_array_size(list), 5);
	assert_int_equal(points, 5 * (CAP_TELEMETRY_SERIES + 1));
	size_t i, k;
	uint64_t count = 0;
	json_array_foreach(list, i, m)
		json_array_foreach(
			json_object_get(json_object_get(m, "histogram"), "dataPoints"), k, p)
			if (i == 1)
				count += strtoull(
					json_string_value(json_object_get(p, "count")), NULL, 10);
	assert_int_equal(count, 10000);
	json_decref(list);
	buf_free(&b);
	gen_ai_free(&g);
}

static void
metrics_are_written_as_otlp_json(void **state)
{
	(void)state;
	static const char given[] =
		"# HELP tollgate_none_total nothing\n# TYPE tollgate_none_total counter\n"
		"# HELP tollgate_a_bytes_total of \"b\"\n# TYPE tollgate_a_bytes_total counter\n"
		"tollgate_a_bytes_total{x=\"q\\\"\\\\\\n\"} 18446744073709551615\n"
		"# HELP tollgate_h_seconds h\n# TYPE tollgate_h_seconds histogram\n"
		"tollgate_h_seconds_bucket{s=\"1\",le=\"0.1\"} 2 # {trace_id=\"" TRACE
		"\",decision_id=\"" ID "\"} 0.050000 1790000000.123\n"
		"tollgate_h_seconds_bucket{s=\"1\",le=\"+Inf\"} 3\n"
		"tollgate_h_seconds_sum{s=\"1\"} 1.500000\ntollgate_h_seconds_count{s=\"1\"} 3\n"
		"# HELP tollgate_g g\n# TYPE tollgate_g gauge\ntollgate_g 1.500\n";
	struct gen_ai *g = gen_ai_new();
	struct buf b;

	buf_init(&b, 0);
	size_t points = otlp_metrics_write(
		&b, &(struct otlp_resource){ "n", "1" }, span_str(given), g, 1, 2);
	json_t *root = json_loadb(b.p + b.start, b.n, JSON_REJECT_DUPLICATES, NULL);
	assert_non_null(root);
	assert_int_equal(points, 3);
	buf_putc(&b, '\0');
	/* clang-format off */
	static const char *const has[] = {
		"{\"name\":\"tollgate.a\",\"unit\":\"By\",\"description\":\"of \\\"b\\\"\",\"sum\":{\"aggregationTemporality\":2,\"isMonotonic\":true,",
		"\"stringValue\":\"q\\\"\\\\\\n\"",
		"\"asInt\":\"18446744073709551615\"",
		"\"name\":\"tollgate.h\",\"unit\":\"s\"",
		"\"count\":\"3\",\"sum\":1.500000,\"bucketCounts\":[\"2\",\"1\"],\"explicitBounds\":[0.1]",
		"{\"traceId\":\"" TRACE "\"", "\"timeUnixNano\":\"1790000000123000000\"", "\"asDouble\":0.05}",
		"\"asDouble\":1.500",
	};
	/* clang-format on */
	for (size_t i = 0; i < COUNT_OF(has); i++)
		if (!strstr(b.p + b.start, has[i]))
			fail_msg("%s is not in %s", has[i], b.p + b.start);
	assert_null(strstr(b.p + b.start, "tollgate.none"));
	json_decref(root);
	buf_free(&b);
	gen_ai_free(&g);
}

/* Of our own metrics: a label over a kilobyte is cut, and surplus buckets are left out. */
static void
large_metrics_are_cut(void **state)
{
	(void)state;
	struct gen_ai *g = gen_ai_new();
	struct buf given, b;

	buf_init(&given, 0);
	buf_init(&b, 0);
	buf_str(&given, "# HELP tollgate_g g\n# TYPE tollgate_g gauge\ntollgate_g{x=\"");
	for (int i = 0; i < 1500; i++)
		buf_putc(&given, 'y');
	buf_str(&given, "\"} 1\n");
	size_t points = otlp_metrics_write(
		&b, &(struct otlp_resource){ "n", "1" }, buf_view(&given), g, 1, 2);
	assert_int_equal(points, 1);
	json_t *root = json_loadb(b.p + b.start, b.n, JSON_REJECT_DUPLICATES, NULL);
	assert_non_null(root);
	json_decref(root);
	const char *at = memmem(b.p + b.start, b.n, "\"yyy", 4);
	assert_non_null(at);
	assert_int_equal(strspn(at + 1, "y"), 1024);
	buf_free(&given);
	buf_free(&b);
	gen_ai_free(&g);
}

/* For one model with and without errors, the tokens are one point and the durations two. */
static void
series_of_one_model_are_joined(void **state)
{
	(void)state;
	struct gen_ai *g = gen_ai_new();
	struct audit_note n = note("");
	size_t points = 0;
	struct buf b;

	n.completion = true;
	n.sent_us = 1000000;
	n.ended_us = 2000000;
	n.used = true;
	n.input_tokens = n.output_tokens = 3;
	for (int i = 0; i < 2; i++) {
		gen_ai_add(g, &n);
		n.status = 500;
	}
	buf_init(&b, 0);
	gen_ai_write(g, &b, 1, 2, &points);
	assert_int_equal(points, 2 + 1 + 1);
	buf_free(&b);
	gen_ai_free(&g);
}

static void
header_file_is_read_or_refused(void **state)
{
	(void)state;
	/* clang-format off */
#define A "Authorization: Bearer x\n"
#define B "x-a:b\n"
	static const struct { const char *text; mode_t mode; int n; const char *why; } rows[] = {
		{ "# a comment\n\nAuthorization: Bearer x\r\nx-a:b", 0600, 2, NULL },
		{ "Authorization: Bearer x\n", 0644, -1, "644" },
		{ "Authorization Bearer x\n", 0600, -1, ":1: write \"Name: value\"" },
		{ "a: b\nhost: x\n", 0600, -1, ":2: the daemon sets this field itself" },
		{ "a:\n", 0600, -1, ":1: " },
		{ "a: b\033\n", 0600, -1, ":1: " },
		{ "\n", 0600, -1, "no header field" },
		{ A B A B A B A B A B A B A B A B, 0600, 16, NULL },
		{ A B A B A B A B A B A B A B A B A, 0600, -1, ":17: the file has more than 16" },
		{ "Content-Length: 1\n", 0600, -1, ":1: the daemon sets this field itself" },
		{ "content-type: x\n", 0600, -1, ":1: the daemon sets this field itself" },
		{ "content-encoding: x\n", 0600, -1, ":1: the daemon sets this field itself" },
		{ "transfer-Encoding: chunked\n", 0600, -1, ":1: the daemon sets this field itself" },
		{ "connection: close\n", 0600, -1, ":1: the daemon sets this field itself" },
		{ "EXPECT: 100-continue\n", 0600, -1, ":1: the daemon sets this field itself" },
	};
	/* clang-format on */
	char file[] = "/tmp/tollgate-headers-XXXXXX";
	struct headers h;
	struct buf why;

	close(mkstemp(file));
	buf_init(&why, 0);
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		FILE *f = fopen(file, "w");
		fputs(rows[i].text, f);
		fclose(f);
		chmod(file, rows[i].mode);
		buf_clear(&why);
		int err = headers_open(&h, file, &why);
		buf_putc(&why, '\0');
		if (rows[i].n < 0) {
			if (!err || !strstr(why.p + why.start, rows[i].why) ||
				strstr(why.p + why.start, "Bearer"))
				fail_msg("%s: %s", rows[i].text, why.p + why.start);
		} else {
			assert_int_equal(err, 0);
			assert_int_equal(h.n, rows[i].n);
			assert_string_equal(h.line[1], "x-a:b");
			/* an invalid file leaves the current fields in
			 * use */
			f = fopen(file, "w");
			fputs("nothing\n", f);
			fclose(f);
			headers_again(&h);
			assert_int_equal(h.n, rows[i].n);
			assert_string_equal(h.line[1], "x-a:b");
			/* a valid file is used */
			f = fopen(file, "w");
			fputs("x-new: c\n", f);
			fclose(f);
			struct timespec late[2] = { { .tv_sec = 4000000000 },
				{ .tv_sec = 4000000000 + (time_t)i } };
			assert_int_equal(utimensat(AT_FDCWD, file, late, 0), 0);
			headers_again(&h);
			assert_int_equal(h.n, 1);
			assert_string_equal(h.line[0], "x-new: c");
			headers_close(&h);
		}
	}
	/* Of a file of more than 16 KB nothing is used. */
	for (size_t over = 0; over < 2; over++) {
		FILE *f = fopen(file, "w");
		fputs("x-a:b\n#", f);
		for (size_t n = 7; n < HEADERS_BYTES - 1 + over; n++)
			fputc('x', f);
		fclose(f);
		chmod(file, 0600);
		buf_clear(&why);
		assert_int_equal(headers_open(&h, file, &why), over ? ERR_LIMIT : 0);
		if (!over)
			headers_close(&h);
	}
	unlink(file);
	buf_free(&why);
}

static void
body_is_compressed(void **state)
{
	(void)state;
	static char out[100000];
	struct buf b;
	z_stream z = { 0 };

	buf_init(&b, 0);
	for (int i = 0; i < 5000; i++)
		buf_str(&b, "some text, ");
	size_t n = b.n;
	assert_int_equal(gzip_buf(&b), 0);
	assert_true(b.n < n / 10);
	inflateInit2(&z, 15 + 16);
	z.next_in = (Bytef *)b.p + b.start;
	z.avail_in = (uInt)b.n;
	z.next_out = (Bytef *)out;
	z.avail_out = sizeof(out);
	assert_int_equal(inflate(&z, Z_FINISH), Z_STREAM_END);
	assert_int_equal(z.total_out, n);
	inflateEnd(&z);
	buf_free(&b);
}

/* Each name has its line in the documentation. */
static void
names_of_metrics_are_documented(void **state)
{
	(void)state;
	static char page[200000];
	FILE *f = fopen("docs/telemetry.md", "r");
	size_t n = f ? fread(page, 1, sizeof(page) - 1, f) : 0;
	char want[96];

	assert_true(n > 0);
	fclose(f);
	assert_non_null(strstr(page, NAMES_SCHEMA));
	for (int i = 0; i < NAMES_COUNT; i++) {
		snprintf(want, sizeof(want), "`%s`", telemetry_names[i]);
		if (!strstr(page, want))
			fail_msg("docs/telemetry.md: no %s", want);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(responses_of_a_collector_are_read),
		cmocka_unit_test(sampling_follows_caller_or_share),
		cmocka_unit_test(span_of_a_decision_has_its_attributes),
		cmocka_unit_test(names_in_spans_are_valid),
		cmocka_unit_test(span_of_a_call_has_its_times),
		cmocka_unit_test(attempts_have_their_own_spans),
		cmocka_unit_test(many_model_names_are_limited),
		cmocka_unit_test(metrics_are_written_as_otlp_json),
		cmocka_unit_test(large_metrics_are_cut),
		cmocka_unit_test(series_of_one_model_are_joined),
		cmocka_unit_test(header_file_is_read_or_refused),
		cmocka_unit_test(body_is_compressed),
		cmocka_unit_test(names_of_metrics_are_documented),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
