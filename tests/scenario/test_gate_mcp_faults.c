/* Faulty MCP clients and servers, through the gate. Each fault gets the error that the
 * specification names, nothing is disclosed, and the next message is processed normally.
 * Sessions are used on the same daemon, on another one, and after a restart. */
#include "scenario/gate_stage.h"

#include "gate/toolpins/tool_pins.h"

#define POLICY                                                                                 \
	"providers:\n"                                                                         \
	"  tools: {backend: openai, dialect: mcp}\n"                                           \
	"routes:\n"                                                                            \
	"  - {name: tools, match: {path: /mcp}, targets: tools, response: [inspect]}\n"        \
	"rules:\n"                                                                             \
	"  - {name: drops, phase: tool, when: 'tool.name.startsWith(\"drop\")', deny: {hide: " \
	"true}}\n"                                                                             \
	"  - {name: paths, phase: tool, when: 'tool.name == \"open\" && "                      \
	"tool.arguments.path.startsWith(\"/etc\")', deny: {reason: not there}}\n"              \
	"  - {name: mail, phase: response, redact: {entities: [EMAIL_ADDRESS]}}\n"             \
	"default: permit\n"
#define RPC	     "{\"jsonrpc\":\"2.0\","
#define CALL(params) RPC "\"id\":7,\"method\":\"tools/call\",\"params\":{" params "}}"
#define LIST(cursor)                                                                           \
	RPC "\"id\":7,\"method\":\"tools/list\",\"params\":{\"cursor\":\"" cursor "\"}}"
#define PAGE(list) RPC "\"id\":7,\"result\":{\"tools\":[" list "],\"nextCursor\":\"2\"}}"
#define ADD(text)  "{\"name\":\"add\",\"description\":\"" text "\"}"
#define JSON	   "application/json"
#define STREAM	   "text/event-stream"

/* A message in flight: as it is sent, or refused. */
struct asked {
	struct call c;
	struct pass p;
	char *bytes;
};

static void
ask(struct stage *s, const char *person, const char *session, const char *body, struct asked *a)
{
	static char field[1400], length[24];
	struct note n = { .person = person, .path = "/mcp", .body = body };

	memset(&a->p, 0, sizeof(a->p));
	snprintf(field, sizeof(field), "mcp-session-id: %s", session ? session : "");
	n.headers[0] = session ? field : NULL;
	a->bytes = strdup(body);
	/* a long body does not arrive whole */
	n.partial = strlen(body) > 16000;
	n.body_n = n.partial ? 16000 : 0;
	n.body_len = n.partial ? 16000 : 0;
	snprintf(length, sizeof(length), "%zu", strlen(body));
	n.length = n.partial ? length : NULL;
	call_do(s, &n, &a->c);
	if (!strcmp(call_var(&a->c, "decision"), "deny"))
		return;
	pass_send(s, 1, &a->p, call_var(&a->c, "ticket"), "POST", (int64_t)strlen(body));
	stage_settle(s);
	assert_non_null(a->p.x);
	assert_true(gate_hold(a->p.x, strlen(a->bytes)));
	gate_body(a->p.x, span_str(a->bytes), pass_ruled, &a->p);
	stage_settle(s);
	for (int i = 0; i < 2000 && !a->p.ruled; i++) { /* a helper reads it */
		usleep(1000);
		stage_settle(s);
	}
	assert_true(a->p.ruled);
}

static void
over(struct stage *s, struct asked *a)
{
	if (a->p.x)
		pass_finish(&a->p, a->p.denied ? END_DENIED : END_COMPLETE,
			a->p.denied ? 0 : 200, -1, -1);
	stage_settle(s);
	free(a->bytes);
}

/* Returns the response that the caller receives, or NULL if there is none. */
static const char *
answer(struct asked *a, const char *type, const char *bytes)
{
	const struct guard_head head = { .status = 200, .content_type = span_str(type) };
	static struct buf out;
	struct guard *g;

	buf_free(&out);
	buf_init(&out, 0);
	assert_int_equal(gate_answer(a->p.x, &head, &g), 0);
	enum guard_result r = guard_feed(g, span_str(bytes), &out);
	r = r ? r : guard_end(g, &out);
	buf_putc(&out, 0);
	return r ? NULL : buf_view(&out).p;
}

