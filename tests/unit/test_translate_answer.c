/* Responses in another form, as a strict client of the caller's form reads them: chat
 * completions for callers of messages and the reverse, as streams cut anywhere and whole. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>

#include "support/fake_clock.h"
#include "support/translate_client.h"
#include "support/translate_said.h"

/* Parts of the text that clients read from each response. */
#define GPT	     "c1 gpt|"
#define CLAUDE	     "m1 claude|"
#define NONE	     "|0 0 cached 0 written 0"
#define CLAUDE_USAGE "|130 7 cached 100 written 20 reasoned 0"

/* `whole`: the same as a whole response; NULL: there is none. */
static const struct translate_case {
	const char *name;
	enum form from;
	const char *stream, *whole, *want;
} cases[] = {
	{ "a text", FORM_CHAT, ROLE SAYS("Hel") SAYS("lo") FINISH("stop") DONE,
		CHAT("\"content\":\"Hello\"},\"finish_reason\":\"stop\"}]}"),
		GPT "text Hello|end_turn" NONE },
	{ "a text of messages", FORM_MESSAGES,
		START TEXT("0") WORDS("0", "Hel") WORDS("0", "lo") STOP("0") WHY("end_turn")
			LAST,
		MESSAGE("{\"type\":\"text\",\"text\":\"Hello\"}", "end_turn"),
		CLAUDE "content Hello|stop" CLAUDE_USAGE },
	{ "nothing is said", FORM_CHAT, ROLE FINISH("stop") DONE,
		CHAT("\"content\":\"\"},\"finish_reason\":\"stop\"}]}"), GPT "end_turn" NONE },
	{ "nothing is said by messages", FORM_MESSAGES, START WHY("end_turn") LAST,
		MESSAGE("", "end_turn"), CLAUDE "stop" CLAUDE_USAGE },
	{ "characters that need escapes, and pairs of surrogates in two events", FORM_CHAT,
		SAYS("\\\"\\n\\u0001\xc3\xa9") SAYS("\\ud83d") SAYS("\\ude00") SAYS("\\ud83d")
			FINISH("stop") DONE,
		CHAT("\"content\":\"\\\"\\n\\u0001\xc3\xa9\\ud83d\\ude00\\ud83d\"},"
		     "\"finish_reason\":\"stop\"}]}"),
		GPT "text \"\n\x01\xc3\xa9\xf0\x9f\x98\x80\xef\xbf\xbd|end_turn" NONE },
	{ "half a pair before another character", FORM_CHAT,
		SAYS("\\ud83d") SAYS("x") FINISH("stop") DONE, NULL,
		GPT "text \xef\xbf\xbd"
		    "x|end_turn" NONE },
	{ "half a pair in arguments, as they spell it", FORM_CHAT,
		BEGINS("0", "a", "get") GROWS("0", "{\\\"x\\\":\\\"\\\\ud83d\\\"}")
			FINISH("tool_calls") DONE,
		NULL, GPT "tool_use a get {\"x\":\"\\ud83d\"}|tool_use" NONE },
	{ "all of the text so far in each event", FORM_CHAT,
		CHUNK("{\"index\":0,\"delta\":{\"content\":\"Hel\"},\"message\":{\"content\":"
		      "\"Hel\"}}")
			CHUNK("{\"index\":0,\"delta\":{\"content\":\"lo\"},\"message\":"
			      "{\"content\":\"Hello\"}}") FINISH("stop") DONE,
		NULL, GPT "text Hello|end_turn" NONE },
	/* calls */
	{ "no empty text before a call", FORM_CHAT,
		ROLE SAYS("") SAYS("") SAYS("") BEGINS("0", "a", "get") FINISH("tool_calls")
			DONE,
		NULL, GPT "tool_use a get {}|tool_use" NONE },
	{ "an index that is null", FORM_CHAT,
		PIECE("\"index\":null,\"id\":\"a\",\"function\":{\"name\":\"get\"}")
			PIECE("\"index\":null,\"function\":{\"arguments\":\"{}\"}")
				FINISH("tool_calls") DONE,
		NULL, GPT "tool_use a get {}|tool_use" NONE },
	{ "a call after a text", FORM_CHAT,
		SAYS("look") BEGINS("0", "a", "get") GROWS("0", "{\\\"x\\\":") GROWS("0", "1}")
			FINISH("tool_calls") DONE,
		CHAT("\"content\":\"look\",\"tool_calls\":[{\"id\":\"a\",\"type\":\"function\","
		     "\"function\":{\"name\":\"get\",\"arguments\":\"{\\\"x\\\":1}\"}}]},"
		     "\"finish_reason\":\"tool_calls\"}]}"),
		GPT "text look|tool_use a get {\"x\":1}|tool_use" NONE },
	{ "the index of a block is not that of a call, of which each has its own (peers, 1)",
		FORM_MESSAGES,
		START TEXT("0") WORDS("0", "look") STOP("0") TOOL("1", "a", "get") INPUT(
			"1", "{\\\"x\\\":") INPUT("1", "1}") STOP("1") TOOL("2", "b", "put")
			INPUT("2", "{\\\"y\\\":2}") STOP("2") WHY("tool_use") LAST,
		MESSAGE("{\"type\":\"text\",\"text\":\"look\"},{\"type\":\"tool_use\",\"id\":"
			"\"a\",\"name\":\"get\",\"input\":{\"x\":1}},{\"type\":\"tool_use\","
			"\"id\":\"b\",\"name\":\"put\",\"input\":{\"y\":2}}",
			"tool_use"),
		CLAUDE "content look|call a get {\"x\":1}|call b put "
		       "{\"y\":2}|tool_calls" CLAUDE_USAGE },
	{ "calls that come mixed are written one after the other", FORM_CHAT,
		BEGINS("0", "a", "get") BEGINS("1", "b", "put") GROWS("0", "{\\\"x\\\"")
			GROWS("1", "{\\\"y\\\"") GROWS("0", ":1}") GROWS("1", ":2}")
				FINISH("tool_calls") DONE,
		CHAT("\"content\":null,\"tool_calls\":[{\"id\":\"a\",\"type\":\"function\","
		     "\"function\":{\"name\":\"get\",\"arguments\":\"{\\\"x\\\":1}\"}},{\"id\":"
		     "\"b\",\"type\":\"function\",\"function\":{\"name\":\"put\",\"arguments\":"
		     "\"{\\\"y\\\":2}\"}}]},\"finish_reason\":\"tool_calls\"}]}"),
		GPT "tool_use a get {\"x\":1}|tool_use b put {\"y\":2}|tool_use" NONE },
	{ "a whole call in one event has its arguments (peers, 2 and 4)", FORM_CHAT,
		PIECE("\"index\":0,\"id\":\"a\",\"function\":{\"name\":\"get\",\"arguments\":"
		      "\"{\\\"x\\\":1}\"}") PIECE("\"index\":1,\"id\":\"b\",\"function\":{"
						  "\"arguments\":{\"y\":2},\"name\":\"put\"}")
			FINISH("tool_calls") DONE,
		NULL, GPT "tool_use a get {\"x\":1}|tool_use b put {\"y\":2}|tool_use" NONE },
	{ "arguments of which nothing came before they were done (peers, 3)", FORM_MESSAGES,
		START BLOCK("0",
			"\"type\":\"tool_use\",\"id\":\"a\",\"name\":\"get\",\"input\":"
			"{\"x\":1}") STOP("0") WHY("tool_use") LAST,
		NULL, CLAUDE "call a get {\"x\":1}|tool_calls" CLAUDE_USAGE },
	{ "no arguments are an empty object", FORM_CHAT,
		BEGINS("0", "a", "get") FINISH("tool_calls") DONE,
		CHAT("\"tool_calls\":[{\"id\":\"a\",\"function\":{\"name\":\"get\","
		     "\"arguments\":\"\"}}]},\"finish_reason\":\"tool_calls\"}]}"),
		GPT "tool_use a get {}|tool_use" NONE },
	{ "no arguments of messages are an empty object", FORM_MESSAGES,
		START TOOL("0", "a", "get") INPUT("0", "") STOP("0") WHY("tool_use") LAST,
		MESSAGE("{\"type\":\"tool_use\",\"id\":\"a\",\"name\":\"get\",\"input\":{}}",
			"tool_use"),
		CLAUDE "call a get {}|tool_calls" CLAUDE_USAGE },
	{ "ids that did not come are made", FORM_CHAT,
		PIECE("\"index\":0,\"function\":{\"name\":\"get\"}") PIECE(
			"\"index\":1,\"function\":{\"name\":\"get\",\"arguments\":\"{}\"}")
			FINISH("tool_calls") DONE,
		CHAT("\"tool_calls\":[{\"function\":{\"name\":\"get\"}},{\"function\":{"
		     "\"name\":\"get\",\"arguments\":\"{}\"}}]},\"finish_reason\":"
		     "\"tool_calls\"}]}"),
		GPT "tool_use toolu_D1_0 get {}|tool_use toolu_D1_1 get {}|tool_use" NONE },
	{ "ids that Anthropic does not take: its client sends them back to it as they are",
		FORM_CHAT,
		BEGINS("0", "functions.get:0", "get") GROWS("0", "{") BEGINS("1", "ok-1", "put")
			GROWS("1", "{}")
				PIECE("\"index\":0,\"id\":\"functions.get:0\",\"function\":"
				      "{\"arguments\":\"}\"}") FINISH("tool_calls") DONE,
		NULL, GPT "tool_use toolu_D1_0 get {}|tool_use ok-1 put {}|tool_use" NONE },
	{ "calls that are not counted are told by their ids", FORM_CHAT,
		PIECE("\"index\":0,\"id\":\"a\",\"function\":{\"name\":\"get\",\"arguments\":"
		      "\"{}\"}")
			PIECE("\"index\":0,\"id\":\"b\",\"function\":{\"name\":\"get\","
			      "\"arguments\":\"{}\"}")
				PIECE("\"index\":0,\"id\":\"c\",\"function\":{\"name\":\"put\","
				      "\"arguments\":\"{}\"}") FINISH("stop") DONE,
		NULL,
		GPT "tool_use a get {}|tool_use b get {}|tool_use c put {}|tool_use" NONE },
	{ "the older function_call", FORM_CHAT,
		DELTA("\"function_call\":{\"name\":\"get\",\"arguments\":\"\"}")
			DELTA("\"function_call\":{\"arguments\":\"{}\"}")
				FINISH("function_call") DONE,
		CHAT("\"function_call\":{\"name\":\"get\",\"arguments\":\"{}\"}},"
		     "\"finish_reason\":\"function_call\"}]}"),
		GPT "tool_use toolu_D1_0 get {}|tool_use" NONE },
	{ "a name and an id in each piece", FORM_CHAT,
		PIECE("\"index\":0,\"id\":\"a\",\"function\":{\"name\":\"get\",\"arguments\":"
		      "\"{\"}") PIECE("\"index\":0,\"id\":\"a\",\"function\":{\"name\":\"get\","
				      "\"arguments\":\"}\"}") FINISH("tool_calls") DONE,
		NULL, GPT "tool_use a get {}|tool_use" NONE },
	{ "the first thing is a call (peers, 22)", FORM_CHAT,
		PIECE("\"index\":0,\"id\":\"a\",\"function\":{\"name\":\"get\",\"arguments\":"
		      "\"{}\"}") FINISH("tool_calls") DONE,
		NULL, GPT "tool_use a get {}|tool_use" NONE },
	{ "a text after a call (peers, 22)", FORM_CHAT,
		BEGINS("0", "a", "get") GROWS("0", "{}") SAYS("so") FINISH("tool_calls") DONE,
		NULL, GPT "tool_use a get {}|text so|tool_use" NONE },
	{ "a text in the middle of a call waits for its end", FORM_CHAT,
		BEGINS("0", "a", "get") GROWS("0", "{") SAYS("s") SAYS("o") GROWS("0", "}")
			FINISH("tool_calls") DONE,
		NULL, GPT "tool_use a get {}|text so|tool_use" NONE },
	/* reasoning, refusals, and members that only the provider has */
	{ "what was reasoned comes before", FORM_CHAT,
		DELTA("\"reasoning_content\":\"hm\"") DELTA("\"reasoning_content\":\"m\"")
			SAYS("yes") FINISH("stop") DONE,
		CHAT("\"reasoning_content\":\"hmm\",\"content\":\"yes\"},\"finish_reason\":"
		     "\"stop\"}]}"),
		GPT "thinking hmm|text yes|end_turn" NONE },
	{ "what was reasoned, written after the rest of its message", FORM_CHAT,
		DELTA("\"content\":\"y\",\"reasoning_content\":\"hm\"") DELTA(
			"\"tool_calls\":[{\"index\":0,\"id\":\"a\",\"function\":{\"name\":"
			"\"get\","
			"\"arguments\":\"{}\"}}],\"content\":\"es\"") FINISH("tool_calls") DONE,
		CHAT("\"tool_calls\":[{\"id\":\"a\",\"function\":{\"name\":\"get\","
		     "\"arguments\":\"{}\"}}],\"content\":\"yes\",\"reasoning_content\":\"hm\"}"
		     ","
		     "\"finish_reason\":\"tool_calls\"}]}"),
		GPT "thinking hm|text yes|tool_use a get {}|tool_use" NONE },
	{ "what was reasoned is said in two places", FORM_CHAT,
		DELTA("\"reasoning\":\"hmm\",\"reasoning_details\":[{\"type\":"
		      "\"reasoning.text\",\"text\":\"hmm\",\"index\":0}]") SAYS("yes")
			FINISH("stop") DONE,
		NULL, GPT "thinking hmm|text yes|end_turn" NONE },
	{ "thinking, whose signature has no place, and a block that is sealed", FORM_MESSAGES,
		START THINK("0") MORE("0", "thinking_delta", "thinking", "hmm") MORE(
			"0", "signature_delta", "signature", "c2ln") STOP("0")
			BLOCK("1", "\"type\":\"redacted_thinking\",\"data\":\"c2VhbGVk\"") STOP(
				"1") TEXT("2") WORDS("2", "yes") STOP("2") WHY("end_turn") LAST,
		MESSAGE("{\"type\":\"thinking\",\"thinking\":\"hmm\",\"signature\":\"c2ln\"},{"
			"\"type\":\"redacted_thinking\",\"data\":\"c2VhbGVk\"},{\"type\":"
			"\"text\",\"text\":\"yes\"}",
			"end_turn"),
		CLAUDE "reasoning_content hmm|content yes|stop" CLAUDE_USAGE },
	{ "a refusal", FORM_CHAT,
		DELTA("\"refusal\":\"I can\"") DELTA("\"refusal\":\"not\"") FINISH("stop") DONE,
		CHAT("\"content\":null,\"refusal\":\"I "
		     "cannot\"},\"finish_reason\":\"stop\"}]}"),
		GPT "text I cannot|refusal" NONE },
	{ "citations are left out", FORM_MESSAGES,
		START TEXT("0") WORDS("0", "yes") NAMED("content_block_delta",
			",\"index\":0,\"delta\":{\"type\":\"citations_delta\","
			"\"citation\":{\"type\":\"page_location\",\"cited_text\":\"x\"}}")
			STOP("0") WHY("end_turn") LAST,
		MESSAGE("{\"type\":\"text\",\"text\":\"yes\",\"citations\":[{\"type\":"
			"\"page_location\",\"cited_text\":\"x\"}]}",
			"end_turn"),
		CLAUDE "content yes|stop" CLAUDE_USAGE },
	/* usage */
	{ "what was cached is in one count or apart, and never in both (peers, 6 and 7)",
		FORM_CHAT,
		SAYS("a") FINISH("stop") CHAT_USAGE(
			"\"prompt_tokens\":130,\"completion_tokens\":7,\"total_tokens\":137,"
			"\"prompt_tokens_details\":{\"cached_tokens\":100,"
			"\"cache_write_tokens\":20},\"completion_tokens_details\":{"
			"\"reasoning_tokens\":3}") DONE,
		CHAT("\"content\":\"a\"},\"finish_reason\":\"stop\"}],\"usage\":{"
		     "\"prompt_tokens\":130,\"completion_tokens\":7,\"total_tokens\":137,"
		     "\"prompt_tokens_details\":{\"cached_tokens\":100,\"cache_write_tokens\":"
		     "20},\"completion_tokens_details\":{\"reasoning_tokens\":3}}}"),
		GPT "text a|end_turn|10 7 cached 100 written 20" },
	{ "parts of the usage that are more than all of it", FORM_CHAT,
		SAYS("a") FINISH("stop") CHAT_USAGE(
			"\"prompt_tokens\":10,\"completion_tokens\":7,"
			"\"prompt_tokens_details\":{\"cached_tokens\":8,\"cache_write_tokens\":"
			"20},"
			"\"completion_tokens_details\":{\"reasoning_tokens\":30}") DONE,
		NULL, GPT "text a|end_turn|0 7 cached 0 written 10" },
	{ "a first event with usage and no choices is not the end (peers, 18)", FORM_CHAT,
		CHAT_USAGE("\"prompt_tokens\":5,\"completion_tokens\":0") SAYS("a") FINISH(
			"stop") CHAT_USAGE("\"prompt_tokens\":5,\"completion_tokens\":2") DONE,
		NULL, GPT "text a|end_turn|5 2 cached 0 written 0" },
	{ "usage in an event that has a choice, and twice (peers, 19)", FORM_CHAT,
		SAYS("a") FINISH("stop") EVENT(
			"{\"choices\":[{\"index\":0,\"delta\":{}}],\"usage\":{"
			"\"prompt_tokens\":5,\"completion_tokens\":2}}")
			EVENT("{\"choices\":[],\"x_groq\":{\"usage\":{\"prompt_tokens\":"
			      "5,\"completion_tokens\":2}}}") DONE,
		NULL, GPT "text a|end_turn|5 2 cached 0 written 0" },
	{ "a part of the usage in the middle of a stream (peers, 20)", FORM_CHAT,
		EVENT("{\"choices\":[{\"index\":0,\"delta\":{\"content\":\"a\"}}],\"usage\":{"
		      "\"prompt_tokens\":5}}") FINISH("stop") DONE,
		NULL, "msg_D1 asked|text a|end_turn" NONE },
	{ "usage that is not known", FORM_MESSAGES,
		NAMED("message_start", ",\"message\":{\"id\":\"m1\",\"model\":\"claude\"}")
			NAMED("message_delta", ",\"delta\":{\"stop_reason\":\"end_turn\"}")
				LAST,
		NULL, CLAUDE "stop|" },
	/* reasons of the end */
	{ "its length", FORM_CHAT, SAYS("a") FINISH("length") DONE, NULL,
		GPT "text a|max_tokens" NONE },
	{ "the length of messages", FORM_MESSAGES, START WHY("max_tokens") LAST, NULL,
		CLAUDE "length" CLAUDE_USAGE },
	{ "the window of messages", FORM_MESSAGES,
		START WHY("model_context_window_exceeded") LAST, NULL,
		CLAUDE "length" CLAUDE_USAGE },
	{ "a sequence of messages", FORM_MESSAGES, START WHY("stop_sequence") LAST, NULL,
		CLAUDE "stop" CLAUDE_USAGE },
	{ "a refusal of messages", FORM_MESSAGES, START WHY("refusal") LAST, NULL,
		CLAUDE "content_filter" CLAUDE_USAGE },
	{ "a filter", FORM_CHAT, SAYS("a") FINISH("content_filter") DONE, NULL,
		GPT "text a|refusal" NONE },
	{ "a stop after calls is for them", FORM_CHAT,
		BEGINS("0", "a", "get") FINISH("stop") DONE, NULL,
		GPT "tool_use a get {}|tool_use" NONE },
	{ "a reason beside the last text, and before it", FORM_CHAT,
		CHUNK("{\"index\":0,\"finish_reason\":\"stop\",\"delta\":{\"content\":\"a\"}}")
			DONE,
		NULL, GPT "text a|end_turn" NONE },
	{ "the same reason again, beside the usage", FORM_CHAT,
		SAYS("a") FINISH("stop") FINISH("stop") DONE, NULL,
		GPT "text a|end_turn" NONE },
	{ "a reason is an end, where [DONE] does not come", FORM_CHAT, SAYS("a") FINISH("stop"),
		NULL, GPT "text a|end_turn" NONE },
	{ "[DONE] after the end of messages", FORM_MESSAGES, START WHY("end_turn") LAST DONE,
		NULL, CLAUDE "stop" CLAUDE_USAGE },
	/* framing */
	{ "lines that end with CR LF and CR, and no blank (peers, 16 and 17)", FORM_CHAT,
		"data:{\"id\":\"c1\",\"model\":\"gpt\",\"choices\":[{\"delta\":{\"content\":"
		"\"\xe2\x82\xac\xf0\x9f\x98\x80\"}}]}\r\n\r\n"
		"data:{\"choices\":[{\"delta\":{},\"finish_reason\":\"stop\"}]}\r\r"
		"data:[DONE]\r\n\r\n",
		NULL, GPT "text \xe2\x82\xac\xf0\x9f\x98\x80|end_turn" NONE },
	{ "the last event without its blank line", FORM_MESSAGES,
		START WHY("end_turn") "event: message_stop\ndata: {\"type\":\"message_stop\"}",
		NULL, CLAUDE "stop" CLAUDE_USAGE },
	{ "an event that says nothing of the answer, and the role alone", FORM_CHAT,
		EVENT("{\"id\":\"\",\"model\":\"\",\"choices\":[],\"prompt_filter_results\":[]"
		      "}") ROLE SAYS("a") FINISH("stop") DONE,
		NULL, GPT "text a|end_turn" NONE },
	{ "an error that is empty is none", FORM_CHAT,
		EVENT("{\"model\":\"gpt\",\"id\":\"c1\",\"error\":\"\",\"choices\":[]}")
			EVENT("{\"error\":null,\"choices\":[]}") FINISH("stop") DONE,
		NULL, GPT "end_turn" NONE },
	/* errors of the provider */
	{ "an error that the document is", FORM_CHAT,
		ROLE EVENT("{\"object\":\"error\",\"message\":\"no\"}"), NULL,
		GPT "error overloaded_error no (decision D1)|" },
	{ "an error that says nothing", FORM_MESSAGES, START NAMED("error", ""), NULL,
		CLAUDE
		"error server_error the provider returned an error (decision D1)|" },
	{ "an error in a stream", FORM_MESSAGES,
		START TEXT("0") WORDS("0", "Hel") "event: error\ndata: {\"type\":\"error\","
						  "\"error\":{\"type\":\"overloaded_error\","
						  "\"message\":\"Overloaded\"}}\n\n",
		NULL, CLAUDE "error server_error Overloaded (decision D1)|content Hel|" },
	{ "an error for a rate", FORM_MESSAGES,
		START NAMED("error", ",\"error\":{\"type\":\"rate_limit_error\",\"message\":"
				     "\"slow\"}"),
		NULL, CLAUDE "error rate_limit_error slow (decision D1)|" },
	{ "an error for a rate by its number", FORM_CHAT,
		ROLE EVENT("{\"error\":{\"code\":429,\"message\":\"slow\"}}"), NULL,
		GPT "error rate_limit_error slow (decision D1)|" },
	{ "nothing after an error", FORM_CHAT,
		SAYS("Hel") EVENT("{\"error\":{\"message\":\"slow down\",\"code\":"
				  "\"rate_limit_exceeded\"}}") SAYS("lo") FINISH("stop") DONE,
		NULL, GPT "text error rate_limit_error slow down (decision D1)|" },
};

