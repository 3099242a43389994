/* Rules with phase: response: their verdicts, the routes that they may
 * reach, and the data of the request that is kept for them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>

#include "policy/rule.h"
#include "policy/verdict/answer.h"
#include "scan/text/body.h"
#include "scan/text/style.h"
#include "support/policy_fix.h"

#define H POLICY_HEAD

static void
add(struct entity_set *s, const char *const *names, size_t n)
{
	for (size_t i = 0; i < n && names[i]; i++) {
		int e = detect_entity_find(detect_fix()->rules, span_str(names[i]));
		assert_true(e >= 0);
		entity_add(s, (size_t)e);
	}
}

/* ---- verdicts ---- */

enum { ENTITIES = 3 };
static const struct span image[] = { { "image", 5 } };
static const char *const shown[ENTITIES] = { "EMAIL_ADDRESS", "US_SSN", "AWS_ACCESS_KEY" };

static const struct row {
	const char *name, *rules;
	enum answer_when when;
	bool verified;
	const char *found[ENTITIES], *model;
	struct answer_facts f;
	struct answer_tool tool;
	const char *want;
} rows[] = {
	{ .name = "what no rule denies passes, whatever the default",
		.rules = "rules: [{name: a, phase: response, when: '\"US_SSN\" in "
			 "response.entities', deny: true}]\ndefault: deny\n",
		.want = "permit - n" },
	{ .name = "an entity denies, with the rule's status and reason",
		.rules = "rules: [{name: a, phase: response, when: '\"US_SSN\" in "
			 "response.entities', deny: {status: 451, reason: no numbers}}]\n",
		.found = { "US_SSN" },
		.want = "deny a 451 'no numbers' m" },
	{ .name = "a class denies, and what comes after is not asked",
		.rules =
			"rules: [{name: a, phase: response, when: '\"pii\" in "
			"response.classes', deny: true}, {name: b, phase: response, tag: t}]\n",
		.found = { "US_SSN" },
		.want = "deny a 403 'denied by policy' m-" },
	{ .name = "redactions add up, each with the style of the first rule that names it",
		.rules = "rules: [{name: a, phase: response, redact: {entities: US_SSN, with: "
			 "mask}},"
			 "{name: b, phase: response, redact: {classes: [pii]}}]\n",
		.found = { "US_SSN", "EMAIL_ADDRESS" },
		.want = "redact a EMAIL_ADDRESS=placeholder US_SSN=mask mm" },
	{ .name = "what was not found is not redacted",
		.rules = "rules: [{name: a, phase: response, redact: {entities: US_SSN}}]\n",
		.found = { "EMAIL_ADDRESS" },
		.want = "permit - m" },
	{ .name = "tags add up, once each",
		.rules = "rules: [{name: a, phase: response, tag: [x, y]}, {name: b, phase: "
			 "response, tag: [y, z], redact: {classes: [pii]}}]\n",
		.want = "permit - tags x y z mm" },
	{ .name = "rules on requests are not asked",
		.rules = "rules: [{name: q, deny: true}, {name: a, phase: response, tag: x}]\n",
		.want = "permit - tags x m" },
	{ .name = "a field of the request reads as it was decided",
		.rules = "rules: [{name: a, phase: response, when: 'model.name == \"asked\" && "
			 "identity.person == \"alice\" && prompt.tokens == 42', deny: true}]\n",
		.verified = true,
		.model = "asked",
		.want = "deny a 403 'denied by policy' m" },
	{ .name = "a parameter that was not given fails",
		.rules = "rules: [{name: a, phase: response, when: 'request.seed == 1.0', tag: "
			 "x}]\n",
		.want = "deny a 403 'a rule of the policy could not be evaluated' e" },
	{ .name = "on_error: skip does not match",
		.rules =
			"rules: [{name: a, phase: response, when: 'request.seed == 1.0', deny: "
			"true, on_error: skip}]\n",
		.want = "permit - e" },
	{ .name = "a failure keeps the status of its denial",
		.rules =
			"rules: [{name: a, phase: response, when: 'request.seed == 1.0', deny: "
			"{status: 451}}]\n",
		.want = "deny a 451 'a rule of the policy could not be evaluated' e" },
	/* shadow */
	{ .name = "the policy's shadow lifts a denial for who is verified",
		.rules = "mode: shadow\nrules: [{name: a, phase: response, deny: true}]\n",
		.verified = true,
		.want = "permit - | would deny a m" },
	{ .name = "and for nobody else",
		.rules = "mode: shadow\nrules: [{name: a, phase: response, deny: true}]\n",
		.want = "deny a 403 'denied by policy' m" },
	{ .name = "a rule in shadow lets the next one speak",
		.rules = "rules: [{name: a, phase: response, mode: shadow, deny: true},"
			 "{name: b, phase: response, redact: {classes: pii}}]\n",
		.verified = true,
		.found = { "US_SSN" },
		.want = "redact b US_SSN=placeholder | would deny a mm" },
	{ .name = "a redaction in shadow is recorded",
		.rules = "rules: [{name: a, phase: response, mode: shadow, redact: {classes: "
			 "pii}, tag: s}]\n",
		.verified = true,
		.found = { "US_SSN" },
		.want = "permit - tags s | would redact a m" },
	{ .name = "a failure is enforced in shadow",
		.rules = "mode: shadow\nrules: [{name: a, phase: response, when: 'request.seed "
			 "== 1.0', deny: true}]\n",
		.verified = true,
		.want = "deny a 403 'a rule of the policy could not be evaluated' e" },
	/* every field */
	{ .name = "every field of the answer is read",
		.rules = "rules: [{name: a, phase: response, when: 'response.bytes == 7 && "
			 "response.tokens == 3 && response.finish_reason == \"stop\" && "
			 "response.model == \"m-1\" && response.status == 200 && "
			 "response.evasion && response.streamed && response.injection > 0.4 && "
			 "response.media == [\"image\"]', deny: true}]\n",
		.f = { .bytes = 7,
			.tokens = 3,
			.finish_reason = SPAN_LIT("stop"),
			.model = SPAN_LIT("m-1"),
			.status = 200,
			.evasion = true,
			.streamed = true,
			.injection = 0.5,
			.media = image,
			.nmedia = 1 },
		.want = "deny a 403 'denied by policy' m" },
	{ .name = "what is not known is empty",
		.rules = "rules: [{name: a, phase: response, when: 'response.bytes == 0 && "
			 "response.finish_reason == \"\" && response.media == [] && "
			 "response.tool_calls == [] && !has(response.model)', deny: true}]\n",
		.want = "deny a 403 'denied by policy' m" },
	{ .name = "a class with a score is in the answer's from that score on",
		.rules = "classes: {steer: {score: 0.5}}\nrules: [{name: a, phase: response, "
			 "when: '\"steer\" in response.classes', deny: true}]\n",
		.f = { .injection = 0.5 },
		.want = "deny a 403 'denied by policy' m" },
	{ .name = "and not below it",
		.rules = "classes: {steer: {score: 0.5}}\nrules: [{name: a, phase: response, "
			 "when: '\"steer\" in response.classes', deny: true}]\n",
		.f = { .injection = 0.49 },
		.want = "permit - n" },
	/* tool calls */
	{ .name = "a tool call is read by name and arguments",
		.rules = "rules: [{name: a, phase: response, when: "
			 "'response.tool_calls.exists(t, t.name == \"run\" && "
			 "t.arguments.path.startsWith(\"/etc/\"))', deny: true}]\n",
		.tool = { .name = SPAN_LIT("run"),
			.arguments = SPAN_LIT("{\"path\":\"/etc/passwd\",\"n\":1}") },
		.want = "deny a 403 'denied by policy' m" },
	{ .name = "another tool's is not it",
		.rules = "rules: [{name: a, phase: response, when: "
			 "'response.tool_calls.exists(t, t.name == \"run\" && "
			 "t.arguments.path.startsWith(\"/etc/\"))', deny: true}]\n",
		.tool = { .name = SPAN_LIT("read"),
			.arguments = SPAN_LIT("{\"path\":\"/etc/passwd\"}") },
		.want = "permit - n" },
	{ .name = "arguments that are no JSON are text, and a member of them fails",
		.rules = "rules: [{name: a, phase: response, when: "
			 "'response.tool_calls.exists(t, t.arguments.path == \"/\")', deny: "
			 "{status: 451}}]\n",
		.tool = { .name = SPAN_LIT("run"),
			.arguments = SPAN_LIT("{\"path\":\"/tmp\"") },
		.want = "deny a 451 'a rule of the policy could not be evaluated' e" },
	{ .name = "arguments with a key twice are text: others read the other one",
		.rules = "rules: [{name: a, phase: response, when: "
			 "'response.tool_calls.exists(t, t.arguments.path == \"/\")', deny: "
			 "true}]\n",
		.tool = { .name = SPAN_LIT("run"),
			.arguments = SPAN_LIT("{\"path\":\"/tmp\",\"path\":\"/\"}") },
		.want = "deny a 403 'a rule of the policy could not be evaluated' e" },
	{ .name = "no arguments are none",
		.rules = "rules: [{name: a, phase: response, when: "
			 "'response.tool_calls.all(t, size(t.arguments) == 0)', tag: x}]\n",
		.tool = { .name = SPAN_LIT("run"), .arguments = SPAN_LIT("") },
		.want = "permit - tags x m" },
	{ .name = "arguments that were too long to keep fail",
		.rules = "rules: [{name: a, phase: response, when: "
			 "'response.tool_calls.exists(t, t.arguments.path == \"/\")', deny: "
			 "{status: 451}}]\n",
		.tool = { .name = SPAN_LIT("run"),
			.arguments = SPAN_LIT("{\"path\":\"/"),
			.lost = true },
		.want = "deny a 451 'a rule of the policy could not be evaluated' e" },
	/* the time of evaluation */
	{ .name = "totals wait until the text is complete",
		.rules = "rules: [{name: a, phase: response, when: 'response.bytes > 5', deny: "
			 "true},{name: b, phase: response, redact: {classes: pii}}]\n",
		.when = ANSWER_NEW,
		.found = { "US_SSN" },
		.f = { .bytes = 9 },
		.want = "redact b US_SSN=placeholder wm" },
	{ .name = "and are judged at a block's end",
		.rules = "rules: [{name: a, phase: response, when: 'response.bytes > 5', deny: "
			 "true}]\n",
		.when = ANSWER_BLOCK,
		.f = { .bytes = 9 },
		.want = "deny a 403 'denied by policy' m" },
	{ .name = "so is the score",
		.rules = "rules: [{name: a, phase: response, when: 'response.injection > 0.5', "
			 "deny: true}]\n",
		.when = ANSWER_NEW,
		.f = { .injection = 0.9 },
		.want = "permit - w" },
	{ .name = "so is a class that has a score",
		.rules = "classes: {steer: {score: 0.5}}\nrules: [{name: a, phase: response, "
			 "when: '!(\"steer\" in response.classes)', deny: true}]\n",
		.when = ANSWER_NEW,
		.want = "permit - w" },
	{ .name = "a finish reason waits until there is one",
		.rules = "rules: [{name: a, phase: response, when: 'response.finish_reason != "
			 "\"stop\"', deny: true}]\n",
		.when = ANSWER_BLOCK,
		.want = "permit - w" },
	{ .name = "or until the end",
		.rules = "rules: [{name: a, phase: response, when: 'response.finish_reason != "
			 "\"stop\"', deny: true}]\n",
		.when = ANSWER_END,
		.want = "deny a 403 'denied by policy' m" },
	{ .name = "a finish reason at a block's end",
		.rules = "rules: [{name: a, phase: response, when: 'response.finish_reason == "
			 "\"length\"', tag: cut}]\n",
		.when = ANSWER_BLOCK,
		.f = { .finish_reason = SPAN_LIT("length") },
		.want = "permit - tags cut m" },
	{ .name = "entities do not wait",
		.rules = "rules: [{name: a, phase: response, when: '\"US_SSN\" in "
			 "response.entities', deny: true}]\n",
		.when = ANSWER_NEW,
		.found = { "US_SSN" },
		.want = "deny a 403 'denied by policy' m" },
	/* calls, by rules with phase: tool */
	{ .name = "a call that is denied denies the answer",
		.rules = "rules: [{name: a, phase: tool, when: 'tool.name == \"rm\"', deny: "
			 "{reason: no rm, as: error}, tag: [x]}, {name: b, phase: response, "
			 "tag: y}]\n",
		.tool = { .name = SPAN_LIT("rm"), .arguments = SPAN_LIT("{}") },
		.want = "deny a 403 'no rm' tags x y m" },
	{ .name = "another passes",
		.rules = "rules: [{name: a, phase: tool, when: 'tool.name == \"rm\"', deny: "
			 "true}]\n",
		.tool = { .name = SPAN_LIT("ls"), .arguments = SPAN_LIT("{}") },
		.want = "permit - " },
	{ .name = "tool rules are not evaluated without calls",
		.rules = "rules: [{name: a, phase: tool, deny: true}]\n",
		.want = "permit - " },
	{ .name = "arguments are read, and of a model's call there is no server",
		.rules =
			"rules: [{name: a, phase: tool, when: 'tool.arguments.path == \"/\" && "
			"tool.server == \"\" && mcp.method == \"\"', deny: true}]\n",
		.tool = { .name = SPAN_LIT("rm"), .arguments = SPAN_LIT("{\"path\":\"/\"}") },
		.want = "deny a 403 'denied by policy' " },
	{ .name = "arguments that were not kept fail",
		.rules = "rules: [{name: a, phase: tool, when: 'tool.arguments.path == \"/\"', "
			 "permit: true}]\n",
		.tool = { .name = SPAN_LIT("rm"), .arguments = SPAN_LIT("{"), .lost = true },
		.want = "deny a 403 'a rule of the policy could not be evaluated' " },
	{ .name = "in a stream calls wait for the end of their block",
		.rules = "rules: [{name: a, phase: tool, deny: true}]\n",
		.when = ANSWER_NEW,
		.tool = { .name = SPAN_LIT("rm"), .arguments = SPAN_LIT("{\"pa") },
		.want = "permit - " },
	{ .name = "shadow lifts the denial of a call",
		.rules = "mode: shadow\nrules: [{name: a, phase: tool, deny: true}]\n",
		.verified = true,
		.tool = { .name = SPAN_LIT("rm"), .arguments = SPAN_LIT("{}") },
		.want = "permit - | would deny a " },
	{ .name = "a route that the rule cannot reach is not asked about",
		.rules = "rules: [{name: a, phase: tool, when: 'route.name != \"chat\" || "
			 "tool.server != \"\"', deny: true}]\n",
		.tool = { .name = SPAN_LIT("rm"), .arguments = SPAN_LIT("{}") },
		.want = "permit - " },
};

