/* Each tool call has its entry in the record, in an MCP message or in a request to a business
 * API, and a search for its name finds both. test_called and the e2e tests cover calls in
 * responses. */
#include "scenario/gate_stage.h"

#define POLICY                                                                                 \
	"providers:\n"                                                                         \
	"  tools: {backend: openai, dialect: mcp}\n"                                           \
	"  bank: {backend: openai, dialect: rest}\n"                                           \
	"  model: {backend: openai, dialect: openai}\n"                                        \
	"operations:\n"                                                                        \
	"  payments: [tools/pay, tools/7-4111111111111111, /pay]\n"                            \
	"  tickets: [\"tools/*\"]\n"                                                           \
	"routes:\n"                                                                            \
	"  - {name: tools, match: {path: /mcp}, targets: tools}\n" \
	"  - {name: transfer, match: {path: /transfer}, targets: bank, about: {operation: "    \
	"payments}}\n"                                                                         \
	"  - {name: chat, match: {path: /v1/chat/completions}, targets: model}\n"              \
	"rules:\n"                                                                             \
	"  - {name: mail, redact: {entities: [EMAIL_ADDRESS, CREDIT_CARD]}}\n"                 \
	"  - {name: drops, phase: tool, when: 'tool.name == \"drop\"', deny: {reason: no "     \
	"drops}}\n"                                                                            \
	"  - {name: soon, phase: tool, mode: shadow, when: 'tool.name == \"pay\"', deny: "     \
	"true}\n"                                                                              \
	"default: permit\n"

#define CALL(params)                                                                           \
	"{\"jsonrpc\":\"2.0\",\"id\":7,\"method\":\"tools/call\",\"params\":{" params "}}"
#define READ                                                                                   \
	"{\"jsonrpc\":\"2.0\",\"id\":7,\"method\":\"resources/read\",\"params\":{\"uri\":"     \
	"\"file:///ann@example.com\"}}"

/* clang-format off */
static const struct {
	const char *name, *body;
	const char *decided[4], *completed[3]; /* parts of the entries; completed[0] NULL: the call is denied */
} rows[] = {
	{ "a call of a tool, and a hash of its arguments", CALL("\"name\":\"find\",\"arguments\":{\"to\":\"ann@example.com\"}"),
		{ "{\"by\":\"mcp\",\"server\":\"tools\",\"method\":\"tools/call\",\"tool\":\"find\",\"operation\":\"tickets\",\"decision\":\"redact\",\"rule\":\"mail\",",
			"\"outcomes\":\"nn\",\"arguments_bytes\":24,\"arguments_hmac_sha256\":\"" },
		{ "[{\"by\":\"mcp\",\"server\":\"tools\",\"method\":\"tools/call\",\"tool\":\"find\",\"operation\":\"tickets\",\"decision\":\"redact\",", "\"result_bytes\":" } },
	{ "a call that is denied", CALL("\"name\":\"drop\",\"arguments\":{\"to\":\"ann@example.com\"}"),
		{ "\"tool\":\"drop\",\"operation\":\"tickets\",\"decision\":\"deny\",\"rule\":\"drops\",", "\"outcomes\":\"m-\",\"arguments_bytes\":24," }, { NULL } },
	{ "a call that would be denied, by its own operation before its server's", CALL("\"name\":\"pay\""),
		{ "\"tool\":\"pay\",\"operation\":\"payments\",\"decision\":\"permit\",", "\"would\":\"deny\",\"would_rule\":\"soon\",", "\"outcomes\":\"nm\"}]" },
		{ "\"tool\":\"pay\",\"operation\":\"payments\",\"decision\":\"permit\"," } },
	{ "a name that is not recorded still has its operation", CALL("\"name\":\"7-4111111111111111\""),
		{ "\"tool\":\"<redacted>\",\"operation\":\"payments\"," }, { NULL } },
	{ "a resource whose name contains a value", READ, { "\"method\":\"resources/read\",\"operation\":\"tickets\",\"resource\":\"<redacted>\",\"decision\":\"deny\"," }, { NULL } },
};
/* clang-format on */

static void
holds(const char *name, const char *what, const char *where)
{
	if (!strstr(where, what))
		fail_msg("%s: %s is not in %s", name, what, where);
}

