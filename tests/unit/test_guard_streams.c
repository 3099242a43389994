/* A stream as it is forwarded: the order of held text and later content, how much is held and
 * for how long, the end in each dialect, and the events of Gemini Live. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>

#include "answer/guard/guard_private.h"
#include "base/ascii.h"
#include "base/scoped.h"
#include "support/answer_fix.h"
#include "support/answer_run.h"
#include "support/fake_clock.h"

/* ---- the order of held text ---- */

#define SSE	       "text/event-stream"
#define LINES	       "application/x-ndjson"
#define CHAT	       "openai", "/v1/chat/completions", SSE
#define DELTA(members) "data: {\"choices\":[{\"index\":0,\"delta\":{" members "}}]}\n\n"
#define THINKS(text)   DELTA("\"reasoning_content\":\"" text "\"")
#define SAYS(text)     DELTA("\"content\":\"" text "\"")
#define CALLS                                                                                  \
	DELTA("\"tool_calls\":[{\"index\":0,\"function\":{\"name\":\"f\",\"arguments\":\"{}"   \
	      "\"}}]")
#define BOTH(a, b) DELTA("\"reasoning_content\":\"" a "\",\"content\":\"" b "\"")
#define DONE	   "data: [DONE]\n\n"
#define GEMINI	   "gemini", "/v1beta/models/g:streamGenerateContent", SSE
#define PART(part) "data: {\"candidates\":[{\"content\":{\"parts\":[{" part "}]}}]}\n\n"
#define PARTS(all) "data: {\"candidates\":[{\"content\":{\"parts\":[" all "]}}]}\n\n"
#define LIVE                                                                                   \
	"gemini",                                                                              \
		"/ws/google.ai.generativelanguage.v1beta.GenerativeService."                   \
		"BidiGenerateContent",                                                         \
		SSE
#define LINE(members) "{\"message\":{" members "},\"done\":false}\n"
#define LAST_LINE     "{\"message\":{\"content\":\"\"},\"done\":true}\n"
#define LAST_CHUNK                                                                             \
	"data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"\"},\"finish_reason\":"     \
	"\"stop\"}]}\n\n"
#define CITED(text, more)                                                                      \
	"data: {\"candidates\":[{\"content\":{\"parts\":[{\"text\":\"" text "\"}]}," more      \
	"}]}\n\n"
#define BEDROCK "bedrock", "/model/m/converse-stream", SSE
#define BLOCK(index, delta)                                                                    \
	"event: contentBlockDelta\ndata: {\"contentBlockIndex\":" index ",\"delta\":{" delta   \
	"}}\n\n"
#define TOOL_BLOCK                                                                             \
	"event: contentBlockStart\ndata: {\"contentBlockIndex\":1,\"start\":{\"toolUse\":{"    \
	"\"toolUseId\":\"t\",\"name\":\"f\"}}}\n\n" BLOCK(                                     \
		"1", "\"toolUse\":{\"input\":\"{}\"}") "event: contentBlockStop\ndata: "       \
						       "{\"contentBlockIndex\":1}\n\n"
#define CONVERSE_END "event: messageStop\ndata: {\"stopReason\":\"end_turn\"}\n\n"
#define SAID(index, text)                                                                      \
	"event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":" index \
	",\"delta\":{\"type\":\"text_delta\",\"text\":\"" text "\"}}\n\n"
#define SAID_END "event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n"

