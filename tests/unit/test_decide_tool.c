/* tollgate decide and policy test with a tool call: the verdict of the rules with phase: tool,
 * and its explanation. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <jansson.h>
#include <stdlib.h>

#include "support/run_cmd.h"

#define POLICY                                                                                 \
	"tollgate: 1\nname: t\ndefault: permit\n"                                              \
	"identity: [{none: {person: nobody}}]\n"                                               \
	"routes: [{name: chat, match: {path: /v1/chat/completions}, dialect: openai, "         \
	"backend: b}, {name: messages, match: {path: /v1/messages}, dialect: anthropic, "      \
	"backend: b}]\n"                                                                       \
	"rules:\n"                                                                             \
	"  - {name: gone, when: 'request.host == \"gone\"', deny: true}\n"                     \
	"  - {name: read, phase: tool, when: 'tool.name.startsWith(\"list_\")', permit: "      \
	"true}\n"                                                                              \
	"  - {name: pay, phase: tool, when: 'tool.arguments.amount > 100', on_error: skip, "   \
	"deny: {reason: too much, as: error}, tag: [pay]}\n"                                   \
	"  - {name: mail, phase: tool, when: 'tool.name == \"mail\"', redact: {entities: "     \
	"[US_SSN], with: mask}}\n"                                                             \
	"  - {name: rest, phase: tool, when: 'tool.server == \"tickets\"', deny: {hide: "      \
	"true}}\n"

static const struct row {
	const char *name, *more, *tool;
	int code;
	const char *want;
} rows[] = {
	{ "a permit", "", "{\"name\":\"list_x\",\"server\":\"tickets\"}", 0,
		"{\"decision\":\"permit\",\"rule\":\"read\",\"hidden\":false}" },
	{ "by arguments", "", "{\"name\":\"pay\",\"arguments\":{\"amount\":500}}", 1,
		"{\"decision\":\"deny\",\"rule\":\"pay\",\"as\":\"error\",\"reason\":\"too "
		"much\",\"hidden\":false,\"tags\":[\"pay\"]}" },
	{ "hidden", "", "{\"name\":\"drop\",\"server\":\"tickets\"}", 1,
		"{\"decision\":\"deny\",\"rule\":\"rest\",\"as\":\"result\",\"reason\":"
		"\"denied "
		"by policy\",\"hidden\":true}" },
	{ "what is redacted", "", "{\"name\":\"mail\"}", 0,
		"{\"decision\":\"redact\",\"rule\":\"mail\",\"hidden\":false,\"redacts\":[{"
		"\"entity\":\"US_SSN\",\"with\":\"mask\"}]}" },
	{ "a changed description", "", "{\"name\":\"list_x\",\"state\":\"changed\"}", 1,
		"{\"decision\":\"deny\",\"rule\":\"\",\"as\":\"result\",\"reason\":\"the "
		"tool's description differs from the approved one\",\"hidden\":true}" },
	{ "a URI of several spellings", "", "{\"uri\":\"FILE:///x\"}", 1,
		"{\"decision\":\"deny\",\"rule\":\"\",\"as\":\"result\",\"reason\":\"the URI "
		"is not in its normal form, so the server may understand it differently from a "
		"rule\",\"hidden\":true}" },
	{ "one in its normal form", "", "{\"uri\":\"file:///x\"}", 0,
		"{\"decision\":\"permit\",\"rule\":\"\",\"hidden\":false}" },
	{ "not of a request that is denied", "\"host\":\"gone\",", "{\"name\":\"x\"}", 1,
		NULL },
	{ "a member that it does not know", "", "{\"nme\":\"x\"}", 2,
		"tool may have name, server, arguments, state, description, uri, method and "
		"left" },
	{ "a reason that is none", "", "{\"name\":\"x\",\"left\":[\"far\"]}", 2,
		"tool.left may have url, host, tool, size and unknown" },
	{ "a state that is none", "", "{\"state\":\"old\"}", 2,
		"tool.state must be new, approved, changed or unlisted" },
	{ "a name that is none", "", "{\"name\":3}", 2,
		"tool: name, server, description, uri and method must be strings" },
	{ "no object", "", "[]", 2, "tool must be an object" },
};

static void
tool_call_is_judged(void **state)
{
	(void)state;
	put("policy.yaml", POLICY);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		char in[1024];
		snprintf(in, sizeof(in),
			"{\"path\":\"/v1/chat/completions\",\"identity\":{\"person\":\"al\"},%s"
			"\"tool\":%s}",
			rows[i].more, rows[i].tool);
		int got = tollgate(in, "decide", "--policy", path("policy.yaml"), NULL);
		if (got != rows[i].code)
			fail_msg("%s: exit %d: %s%s", rows[i].name, got, cmd_out, cmd_err);
		json_t *o = json_loads(cmd_out, 0, NULL), *tool = json_object_get(o, "tool");
		char *text = tool ? json_dumps(tool, JSON_COMPACT) : NULL;
		bool same = got == 2		     ? strstr(cmd_err, rows[i].want) != NULL
			    : !text || !rows[i].want ? !text && !rows[i].want
						     : !strcmp(text, rows[i].want);
		if (!same)
			fail_msg("%s: %s%s", rows[i].name, text ? text : "none", cmd_err);
		free(text);
		json_decref(o);
	}
}

/* As in the gateway: tests/scenario/test_gate_offered.c has each dialect. */
static void
denied_tools_are_removed_from_the_body(void **state)
{
	static const struct {
		const char *body, *want;
		int code;
	} said[] = {
		{ "{\\\"tools\\\":[{\\\"name\\\":\\\"drop\\\"},{\\\"name\\\":\\\"see\\\"}],\\\"k\\\":1}",
			"\"{\\\"tools\\\":[{\\\"name\\\":\\\"see\\\"}],\\\"k\\\":1}\"", 0 },
		{ "{\\\"tools\\\":[{\\\"type\\\":\\\"mcp\\\",\\\"server_label\\\":\\\"theirs\\\"}]}",
			"not theirs", 1 },
	};

	(void)state;
	put("policy.yaml",
		POLICY "  - {name: no-drop, phase: tool, when: 'tool.name == \"drop\"', deny: {hide: "
		       "true}}\n"
		       "  - {name: theirs, phase: tool, when: 'tool.server == \"theirs\"', deny: "
		       "{reason: not theirs}}\n");
	for (size_t i = 0; i < sizeof(said) / sizeof(said[0]); i++) {
		char in[1024];
		snprintf(in, sizeof(in),
			"{\"path\":\"/v1/chat/completions\",\"identity\":{\"person\":\"al\"},"
			"\"body\":\"%s\"}",
			said[i].body);
		int got = tollgate(in, "decide", "--policy", path("policy.yaml"), NULL);
		bool hidden = strstr(cmd_out, "\"hidden_tools\": 1") != NULL;
		if (got != said[i].code || !strstr(cmd_out, said[i].want) || hidden != !got)
			fail_msg("exit %d: %s%s", got, cmd_out, cmd_err);
	}
}