/* Asserts that a client that makes no mistake is served. */
static void
is_sane(struct stage *s)
{
	struct asked a;

	ask(s, "alice", NULL, CALL("\"name\":\"read\""), &a);
	assert_false(a.p.denied);
	assert_string_equal(
		answer(&a, JSON, RPC "\"id\":7,\"result\":{\"x\":\"a@example.com\"}}"),
		RPC "\"id\":7,\"result\":{\"x\":\"<EMAIL_ADDRESS>\"}}");
	over(s, &a);
}

/* ---- clients ---- */

/* clang-format off */
static const struct {
	const char *name, *body;
	int status; /* 0: the message is sent */
	const char *says;
} clients[] = {
	{ "an id that is a float", RPC "\"id\":7.0,\"method\":\"tools/call\",\"params\":{\"name\":\"read\"}}", 400, "\"id\":null,\"error\":{\"code\":-32600," },
	{ "an id that is a float by its exponent", RPC "\"id\":7e0,\"method\":\"ping\"}", 400, "\"id\":null,\"error\":{\"code\":-32600," },
	{ "an id that is null", RPC "\"id\":null,\"method\":\"ping\"}", 400, "\"error\":{\"code\":-32600," },
	{ "an id that is a list", RPC "\"id\":[7],\"method\":\"ping\"}", 400, "\"id\":null,\"error\":{\"code\":-32600," },
	{ "an id that is missing", RPC "\"method\":\"tools/call\",\"params\":{\"name\":\"read\"}}", 400, "\"id\":null,\"error\":{\"code\":-32600," },
	{ "params that is a list", RPC "\"id\":7,\"method\":\"tools/call\",\"params\":[\"read\",{}]}", 400, "\"id\":7,\"error\":{\"code\":-32602," },
	{ "params that is a string", RPC "\"id\":7,\"method\":\"tools/call\",\"params\":\"read\"}", 400, "\"id\":7,\"error\":{\"code\":-32602," },
	{ "a name in look-alike letters", CALL("\"name\":\"dr\xd0\xbep\""), 200, "\"isError\":true" },
	{ "a name with invisible characters", CALL("\"name\":\"read\xe2\x80\x8b\""), 200, "\"isError\":true" },
	{ "arguments that are a string", CALL("\"name\":\"open\",\"arguments\":\"/etc\""), 400, "\"id\":7,\"error\":{\"code\":-32602," },
	{ "lasso mcp-gateway#29: arguments that a rule cannot read", CALL("\"name\":\"open\",\"arguments\":{}"), 200, "\"isError\":true" },
	{ "an error response to a server's request", RPC "\"id\":1,\"error\":{\"code\":-32601,\"message\":\"Method not found\"}}", 0, NULL },
	{ "playwright-mcp#1646: a response to an unknown request", RPC "\"id\":99,\"result\":{}}", 0, NULL },
};
/* clang-format on */

static void
faulty_client_gets_the_specified_error(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT_OF(clients); i++) {
		struct stage s;
		struct asked a;
		stage_up(&s, POLICY);
		ask(&s, "alice", NULL, clients[i].body, &a);
		if (a.p.denied != (clients[i].status != 0) ||
			(a.p.denied && a.p.denial.status != clients[i].status) ||
			(a.p.denied && !strstr(a.p.denial_body, clients[i].says)))
			fail_msg("%s: %d %s", clients[i].name, a.p.denial.status,
				a.p.denied ? a.p.denial_body : "sent");
		over(&s, &a);
		is_sane(&s);
		stage_down(&s);
	}
}

/* Two concurrent messages have the same id, and one is denied. Each gets its own response. */
static void
reused_id_gets_its_own_response(void **state)
{
	struct stage s;
	struct asked a, b;

	(void)state;
	stage_up(&s, POLICY);
	ask(&s, "alice", NULL, CALL("\"name\":\"read\""), &a);
	ask(&s, "alice", NULL, CALL("\"name\":\"drop\""), &b);
	assert_false(a.p.denied);
	assert_true(b.p.denied);
	assert_non_null(strstr(b.p.denial_body, "\"id\":7,\"result\":{"));
	assert_string_equal(
		answer(&a, JSON, RPC "\"id\":7,\"result\":{}}"), RPC "\"id\":7,\"result\":{}}");
	over(&s, &a);
	over(&s, &b);
	stage_down(&s);
}