static const struct {
	const char *name, *dialect, *path, *type, *in, *want;
} ordered[] = {
	{ "reasoning, then text", CHAT, THINKS("of 4111 11") SAYS("It is so. ") DONE,
		THINKS("of ") THINKS("4111 11") SAYS("It is so. ") DONE },
	{ "with its details", CHAT,
		DELTA("\"reasoning\":\"of 4111\",\"reasoning_details\":[{\"text\":\"of "
		      "4111\"}]") SAYS("It is so. ") DONE,
		DELTA("\"reasoning\":\"of \",\"reasoning_details\":[{\"text\":\"of \"}]") DELTA(
			"\"reasoning\":\"\",\"reasoning_details\":[{\"text\":\"4111\"}]")
			DELTA("\"reasoning\":\"4111\",\"reasoning_details\":[{\"text\":\"\"}]")
				SAYS("It is so. ") DONE },
	{ "text, then a call", CHAT, SAYS("of 4111 11") CALLS DONE,
		SAYS("of ") SAYS("4111 11") CALLS DONE },
	{ "a value is one at the turn", CHAT,
		THINKS("to jane.doe@example.org") SAYS("It is so. ") DONE,
		THINKS("to ") THINKS("<EMAIL_ADDRESS>") SAYS("It is so. ") DONE },
	{ "of one that goes on later the rest is", CHAT,
		THINKS("to jane.doe@exam") SAYS("So. ") THINKS("ple.org and on we go. ") DONE,
		THINKS("to ") THINKS("jane.doe@exam") SAYS("So. ")
			THINKS("<EMAIL_ADDRESS> and on we go. ") DONE },
	{ "and no more of it goes at the next turn", CHAT,
		THINKS("of 4111 11") SAYS("So. ") THINKS("11 1111 ") SAYS("It is. ")
			THINKS("1111 and on we go. ") DONE,
		THINKS("of ") THINKS("4111 11") SAYS("So. ") SAYS("It is. ")
			THINKS("<CREDIT_CARD> and on we go. ") DONE },
	{ "two that come together do not make each other go", CHAT,
		BOTH("to jane.doe@", "of bob@") SAYS("example.net. ") BOTH("exam", "At ")
			THINKS("ple.org. ") SAYS("ann@example.com. ") DONE,
		BOTH("to ", "of ") THINKS("<EMAIL_ADDRESS>. ")
			SAYS("<EMAIL_ADDRESS>. At <EMAIL_ADDRESS>. ") DONE },
	{ "Gemini's thoughts", GEMINI,
		PART("\"text\":\"of 4111 11\",\"thought\":true")
			PART("\"text\":\"It is so. \""),
		PART("\"text\":\"of \",\"thought\":true")
			PART("\"text\":\"4111 11\",\"thought\":true")
				PART("\"text\":\"It is so. \"") },
	{ "and its calls", GEMINI,
		PART("\"text\":\"of 4111 11\"")
			PART("\"functionCall\":{\"name\":\"f\",\"args\":{}}"),
		PART("\"text\":\"of \"") PART("\"text\":\"4111 11\"")
			PART("\"functionCall\":{\"name\":\"f\",\"args\":{}}") },
	{ "Ollama's thinking, and its end without text", "ollama", "/api/chat", LINES,
		LINE("\"content\":\"\",\"thinking\":\"of 4111\"")
			LINE("\"content\":\"It is 5500 00\"") LAST_LINE,
		LINE("\"content\":\"\",\"thinking\":\"of \"") LINE(
			"\"content\":\"\",\"thinking\":\"4111\"") LINE("\"content\":\"It is \"")
			LINE("\"content\":\"5500 00\"") LAST_LINE },
	{ "an empty text in a chat's last chunk", CHAT, SAYS("of 4111 11") LAST_CHUNK DONE,
		SAYS("of ") SAYS("4111 11") LAST_CHUNK DONE },
	{ "a single value of Gemini is sent once", GEMINI,
		CITED("of 4111 11", "\"citationMetadata\":{\"citationSources\":[{\"uri\":"
				    "\"https://example.org/a\"}]}")
			CITED("11 and. ", "\"finishReason\":\"STOP\""),
		CITED("of ", "\"citationMetadata\":{\"citationSources\":[{\"uri\":\"https://"
			     "example.org/a\"}]}")
			CITED("4111 1111 and. ", "\"finishReason\":\"STOP\"") },
	{ "before another text, too", GEMINI,
		CITED("of 4111 11", "\"citationMetadata\":{\"citationSources\":[{\"uri\":"
				    "\"https://example.org/a\"}]}")
			PART("\"functionCall\":{\"name\":\"f\",\"args\":{}}"),
		CITED("of ", "\"citationMetadata\":{\"citationSources\":[{\"uri\":\"https://"
			     "example.org/a\"}]}") CITED("4111 11", "\"citationMetadata\":null")
			PART("\"functionCall\":{\"name\":\"f\",\"args\":{}}") },
	{ "and where none of its text goes with it", GEMINI,
		CITED("4111 11", "\"citationMetadata\":{\"citationSources\":[{\"uri\":\"https:/"
				 "/example.org/a\"}]}")
			PART("\"functionCall\":{\"name\":\"f\",\"args\":{}}"),
		CITED("", "\"citationMetadata\":{\"citationSources\":[{\"uri\":\"https://"
			  "example.org/a\"}]}") CITED("4111 11", "\"citationMetadata\":null")
			PART("\"functionCall\":{\"name\":\"f\",\"args\":{}}") },
	{ "media and code come once", GEMINI,
		PARTS("{\"text\":\"of 4111 "
		      "11\"},{\"inlineData\":{\"mimeType\":\"audio/"
		      "pcm\",\"data\":\"AAEC\"}},{\"codeExecutionResult\":{\"output\":\"1\"}}"),
		PARTS("{\"text\":\"of "
		      "\"},{\"inlineData\":{\"mimeType\":\"audio/"
		      "pcm\",\"data\":\"AAEC\"}},{\"codeExecutionResult\":{\"output\":\"1\"}}")
			PARTS("{\"text\":\"4111 "
			      "11\"},{\"inlineData\":null},{\"codeExecutionResult\":null}") },
	{ "and at once, where all of the text is held", LIVE,
		"data: "
		"{\"serverContent\":{\"modelTurn\":{\"parts\":[{\"inlineData\":{\"mimeType\":"
		"\"audio/pcm\",\"data\":\"AAEC\"}}]},\"outputTranscription\":{\"text\":\"4111 "
		"11\"},\"interrupted\":true}}\n\n",
		"data: "
		"{\"serverContent\":{\"modelTurn\":{\"parts\":[{\"inlineData\":{\"mimeType\":"
		"\"audio/"
		"pcm\",\"data\":\"AAEC\"}}]},\"outputTranscription\":{\"text\":\"\"},"
		"\"interrupted\":true}}\n\n"
		"data: "
		"{\"serverContent\":{\"modelTurn\":{\"parts\":[{\"inlineData\":null}]},"
		"\"outputTranscription\":{\"text\":\"4111 11\"},\"interrupted\":null}}\n\n" },
	/* ---- blocks without an end of their own ---- */
	{ "a block of text, then another", BEDROCK,
		BLOCK("0", "\"text\":\"of 4111 11\"") BLOCK("1", "\"text\":\"It is so. \"")
			CONVERSE_END,
		BLOCK("0", "\"text\":\"of \"") BLOCK("0", "\"text\":\"4111 11\"")
			BLOCK("1", "\"text\":\"It is so. \"") CONVERSE_END },
	{ "a block of reasoning, then text", BEDROCK,
		BLOCK("0", "\"reasoningContent\":{\"text\":\"of 4111 11\"}")
			BLOCK("1", "\"text\":\"It is so. \"") CONVERSE_END,
		BLOCK("0", "\"reasoningContent\":{\"text\":\"of \"}")
			BLOCK("0", "\"reasoningContent\":{\"text\":\"4111 11\"}")
				BLOCK("1", "\"text\":\"It is so. \"") CONVERSE_END },
	{ "a block of text, then a call", BEDROCK,
		BLOCK("0", "\"text\":\"of 4111 11\"") TOOL_BLOCK CONVERSE_END,
		BLOCK("0", "\"text\":\"of \"") BLOCK("0", "\"text\":\"4111 11\"")
			TOOL_BLOCK CONVERSE_END },
	{ "of Anthropic's, likewise", "anthropic", "/v1/messages", SSE,
		SAID("0", "of 4111 11") SAID("1", "It is so. ") SAID_END,
		SAID("0", "of ") SAID("0", "4111 11") SAID("1", "It is so. ") SAID_END },
};

