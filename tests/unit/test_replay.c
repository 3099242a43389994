/* Records contain what rules read, and the state of a route's targets; each later attempt has a
 * record of its own. audit explain and policy replay decide recorded requests again, with the
 * same outcomes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "answer/guard/guard.h"
#include "cmd/policies/decide.h"
#include "gate/engine/engine.h"
#include "gate/steps/record.h"
#include "policy/rule.h"
#include "policy/verdict/explain.h"
#include "scan/text/body.h"
#include "support/run_cmd.h"

enum { RECORDS_MAX = 32 };

/* Writes the records that the daemon would write, one line per request, with ids in order. */
static char ids[RECORDS_MAX][DECISION_ID_LEN + 1];
static size_t nids;

static void
record_one(FILE *f, struct request *r)
{
	static struct gate gate;
	static struct gate_shared shared;
	struct buf b;

	gate.shared = &shared;
	r->gate = &gate;
	buf_init(&b, 0);
	record_decision(r, &b);
	fprintf(f, "{\"v\":1,%.*s}\n", SPAN_ARG(buf_view(&b)));
	assert_true(nids < sizeof(ids) / sizeof(ids[0]));
	memcpy(ids[nids++], r->id, sizeof(ids[0]));
	buf_free(&b);
	r->gate = NULL;
}

static int
replay(const char *policy, const char *option, const char *value)
{
	char p[192], f[192];

	snprintf(p, sizeof(p), "%s", path(policy));
	snprintf(f, sizeof(f), "%s", path("records.jsonl"));
	return tollgate(
		"", "policy", "replay", "--policy", p, "--file", f, option, value, NULL);
}

static int
explain(const char *policy, const char *id, const char *option)
{
	char p[192], f[192];

	snprintf(p, sizeof(p), "%s", path(policy));
	snprintf(f, sizeof(f), "%s", path("records.jsonl"));
	return tollgate("", "audit", "explain", id, "--policy", p, "--file", f, option, NULL);
}

static void
holds(const char *text, const char *what)
{
	if (!strstr(text, what))
		fail_msg("lacks: %s\nhas: %s", what, text);
}

#define HEAD                                                                                   \
	"tollgate: 1\nname: t\ndefault: permit\n"                                              \
	"identity: [{none: {person: nobody}}]\n"                                               \
	"routes: [{name: chat, match: {path: /v1/chat/completions}, dialect: openai, "         \
	"backend: b}, {name: api, match: {path_prefix: /api}, dialect: rest, backend: b}, "    \
	"{name: models, match: {path_prefix: /v1/models}, dialect: openai, backend: b}]\n"
#define RULES                                                                                  \
	"rules:\n"                                                                             \
	"  - {name: night, when: 'now.getHours() < 6', deny: {reason: early}}\n"               \
	"  - {name: abroad, when: 'has(identity.attributes.country) && "                       \
	"identity.attributes.country != \"DE\"', deny: {status: 451}}\n"                       \
	"  - {name: hot, when: 'request.temperature > 1.0', deny: {status: 400}, "             \
	"on_error: skip}\n"                                                                    \
	"  - {name: calm, when: '!has(request.seed) || request.seed == null || request.seed "  \
	"< 10.0', permit: true, mode: shadow}\n"                                               \
	"  - {name: user, when: 'has(request.user) && request.user == \"u\"', deny: true}\n"   \
	"  - {name: ghost, when: 'request.host == \"ghost\" && request.n == 1.0', deny: "      \
	"true}\n"                                                                              \
	"  - {name: secrets, when: '\"secret\" in prompt.classes', deny: true}\n"              \
	"  - {name: roles, when: '\"chief\" in identity.roles && prompt.tokens < 100000 && "   \
	"prompt.bytes > 10', permit: true}\n"                                                  \
	"  - {name: model, when: 'model.name.startsWith(\"gpt-5\")', deny: {reason: big}}\n"   \
	"  - {name: pii, when: '\"EMAIL_ADDRESS\" in prompt.entities', redact: {classes: "     \
	"[pii]}}\n"                                                                            \
	"  - {name: media, when: 'prompt.media.size() > 0 || prompt.evasion', deny: true}\n"
#define AT(time, rest) "{\"path\":\"/v1/chat/completions\",\"time\":\"" time "\"," rest "}"
#define NOON	       "2026-11-20T12:00:00.123456789Z"
#define SAYS(model, more, text)                                                                \
	"\"headers\":{\"content-type\":\"application/"                                         \
	"json\"},\"body\":\"{\\\"model\\\":\\\"" model "\\\"," more                            \
	"\\\"messages\\\":[{\\\"role\\\":\\\"user\\\",\\\"content\\\":\\\"" text "\\\"}]}\""
#define PERSON(more) "\"identity\":{\"person\":\"al\"" more "},"

static const char *const requests[] = {
	AT(NOON, PERSON("") SAYS("m", "", "hello")),
	AT("2026-11-20T05:59:59.999999999Z", PERSON("") SAYS("m", "", "hello")),
	AT(NOON, PERSON(",\"attributes\":{\"country\":\"DE\",\"n\":[1,2.5,null,{\"a\":true}]}")
			 SAYS("m", "", "hello")),
	AT(NOON, PERSON(",\"attributes\":{\"country\":\"FR\"}") SAYS("m", "", "hello")),
	AT(NOON, PERSON("") SAYS("m", "\\\"temperature\\\":1.5,", "hello")),
	AT(NOON, PERSON("") SAYS("m", "\\\"temperature\\\":1.0,\\\"seed\\\":null,", "hello")),
	AT(NOON, PERSON("") SAYS("m", "\\\"seed\\\":123456789012345678,", "hello")),
	AT(NOON, "\"host\":\"ghost\"," PERSON("") SAYS("m", "", "hello")),
	AT(NOON, "\"host\":\"ghost\"," PERSON("") SAYS("m", "\\\"n\\\":1,", "hello")),
	AT(NOON, PERSON("") SAYS("m", "", "aws_access_key_id = AKIAQ3EGRT7BX5LWZKPN")),
	AT(NOON,
		PERSON(",\"roles\":[\"chief\",\"\\u00fcber\"]") SAYS("m", "", "a@example.com")),
	AT(NOON, PERSON("") SAYS("gpt-5-pro", "", "hello")),
	AT(NOON, PERSON("") SAYS("m", "", "a@example.com")),
	AT(NOON, SAYS("m", "", "b@example.com and 4111 1111 1111 1111")),
	AT(NOON, PERSON("") SAYS("m", "", "ZW1haWwgamFuZUBleGFtcGxlLmNvbSBub3c=")),
	"{\"path\":\"/api/x\",\"time\":\"" NOON "\",\"headers\":{\"content-type\":"
	"\"text/plain\"},\"body\":\"\"}",
	"{\"path\":\"/api/x\",\"time\":\"" NOON "\",\"method\":\"GET\"}",
	/* the model is in the path, and there is no body */
	"{\"path\":\"/v1/models/m\",\"time\":\"" NOON "\",\"method\":\"GET\"}",
	"{\"path\":\"/v1/models/gpt-5-pro\",\"time\":\"" NOON "\",\"method\":\"GET\"}",
};
enum { NREQUESTS = sizeof(requests) / sizeof(requests[0]) };

