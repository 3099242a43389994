/* Rules with phase: tool on tools that a chat request offers, through the gate: the body that
 * is sent to the provider in each dialect, the refusals, and the record. Each case runs with a
 * body in the NOTIFY and with a deferred body. */
#include "scenario/gate_stage.h"

#define ROUTES                                                                                 \
	"providers:\n"                                                                         \
	"  o: {backend: openai, dialect: openai}\n"                                            \
	"  a: {backend: anthropic, dialect: anthropic}\n"                                      \
	"  g: {backend: gemini, dialect: gemini}\n"                                            \
	"  b: {backend: bedrock, dialect: bedrock}\n"                                          \
	"  m: {backend: mistral, dialect: mistral}\n"                                          \
	"  c: {backend: cohere, dialect: cohere}\n"                                            \
	"  l: {backend: ollama, dialect: ollama}\n"                                            \
	"  r: {backend: rest, dialect: rest}\n"                                                \
	"routes:\n"                                                                            \
	"  - {name: chat, match: {path: [/v1/chat/completions, /v1/responses]}, targets: "     \
	"[o]}\n"                                                                               \
	"  - {name: messages, match: {path_prefix: /v1/messages}, targets: [a]}\n"             \
	"  - {name: gemini, match: {path_prefix: /v1beta}, targets: [g]}\n"                    \
	"  - {name: bedrock, match: {path_prefix: /model}, targets: [b]}\n"                    \
	"  - {name: mistral, match: {path: /v1/conversations}, targets: [m]}\n"                \
	"  - {name: cohere, match: {path: [/v1/chat, /v2/chat]}, targets: [c]}\n"              \
	"  - {name: ollama, match: {path: /api/chat}, targets: [l]}\n"                         \
	"  - {name: api, match: {path: /orders}, targets: [r]}\n"                              \
	"default: permit\n"
#define RULES                                                                                  \
	"rules:\n"                                                                             \
	"  - {name: mail, when: '\"pii\" in prompt.classes', redact: {entities: "              \
	"[EMAIL_ADDRESS]}}\n"                                                                  \
	"  - {name: short, when: 'model.name == \"long\"', max_output_tokens: 9}\n"            \
	"  - {name: no-drop, phase: tool, when: 'tool.name == \"drop\"', deny: {hide: "        \
	"true}}\n"                                                                             \
	"  - {name: only-called, phase: tool, when: 'tool.name == \"mail\"', deny: true}\n"    \
	"  - {name: no-search, phase: tool, when: 'tool.name in [\"web_search\", "             \
	"\"googleSearch\", \"nova_grounding\", \"web-search\"]', deny: {hide: true}}\n"        \
	"  - {name: no-code, phase: tool, when: 'tool.name in [\"code_interpreter\", "         \
	"\"code_execution\", \"codeExecution\"]', deny: {reason: no code}}\n"                  \
	"  - {name: foreign, phase: tool, when: 'tool.server == \"foreign\"', deny: {reason: " \
	"not that server}}\n"

#define F(name)	 "{\"type\":\"function\",\"function\":{\"name\":\"" name "\",\"parameters\":{}}}"
#define N(name)	 "{\"type\":\"function\",\"name\":\"" name "\",\"parameters\":{}}"
#define A(name)	 "{\"name\":\"" name "\",\"input_schema\":{\"type\":\"object\"}}"
#define B(name)	 "{\"toolSpec\":{\"name\":\"" name "\",\"inputSchema\":{\"json\":{}}}}"
#define MESSAGES "\"messages\":[{\"role\":\"user\",\"content\":\"hello\"}]"
#define MODEL	 "\"model\":\"m\","
#define CAP	 "\"max_tokens\":50,"
#define CONTENTS "\"contents\":[{\"role\":\"user\",\"parts\":[{\"text\":\"hello\"}]}]"
#define CONVERSE "\"messages\":[{\"role\":\"user\",\"content\":[{\"text\":\"hello\"}]}]"
#define GEMINI	 "/v1beta/models/m:generateContent"
#define BEDROCK	 "/model/m/converse"