static void
run_ordered(size_t i, size_t step, struct buf *out)
{
	struct answer_case c = { ordered[i].name, REDACT, ordered[i].dialect, ordered[i].path,
		ordered[i].type, ordered[i].in, "" };
	struct span in = span_str(ordered[i].in);
	struct guard_rig r;

	guard_rig_open(&r, &c);
	for (size_t at = 0; at < in.n; at += step)
		guard_rig_feed(&r, span_cut(in, at, at + step));
	guard_rig_end(&r);
	if (r.got)
		fail_msg("%s: %d", ordered[i].name, r.got);
	buf_span(out, buf_view(&r.out));
	guard_rig_close(&r);
}

static void
held_text_is_forwarded_in_order(void **state)
{
	static const size_t steps[] = { SIZE_MAX / 2, 1, 7 };

	(void)state;
	for (size_t i = 0; i < COUNT_OF(ordered); i++)
		for (size_t s = 0; s < COUNT_OF(steps); s++) {
			struct buf out;
			buf_init(&out, 0);
			run_ordered(i, steps[s], &out);
			if (!span_is(buf_view(&out), ordered[i].want))
				fail_msg("%s, %zu at a time:\n got  %.*s\n want %s",
					ordered[i].name, steps[s], SPAN_ARG(buf_view(&out)),
					ordered[i].want);
			buf_free(&out);
		}
}