static void
record(FILE *f, struct snapshot *snap, const char *request)
{
	json_t *in = json_loads(request, 0, NULL);
	const char *why;

	assert_non_null(in);
	struct request *r = decide_run(snap, in, &why);
	if (!r)
		fail_msg("%s: %s", request, why);
	record_one(f, r);
	request_free(&r);
	json_decref(in);
}

static void
record_all(const char *policy, const char *const *what, size_t n)
{
	put("p.yaml", policy);
	struct snapshot *snap = decide_load("test", NULL, path("p.yaml"));
	assert_non_null(snap);
	FILE *f = fopen(path("records.jsonl"), "w");
	assert_non_null(f);
	nids = 0;
	for (size_t i = 0; i < n; i++)
		record(f, snap, what[i]);
	fclose(f);
	snapshot_unref(&snap);
}

static void
decision_is_repeated_from_its_record(void **state)
{
	(void)state;
	record_all(HEAD RULES, requests, NREQUESTS);
	int code = replay("p.yaml", NULL, NULL);
	if (code != 0)
		fail_msg("exit %d: %s%s", code, cmd_out, cmd_err);
	char want[64];
	snprintf(want, sizeof(want), "%d decisions: %d the same, 0 different\n", NREQUESTS,
		NREQUESTS);
	assert_string_equal(cmd_out, want);
	for (size_t i = 0; i < nids; i++) {
		code = explain("p.yaml", ids[i], NULL);
		if (code != 0 || !strstr(cmd_out, "evaluated again on the recorded values: the "
						  "results are the same"))
			fail_msg("%s\nexit %d: %s%s", requests[i], code, cmd_out, cmd_err);
	}
}

/* Nothing was enforced, so the outcomes of the rules are compared. */
static void
observed_requests_are_compared_and_counted(void **state)
{
#define OLD                                                                                    \
	"{\"path\":\"/v1/chat/"                                                                \
	"completions\",\"host\":\"old.example\",\"time\":\"2026-11-20T12:"                     \
	"00:00Z\",\"headers\":{\"content-type\":\"application/json\"},\"body\":"
	static const char *const old[] = {
		OLD "\"{\\\"model\\\":\\\"m\\\",\\\"messages\\\":[]}\"}",
		OLD "\"{\\\"model\\\":\\\"gpt-5-pro\\\",\\\"messages\\\":[]}\"}",
		OLD "\"{\"}", /* refused before the rules */
	};

	(void)state;
	record_all(HEAD "observe: {hosts: old.example, backend: o, until: 2026-11-21}\n" RULES,
		old, 3);
	int code = replay("p.yaml", NULL, NULL);
	if (code != 0)
		fail_msg("exit %d: %s%s", code, cmd_out, cmd_err);
	holds(cmd_out, "3 decisions: 2 the same, 0 different, 1 not compared\n"
		       "  observed     3: the rules' decision was not enforced\n");
	assert_int_equal(replay("p.yaml", "--json", NULL), 0);
	holds(cmd_out, "\"observed\": 3");
	assert_int_equal(explain("p.yaml", ids[1], NULL), 0);
	holds(cmd_out, "\nnot enforced (observe): deny, status 403, code ");
	holds(cmd_out, ", rule model, reason big\n");
	holds(cmd_out, "the results are the same");
	assert_int_equal(explain("p.yaml", ids[2], NULL), 0);
	holds(cmd_out, "not enforced (observe): deny, status 400, code invalid_json");
	put("q.yaml", HEAD "rules:\n  - {name: other, deny: true}\n");
	assert_int_equal(replay("q.yaml", NULL, NULL), 1);
	holds(cmd_out, "decision permit → deny, rule default → other");
}

static void
explain_prints_each_rule_in_words_and_as_json(void **state)
{
	(void)state;
	record_all(HEAD RULES, requests, NREQUESTS);
	assert_int_equal(explain("p.yaml", ids[11], NULL), 0);
	holds(cmd_out, ": deny 403 by model at 2026-11-20T12:00:00.123456789Z\nreason: big\n");
	holds(cmd_out, "\n  not matched  night did not match: now was "
		       "\"2026-11-20T12:00:00.123456789Z\"");
	holds(cmd_out,
		"\n  matched      model matched: model.name was \"gpt-5-pro\"; it denies "
		"with 403, big\n");
	holds(cmd_out, "\n  not reached  pii was not reached: model ended the evaluation\n");
	holds(cmd_out, "\ndeny: model matched and ended the evaluation");
	assert_int_equal(explain("p.yaml", ids[11], "--json"), 0);
	json_t *o = json_loads(cmd_out, 0, NULL);
	assert_non_null(o);
	assert_true(json_is_true(json_object_get(o, "same_version")));
	assert_int_equal(
		json_array_size(json_object_get(json_object_get(o, "explain"), "rules")), 11);
	json_decref(o);
	assert_int_equal(explain("p.yaml", "01ARZ3NDEKTSV4RRFFQ69G5FAV", NULL), 1);
	holds(cmd_err, "no such decision");
	assert_int_equal(tollgate("", "audit", "show", "--json", "x", NULL), 2);
}

