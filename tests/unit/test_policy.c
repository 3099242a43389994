/* Valid policies: the compiled form, the route of a request, and a version that changes with
 * the meaning. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/fetch/jwks.h"
#include "policy/env.h"
#include "policy/identity_entry.h"
#include "policy/limit.h"
#include "policy/rule.h"
#include "support/policy_fix.h"

#define H POLICY_HEAD

static void
shipped_policy_loads(void **state)
{
	struct policy_fix f;
	const struct policy *p = fix_load_file(&f, &fix_config, "policies/default.yaml");

	(void)state;
	if (!p)
		fail_msg("%.*s", SPAN_ARG(buf_view(&f.d.text)));
	assert_string_equal(p->identities[0].keys_file, "policies/keys.yaml");
	/* Anthropic's SDKs send the keys in this header. */
	assert_string_equal(p->identities[1].header, "x-api-key");
	assert_string_equal(p->identities[1].keys_file, "policies/keys.yaml");
	assert_int_equal(p->rules[0].status, 401);
	assert_false(p->unusual_credential);
	assert_int_equal(p->nroutes, 7);
	assert_int_equal(p->nlimits, 2);
	fix_done(&f);
}

static void
missing_keys_have_safe_defaults(void **state)
{
	struct policy_fix f;
	const struct policy *p = fix_must_load(&f, H);

	(void)state;
	assert_false(p->shadow);
	assert_false(p->default_permit);
	assert_int_equal(p->on_failure.classifier, OUT_DENY);
	assert_int_equal(p->on_failure.quota, OUT_DENY);
	assert_int_equal(p->on_failure.audit, OUT_DENY);
	assert_int_equal(p->on_failure.unreadable, OUT_DENY);
	assert_int_equal(p->on_failure.signed_reasoning, SIGNED_DROP);
	assert_int_equal(p->nidentities, 0);
	assert_int_equal(p->nrules, 0);
	assert_int_equal(p->output_default, 4096);
	assert_string_equal(p->routes[0].targets->backend, "openai");
	assert_string_equal(p->routes[0].targets->name, "");
	assert_true(p->routes[0].targets->external);
	assert_int_equal(p->routes[0].response, 0);
	assert_int_equal(p->routes[0].record_prompt, KEPT_HASH);
	assert_int_equal(p->routes[0].deadline_us, 900000000);
	for (size_t e = 0; e < detect_entity_count(detect_fix()->rules); e++)
		assert_true(
			p->thresholds[e] == detect_entity_threshold(detect_fix()->rules, e));
	assert_false(p->skip_samples);
	fix_done(&f);
}