static void
check_stream(const struct translate_case *c, size_t step, size_t cut, struct span want)
{
	struct buf out = { 0 };
	const char *why;

	int err = translate_run(c->from, true, 200, span_str(c->stream), step, cut, &out, &why);
	if (err || !span_eq(buf_view(&out), want))
		fail_msg("%s, in steps of %zu or cut at %zu: %d %s:\n%.*s", c->name, step, cut,
			err, why ? why : "", SPAN_ARG(buf_view(&out)));
	buf_free(&out);
}

static void
check_heard(const struct translate_case *c, bool streamed)
{
	enum form to = c->from == FORM_CHAT ? FORM_MESSAGES : FORM_CHAT;
	const char *in = streamed ? c->stream : c->whole, *why;
	struct buf out = { 0 }, say = { 0 };
	struct translate_client client;

	int err = translate_run(
		c->from, streamed, 200, span_str(in), SIZE_MAX / 2, 0, &out, &why);
	client_hears(to, streamed, buf_view(&out), &say, &client);
	if (err || !span_is(buf_view(&say), c->want))
		fail_msg("%s, %s: %d %s:\n%.*s\nnot:\n%s\nout:\n%.*s", c->name,
			streamed ? "a stream" : "whole", err, why ? why : "",
			SPAN_ARG(buf_view(&say)), c->want, SPAN_ARG(buf_view(&out)));
	for (size_t at = 1; streamed && at < strlen(in); at++)
		check_stream(c, 0, at, buf_view(&out));
	if (streamed)
		check_stream(c, 1, 0, buf_view(&out));
	buf_free(&out);
	buf_free(&say);
}

