/* Limits on tool calls that models make in their responses. A forwarded call counts once. A
 * call of a tool whose limit was exhausted when the request was decided is removed. */
#include "scenario/gate_stage.h"

#define POLICY                                                                                 \
	"providers:\n"                                                                         \
	"  model: {backend: openai, dialect: openai}\n"                                        \
	"  tools: {backend: openai, dialect: mcp}\n"                                           \
	"routes:\n"                                                                            \
	"  - {name: tools, match: {path: /mcp}, targets: tools}\n"                             \
	"  - {name: chat, match: {path_prefix: /v1}, targets: model}\n"                        \
	"rules:\n"                                                                             \
	"  - {name: drops, phase: tool, when: 'tool.name == \"drop\"', deny: true}\n"          \
	"limits:\n"                                                                            \
	"  - {name: calls, per: [identity.person, tool.name], requests: 3, window: 60s}\n"     \
	"default: permit\n"

#define FN(name) "{\"type\":\"function\",\"function\":{\"name\":\"" name "\"}}"
#define OFFERS                                                                                 \
	"{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":\"hi\"}],\"tools\":"    \
	"[" FN("find") "," FN("drop") "," FN("send") "]}"
#define CALL(name)                                                                             \
	"{\"id\":\"i\",\"type\":\"function\",\"function\":{\"name\":\"" name                   \
	"\",\"arguments\":\"{}\"}}"
#define ANSWER(calls)                                                                          \
	"{\"choices\":[{\"index\":0,\"message\":{\"role\":\"assistant\",\"content\":null,"     \
	"\"tool_calls\":[" calls "]},\"finish_reason\":\"tool_calls\"}]}"
#define PIECE(index, name)                                                                     \
	"data: {\"choices\":[{\"index\":0,\"delta\":{\"tool_calls\":[{\"index\":" index        \
	",\"id\":\"i\",\"function\":{\"name\":\"" name "\",\"arguments\":\"{}\"}}]},"          \
	"\"finish_reason\":null}]}\n\n"
#define END                                                                                    \
	"data: "                                                                               \
	"{\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"tool_calls\"}]}\n\n"      \
	"data: [DONE]\n\n"

static struct buf said;

/* Sends a request with this response; the caller's response is put into `said`. */
static void
ask(struct stage *s, const char *answer)
{
	bool streamed = !strncmp(answer, "data:", 5);
	struct note n = { .person = "alice", .path = "/v1/chat/completions", .body = OFFERS };
	struct guard *g;
	struct call c;
	struct pass p;

	call_do(s, &n, &c);
	stage_settle(s);
	assert_string_equal(call_var(&c, "via"), "relay");
	memset(&p, 0, sizeof(p));
	pass_send(s, 0, &p, call_var(&c, "ticket"), "POST", (int64_t)strlen(OFFERS));
	stage_turn(s);
	assert_non_null(p.x);
	buf_clear(&said);
	assert_int_equal(
		gate_answer(p.x,
			&(struct guard_head){ .status = 200,
				.content_type = streamed ? SPAN_LIT("text/event-stream")
							 : SPAN_LIT("application/json") },
			&g),
		0);
	enum guard_result got = guard_feed(g, span_str(answer), &said);
	if (!got)
		got = guard_end(g, &said);
	assert_int_equal(got, GUARD_PASS);
	pass_finish(&p, END_COMPLETE, 200, 10, 5);
	stage_settle(s);
}

static size_t
times(const char *what)
{
	struct span all = buf_view(&said);
	size_t n = 0;

	for (const char *at; (at = memmem(all.p, all.n, what, strlen(what))); n++)
		all = span_cut(all, (size_t)(at - all.p) + 1, all.n);
	return n;
}

/* Sends an MCP call of a tool with the same name and returns what becomes of it. */
static const char *
mcp_call(struct stage *s, const char *name, char *code, size_t room)
{
	char body[256];
	struct note n = { .person = "alice", .path = "/mcp", .body = body };
	struct call c;
	struct pass p;

	snprintf(body, sizeof(body),
		"{\"jsonrpc\":\"2.0\",\"id\":7,\"method\":\"tools/call\",\"params\":{\"name\":"
		"\"%s\"}}",
		name);
	memset(&p, 0, sizeof(p));
	call_do(s, &n, &c);
	assert_int_equal(pass_claim(s, 1, &p, &c, (int64_t)strlen(body)), 0);
	assert_true(gate_hold(p.x, strlen(body)));
	gate_body(p.x, span_str(body), pass_ruled, &p);
	stage_settle(s);
	snprintf(code, room, "%s", p.denied ? "denied" : "goes");
	pass_finish(&p, p.denied ? END_DENIED : END_COMPLETE, p.denied ? 0 : 200, 1, 1);
	stage_settle(s);
	return code;
}