static void
mcp_call_has_its_entry(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct note n = { .person = "alice", .path = "/mcp", .body = rows[i].body };
		char *bytes = strdup(n.body);
		struct stage s;
		struct call c;
		struct pass p;
		memset(&p, 0, sizeof(p));
		stage_up(&s, POLICY);
		call_do(&s, &n, &c);
		assert_int_equal(pass_claim(&s, 1, &p, &c, (int64_t)strlen(bytes)), 0);
		assert_true(gate_hold(p.x, strlen(bytes)));
		gate_body(p.x, span_str(bytes), pass_ruled, &p);
		stage_settle(&s);
		pass_finish(&p, p.denied ? END_DENIED : END_COMPLETE, p.denied ? 0 : 200, 1, 1);
		stage_settle(&s);
		for (size_t k = 0; k < 4 && rows[i].decided[k]; k++)
			holds(rows[i].name, rows[i].decided[k], stage_field(0, "calls"));
		assert_int_equal(p.denied, rows[i].completed[0] == NULL);
		for (size_t k = 0; k < 3 && rows[i].completed[k]; k++)
			holds(rows[i].name, rows[i].completed[k], stage_field(1, "calls"));
		assert_false(stage_records_hold("ann@example.com"));
		stage_down(&s);
		free(bytes);
	}
}

static void
message_without_a_call_has_no_entry(void **state)
{
	struct note n = { .person = "alice",
		.path = "/mcp",
		.body = "{\"jsonrpc\":\"2.0\",\"id\":7,\"method\":\"tools/list\"}" };
	char *bytes = strdup(n.body);
	struct stage s;
	struct call c;
	struct pass p;

	(void)state;
	memset(&p, 0, sizeof(p));
	stage_up(&s, POLICY);
	call_do(&s, &n, &c);
	assert_int_equal(pass_claim(&s, 1, &p, &c, (int64_t)strlen(bytes)), 0);
	assert_true(gate_hold(p.x, strlen(bytes)));
	gate_body(p.x, span_str(bytes), pass_ruled, &p);
	stage_settle(&s);
	pass_finish(&p, END_COMPLETE, 200, 1, 1);
	stage_settle(&s);
	assert_string_equal(stage_field(0, "calls"), "");
	assert_string_equal(stage_field(1, "calls"), "");
	stage_down(&s);
	free(bytes);
}

static void
business_api_request_has_its_entry(void **state)
{
	struct note n = { .person = "alice", .path = "/transfer", .body = "{\"amount\":5}" };
	struct stage s;
	struct call c;

	(void)state;
	stage_up(&s, POLICY);
	call_do(&s, &n, &c);
	stage_settle(&s);
	assert_string_equal(stage_field(0, "calls"),
		"[{\"by\":\"api\",\"server\":\"bank\",\"tool\":\"transfer\",\"operation\":"
		"\"payments\",\"decision\":\"permit\",\"rule\":\"default\"}]");
	stage_down(&s);
}

static void
offered_tools_are_recorded_by_name(void **state)
{
	struct note n = { .person = "alice",
		.path = "/v1/chat/completions",
		.body = "{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":\"hi\"}]"
			","
			"\"tools\":[{\"type\":\"function\",\"function\":{\"name\":\"pay\","
			"\"description\":\"d\",\"parameters\":{\"type\":\"object\","
			"\"properties\":{\"name\":{\"type\":\"string\",\"description\":\"x\"}}}"
			"}},"
			"{\"type\":\"web_search\"},{\"type\":\"function\",\"function\":{"
			"\"name\":"
			"\"ann@example.com\"}}]}" };
	struct stage s;
	struct call c;

	(void)state;
	stage_up(&s, POLICY);
	call_do(&s, &n, &c);
	/* an address in a name cannot be replaced, so the request is denied */
	stage_settle(&s);
	assert_string_equal(stage_field(0, "decision"), "deny");
	assert_string_equal(
		stage_field(0, "offered"), "[\"pay\",\"web_search\",\"<redacted>\"]");
	assert_string_equal(stage_field(0, "calls"), "");
	stage_down(&s);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(mcp_call_has_its_entry),
		cmocka_unit_test(message_without_a_call_has_no_entry),
		cmocka_unit_test(business_api_request_has_its_entry),
		cmocka_unit_test(offered_tools_are_recorded_by_name),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