static void
other_version_is_named_and_its_changes_are_counted(void **state)
{
	(void)state;
	record_all(HEAD RULES, requests, NREQUESTS);
	put("q.yaml", HEAD
		"rules:\n  - {name: cards, when: '\"CREDIT_CARD\" in prompt.entities', deny: "
		"{reason: cards}}\n"
		"  - {name: pii, when: '\"EMAIL_ADDRESS\" in prompt.entities', redact: "
		"{classes: [pii], with: remove}}\n");
	assert_int_equal(replay("q.yaml", "--examples", "100"), 1);
	holds(cmd_out, "decision deny → permit, rule night → default");
	holds(cmd_out, "decision redact → deny, rule pii → cards");
	holds(cmd_out, "redactions {\"EMAIL_ADDRESS\": \"placeholder\"} → {\"EMAIL_ADDRESS\": "
		       "\"remove\"}");
	holds(cmd_out, "\n    deny: cards matched and ended the evaluation\n");
	assert_int_equal(explain("q.yaml", ids[13], NULL), 0);
	holds(cmd_out, "decided by t@");
	holds(cmd_out, "the results below are those of t@");
	put("r.yaml",
		"tollgate: 1\nname: r\nroutes: [{name: other, match: {path: /other}, backend: "
		"b}]\n");
	assert_int_equal(replay("r.yaml", "--examples", "1"), 1);
	holds(cmd_out, "no route of the policy matches");
}

static void
missing_data_of_a_record_is_reported(void **state)
{
	static const char *const few[] = {
		AT(NOON, PERSON("") SAYS("m", "\\\"user\\\":\\\"u\\\",", "hello")),
		AT(NOON, PERSON("") SAYS("m", "\\\"seed\\\":12345678901234567890,", "hello")),
		"{\"path\":\"/elsewhere\",\"time\":\"" NOON "\"}",
		"{\"path\":\"/api/jane@example.com\",\"time\":\"" NOON "\",\"method\":\"GET\"}",
	};

	(void)state;
	record_all(HEAD "rules:\n  - {name: user, when: 'has(request.user) && request.user == "
			"\"u\"', deny: true}\n  - {name: path, when: 'request.path == \"/x\"', "
			"deny: true}\n",
		few, 4);
	cmd_slurp("records.jsonl", cmd_out, sizeof(cmd_out));
	holds(cmd_out, "\"not_held\":[\"request.user\"]");
	holds(cmd_out, "\"not_held\":[\"request.seed\"]");
	holds(cmd_out, "\"not_held\":[\"request.path\"]");
	assert_null(strstr(cmd_out, "jane"));
	assert_int_equal(replay("p.yaml", NULL, NULL), 0);
	holds(cmd_out, "4 decisions: 1 the same, 0 different, 3 not compared\n");
	holds(cmd_out, "not compared 1: request.user was not recorded, and a rule reads it\n");
	holds(cmd_out, "not compared 1: request.path was not recorded, and a rule reads it\n");
	holds(cmd_out, "not compared 1: decided before the rules were evaluated, or by an older version\n");
	assert_int_equal(explain("p.yaml", ids[0], NULL), 0);
	holds(cmd_out,
		"request.user was not recorded, so the results are copied from the record");
	holds(cmd_out, "  matched      user matched: request.user was not recorded; it denies");
	assert_int_equal(explain("p.yaml", ids[2], NULL), 0);
	holds(cmd_out, "decided before them");
}

/* Entities that no rule named were not searched for. A policy that names them cannot conclude
 * anything from their absence. */
static void
unsearched_entities_are_not_compared(void **state)
{
	static const char *const one[] = { AT(NOON, SAYS("m", "", "write to a@example.com")) };
	static const struct {
		const char *name, *rules, *said;
	} rows[] = {
		{ "a part of it",
			"rules: [{name: a, when: '\"EMAIL_ADDRESS\" in prompt.entities', deny: "
			"true}]\n",
			"1 decisions: 0 the same, 1 different\n" },
		{ "more", "rules: [{name: a, redact: {entities: [EMAIL_ADDRESS, US_SSN]}}]\n",
			"not compared 1: US_SSN was not searched for, and a rule reads it" },
		{ "a class",
			"rules: [{name: a, when: '\"secret\" in prompt.classes', deny: "
			"true}]\n",
			" was not searched for, and a rule reads it" },
		{ "any", "rules: [{name: a, when: 'prompt.entities.size() > 1', deny: true}]\n",
			"not compared 1: not all entities were searched for, and a rule reads "
			"it" },
		{ "a rule that is not reached",
			"rules: [{name: a, deny: true}, {name: b, when: 'prompt.evasion', "
			"deny: true}]\n",
			"1 decisions: 0 the same, 1 different\n" },
	};
	char policy[2048];

	(void)state;
	put("p.yaml", HEAD "rules: [{name: mail, redact: {entities: [EMAIL_ADDRESS]}}]\n");
	struct snapshot *snap = decide_load("test", NULL, path("p.yaml"));
	assert_non_null(snap);
	assert_int_equal(snapshot_use(snap), 0);
	FILE *f = fopen(path("records.jsonl"), "w");
	assert_non_null(f);
	fprintf(f,
		"{\"v\":1,\"type\":\"policy\",\"searched\":\"%s\",\"entities\":"
		"[\"EMAIL_ADDRESS\"]}\n",
		snap->searched);
	nids = 0;
	record(f, snap, one[0]);
	fclose(f);
	snapshot_unref(&snap);
	assert_int_equal(replay("p.yaml", NULL, NULL), 0);
	holds(cmd_out, "1 decisions: 1 the same, 0 different\n");
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		snprintf(policy, sizeof(policy), HEAD "%s", rows[i].rules);
		put("q.yaml", policy);
		replay("q.yaml", NULL, NULL);
		if (!strstr(cmd_out, rows[i].said))
			fail_msg("%s: %s", rows[i].name, cmd_out);
	}
	assert_int_equal(explain("q.yaml", ids[0], NULL), 0);
	put("q.yaml", HEAD "rules: [{name: a, redact: {entities: [US_SSN]}}]\n");
	assert_int_equal(explain("q.yaml", ids[0], NULL), 0);
	holds(cmd_out, "on the recorded values; US_SSN was not searched for\n");
}

/* The author of a text is recorded with its findings, and so is which texts were scored. A
 * class with roles is decided from this, and not guessed if a record lacks it. */
