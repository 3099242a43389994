/* Responses that must not reach a caller in another form: cut or contradictory responses,
 * responses that the form cannot represent, the provider's own errors, and responses over the
 * limits. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>

#include "support/fake_clock.h"
#include "support/translate_client.h"
#include "support/translate_said.h"

/* ---- invalid responses ---- */

static const struct {
	const char *name;
	enum form from;
	bool whole;
	const char *in;
	int err;
	const char *why;
} broken[] = {
	{ "it ends in the middle (peers, 5)", FORM_MESSAGES, false,
		START TEXT("0") WORDS("0", "a") STOP("0") WHY("end_turn"), ERR_TRUNCATED,
		"ends too early" },
	{ "it ends in a call (peers, 5)", FORM_CHAT, false,
		BEGINS("0", "a", "get") GROWS("0", "{"), ERR_TRUNCATED, "ends too early" },
	{ "[DONE] without a reason", FORM_CHAT, false, SAYS("a") DONE, ERR_TRUNCATED,
		"without a finish reason" },
	{ "nothing at all", FORM_CHAT, false, "", ERR_TRUNCATED, "ends too early" },
	{ "half an event", FORM_CHAT, false, SAYS("a") "data: {\"choices\":[", ERR_SYNTAX,
		"not a JSON object" },
	{ "half a call", FORM_CHAT, false,
		BEGINS("0", "a", "get") GROWS("0", "{") FINISH("tool_calls"), ERR_SYNTAX,
		"not a complete JSON object" },
	{ "half a call of messages", FORM_MESSAGES, false,
		START TOOL("0", "a", "get") INPUT("0", "{") STOP("0") WHY("tool_use"),
		ERR_SYNTAX, "not a complete JSON object" },
	{ "half a call, whole", FORM_CHAT, true,
		CHAT("\"tool_calls\":[{\"id\":\"a\",\"function\":{\"name\":\"get\","
		     "\"arguments\":"
		     "\"{\"}}]},\"finish_reason\":\"tool_calls\"}]}"),
		ERR_SYNTAX, "not a complete JSON object" },
	{ "arguments that are no object", FORM_CHAT, false,
		BEGINS("0", "a", "get") GROWS("0", "[1]") FINISH("tool_calls"), ERR_SYNTAX,
		"not a complete JSON object" },
	{ "arguments that are a number", FORM_CHAT, false,
		PIECE("\"index\":0,\"id\":\"a\",\"function\":{\"name\":\"x\",\"arguments\":1}"),
		ERR_SYNTAX, "not an object" },
	{ "arguments before the name", FORM_CHAT, false, GROWS("0", "{}"), ERR_SYNTAX,
		"no name or has ended" },
	{ "arguments of no call of messages", FORM_MESSAGES, false, START INPUT("0", "{}"),
		ERR_SYNTAX, "no name or has ended" },
	{ "an index that jumps", FORM_CHAT, false,
		BEGINS("0", "a", "get") GROWS("0", "{}") BEGINS("2", "b", "put"), ERR_SYNTAX,
		"not numbered consecutively" },
	{ "an index that is no number", FORM_CHAT, false,
		PIECE("\"index\":\"0\",\"id\":\"a\",\"function\":{\"name\":\"get\"}"),
		ERR_SYNTAX, "response has an invalid number" },
	{ "an index below all", FORM_CHAT, false,
		PIECE("\"index\":-1,\"id\":\"a\",\"function\":{\"name\":\"get\"}"), ERR_SYNTAX,
		"response has an invalid number" },
	{ "an id that changes in the middle", FORM_CHAT, false,
		BEGINS("0", "a", "get") GROWS("0", "{") BEGINS("0", "b", "get"), ERR_SYNTAX,
		"changes its name or id" },
	{ "an id that changes, where other calls came after it", FORM_CHAT, false,
		BEGINS("0", "a", "get") GROWS("0", "{") BEGINS("1", "b", "get") GROWS("1", "{}")
			BEGINS("2", "c", "get") BEGINS("1", "d", "get"),
		ERR_SYNTAX, "changes its name or id" },
	{ "a call where whole answers have theirs", FORM_CHAT, false,
		CHUNK("{\"index\":0,\"message\":{\"tool_calls\":[{\"id\":\"a\",\"function\":{"
		      "\"name\":\"get\",\"arguments\":\"{}\"}}]}}"),
		ERR_SYNTAX, "without an equivalent" },
	{ "a name that changes", FORM_CHAT, false,
		BEGINS("0", "a", "get") PIECE("\"index\":0,\"function\":{\"name\":\"put\"}"),
		ERR_SYNTAX, "changes its name or id" },
	{ "a piece of one of two calls", FORM_CHAT, false,
		BEGINS("0", "a", "get") BEGINS("1", "b", "put")
			PIECE("\"function\":{\"arguments\":\"{}\"}"),
		ERR_SYNTAX, "changes its name or id" },
	{ "a tool call continues after its end", FORM_MESSAGES, false,
		START TOOL("0", "a", "get") INPUT("0", "{}") STOP("0") INPUT("0", "{}"),
		ERR_SYNTAX, "no name or has ended" },
	{ "a text in a call", FORM_MESSAGES, false, START TOOL("0", "a", "get") WORDS("0", "x"),
		ERR_SYNTAX, "contains text" },
	{ "a text after the reason", FORM_CHAT, false, SAYS("a") FINISH("stop") SAYS("b"),
		ERR_SYNTAX, "response continues after its end" },
	{ "another reason", FORM_CHAT, false, SAYS("a") FINISH("stop") FINISH("length"),
		ERR_SYNTAX, "two different finish reasons" },
	{ "a second end", FORM_MESSAGES, false, START WHY("end_turn") LAST LAST, ERR_SYNTAX,
		"response continues after its end" },
	{ "another answer", FORM_MESSAGES, false, START WHY("end_turn") LAST START, ERR_SYNTAX,
		"response continues after its end" },
	{ "a second [DONE]", FORM_CHAT, false, SAYS("a") FINISH("stop") DONE DONE, ERR_SYNTAX,
		"response continues after its end" },
	{ "an end for calls without one", FORM_CHAT, false, SAYS("a") FINISH("tool_calls"),
		ERR_SYNTAX, "calls, but no tool call" },
	{ "a reason that no other form has", FORM_MESSAGES, false, START WHY("pause_turn"),
		ERR_SYNTAX, "finish reason without an equivalent" },
	{ "a reason that nobody knows", FORM_CHAT, false, SAYS("a") FINISH("abort"), ERR_SYNTAX,
		"finish reason without an equivalent" },
	{ "two choices", FORM_CHAT, false,
		SAYS("a") CHUNK("{\"index\":1,\"delta\":{\"content\":\"b\"}}"), ERR_SYNTAX,
		"more choices than" },
	{ "the end of another choice", FORM_CHAT, false,
		SAYS("a") CHUNK("{\"index\":1,\"delta\":{},\"finish_reason\":\"stop\"}"),
		ERR_SYNTAX, "more choices than" },
	{ "two choices, whole", FORM_CHAT, true,
		"{\"model\":\"m\",\"choices\":[{\"message\":{\"content\":\"a\"},\"finish_"
		"reason\":"
		"\"stop\"},{\"message\":{\"content\":\"b\"},\"finish_reason\":\"stop\"}]}",
		ERR_SYNTAX, "more choices than" },
	{ "a block before one that was said", FORM_MESSAGES, false,
		START TEXT("1") WORDS("1", "a") STOP("1") THINK("0")
			MORE("0", "thinking_delta", "thinking", "hmm"),
		ERR_SYNTAX, "response are numbered out of order" },
	{ "no JSON", FORM_CHAT, false, "data: {]\n\n", ERR_SYNTAX, "not a JSON object" },
	{ "a key twice", FORM_CHAT, false, "data: {\"choices\":[],\"choices\":[]}\n\n",
		ERR_SYNTAX, "not a JSON object" },
	{ "a key but for case", FORM_CHAT, false, EVENT("{\"Choices\":[{\"delta\":{}}]}"),
		ERR_SYNTAX, "is ambiguous" },
	{ "no object", FORM_CHAT, false, EVENT("[]"), ERR_SYNTAX, "not a JSON object" },
	{ "no JSON, whole", FORM_CHAT, true, "<html>", ERR_SYNTAX, "not a JSON object" },
	{ "an error with status 200", FORM_CHAT, true, "{\"error\":{\"message\":\"x\"}}",
		ERR_SYNTAX, "is an error" },
	{ "no reason, whole", FORM_CHAT, true, CHAT("\"content\":\"a\"}}]}"), ERR_TRUNCATED,
		"without a finish reason" },
	{ "sound", FORM_CHAT, false, DELTA("\"audio\":{\"id\":\"x\",\"data\":\"QUJD\"}"),
		ERR_SYNTAX, "without an equivalent" },
	{ "an image", FORM_CHAT, true,
		CHAT("\"content\":\"\",\"images\":[{\"image_url\":{\"url\":\"data:,\"}}]},"
		     "\"finish_reason\":\"stop\"}]}"),
		ERR_SYNTAX, "without an equivalent" },
	{ "a custom tool", FORM_CHAT, false,
		PIECE("\"index\":0,\"id\":\"a\",\"custom\":{\"name\":\"x\",\"input\":\"{}\"}"),
		ERR_SYNTAX, "the caller did not send" },
	{ "a tool that the provider runs", FORM_MESSAGES, false,
		START BLOCK("0", "\"type\":\"server_tool_use\",\"id\":\"a\",\"name\":"
				 "\"web_search\",\"input\":{}"),
		ERR_SYNTAX, "without an equivalent" },
	{ "what such a tool found", FORM_MESSAGES, true,
		MESSAGE("{\"type\":\"web_search_tool_result\",\"tool_use_id\":\"a\","
			"\"content\":"
			"[{\"type\":\"web_search_result\",\"encrypted_content\":\"QUJD\"}]}",
			"end_turn"),
		ERR_SYNTAX, "without an equivalent" },
};

