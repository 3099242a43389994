/* The end of a stream in each dialect. A stream without it was cut. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>

#include "support/answer_run.h"

#define SSE	    "text/event-stream"
#define LINES	    "application/x-ndjson"
#define EVENT(json) "data: " json "\n\n"
#define CLAUDE(text)                                                                           \
	"{\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"text_delta\","    \
	"\"text\":\"" text "\"}}"
#define CLAUDE_STOPS	"{\"type\":\"content_block_stop\",\"index\":0}"
#define CLAUDE_SAYS_WHY "{\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"end_turn\"}}"

/* `said` alone is a cut stream, or, if `last` is NULL, nobody can know. With `last` it is
 * complete. */
static const struct {
	const char *name, *dialect, *path, *type, *said, *last;
} streams[] = {
	{ "chat", "openai", "/v1/chat/completions", SSE, CHUNK("it is. "), "data: [DONE]\n\n" },
	{ "a chat with a finish reason", "openai", "/v1/chat/completions", SSE,
		CHUNK("it is. "),
		EVENT("{\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]"
		      "}") },
	{ "of two choices one", "openai", "/v1/chat/completions", SSE,
		CHUNK("it is. ") EVENT(
			"{\"choices\":[{\"index\":1,\"delta\":{\"content\":\"so. "
			"\"}}]}")
			EVENT("{\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":"
			      "\"stop\"}]}"),
		EVENT("{\"choices\":[{\"index\":1,\"delta\":{},\"finish_reason\":\"stop\"}]"
		      "}") },
	{ "its role alone", "mistral", "/v1/chat/completions", SSE,
		EVENT("{\"model\":\"m\",\"choices\":[{\"index\":0,\"delta\":{\"role\":"
		      "\"assistant\",\"content\":\"\"}}]}"),
		"data: [DONE]\n\n" },
	{ "an error", "openai", "/v1/chat/completions", SSE, CHUNK("it is. "),
		EVENT("{\"error\":{\"message\":\"no\"}}") },
	{ "an error that the document is", "mistral", "/v1/chat/completions", SSE,
		CHUNK("it is. "), EVENT("{\"object\":\"error\",\"message\":\"no\"}") },
	{ "responses", "openai", "/v1/responses", SSE,
		EVENT("{\"type\":\"response.output_text.delta\",\"output_index\":0,\"delta\":"
		      "\"it is. \"}")
			EVENT("{\"type\":\"response.output_text.done\",\"output_index\":0,"
			      "\"text\":\"it is. \"}"),
		EVENT("{\"type\":\"response.incomplete\",\"response\":{}}") },
	{ "messages", "anthropic", "/v1/messages", SSE,
		EVENT(CLAUDE("it is. ")) EVENT(CLAUDE_STOPS) EVENT(CLAUDE_SAYS_WHY),
		EVENT("{\"type\":\"message_stop\"}") },
	{ "complete", "anthropic", "/v1/complete", SSE,
		EVENT("{\"type\":\"completion\",\"completion\":\"it is. \"}"),
		EVENT("{\"type\":\"completion\",\"completion\":\"\",\"stop_reason\":"
		      "\"stop\"}") },
	{ "Cohere", "cohere", "/v2/chat", SSE,
		EVENT("{\"type\":\"content-delta\",\"index\":0,\"delta\":{\"message\":{"
		      "\"content\":{\"text\":\"it is. \"}}}}")
			EVENT("{\"type\":\"content-end\",\"index\":0}"),
		EVENT("{\"type\":\"message-end\",\"delta\":{\"finish_reason\":\"COMPLETE\"}"
		      "}") },
	{ "Cohere's v1", "cohere", "/v1/chat", "application/stream+json",
		"{\"event_type\":\"text-generation\",\"text\":\"it is. \",\"is_finished\":"
		"false}\n",
		"{\"event_type\":\"stream-end\",\"is_finished\":true}\n" },
	{ "Ollama", "ollama", "/api/chat", LINES,
		"{\"message\":{\"content\":\"it is. \"},\"done\":false}\n",
		"{\"message\":{\"content\":\"\"},\"done\":true}\n" },
	{ "TGI", "tgi", "/generate_stream", SSE, EVENT("{\"token\":{\"text\":\"it is. \"}}"),
		EVENT("{\"token\":{\"text\":\"so\"},\"generated_text\":\"it is. so\"}") },
	{ "llama.cpp", "openai", "/completion", SSE,
		EVENT("{\"content\":\"it is. \",\"stop\":false}"),
		EVENT("{\"content\":\"\",\"stop\":true,\"stop_type\":\"eos\"}") },
	{ "converse", "bedrock", "/model/x/converse-stream", CONVERSE,
		"contentBlockDelta {\"contentBlockIndex\":0,\"delta\":{\"text\":\"it is. \"}}\n"
		"contentBlockStop {\"contentBlockIndex\":0}\n",
		"messageStop {\"stopReason\":\"end_turn\"}\n" },
	{ "Llama by invoke", "bedrock", "/invoke-with-response-stream", FRAMES,
		"{\"generation\":\"it is. \"}\n",
		"{\"generation\":\"\",\"stop_reason\":\"stop\"}\n" },
	{ "conversations", "mistral", "/v1/conversations", SSE,
		EVENT("{\"type\":\"message.output.delta\",\"output_index\":0,\"content\":\"it "
		      "is. \"}"),
		EVENT("{\"type\":\"conversation.response.done\"}") },
	{ "transcriptions", "openai", "/v1/audio/transcriptions", SSE,
		EVENT("{\"type\":\"transcript.text.delta\",\"delta\":\"it is. \"}"),
		EVENT("{\"type\":\"transcript.text.done\",\"text\":\"it is. \"}") },
	{ "images", "openai", "/v1/images/generations", SSE,
		EVENT("{\"type\":\"image_generation.partial_image\",\"b64_json\":\"QUJD\"}"),
		EVENT("{\"type\":\"image_generation.completed\",\"b64_json\":\"QUJD\"}") },
	{ "segments of servers that say no types", "openai", "/v1/audio/transcriptions", SSE,
		EVENT("{\"text\":\"it is. \"}"), NULL },
	{ "a file of lines", "openai", "/v1/files/f/content", "application/jsonl",
		"{\"text\":\"it is. \"}\n", NULL },
	{ "Gemini", "gemini", "/v1beta/models/g:streamGenerateContent", SSE,
		EVENT("{\"candidates\":[{\"content\":{\"parts\":[{\"text\":\"it is. \"}]}}]}"),
		NULL },
	{ "what no table knows", "rest", "/x", SSE, EVENT("{\"text\":\"it is. \"}"), NULL },
	{ "Ollama's report of a download", "ollama", "/api/pull", LINES,
		"{\"status\":\"pulling manifest\"}\n", NULL },
};