static void
roles_are_recorded_and_used_in_a_replay(void **state)
{
	static const char *const one[] = { AT(NOON, SAYS("m", "", "write to a@example.com")) };
	static const struct {
		const char *name, *rules, *said, *without;
	} rows[] = {
		{ "its role",
			"classes: {c: {classes: [pii], roles: [user]}}\n"
			"rules: [{name: a, when: '\"c\" in prompt.classes', deny: true}]\n",
			"1 decisions: 0 the same, 1 different\n",
			"not compared 1: prompt.classes was not recorded" },
		{ "another role",
			"classes: {c: {classes: [pii], roles: [tool_result, document]}}\n"
			"rules: [{name: a, when: '\"c\" in prompt.classes', deny: true},"
			" {name: mail, redact: {classes: [pii]}}]\n",
			"0 different", "not compared 1: prompt.classes was not recorded" },
		{ "the same texts scored",
			"classes: {i: {score: 0.9, roles: [tool_result]}}\n"
			"rules: [{name: a, when: 'prompt.injection > 0.9', deny: true},"
			" {name: mail, redact: {classes: [pii]}}]\n",
			"0 different", "0 different" },
		{ "other texts scored",
			"classes: {i: {score: 0.9}}\n"
			"rules: [{name: a, when: 'prompt.injection > 0.9', deny: true}]\n",
			"not compared 1: prompt.injection was not recorded",
			"not compared 1: prompt.injection was not recorded" },
	};
	char policy[2048];

	(void)state;
	record_all(HEAD "classes: {i: {score: 0.9, roles: [tool_result]}}\n"
			"rules: [{name: mail, redact: {classes: [pii]}}]\n",
		one, 1);
	for (int old = 0; old < 2; old++) {
		for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
			snprintf(policy, sizeof(policy), HEAD "%s", rows[i].rules);
			put("q.yaml", policy);
			replay("q.yaml", NULL, NULL);
			if (!strstr(cmd_out, old ? rows[i].without : rows[i].said))
				fail_msg("%s, %d: %s%s", rows[i].name, old, cmd_out, cmd_err);
		}
		cmd_slurp("records.jsonl", cmd_out, sizeof(cmd_out));
		holds(cmd_out, "\"injection_roles\":[\"tool_result\"]");
		char *at = strstr(cmd_out, old ? "\"rolez\"" : "\"roles\":[\"user\"]");
		assert_non_null(at);
		memcpy(at, "\"rolez\"", strlen("\"rolez\""));
		put("records.jsonl", cmd_out);
	}
}

static void
changed_record_gives_another_outcome(void **state)
{
	(void)state;
	record_all(HEAD RULES, requests + 11, 1);
	cmd_slurp("records.jsonl", cmd_out, sizeof(cmd_out));
	char *model = strstr(cmd_out, "\"model\":\"gpt-5-pro\"");
	assert_non_null(model);
	memcpy(model, "\"model\":\"gpt-4-pro\"", strlen("\"model\":\"gpt-4-pro\""));
	put("records.jsonl", cmd_out);
	assert_int_equal(explain("p.yaml", ids[0], NULL), 1);
	holds(cmd_out, "rule model has another result than recorded");
	assert_int_equal(replay("p.yaml", NULL, NULL), 1);
}

/* ---- responses ---- */

#define ANSWERS                                                                                \
	HEAD "classes: {steer: {score: 0.5}}\n"                                                \
	     "rules:\n"                                                                        \
	     "  - {name: keys, phase: response, when: '\"secret\" in response.classes', "      \
	     "deny: "                                                                          \
	     "{status: 451}}\n"                                                                \
	     "  - {name: cut, phase: response, when: 'response.finish_reason == \"length\"', " \
	     "tag: cut}\n"                                                                     \
	     "  - {name: numbers, phase: response, when: 'identity.person == \"al\"', "        \
	     "redact: "                                                                        \
	     "{entities: [US_SSN], with: mask}}\n"                                             \
	     "  - {name: shell, phase: response, when: 'response.tool_calls.exists(t, t.name " \
	     "== \"sh\")', deny: true}\n"

/* Writes a decision and the facts of its response. */
static void
record_with_answer(FILE *f, struct snapshot *snap, struct answer_facts facts,
	enum answer_when when, const char *found)
{
	struct answer_request asked;
	struct answer_verdict v;
	struct policy_facts q;
	const char *why;
	struct buf b;
	json_t *in = json_loads(requests[0], 0, NULL);

	struct request *r = decide_run(snap, in, &why);
	assert_non_null(r);
	request_facts(r, &q);
	assert_int_equal(policy_answer_request(snap->policy, &q, &r->arena, &asked), 0);
	facts.rules = snap->rules;
	uint16_t roles[DETECT_ENTITIES_MAX] = { 0 };
	facts.roles = roles;
	if (found) {
		int e = detect_entity_find(snap->rules, span_str(found));
		assert_true(e >= 0);
		entity_add(&facts.entities, (size_t)e);
		roles[e] = 1u << ROLE_ASSISTANT;
	}
	assert_int_equal(policy_answer(snap->policy, &asked, &facts, when, &r->arena, &v), 0);
	record_one(f, r);
	buf_init(&b, 0);
	buf_printf(&b, "\"type\":\"completion\",\"id\":\"%s\",\"status\":200", r->id);
	put_object(&b, RF_ANSWER);
	put_name(&b, RF_ANSWER_DECISION, rule_effect_name(v.ruled.effect));
	put_name(&b, RF_ANSWER_RULE, v.ruled.rule ? v.ruled.rule->name : NULL);
	put_count(&b, RF_ANSWER_DENIED_WITH, (uint64_t)v.ruled.status);
	put_flag(&b, RF_ANSWER_STREAMED, facts.streamed);
	put_names(&b, RF_ANSWER_TAGS, v.ruled.tags, v.ruled.ntags);
	const struct guard_report report = { .tools = { "sh" },
		.ntools = 1,
		.verdict = v,
		.facts = &facts,
		.when = when,
		.judged = true,
		.sum = { .any = true,
			.ruled.effect = v.ruled.effect,
			.ruled.rule = v.ruled.rule,
			.ruled.ntags = v.ruled.ntags } };
	record_answer_verdict(&b, snap->policy, r->found.route, &report);
	buf_putc(&b, '}');
	fprintf(f, "{\"v\":1,%.*s}\n", SPAN_ARG(buf_view(&b)));
	buf_free(&b);
	request_free(&r);
	json_decref(in);
}