static void
each_policy_key_is_read(void **state)
{
	struct policy_fix f;
	const struct policy *p = fix_must_load(&f,
		"tollgate: 1\nname: full\nmode: shadow\n"
		"on_failure: {classifier: redact, quota: permit, audit: deny, unreadable: "
		"permit, signed: leave}\n"
		"identity:\n"
		"  - jwt: {header: X-Delegation, issuer: 'https://i/', audience: [a, b], jwks: "
		"/k.json,\n"
		"      algorithms: [ES256, EdDSA], max_age: 10m, leeway: 5s,\n"
		"      claims: {agent: act.sub, roles: roles, tier: plan}}\n"
		"  - api_key: {header: x-api-key, keys: sub/keys.yaml}\n"
		"  - none: {person: nobody}\n"
		"classes: {pii: [US_SSN], mine: [EMAIL_ADDRESS, US_SSN], empty: []}\n"
		"detectors: {thresholds: {US_SSN: 0.25, EMAIL_ADDRESS: 1}, samples: ignore}\n"
		"providers: {eu: {backend: local, dialect: anthropic, external: false, region: "
		"eu}}\n"
		"routes:\n"
		"  - name: r\n"
		"    match: {methods: [GET, POST], path: [/a, /b], path_prefix: /c/, host: "
		"[Api.Example.com, '*.x.org']}\n"
		"    targets: [{provider: eu}]\n"
		"    response: [meter, record]\n"
		"    record: {prompt: off}\n"
		"    on_failure: {quota: deny}\n"
		"    deadline: 30s\n"
		"rules:\n"
		"  - {name: d, when: 'now > timestamp(\"2020-01-01T00:00:00Z\")', deny: "
		"{status: 451, reason: law}}\n"
		"  - {name: p, permit: true, on_error: skip}\n"
		"  - {name: x, when: 'model.name == \"m\"', redact: {classes: [mine], "
		"entities: IBAN_CODE, with: placeholder}, mode: shadow, phase: request}\n"
		"default: permit\n"
		"limits:\n"
		"  - {name: a, when: 'identity.tier == \"free\"', per: [identity.person, "
		"model.name], requests: 5, window: 1m}\n"
		"  - {name: b, tokens: 100, window: 1d}\n"
		"  - {name: c, tokens_per_request: 8000}\n"
		"  - {name: d, tokens_per_conversation: 9000, per: identity.team}\n"
		"conversation: [{header: X-Chat}, dialect]\n"
		"output_default: 7\n");

	(void)state;
	assert_true(p->shadow && p->default_permit);
	assert_int_equal(p->on_failure.classifier, OUT_REDACT);
	const struct identity_entry *e = p->identities;
	assert_int_equal(p->nidentities, 3);
	assert_int_equal(e[0].kind, ID_JWT);
	assert_string_equal(e[0].header, "x-delegation");
	assert_int_equal(e[0].naudiences, 2);
	assert_string_equal(e[0].jwks_file, "/k.json");
	assert_int_equal(e[0].algorithms, 1u << JWS_ES256 | 1u << JWS_EDDSA);
	assert_int_equal(e[0].max_age_s, 600);
	assert_int_equal(e[0].leeway_s, 5);
	assert_string_equal(e[0].claims.person, "sub");
	assert_string_equal(e[0].claims.agent, "act.sub");
	assert_string_equal(e[0].claims.tier, "plan");
	assert_null(e[0].claims.team);
	assert_int_equal(e[1].kind, ID_API_KEY);
	assert_string_equal(e[1].keys_file, "sub/keys.yaml");
	assert_string_equal(e[2].person, "nobody");
	assert_true(p->unusual_credential);
	assert_string_equal(p->credential_headers[p->ncredential_headers - 1], "x-delegation");

	const struct detect_rules *rules = detect_fix()->rules;
	size_t ssn = (size_t)detect_entity_find(rules, SPAN_LIT("US_SSN"));
	size_t mail = (size_t)detect_entity_find(rules, SPAN_LIT("EMAIL_ADDRESS"));
	size_t iban = (size_t)detect_entity_find(rules, SPAN_LIT("IBAN_CODE"));
	size_t key = (size_t)detect_entity_find(rules, SPAN_LIT("AWS_ACCESS_KEY"));
	/* In the order of their names, whatever the order in the file. */
	assert_string_equal(p->classes[0].name, "empty");
	assert_string_equal(p->classes[1].name, "mine");
	assert_string_equal(p->classes[2].name, "pii");
	assert_true(entity_in(&p->classes[2].entities, ssn));
	assert_false(
		entity_in(&p->classes[2].entities, mail)); /* the list replaces the default */
	bool secret = false;
	for (size_t i = 3; i < p->nclasses; i++)
		if (!strcmp(p->classes[i].name, "secret"))
			secret = entity_in(&p->classes[i].entities, key);
	assert_true(secret); /* without a list, the members are those of the rule files */
	assert_true(p->skip_samples && policy_detect_options(p).skip_samples);
	assert_true(p->thresholds[ssn] == 0.25f && p->thresholds[mail] == 1.0f);
	assert_true(p->thresholds[iban] == detect_entity_threshold(rules, iban));

	const struct route *r = &p->routes[0];
	assert_string_equal(r->targets->backend, "local");
	assert_string_equal(r->targets->name, "eu");
	assert_string_equal(r->targets->region, "eu");
	assert_false(r->targets->external);
	assert_string_equal(dialect_name(r->dialect), "anthropic");
	assert_string_equal(r->hosts[0], "api.example.com");
	assert_int_equal(r->response, RESP_METER | RESP_RECORD);
	assert_int_equal(r->record_prompt, KEPT_OFF);
	assert_int_equal(r->on_failure.quota, OUT_DENY);
	assert_int_equal(r->on_failure.unreadable, OUT_PERMIT); /* inherited */
	assert_int_equal(r->on_failure.signed_reasoning, SIGNED_LEAVE);
	assert_int_equal(r->deadline_us, 30000000);

	assert_int_equal(p->nrules, 3);
	assert_int_equal(p->rules[0].status, 451);
	assert_string_equal(p->rules[0].reason, "law");
	assert_false(p->rules[0].reads_body);
	assert_null(p->rules[1].when);
	assert_true(p->rules[1].skip_on_error);
	assert_true(p->rules[2].reads_body && p->rules[2].shadow);
	assert_true(entity_in(&p->rules[2].redact, ssn) &&
		    entity_in(&p->rules[2].redact, mail) &&
		    entity_in(&p->rules[2].redact, iban));
	assert_false(entity_in(&p->rules[2].redact, key));

	assert_int_equal(p->limits[0].nper, 2);
	assert_true(cel_reads(p->limits[0].per[1], V_MODEL_NAME));
	assert_true(p->limits[0].reads_body);
	assert_int_equal(p->limits[1].window_s, 86400);
	assert_int_equal(p->limits[1].of, LIMIT_TOKENS);
	assert_int_equal(p->limits[1].amount, 100);
	assert_true(p->limits[1].reads_body);
	assert_int_equal(p->limits[2].of, LIMIT_MESSAGE);
	assert_int_equal(p->limits[2].window_s, 0);
	assert_int_equal(p->limits[3].nper, 3);
	assert_int_equal(p->limits[3].window_s, 31 * 86400);
	assert_int_equal(p->nconversation, 2);
	assert_string_equal(p->conversation[0].header, "x-chat");
	assert_int_equal(p->conversation[1].kind, CONVERSATION_DIALECT);
	assert_true(p->reads_conversation);
	assert_int_equal(p->output_default, 7);
	fix_done(&f);
}

