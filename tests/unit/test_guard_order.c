/* Held text is forwarded before later content: where another text of the same choice begins,
 * and before an end after which clients do not read. Byte for byte, in every cut. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>

#include "support/answer_fix.h"

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
#define CONVERSE "bedrock", "/model/m/converse-stream", SSE
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
} rows[] = {
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
	{ "a block of text, then another", CONVERSE,
		BLOCK("0", "\"text\":\"of 4111 11\"") BLOCK("1", "\"text\":\"It is so. \"")
			CONVERSE_END,
		BLOCK("0", "\"text\":\"of \"") BLOCK("0", "\"text\":\"4111 11\"")
			BLOCK("1", "\"text\":\"It is so. \"") CONVERSE_END },
	{ "a block of reasoning, then text", CONVERSE,
		BLOCK("0", "\"reasoningContent\":{\"text\":\"of 4111 11\"}")
			BLOCK("1", "\"text\":\"It is so. \"") CONVERSE_END,
		BLOCK("0", "\"reasoningContent\":{\"text\":\"of \"}")
			BLOCK("0", "\"reasoningContent\":{\"text\":\"4111 11\"}")
				BLOCK("1", "\"text\":\"It is so. \"") CONVERSE_END },
	{ "a block of text, then a call", CONVERSE,
		BLOCK("0", "\"text\":\"of 4111 11\"") TOOL_BLOCK CONVERSE_END,
		BLOCK("0", "\"text\":\"of \"") BLOCK("0", "\"text\":\"4111 11\"")
			TOOL_BLOCK CONVERSE_END },
	{ "of Anthropic's, likewise", "anthropic", "/v1/messages", SSE,
		SAID("0", "of 4111 11") SAID("1", "It is so. ") SAID_END,
		SAID("0", "of ") SAID("0", "4111 11") SAID("1", "It is so. ") SAID_END },
};

static void
run_row(size_t i, size_t step, struct buf *out)
{
	struct answer_case c = { rows[i].name, REDACT, rows[i].dialect, rows[i].path,
		rows[i].type, rows[i].in, "" };
	struct span in = span_str(rows[i].in);
	struct guard_rig r;

	guard_rig_open(&r, &c);
	for (size_t at = 0; at < in.n; at += step)
		guard_rig_feed(&r, span_cut(in, at, at + step));
	guard_rig_end(&r);
	if (r.got)
		fail_msg("%s: %d", rows[i].name, r.got);
	buf_span(out, buf_view(&r.out));
	guard_rig_close(&r);
}

static void
held_text_is_forwarded_in_order(void **state)
{
	static const size_t steps[] = { SIZE_MAX / 2, 1, 7 };

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++)
		for (size_t s = 0; s < COUNT_OF(steps); s++) {
			struct buf out;
			buf_init(&out, 0);
			run_row(i, steps[s], &out);
			if (!span_is(buf_view(&out), rows[i].want))
				fail_msg("%s, %zu at a time:\n got  %.*s\n want %s",
					rows[i].name, steps[s], SPAN_ARG(buf_view(&out)),
					rows[i].want);
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

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(held_text_is_forwarded_in_order),
		cmocka_unit_test(value_across_turns_is_denied),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
