/* decide and policy test with a call: what the rules with phase: tool say of it, and why. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <jansson.h>

#include "support/run_cmd.h"

#define POLICY                                                                                 \
	"tollgate: 1\nname: t\ndefault: permit\n"                                              \
	"identity: [{none: {person: nobody}}]\n"                                               \
	"routes: [{name: chat, match: {path: /v1/chat/completions}, dialect: openai, "         \
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
		"{\"decision\":\"deny\",\"rule\":\"\",\"as\":\"result\",\"reason\":\"what "
		"describes it is not what was approved\",\"hidden\":true}" },
	{ "not of a request that is denied", "\"host\":\"gone\",", "{\"name\":\"x\"}", 1,
		NULL },
	{ "a member that it does not know", "", "{\"nme\":\"x\"}", 2,
		"tool knows name, server, arguments, state, description, uri, method" },
	{ "a state that is none", "", "{\"state\":\"old\"}", 2,
		"tool.state must be new, approved, changed or unlisted" },
	{ "a name that is none", "", "{\"name\":3}", 2, "tool: a string is expected" },
	{ "no object", "", "[]", 2, "tool must be an object" },
};

static void
a_call_is_judged(void **state)
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

static void
why_is_said(void **state)
{
	static const char *const says[] = {
		"pay matched: tool.arguments was {\\\"amount\\\":500}; it denies with a "
		"JSON-RPC error, too much, and it tags pay",
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
cases_of_tests_have_calls(void **state)
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
		NULL, "policy", "test", "--require-coverage", path("policy.test.yaml"), NULL);
	if (code)
		fail_msg("%d: %s%s", code, cmd_out, cmd_err);
	put("policy.test.yaml",
		"defaults:\n  request: {path: /v1/chat/completions}\n  identity: {person: al}\n"
		"cases:\n"
		"  - {name: a, tool: {server: tickets, name: x}, expect: {tool: {hidden: "
		"false, rule: read}}}\n"
		"  - {name: b, expect: {tool: {rule: read}}}\n");
	assert_int_equal(tollgate(NULL, "policy", "test", path("policy.test.yaml"), NULL), 1);
	assert_non_null(strstr(cmd_out, "#   tool.hidden: wanted false, got true\n"));
	assert_non_null(strstr(cmd_out, "#   tool.rule: wanted read, got rest\n"));
	assert_non_null(strstr(cmd_out, "#   tool: none was judged: the case gives none"));
	assert_non_null(strstr(cmd_out, "#   rest matched: "));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_call_is_judged),
		cmocka_unit_test(why_is_said),
		cmocka_unit_test(cases_of_tests_have_calls),
	};
	return cmocka_run_group_tests(tests, temp_dir_make, temp_dir_remove);
}