/* Arguments within limits.body (1 MB here) are forwarded, and a rule can read them. Larger ones
 * get 413. */
static void
large_arguments_get_413_over_the_body_limit(void **state)
{
	static const struct {
		const char *begins;
		size_t n;
		int status; /* 0: the message is sent */
	} t[] = {
		{ "\"name\":\"read\",\"arguments\":{\"text\":\"", 900000, 0 },
		{ "\"name\":\"open\",\"arguments\":{\"path\":\"/etc/x\",\"text\":\"", 900000,
			200 },
		{ "\"name\":\"read\",\"arguments\":{\"text\":\"", 5 << 20, 413 },
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(t); i++) {
		struct stage s;
		struct asked a;
		struct buf body;
		buf_init(&body, 0);
		buf_printf(&body, RPC "\"id\":7,\"method\":\"tools/call\",\"params\":{%s",
			t[i].begins);
		for (size_t k = 0; k < t[i].n; k += 5)
			buf_str(&body, "word ");
		buf_str(&body, "\"}}}");
		buf_putc(&body, 0);
		stage_up(&s, POLICY);
		ask(&s, "alice", NULL, body.p + body.start, &a);
		if (t[i].status == 413) {
			assert_null(a.p.x);
			assert_string_equal(call_var(&a.c, "status"), "413");
			assert_non_null(strstr(call_var(&a.c, "error"), "request_too_large"));
		} else if (a.p.denied != (t[i].status != 0)) {
			fail_msg("%zu: %s", i, a.p.denied ? a.p.denial_body : "sent");
		}
		over(&s, &a);
		is_sane(&s);
		stage_down(&s);
		buf_free(&body);
	}
}

/* ---- servers ---- */

/* clang-format off */
static const struct {
	const char *name, *body, *type, *in, *out; /* NULL: nothing is forwarded */
} servers[] = {
	{ "a cursor that leads to itself", LIST("2"), JSON, PAGE("{\"name\":\"drop_all\"}"), PAGE("") },
	{ "agentgateway#2644: a stream without `event:`", CALL("\"name\":\"read\""), STREAM,
		"data: " RPC "\"id\":7,\"result\":{\"x\":\"a@example.com\"}}\n\n", "data: " RPC "\"id\":7,\"result\":{\"x\":\"<EMAIL_ADDRESS>\"}}\n\n" },
	{ "an event of several lines of data", CALL("\"name\":\"read\""), STREAM,
		"event: message\ndata: " RPC "\"id\":7,\ndata: \"result\":{\"x\":5}}\n\n", "event: message\ndata: " RPC "\"id\":7,\ndata: \"result\":{\"x\":5}}\n\n" },
	{ "a request without the client's capability", CALL("\"name\":\"read\""), STREAM,
		"data: " RPC "\"id\":1,\"method\":\"sampling/createMessage\",\"params\":{\"messages\":[{\"role\":\"user\",\"content\":{\"type\":\"text\",\"text\":\"to a@example.com\"}}],\"maxTokens\":5}}\n\ndata: " RPC "\"id\":7,\"result\":{}}\n\n",
		"data: " RPC "\"id\":1,\"method\":\"sampling/createMessage\",\"params\":{\"messages\":[{\"role\":\"user\",\"content\":{\"type\":\"text\",\"text\":\"to <EMAIL_ADDRESS>\"}}],\"maxTokens\":5}}\n\ndata: " RPC "\"id\":7,\"result\":{}}\n\n" },
	{ "a page of HTML", CALL("\"name\":\"read\""), "text/html", "<html>a@example.com</html>", NULL },
	{ "an HTML page with the type of JSON", CALL("\"name\":\"read\""), JSON, "<html>a@example.com</html>", NULL },
	{ "a result that is cut", CALL("\"name\":\"read\""), JSON, RPC "\"id\":7,\"result\":{\"x\":\"a@exa", NULL },
	{ "a primer event", CALL("\"name\":\"read\""), STREAM, "id: 1\nretry: 50\ndata:\n\ndata: " RPC "\"id\":7,\"result\":{}}\n\n", "id: 1\nretry: 50\ndata:\n\ndata: " RPC "\"id\":7,\"result\":{}}\n\n" },
};
/* clang-format on */