static void
record_answers(const char *policy)
{
	struct answer_tool tool = { .name = SPAN_LIT("sh"),
		.arguments = SPAN_LIT("{\"c\":\"secret-text\"}") };

	put("p.yaml", policy);
	struct snapshot *snap = decide_load("test", NULL, path("p.yaml"));
	assert_non_null(snap);
	FILE *f = fopen(path("records.jsonl"), "w");
	assert_non_null(f);
	nids = 0;
	const struct answer_uses *uses = &snap->policy->routes[0].uses;
	fprintf(f, "{\"v\":1,\"type\":\"policy\",\"searched\":\"all\",\"answers\":{\"%s\":[",
		uses->searched);
	for (size_t e = 0; e < detect_entity_count(snap->rules); e++)
		if (entity_in(&uses->entities, e))
			fprintf(f, "\"%s\",", detect_entity_name(snap->rules, e));
	fprintf(f, "\"\"]}}\n");
	record_with_answer(f, snap, (struct answer_facts){ .status = 200 }, ANSWER_WHOLE, NULL);
	record_with_answer(f, snap, (struct answer_facts){ .status = 200, .streamed = true },
		ANSWER_NEW, "AWS_ACCESS_KEY");
	record_with_answer(f, snap,
		(struct answer_facts){ .status = 200, .finish_reason = SPAN_LIT("length") },
		ANSWER_END, "US_SSN");
	record_with_answer(f, snap, (struct answer_facts){ .tools = &tool, .ntools = 1 },
		ANSWER_BLOCK, NULL);
	fclose(f);
	snapshot_unref(&snap);
}

static void
responses_are_judged_again_from_their_record(void **state)
{
	(void)state;
	record_answers(ANSWERS);
	cmd_slurp("records.jsonl", cmd_out, sizeof(cmd_out));
	assert_null(strstr(cmd_out, "secret-text"));
	holds(cmd_out,
		"\"verdict\":{\"when\":\"new\",\"outcomes\":\"m---\",\"rules\":[{\"name\":"
		"\"keys\",\"fate\":\"matched\"}],");
	holds(cmd_out,
		"\"entities\":{\"US_SSN\":{\"roles\":[\"assistant\"],\"with\":\"mask\"}}");
	holds(cmd_out, "\"tool_calls\":[\"sh\"]");
	int code = replay("p.yaml", NULL, NULL);
	if (code != 0)
		fail_msg("exit %d: %s%s", code, cmd_out, cmd_err);
	assert_string_equal(cmd_out, "4 decisions: 4 the same, 0 different\n"
				     "4 answers: 4 the same, 0 different\n");
	assert_int_equal(explain("p.yaml", ids[1], NULL), 0);
	holds(cmd_out, "response: deny by keys, rules evaluated at: new\n");
	holds(cmd_out, "evaluated again on the recorded values: the results are the same");
	holds(cmd_out, "keys matched: response.classes was [\"secret\"]; it denies with 451");
	assert_int_equal(explain("p.yaml", ids[2], "--json"), 0);
	json_t *o = json_loads(cmd_out, 0, NULL), *answer = json_object_get(o, "answer");
	assert_string_equal(json_string_value(json_object_get(answer, "decision")), "redact");
	assert_int_equal(
		json_array_size(json_object_get(json_object_get(answer, "explain"), "rules")),
		4);
	json_decref(o);
}

#define WITH_TOOLS                                                                             \
	ANSWERS "  - {name: no-pay, phase: tool, when: 'tool.name == \"pay\"', deny: true}\n"  \
		"  - {name: last, phase: tool, deny: true}\n"

/* From the entries of calls: which rules were evaluated, and which of the values that they read
 * are recorded. */
static void
calls_are_judged_again_from_their_entries(void **state)
{
	static const char entry[] =
		",\"calls\":[{\"by\":\"mcp\",\"server\":\"bank\",\"method\":\"tools/call\","
		"\"tool\":\"pay\",\"decision\":\"permit\",\"would\":\"deny\",\"would_rule\":"
		"\"no-pay\",\"outcomes\":\"m-\"},7,{\"by\":\"answer\",\"tool\":\"x\","
		"\"decision\":\"deny\",\"rule\":\"last\"}]}\n";
	struct span rest;
	FILE *f;

	(void)state;
	record_answers(WITH_TOOLS);
	cmd_slurp("records.jsonl", cmd_out, sizeof(cmd_out));
	rest = span_str(strdup(cmd_out));
	char *text = (char *)(uintptr_t)rest.p;
	f = fopen(path("records.jsonl"), "w");
	assert_non_null(f);
	while (rest.n) {
		struct span line = span_next(&rest, '\n');
		bool its = line.n && (memmem(line.p, line.n, "\"decision\",", 11) ||
					     memmem(line.p, line.n, "\"completion\"", 12));
		fprintf(f, "%.*s%s", (int)(line.n - its), line.p, its ? entry : "\n");
	}
	fclose(f);
	free(text);
	explain("p.yaml", ids[0], NULL);
	holds(cmd_out,
		"\ncall by mcp: bank/pay: permit; without shadow it would be deny by "
		"no-pay\n  read: tool.name was pay, tool.server was bank, mcp.method was "
		"tools/call\n  matched      no-pay: tool.name == \"pay\"\n  not reached  "
		"last\n");
	holds(cmd_out, "\ncall by answer: /x: deny by last\n");
	explain("p.yaml", ids[0], "--json");
	json_t *o = json_loads(cmd_out, 0, NULL);
	assert_true(json_array_size(json_object_get(o, "calls")) >= 3);
	json_decref(o);
}

/* Placeholders that stayed in a call: a rule that reads them is compared if the record lists the
 * calls of the verdict. */