/* The result of one tool determines which call may follow. */
static void
results_in_a_body_name_their_tools(void **state)
{
	static const struct {
		const char *id, *tool;
		int code;
	} said[] = { { "c1", "", 0 }, { "c1", ",\"tool\":{\"name\":\"see\"}", 0 },
		{ "c1", ",\"tool\":{\"name\":\"mail\"}", 1 }, { "c2", "", 1 } };

	(void)state;
	put("policy.yaml",
		"tollgate: 1\nname: t\ndefault: permit\nidentity: [{none: {person: nobody}}]\n"
		"routes: [{name: chat, match: {path: /v1/chat/completions}, dialect: openai, "
		"backend: b}]\nrules:\n"
		"  - {name: nobodys, when: '\"\" in prompt.tool_results', deny: true}\n"
		"  - {name: fetched, phase: tool, when: 'tool.name == \"mail\" && "
		"\"web_fetch\" in "
		"prompt.tool_results', deny: true}\n");
	for (size_t i = 0; i < sizeof(said) / sizeof(said[0]); i++) {
		char in[1024];
		snprintf(in, sizeof(in),
			"{\"path\":\"/v1/chat/completions\",\"identity\":{\"person\":\"al\"},"
			"\"body\":\"{\\\"messages\\\":[{\\\"role\\\":\\\"assistant\\\","
			"\\\"tool_calls\\\":"
			"[{\\\"id\\\":\\\"c1\\\",\\\"type\\\":\\\"function\\\","
			"\\\"function\\\":"
			"{\\\"name\\\":\\\"web_fetch\\\",\\\"arguments\\\":\\\"x\\\"}}]},"
			"{\\\"role\\\":\\\"tool\\\",\\\"tool_call_id\\\":\\\"%s\\\","
			"\\\"content\\\":\\\"x\\\"}]}\"%s}",
			said[i].id, said[i].tool);
		int got = tollgate(in, "decide", "--policy", path("policy.yaml"), NULL);
		if (got != said[i].code)
			fail_msg("%zu: exit %d: %s%s", i, got, cmd_out, cmd_err);
	}
}

