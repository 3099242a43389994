/* Metering: the usage is read and hidden, wherever the bytes are cut; all other bytes pass
 * unchanged. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>

#include "answer/guard/guard.h"
#include "base/caps.h"
#include "support/guard.h"

#define OPENAI_TAIL                                                                            \
	"data: {\"choices\":[],\"usage\":{\"prompt_tokens\":19,\"completion_tokens\":10}}\n\n"

static const struct {
	const char *name, *dialect;
	bool sse, hide;
	struct span in;
	const char *want; /* NULL: the same bytes */
	bool known;
	int64_t input, output;
} rows[] = {
	{ "an OpenAI answer", "openai", false, false,
		SPAN_LIT("{\"choices\":[{}],\"usage\":{\"prompt_tokens\":19,\"completion_"
			 "tokens\":10}}"),
		NULL, true, 19, 10 },
	{ "an Anthropic answer", "anthropic", false, false,
		SPAN_LIT("{\"content\":[],\"usage\":{\"input_tokens\":4,\"output_tokens\":1}}"),
		NULL, true, 4, 1 },
	{ "an answer without usage", "openai", false, false, SPAN_LIT("{\"choices\":[]}"), NULL,
		false, 0, 0 },
	{ "an answer that is cut", "openai", false, false,
		SPAN_LIT("{\"usage\":{\"prompt_tokens\":19,\"completion_tokens\":10}"), NULL,
		false, 0, 0 },
	{ "an empty answer", "openai", false, false, SPAN_LIT(""), NULL, false, 0, 0 },
	{ "an OpenAI stream whose caller asked for usage", "openai", true, false,
		SPAN_LIT("data: {\"choices\":[{}],\"usage\":null}\n\n" OPENAI_TAIL
			 "data: [DONE]\n\n"),
		NULL, true, 19, 10 },
	{ "an OpenAI stream whose usage we asked for", "openai", true, true,
		SPAN_LIT(": hi\r\n\r\ndata: {\"id\":1,\"choices\":[{}],\"usage\":null}\n\n"
			 "data: "
			 "{\"choices\":[{\"delta\":{\"content\":\"usage\"}}]}\n\n" OPENAI_TAIL
			 "data: [DONE]\n\n"),
		": hi\r\n\r\ndata: {\"id\":1,\"choices\":[{}]}\n\n"
		"data: {\"choices\":[{\"delta\":{\"content\":\"usage\"}}]}\n\ndata: [DONE]\n\n",
		true, 19, 10 },
	{ "usage next to text, which nobody asked for", "openai", true, true,
		SPAN_LIT("data: {\"choices\":[{\"delta\":{\"content\":\"a\"},\"finish_reason\":"
			 "\"stop\"}],\"usage\":{\"prompt_tokens\":19,\"completion_tokens\":10}}"
			 "\n\ndata: {\"usage\":{\"prompt_tokens\":19,\"completion_tokens\":10}}"
			 "\n\n" OPENAI_TAIL "data: [DONE]\n\n"),
		"data: {\"choices\":[{\"delta\":{\"content\":\"a\"},\"finish_reason\":"
		"\"stop\"}],\"usage\":{\"prompt_tokens\":19,\"completion_tokens\":10}}\n\n"
		"data: {\"usage\":{\"prompt_tokens\":19,\"completion_tokens\":10}}\n\n"
		"data: [DONE]\n\n",
		true, 19, 10 },
	{ "a hidden usage whose key is escaped", "openai", true, true,
		SPAN_LIT("data: "
			 "{\"choices\":[],\"\\u0075sage\":{\"prompt_tokens\":1,\"completion_"
			 "tokens\":2}}"
			 "\n\ndata: [DONE]\n\n"),
		"data: [DONE]\n\n", true, 1, 2 },
	{ "data over several lines stays one event", "openai", true, true,
		SPAN_LIT(
			"data: {\"id\":1,\ndata: \"choices\":[{}],\ndata: \"usage\":null}\n\n"),
		"data: {\"id\":1,\ndata: \"choices\":[{}]}\n\n", false, 0, 0 },
	{ "an Anthropic stream", "anthropic", true, true,
		SPAN_LIT("event: message_start\ndata: "
			 "{\"type\":\"message_start\",\"message\":{\"usage\":{"
			 "\"input_tokens\":25,\"output_tokens\":1}}}\n\n"
			 "event: message_delta\ndata: "
			 "{\"type\":\"message_delta\",\"usage\":{\"output_tokens\":"
			 "15}}\n\nevent: message_stop\ndata: {\"type\":\"message_stop\"}\n\n"),
		NULL, true, 25, 15 },
	{ "an Anthropic stream that is cut", "anthropic", true, true,
		SPAN_LIT("event: message_start\ndata: "
			 "{\"type\":\"message_start\",\"message\":{\"usage\":{"
			 "\"input_tokens\":25,\"output_tokens\":1}}}\n\n"),
		NULL, false, 25, 1 },
	{ "a count of nothing, of a text", "openai", false, false,
		SPAN_LIT("{\"choices\":[{\"message\":{\"content\":\"long\"}}],\"usage\":{"
			 "\"prompt_tokens\":0,\"completion_tokens\":0}}"),
		NULL, false, 0, 0 },
	{ "images have no tokens", "openai", false, false,
		SPAN_LIT("{\"data\":[{\"url\":\"a\",\"revised_prompt\":\"a cat\"}]}"), NULL,
		true, 0, 0 },
	{ "a stream that goes on after its last count", "openai", true, false,
		SPAN_LIT("data: {\"choices\":[{\"delta\":{\"content\":\"a\"}}],\"usage\":{"
			 "\"prompt_tokens\":19,\"completion_tokens\":1}}\n\n"
			 "data: {\"choices\":[{\"delta\":{\"content\":\"long\"},"
			 "\"logprobs\":{\"token\":\"long\"}}]}\n\ndata: [DONE]\n\n"),
		NULL, false, 19, 1 },
	{ "a stream that is counted with each text", "openai", true, false,
		SPAN_LIT("data: {\"choices\":[{\"delta\":{\"content\":\"a\"}}],\"usage\":{"
			 "\"prompt_tokens\":19,\"completion_tokens\":1}}\n\n"
			 "data: {\"choices\":[{\"delta\":{\"content\":\"long\"}}],\"usage\":{"
			 "\"prompt_tokens\":19,\"completion_tokens\":2}}\n\ndata: [DONE]\n\n"),
		NULL, true, 19, 2 },
	{ "Gemini's stream whose count leaves out the answer", "gemini", true, false,
		SPAN_LIT("data: "
			 "{\"candidates\":[{\"content\":{\"parts\":[{\"text\":\"long\"}]}}],"
			 "\"usageMetadata\":{\"promptTokenCount\":10,\"totalTokenCount\":10}}"
			 "\n\n"),
		NULL, false, 10, 0 },
	{ "a last event without its blank line", "openai", true, true,
		SPAN_LIT("data: x\n\ndata: {\"choices\":[],\"usage\":{\"prompt_tokens\":1,"
			 "\"completion_tokens\":2}}"),
		"data: x\n\n", true, 1, 2 },
	{ "an unfinished event passes at the end", "openai", true, true,
		SPAN_LIT("data: x\n\ndata: [DO"), NULL, false, 0, 0 },
};