/* A value that continues after a turn is denied. */
static void
value_across_turns_is_denied(void **state)
{
	static const struct answer_case c = { "", DENY, CHAT, "", "" };
	struct guard_rig r;

	(void)state;
	guard_rig_open(&r, &c);
	guard_rig_feed(&r, SPAN_LIT(THINKS("my ssn is 536-") SAYS("So. ")));
	assert_int_equal(r.got, GUARD_PASS);
	guard_rig_feed(&r, SPAN_LIT(THINKS("22-1840 and on we go. ") DONE));
	assert_int_equal(r.got, GUARD_DENIED);
	assert_null(memmem(buf_view(&r.out).p, r.out.n, "1840", 4));
	guard_rig_close(&r);
}

/* ---- what is held, and for how long ---- */

/* An image in base64 in a model's response: no value can begin in it, so it is forwarded as it
 * arrives. */
static void
long_run_is_forwarded_as_it_arrives(void **state)
{
	static const struct answer_case row = { "run", REDACT, "openai", "/v1/chat/completions",
		"text/event-stream", "", "" };
	char run[8193];
	struct guard_rig r;

	(void)state;
	for (size_t i = 0; i < sizeof(run) - 1; i++)
		run[i] = (char)('a' + i * i % 23);
	run[sizeof(run) - 1] = '\0';
	guard_rig_open(&r, &row);
	for (int i = 0; i < 4; i++) {
		struct buf b;
		buf_init(&b, 0);
		buf_printf(&b,
			"data: "
			"{\"choices\":[{\"index\":0,\"delta\":{\"content\":\"%s\"}}]}\n\n",
			run);
		guard_rig_feed(&r, buf_view(&b));
		buf_free(&b);
	}
	assert_true(r.out.n > 3 * sizeof(run)); /* before its end */
	guard_rig_feed(&r, SPAN_LIT(STOP));
	guard_rig_end(&r);
	assert_int_equal(r.got, GUARD_PASS);
	assert_int_equal(guard_report(r.g)->unread_bytes, 0);
	assert_true(r.out.n >= 4 * (sizeof(run) - 1));
	guard_rig_close(&r);
}

/* Comments after a block that ends in half a value wait with it. Each needs more memory than
 * its bytes. */
static void
held_comments_are_limited_by_their_memory(void **state)
{
	static const struct answer_case row = { "pings", REDACT, "anthropic", "/v1/messages",
		"text/event-stream", "", "" };
	struct guard_rig r;
	size_t most = 0;

	(void)state;
	guard_rig_open(&r, &row);
	guard_rig_feed(&r,
		SPAN_LIT("event: content_block_delta\ndata: {\"type\":\"content_block_delta\","
			 "\"index\":0,\"delta\":{\"type\":\"text_delta\",\"text\":\"to "
			 "jane.doe@\"}}\n\nevent: content_block_stop\ndata: {\"type\":"
			 "\"content_block_stop\",\"index\":0}\n\n"));
	for (int i = 0; i < 8000; i++) {
		guard_rig_feed(&r, SPAN_LIT(": ping\n\n"));
		size_t held = guard_held(r.g);
		most = held > most ? held : most;
	}
	assert_true(most > 100000); /* they were held */
	assert_true(most < 4 << 20);
	guard_rig_end(&r);
	guard_rig_close(&r);
}

/* The time for which text is held is measured: bytes times their time. Words that cannot begin
 * a value are not held. */