static void
output_default_may_depend_on_the_model(void **state)
{
	static const struct {
		const char *model;
		uint64_t tokens;
	} rows[] = { { "gpt-5", 3 }, { "gpt-5-mini", 4 }, { "gpt-4", 2 }, { "claude", 4096 },
		{ "", 4096 } };
	struct policy_fix f;
	const struct policy *p =
		fix_must_load(&f, "tollgate: 1\nname: t\nroutes: [{name: a, match: {path: /}, "
				  "reserve: estimate}]\n"
				  "output_default: {gpt*: 2, gpt-5*: 3, gpt-5-mini: 4}\n");

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		assert_int_equal(
			policy_output_default(p, span_str(rows[i].model)), rows[i].tokens);
	assert_int_equal(policy_output_least(p), 2);
	assert_int_equal(p->routes[0].reserve, RESERVE_ESTIMATE);
	fix_done(&f);
}

static void
statuses_of_rules_load(void **state)
{
	static const int statuses[] = { 400, 401, 403, 404, 413, 415, 429, 451, 503 };

	(void)state;
	for (size_t i = 0; i < sizeof(statuses) / sizeof(statuses[0]); i++) {
		struct policy_fix f;
		char text[512];
		snprintf(text, sizeof(text), H "rules: [{name: a, deny: {status: %d}}]\n",
			statuses[i]);
		assert_int_equal(fix_must_load(&f, text)->rules[0].status, statuses[i]);
		fix_done(&f);
	}
}

static void
conditions_may_read_each_declared_name(void **state)
{
	(void)state;
	for (size_t s = 0; s < V_COUNT; s++) {
		struct policy_fix f;
		char text[512];
		snprintf(text, sizeof(text),
			H "rules: [{name: a, when: '%s == %s', deny: true, phase: %s}]\n",
			policy_env.vars[s].path, policy_env.vars[s].path,
			policy_slot_reads_answer(s) ? "response"
			: policy_slot_reads_tool(s) ? "tool"
						    : "request");
		const struct policy *p = fix_must_load(&f, text);
		assert_int_equal(p->rules[0].reads_body, policy_slot_reads_body(s));
		fix_done(&f);
	}
	assert_true(policy_slot_reads_body(V_PROMPT_CLASSES));
	assert_true(policy_slot_reads_body(V_MODEL_NAME));
	assert_true(policy_slot_reads_body(V_REQ_TEMPERATURE));
	assert_false(policy_slot_reads_body(V_ROUTE_NAME));
	assert_false(policy_slot_reads_body(V_IDENTITY_ATTRIBUTES));
	assert_false(policy_slot_reads_body(V_NOW));
	assert_true(span_is(policy_slot_parameter(V_REQ_TOP_P), "top_p"));
	assert_int_equal(policy_slot_parameter(V_REQUEST_PATH).n, 0);
}