static void
describe(const struct policy *p, const struct answer_verdict *v, struct buf *out)
{
	static const char *const effects[] = { "deny", "permit", "redact" };
	static const char fates[] = { '-', 'n', 'm', 'e', 'w' };

	buf_printf(out, "%s %s", effects[v->ruled.effect],
		v->ruled.rule ? v->ruled.rule->name : "-");
	if (v->ruled.effect == RULE_DENY)
		buf_printf(out, " %d '%s'", v->ruled.status, v->ruled.reason);
	for (size_t i = 0; v->ruled.effect == RULE_REDACT && i < ENTITIES; i++) {
		size_t e = (size_t)detect_entity_find(detect_fix()->rules, span_str(shown[i]));
		if (entity_in(&v->redact.of, e))
			buf_printf(out, " %s=%s", shown[i], style_names[v->redact.with[e]]);
	}
	for (size_t i = 0; i < v->ruled.ntags; i++)
		buf_printf(out, "%s%s", i ? " " : " tags ", v->ruled.tags[i]);
	if (v->ruled.shadowed)
		buf_printf(out, " | would %s %s", effects[v->ruled.shadow_effect],
			v->ruled.shadow_rule ? v->ruled.shadow_rule->name : "-");
	buf_str(out, " ");
	for (size_t i = 0; i < p->nanswer_rules; i++)
		buf_putc(out, fates[v->ruled.trace[i].fate]);
	buf_putc(out, 0);
}

