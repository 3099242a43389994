/* Changes by rules, through the gate: the target, the body and head that are sent, and the
 * counts and the record. Each case runs with a body in the NOTIFY and with a deferred body. */
#include "scenario/gate_stage.h"

#define ROUTES                                                                                 \
	"providers:\n"                                                                         \
	"  us: {backend: openai, dialect: openai, region: us}\n"                               \
	"  eu: {backend: azure, dialect: openai, region: eu}\n"                                \
	"  local: {backend: vllm, dialect: openai, external: false}\n"                         \
	"routes:\n"                                                                            \
	"  - {name: chat, match: {methods: [POST], path: /v1/chat/completions}, targets: "     \
	"[us, "                                                                                \
	"{provider: eu, model: m-eu}, local]}\n"
#define LIMITS                                                                                 \
	"default: permit\n"                                                                    \
	"limits:\n"                                                                            \
	"  - {name: tokens, per: [identity.person], tokens: 100000, window: 1m}\n"             \
	"  - {name: model, per: [model.name], requests: 100, window: 1m}\n"                    \
	"  - {name: target, per: [target.name], requests: 100, window: 1m}\n"

#define BODY(model, more)                                                                      \
	"{ \"model\" : \"" model "\"," more                                                    \
	" \"messages\":[{\"role\":\"user\",\"content\":\"hello\"}] }"
#define CAPPED(cap, model, more)                                                               \
	"{\"max_completion_tokens\":" cap ", \"model\" : \"" model "\"," more                  \
	" \"messages\":[{\"role\":\"user\",\"content\":\"hello\"}] }"
#define EMAIL                                                                                  \
	"{\"model\":\"gpt\",\"messages\":[{\"role\":\"user\",\"content\":\"to "                \
	"alice@example.com\"}]}"

#define FAST                                                                                   \
	"models: {fast: {targets: [{provider: eu, model: m-2}, {provider: local, model: "      \
	"m-3}]}}\n"