static void
request_finds_its_route(void **state)
{
	struct policy_fix f;
	const struct policy *p = fix_must_load(&f,
		"tollgate: 1\nname: t\nroutes:\n"
		"  - {name: exact, match: {methods: [POST], path: /v1/x}}\n"
		"  - {name: any-method, match: {path: /v1/x}}\n"
		"  - {name: host, match: {host: api.example.com, path_prefix: /}}\n"
		"  - {name: suffix, match: {host: '*.example.org', path_prefix: [/s, /t/]}}\n"
		"  - {name: later, match: {path: /v1/x, path_prefix: /y}}\n"
		"  - {name: gemini, match: {api: gemini}}\n"
		"  - {name: below, match: {api: openai, path_prefix: /ai, path: /extra}}\n"
		"  - {name: gets, match: {api: bedrock, methods: [GET]}}\n");
	static const struct {
		const char *method, *host, *path, *want;
	} rows[] = {
		{ "POST", "h", "/v1/x", "exact" },
		{ "GET", "h", "/v1/x", "any-method" },
		{ "post", "h", "/v1/x", "any-method" },
		{ "GET", "h", "/v1/x/", NULL },
		{ "GET", "h", "/v1/X", NULL },
		{ "GET", "h", "/v1/xx", NULL },
		{ "GET", "h", "/v1", NULL },
		{ "GET", "api.example.com", "/q", "host" },
		{ "GET", "xapi.example.com", "/q", NULL },
		{ "GET", "a.example.org", "/s", "suffix" },
		{ "GET", "a.example.org", "/s/u", "suffix" },
		{ "GET", "a.example.org", "/sx", NULL },
		{ "GET", "a.example.org", "/t", NULL },
		{ "GET", "a.example.org", "/t/", "suffix" },
		{ "GET", "example.org", "/s", NULL },
		{ "GET", ".example.org", "/s", NULL },
		{ "GET", "aexample.org", "/s", NULL },
		{ "GET", "", "/y", "later" },
		{ "GET", "", "/y/z", "later" },
		{ "POST", "h", "/v1beta/models/g:generateContent", "gemini" },
		{ "POST", "h", "/v1beta/models/a%2Fb:streamGenerateContent", "gemini" },
		{ "PUT", "h", "/v1beta/models/g:generateContent", NULL },
		{ "POST", "h", "/x/v1beta/models/g:generateContent", NULL },
		{ "POST", "h", "/ai/v1/responses", "below" },
		{ "POST", "h", "/ai/v1/models/g:generateContent", NULL },
		{ "GET", "h", "/ai/v1/models/g", "below" },
		{ "DELETE", "h", "/ai/v1/models/g", "below" },
		{ "POST", "h", "/ai", NULL },
		{ "POST", "h", "/v1/responses", NULL },
		{ "POST", "h", "/extra", "below" },
		{ "POST", "h", "/model/m/converse", NULL },
		{ "GET", "", "", NULL },
		{ "GET", "", "*", NULL },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const struct route *r = policy_route(p, span_str(rows[i].method),
			span_str(rows[i].host), span_str(rows[i].path));
		const char *got = r ? r->name : "none",
			   *want = rows[i].want ? rows[i].want : "none";
		if (strcmp(got, want))
			fail_msg("%s %s%s: got %s, want %s", rows[i].method, rows[i].host,
				rows[i].path, got, want);
	}
	fix_done(&f);
}

/* ---- version ---- */

#define R0 "rules: [{name: a, when: 'route.name == \"x\"', deny: {status: 403, reason: no}}]\n"

static void
version_of(const char *text, char out[65])
{
	struct policy_fix f;
	const struct policy *p = fix_must_load(&f, text);
	char want[96];

	snprintf(want, sizeof(want), "%s@%.12s", p->name, p->version);
	assert_string_equal(p->label, want);
	assert_int_equal(strlen(p->version), 64);
	memcpy(out, p->version, 65);
	fix_done(&f);
}