static void
invalid_response_becomes_an_error(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT_OF(broken); i++) {
		enum form to = broken[i].from == FORM_CHAT ? FORM_MESSAGES : FORM_CHAT;
		struct buf out = { 0 }, say = { 0 };
		struct translate_client c;
		const char *why;
		int err = translate_run(broken[i].from, !broken[i].whole, 200,
			span_str(broken[i].in), 1, 0, &out, &why);
		if (err != broken[i].err || !why || !strstr(why, broken[i].why))
			fail_msg("%s: %s: %s:\n%.*s", broken[i].name, err_str(err),
				why ? why : "-", SPAN_ARG(buf_view(&out)));
		if (!broken[i].whole) {
			client_hears(to, true, buf_view(&out), &say, &c);
			if (c.bad || c.ended == c.failed)
				fail_msg("%s: %.*s:\n%.*s", broken[i].name,
					SPAN_ARG(buf_view(&say)), SPAN_ARG(buf_view(&out)));
		} else {
			assert_int_equal(out.n, 0);
		}
		buf_free(&out);
		buf_free(&say);
	}
}

/* ---- documents of errors ---- */

static const struct {
	const char *name;
	enum form from;
	int status;
	const char *in, *want;
} errors[] = {
	{ "of chat", FORM_CHAT, 400,
		"{\"error\":{\"message\":\"too "
		"long\",\"type\":\"invalid_request_error\",\"param\":"
		"null,\"code\":\"context_length_exceeded\"}}",
		"{\"type\":\"error\",\"error\":{\"type\":\"invalid_request_error\",\"message\":"
		"\"too long (decision "
		"D1)\",\"code\":\"context_length_exceeded\"},\"request_id\":"
		"\"D1\"}" },
	{ "of messages", FORM_MESSAGES, 529,
		"{\"type\":\"error\",\"error\":{\"type\":\"overloaded_error\",\"message\":"
		"\"Overloaded\"},\"request_id\":\"req_1\"}",
		"{\"error\":{\"message\":\"Overloaded (decision "
		"D1)\",\"type\":\"server_error\","
		"\"param\":null,\"code\":\"service_unavailable\"},\"request_id\":\"D1\"}" },
	{ "a code that is no word", FORM_CHAT, 429,
		"{\"error\":{\"message\":\"x\",\"code\":\"\\\"\"}}",
		"{\"type\":\"error\",\"error\":{\"type\":\"rate_limit_error\",\"message\":"
		"\"x (decision "
		"D1)\",\"code\":\"rate_limit_exceeded\"},\"request_id\":\"D1\"}" },
	{ "a text, as some servers have it", FORM_CHAT, 404, "{\"error\":\"no model\"}",
		"{\"type\":\"error\",\"error\":{\"type\":\"not_found_error\",\"message\":"
		"\"no model (decision D1)\",\"code\":\"not_found\"},\"request_id\":\"D1\"}" },
	{ "no JSON", FORM_MESSAGES, 502, "<html>Bad gateway</html>",
		"{\"error\":{\"message\":\"the provider returned an error (decision D1)\","
		"\"type\":\"server_error\",\"param\":null,\"code\":\"service_unavailable\"},"
		"\"request_id\":\"D1\"}" },
};