static const struct row {
	const char *name, *path, *body;
	const char *decision, *rule;
	const char *sent;   /* NULL: unchanged */
	const char *hidden; /* hidden tools in the record; "": none */
} rows[] = {
	{ "OpenAI chat", CHAT, "{" MODEL "\"tools\":[" F("drop") "," F("see") "]," MESSAGES "}",
		"redact", "no-drop", "{" MODEL "\"tools\":[" F("see") "]," MESSAGES "}", "1" },
	{ "all tools, with a forced tool", CHAT,
		"{" MODEL "\"tool_choice\":\"required\",\"tools\":[" F(
			"drop") "],\"parallel_tool_calls\":true," MESSAGES "}",
		"redact", "no-drop", "{" MODEL MESSAGES "}", "1" },
	{ "a tool that is denied only when called stays", CHAT,
		"{" MODEL "\"tools\":[" F("mail") "]," MESSAGES "}", "permit", "default", NULL,
		"" },
	{ "with redactions in the prompt and in a removed tool", CHAT,
		"{\"tools\":[{\"type\":\"function\",\"function\":{\"name\":\"drop\","
		"\"description\":"
		"\"ask bob@example.com\"}}]," MODEL
		"\"messages\":[{\"role\":\"user\",\"content\":\"to alice@example.com\"}]}",
		"redact", "mail",
		"{" MODEL
		"\"messages\":[{\"role\":\"user\",\"content\":\"to <EMAIL_ADDRESS_2>\"}]}",
		"1" },
	{ "a search by its options", CHAT, "{" MODEL "\"web_search_options\":{}," MESSAGES "}",
		"redact", "no-search", "{" MODEL MESSAGES "}", "1" },
	{ "an output limit added where the tools were", CHAT,
		"{\"tools\":[" F("drop") "],\"model\":\"long\"," MESSAGES "}", "redact",
		"no-drop", "{\"max_completion_tokens\":9,\"model\":\"long\"," MESSAGES "}",
		"1" },
	{ "an output limit added after the tools", CHAT,
		"{\"model\":\"long\"," MESSAGES ",\"max_tokens\":99,\"tools\":[" F("drop") "]}",
		"redact", "no-drop", "{\"model\":\"long\"," MESSAGES ",\"max_tokens\":9}",
		"1" },
	{ "a request with nothing except tools", CHAT, "{\"tools\":[" F("drop") "]}", "redact",
		"no-drop", "{}", "1" },
	{ "Responses", "/v1/responses",
		"{" MODEL
		"\"input\":\"hello\",\"tools\":[{\"type\":\"web_search\"}," N("see") "]}",
		"redact", "no-search",
		"{" MODEL "\"input\":\"hello\",\"tools\":[" N("see") "]}", "1" },
	{ "a tool that the provider would run anyway", "/v1/responses",
		"{" MODEL "\"input\":\"hello\",\"tools\":[{\"type\":\"code_interpreter\"}]}",
		"deny", "no-code", NULL, "" },
	{ "a server of someone else", "/v1/responses",
		"{" MODEL "\"input\":\"hello\",\"tools\":[{\"type\":\"mcp\",\"server_label\":"
		"\"foreign\",\"server_url\":\"https://x/mcp\"}]}",
		"deny", "foreign", NULL, "" },
	{ "Anthropic", "/v1/messages",
		"{" MODEL CAP "\"tools\":[" A("see") "," A(
			"drop") "],\"tool_choice\":{\"type\":"
				"\"tool\",\"name\":\"drop\"}," MESSAGES "}",
		"redact", "no-drop", "{" MODEL CAP "\"tools\":[" A("see") "]," MESSAGES "}",
		"1" },
	{ "Anthropic's own tools", "/v1/messages",
		"{" MODEL CAP "\"tools\":[{\"type\":\"code_execution_20250825\",\"name\":"
		"\"code_execution\"}]," MESSAGES "}",
		"deny", "no-code", NULL, "" },
	{ "Anthropic's servers", "/v1/messages",
		"{" MODEL CAP "\"mcp_servers\":[{\"type\":\"url\",\"name\":\"foreign\",\"url\":"
		"\"https://x/mcp\"}]," MESSAGES "}",
		"deny", "foreign", NULL, "" },
	{ "Anthropic's batches", "/v1/messages/batches",
		"{\"requests\":[{\"custom_id\":\"1\",\"params\":{" MODEL CAP "\"tools\":[" A(
			"see") "]," MESSAGES "}},{\"custom_id\":\"2\",\"params\":{" MODEL CAP
			       "\"tools\":[" A("drop") "]," MESSAGES "}}]}",
		"redact", "no-drop",
		"{\"requests\":[{\"custom_id\":\"1\",\"params\":{" MODEL CAP "\"tools\":[" A(
			"see") "]," MESSAGES
			       "}},{\"custom_id\":\"2\",\"params\":{" MODEL CAP MESSAGES "}}]}",
		"1" },
	{ "Gemini", GEMINI,
		"{" CONTENTS
		",\"tools\":[{\"functionDeclarations\":[{\"name\":\"drop\"},{\"name\":"
		"\"see\"}]},{\"googleSearch\":{}}],\"toolConfig\":{\"functionCallingConfig\":{"
		"\"mode\":\"ANY\",\"allowedFunctionNames\":[\"drop\",\"see\"]}}}",
		"redact", "no-drop",
		"{" CONTENTS ",\"tools\":[{\"functionDeclarations\":[{\"name\":\"see\"}]}],"
		"\"toolConfig\":{\"functionCallingConfig\":{\"mode\":\"ANY\","
		"\"allowedFunctionNames\":"
		"[\"see\"]}}}",
		"2" },
	{ "Gemini's own tools", GEMINI, "{" CONTENTS ",\"tools\":[{\"codeExecution\":{}}]}",
		"deny", "no-code", NULL, "" },
	{ "Bedrock", BEDROCK,
		"{" CONVERSE
		",\"toolConfig\":{\"tools\":[" B("drop") "],\"toolChoice\":{\"any\":{}}}}",
		"redact", "no-drop", "{" CONVERSE "}", "1" },
	{ "Bedrock's own tools", BEDROCK,
		"{" CONVERSE
		",\"toolConfig\":{\"tools\":[{\"systemTool\":{\"name\":\"nova_grounding\"}}," B(
			"see") "]}}",
		"redact", "no-search",
		"{" CONVERSE ",\"toolConfig\":{\"tools\":[" B("see") "]}}", "1" },
	{ "Mistral's conversations", "/v1/conversations",
		"{" MODEL
		"\"inputs\":\"hello\",\"tools\":[{\"type\":\"web_search\"}," F("see") "]}",
		"redact", "no-search",
		"{" MODEL "\"inputs\":\"hello\",\"tools\":[" F("see") "]}", "1" },
	{ "Mistral's code", "/v1/conversations",
		"{" MODEL "\"inputs\":\"hello\",\"tools\":[{\"type\":\"code_interpreter\"}]}",
		"deny", "no-code", NULL, "" },
	{ "Cohere", "/v2/chat",
		"{" MODEL "\"tools\":[" F("drop") "," F("see") "]," MESSAGES "}", "redact",
		"no-drop", "{" MODEL "\"tools\":[" F("see") "]," MESSAGES "}", "1" },
	{ "Cohere's connectors", "/v1/chat",
		"{" MODEL "\"message\":\"hello\",\"connectors\":[{\"id\":\"web-search\"}]}",
		"redact", "no-search", "{" MODEL "\"message\":\"hello\"}", "1" },
	{ "Ollama", "/api/chat",
		"{" MODEL "\"tools\":[" F("drop") "],\"stream\":false," MESSAGES "}", "redact",
		"no-drop", "{" MODEL "\"stream\":false," MESSAGES "}", "1" },
	{ "a request without a model has no tools", "/orders",
		"{\"tools\":[{\"name\":\"drop\"}]}", "permit", "default", NULL, "" },
};