static void
placeholders_left_in_calls_are_read_from_the_record(void **state)
{
	static const char head[] =
		"tollgate: 1\nname: t\ndefault: permit\nidentity: [{none: {person: nobody}}]\n"
		"providers: {b: {backend: b, dialect: openai}}\n"
		"routes: [{name: chat, match: {path: /v1/chat/completions}, targets: [b], response: [restore]}]\n"
		"rules:\n  - {name: mail, redact: {entities: [EMAIL_ADDRESS]}}\n";
	static const struct {
		const char *calls, *said;
	} rows[] = {
		{ "", "not compared 1: tool.left was not recorded, and a rule reads it" },
		{ "\"calls\":[{\"by\":\"answer\",\"tool\":\"other\",\"left\":{\"host\":1}}],",
			"not compared 1: tool.left was not recorded, and a rule reads it" },
		{ "\"calls\":[{\"by\":\"answer\",\"tool\":\"sh\"}],", "4 answers: 4 the same, 0 different\n" },
		{ "\"calls\":[{\"by\":\"answer\",\"tool\":\"sh\",\"left\":{\"url\":2}}],", "4 answers: 4 the same, 0 different\n" },
		{ "\"calls\":[{\"by\":\"answer\",\"tool\":\"sh\",\"left\":{\"host\":1}}],", "4 answers: 3 the same, 1 different\n" },
	};
	static char lines[256 << 10];
	char policy[2048];

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		snprintf(policy, sizeof(policy), "%s%s", head,
			"  - {name: r, phase: response, when: 'response.tool_calls.exists(t, t.name == \"x\")', deny: true}\n"
			"  - {name: l, phase: tool, when: 'tool.name == \"x\"', deny: true}\n");
		record_answers(policy);
		cmd_slurp("records.jsonl", lines, sizeof(lines));
		char *last = strstr(lines, "\"tool_calls\":[\"sh\"]");
		assert_non_null(last);
		while (last > lines && last[-1] != '\n')
			last--;
		FILE *f = fopen(path("records.jsonl"), "w");
		assert_non_null(f);
		fprintf(f, "%.*s{%s%s", (int)(last - lines), lines, rows[i].calls, last + 1);
		fclose(f);
		snprintf(policy, sizeof(policy), "%s%s", head,
			"  - {name: r, phase: response, when: 'response.tool_calls.exists(t, t.name == \"x\")', deny: true}\n"
			"  - {name: l, phase: tool, when: '\"host\" in tool.left', deny: true}\n");
		put("q.yaml", policy);
		replay("q.yaml", "--examples", "9");
		if (!strstr(cmd_out, rows[i].said))
			fail_msg("%s: %s%s", rows[i].calls, cmd_out, cmd_err);
	}
}

static void
changes_of_response_verdicts_are_counted(void **state)
{
	static const struct {
		const char *name, *rules, *said;
	} rows[] = {
		{ "none any more", "", "4 answers: 1 the same, 3 different\n" },
		{ "another style",
			"rules: [{name: numbers, phase: response, redact: {entities: "
			"[US_SSN]}}]\n",
			"redactions {\"US_SSN\": \"mask\"} → {\"US_SSN\": \"placeholder\"}" },
		{ "another status",
			"rules: [{name: keys, phase: response, when: "
			"'\"AWS_ACCESS_KEY\" in response.entities', deny: true}]\n",
			"status 451 → 403" },
		{ "what was not searched for",
			"rules: [{name: a, phase: response, redact: {entities: "
			"[IBAN_CODE]}}]\n",
			"not compared 4: IBAN_CODE was not searched for, and a rule reads it" },
		{ "a score that nobody asked for",
			"rules: [{name: a, phase: response, when: 'response.injection > 0.5', "
			"deny: "
			"true}]\n",
			": response.injection was not recorded, and a rule reads it" },
		{ "arguments",
			"rules: [{name: a, phase: response, when: "
			"'response.tool_calls.exists(t, "
			"t.arguments.c == \"x\")', deny: true}]\n",
			"not compared 1: arguments of tool calls are not recorded, and a "
			"rule" },
	};
	char policy[2048];

	(void)state;
	record_answers(ANSWERS);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		snprintf(policy, sizeof(policy), HEAD "%s", rows[i].rules);
		put("q.yaml", policy);
		replay("q.yaml", "--examples", "9");
		if (!strstr(cmd_out, rows[i].said))
			fail_msg("%s: %s%s", rows[i].name, cmd_out, cmd_err);
	}
	replay("q.yaml", "--json", NULL);
	json_t *o = json_loads(cmd_out, 0, NULL);
	assert_int_equal(
		json_integer_value(json_object_get(json_object_get(o, "answers"), "total")), 4);
	json_decref(o);
	/* Decided before any response rule existed. */
	record_all(ANSWERS, requests, 1);
	FILE *f = fopen(path("records.jsonl"), "a");
	assert_non_null(f);
	fprintf(f, "{\"v\":1,\"type\":\"completion\",\"id\":\"%s\",\"status\":200}\n", ids[0]);
	fclose(f);
	assert_int_equal(replay("p.yaml", NULL, NULL), 0);
	holds(cmd_out, "1 answers: 0 the same, 0 different, 1 not compared\n"
		       "  not compared 1: no rule was evaluated on the response\n");
}

static void
since_and_until_limit_the_replay(void **state)
{
	static const struct {
		const char *option, *value, *said;
	} rows[] = {
		{ "--since", "2026-11-20T12:00:00Z", "18 decisions: 18 the same" },
		{ "--since", "2026-11-20", "19 decisions: 19 the same" },
		{ "--since", "2026-11-21", "0 decisions: 0 the same" },
		{ "--until", "2026-11-20T12:00:00Z", "1 decisions: 1 the same" },
		{ "--until", "36500d", "0 decisions: 0 the same" },
	};

	(void)state;
	record_all(HEAD RULES, requests, NREQUESTS);
	/* A record of another type that contains the word somewhere. */
	FILE *f = fopen(path("records.jsonl"), "a");
	assert_non_null(f);
	fputs("{\"v\":1,\"node\":\"gw-1\",\"type\":\"read\",\"after\":{\"asked\":{\"type\":"
	      "\"decision\"}}}\n",
		f);
	fclose(f);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		assert_int_equal(replay("p.yaml", rows[i].option, rows[i].value), 0);
		holds(cmd_out, rows[i].said);
	}
	assert_int_equal(replay("p.yaml", "--since", "soon"), 2);
	assert_int_equal(replay("none.yaml", NULL, NULL), 2);
	assert_int_equal(replay("p.yaml", "--json", NULL), 0);
	holds(cmd_out, "\"same\": 19");
}

/* ---- targets and attempts ---- */

#define HELLO                                                                                  \
	"{\"path\":\"/v1/chat/completions\",\"time\":\"2026-11-20T12:00:00Z\",\"headers\":"    \
	"{\"content-type\":\"application/json\"},\"body\":\"{\\\"model\\\":\\\"m\\\","         \
	"\\\"messages\\\":[{\\\"role\\\":\\\"user\\\",\\\"content\\\":\\\"hello\\\"}]}\"}"
#define TARGETS                                                                                \
	"tollgate: 1\nname: t\ndefault: permit\n"                                              \
	"identity: [{none: {person: nobody}}]\n"                                               \
	"providers: {a: {backend: a, dialect: openai}, b: {backend: b, dialect: openai}, "     \
	"c: {backend: c, dialect: openai}}\n"                                                  \
	"routes: [{name: chat, match: {path: /v1/chat/completions}, targets: ["
