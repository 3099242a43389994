/* Dialects through the gate: a model in the path, a model named twice, streams requested by the
 * path, and errors in the dialect of the caller. */
#include "scenario/gate_stage.h"

#define POLICY                                                                                 \
	"providers:\n"                                                                         \
	"  gemini: {backend: gemini, dialect: gemini}\n"                                       \
	"  bedrock: {backend: bedrock, dialect: bedrock}\n"                                    \
	"  ollama: {backend: ollama, dialect: ollama}\n"                                       \
	"  anthropic: {backend: anthropic, dialect: anthropic}\n"                              \
	"  azure: {backend: azure, dialect: openai}\n"                                         \
	"routes:\n"                                                                            \
	"  - {name: gemini, match: {path_prefix: /v1beta}, targets: gemini, reserve: estimate}\n"                 \
	"  - {name: bedrock, match: {path_prefix: /model}, targets: bedrock, reserve: estimate}\n"                \
	"  - {name: ollama, match: {path_prefix: /api}, targets: ollama, reserve: estimate}\n"                    \
	"  - {name: azure, match: {path_prefix: /openai}, targets: azure, reserve: estimate}\n"                   \
	"  - {name: batch, match: {path: /v1/messages/batches}, targets: anthropic, reserve: estimate}\n"         \
	"  - {name: rest, match: {path_prefix: /rest}, backend: rest, dialect: rest}\n"        \
	"models:\n"                                                                            \
	"  quick: {targets: [{provider: gemini, model: g-1}, {provider: anthropic, model: "    \
	"c-1}, {provider: azure, model: o-1}]}\n"
#define RULES                                                                                  \
	"rules:\n"                                                                             \
	"  - {name: no, when: 'model.name == \"no\" || request.temperature > 1.0', deny: "     \
	"true, on_error: "                                                                     \
	"skip}\n"                                                                              \
	"  - {name: small, when: 'model.name == \"big:1\"', route: {model: \"small:1/x\"}, "   \
	"max_output_tokens: 50}\n"                                                             \
	"  - {name: pii, when: '\"pii\" in prompt.classes', redact: {classes: [pii]}}\n"       \
	"default: permit\noutput_default: 100\n"                                               \
	"limits:\n  - {name: tokens, per: [identity.person], tokens: 100000, window: 1m}\n"
#define GEMINI(more)                                                                           \
	"{" more "\"contents\":[{\"role\":\"user\",\"parts\":[{\"text\":\"hello\"}]}]}"
#define CONVERSE(text)                                                                         \
	"{\"messages\":[{\"role\":\"user\",\"content\":[{\"text\":\"" text "\"}]}]}"
#define NAMED(model) "{\"model\":\"" model "\",\"messages\":[]}"