static void
says(const struct row *row, const char *what, const char *got, const char *want)
{
	if (strcmp(got, want))
		fail_msg("%s: %s: %s, not %s", row->name, what, got, want);
}

static void
one(const struct row *row, bool late)
{
	struct stage s;
	struct call c;
	struct pass p;
	char *bytes = NULL;
	bool denied = !strcmp(row->decision, "deny");
	struct note n = { .method = "POST",
		.path = row->path,
		.person = "alice",
		.body = row->body,
		.no_length = late,
		.headers = { late ? "content-type: application/json" : NULL,
			"transfer-encoding: chunked" } };

	memset(&p, 0, sizeof(p));
	stage_up(&s, ROUTES RULES);
	call_do(&s, &n, &c);
	if (!late)
		says(row, "decision", call_var(&c, "decision"), row->decision);
	if (!late && denied)
		says(row, "status", call_var(&c, "status"), "403");
	if (!strcmp(call_var(&c, "via"), "relay") && (late || !denied)) {
		assert_int_equal(
			pass_claim(&s, 1, &p, &c, late ? -1 : (int64_t)strlen(row->body)), 0);
		if (late) {
			bytes = strdup(row->body);
			assert_true(gate_hold(p.x, strlen(bytes)));
			gate_body(p.x, span_str(bytes), pass_ruled, &p);
			stage_settle(&s);
			assert_true(p.ruled);
		}
		assert_int_equal(p.denied, denied);
	}
	if (p.x && !denied) {
		const struct exchange_plan *plan = gate_plan(p.x);
		const char *want = row->sent ? row->sent : row->body;
		if (plan->body_mode == BODY_SWAP && !span_is(plan->body, want))
			fail_msg("%s: sent %.*s", row->name, SPAN_ARG(plan->body));
		assert_true(plan->body_mode == BODY_SWAP || !row->sent);
	} else if (row->sent) {
		fail_msg("%s: it was not sent", row->name);
	}
	says(row, "the record's decision", stage_field(0, "decision"), row->decision);
	says(row, "the record's rule", stage_field(0, "rule"), row->rule);
	says(row, "hidden tools", stage_field(0, "hidden_tools"), row->hidden);
	if (p.x)
		pass_finish(&p, denied ? END_DENIED : END_COMPLETE, denied ? 0 : 200, -1, -1);
	stage_settle(&s);
	stage_down(&s);
	free(bytes);
}