static void
request_of(const struct policy *p, const struct row *row, struct arena *a,
	struct answer_request *out)
{
	struct body *body = arena_new(a, struct body);
	struct identity id = { .method = "none" };
	char name[] = "alice";

	if (row->verified)
		id = (struct identity){
			.method = "jwt", .person = span_of(name, 5), .verified = true
		};
	body->model = span_str(row->model);
	struct policy_facts f = { .identity = &id,
		.route = p->routes,
		.method = SPAN_LIT("POST"),
		.path = SPAN_LIT("/v1/chat/completions"),
		.whole = true,
		.body = body,
		.model = body->model,
		.rules = detect_fix()->rules,
		.tokens = 42 };
	assert_int_equal(policy_answer_request(p, &f, a, out), 0);
	memset(name, 'x', 5); /* the kept data borrows nothing from the request */
	memset(&id, 0, sizeof(id));
}

static void
response_rules_give_their_verdict(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const struct row *row = &rows[i];
		struct policy_fix x;
		struct answer_request asked;
		struct answer_verdict v;
		struct buf text, policy;
		buf_init(&policy, 0);
		buf_printf(&policy, "%s%s", H, row->rules);
		buf_putc(&policy, 0);
		const struct policy *p = fix_must_load(&x, buf_view(&policy).p);
		request_of(p, row, &x.a, &asked);
		struct answer_facts f = row->f;
		f.rules = detect_fix()->rules;
		add(&f.entities, row->found, ENTITIES);
		f.tools = &row->tool;
		f.ntools = row->tool.name.n > 0;
		assert_int_equal(policy_answer(p, &asked, &f, row->when, &x.a, &v), 0);
		buf_init(&text, 0);
		describe(p, &v, &text);
		if (strcmp(buf_view(&text).p, row->want) != 0)
			fail_msg("%s: %s, wanted %s", row->name, buf_view(&text).p, row->want);
		buf_free(&text);
		buf_free(&policy);
		fix_done(&x);
	}
}

