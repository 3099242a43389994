/* Calls in formats from which no call can be removed. They are judged in place, and a denied
 * call denies the response before any of it was forwarded. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>

#include "answer/frames.h"
#include "support/answer_fix.h"

#define RULES                                                                                  \
	"rules:\n"                                                                             \
	"  - {name: no-rm, phase: tool, when: 'tool.name == \"rm\"', deny: {reason: not "      \
	"here}}\n"                                                                             \
	"  - {name: small, phase: tool, when: 'tool.name == \"pay\" && "                       \
	"tool.arguments.amount > 100', deny: {reason: too much}}\n"
#define SSE  "text/event-stream"
#define JSON "application/json"

/* Three calls, of which each row contains one: X stands for its name, N for its amount. */
#define RUN                                                                                    \
	"{\"id\":\"run_1\",\"object\":\"thread.run\",\"status\":\"requires_action\","          \
	"\"required_action\":{\"type\":\"submit_tool_outputs\",\"submit_tool_outputs\":{"      \
	"\"tool_calls\":[{\"id\":\"c0\",\"type\":\"function\",\"function\":{\"name\":"         \
	"\"list\","                                                                            \
	"\"arguments\":\"{}\"}},{\"id\":\"c1\",\"type\":\"function\",\"function\":{\"name\":"  \
	"\"X\",\"arguments\":\"{\\\"amount\\\":N}\"}}]}}}"
#define STEP                                                                                   \
	"{\"id\":\"step_1\",\"object\":\"thread.run.step\",\"step_details\":{\"type\":"        \
	"\"tool_calls\",\"tool_calls\":[{\"id\":\"c1\",\"type\":\"function\",\"function\":{"   \
	"\"name\":\"X\",\"arguments\":\"{\\\"amount\\\":N}\",\"output\":null}}]}}"
#define DELTA(call)                                                                            \
	"event: thread.run.step.delta\ndata: {\"id\":\"step_1\",\"object\":"                   \
	"\"thread.run.step.delta\",\"delta\":{\"step_details\":{\"type\":\"tool_calls\","      \
	"\"tool_calls\":[{\"index\":1," call "}]}}}\n\n"
#define CREATED                                                                                \
	"event: thread.run.created\ndata: {\"id\":\"run_1\",\"object\":\"thread.run\"}\n\n"
#define DONE "event: done\ndata: [DONE]\n\n"
#define V1(at)                                                                                 \
	"\"text\":\"I look.\",\"tool_calls\":[{\"name\":\"list\",\"parameters\":{}},{"         \
	"\"name\":\"X\",\"parameters\":{\"amount\":N}}]" at
#define NOVA                                                                                   \
	"{\"output\":{\"message\":{\"role\":\"assistant\",\"content\":[{\"text\":\"I "         \
	"look.\"},{"                                                                           \
	"\"toolUse\":{\"toolUseId\":\"a\",\"name\":\"list\",\"input\":{}}},{\"toolUse\":{"     \
	"\"toolUseId\":\"b\",\"name\":\"X\",\"input\":{\"amount\":N}}}]}},\"stopReason\":"     \
	"\"tool_use\",\"usage\":{\"inputTokens\":1,\"outputTokens\":1}}"