static void
held_text_is_measured(void **state)
{
	static const struct answer_case row = { "held", REDACT, "openai",
		"/v1/chat/completions", "text/event-stream", "", "" };
	struct guard_head head = { .status = 200, .content_type = span_str(row.type) };
	struct detect_scratch *scratch = detect_scratch_new(detect_fix()->rules);
	struct answer_request asked;
	struct policy_fix f;
	struct arena a;
	struct buf out;

	(void)state;
	answer_load(row.rules, &f, &a, &asked);
	buf_init(&out, 0);
	struct guard_plan plan = answer_plan(&row, f.p, &asked, scratch);
	struct guard *g = guard_new(&plan, &head);
	const struct guard_report *r = guard_report(g);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(guard_feed(g, SPAN_LIT(CHUNK("so ")), &out), GUARD_PASS);
		fake_pass_us(1000);
	}
	assert_int_equal(r->held_of_bytes, 9);
	assert_int_equal(r->held_max_bytes, 0);
	assert_int_equal(r->held_byte_us, 0);
	assert_int_equal(guard_feed(g, SPAN_LIT(CHUNK("to jane.doe@")), &out), GUARD_PASS);
	assert_int_equal(r->held_max_bytes, sizeof("jane.doe@") - 1);
	fake_pass_us(1000);
	assert_int_equal(
		guard_feed(g, SPAN_LIT(CHUNK("example.org. And ") STOP), &out), GUARD_PASS);
	fake_pass_us(1000);
	assert_int_equal(guard_end(g, &out), GUARD_PASS);
	assert_int_equal(r->held_byte_us, 1000 * (sizeof("jane.doe@") - 1));
	guard_drop(&g);
	detect_scratch_free(&scratch);
	arena_reset(&a);
	buf_free(&out);
	fix_done(&f);
}

/* Blocks without an end, followed by more of the first one. */
static void
ended_blocks_stay_ended(void **state)
{
	(void)state;
	static const struct answer_case c = { "", DENY, "anthropic", "/v1/messages",
		"text/event-stream", "", "" };
	struct guard_rig r;
	struct buf in;

	guard_rig_open(&r, &c);
	buf_init(&in, 0);
	for (unsigned i = 0; i <= 3 * CAP_ANSWER_CHANNELS; i++)
		buf_printf(&in,
			"data: {\"type\":\"content_block_delta\",\"index\":%u,\"delta\":{"
			"\"text\":\"ssn 536-\"}}\n\n"
			"data: {\"type\":\"content_block_stop\",\"index\":%u}\n\n",
			i, i);
	guard_rig_feed(&r, buf_view(&in));
	assert_int_equal(r.got, GUARD_PASS);
	guard_rig_feed(&r, SPAN_LIT("data: {\"type\":\"content_block_delta\",\"index\":0,"
				    "\"delta\":{\"text\":\"22-1840\"}}\n\n"));
	assert_int_equal(r.got, GUARD_UNREAD);
	buf_free(&in);
	guard_rig_close(&r);
}

/* Held text of an event is recorded once for each channel, not for each text and edit.
 * Otherwise an event of a megabyte would need gigabytes. */
static void
many_texts_in_one_event_need_little_memory(void **state)
{
	(void)state;
	static const struct answer_case c = { "", REDACT, "openai", "/v1/completions",
		"text/event-stream", "", "" };
	enum { SHORT_TEXTS = 2500, CHOICES = 100 };
	struct guard_rig r;
	struct buf in;

	guard_rig_open(&r, &c);
	buf_init(&in, 0);
	buf_str(&in, "data: {\"choices\":[");
	for (unsigned i = 0; i < SHORT_TEXTS; i++)
		buf_printf(&in, "%s{\"index\":%u,\"text\":\"a%u b \"}", i ? "," : "",
			i % CHOICES, i);
	buf_str(&in, "]}\n\n");
	guard_rig_feed(&r, buf_view(&in));
	assert_int_equal(r.got, GUARD_PASS);
	guard_rig_feed(&r, SPAN_LIT("data: [DONE]\n\n"));
	guard_rig_end(&r);
	assert_int_equal(r.got, GUARD_PASS);
	assert_non_null(memmem(buf_view(&r.out).p, r.out.n, "a2499", 5));
	buf_free(&in);
	guard_rig_close(&r);
}

/* ---- the end ---- */

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
	static const struct answer_case c = { "", DENY, "openai", "/v1/responses", SSE, "",
		"" };
	static const char *const texts[] = { "so ", "my ssn is 536-22-1840 " };
	struct guard_rig r;

	guard_rig_load(&r, &c);
	r.plan.endpoint = "responses";
	guard_rig_begin(&r, &c);
	guard_rig_feed(&r, SPAN_LIT("data: "
				    "{\"type\":\"response.created\",\"sequence_number\":0,"
				    "\"response\":{}}\n\n"));
	for (size_t i = 0; i < COUNT_OF(texts); i++) {
		struct buf event = { 0 };
		buf_printf(&event,
			"data: "
			"{\"type\":\"response.output_text.delta\",\"sequence_number\":%zu,"
			"\"output_index\":0,\"content_index\":0,\"delta\":\"%s\"}\n\n",
			i + 1, texts[i]);
		guard_rig_feed(&r, buf_view(&event));
		buf_free(&event);
	}
	guard_rig_feed(&r, SPAN_LIT("data: "
				    "{\"type\":\"response.completed\",\"sequence_number\":3,"
				    "\"response\":{\"status\":\"completed\"}}\n\n"));
	guard_rig_end(&r);
	assert_int_equal(r.got, GUARD_DENIED);
	buf_clear(&r.out);
	guard_say_error(
		r.g, "content_policy_violation", SPAN_LIT("no"), SPAN_LIT("i"), false, &r.out);
	unsigned number = 0;
	const char *at = memmem(r.out.p, r.out.n, "\"sequence_number\":", 18);
	if (!at || sscanf(at + 18, "%u", &number) != 1 || number != 3)
		fail_msg("%.*s", SPAN_ARG(buf_view(&r.out)));
	guard_rig_close(&r);
}