static enum guard_result
ended(size_t i, const char *in, bool inspects, struct buf *framed)
{
	struct answer_case c = { streams[i].name, REDACT, streams[i].dialect, streams[i].path,
		streams[i].type, in, "" };
	bool typed = !strcmp(c.type, CONVERSE);
	struct guard_rig r;

	buf_init(framed, 0);
	if (typed || !strcmp(c.type, FRAMES))
		put_frames(span_str(in), typed, framed);
	else
		buf_str(framed, in);
	guard_rig_load(&r, &c);
	r.plan.inspects = inspects;
	guard_rig_begin(&r, &c);
	guard_rig_feed(&r, buf_view(framed));
	guard_rig_end(&r);
	enum guard_result got = r.got;
	if (!span_eq(buf_view(framed), buf_view(&r.out)))
		fail_msg("%s: not as it came: %.*s", c.name, SPAN_ARG(buf_view(&r.out)));
	guard_rig_close(&r);
	buf_free(framed);
	return got;
}

static void
stream_without_its_end_was_cut(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT_OF(streams); i++)
		for (int inspects = 0; inspects < 2; inspects++) {
			const char *last = streams[i].last ? streams[i].last : "";
			enum guard_result want = streams[i].last ? GUARD_CUT : GUARD_PASS;
			struct buf all, framed;
			buf_init(&all, 0);
			buf_printf(&all, "%s%s%c", streams[i].said, last, 0);
			enum guard_result got = ended(i, streams[i].said, inspects, &framed);
			enum guard_result whole = ended(i, buf_view(&all).p, inspects, &framed);
			if (got != want || whole != GUARD_PASS)
				fail_msg("%s, inspected %d: cut %d, whole %d", streams[i].name,
					inspects, got, whole);
			buf_free(&all);
		}
}