static const struct row {
	const char *name, *dialect, *path, *type, *in;
} rows[] = {
	{ "a run", "openai", "/v1/threads/t/runs/r", JSON, RUN },
	{ "a list of runs", "openai", "/v1/threads/t/runs", JSON,
		"{\"object\":\"list\",\"data\":[" RUN "]}" },
	{ "a step", "openai", "/v1/threads/t/runs/r/steps/s", JSON, STEP },
	{ "a list of steps", "openai", "/v1/threads/t/runs/r/steps", JSON,
		"{\"object\":\"list\",\"data\":[" STEP "]}" },
	{ "the event of a run", "openai", "/v1/threads/t/runs", SSE,
		CREATED "event: thread.run.requires_action\ndata: " RUN "\n\n" DONE },
	{ "a step that grows, then the run", "openai", "/v1/threads/runs", SSE,
		CREATED DELTA(
			"\"id\":\"c1\",\"type\":\"function\",\"function\":{\"name\":\"X\","
			"\"arguments\":\"\"}") DELTA("\"function\":{\"arguments\":"
						     "\"{\\\"amount\\\":\"}")
			DELTA("\"function\":{\"arguments\":\"N}\"}") "event: "
								     "thread.run.requires_"
								     "action\ndata: " RUN
								     "\n\n" DONE },
	{ "Cohere's v1", "cohere", "/v1/chat", JSON,
		"{\"response_id\":\"r\"," V1(",\"finish_reason\":\"COMPLETE\"}") },
	{ "its stream", "cohere", "/v1/chat", SSE,
		"data: {\"is_finished\":false,\"event_type\":\"tool-calls-generation\"," V1(
			"}") "\n\n" },
	{ "the pieces of one", "cohere", "/v1/chat", SSE,
		"data: {\"is_finished\":false,\"event_type\":\"tool-calls-chunk\","
		"\"tool_call_delta\":{\"index\":0,\"name\":\"X\"}}\n\n"
		"data: {\"is_finished\":false,\"event_type\":\"tool-calls-chunk\","
		"\"tool_call_delta\":{\"index\":0,\"parameters\":\"{\\\"amount\\\":\"}}\n\n"
		"data: {\"is_finished\":false,\"event_type\":\"tool-calls-chunk\","
		"\"tool_call_delta\":{\"index\":0,\"parameters\":\"N}\"}}\n\n"
		"data: {\"is_finished\":true,\"event_type\":\"stream-end\",\"finish_reason\":"
		"\"COMPLETE\"}\n\n" },
	{ "its stream's end", "cohere", "/v1/chat", SSE,
		"data: {\"is_finished\":true,\"event_type\":\"stream-end\",\"finish_reason\":"
		"\"COMPLETE\",\"response\":{" V1("}}") "\n\n" },
	{ "Cohere's in Bedrock's invoke", "bedrock", "/model/cohere.command-r/invoke", JSON,
		"{\"response_id\":\"r\"," V1(",\"finish_reason\":\"COMPLETE\"}") },
	{ "that of its second version", "bedrock", "/model/cohere.command-a/invoke", JSON,
		"{\"id\":\"r\",\"message\":{\"role\":\"assistant\",\"tool_plan\":\"I look.\","
		"\"tool_calls\":[{\"id\":\"a\",\"type\":\"function\",\"function\":{\"name\":"
		"\"X\",\"arguments\":\"{\\\"amount\\\":N}\"}}]},\"finish_reason\":"
		"\"TOOL_CALL\"}" },
	{ "Nova's", "bedrock", "/model/amazon.nova-pro/invoke", JSON, NOVA },
};

static const struct call {
	const char *name, *amount;
	enum guard_result got;
	const char *rule;
} calls[] = {
	{ "find", "500", GUARD_PASS, NULL },
	{ "pay", "50", GUARD_PASS, NULL },
	{ "rm", "1", GUARD_DENIED, "no-rm" },
	{ "pay", "500", GUARD_DENIED, "small" },
	{ "pay", "5,'Amount':500", GUARD_DENIED, "small" },
	{ "pay", "5,'x':500,'X':1", GUARD_PASS, NULL },
};

static const char *const makes[] = { "requires_action", "tool-calls-generation", "stream-end",
	"\"tool_use\"" };

/* Writes the response with this call's name and amount. */
static void
write_answer(const char *in, const struct call *c, struct buf *out)
{
	for (; *in; in++)
		if (!strncmp(in, "\"X\"", 3)) {
			buf_printf(out, "\"%s\"", c->name);
			in += 2;
		} else if (*in == 'N' && (in[1] == '}' || in[1] == '"')) {
			bool inside = in[-1] == '"' || in[-3] == '\\';
			for (const char *p = c->amount; *p; p++)
				buf_printf(out, *p != '\'' ? "%c" : inside ? "\\\"" : "\"", *p);
		} else {
			buf_putc(out, *in);
		}
}

static void
check(const char *name, const struct answer_case *as, struct span in, size_t step,
	const struct call *c)
{
	struct guard_rig r;

	guard_rig_open(&r, as);
	for (size_t at = 0; at < in.n; at += step)
		guard_rig_feed(&r, span_cut(in, at, at + step));
	guard_rig_end(&r);
	struct span out = buf_view(&r.out);
	const struct guard_report *a = guard_report(r.g);
	if (r.got != c->got)
		fail_msg("%s, %s(%s) in steps of %zu: %d", name, c->name, c->amount, step,
			r.got);
	/* growing documents are cut differently, and AWS events are written again */
	if (r.got == GUARD_PASS && (strcmp(as->type, JSON) ? !out.n : !span_eq(in, out)))
		fail_msg("%s, %s in steps of %zu: %.*s", name, c->name, step, SPAN_ARG(out));
	if (r.got == GUARD_DENIED) {
		assert_non_null(a->sum.ruled.rule);
		assert_string_equal(a->sum.ruled.rule->name, c->rule);
		/* nothing from which a client makes the call */
		for (size_t i = 0; i < COUNT_OF(makes); i++)
			if (out.n && memmem(out.p, out.n, makes[i], strlen(makes[i])))
				fail_msg("%s, %s: %.*s", name, c->name, SPAN_ARG(out));
	}
	guard_rig_close(&r);
}