/* ---- numbers of events ---- */

#define NUMBERED(type, n, more) "data: {\"type\":\"" type "\",\"sequence_number\":" n more "}\n\n"
#define PIECE(n, slot, text) NUMBERED("response.output_text.delta", n, ",\"output_index\":" slot ",\"content_index\":0,\"delta\":\"" text "\"")
#define HELD_PIECES(slot) \
	PIECE("2", slot, "Call 536-") PIECE("3", slot, "22-") PIECE("4", slot, "1840 or 219-") PIECE("5", slot, "09-9999")
#define TEXT_DONE(n) \
	NUMBERED("response.output_text.done", n, ",\"output_index\":0,\"content_index\":0,\"text\":\"Call 536-22-1840 or 219-09-9999\"")
#define COMPLETED(n) NUMBERED("response.completed", n, ",\"response\":{\"status\":\"completed\"}")

/* The stream, and the numbers that its events have afterwards. */
static const struct {
	const char *name, *in, *want;
} numbered[] = {
	{ "an event that is held whole leaves no hole",
		NUMBERED("response.created", "0", ",\"response\":{\"background\":false}")
		NUMBERED("response.in_progress", "1", ",\"response\":{}") HELD_PIECES("0") TEXT_DONE("6") COMPLETED("7"),
		"0 1 2 3 4 " },
	{ "an event that is added repeats no number",
		NUMBERED("response.created", "0", ",\"response\":{}") PIECE("1", "0", "Hello there. All is fine today, so 536-22-18") TEXT_DONE("2") COMPLETED("3"),
		"0 1 2 3 4 " },
	{ "numbers stay if nothing is taken out",
		NUMBERED("response.created", "0", ",\"response\":{}") PIECE("2", "0", "nope. ") PIECE("5", "0", "splendid. ") COMPLETED("9"), "0 2 5 9 " },
	{ "a client resumes a background response by the provider's numbers",
		NUMBERED("response.created", "0", ",\"response\":{\"background\": true}")
		NUMBERED("response.in_progress", "1", ",\"response\":{}") HELD_PIECES("0") TEXT_DONE("6") COMPLETED("7"),
		NULL },
	{ "and goes on by them", NUMBERED("response.in_progress", "1", ",\"response\":{}") HELD_PIECES("0") TEXT_DONE("6") COMPLETED("7"), NULL },
};

static void
put_numbers(struct span of, struct buf *out)
{
	static const struct span member = SPAN_LIT("\"sequence_number\":");
	const char *at;

	while ((at = memmem(of.p, of.n, member.p, member.n))) {
		of = span_cut(of, (size_t)(at - of.p) + member.n, of.n);
		buf_printf(out, "%.*s ", (int)span_past(of, 0, is_digit), of.p);
	}
}

static void
events_are_numbered_without_holes(void **state)
{
	static const struct answer_case c = { "", REDACT,
		"openai", "/v1/responses", SSE, "", "" };

	(void)state;
	for (size_t i = 0; i < COUNT_OF(numbered); i++)
		for (size_t cut = 0; cut <= strlen(numbered[i].in); cut += 7) {
			struct span in = span_str(numbered[i].in);
			struct guard_rig r;
			SCOPED_BUF(was, 0);
			SCOPED_BUF(is, 0);
			guard_rig_load(&r, &c);
			r.plan.endpoint = "responses";
			guard_rig_begin(&r, &c);
			guard_rig_feed(&r, span_cut(in, 0, cut));
			guard_rig_feed(&r, span_cut(in, cut, in.n));
			guard_rig_end(&r);
			put_numbers(in, &was);
			put_numbers(buf_view(&r.out), &is);
			bool right = numbered[i].want ? span_is(buf_view(&is), numbered[i].want)
						      : memmem(r.out.p + r.out.start, r.out.n, "\"sequence_number\":7", 19) && is.n < was.n;
			if (r.got || !right)
				fail_msg("%s: %d %.*s\n%.*s", numbered[i].name, r.got, SPAN_ARG(buf_view(&is)), SPAN_ARG(buf_view(&r.out)));
			guard_rig_close(&r);
		}
}