/* clang-format off */
static const struct {
	const char *name, *rules, *body;
	const char *decision, *via, *backend, *model;
	const char *sent;      /* the body; NULL: unchanged */
	int64_t output;	       /* tokens reserved for the response */
	const char *record[6]; /* path, value, … */
} rows[] = {
	{ "nothing changes", "rules: []\n", BODY("gpt", "\"max_tokens\":50,"),
		"permit", "relay", "openai", "gpt", NULL, 50,
		{ "target", "us", "requested_model", "" } },
	{ "another target", "rules: [{name: a, route: {targets: [local]}, tag: [x, y]}]\n",
		BODY("gpt", "\"max_tokens\":50,"), "permit", "relay", "vllm", "gpt", NULL, 50,
		{ "target", "local", "tags", "[\"x\",\"y\"]", "candidates",
			"[{\"target\":\"us\",\"fate\":\"routed elsewhere\",\"rule\":\"a\"},{\"target\":\"eu\",\"model\":\"m-eu\","
			"\"fate\":\"routed elsewhere\",\"rule\":\"a\"},{\"target\":\"local\",\"fate\":\"chosen\"}]" } },
	{ "a target's own model", "rules: [{name: a, when: 'target.region == \"us\"', deny: true}]\n",
		BODY("gpt", "\"max_tokens\":50,"), "permit", "relay", "azure", "m-eu",
		BODY("m-eu", "\"max_tokens\":50,"), 50,
		{ "model", "m-eu", "requested_model", "gpt", "candidates",
			"[{\"target\":\"us\",\"fate\":\"denied\",\"rule\":\"a\"},{\"target\":\"eu\",\"model\":\"m-eu\","
			"\"fate\":\"chosen\"},{\"target\":\"local\",\"fate\":\"left\"}]" } },
	{ "a rule's model", "rules: [{name: a, when: 'model.name.startsWith(\"gpt-5-pro\")', route: {model: gpt-5-mini}}]\n",
		BODY("gpt-5-pro", "\"max_tokens\":50,"), "permit", "relay", "openai", "gpt-5-mini",
		BODY("gpt-5-mini", "\"max_tokens\":50,"), 50, { "requested_model", "gpt-5-pro" } },
	{ "a rule's model equal to the requested one", "rules: [{name: a, route: {model: gpt}}]\n",
		BODY("gpt", "\"max_tokens\":50,"), "permit", "relay", "openai", "gpt", NULL, 50, { "requested_model", "" } },
	{ "a lower output limit", "rules: [{name: a, max_output_tokens: 50}]\n",
		BODY("gpt", "\"max_tokens\":900000,"), "permit", "relay", "openai", "gpt",
		BODY("gpt", "\"max_tokens\":50,"), 50, { "max_output_tokens", "50" } },
	{ "a higher output limit", "rules: [{name: a, max_output_tokens: 5000}]\n",
		BODY("gpt", "\"max_tokens\":50,"), "permit", "relay", "openai", "gpt", NULL, 50,
		{ "max_output_tokens", "5000" } },
	{ "an output limit for a request without one", "rules: [{name: a, max_output_tokens: 50}]\n",
		BODY("gpt", ""), "permit", "relay", "openai", "gpt",
		"{\"max_completion_tokens\":50," " \"model\" : \"gpt\", \"messages\":[{\"role\":\"user\",\"content\":\"hello\"}] }", 50,
		{ "prompt.reserved_output_tokens", "50" } },
	{ "each of several choices has the output limit", "rules: [{name: a, max_output_tokens: 50}]\n",
		BODY("gpt", "\"n\":3,\"max_tokens\":60,"), "permit", "relay", "openai", "gpt",
		BODY("gpt", "\"n\":3,\"max_tokens\":50,"), 150, { "max_output_tokens", "50" } },
	{ "together with a redaction",
		"rules: [{name: r, redact: {entities: [EMAIL_ADDRESS]}}, {name: a, route: {model: m}, max_output_tokens: 50}]\n",
		EMAIL, "redact", "relay", "openai", "m",
		"{\"max_completion_tokens\":50,\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":\"to <EMAIL_ADDRESS_1>\"}]}", 50,
		{ "rule", "r" } },
	{ "a redaction for one target only",
		"rules: [{name: r, when: 'target.external', redact: {entities: [EMAIL_ADDRESS]}}, {name: a, when: "
		"'\"pii\" in prompt.classes && target.external', route: {targets: local}}]\n",
		EMAIL, "permit", "relay", "vllm", "gpt",
		"{\"max_completion_tokens\":4096,\"model\":\"gpt\",\"messages\":[{\"role\":\"user\",\"content\":\"to alice@example.com\"}]}",
		4096, { "target", "local" } },
	{ "no output limit, a limit in tokens: the default is sent", "rules: []\n", BODY("gpt", ""), "permit", "relay", "openai", "gpt",
		CAPPED("4096", "gpt", ""), 4096, { "default_cap", "4096", "prompt.reserved_output_tokens", "4096" } },
	{ "the default of the model", "output_default: {gpt: 70, \"gpt*\": 80, \"*\": 90}\nrules: []\n", BODY("gpt", ""),
		"permit", "relay", "openai", "gpt", CAPPED("70", "gpt", ""), 70, { "default_cap", "70" } },
	{ "the default of the model that is sent", "output_default: {gpt: 70, \"g*\": 80}\nrules: [{name: a, route: {model: g-mini}}]\n",
		BODY("gpt", ""), "permit", "relay", "openai", "g-mini",
		CAPPED("80", "g-mini", ""), 80, { "default_cap", "80" } },
	{ "null is no output limit", "rules: []\n", BODY("gpt", "\"max_tokens\":null,"), "permit", "relay", "openai", "gpt",
		BODY("gpt", "\"max_tokens\":4096,"), 4096, { "default_cap", "4096" } },
	{ "each choice has the default", "rules: []\n", BODY("gpt", "\"n\":3,"), "permit", "relay", "openai", "gpt",
		CAPPED("4096", "gpt", "\"n\":3,"), 12288, { "default_cap", "4096" } },
	{ "a rule's lower limit applies", "rules: [{name: a, max_output_tokens: 50}]\n", BODY("gpt", ""), "permit", "relay", "openai",
		"gpt", CAPPED("50", "gpt", ""), 50, { "default_cap", "" } },
	{ "a rule's higher limit applies only to requests that ask for more", "rules: [{name: a, max_output_tokens: 5000}]\n", BODY("gpt", ""), "permit", "relay",
		"openai", "gpt", CAPPED("4096", "gpt", ""), 4096, { "default_cap", "4096" } },
	{ "a limit stated by the caller is not changed", "rules: []\n", BODY("gpt", "\"max_tokens\":90000,"), "permit", "relay", "openai",
		"gpt", NULL, 90000, { "default_cap", "" } },
	{ "shadow", "mode: shadow\nrules: [{name: a, route: {targets: [eu], model: m}, max_output_tokens: 7, tag: x, set_headers: {x-a: b}}]\n",
		BODY("gpt", "\"max_tokens\":50,"), "permit", "relay", "openai", "gpt", NULL, 50,
		{ "would_be", "{\"decision\":\"permit\",\"target\":\"eu\",\"model\":\"m\",\"max_output_tokens\":7}", "tags", "[\"x\"]",
			"set_headers", "" } },
	{ "an alias of targets", FAST "rules: []\n", BODY("fast", "\"max_tokens\":50,"), "permit", "relay",
		"azure", "m-2", BODY("m-2", "\"max_tokens\":50,"), 50,
		{ "model", "m-2", "requested_model", "fast", "candidates",
			"[{\"target\":\"eu\",\"model\":\"m-2\",\"fate\":\"chosen\"},{\"target\":\"local\",\"model\":\"m-3\","
			"\"fate\":\"left\"}]" } },
	{ "rules see the alias", FAST "rules: [{name: a, when: 'model.name == \"fast\" && target.name == \"eu\"', "
		"deny: true}, {name: b, when: 'model.name == \"m-3\"', deny: true}]\n",
		BODY("fast", "\"max_tokens\":50,"), "permit", "relay", "vllm", "m-3", BODY("m-3", "\"max_tokens\":50,"), 50,
		{ "target", "local", "requested_model", "fast" } },
	{ "a rule's model overrides the alias", FAST "rules: [{name: a, route: {targets: [local], model: m}}]\n",
		BODY("fast", "\"max_tokens\":50,"), "permit", "relay", "vllm", "m", BODY("m", "\"max_tokens\":50,"), 50,
		{ "target", "local", "requested_model", "fast" } },
	{ "no target of the alias is left", FAST "rules: [{name: a, when: 'target.name != \"us\"', deny: {status: 451}}]\n",
		BODY("fast", ""), "deny", "", NULL, NULL, NULL, 0, { "status", "451" } },
	{ "other names are models, not aliases", FAST "rules: []\n", BODY("faster", "\"max_tokens\":50,"), "permit", "relay", "openai", "faster",
		NULL, 50, { "target", "us" } },
	{ "no target is left", "rules: [{name: a, route: {targets: us}}, {name: b, route: {targets: eu}}]\n",
		BODY("gpt", ""), "deny", "", NULL, NULL, NULL, 0,
		{ "reason", "the rules of the policy leave no target for this request", "rule", "b", "status", "403" } },
	{ "all targets are denied", "rules: [{name: a, when: 'target.external', deny: {status: 451}}, {name: b, deny: true, tag: t}]\n",
		BODY("gpt", ""), "deny", "", NULL, NULL, NULL, 0, { "rule", "a", "status", "451", "tags", "" } },
};
/* clang-format on */