/* ---- which routes ---- */

static const struct reach {
	const char *name, *when, *want; /* routes whose responses are inspected */
} reaches[] = {
	{ "without a condition all", "true", "chat beta gamma" },
	{ "by the route's name", "route.name == \"beta\"", "beta" },
	{ "by name and something else", "route.name == \"beta\" && response.bytes > 1",
		"beta" },
	{ "by name or something else", "route.name == \"beta\" || response.bytes > 1",
		"chat beta gamma" },
	{ "not by name", "!(route.name in [\"beta\", \"gamma\"]) && response.bytes > 1",
		"chat" },
	{ "by a target", "target.name == \"eu\" && response.bytes > 1", "gamma" },
	{ "by one of its targets", "target.external && response.bytes > 1", "chat beta gamma" },
	{ "by what the targets are", "!target.external && response.bytes > 1", "gamma" },
	{ "by the method of those that have one",
		"request.method == \"GET\" && response.bytes > 1", "beta gamma" },
	{ "by the path of those that have one", "request.path == \"/b\" && response.bytes > 1",
		"beta gamma" },
	{ "by choice", "route.name == \"chat\" ? response.bytes > 1 : false", "chat" },
	{ "never", "false", "" },
	{ "a failure may reach", "identity.attributes.x == 1", "chat beta gamma" },
	{ "by a macro over the name",
		"[\"be\", \"ga\"].exists(s, route.name.startsWith(s)) && response.bytes > 1",
		"beta gamma" },
};