static struct guard *
meter_new(const char *dialect, bool sse, bool hide)
{
	struct guard_plan plan = { .format =
					   answer_format_find(span_str(dialect), SPAN_LIT("")),
		.dialect = dialect_find(span_str(dialect)),
		.path = SPAN_LIT("/v1/chat/completions"),
		.hide_usage = hide };
	struct guard_head head = { .status = 200,
		.content_type = sse ? SPAN_LIT("text/event-stream; charset=utf-8")
				    : SPAN_LIT("application/json") };
	struct guard *g = guard_new(&plan, &head);

	assert_non_null(g);
	assert_false(guard_withholds(g));
	return g;
}

static void
expect(size_t i, size_t step)
{
	struct span in = rows[i].in;
	char *copy = guard_dup(in.p, in.n);
	struct guard *m;
	struct buf out;
	struct usage u;

	buf_init(&out, 0);
	m = meter_new(rows[i].dialect, rows[i].sse, rows[i].hide);
	for (size_t at = 0; at < in.n; at += step) {
		size_t before = out.n;
		struct span piece = span_cut(span_of(copy, in.n), at, at + step);
		assert_int_equal(guard_feed(m, piece, &out), 0);
		if (!rows[i].hide && out.n - before != piece.n)
			fail_msg("%s: bytes were held back", rows[i].name);
	}
	bool cut = !strcmp(rows[i].name, "an Anthropic stream that is cut");
	assert_int_equal(guard_end(m, &out), cut ? GUARD_CUT : GUARD_PASS);
	u = guard_usage(m);
	if (!span_eq(buf_view(&out), rows[i].want ? span_str(rows[i].want) : in))
		fail_msg("%s (step %zu): got %.*s", rows[i].name, step,
			SPAN_ARG(buf_view(&out)));
	if (u.known != rows[i].known || u.input_tokens != rows[i].input ||
		u.output_tokens != rows[i].output)
		fail_msg("%s (step %zu): usage %d %ld %ld", rows[i].name, step, u.known,
			(long)u.input_tokens, (long)u.output_tokens);
	guard_drop(&m);
	buf_free(&out);
	guard_free(copy, in.n);
}