static void
offered_tools_are_filtered_in_each_dialect(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		one(&rows[i], false);
		one(&rows[i], true);
	}
}

/* A call in a response has no server, so the offered tool may have any server. */
static void
rule_on_servers_applies_to_offered_tools(void **state)
{
	static const struct note n = { .person = "alice",
		.path = "/v1/responses",
		.body = "{" MODEL "\"input\":\"hello\",\"tools\":[{\"type\":\"mcp\","
			"\"server_label\":\"foreign\"}]}" };
	struct stage s;
	struct call c;

	(void)state;
	stage_up(&s, ROUTES "rules: [{name: foreign, phase: tool, when: 'tool.server == "
			    "\"foreign\"', deny: true}]\n");
	call_do(&s, &n, &c);
	assert_string_equal(call_var(&c, "decision"), "deny");
	assert_string_equal(stage_field(0, "rule"), "foreign");
	stage_down(&s);
}

/* Rules on the calls of a response read the tool descriptions of the request, even after the
 * request was freed. */
static void
rule_on_a_call_reads_the_requests_description(void **state)
{
	static const struct {
		const char *name, *rule;
	} calls[] = {
		{ "pay", "moves-money" }, { "see", NULL }, { "twice", "moves-money" },
		{ "unheard", NULL },
		{ "long", "moves-money" }, /* the description cannot be read */
	};
	struct stage s;
	struct call c;
	struct pass p;
	struct buf body;

	(void)state;
	for (int lost = 0; lost < 2; lost++) {
		buf_init(&body, 0);
		buf_str(&body,
			"{" MODEL
			"\"tools\":[{\"type\":\"function\",\"function\":{\"description\":"
			"\"Moves\\u0020money\",\"name\":\"pay\"}}," F("see") "," F(
				"twice") ",{\"type\":\"function\",\"function\":{\"name\":"
					 "\"twice\","
					 "\"description\":\"Moves money\"}}");
		if (lost) {
			buf_str(&body, ",{\"name\":\"long\",\"description\":\"");
			for (size_t i = 0; i < CAP_TOOL_DESCRIPTIONS; i++)
				buf_putc(&body, 'a');
			buf_str(&body, "\"}");
		}
		buf_str(&body, "]," MESSAGES "}");
		buf_putc(&body, '\0');
		struct note n = { .person = "alice", .body = buf_view(&body).p };
		stage_up(&s,
			ROUTES "rules:\n"
			       "  - {name: moves-money, phase: tool, when: "
			       "'tool.description.contains(\"Moves money\")', deny: true}\n");
		call_do(&s, &n, &c);
		assert_string_equal(call_var(&c, "via"), "relay");
		assert_int_equal(pass_claim(&s, 1, &p, &c, (int64_t)strlen(n.body)), 0);
		memset(body.p, 'x', body.n);
		for (size_t i = 0; i < COUNT_OF(calls); i++) {
			struct answer_tool t = { .name = span_str(calls[i].name),
				.arguments = SPAN_LIT("{}") };
			struct tool_verdict v;
			struct arena a;
			arena_init(&a, 0, false);
			assert_int_equal(
				policy_called(s.snap->policy, &p.x->asked, &t, &a, &v), 0);
			bool fails = lost, denied = v.ruled.effect == RULE_DENY;
			if (denied != (fails || (calls[i].rule && i < 4)))
				fail_msg("%s: %d", calls[i].name, denied);
			arena_reset(&a);
		}
		pass_finish(&p, END_COMPLETE, 200, -1, -1);
		stage_settle(&s);
		stage_down(&s);
		buf_free(&body);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(offered_tools_are_filtered_in_each_dialect),
		cmocka_unit_test(rule_on_servers_applies_to_offered_tools),
		cmocka_unit_test(rule_on_a_call_reads_the_requests_description),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