#define ALL "a, b, c]}]\nrules:\n"
#define READS                                                                                  \
	"  - {name: slow, when: 'target.latency > 1.0', deny: true}\n"                         \
	"  - {name: dear, when: 'target.price > 0.01', deny: true}\n"                          \
	"  - {name: bad, when: 'target.errors > 0.5', deny: true}\n"

static const struct policy_rank in_order[] = { { .place = 0 }, { .place = 1 }, { .place = 2 } };
static const struct policy_target_facts calm[] = { { .price = 0.001, .latency = 0.1 },
	{ .price = 0.002, .latency = 0.2 }, { .price = 0.003, .latency = 0.3 } };

static const struct target before = { .name = "a", .region = "" };

/* Evaluates the rules with these ranks and values, for the request or for attempt n. */
static void
record_choice(FILE *f, struct snapshot *snap, const struct policy_rank *ranks,
	const struct policy_target_facts *at, unsigned attempt)
{
	struct attempts tries = { .n = attempt - 1 };
	struct exchange x = { .tries = attempt > 1 ? &tries : NULL };
	struct policy_rank own[3];
	struct policy_facts facts;
	const char *why;
	json_t *in = json_loads(HELLO, 0, NULL);
	struct request *r = decide_run(snap, in, &why);

	assert_non_null(r);
	memcpy(own, ranks, sizeof(own));
	r->found.ranks = own;
	r->found.at = at;
	request_facts(r, &facts);
	assert_int_equal(policy_decide(snap->policy, &facts, &r->arena, &r->found.verdict), 0);
	if (r->found.verdict.ruled.effect == RULE_DENY)
		r->out.decision.kind = D_DENY;
	r->out.decision.via = VIA_RELAY;
	for (unsigned i = 0; i + 1 < attempt; i++)
		tries.v[i] = (struct attempt){ .to = &before, .target = "a" };
	r->x = attempt > 1 ? &x : NULL;
	record_one(f, r);
	r->x = NULL;
	request_free(&r);
	json_decref(in);
}

static void
decision_is_repeated_with_the_recorded_target_state(void **state)
{
	static const struct {
		const char *name;
		struct policy_rank ranks[3];
		struct policy_target_facts at[3];
		const char *target;	    /* at that time */
		const char *otherwise, *is; /* with these rules of another policy */
	} rows[] = {
		{ "places", { { .place = 2 }, { .place = 0 }, { .place = 1 } },
			{ { .price = 0.001 } }, "b",
			"  - {name: e, when: 'target.name == \"b\"', deny: true}\n",
			"target b → c" },
		{ "who is out", { { .out = TARGET_EJECTED }, { .place = 1 }, { .place = 2 } },
			{ { .price = 0.001 } }, "b",
			"  - {name: e, route: {targets: [a, c]}}\n", "target b → c" },
		{ "a latency", { { 0 }, { .place = 1 }, { .place = 2 } },
			{ { .latency = 1.5 }, { .latency = 0.9 } }, "b",
			"  - {name: slow, when: 'target.latency > 0.8', deny: true}\n",
			"target b → c" },
		{ "a price", { { 0 }, { .place = 1 }, { .place = 2 } },
			{ { .price = 0.010000001 }, { .price = 0.01 } }, "b",
			"  - {name: dear, when: 'target.price > 0.02', deny: true}\n",
			"target b → a" },
		{ "errors", { { 0 }, { .place = 1 }, { .place = 2 } },
			{ { .errors = 0.6 }, { .errors = 0.5 } }, "b",
			"  - {name: bad, when: 'target.errors >= 0.5', deny: true}\n",
			"target b → c" },
	};
	char policy[2048];

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		put("p.yaml", TARGETS ALL READS);
		struct snapshot *snap = decide_load("test", NULL, path("p.yaml"));
		assert_non_null(snap);
		FILE *f = fopen(path("records.jsonl"), "w");
		assert_non_null(f);
		nids = 0;
		record_choice(f, snap, rows[i].ranks, rows[i].at, 1);
		fclose(f);
		snapshot_unref(&snap);
		cmd_slurp("records.jsonl", cmd_out, sizeof(cmd_out));
		snprintf(policy, sizeof(policy), "\"target\":\"%s\"", rows[i].target);
		holds(cmd_out, policy);
		if (replay("p.yaml", NULL, NULL) != 0)
			fail_msg("%s: %s%s", rows[i].name, cmd_out, cmd_err);
		assert_string_equal(cmd_out, "1 decisions: 1 the same, 0 different\n");
		snprintf(policy, sizeof(policy), TARGETS ALL "%s", rows[i].otherwise);
		put("q.yaml", policy);
		assert_int_equal(replay("q.yaml", NULL, NULL), 1);
		if (!strstr(cmd_out, rows[i].is))
			fail_msg("%s: %s%s", rows[i].name, cmd_out, cmd_err);
		assert_int_equal(explain("p.yaml", ids[0], NULL), 0);
	}
}