static void
providers_error_becomes_an_error_of_the_callers_form(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT_OF(errors); i++) {
		struct buf out = { 0 };
		const char *why;
		assert_int_equal(translate_run(errors[i].from, false, errors[i].status,
					 span_str(errors[i].in), 1, 0, &out, &why),
			0);
		if (!span_is(buf_view(&out), errors[i].want))
			fail_msg("%s: %.*s", errors[i].name, SPAN_ARG(buf_view(&out)));
		buf_free(&out);
	}
}

/* ---- caps ---- */

static void
put_long(struct buf *b, size_t n)
{
	memset(buf_reserve(b, n), '1', n);
	buf_commit(b, n);
}

static void
put_begin(struct buf *b, unsigned index, const char *arguments)
{
	buf_printf(b,
		"data: {\"model\":\"m\",\"choices\":[{\"delta\":{\"tool_calls\":[{\"index\":"
		"%u,\"function\":{\"name\":\"f\",\"arguments\":\"%s\"}}]}}]}\n\n",
		index, arguments);
}

static void
put_arguments(struct buf *b, unsigned index, size_t n, const char *end)
{
	buf_printf(b,
		"data: {\"choices\":[{\"delta\":{\"tool_calls\":[{\"index\":%u,"
		"\"function\":{\"arguments\":\"",
		index);
	put_long(b, n);
	buf_printf(b, "%s\"}}]}}]}\n\n", end);
}