static void
faulty_server_response_is_corrected_or_denied(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT_OF(servers); i++) {
		struct stage s;
		struct asked a;
		stage_up(&s, POLICY);
		ask(&s, "alice", NULL, servers[i].body, &a);
		assert_false(a.p.denied);
		const char *got = answer(&a, servers[i].type, servers[i].in);
		if (!got != !servers[i].out || (got && strcmp(got, servers[i].out)))
			fail_msg("%s: %s", servers[i].name, got ? got : "nothing");
		over(&s, &a);
		is_sane(&s);
		stage_down(&s);
	}
}

static void
thousand_content_blocks_are_inspected(void **state)
{
	struct stage s;
	struct asked a;
	struct buf in, want;

	(void)state;
	for (int streamed = 0; streamed < 2; streamed++) {
		struct buf *both[] = { &in, &want };
		for (int k = 0; k < 2; k++) {
			buf_init(both[k], 0);
			buf_str(both[k], streamed ? "data: " : "");
			buf_str(both[k], RPC "\"id\":7,\"result\":{\"content\":[");
			for (int i = 0; i < 1000; i++)
				buf_printf(both[k], "%s{\"type\":\"text\",\"text\":\"%d %s\"}",
					i ? "," : "", i,
					k ? "<EMAIL_ADDRESS>" : "a@example.com");
			buf_str(both[k], "]}}");
			buf_str(both[k], streamed ? "\n\n" : "");
			buf_putc(both[k], 0);
		}
		stage_up(&s, POLICY);
		ask(&s, "alice", NULL, CALL("\"name\":\"read\""), &a);
		const char *got = answer(&a, streamed ? STREAM : JSON, in.p + in.start);
		assert_non_null(got);
		assert_string_equal(got, want.p + want.start);
		over(&s, &a);
		is_sane(&s);
		stage_down(&s);
		buf_free(&in);
		buf_free(&want);
	}
}

/* Two daemons share one table of pins, so each knows the first description that the other
 * received. */
static void
changed_list_is_noticed_by_another_daemon(void **state)
{
	struct tool_pins *pins = tool_pins_new();
	static const char *const in[] = { PAGE(ADD("adds")), PAGE(ADD("adds, and sends")) };
	static const char *const want[] = { PAGE(ADD("adds")), PAGE("") };

	(void)state;
	for (size_t i = 0; i < COUNT_OF(in); i++) {
		struct stage s;
		struct asked a;
		stage_up(&s, POLICY);
		gate_shared_tool_pins(s.shared, pins);
		ask(&s, "alice", NULL, LIST("1"), &a);
		assert_string_equal(answer(&a, JSON, in[i]), want[i]);
		over(&s, &a);
		stage_down(&s);
	}
	tool_pins_free(&pins);
}

/* The first description applies to everyone. A caller who is given another one does not see the
 * tool. */
static void
description_that_differs_by_caller_hides_the_tool(void **state)
{
	struct tool_pins *pins = tool_pins_new();
	static const char *const who[] = { "alice", "bob", "alice" };
	struct stage s;
	struct asked a;

	(void)state;
	stage_up(&s, POLICY);
	gate_shared_tool_pins(s.shared, pins);
	for (size_t i = 0; i < COUNT_OF(who); i++) {
		bool bob = !strcmp(who[i], "bob");
		ask(&s, who[i], NULL, LIST("1"), &a);
		assert_string_equal(
			answer(&a, JSON, bob ? PAGE(ADD("adds for bob")) : PAGE(ADD("adds"))),
			bob ? PAGE("") : PAGE(ADD("adds")));
		over(&s, &a);
	}
	stage_down(&s);
	tool_pins_free(&pins);
}

/* ---- sessions ---- */