static void
forwarded_call_counts_once(void **state)
{
	static const char *const answers[] = {
		ANSWER(CALL("find") "," CALL("drop") "," CALL("find")),
		PIECE("0", "find") PIECE("1", "drop") PIECE("2", "find") END,
	};
	char code[16];

	(void)state;
	for (size_t i = 0; i < COUNT_OF(answers); i++) {
		struct stage s;
		buf_init(&said, 0);
		stage_up(&s, POLICY);
		ask(&s, answers[i]);
		assert_int_equal(times("\"name\":\"find\""), 2);
		assert_int_equal(times("\"name\":\"drop\""), 0);
		/* one is left for either way of calling; a denied call took nothing */
		assert_string_equal(mcp_call(&s, "find", code, sizeof(code)), "goes");
		assert_string_equal(mcp_call(&s, "find", code, sizeof(code)), "denied");
		assert_string_equal(mcp_call(&s, "send", code, sizeof(code)), "goes");
		/* and none in the next response */
		ask(&s, answers[i]);
		assert_int_equal(times("\"name\":\"find\""), 0);
		assert_int_equal(times("the limit calls is "), 2);
		/* the limit refills with its window */
		stage_pass(&s, 70 * 1000000ull);
		ask(&s, answers[i]);
		assert_int_equal(times("\"name\":\"find\""), 2);
		stage_down(&s);
		buf_free(&said);
	}
}

/* One response holds more calls than the limit has left. */
static void
calls_over_the_limit_are_removed_from_a_response(void **state)
{
	struct stage s;

	(void)state;
	buf_init(&said, 0);
	stage_up(&s, POLICY);
	ask(&s, PIECE("0", "find") PIECE("1", "find") PIECE("2", "find") PIECE("3", "find")
			PIECE("4", "send") END);
	assert_int_equal(times("\"name\":\"find\""), 3);
	assert_int_equal(times("\"name\":\"send\""), 1);
	assert_int_equal(times("the limit calls is "), 1);
	stage_down(&s);
	buf_free(&said);
}

/* The provider stores the response, so the call cannot be removed from it. */
static void
unremovable_call_denies_the_response(void **state)
{
	static const char body[] = "{\"model\":\"m\",\"input\":\"hi\",\"tools\":[{\"type\":"
				   "\"function\",\"name\":\"find\"}]}";
	static const char answer[] =
		"{\"id\":\"r\",\"object\":\"response\",\"status\":\"completed\",\"output\":[{"
		"\"type\":\"function_call\",\"id\":\"f\",\"call_id\":\"c\",\"name\":\"find\","
		"\"arguments\":\"{}\"}]}";
	struct stage s;

	(void)state;
	stage_up(&s, POLICY);
	for (int i = 0; i < 5; i++) {
		struct note n = { .person = "alice", .path = "/v1/responses", .body = body };
		struct guard *g;
		struct buf out;
		struct call c;
		struct pass p;
		call_do(&s, &n, &c);
		stage_settle(&s);
		memset(&p, 0, sizeof(p));
		pass_send(&s, 0, &p, call_var(&c, "ticket"), "POST", (int64_t)strlen(body));
		stage_turn(&s);
		assert_non_null(p.x);
		buf_init(&out, 0);
		assert_int_equal(gate_answer(p.x,
					 &(struct guard_head){ .status = 200,
						 .content_type = SPAN_LIT("application/json") },
					 &g),
			0);
		enum guard_result got = guard_feed(g, span_str(answer), &out);
		if (!got)
			got = guard_end(g, &out);
		assert_int_equal(got, i < 3 ? GUARD_PASS : GUARD_DENIED);
		if (got) {
			assert_int_equal(guard_report(g)->verdict.ruled.status, 403);
			assert_string_equal(guard_report(g)->verdict.ruled.reason,
				"the limit calls is reached");
			assert_int_equal(out.n, 0);
		}
		buf_free(&out);
		pass_finish(&p, got ? END_ANSWER_DENIED : END_COMPLETE, got ? 403 : 200, 10, 5);
		stage_settle(&s);
	}
	stage_down(&s);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(forwarded_call_counts_once),
		cmocka_unit_test(calls_over_the_limit_are_removed_from_a_response),
		cmocka_unit_test(unremovable_call_denies_the_response),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