static void
routes_that_a_rule_may_reach_are_inspected(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(reaches) / sizeof(reaches[0]); i++) {
		struct policy_fix x;
		struct buf text, got;
		buf_init(&text, 0);
		buf_init(&got, 0);
		buf_printf(&text,
			H "  - {name: beta, match: {path: /b}, backend: openai}\n"
			  "  - {name: gamma, match: {path_prefix: /b}, targets: [us, eu]}\n"
			  "providers: {us: {backend: openai}, eu: {backend: local, external: "
			  "false}}\n"
			  "rules: [{name: a, phase: response, when: '%s', deny: true}]\n",
			reaches[i].when);
		buf_putc(&text, 0);
		const struct policy *p = fix_must_load(&x, buf_view(&text).p);
		for (size_t k = 0; k < p->nroutes; k++)
			if (p->routes[k].response & RESP_INSPECT)
				buf_printf(&got, "%s%s", got.n ? " " : "", p->routes[k].name);
		buf_putc(&got, 0);
		if (strcmp(buf_view(&got).p, reaches[i].want) != 0)
			fail_msg("%s: %s, wanted %s", reaches[i].name, buf_view(&got).p,
				reaches[i].want);
		buf_free(&got);
		buf_free(&text);
		fix_done(&x);
	}
}

static bool
used(const struct route *r, const char *entity)
{
	return entity_in(&r->uses.entities,
		(size_t)detect_entity_find(detect_fix()->rules, span_str(entity)));
}