static void
explanation_is_printed(void **state)
{
	static const char *const says[] = {
		"pay matched: tool.arguments was {\\\"amount\\\":500}; it denies with a JSON-RPC",
		"a JSON-RPC error, too much, and it tags pay",
		"read did not match: tool.name was \\\"pay\\\"",
		"rest was not reached: pay ended the evaluation",
		"\"as\": \"error\"",
		"\"hide\": true",
	};

	(void)state;
	put("policy.yaml", POLICY);
	tollgate("{\"path\":\"/v1/chat/completions\",\"identity\":{\"person\":\"al\"},\"tool\":"
		 "{\"name\":\"pay\",\"arguments\":{\"amount\":500}}}",
		"decide", "--explain", "--policy", path("policy.yaml"), NULL);
	for (size_t i = 0; i < sizeof(says) / sizeof(says[0]); i++)
		if (!strstr(cmd_out, says[i]))
			fail_msg("lacks %s: %s", says[i], cmd_out);
}

static void
policy_tests_may_have_calls(void **state)
{
	(void)state;
	put("policy.yaml", POLICY);
	put("policy.test.yaml",
		"defaults:\n  request: {path: /v1/chat/completions}\n  identity: {person: al}\n"
		"cases:\n"
		"  - {name: lists, tool: {server: tickets, name: list_x}, expect: {tool: "
		"{decision: permit, rule: read, hidden: false}}}\n"
		"  - {name: pays, tool: {name: pay, arguments: {amount: 101}}, expect: {tool: "
		"{decision: deny, as: error, reason: too much, tags: pay}}}\n"
		"  - {name: mails, tool: {name: mail}, expect: {tool: {redacts: US_SSN}}}\n"
		"  - {name: others, tool: {server: tickets, name: drop}, expect: {tool: {rule: "
		"rest, hidden: true}}}\n"
		"  - {name: gone, request: {host: gone}, expect: {decision: deny}}\n");
	int code = tollgate(
		"", "policy", "test", "--require-coverage", path("policy.test.yaml"), NULL);
	if (code)
		fail_msg("%d: %s%s", code, cmd_out, cmd_err);
	put("policy.test.yaml",
		"defaults:\n  request: {path: /v1/chat/completions}\n  identity: {person: al}\n"
		"cases:\n"
		"  - {name: a, tool: {server: tickets, name: x}, expect: {tool: {hidden: "
		"false, rule: read}}}\n"
		"  - {name: b, expect: {tool: {rule: read}}}\n");
	assert_int_equal(tollgate("", "policy", "test", path("policy.test.yaml"), NULL), 1);
	assert_non_null(strstr(cmd_out, "#   tool.hidden: wanted false, got true\n"));
	assert_non_null(strstr(cmd_out, "#   tool.rule: wanted read, got rest\n"));
	assert_non_null(
		strstr(cmd_out, "#   tool: there is no value to compare: the case has"));
	assert_non_null(strstr(cmd_out, "#   rest matched: "));
}

/* ---- calls in model responses, through the guard ---- */

#define CHAT(name, arguments)                                                                  \
	"{\"choices\":[{\"index\":0,\"finish_reason\":\"tool_calls\",\"message\":{\"role\":"   \
	"\"assistant\",\"content\":null,\"tool_calls\":[{\"id\":\"c\",\"type\":\"function\","  \
	"\"function\":{\"name\":\"" name "\",\"arguments\":\"" arguments "\"}}]}}]}"