static const struct {
	const char *name, *in;
	const char *want; /* NULL: nothing is forwarded; "": unchanged */
} hides[] = {
	{ "the last chunk goes",
		"{\"id\":\"x\",\"choices\":[],\"usage\":{\"prompt_tokens\":1}}", NULL },
	{ "in any order", "{\"usage\":{\"prompt_tokens\":1},\"choices\":[ ]}", NULL },
	{ "a null usage is cut out", "{\"id\":1,\"choices\":[{\"a\":[]}],\"usage\":null}",
		"{\"id\":1,\"choices\":[{\"a\":[]}]}" },
	{ "in the middle", "{\"id\":1, \"usage\" : null , \"choices\":[{}]}",
		"{\"id\":1 , \"choices\":[{}]}" },
	{ "at the front", "{ \"usage\":null , \"choices\":[{}],\"z\":1}",
		"{ \"choices\":[{}],\"z\":1}" },
	{ "alone", "{\"usage\":null}", "{}" },
	{ "counts next to content are the provider's own: they stay",
		"{\"choices\":[{\"delta\":{\"content\":\"hi\"}}],\"usage\":{\"prompt_tokens\":"
		"1},\"z\":\"q\"}",
		"" },
	{ "a first chunk without choices or counts stays",
		"{\"choices\":[],\"prompt_filter_results\":[{}],\"usage\":null}",
		"{\"choices\":[],\"prompt_filter_results\":[{}]}" },
	{ "an escaped key", "{\"choices\":[{}],\"\\u0075sage\":null}", "{\"choices\":[{}]}" },
	{ "behind a string", "{\"s\":\"x\",\"usage\":null}", "{\"s\":\"x\"}" },
	{ "no usage", "{\"choices\":[{\"usage\":1}]}", "" },
	{ "a list of such", "[{\"usage\":null}]", "" },
	{ "the end marker", "[DONE]", "" },
	{ "no JSON", "{\"usage\":null", "" },
	{ "trailing data", "{\"usage\":null} x", "" },
};

/* One event at a time: usage that only the gateway requested is not forwarded. */
static void
usage_that_the_caller_did_not_request_is_hidden(void **state)
{
	(void)state;
	for (size_t i = 0; i < 2 * COUNT_OF(hides); i++) {
		const char *in = hides[i / 2].in, *want = hides[i / 2].want;
		bool hide = i % 2;
		struct guard *g = meter_new("openai", true, hide);
		struct buf event, out;

		buf_init(&event, 0);
		buf_init(&out, 0);
		buf_printf(&event, "data: %s\n\n", in);
		assert_int_equal(guard_feed(g, buf_view(&event), &out), 0);
		if (hide && want && *want) {
			buf_clear(&event);
			buf_printf(&event, "data: %s\n\n", want);
		}
		if (!span_eq(buf_view(&out), hide && !want ? SPAN_LIT("") : buf_view(&event)))
			fail_msg("%s: got %.*s", hides[i / 2].name, SPAN_ARG(buf_view(&out)));
		guard_drop(&g);
		buf_free(&event);
		buf_free(&out);
	}
}