static void
route_lists_what_its_rules_can_use(void **state)
{
	struct policy_fix x;
	const struct policy *p = fix_must_load(&x, H
		"  - {name: other, match: {path: /o}, backend: openai}\n"
		"  - {name: calls, match: {path: /c}, backend: openai}\n"
		"  - {name: free, match: {path: /f}, backend: openai, response: [meter, "
		"restore, inspect]}\n"
		"rules:\n"
		"  - {name: a, phase: response, when: 'route.name == \"chat\" && \"US_SSN\" in "
		"response.entities', deny: true}\n"
		"  - {name: b, phase: response, when: 'route.name == \"chat\"', redact: "
		"{entities: [IBAN_CODE]}}\n"
		"  - {name: c, phase: response, when: 'route.name == \"other\" && "
		"(response.evasion || response.injection > 0.5)', deny: true}\n"
		"  - {name: d, phase: response, when: 'route.name == \"calls\" && "
		"response.tool_calls.exists(t, t.name == \"x\") && \"EMAIL_ADDRESS\" in "
		"prompt.entities', deny: true}\n");
	const struct route *r = p->routes;

	(void)state;
	assert_true(r[0].uses.any && used(&r[0], "US_SSN") && used(&r[0], "IBAN_CODE"));
	assert_false(used(&r[0], "EMAIL_ADDRESS") || r[0].uses.all || r[0].uses.injection ||
		     r[0].uses.tool_calls);
	assert_true(r[1].uses.any && r[1].uses.all && r[1].uses.injection);
	assert_true(r[2].uses.tool_calls && !r[2].uses.all && !used(&r[2], "EMAIL_ADDRESS"));
	assert_int_equal(r[3].response, RESP_METER | RESP_RESTORE | RESP_INSPECT);
	assert_false(r[3].uses.any);
	/* Entities used only for responses are not searched for in requests, and the
	 * reverse. */
	size_t ssn = (size_t)detect_entity_find(detect_fix()->rules, SPAN_LIT("US_SSN")),
	       mail = (size_t)detect_entity_find(
		       detect_fix()->rules, SPAN_LIT("EMAIL_ADDRESS"));
	assert_false(entity_in(&p->used, ssn) || p->uses_all || p->scores);
	assert_true(entity_in(&p->used, mail));
	assert_int_equal(p->nrules, 0);
	assert_int_equal(p->nanswer_rules, 4);
	fix_done(&x);
}

static void
without_response_rules_nothing_is_inspected_or_kept(void **state)
{
	struct policy_fix x;
	struct answer_request asked;
	struct answer_verdict v;
	struct row row = { .verified = true };
	const struct policy *p = fix_must_load(&x, H "rules: [{name: a, deny: true}]\n");

	(void)state;
	assert_int_equal(p->routes->response, 0);
	assert_int_equal(p->nanswer_slots, 0);
	request_of(p, &row, &x.a, &asked);
	struct answer_facts f = { .rules = detect_fix()->rules };
	assert_int_equal(policy_answer(p, &asked, &f, ANSWER_WHOLE, &x.a, &v), 0);
	assert_int_equal(v.ruled.effect, RULE_PERMIT);
	fix_done(&x);
}

static void
lack_of_memory_does_not_permit(void **state)
{
	struct policy_fix x;
	struct answer_request asked;
	struct answer_verdict v;
	struct row row = { .verified = true };
	const struct policy *p = fix_must_load(&x,
		H "rules: [{name: a, phase: response, when: 'response.tool_calls.exists(t, "
		  "t.arguments.a == identity.person)', deny: true}]\n");
	struct answer_tool tool = { .name = SPAN_LIT("t"),
		.arguments = SPAN_LIT("{\"a\":\"alice\"}") };
	struct answer_facts f = { .rules = detect_fix()->rules, .tools = &tool, .ntools = 1 };
	bool done = false;

	(void)state;
	request_of(p, &row, &x.a, &asked);
	for (size_t cap = 64; cap < 1 << 20 && !done; cap += 64) {
		struct arena a;
		arena_init(&a, cap, true);
		int err = policy_answer(p, &asked, &f, ANSWER_WHOLE, &a, &v);
		assert_true(err < 0 || v.ruled.effect == RULE_DENY);
		done = err == 0 && v.ruled.rule && !v.ruled.failed;
		arena_reset(&a);
	}
	assert_true(done);
	fix_done(&x);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(response_rules_give_their_verdict),
		cmocka_unit_test(routes_that_a_rule_may_reach_are_inspected),
		cmocka_unit_test(route_lists_what_its_rules_can_use),
		cmocka_unit_test(without_response_rules_nothing_is_inspected_or_kept),
		cmocka_unit_test(lack_of_memory_does_not_permit),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