/* ---- Gemini Live ---- */

#define LIVE_PATH                                                                              \
	"/ws/google.ai.generativelanguage.v1beta.GenerativeService.BidiGenerateContent"
#define LIVE_RULES                                                                             \
	"rules: [{name: a, phase: tool, when: 'tool.name == \"wipe\" || (tool.name == "        \
	"\"pay\" && tool.arguments.amount > 100)', deny: true}, {name: b, phase: response, "   \
	"when: '\"US_SSN\" in response.entities', deny: {reason: no numbers}}]\n"

enum { LIVE_EVENTS = 6 };

/* clang-format off */
#define CALLED(name, args) "{\"id\":\"1\",\"name\":\"" name "\",\"args\":" args "}"

#define TOOLS(calls) "{\"toolCall\":{\"functionCalls\":[" calls "]}}"
#define LIVE_TEXT(text) "{\"serverContent\":{\"modelTurn\":{\"parts\":[{\"text\":\"" text "\"}]}}"
#define USED ",\"usageMetadata\":{\"promptTokenCount\":10,\"responseTokenCount\":10,\"totalTokenCount\":20}}"
#define IS_OVER "{\"serverContent\":{\"turnComplete\":true}"

static const struct {
	const char *name, *events[LIVE_EVENTS];
	size_t goes;   /* number of events that are forwarded unchanged before the next one is read */
	bool denied;   /* the next event denies the response; else all are forwarded */
	bool in_text;  /* denied by a number across several events; earlier events may be forwarded */
} sessions[] = {
	{ "a call that is permitted", { TOOLS(CALLED("find", "{\"a\":1}")) }, 1, false, false },
	{ "two, and two", { TOOLS(CALLED("find", "{}") "," CALLED("pay", "{\"amount\": 5}")), TOOLS(CALLED("find", "{}")) }, 2, false, false },
	{ "one with its usage", { "{\"toolCall\":{\"functionCalls\":[" CALLED("find", "{}") "]}" USED }, 1, false, false },
	{ "of a part", { "{\"serverContent\":{\"modelTurn\":{\"parts\":[{\"functionCall\":" CALLED("find", "{}") "}]}}}" }, 1, false, false },
	{ "a call that is denied", { TOOLS(CALLED("wipe", "{}")) }, 0, true, false },
	{ "without arguments", { "{\"toolCall\":{\"functionCalls\":[{\"name\":\"wipe\"}]}}" }, 0, true, false },
	{ "by its arguments", { TOOLS(CALLED("pay", "{\"amount\":5000}")) }, 0, true, false },
	{ "the second of two", { TOOLS(CALLED("find", "{}") "," CALLED("wipe", "{}")) }, 0, true, false },
	{ "the first of two", { TOOLS(CALLED("wipe", "{}") "," CALLED("find", "{}")) }, 0, true, false },
	{ "after one that was permitted", { TOOLS(CALLED("find", "{}")), TOOLS(CALLED("wipe", "{}")) }, 1, true, false },
	{ "in the other spelling", { "{\"tool_call\":{\"function_calls\":[" CALLED("wipe", "{}") "]}}" }, 0, true, false },
	{ "in one of each", { "{\"toolCall\":{\"function_calls\":[" CALLED("wipe", "{}") "]}}" }, 0, true, false },
	{ "in the other one of each", { "{\"tool_call\":{\"functionCalls\":[" CALLED("wipe", "{}") "]}}" }, 0, true, false },
	{ "in a part", { "{\"serverContent\":{\"modelTurn\":{\"parts\":[{\"text\":\"x\"},{\"functionCall\":" CALLED("wipe", "{}") "}]}}}" }, 0, true, false },
	{ "in a part, in the other spelling", { "{\"server_content\":{\"model_turn\":{\"parts\":[{\"function_call\":" CALLED("wipe", "{}") "}]}}}" }, 0, true, false },
	{ "in a part, in one of each", { "{\"serverContent\":{\"model_turn\":{\"parts\":[{\"functionCall\":" CALLED("wipe", "{}") "}]}}}" }, 0, true, false },
	{ "next to a text", { "{\"serverContent\":{\"modelTurn\":{\"parts\":[{\"text\":\"x\"}]}},\"toolCall\":{\"functionCalls\":[" CALLED("wipe", "{}") "]}}" }, 0, true, false },
	{ "text of a turn is forwarded with its end", { LIVE_TEXT("hallo ") "}", LIVE_TEXT("there") "}", IS_OVER "}" }, 3, false, false },
	{ "usage ends none", { LIVE_TEXT("my number is 536-90") USED, LIVE_TEXT("-4399 of social security") USED, IS_OVER USED }, 0, true, true },
	{ "nor does it alone", { LIVE_TEXT("my number is 536-90") "}", "{\"usageMetadata\":{\"totalTokenCount\":1}}", LIVE_TEXT("-4399 of social security") "}", IS_OVER USED }, 0, true, true },
};
/* clang-format on */