/* Returns a copy of the body as the relay read it. The caller frees it once the exchange is
 * over. */
static char *
late(struct stage *s, struct pass *p, const char *body)
{
	char *copy = strdup(body);

	assert_true(gate_hold(p->x, strlen(body)));
	gate_body(p->x, span_of(copy, strlen(body)), pass_ruled, p);
	stage_settle(s);
	assert_true(p->ruled);
	return copy;
}

static void
record_says(size_t i, const char *path, const char *want, const char *name)
{
	const char *got = stage_field(i, path);

	if (strcmp(got, want))
		fail_msg("%s: %s: got %s, want %s", name, path, got, want);
}

static const char *
upstream(const struct http_head *h, const char *name)
{
	static char out[128];
	size_t n = 0;

	out[0] = '\0';
	for (size_t i = 0; i < h->nfields; i++)
		if (span_ieq(h->fields[i].name, span_str(name))) {
			assert_int_equal(n++, 0);
			snprintf(out, sizeof(out), "%.*s", SPAN_ARG(h->fields[i].value));
		}
	return out;
}

static void
one(size_t i, bool deferred)
{
	struct stage s;
	struct call c;
	struct pass p;
	struct buf policy;
	char *bytes = NULL;
	struct note n = { .person = "alice", .body = rows[i].body, .no_length = deferred };

	memset(&p, 0, sizeof(p));
	if (deferred) {
		n.headers[0] = "transfer-encoding: chunked";
		n.headers[1] = "content-type: application/json";
	}
	buf_init(&policy, 0);
	buf_printf(&policy, "%s%s%s%c", ROUTES, rows[i].rules, LIMITS, 0);
	stage_up(&s, buf_view(&policy).p);
	call_do(&s, &n, &c);
	bool denied = !strcmp(rows[i].decision, "deny");
	bool final = strcmp(call_var(&c, "decision"), "defer") != 0;
	if (final && strcmp(call_var(&c, "decision"), rows[i].decision))
		fail_msg("%s: %s", rows[i].name, call_var(&c, "decision"));
	if (!deferred && !denied) {
		assert_string_equal(call_var(&c, "via"), rows[i].via);
		assert_string_equal(call_var(&c, "backend"), rows[i].backend);
		assert_string_equal(call_var(&c, "model"), rows[i].model);
	}
	if (!strcmp(call_var(&c, "via"), "relay")) {
		assert_int_equal(
			pass_claim(&s, 1, &p, &c, deferred ? -1 : (int64_t)strlen(n.body)), 0);
		if (deferred)
			bytes = late(&s, &p, rows[i].body);
		assert_int_equal(p.denied, deferred && denied);
	}
	if (p.x && !denied) {
		const struct exchange_plan *plan = gate_plan(p.x);
		const char *want = rows[i].sent ? rows[i].sent : rows[i].body;
		if (plan->body_mode == BODY_SWAP && !span_is(plan->body, want))
			fail_msg("%s: sent %.*s", rows[i].name, SPAN_ARG(plan->body));
		assert_true(plan->body_mode == BODY_SWAP || !rows[i].sent);
		assert_string_equal(
			upstream(&plan->head, "x-tollgate-backend"), rows[i].backend);
	}
	for (size_t k = 0; k < 6 && rows[i].record[k]; k += 2)
		record_says(0, rows[i].record[k], rows[i].record[k + 1], rows[i].name);
	int64_t input = strtoll(stage_field(0, "prompt.reserved_input_tokens"), NULL, 10);
	if (!input) /* the first run sets the number, the second must equal it */
		input = strtoll(stage_field(0, "prompt.estimated_input_tokens"), NULL, 10);
	int64_t tokens = denied ? 0 : input + rows[i].output;
	if (!denied && input <= 8)
		fail_msg("%s: %lld tokens of input", rows[i].name, (long long)input);
	if (stage_charged(&s, "tokens", "alice") != tokens)
		fail_msg("%s: %lld tokens", rows[i].name,
			(long long)stage_charged(&s, "tokens", "alice"));
	if (!denied) {
		assert_int_equal(stage_charged(&s, "model", rows[i].model), 1);
		assert_int_equal(stage_charged(&s, "target", stage_field(0, "target")), 1);
		record_says(0, "model", rows[i].model, rows[i].name);
		record_says(0, "backend", rows[i].backend, rows[i].name);
	}
	if (p.x)
		pass_finish(&p, denied ? END_DENIED : END_COMPLETE, denied ? 0 : 200, -1, -1);
	stage_settle(&s);
	if (p.done && !denied)
		record_says(disk_records - 1, "model", rows[i].model, rows[i].name);
	stage_down(&s);
	free(bytes);
	buf_free(&policy);
}