/* Feeds the input, empties `in` and returns the result. */
static int
fed(struct buf *in, bool streamed)
{
	struct buf out = { 0 };
	const char *why;
	int err = translate_run(FORM_CHAT, streamed, 200, buf_view(in), 1 << 16, 0, &out, &why);

	buf_free(&out);
	buf_clear(in);
	return err;
}

enum { MUCH = 960 << 10 };

static void
held_parts_are_limited(void **state)
{
	struct buf in = { 0 };

	(void)state;
	for (unsigned i = 0; i <= CAP_CALLS; i++)
		put_begin(&in, i, "{");
	assert_int_equal(fed(&in, true), ERR_LIMIT); /* calls that wait */
	for (unsigned i = 0; i <= CAP_CALLS; i++)
		put_begin(&in, i, "{}");
	assert_int_equal(fed(&in, true), ERR_LIMIT); /* and calls that do not */
	put_begin(&in, 0, "{");
	for (unsigned i = 0; i < CAP_CALLS; i++)
		buf_str(&in, i % 2 ? SAYS("x") : DELTA("\"reasoning\":\"x\""));
	assert_int_equal(fed(&in, true), ERR_LIMIT); /* blocks that wait */
	put_begin(&in, 0, "{");
	for (size_t n = 0; n <= CAP_CALL_ARGUMENTS; n += MUCH)
		put_arguments(&in, 0, MUCH, "");
	assert_int_equal(fed(&in, true), ERR_LIMIT); /* arguments of one call */
	put_begin(&in, 0, "{");
	for (size_t n = 0; n <= CAP_CALLS_HELD; n += MUCH) {
		buf_str(&in, "data: {\"choices\":[{\"delta\":{\"content\":\"");
		put_long(&in, MUCH);
		buf_str(&in, "\"}}]}\n\n");
	}
	assert_int_equal(fed(&in, true), ERR_LIMIT); /* everything that waits */
	for (unsigned i = 0; i < CAP_CALLS_HELD / MUCH + 2; i++) {
		put_begin(&in, i, "{\\\"x\\\":");
		put_arguments(&in, i, MUCH, "}");
	}
	buf_str(&in, FINISH("stop") DONE);
	assert_int_equal(fed(&in, true), 0); /* sent parts no longer wait */
	buf_printf(&in, "data: {\"model\":\"%02000d\"}\n\n", 0);
	assert_int_equal(fed(&in, true), ERR_LIMIT); /* a name */
	buf_str(&in, "data: ");
	put_long(&in, CAP_CALL_EVENT + 1);
	assert_int_equal(fed(&in, true), ERR_LIMIT); /* an event */
	buf_str(&in, CHAT("\"content\":\""));
	put_long(&in, CAP_ANSWER_BYTES);
	assert_int_equal(fed(&in, false), ERR_LIMIT); /* a whole response */
	buf_free(&in);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(invalid_response_becomes_an_error),
		cmocka_unit_test(providers_error_becomes_an_error_of_the_callers_form),
		cmocka_unit_test(held_parts_are_limited),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