/* Usage in the head of Bedrock's InvokeModel, if the body has none. */
static const struct {
	const char *name, *dialect, *endpoint, *path, *in, *out; /* in, out: header fields */
	struct span body;
	bool known;
	int64_t input, output;
} heads[] = {
	{ "Mistral's own body", "bedrock", "invoke", "/model/mistral.m/invoke", "11", "7",
		SPAN_LIT("{\"outputs\":[{\"text\":\"long\"}]}"), true, 11, 7 },
	{ "a body that says it counts", "bedrock", "invoke", "/model/meta.l/invoke", "11", "7",
		SPAN_LIT("{\"generation\":\"a\",\"prompt_token_count\":3,\"generation_token_"
			 "count\":4}"),
		true, 3, 4 },
	{ "a text of which the head says no tokens", "bedrock", "invoke",
		"/model/mistral.m/invoke", "11", "0",
		SPAN_LIT("{\"outputs\":[{\"text\":\"long\"}]}"), false, 11, 0 },
	{ "a text of which it says half", "bedrock", "invoke", "/model/mistral.m/invoke", "11",
		"", SPAN_LIT("{\"outputs\":[{\"text\":\"long\"}]}"), false, 0, 0 },
	{ "no count", "bedrock", "invoke", "/model/mistral.m/invoke", "11", "-7",
		SPAN_LIT("{\"outputs\":[{\"text\":\"long\"}]}"), false, 0, 0 },
	{ "vectors, and the caller's text", "bedrock", "invoke",
		"/model/cohere.embed-v4%3A0/invoke", "11", "",
		SPAN_LIT("{\"embeddings\":[[1]],\"texts\":[\"long\"]}"), true, 11, 0 },
	{ "fields that only Bedrock has", "openai", "chat", "/v1/chat/completions", "11", "7",
		SPAN_LIT("{\"choices\":[{\"message\":{\"content\":\"long\"}}]}"), false, 0, 0 },
	{ "Cohere's vectors, and the caller's text", "cohere", "embed", "/v2/embed", "", "",
		SPAN_LIT("{\"embeddings\":{\"float\":[[1]]},\"texts\":[\"long\"],\"meta\":{"
			 "\"billed_units\":{\"input_tokens\":11}}}"),
		true, 11, 0 },
};

static void
usage_is_read_from_the_head_if_the_body_has_none(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(heads) / sizeof(heads[0]); i++) {
		struct span dialect = span_str(heads[i].dialect),
			    path = span_str(heads[i].path);
		struct guard_plan plan = { .format = answer_format_find(dialect, path),
			.dialect = dialect_find(dialect),
			.endpoint = heads[i].endpoint,
			.path = path };
		struct guard_head head = { .status = 200,
			.content_type = SPAN_LIT("application/json"),
			.input_tokens = span_str(heads[i].in),
			.output_tokens = span_str(heads[i].out) };
		struct guard *g = guard_new(&plan, &head);
		struct buf out;

		assert_non_null(g);
		buf_init(&out, 0);
		assert_int_equal(guard_feed(g, heads[i].body, &out), 0);
		assert_int_equal(guard_end(g, &out), 0);
		struct usage u = guard_usage(g);
		if (u.known != heads[i].known ||
			(u.known && (u.input_tokens != heads[i].input ||
					    u.output_tokens != heads[i].output)))
			fail_msg("%s: usage %d %ld %ld", heads[i].name, u.known,
				(long)u.input_tokens, (long)u.output_tokens);
		guard_drop(&g);
		buf_free(&out);
	}
}

static void
usage_is_read_in_every_cut(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		for (size_t step = 1; step <= rows[i].in.n + 1; step++)
			expect(i, step);
}