static void
live_events_are_unchanged_or_denied(void **state)
{
	static const struct answer_case as = { "", LIVE_RULES, "gemini", LIVE_PATH,
		"text/event-stream", "", "" };

	(void)state;
	for (size_t i = 0; i < COUNT_OF(sessions); i++) {
		SCOPED_BUF(want, 0);
		struct guard_rig r;
		bool early = true;

		guard_rig_open(&r, &as);
		for (size_t k = 0; k < LIVE_EVENTS && sessions[i].events[k]; k++) {
			SCOPED_BUF(event, 0);
			buf_printf(&event, "data: %s\n\n", sessions[i].events[k]);
			early &= k != sessions[i].goes ||
				 span_eq(buf_view(&want), buf_view(&r.out));
			if (k < sessions[i].goes)
				buf_span(&want, buf_view(&event));
			guard_rig_feed(&r, buf_view(&event));
		}
		bool at_once = !sessions[i].denied || r.got == GUARD_DENIED;
		if (!sessions[i].denied)
			early &= span_eq(buf_view(&want), buf_view(&r.out));
		guard_rig_end(&r);
		bool same = sessions[i].in_text ? !memmem(r.out.p, r.out.n, "536", 3)
						: span_eq(buf_view(&want), buf_view(&r.out));
		if (!early || !at_once || !same ||
			(r.got == GUARD_DENIED) != sessions[i].denied)
			fail_msg("%s: %d (%d %d)\n%.*s", sessions[i].name, r.got, early,
				at_once, SPAN_ARG(buf_view(&r.out)));
		guard_rig_close(&r);
	}
}

/* The last count of a turn includes the earlier ones. */
static void
usage_of_a_live_turn_is_counted_once(void **state)
{
	static const struct answer_case as = { "", LIVE_RULES, "gemini", LIVE_PATH,
		"text/event-stream", "", "" };
	struct guard_rig r;

	(void)state;
	guard_rig_open(&r, &as);
	guard_rig_feed(&r, SPAN_LIT("data: " LIVE_TEXT("a ") USED "\n\n"));
	guard_rig_feed(&r,
		SPAN_LIT("data: " IS_OVER
			 ",\"usageMetadata\":{\"promptTokenCount\":20,\"responseTokenCount\":"
			 "20,\"totalTokenCount\":40}}\n\n"));
	guard_rig_end(&r);
	assert_int_equal(r.got, GUARD_PASS);
	struct usage u = guard_usage(r.g);
	assert_int_equal(u.input_tokens, 20);
	assert_int_equal(u.output_tokens, 20);
	guard_rig_close(&r);
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(held_text_is_forwarded_in_order),
		cmocka_unit_test(value_across_turns_is_denied),
		cmocka_unit_test(long_run_is_forwarded_as_it_arrives),
		cmocka_unit_test(held_comments_are_limited_by_their_memory),
		cmocka_unit_test(held_text_is_measured),
		cmocka_unit_test(ended_blocks_stay_ended),
		cmocka_unit_test(many_texts_in_one_event_need_little_memory),
		cmocka_unit_test(stream_without_its_end_was_cut),
		cmocka_unit_test(array_is_closed_once),
		cmocka_unit_test(cohere_stream_gets_coheres_error),
		cmocka_unit_test(error_event_of_responses_has_the_next_number),
		cmocka_unit_test(events_are_numbered_without_holes),
		cmocka_unit_test(live_events_are_unchanged_or_denied),
		cmocka_unit_test(usage_of_a_live_turn_is_counted_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