/* After an array's closing bracket nothing can be added, and a second bracket would be invalid
 * JSON. */
static void
array_is_closed_once(void **state)
{
	(void)state;
	static const struct answer_case c = { "", REDACT, "gemini",
		"/v1beta/models/g:streamGenerateContent", "application/json", "", "" };
	struct guard_rig r;

	guard_rig_open(&r, &c);
	guard_rig_feed(&r, SPAN_LIT("[{\"candidates\":[]}]"));
	guard_rig_feed(&r, SPAN_LIT("x"));
	assert_int_equal(r.got, GUARD_BROKEN);
	guard_say_error(r.g, "provider_error", SPAN_LIT("no"), SPAN_LIT("i"), false, &r.out);
	assert_true(span_is(buf_view(&r.out), "[{\"candidates\":[]}]"));
	guard_rig_close(&r);
}

/* The same for lines and for events. */
static void
cohere_stream_gets_coheres_error(void **state)
{
	(void)state;
	static const struct answer_case c = { "", DENY, "cohere", "/v1/chat",
		"application/stream+json", "", "" };
	static const char want[] =
		"{\"is_finished\":true,\"event_type\":\"stream-end\",\"finish_reason\":"
		"\"ERROR\",\"type\":\"message-end\",\"delta\":{\"finish_reason\":\"ERROR\","
		"\"error\":\"no (decision i)\"}}\n";
	struct guard_rig r;

	guard_rig_open(&r, &c);
	guard_rig_feed(&r, SPAN_LIT("{\"event_type\":\"text-generation\",\"text\":\"my ssn is "
				    "536-22-1840 \"}\n{\"is_finished\":true}\n"));
	assert_int_equal(r.got, GUARD_DENIED);
	buf_clear(&r.out);
	guard_say_error(
		r.g, "content_policy_violation", SPAN_LIT("no"), SPAN_LIT("i"), false, &r.out);
	if (!span_is(buf_view(&r.out), want))
		fail_msg("%.*s", SPAN_ARG(buf_view(&r.out)));
	guard_rig_close(&r);
}

/* Events of responses are numbered, and a denial follows those that were forwarded. */
static void
error_event_of_responses_has_the_next_number(void **state)
{
	(void)state;
	static const struct answer_case c = { "", DENY, "openai", "/v1/responses", SSE, "", "" };
	static const char *const texts[] = { "so ", "my ssn is 536-22-1840 " };
	struct guard_rig r;

	guard_rig_load(&r, &c);
	r.plan.endpoint = "responses";
	guard_rig_begin(&r, &c);
	guard_rig_feed(&r, SPAN_LIT("data: {\"type\":\"response.created\",\"sequence_number\":0,\"response\":{}}\n\n"));
	for (size_t i = 0; i < COUNT_OF(texts); i++) {
		struct buf event = { 0 };
		buf_printf(&event,
			"data: {\"type\":\"response.output_text.delta\",\"sequence_number\":%zu,"
			"\"output_index\":0,\"content_index\":0,\"delta\":\"%s\"}\n\n",
			i + 1, texts[i]);
		guard_rig_feed(&r, buf_view(&event));
		buf_free(&event);
	}
	guard_rig_feed(&r, SPAN_LIT("data: {\"type\":\"response.completed\",\"sequence_number\":3,\"response\":{\"status\":\"completed\"}}\n\n"));
	guard_rig_end(&r);
	assert_int_equal(r.got, GUARD_DENIED);
	buf_clear(&r.out);
	guard_say_error(r.g, "content_policy_violation", SPAN_LIT("no"), SPAN_LIT("i"), false, &r.out);
	unsigned number = 0;
	const char *at = memmem(r.out.p, r.out.n, "\"sequence_number\":", 18);
	if (!at || sscanf(at + 18, "%u", &number) != 1 || number < 2 || number > 4)
		fail_msg("%.*s", SPAN_ARG(buf_view(&r.out)));
	guard_rig_close(&r);
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(stream_without_its_end_was_cut),
		cmocka_unit_test(array_is_closed_once),
		cmocka_unit_test(cohere_stream_gets_coheres_error),
		cmocka_unit_test(error_event_of_responses_has_the_next_number),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