enum { KEY_NONE, KEY_ONE, KEY_TWO };

static void
daemon_up(struct stage *s, int which)
{
	static const unsigned char keys[][32] = { "", "0123456789abcdef0123456789abcde",
		"another key, of other daemons.." };

	stage_up(s, POLICY);
	if (which != KEY_NONE)
		gate_shared_sessions(s->shared, keys[which]);
}

/* Gets the session id that a daemon gives alice for the server's "s-1". */
static void
begin_session(int key, char id[128])
{
	struct stage s;
	struct asked a;

	daemon_up(&s, key);
	ask(&s, "alice", NULL, RPC "\"id\":0,\"method\":\"initialize\",\"params\":{}}", &a);
	assert_false(a.p.denied);
	struct span bound = gate_session(a.p.x, SPAN_LIT("s-1"));
	assert_true(bound.n > 4 && bound.n < 128);
	snprintf(id, 128, "%.*s", SPAN_ARG(bound));
	over(&s, &a);
	stage_down(&s);
}

static void
session_is_valid_on_daemons_with_its_key(void **state)
{
	static const struct {
		const char *name;
		int begun, used;
		const char *person;
		bool holds;
	} t[] = {
		{ "mcp-hangar#877: the same daemon after a restart, or another one", KEY_ONE,
			KEY_ONE, "alice", true },
		{ "mcp-gateway-registry#1357: another person", KEY_ONE, KEY_ONE, "bob", false },
		{ "daemons with another key", KEY_ONE, KEY_TWO, "alice", false },
		{ "without a key after a restart", KEY_NONE, KEY_NONE, "alice", false },
	};
	char id[128], other[128];

	(void)state;
	for (size_t i = 0; i < COUNT_OF(t); i++) {
		struct stage s;
		struct asked a;
		begin_session(t[i].begun, id);
		daemon_up(&s, t[i].used);
		ask(&s, t[i].person, id, CALL("\"name\":\"read\""), &a);
		if (t[i].holds) {
			bool sent = false;
			assert_false(a.p.denied);
			const struct http_head *h = &gate_plan(a.p.x)->head;
			for (size_t k = 0; k < h->nfields; k++)
				sent |= span_is(h->fields[k].name, "mcp-session-id") &&
					span_is(h->fields[k].value, "s-1");
			assert_true(sent);
		} else {
			if (strcmp(call_var(&a.c, "status"), "404") ||
				!strstr(call_var(&a.c, "error"), "session_not_found"))
				fail_msg("%s: %s", t[i].name, call_var(&a.c, "status"));
			assert_null(strstr(call_var(&a.c, "error"), "s-1"));
		}
		over(&s, &a);
		/* the caller begins a session of their own, as the specification requires */
		ask(&s, t[i].person, NULL,
			RPC "\"id\":0,\"method\":\"initialize\",\"params\":{}}", &a);
		assert_false(a.p.denied);
		struct span bound = gate_session(a.p.x, SPAN_LIT("s-2"));
		snprintf(other, sizeof(other), "%.*s", SPAN_ARG(bound));
		over(&s, &a);
		ask(&s, t[i].person, other, CALL("\"name\":\"read\""), &a);
		assert_false(a.p.denied);
		assert_non_null(a.p.x);
		over(&s, &a);
		/* records have a keyed hash of the session id, and neither the server's id nor
		 * the client's */
		assert_true(stage_records_hold("\"session\":\""));
		assert_false(stage_records_hold("s-2"));
		assert_false(stage_records_hold(other));
		assert_false(stage_records_hold(id));
		stage_down(&s);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(faulty_client_gets_the_specified_error),
		cmocka_unit_test(reused_id_gets_its_own_response),
		cmocka_unit_test(large_arguments_get_413_over_the_body_limit),
		cmocka_unit_test(faulty_server_response_is_corrected_or_denied),
		cmocka_unit_test(thousand_content_blocks_are_inspected),
		cmocka_unit_test(changed_list_is_noticed_by_another_daemon),
		cmocka_unit_test(description_that_differs_by_caller_hides_the_tool),
		cmocka_unit_test(session_is_valid_on_daemons_with_its_key),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