static void
caller_gets_the_translated_response(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		check_heard(&cases[i], true);
		if (cases[i].whole)
			check_heard(&cases[i], false);
	}
}

/* ---- byte by byte ---- */

static void
content_in_an_impossible_order_is_left_out(void **state)
{
	static const struct translate_case whole = { "reasoned before and after a text",
		FORM_MESSAGES, NULL,
		MESSAGE("{\"type\":\"thinking\",\"thinking\":\"hm\",\"signature\":\"c2ln\"},{"
			"\"type\":\"text\",\"text\":\"yes\"},{\"type\":\"thinking\","
			"\"thinking\":\"well\",\"signature\":\"c2ln\"}",
			"end_turn"),
		CLAUDE "content yes|stop" CLAUDE_USAGE };

	(void)state;
	check_heard(&whole, false);
}

static void
ping_becomes_a_comment(void **state)
{
	struct buf out = { 0 };
	const char *why;

	(void)state;
	assert_int_equal(translate_run(FORM_MESSAGES, true, 200,
				 SPAN_LIT(NAMED("ping", "") START WHY("end_turn") LAST), 1, 0,
				 &out, &why),
		0);
	assert_true(span_starts(buf_view(&out), SPAN_LIT(":\n\ndata: {")));
	buf_clear(&out);
	assert_int_equal(
		translate_run(FORM_CHAT, true, 200,
			SPAN_LIT(": OPENROUTER PROCESSING\n\n" ROLE FINISH("stop") DONE), 1, 0,
			&out, &why),
		0);
	assert_true(span_starts(buf_view(&out), SPAN_LIT(":\n\nevent: message_start\n")));
	buf_free(&out);
}