/* clang-format off */
static const struct {
	const char *name, *path, *body;
	const char *decision, *model, *status;
	const char *sent_path, *sent; /* NULL: unchanged */
	const char *person;	      /* NULL: alice */
} rows[] = {
	{ "the model is read from the path", "/v1beta/models/g:generateContent", GEMINI(""), "permit", "g", NULL, NULL, NULL, NULL },
	{ "rules read the path's model", "/v1beta/models/no:generateContent", GEMINI(""), "deny", "no", "403", NULL, NULL, NULL },
	{ "nested parameters are read", "/v1beta/models/g:generateContent",
		GEMINI("\"generation_config\":{\"temperature\":1.5},"), "deny", "g", "403", NULL, NULL, NULL },
	{ "the path's model is rewritten, and an output limit added", "/v1beta/models/big%3A1:generateContent", GEMINI(""), "permit", "small:1/x", NULL,
		"/v1beta/models/small%3A1%2Fx:generateContent", GEMINI("\"generationConfig\":{\"maxOutputTokens\":50},"), NULL },
	{ "a rewritten model is escaped for the path", "/model/big%3A1/converse", CONVERSE("hi"), "permit", "small:1/x", NULL,
		"/model/small%3A1%2Fx/converse",
		"{\"inferenceConfig\":{\"maxTokens\":50},\"messages\":[{\"role\":\"user\",\"content\":[{\"text\":\"hi\"}]}]}", NULL },
	{ "an invoked model with an unknown output limit", "/model/big%3A1/invoke", "{\"x\":1}", "deny", "big:1", "400", NULL, NULL, NULL },
	{ "text is redacted", "/model/us.x%3A0/converse-stream", CONVERSE("to alice@example.com"), "redact", "us.x:0", NULL, NULL,
		CONVERSE("to <EMAIL_ADDRESS_1>"), NULL },
	{ "an e-mail address as a model", "/model/alice@example.com/converse", CONVERSE("hi"), "deny", "<redacted>", "403", NULL, NULL, NULL },
	{ "a slash in the model's segment", "/model/arn%3Ax%2Fy/converse", CONVERSE("hi"), "permit", "arn:x/y", NULL, NULL, NULL, NULL },
	{ "a slash elsewhere", "/model%2Fx/converse", CONVERSE("hi"), "deny", NULL, "400", NULL, NULL, NULL },
	{ "dots in the model's segment", "/model/a%2F..%2Fb/converse", CONVERSE("hi"), "deny", NULL, "400", NULL, NULL, NULL },
	{ "a slash on a route without a dialect", "/rest/model/a%2Fb/converse", CONVERSE("hi"), "deny", NULL, "400", NULL, NULL, NULL },
	{ "a model named twice, equally", "/openai/deployments/m/chat/completions", NAMED("m"), "permit", "m", NULL, NULL, NULL, NULL },
	{ "a model named twice, differently", "/openai/deployments/m/chat/completions", NAMED("no"), "deny", "", "400", NULL, NULL, NULL },
	{ "a model named twice and rewritten", "/openai/deployments/big:1/chat/completions", NAMED("big:1"), "permit", "small:1/x", NULL,
		"/openai/deployments/small%3A1%2Fx/chat/completions",
		"{\"max_completion_tokens\":50,\"model\":\"small:1/x\",\"messages\":[]}", NULL },
	{ "a batch", "/v1/messages/batches", BATCH("a", "b", "1"), "permit", "a", NULL, NULL, NULL, NULL },
	{ "a batch with a model that is denied", "/v1/messages/batches", BATCH("a", "no", "1"), "deny", "no", "403", NULL, NULL, NULL },
	{ "a batch with models that rules treat differently", "/v1/messages/batches", BATCH("a", "big:1", "1"), "deny", "", "400", NULL, NULL, NULL },
	{ "a batch that is rewritten", "/v1/messages/batches", BATCH("big:1", "big:1", "51"), "permit", "small:1/x", NULL, NULL,
		BATCH("small:1/x", "small:1/x", "50"), NULL },
	{ "an alias of a target in the path", "/v1beta/models/quick:generateContent", GEMINI(""), "permit", "g-1", NULL,
		"/v1beta/models/g-1:generateContent", NULL, NULL },
	{ "an alias in path and body", "/openai/deployments/quick/chat/completions", NAMED("quick"), "permit", "o-1", NULL,
		"/openai/deployments/o-1/chat/completions", NAMED("o-1"), NULL },
	{ "an alias in each request of a batch", "/v1/messages/batches", BATCH("quick", "quick", "1"), "permit", "c-1", NULL, NULL,
		BATCH("c-1", "c-1", "1"), NULL },
	{ "an alias in one request of a batch", "/v1/messages/batches", BATCH("quick", "a", "1"), "deny", "", "400", NULL, NULL, NULL },
	{ "an alias in the other request of a batch", "/v1/messages/batches", BATCH("a", "quick", "1"), "deny", "", "400", NULL, NULL, NULL },
	{ "ollama", "/api/chat", "{\"model\":\"big:1\",\"options\":{\"num_predict\":-1}}", "permit", "small:1/x", NULL, NULL,
		"{\"model\":\"small:1/x\",\"options\":{\"num_predict\":50}}", NULL },
};
/* clang-format on */

static void
one(size_t i, bool deferred)
{
	struct stage s;
	struct call c;
	struct pass p;
	struct note n = { .person = rows[i].person ? rows[i].person : "alice",
		.path = rows[i].path,
		.body = rows[i].body,
		.no_length = deferred };
	const char *name = rows[i].name;
	char *bytes = NULL;

	memset(&p, 0, sizeof(p));
	if (deferred) {
		n.headers[0] = "transfer-encoding: chunked";
		n.headers[1] = "content-type: application/json";
	}
	stage_up(&s, POLICY RULES);
	call_do(&s, &n, &c);
	bool denied = !strcmp(rows[i].decision, "deny");
	bool final = strcmp(call_var(&c, "decision"), "defer") != 0;
	if (final && strcmp(call_var(&c, "decision"), rows[i].decision))
		fail_msg("%s: %s %s", name, call_var(&c, "decision"), call_var(&c, "error"));
	if (final && rows[i].model && strcmp(call_var(&c, "model"), rows[i].model))
		fail_msg("%s: model %s", name, call_var(&c, "model"));
	if (final && rows[i].status)
		assert_string_equal(call_var(&c, "status"), rows[i].status);
	if (rows[i].sent || rows[i].sent_path)
		assert_string_equal(call_var(&c, "via"), "relay");
	if (!strcmp(call_var(&c, "via"), "relay")) {
		int64_t length = deferred ? -1 : (int64_t)strlen(n.body);
		assert_int_equal(pass_claim(&s, 1, &p, &c, length), 0);
		if (deferred) {
			bytes = strdup(n.body);
			assert_true(gate_hold(p.x, strlen(bytes)));
			gate_body(p.x, span_str(bytes), pass_ruled, &p);
			stage_settle(&s);
			assert_int_equal(p.denied, denied);
			if (denied &&
				(!rows[i].status || p.denial.status != atoi(rows[i].status)))
				fail_msg("%s: %d", name, p.denial.status);
		}
	}
	if (p.x && !p.denied) {
		const struct exchange_plan *plan = gate_plan(p.x);
		const char *path = rows[i].sent_path ? rows[i].sent_path : n.path;
		const char *body = rows[i].sent ? rows[i].sent : n.body;
		if (!span_is(plan->head.path, path))
			fail_msg("%s: %.*s", name, SPAN_ARG(plan->head.path));
		if (plan->body_mode == BODY_SWAP && !span_is(plan->body, body))
			fail_msg("%s: %.*s", name, SPAN_ARG(plan->body));
		assert_true(plan->body_mode == BODY_SWAP || !rows[i].sent);
	}
	if (p.x)
		pass_finish(&p, p.denied ? END_DENIED : END_COMPLETE, p.denied ? 0 : 200, 1, 1);
	stage_settle(&s);
	stage_down(&s);
	free(bytes);
}