#define EVENT(delta, finish)                                                                   \
	"data: {\"choices\":[{\"index\":0,\"delta\":" delta ",\"finish_reason\":" finish       \
	"}]}\n\n"
#define CALL(name, arguments)                                                                  \
	"{\"tool_calls\":[{\"index\":0,\"id\":\"c\",\"type\":\"function\",\"function\":{"      \
	"\"name\":"                                                                            \
	"\"" name "\",\"arguments\":\"" arguments "\"}}]}"
#define MORE(arguments)                                                                        \
	"{\"tool_calls\":[{\"index\":0,\"function\":{\"arguments\":\"" arguments "\"}}]}"
#define CLAUDE(name, input)                                                                    \
	"{\"type\":\"message\",\"role\":\"assistant\",\"content\":[{\"type\":\"tool_use\","    \
	"\"id\":\"t\",\"name\":\"" name "\",\"input\":" input                                  \
	"}],\"stop_reason\":\"tool_use\"}"

static const struct answered {
	const char *name, *route, *type, *body, *decision, *rule;
} answered[] = {
	{ "a call that is denied", "chat", "application/json",
		CHAT("pay", "{\\\"amount\\\":500}"), "deny", "pay" },
	{ "a smaller one", "chat", "application/json", CHAT("pay", "{\\\"amount\\\":5}"),
		"permit", "" },
	{ "one of MCP's server only", "chat", "application/json", CHAT("drop", "{}"), "permit",
		"" },
	{ "in a stream", "chat", "text/event-stream",
		EVENT(CALL("pay", ""), "null") EVENT(MORE("{\\\"amount\\\":5"), "null") EVENT(
			MORE("00}"), "null") EVENT("{}", "\"tool_calls\"") "data: [DONE]\n\n",
		"deny", "pay" },
	{ "a smaller one in a stream", "chat", "text/event-stream",
		EVENT(CALL("pay", ""), "null") EVENT(MORE("{\\\"amount\\\":5"), "null") EVENT(
			MORE("}"), "null") EVENT("{}", "\"tool_calls\"") "data: [DONE]\n\n",
		"permit", "" },
	{ "of another dialect", "messages", "application/json",
		CLAUDE("pay", "{\"amount\":500}"), "deny", "pay" },
	{ "a smaller one of it", "messages", "application/json",
		CLAUDE("pay", "{\"amount\":5}"), "permit", "" },
};

static void
calls_in_responses_are_judged(void **state)
{
	(void)state;
	put("policy.yaml", POLICY);
	for (size_t i = 0; i < sizeof(answered) / sizeof(answered[0]); i++) {
		const struct answered *x = &answered[i];
		bool chat = !strcmp(x->route, "chat");
		json_t *in = json_pack("{s:s,s:{s:s},s:{s:s},s:s,s:{s:{s:s},s:s}}", "path",
			chat ? "/v1/chat/completions" : "/v1/messages", "identity", "person",
			"al", "headers", "content-type", "application/json", "body",
			"{\"model\":\"m\",\"max_tokens\":5,\"messages\":[]}", "response",
			"headers", "content-type", x->type, "body", x->body);
		char *line = json_dumps(in, 0);
		int code = tollgate(line, "decide", "--policy", path("policy.yaml"), NULL);
		json_t *o = json_loads(cmd_out, 0, NULL), *r = json_object_get(o, "response");
		const char *decision = json_string_value(json_object_get(r, "decision")),
			   *rule = json_string_value(json_object_get(r, "rule"));
		if (!decision || strcmp(decision, x->decision) != 0 ||
			strcmp(rule, x->rule) != 0 || code != !strcmp(decision, "deny"))
			fail_msg("%s: %d %s%s", x->name, code, cmd_out, cmd_err);
		json_decref(o);
		json_decref(in);
		free(line);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(tool_call_is_judged),
		cmocka_unit_test(denied_tools_are_removed_from_the_body),
		cmocka_unit_test(results_in_a_body_name_their_tools),
		cmocka_unit_test(explanation_is_printed),
		cmocka_unit_test(policy_tests_may_have_calls),
		cmocka_unit_test(calls_in_responses_are_judged),
	};
	return cmocka_run_group_tests(tests, temp_dir_make, temp_dir_remove);
}