/* Google's clients take a comment for an event. */
static void
ping_is_dropped_for_gemini_clients(void **state)
{
	struct buf out = { 0 };
	const char *why;

	(void)state;
	assert_int_equal(translate_run_to(FORM_MESSAGES, FORM_GENERATE, true, 200,
				 SPAN_LIT(NAMED("ping", "") START WHY("end_turn") LAST), 1, 0,
				 &out, &why),
		0);
	assert_true(span_starts(buf_view(&out), SPAN_LIT("data: {")));
	buf_free(&out);
}

static const struct {
	enum form from;
	const char *in, *want;
} exact[] = {
	{ FORM_CHAT, SAYS("Hi") FINISH("stop") DONE,
		"event: message_start\ndata: "
		"{\"type\":\"message_start\",\"message\":{\"id\":\"c1\","
		"\"type\":\"message\",\"role\":\"assistant\",\"model\":\"gpt\",\"content\":[],"
		"\"stop_reason\":null,\"stop_sequence\":null,\"usage\":{\"input_tokens\":0,"
		"\"cache_creation_input_tokens\":0,\"cache_read_input_tokens\":0,"
		"\"output_tokens\":0}}}\n\n"
		"event: content_block_start\ndata: "
		"{\"type\":\"content_block_start\",\"index\":0,"
		"\"content_block\":{\"type\":\"text\",\"text\":\"\"}}\n\n"
		"event: content_block_delta\ndata: "
		"{\"type\":\"content_block_delta\",\"index\":0,"
		"\"delta\":{\"type\":\"text_delta\",\"text\":\"Hi\"}}\n\n"
		"event: content_block_stop\ndata: "
		"{\"type\":\"content_block_stop\",\"index\":0}\n\n"
		"event: message_delta\ndata: {\"type\":\"message_delta\",\"delta\":{"
		"\"stop_reason\":\"end_turn\",\"stop_sequence\":null},\"usage\":{"
		"\"input_tokens\":0,\"cache_creation_input_tokens\":0,"
		"\"cache_read_input_tokens\":0,\"output_tokens\":0}}\n\n"
		"event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n" },
	{ FORM_MESSAGES, START TEXT("0") WORDS("0", "Hi") STOP("0") WHY("end_turn") LAST,
#define OUT(rest)                                                                              \
	"data: {\"id\":\"m1\",\"object\":\"chat.completion.chunk\",\"created\":1790000000,"    \
	"\"model\":\"claude\",\"choices\":[" rest "}\n\n"
		OUT("{\"index\":0,\"delta\":{\"role\":\"assistant\",\"content\":\"\"},"
		    "\"finish_reason\":null}],\"usage\":null")
			OUT("{\"index\":0,\"delta\":{\"content\":\"Hi\"},\"finish_reason\":"
			    "null}],"
			    "\"usage\":null") OUT("{\"index\":0,\"delta\":{},\"finish_reason\":"
						  "\"stop\"}],\"usage\":null")
				OUT("],\"usage\":{\"prompt_tokens\":130,\"completion_tokens\":"
				    "7,"
				    "\"total_tokens\":137,\"prompt_tokens_details\":{\"cached_"
				    "tokens\":100,"
				    "\"cache_write_tokens\":20},\"completion_tokens_details\":{"
				    "\"reasoning_tokens\":0}}") "data: [DONE]\n\n" },
};

