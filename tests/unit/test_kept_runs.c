/* Kept texts of each API as a person reads them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/scoped.h"
#include "cmd/records/kept_runs.h"

#define A40  "QUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFB"
#define A400 A40 A40 A40 A40 A40 A40 A40 A40 A40 A40

/* clang-format off */
static const struct {
	const char *name, *text;
	enum seal_kind kind;
	bool lines;
	const char *want; /* "by, what: text" of each run, one a line */
} rows[] = {
	{ "a text without a format", "plain words", SEAL_PROMPT, false, "user: plain words\n" },
	{ "OpenAI: messages", "{\"model\":\"m\",\"messages\":[{\"role\":\"system\",\"content\":\"Be brief.\"},{\"role\":\"user\",\"content\":\"Hello\\nyou\"}]}",
		SEAL_PROMPT, false, "system: Be brief.\nuser: Hello\nyou\n" },
	{ "OpenAI: a file by its name, a picture by its kind", "{\"messages\":[{\"role\":\"user\",\"content\":[{\"type\":\"text\",\"text\":\"Sum it up.\"},"
		"{\"type\":\"file\",\"file\":{\"filename\":\"plan.pdf\",\"file_data\":\"data:application/pdf;base64,JVBERi0x\"}},"
		"{\"type\":\"image_url\",\"image_url\":{\"url\":\"data:image/png;base64,iVBORw0K\"}}]}]}",
		SEAL_PROMPT, false, "user: Sum it up.\nuser, file: plan.pdf (application/pdf, about 6 bytes)\nuser, file: without a name (image/png, about 6 bytes)\n" },
	{ "OpenAI: a picture by its URL", "{\"messages\":[{\"role\":\"user\",\"content\":[{\"type\":\"image_url\",\"image_url\":{\"url\":\"https://a.example/x.png\"}}]}]}",
		SEAL_PROMPT, false, "user, url: https://a.example/x.png\n" },
	{ "OpenAI: a call and its result", "{\"messages\":[{\"role\":\"assistant\",\"tool_calls\":[{\"id\":\"c1\",\"type\":\"function\",\"function\":{\"name\":\"find\",\"arguments\":\"{\\\"q\\\":1}\"}}]},"
		"{\"role\":\"tool\",\"tool_call_id\":\"c1\",\"content\":\"two rooms\"}]}", SEAL_PROMPT, false, "assistant, call of find: {\"q\":1}\ntool: two rooms\n" },
	{ "OpenAI: a stream", "data: {\"choices\":[{\"index\":0,\"delta\":{\"role\":\"assistant\",\"content\":\"\"}}]}\n\ndata: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"Hel\"}}]}\n\n"
		"data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"lo\"}}]}\n\ndata: [DONE]\n\n", SEAL_RESPONSE, false, "assistant: Hello\n" },
	{ "OpenAI: a stream of two choices", "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"a\"}}]}\n\ndata: {\"choices\":[{\"index\":1,\"delta\":{\"content\":\"b\"}}]}\n\n",
		SEAL_RESPONSE, false, "assistant: a\nassistant, choice 2: b\n" },
	{ "OpenAI: a streamed call", "data: {\"choices\":[{\"index\":0,\"delta\":{\"tool_calls\":[{\"index\":0,\"function\":{\"name\":\"find\",\"arguments\":\"\"}}]}}]}\n\n"
		"data: {\"choices\":[{\"index\":0,\"delta\":{\"tool_calls\":[{\"index\":0,\"function\":{\"arguments\":\"{\\\"q\\\"\"}}]}}]}\n\n"
		"data: {\"choices\":[{\"index\":0,\"delta\":{\"tool_calls\":[{\"index\":0,\"function\":{\"arguments\":\":1}\"}}]}}]}\n\n", SEAL_RESPONSE, false, "assistant, call: find {\"q\":1}\n" },
	{ "Responses: a stream is its last event", "event: response.output_text.delta\ndata: {\"type\":\"response.output_text.delta\",\"delta\":\"Hel\"}\n\n"
		"data: {\"type\":\"response.output_text.done\",\"text\":\"Hello\"}\n\n"
		"data: {\"type\":\"response.completed\",\"response\":{\"id\":\"r\",\"output\":[{\"type\":\"message\",\"role\":\"assistant\",\"content\":[{\"type\":\"output_text\",\"text\":\"Hello\"}]}]}}\n\n",
		SEAL_RESPONSE, false, "assistant: Hello\n" },
	{ "Responses: a stream that was cut", "data: {\"type\":\"response.output_text.delta\",\"delta\":\"Hel\"}\n\ndata: {\"type\":\"response.output_text.delta\",\"delta\":\"lo\"}\n\ndata: {\"type\":\"resp",
		SEAL_RESPONSE, false, "assistant: Hello\n" },
	{ "Anthropic: system, thinking, a document", "{\"system\":\"Be brief.\",\"messages\":[{\"role\":\"user\",\"content\":[{\"type\":\"document\",\"title\":\"contract\",\"source\":{\"type\":\"base64\",\"media_type\":\"application/pdf\",\"data\":\"" A400 "\"}}]},"
		"{\"role\":\"assistant\",\"content\":[{\"type\":\"thinking\",\"thinking\":\"hm\",\"signature\":\"x y z x y z x y z\"},{\"type\":\"tool_use\",\"id\":\"t\",\"name\":\"find\",\"input\":{\"q\":1}}]},"
		"{\"role\":\"user\",\"content\":[{\"type\":\"tool_result\",\"tool_use_id\":\"t\",\"content\":\"two rooms\"}]}]}", SEAL_PROMPT, false,
		"system: Be brief.\nuser, file: contract (application/pdf, about 300 bytes)\nassistant, reasoning: hm\nassistant, call of find: {\"q\":1}\ntool: two rooms\n" },
	{ "Anthropic: a stream", "event: content_block_start\ndata: {\"type\":\"content_block_start\",\"index\":1,\"content_block\":{\"type\":\"text\",\"text\":\"\"}}\n\n"
		"data: {\"type\":\"content_block_delta\",\"index\":1,\"delta\":{\"type\":\"text_delta\",\"text\":\"Hel\"}}\n\ndata: {\"type\":\"content_block_delta\",\"index\":1,\"delta\":{\"type\":\"text_delta\",\"text\":\"lo\"}}\n\n"
		"data: {\"type\":\"content_block_start\",\"index\":2,\"content_block\":{\"type\":\"tool_use\",\"id\":\"t\",\"name\":\"find\",\"input\":{}}}\n\n"
		"data: {\"type\":\"content_block_delta\",\"index\":2,\"delta\":{\"type\":\"input_json_delta\",\"partial_json\":\"{\\\"q\\\":1}\"}}\n\n", SEAL_RESPONSE, false,
		"assistant: Hello\nassistant, call: find {\"q\":1}\n" },
	{ "Gemini: contents", "{\"systemInstruction\":{\"parts\":[{\"text\":\"Be brief.\"}]},\"contents\":[{\"role\":\"user\",\"parts\":[{\"text\":\"Hello\"}]},{\"role\":\"model\",\"parts\":[{\"functionCall\":{\"name\":\"find\",\"args\":{\"q\":1}}}]}]}",
		SEAL_PROMPT, false, "system: Be brief.\nuser: Hello\nassistant, call of find: {\"q\":1}\n" },
	{ "Ollama: lines", "{\"model\":\"m\",\"message\":{\"role\":\"assistant\",\"content\":\"Hel\"},\"done\":false}\n{\"model\":\"m\",\"message\":{\"role\":\"assistant\",\"content\":\"lo\"},\"done\":true}\n",
		SEAL_RESPONSE, false, "assistant: Hello\n" },
	{ "the form texts", "{\"kind\":\"text\",\"choice\":0,\"text\":\"Hello\"}\n{\"by\":\"assistant\",\"tool\":\"find\",\"arguments\":\"{}\"}\n", SEAL_RESPONSE, true,
		"assistant: Hello\nassistant, call of find: {}\n" },
	{ "an unknown member with several words", "{\"hint_to_model\":\"look at page two\",\"id\":\"a b c d e f g\"}", SEAL_PROMPT, false, "user, hint_to_model: look at page two\n" },
	{ "a body that was cut", "{\"messages\":[{\"role\":\"user\",\"content\":\"Hello\"},{\"role\":\"user\",\"content\":\"and th", SEAL_PROMPT, false, "user: Hello\n" },
	{ "JSON without a text stays as it is", "{\"n\":1}", SEAL_PROMPT, false, "user: {\"n\":1}\n" },
};
/* clang-format on */