static void
changes_are_sent_counted_and_recorded(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		one(i, false);
		one(i, true);
	}
}

static void
headers_set_by_rules_are_sent(void **state)
{
	(void)state;
	for (int deferred = 0; deferred < 2; deferred++) {
		struct stage s;
		struct call c;
		struct pass p;
		char *bytes = NULL;
		struct note n = { .person = "alice",
			.body = BODY("gpt", ""),
			.no_length = deferred,
			.headers = { "X-Tenant: evil", "x-tenant: worse",
				"x-fern-language: kept", "x-other: new",
				deferred ? "transfer-encoding: chunked" : NULL } };
		stage_up(&s, ROUTES
			"rules:\n"
			"  - {name: a, set_headers: {x-tenant: 'red, blue', x-b: '1'}}\n"
			"  - {name: b, when: 'model.name == \"gpt\"', set_headers: {X-Tenant: "
			"late, "
			"x-c: '2'}}\n"
			"  - {name: c, when: 'model.name == \"no\"', set_headers: {x-d: '3'}}\n"
			"default: permit\n");
		call_do(&s, &n, &c);
		assert_string_equal(call_var(&c, "via"), "relay");
		assert_int_equal(
			pass_claim(&s, 0, &p, &c, deferred ? -1 : (int64_t)strlen(n.body)), 0);
		if (deferred)
			bytes = late(&s, &p, n.body);
		const struct http_head *h = &gate_plan(p.x)->head;
		assert_string_equal(upstream(h, "x-tenant"), "red, blue");
		assert_string_equal(upstream(h, "x-b"), "1");
		assert_string_equal(upstream(h, "x-c"), "2");
		assert_string_equal(upstream(h, "x-d"), "");
		assert_string_equal(upstream(h, "x-fern-language"), "kept");
		assert_string_equal(upstream(h, "x-other"), "");
		assert_int_equal(gate_plan(p.x)->body_mode, BODY_SWAP);
		pass_finish(&p, END_COMPLETE, 200, 1, 1);
		stage_settle(&s);
		record_says(0, "set_headers", "[\"x-tenant\",\"x-b\",\"x-c\"]", "headers");
		stage_down(&s);
		free(bytes);
	}
}

/* The head alone denies each target, so the body is not waited for. */
static void
denial_by_the_head_is_immediate(void **state)
{
	static const struct note n = { .person = "alice",
		.body = BODY("gpt", ""),
		.no_length = true,
		.headers = { "transfer-encoding: chunked" } };
	struct stage s;
	struct call c;

	(void)state;
	stage_up(&s, ROUTES "rules:\n"
			    "  - {name: a, when: 'target.external', deny: {status: 451}}\n"
			    "  - {name: b, when: 'identity.person == \"alice\"', deny: true}\n"
			    "default: permit\n");
	call_do(&s, &n, &c);
	assert_string_equal(call_var(&c, "decision"), "deny");
	assert_string_equal(call_var(&c, "status"), "451");
	stage_down(&s);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(changes_are_sent_counted_and_recorded),
		cmocka_unit_test(headers_set_by_rules_are_sent),
		cmocka_unit_test(denial_by_the_head_is_immediate),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