static void
translated_stream_has_the_expected_bytes(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT_OF(exact); i++) {
		struct buf out = { 0 };
		const char *why;
		assert_int_equal(translate_run(exact[i].from, true, 200, span_str(exact[i].in),
					 7, 0, &out, &why),
			0);
		if (!span_is(buf_view(&out), exact[i].want))
			fail_msg("%.*s", SPAN_ARG(buf_view(&out)));
		buf_free(&out);
	}
}

/* Each piece is sent at once, except pieces of a call while another one is open. */
static void
text_is_sent_at_once(void **state)
{
	static const char *const events[] = { SAYS("a"), SAYS("b"), BEGINS("0", "x", "get"),
		GROWS("0", "{"), BEGINS("1", "y", "put"), GROWS("1", "{}"), GROWS("0", "}"),
		FINISH("tool_calls"), DONE };
	static const char want[] = "gggg--ggg";
	struct translate_plan plan = { .from = FORM_CHAT,
		.to = FORM_MESSAGES,
		.format = &answer_openai,
		.sent = form_dialect(FORM_CHAT),
		.asked = form_dialect(FORM_MESSAGES),
		.model = SPAN_LIT("m"),
		.id = SPAN_LIT("D1") };
	struct translator *t = translator_new(&plan, true, FRAMES_SSE, 200);
	struct buf out = { 0 };
	const char *why;

	(void)state;
	assert_non_null(t);
	assert_string_equal(translator_media_type(t), "text/event-stream");
	for (size_t i = 0; i < COUNT_OF(events); i++) {
		buf_clear(&out);
		assert_int_equal(translator_feed(t, span_str(events[i]), &out, &why), 0);
		if ((out.n > 0) != (want[i] == 'g'))
			fail_msg("event %zu: %.*s", i, SPAN_ARG(buf_view(&out)));
	}
	translator_drop(&t);
	buf_free(&out);
}