static void
event_over_the_limit_passes_uninspected_and_is_counted(void **state)
{
	struct guard *m;
	struct buf out, in;
	struct usage u;

	(void)state;
	buf_init(&out, 0);
	buf_init(&in, 0);
	buf_str(&in, "data: {\"usage\":\"");
	for (size_t i = 0; i < CAP_SSE_EVENT_BYTES; i++)
		buf_putc(&in, 'x');
	buf_str(&in, "\"}\n\n");
	size_t big = in.n;
	buf_str(&in, OPENAI_TAIL);
	m = meter_new("openai", true, true);
	for (size_t at = 0; at < in.n; at += 60000)
		assert_int_equal(
			guard_feed(m, span_cut(buf_view(&in), at, at + 60000), &out), 0);
	assert_int_equal(guard_end(m, &out), 0);
	u = guard_usage(m);
	assert_true(guard_report(m)->unread_bytes >= big);
	assert_true(span_eq(buf_view(&out), span_cut(buf_view(&in), 0, big)));
	assert_true(u.known && u.input_tokens == 19);
	guard_drop(&m);
	buf_free(&out);
	buf_free(&in);
}

static void
body_over_the_limit_passes_with_its_usage(void **state)
{
	static char chunk[1 << 20];
	struct guard *m;
	struct buf out;
	struct usage u;

	(void)state;
	memset(chunk, ' ', sizeof(chunk));
	buf_init(&out, 0);
	m = meter_new("openai", false, true);
	for (int i = 0; i < 5; i++)
		assert_int_equal(guard_feed(m, span_of(chunk, sizeof(chunk)), &out), 0);
	struct span tail =
		SPAN_LIT("{\"usage\":{\"prompt_tokens\":1,\"completion_tokens\":1}}");
	assert_int_equal(guard_feed(m, tail, &out), 0);
	assert_int_equal(guard_end(m, &out), 0);
	u = guard_usage(m);
	assert_true(u.known && u.input_tokens == 1 && u.output_tokens == 1);
	assert_true(guard_report(m)->blind); /* its texts are not read */
	assert_int_equal(out.n, 5 * sizeof(chunk) + tail.n);
	guard_drop(&m);
	buf_free(&out);
}

/* A transcription with more words than its reader keeps. */
static void
usage_of_a_response_with_many_texts_is_read(void **state)
{
	struct guard *m;
	struct buf out, in;

	(void)state;
	buf_init(&out, 0);
	buf_init(&in, 0);
	buf_str(&in, "{\"words\":[\"a\"");
	while (in.n < CAP_USAGE_BODY_BYTES / 4)
		buf_str(&in, ",\"a\"");
	buf_str(&in, "],\"usage\":{\"prompt_tokens\":19,\"completion_tokens\":10}}");
	m = meter_new("openai", false, true);
	assert_int_equal(guard_feed(m, buf_view(&in), &out), 0);
	assert_int_equal(guard_end(m, &out), 0);
	struct usage u = guard_usage(m);
	assert_true(guard_report(m)->blind); /* otherwise this test is too small */
	assert_true(u.known && u.input_tokens == 19 && u.output_tokens == 10);
	guard_drop(&m);
	buf_free(&out);
	buf_free(&in);
}

static void
output_without_memory_is_an_error(void **state)
{
	struct guard *m;
	struct buf out;

	(void)state;
	buf_init(&out, 4);
	m = meter_new("openai", true, true);
	assert_int_equal(guard_feed(m, SPAN_LIT("data: hello\n\n"), &out), GUARD_NO_MEMORY);
	guard_drop(&m);
	buf_free(&out);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(usage_is_read_in_every_cut),
		cmocka_unit_test(usage_that_the_caller_did_not_request_is_hidden),
		cmocka_unit_test(usage_is_read_from_the_head_if_the_body_has_none),
		cmocka_unit_test(event_over_the_limit_passes_uninspected_and_is_counted),
		cmocka_unit_test(body_over_the_limit_passes_with_its_usage),
		cmocka_unit_test(usage_of_a_response_with_many_texts_is_read),
		cmocka_unit_test(output_without_memory_is_an_error),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