static void
version_changes_with_the_meaning_of_a_policy(void **state)
{
	static const struct {
		const char *name, *in;
		bool same;
	} rows[] = {
		{ "nothing", H R0, true },
		{ "comments and blank lines", "# c\n\n" H "# d\n" R0 "  # e\n", true },
		{ "the order of keys", R0 H, true },
		{ "keys inside a rule",
			H "rules: [{deny: {reason: no, status: 403}, when: 'route.name == "
			  "\"x\"', name: a}]\n",
			true },
		{ "block style",
			H "rules:\n- name: a\n  when: 'route.name == \"x\"'\n  deny:\n    "
			  "status: 403\n    reason: no\n",
			true },
		{ "double quotes",
			H "rules: [{\"name\": \"a\", when: \"route.name == \\\"x\\\"\", deny: "
			  "{status: 403, reason: 'no'}}]\n",
			true },
		{ "a block scalar",
			H "rules:\n- name: a\n  when: |\n    route.name == \"x\"\n  deny: "
			  "{status: 403, reason: no}\n",
			true },
		{ "a plain scalar",
			H "rules:\n- name: a\n  when: route.name == \"x\"\n  deny: {status: "
			  "403, reason: no}\n",
			true },
		{ "an alias",
			H "rules: [{name: a, when: &w 'route.name == \"x\"', deny: {status: "
			  "403, reason: no}}]\n",
			true },
		{ "another status",
			H "rules: [{name: a, when: 'route.name == \"x\"', deny: {status: 401, "
			  "reason: no}}]\n",
			false },
		{ "another condition",
			H "rules: [{name: a, when: 'route.name == \"y\"', deny: {status: 403, "
			  "reason: no}}]\n",
			false },
		{ "another name of a rule",
			H "rules: [{name: b, when: 'route.name == \"x\"', deny: {status: 403, "
			  "reason: no}}]\n",
			false },
		{ "a default", H R0 "default: permit\n", false },
		{ "a rule more",
			H "rules: [{name: a, when: 'route.name == \"x\"', deny: {status: 403, "
			  "reason: no}}, {name: z, permit: true}]\n",
			false },
	};
	char first[65], got[65], swapped[65];

	(void)state;
	version_of(H R0, first);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		version_of(rows[i].in, got);
		if (!strcmp(first, got) != rows[i].same)
			fail_msg("%s: %s vs %s", rows[i].name, first, got);
	}
	/* the order of lists matters */
	version_of(H "rules: [{name: a, permit: true}, {name: b, deny: true}]\n", got);
	version_of(H "rules: [{name: b, deny: true}, {name: a, permit: true}]\n", swapped);
	assert_string_not_equal(got, swapped);
}

/* ---- files ---- */

static void
demo_issuer_fills_a_jwt_entry(void **state)
{
	char dir[] = "/tmp/test_policy.XXXXXX", issuer[64], jwks[80];
	struct config cfg = fix_config;
	struct policy_fix f;

	(void)state;
	assert_non_null(mkdtemp(dir));
	snprintf(issuer, sizeof(issuer), "%s/issuer.yaml", dir);
	snprintf(jwks, sizeof(jwks), "%s/jwks.json", dir);
	FILE *o = fopen(issuer, "w");
	assert_non_null(o);
	fputs("{\"issuer\": \"https://demo/\", \"audience\": \"llm\", \"jwks\": "
	      "\"jwks.json\"}\n",
		o);
	fclose(o);
	cfg.demo_issuer = issuer;
	const struct policy *p = fix_load(
		&f, &cfg, H "identity: [{jwt: {header: authorization, demo_issuer: true}}]\n");
	const struct identity_entry *e = p ? p->identities : NULL;
	if (!e) {
		fail_msg("%.*s", SPAN_ARG(buf_view(&f.d.text)));
		return;
	}
	assert_string_equal(e[0].issuer, "https://demo/");
	assert_string_equal(e[0].audiences[0], "llm");
	assert_string_equal(e[0].jwks_file, jwks);
	assert_int_equal(e->algorithms, JWS_PUBLIC);
	assert_string_equal(e[0].claims.department, "dept");
	assert_string_equal(e[0].claims.tier, "plan");
	fix_done(&f);
	assert_null(
		fix_load(&f, &cfg, H "identity: [{jwt: {demo_issuer: true, issuer: x}}]\n"));
	assert_non_null(
		strstr(buf_view(&f.d.text).p, "t.yaml:5:38: issuer: demo_issuer already sets it"));
	fix_done(&f);
	o = fopen(issuer, "w");
	assert_non_null(o);
	fputs("issuer: x\naudience: y\n", o);
	fclose(o);
	assert_null(fix_load(&f, &cfg, H "identity: [{jwt: {demo_issuer: true}}]\n"));
	assert_true(span_starts(buf_view(&f.d.text), span_str(issuer)));
	fix_done(&f);
	unlink(issuer);
	rmdir(dir);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(shipped_policy_loads),
		cmocka_unit_test(missing_keys_have_safe_defaults),
		cmocka_unit_test(each_policy_key_is_read),
		cmocka_unit_test(output_default_may_depend_on_the_model),
		cmocka_unit_test(statuses_of_rules_load),
		cmocka_unit_test(conditions_may_read_each_declared_name),
		cmocka_unit_test(request_finds_its_route),
		cmocka_unit_test(version_changes_with_the_meaning_of_a_policy),
		cmocka_unit_test(demo_issuer_fills_a_jwt_entry),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