static void
usage_that_was_not_requested_is_left_out(void **state)
{
	struct translate_plan plan = { .from = FORM_MESSAGES,
		.to = FORM_CHAT,
		.format = &answer_anthropic,
		.sent = form_dialect(FORM_MESSAGES),
		.asked = form_dialect(FORM_CHAT),
		.model = SPAN_LIT("m"),
		.id = SPAN_LIT("D1") };
	struct translator *t = translator_new(&plan, true, FRAMES_SSE, 200);
	struct buf out = { 0 };
	const char *why;

	(void)state;
	assert_non_null(t);
	assert_int_equal(
		translator_feed(t, SPAN_LIT(START WHY("end_turn") LAST), &out, &why), 0);
	assert_int_equal(translator_end(t, &out, &why), 0);
	assert_null(memmem(out.p, out.n, "usage", strlen("usage")));
	translator_drop(&t);
	buf_free(&out);
}

/* The first event of Anthropic's streams has the input's tokens: the provider's, if they arrived before
 * the text, or the gateway's. */
static void
message_begins_with_the_tokens_of_its_input(void **state)
{
	static const struct {
		enum form from;
		const struct answer_format *format;
		const char *in, *want;
	} begins[] = {
		{ FORM_CHAT, &answer_openai, SAYS("Hi"), "\"input_tokens\":42,\"cache_creation_input_tokens\":0,\"cache_read_input_tokens\":0,\"output_tokens\":0}}}" },
		{ FORM_GENERATE, &answer_gemini,
			"data: {\"candidates\":[{\"content\":{\"role\":\"model\",\"parts\":[{\"text\":\"Hi\"}]}}],\"usageMetadata\":{\"promptTokenCount\":7,\"cachedContentTokenCount\":3,\"candidatesTokenCount\":5,\"totalTokenCount\":12}}\n\n",
			"\"input_tokens\":4,\"cache_creation_input_tokens\":0,\"cache_read_input_tokens\":3,\"output_tokens\":0}}}" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(begins); i++) {
		struct translate_plan plan = { .from = begins[i].from,
			.to = FORM_MESSAGES,
			.format = begins[i].format,
			.sent = form_dialect(begins[i].from),
			.asked = form_dialect(FORM_MESSAGES),
			.model = SPAN_LIT("m"),
			.id = SPAN_LIT("D1"),
			.input_tokens = 42 };
		struct translator *t = translator_new(&plan, true, FRAMES_SSE, 200);
		struct buf out = { 0 };
		const char *why;
		assert_non_null(t);
		assert_int_equal(translator_feed(t, span_str(begins[i].in), &out, &why), 0);
		if (!memmem(out.p, out.n, begins[i].want, strlen(begins[i].want)))
			fail_msg("%.*s", SPAN_ARG(buf_view(&out)));
		translator_drop(&t);
		buf_free(&out);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(caller_gets_the_translated_response),
		cmocka_unit_test(content_in_an_impossible_order_is_left_out),
		cmocka_unit_test(ping_becomes_a_comment),
		cmocka_unit_test(ping_is_dropped_for_gemini_clients),
		cmocka_unit_test(translated_stream_has_the_expected_bytes),
		cmocka_unit_test(text_is_sent_at_once),
		cmocka_unit_test(usage_that_was_not_requested_is_left_out),
		cmocka_unit_test(message_begins_with_the_tokens_of_its_input),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