static void
model_and_stream_are_read_from_the_path(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		one(i, false);
		one(i, true);
	}
}

/* References to content elsewhere are recorded, and rules can read them. */
static void
references_in_a_body_are_recorded(void **state)
{
	static const char body[] = "{\"model\":\"m\",\"previous_response_id\":\"r\",\"input\":["
				   "{\"role\":\"user\",\"content\":"
				   "[{\"type\":\"input_text\",\"text\":\"hi\"}]}],\"tools\":[{"
				   "\"type\":\"file_search\","
				   "\"vector_store_ids\":[\"v\"]}]}";
	struct note n = { .person = rows[0].person ? rows[0].person : "alice",
		.path = "/openai/v1/responses",
		.body = body };
	struct stage s;
	struct call c;

	(void)state;
	stage_up(&s, POLICY RULES);
	call_do(&s, &n, &c);
	assert_string_equal(call_var(&c, "decision"), "permit");
	assert_string_equal(
		stage_field(0, "prompt.references"), "{\"response\":1,\"vector_store\":1}");
	assert_string_equal(
		stage_field(0, "not_inspected"), "[\"header values\",\"references\"]");
	stage_settle(&s);
	stage_down(&s);
	stage_up(&s, POLICY
		"rules: [{name: refs, when: '\"response\" in prompt.references', deny: true}]\n"
		"default: permit\n");
	call_do(&s, &n, &c);
	assert_string_equal(call_var(&c, "decision"), "deny");
	assert_string_equal(call_var(&c, "rule"), "refs");
	stage_settle(&s);
	stage_down(&s);
}

/* A tool result gets its tool's name by the call's id: in the record, for rules, and kept for
 * rules on the response. */
static void
tool_results_get_their_tools_name(void **state)
{
	struct note n = { .person = rows[0].person ? rows[0].person : "alice",
		.path = "/openai/v1/responses",
		.body = "{\"model\":\"m\",\"input\":[{\"type\":\"function_call\",\"call_id\":"
			"\"c1\",\"name\":\"web_fetch\",\"arguments\":\"{}\"},{\"type\":"
			"\"function_call_output\",\"call_id\":\"c1\",\"output\":\"x\"}]}" };
	static const struct {
		const char *rules, *decision, *names;
	} ways[] = {
		{ RULES, "permit", "" },
		{ "rules: [{name: t, when: '\"web_fetch\" in prompt.tool_results', deny: "
		  "true}]\n"
		  "default: permit\n",
			"deny", "[\"web_fetch\"]" },
		{ "rules: [{name: t, when: '\"other\" in prompt.tool_results', deny: true}]\n"
		  "default: permit\n",
			"permit", "[\"web_fetch\"]" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(ways) / sizeof(ways[0]); i++) {
		char policy[8192];
		struct stage s;
		struct call c;
		snprintf(policy, sizeof(policy), "%s%s", POLICY, ways[i].rules);
		stage_up(&s, policy);
		call_do(&s, &n, &c);
		assert_string_equal(call_var(&c, "decision"), ways[i].decision);
		assert_string_equal(stage_field(0, "prompt.tool_results"), ways[i].names);
		stage_settle(&s);
		stage_down(&s);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(model_and_stream_are_read_from_the_path),
		cmocka_unit_test(references_in_a_body_are_recorded),
		cmocka_unit_test(tool_results_get_their_tools_name),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