static void
put_runs(const struct kept_runs *runs, struct buf *out)
{
	for (size_t i = 0; i < runs->n; i++) {
		const struct kept_run *r = &runs->v[i];
		buf_printf(out, "%s%s%s: %.*s\n", r->by, r->what[0] ? ", " : "", r->what,
			SPAN_ARG(buf_view(&r->text)));
	}
}

static void
texts_are_shown_by_who_said_them(void **state)
{
	size_t wrong = 0;

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct kept_runs runs = { 0 };
		SCOPED_BUF(out, 0);
		assert_true(kept_runs_read(
			span_str(rows[i].text), rows[i].lines, rows[i].kind, &runs));
		put_runs(&runs, &out);
		kept_runs_free(&runs);
		if (span_is(buf_view(&out), rows[i].want))
			continue;
		wrong++;
		print_error("%s:\n%.*s", rows[i].name, SPAN_ARG(buf_view(&out)));
	}
	assert_int_equal(wrong, 0);
}

/* A hostile prompt must not occupy the auditor's machine. */
static void
texts_that_are_no_json_end_soon(void **state)
{
	enum { LARGE = 4 << 20 };
	static const char begins[] = { '{', '[', '"' };
	struct kept_runs runs = { 0 };

	(void)state;
	for (size_t i = 0; i < COUNT_OF(begins); i++) {
		SCOPED_BUF(text, 0);
		buf_putc(&text, '{');
		memset(buf_reserve(&text, LARGE), begins[i], LARGE);
		buf_commit(&text, LARGE);
		assert_true(kept_runs_read(buf_view(&text), false, SEAL_PROMPT, &runs));
		assert_int_equal(runs.n, 1);
		kept_runs_free(&runs);
	}
}

/* Frames of AWS have binary heads between their JSON. */
static void
frames_between_json_are_skipped(void **state)
{
	static const char said[] =
		"\0\0\0\x5a\0\0\0\x20\x01\x02\x03\x04{\"delta\":{\"text\":\"Hel\"}}\xff\xfe"
		"\0\0\0\x5a\0\0\0\x20\x01\x02\x03\x04{\"delta\":{\"text\":\"lo\"}}\xff\xfe";
	struct kept_runs runs = { 0 };

	(void)state;
	assert_true(
		kept_runs_read(span_of(said, sizeof(said) - 1), false, SEAL_RESPONSE, &runs));
	assert_int_equal(runs.n, 1);
	assert_true(span_is(buf_view(&runs.v[0].text), "Hello"));
	kept_runs_free(&runs);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(texts_are_shown_by_who_said_them),
		cmocka_unit_test(texts_that_are_no_json_end_soon),
		cmocka_unit_test(frames_between_json_are_skipped),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