static void
denied_call_denies_the_response(void **state)
{
	struct buf in;

	(void)state;
	buf_init(&in, 0);
	for (size_t i = 0; i < COUNT_OF(rows); i++)
		for (size_t k = 0; k < COUNT_OF(calls); k++) {
			struct answer_case as = { rows[i].name, RULES, rows[i].dialect,
				rows[i].path, rows[i].type, "", "" };
			buf_clear(&in);
			write_answer(rows[i].in, &calls[k], &in);
			check(rows[i].name, &as, buf_view(&in), SIZE_MAX / 2, &calls[k]);
			check(rows[i].name, &as, buf_view(&in), 7, &calls[k]);
		}
	buf_free(&in);
}

#define COHERE(type, rest)                                                                     \
	"{\"type\":\"tool-call-" type "\",\"index\":0,\"delta\":{\"message\":{\"tool_calls\":" \
	"{" rest "}}}}"

/* In AWS frames. */
static const struct stream {
	const char *name, *path, *events[8];
} streams[] = {
	{ "Nova's stream", "/model/amazon.nova-pro/invoke-with-response-stream",
		{ "{\"messageStart\":{\"role\":\"assistant\"}}",
			"{\"contentBlockStart\":{\"start\":{\"toolUse\":{\"toolUseId\":\"b\","
			"\"name\":\"X\"}},\"contentBlockIndex\":0}}",
			"{\"contentBlockDelta\":{\"delta\":{\"toolUse\":{\"input\":\"{"
			"\\\"amount\\\":\"}},\"contentBlockIndex\":0}}",
			"{\"contentBlockDelta\":{\"delta\":{\"toolUse\":{\"input\":\"N}\"}},"
			"\"contentBlockIndex\":0}}",
			"{\"contentBlockStop\":{\"contentBlockIndex\":0}}",
			"{\"messageStop\":{\"stopReason\":\"tool_use\"}}",
			"{\"metadata\":{\"usage\":{\"inputTokens\":1,\"outputTokens\":1}}}" } },
	{ "Cohere's stream", "/model/cohere.command-r/invoke-with-response-stream",
		{ "{\"is_finished\":false,\"event_type\":\"tool-calls-chunk\","
		  "\"tool_call_delta\":{\"index\":0,\"name\":\"X\"}}",
			"{\"is_finished\":false,\"event_type\":\"tool-calls-chunk\","
			"\"tool_call_delta\":{\"index\":0,\"parameters\":\"{\\\"amount\\\":\"}"
			"}",
			"{\"is_finished\":false,\"event_type\":\"tool-calls-chunk\","
			"\"tool_call_delta\":{\"index\":0,\"parameters\":\"N}\"}}",
			"{\"is_finished\":true,\"event_type\":\"stream-end\","
			"\"finish_reason\":\"COMPLETE\"}" } },
	{ "and of its second version", "/model/cohere.command-a/invoke-with-response-stream",
		{ "{\"type\":\"message-start\",\"id\":\"r\"}",
			COHERE("start", "\"id\":\"a\",\"type\":\"function\",\"function\":{"
					"\"name\":\"X\",\"arguments\":\"\"}"),
			COHERE("delta", "\"function\":{\"arguments\":\"{\\\"amount\\\":\"}"),
			COHERE("delta", "\"function\":{\"arguments\":\"N}\"}"),
			"{\"type\":\"tool-call-end\",\"index\":0}",
			"{\"type\":\"message-end\",\"delta\":{\"finish_reason\":\"TOOL_CALL\"}"
			"}" } },
};

static void
denied_call_denies_the_response_in_frames(void **state)
{
	struct frame_writer w;
	struct buf bytes, one;

	(void)state;
	buf_init(&bytes, 0);
	buf_init(&one, 0);
	for (size_t k = 0; k < COUNT_OF(calls) * COUNT_OF(streams); k++) {
		const struct call *call = &calls[k % COUNT_OF(calls)];
		const struct stream *s = &streams[k / COUNT_OF(calls)];
		const struct answer_case as = { s->name, RULES, "bedrock", s->path, FRAMES, "",
			"" };
		frame_writer_init(&w, FRAMES_EVENTSTREAM);
		w.wrap = true;
		buf_clear(&bytes);
		for (size_t i = 0; i < COUNT_OF(s->events) && s->events[i]; i++) {
			buf_clear(&one);
			write_answer(s->events[i], call, &one);
			assert_int_equal(
				frame_write(&w, SPAN_LIT("chunk"), buf_view(&one), &bytes), 0);
		}
		check(s->name, &as, buf_view(&bytes), SIZE_MAX / 2, call);
		check(s->name, &as, buf_view(&bytes), 53, call);
	}
	buf_free(&bytes);
	buf_free(&one);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(denied_call_denies_the_response),
		cmocka_unit_test(denied_call_denies_the_response_in_frames),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