static void
later_attempts_are_decided_again(void **state)
{
	static const struct policy_rank second[] = { { .out = TARGET_TRIED }, { .place = 1 },
		{ .place = 2 } },
					third[] = { { .out = TARGET_TRIED },
						{ .place = 1, .out = TARGET_TRIED },
						{ .place = 2 } };

	(void)state;
	put("p.yaml", TARGETS ALL READS);
	struct snapshot *snap = decide_load("test", NULL, path("p.yaml"));
	assert_non_null(snap);
	FILE *f = fopen(path("records.jsonl"), "w");
	assert_non_null(f);
	nids = 0;
	record_choice(f, snap, in_order, calm, 1);
	record_choice(f, snap, second, calm, 2);
	record_choice(f, snap, third, calm, 3);
	fprintf(f,
		"{\"v\":1,\"type\":\"completion\",\"id\":\"%s\",\"status\":200,"
		"\"attempts\":[{\"target\":\"a\",\"cause\":\"perhaps_billed\",\"ms\":12,"
		"\"tokens\":30,\"cost\":1500,\"maybe_billed\":true},{\"target\":\"b\","
		"\"cause\":\"throttled\",\"ms\":1,\"status\":429},{\"target\":\"c\","
		"\"cause\":\"done\",\"ms\":2,\"status\":200,\"tokens\":7}]}\n",
		ids[0]);
	fclose(f);
	snapshot_unref(&snap);
	/* all of one request */
	cmd_slurp("records.jsonl", cmd_out, sizeof(cmd_out));
	for (size_t i = 1; i < 3; i++)
		memcpy(strstr(cmd_out, ids[i]), ids[0], strlen(ids[0]));
	put("records.jsonl", cmd_out);
	assert_int_equal(replay("p.yaml", NULL, NULL), 0);
	holds(cmd_out, "1 decisions: 1 the same, 0 different\n"
		       "2 later attempts: 2 the same, 0 different\n");
	assert_int_equal(explain("p.yaml", ids[0], NULL), 0);
	const char *two = strstr(cmd_out, "\nattempt 2 at b: permit"),
		   *three = strstr(cmd_out, "\nattempt 3 at c: permit"),
		   *ends = strstr(cmd_out,
			   "\nattempt 1: a: perhaps_billed, 12 ms, 30 tokens, "
			   "$0.000001500, perhaps billed\nattempt 2: b: "
			   "throttled, status 429, 1 ms, 0 tokens\nattempt 3: c: "
			   "done, status 200, 2 ms, 7 tokens\n");
	if (!two || !three || !ends || two > three || three > ends)
		fail_msg("%s", cmd_out);
	assert_int_equal(explain("p.yaml", ids[0], "--json"), 0);
	json_t *o = json_loads(cmd_out, 0, NULL);
	assert_int_equal(json_array_size(json_object_get(o, "later_attempts")), 2);
	assert_int_equal(json_array_size(json_object_get(o, "attempts")), 3);
	json_decref(o);
	/* with rules that let the second attempt use another target */
	put("q.yaml", TARGETS ALL "  - {name: no, when: 'target.name == \"b\"', deny: true}\n");
	assert_int_equal(replay("q.yaml", NULL, NULL), 1);
	holds(cmd_out, "2 later attempts: 1 the same, 1 different\n  target       1\n");
	holds(cmd_out, " attempt 2: target b → c\n");
	assert_int_equal(replay("q.yaml", "--json", NULL), 1);
	holds(cmd_out, "\"attempts\": {\n    \"total\": 2");
	/* with other targets */
	put("q.yaml", TARGETS "a, c]}]\n");
	assert_int_equal(replay("q.yaml", NULL, NULL), 0);
	holds(cmd_out, "not compared 2: the route has other targets now, so their state at "
		       "that time is unknown");
	/* a change of a later attempt's record is noticed */
	cmd_slurp("records.jsonl", cmd_out, sizeof(cmd_out));
	memcpy(strstr(strstr(cmd_out, "\"type\":\"attempt\""), "\"outcomes\":\"n"),
		"\"outcomes\":\"m", strlen("\"outcomes\":\"m"));
	put("records.jsonl", cmd_out);
	assert_int_equal(explain("p.yaml", ids[0], NULL), 1);
	holds(cmd_out, "rule slow has another result than recorded");
}

/* A request that every target refuses ends before its body is made for one. Its record has the
 * caller's model, whatever the target's model is. */
static void
request_refused_before_its_model_was_set_is_repeated(void **state)
{
	static const struct policy_rank none[] = { { .out = TARGET_TRIED },
		{ .place = 1, .out = TARGET_EJECTED }, { .place = 2, .out = TARGET_BUSY } };
	static const enum decision_kind kinds[] = { D_DENY, D_OBSERVED };

	(void)state;
	put("p.yaml", TARGETS "{provider: a, model: own}, b, c]}]\n");
	struct snapshot *snap = decide_load("test", NULL, path("p.yaml"));
	assert_non_null(snap);
	FILE *f = fopen(path("records.jsonl"), "w");
	assert_non_null(f);
	nids = 0;
	for (size_t i = 0; i < COUNT_OF(kinds); i++) {
		struct attempts tries = { .n = 1, .v = { { .to = &before, .target = "a" } } };
		struct exchange x = { .tries = &tries };
		struct policy_rank ranks[3];
		struct policy_facts facts;
		const char *why;
		json_t *in = json_loads(HELLO, 0, NULL);
		struct request *r = decide_run(snap, in, &why);
		assert_non_null(r);
		memcpy(ranks, none, sizeof(ranks));
		r->found.ranks = ranks;
		r->in.asked_model = (struct span){ NULL, 0 };
		r->in.body.model = SPAN_LIT("m");
		request_facts(r, &facts);
		assert_int_equal(
			policy_decide(snap->policy, &facts, &r->arena, &r->found.verdict), 0);
		assert_true(r->found.verdict.none_in);
		r->out.decision.kind = kinds[i];
		r->out.decision.via = VIA_RELAY;
		r->x = &x;
		record_one(f, r);
		r->x = NULL;
		request_free(&r);
		json_decref(in);
	}
	fclose(f);
	snapshot_unref(&snap);
	int code = replay("p.yaml", NULL, NULL);
	assert_string_equal(cmd_out,
		"0 decisions: 0 the same, 0 different\n"
		"2 later attempts: 2 the same, 0 different\n"
		"  observed     1: the rules' decision was not enforced\n");
	assert_int_equal(code, 0);
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(decision_is_repeated_from_its_record),
		cmocka_unit_test(observed_requests_are_compared_and_counted),
		cmocka_unit_test(explain_prints_each_rule_in_words_and_as_json),
		cmocka_unit_test(other_version_is_named_and_its_changes_are_counted),
		cmocka_unit_test(missing_data_of_a_record_is_reported),
		cmocka_unit_test(unsearched_entities_are_not_compared),
		cmocka_unit_test(roles_are_recorded_and_used_in_a_replay),
		cmocka_unit_test(changed_record_gives_another_outcome),
		cmocka_unit_test(responses_are_judged_again_from_their_record),
		cmocka_unit_test(calls_are_judged_again_from_their_entries),
		cmocka_unit_test(placeholders_left_in_calls_are_read_from_the_record),
		cmocka_unit_test(changes_of_response_verdicts_are_counted),
		cmocka_unit_test(since_and_until_limit_the_replay),
		cmocka_unit_test(decision_is_repeated_with_the_recorded_target_state),
		cmocka_unit_test(later_attempts_are_decided_again),
		cmocka_unit_test(request_refused_before_its_model_was_set_is_repeated),
	};

	return cmocka_run_group_tests(tests, temp_dir_make, temp_dir_remove);
}
