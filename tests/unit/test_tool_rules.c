/* Rules with phase: tool: their verdict on a call, what they hide in a list, the routes that
 * they may reach, and the data of the request that is kept for them; limits that count calls.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>

#include "policy/env.h"
#include "policy/rule.h"
#include "policy/verdict/tool.h"
#include "scan/text/body.h"
#include "scan/text/style.h"
#include "support/policy_fix.h"

#define H POLICY_HEAD

static const char *const shown[] = { "EMAIL_ADDRESS", "US_SSN", "AWS_ACCESS_KEY" };

static const struct row {
	const char *name, *rules;
	bool verified;
	struct tool_call c;
	const char *want;
} rows[] = {
	{ .name = "what no rule denies passes, whatever the default",
		.rules = "rules: [{name: a, phase: tool, when: 'tool.name == \"x\"', deny: "
			 "true}]\ndefault: deny\n",
		.c = { .name = SPAN_LIT("y") },
		.want = "permit - n" },
	{ .name = "a name denies, with a result that says why",
		.rules = "rules: [{name: a, phase: tool, when: 'tool.name == \"x\"', deny: "
			 "{reason: no x}}]\n",
		.c = { .name = SPAN_LIT("x") },
		.want = "deny a result 'no x' m" },
	{ .name = "as an error, and hidden",
		.rules = "rules: [{name: a, phase: tool, when: 'tool.name == \"x\"', deny: "
			 "{as: error, hide: true}}]\n",
		.c = { .name = SPAN_LIT("x") },
		.want = "deny a error hide 'denied by policy' m" },
	{ .name = "names are compared bytewise",
		.rules = "rules: [{name: a, phase: tool, when: 'tool.name == \"x\"', deny: "
			 "true}]\n",
		.c = { .name = SPAN_LIT("X") },
		.want = "permit - n" },
	{ .name = "permit ends it",
		.rules = "rules: [{name: a, phase: tool, when: 'tool.name == \"x\"', permit: "
			 "true}, {name: b, phase: tool, deny: true}]\n",
		.c = { .name = SPAN_LIT("x") },
		.want = "permit a by a rule m-" },
	{ .name = "deny: true is for calls, and ends no handshake",
		.rules = "rules: [{name: b, phase: tool, deny: true}]\n",
		.c = { .method = SPAN_LIT("initialize") },
		.want = "permit - n" },
	{ .name = "a resource's URI makes a call of it",
		.rules = "rules: [{name: b, phase: tool, deny: true}]\n",
		.c = { .method = SPAN_LIT("resources/read"), .uri = SPAN_LIT("file:///x") },
		.want = "deny b result 'denied by policy' m" },
	{ .name = "what reads the method is asked about every message",
		.rules = "rules: [{name: a, phase: tool, when: 'mcp.method == "
			 "\"logging/setLevel\"', deny: {as: error}}]\n",
		.c = { .method = SPAN_LIT("logging/setLevel") },
		.want = "deny a error 'denied by policy' m" },
	{ .name = "a method that nobody knows is permitted by name",
		.rules = "rules: [{name: a, phase: tool, when: 'mcp.method.startsWith(\"x/\")',"
			 " permit: true}]\n",
		.c = { .method = SPAN_LIT("x/y") },
		.want = "permit a by a rule m" },
	{ .name = "and not by a rule that says nothing of methods",
		.rules = "rules: [{name: a, phase: tool, permit: true}]\n",
		.c = { .method = SPAN_LIT("x/y") },
		.want = "permit - n" },
	{ .name = "every field of a call is read",
		.rules = "rules: [{name: a, phase: tool, when: 'tool.name == \"n\" && "
			 "tool.server == \"s\" && tool.state == \"approved\" && "
			 "tool.description == \"d\" && resource.uri == \"u\" && mcp.method == "
			 "\"tools/call\" && tool.arguments.amount > 10 && "
			 "tool.arguments.to[0].name == \"bob\"', deny: true}]\n",
		.c = { .name = SPAN_LIT("n"),
			.server = SPAN_LIT("s"),
			.state = TOOL_APPROVED,
			.description = SPAN_LIT("d"),
			.uri = SPAN_LIT("u"),
			.method = SPAN_LIT("tools/call"),
			.arguments = SPAN_LIT("{\"amount\": 11, \"to\": [{\"name\": "
					      "\"b\\u006fb\"}]}") },
		.want = "deny a result 'denied by policy' m" },
	{ .name = "what is not known is empty",
		.rules =
			"rules: [{name: a, phase: tool, when: 'tool.server == \"\" && "
			"tool.state == \"\" && !has(tool.arguments) && !has(tool.description)',"
			" tag: t}]\n",
		.c = { .name = SPAN_LIT("x") },
		.want = "permit - tags t m" },
	{ .name = "arguments with a key twice fail what reads a member",
		.rules = "rules: [{name: a, phase: tool, when: 'tool.arguments.path == \"/\"', "
			 "deny: true}]\n",
		.c = { .name = SPAN_LIT("x"),
			.arguments = SPAN_LIT("{\"path\":1,\"path\":2}") },
		.want = "deny a result 'a rule of the policy could not be evaluated' e" },
	{ .name = "so do those that are too long to keep",
		.rules = "rules: [{name: a, phase: tool, when: 'tool.arguments.path == \"/\"', "
			 "deny: {as: error, hide: true}}]\n",
		.c = { .name = SPAN_LIT("x"),
			.arguments = SPAN_LIT("{\"path\":"),
			.lost = true },
		.want = "deny a error 'a rule of the policy could not be evaluated' e" },
	{ .name = "on_error: skip does not match",
		.rules = "rules: [{name: a, phase: tool, when: 'tool.arguments.path == \"/\"', "
			 "deny: true, on_error: skip}]\n",
		.c = { .name = SPAN_LIT("x"), .arguments = SPAN_LIT("{}") },
		.want = "permit - e" },
	{ .name = "redactions add up, whatever was found",
		.rules = "rules: [{name: a, phase: tool, redact: {entities: US_SSN, with: "
			 "mask}},"
			 "{name: b, phase: tool, redact: {classes: [pii]}, permit: true}]\n",
		.c = { .name = SPAN_LIT("x") },
		.want = "redact b by a rule EMAIL_ADDRESS=placeholder US_SSN=mask mm" },
	{ .name = "a denial drops them",
		.rules = "rules: [{name: a, phase: tool, redact: {entities: US_SSN}},"
			 "{name: b, phase: tool, deny: true, tag: [x]}]\n",
		.c = { .name = SPAN_LIT("x") },
		.want = "deny b result 'denied by policy' tags x mm" },
	{ .name = "a field of the request reads as it was decided",
		.rules =
			"rules: [{name: a, phase: tool, when: 'identity.person == \"alice\" && "
			"route.name == \"chat\" && request.method == \"POST\" && "
			"model.name == \"m\" && prompt.tokens == 42', deny: true}]\n",
		.verified = true,
		.c = { .name = SPAN_LIT("x") },
		.want = "deny a result 'denied by policy' m" },
	{ .name = "rules of other phases are not asked",
		.rules =
			"rules: [{name: q, deny: true}, {name: r, phase: response, deny: true},"
			"{name: a, phase: tool, tag: x}]\n",
		.c = { .name = SPAN_LIT("x") },
		.want = "permit - tags x m" },
	/* pins */
	{ .name = "a changed description denies and hides",
		.rules = "rules: [{name: a, phase: tool, when: 'tool.name == \"y\"', deny: "
			 "true}]\n",
		.c = { .name = SPAN_LIT("x"), .state = TOOL_CHANGED },
		.want = "deny - changed result hide 'the tool's description differs from the "
			"approved one' n" },
	{ .name = "a permit by name does not know of pins",
		.rules = "rules: [{name: a, phase: tool, when: 'tool.name == \"x\"', permit: "
			 "true}]\n",
		.c = { .name = SPAN_LIT("x"), .state = TOOL_CHANGED },
		.want = "deny - changed result hide 'the tool's description differs from the "
			"approved one' m" },
	{ .name = "one that reads tool.state does",
		.rules = "rules: [{name: a, phase: tool, when: 'tool.state == \"changed\"', "
			 "permit: true}]\n",
		.c = { .name = SPAN_LIT("x"), .state = TOOL_CHANGED },
		.want = "permit a by a rule m" },
	{ .name = "new and unlisted pass, where no rule says otherwise",
		.rules = "rules: [{name: a, phase: tool, when: 'tool.state == \"unlisted\"', "
			 "deny: true}]\n",
		.c = { .name = SPAN_LIT("x"), .state = TOOL_NEW },
		.want = "permit - n" },
	{ .name = "and a rule may",
		.rules = "rules: [{name: a, phase: tool, when: 'tool.state == \"unlisted\"', "
			 "deny: true}]\n",
		.c = { .name = SPAN_LIT("x"), .state = TOOL_UNLISTED },
		.want = "deny a result 'denied by policy' m" },
	/* shadow */
	{ .name = "the policy's shadow lifts a denial for who is verified",
		.rules = "mode: shadow\nrules: [{name: a, phase: tool, deny: true}]\n",
		.verified = true,
		.c = { .name = SPAN_LIT("x") },
		.want = "permit - | would deny a m" },
	{ .name = "and for nobody else",
		.rules = "mode: shadow\nrules: [{name: a, phase: tool, deny: true}]\n",
		.c = { .name = SPAN_LIT("x") },
		.want = "deny a result 'denied by policy' m" },
	{ .name = "a permit in shadow permits nobody",
		.rules =
			"rules: [{name: a, phase: tool, permit: true, mode: shadow}, {name: b, "
			"phase: tool, deny: true}]\n",
		.verified = true,
		.c = { .name = SPAN_LIT("x") },
		.want = "deny b result 'denied by policy' | would permit a mm" },
	{ .name = "a failure is enforced in shadow",
		.rules = "mode: shadow\nrules: [{name: a, phase: tool, when: "
			 "'tool.arguments.x == 1', deny: true}]\n",
		.verified = true,
		.c = { .name = SPAN_LIT("x"), .arguments = SPAN_LIT("{}") },
		.want = "deny a result 'a rule of the policy could not be evaluated' e" },
	{ .name = "and a changed description too",
		.rules = "mode: shadow\nrules: [{name: a, phase: tool, tag: t}]\n",
		.verified = true,
		.c = { .name = SPAN_LIT("x"), .state = TOOL_CHANGED },
		.want = "deny - changed result hide 'the tool's description differs from the "
			"approved one' tags t m" },
};

static void
describe(const struct policy *p, const struct tool_verdict *v, struct buf *out)
{
	static const char *const effects[] = { "deny", "permit", "redact" };
	static const char fates[] = { '-', 'n', 'm', 'e', 'w' };

	buf_printf(out, "%s %s", effects[v->ruled.effect],
		v->ruled.rule ? v->ruled.rule->name : "-");
	buf_str(out, v->permitted ? " by a rule" : "");
	if (v->ruled.effect == RULE_DENY)
		buf_printf(out, "%s %s%s '%s'", v->changed ? " changed" : "",
			v->error ? "error" : "result", v->hide ? " hide" : "", v->ruled.reason);
	for (size_t i = 0; i < COUNT_OF(shown); i++) {
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
	for (size_t i = 0; i < p->ntool_rules; i++)
		buf_putc(out, fates[v->ruled.trace[i].fate]);
	buf_putc(out, 0);
}

static void
request_of(const struct policy *p, bool verified, struct arena *a, struct answer_request *out)
{
	struct body body = { .model = SPAN_LIT("m") };
	struct identity id = { .method = "none" };

	if (verified)
		id = (struct identity){
			.method = "jwt", .person = SPAN_LIT("alice"), .verified = true
		};
	struct policy_facts f = { .identity = &id,
		.route = p->routes,
		.method = SPAN_LIT("POST"),
		.path = SPAN_LIT("/v1/chat/completions"),
		.whole = true,
		.body = &body,
		.model = body.model,
		.rules = detect_fix()->rules,
		.tokens = 42 };
	assert_int_equal(policy_answer_request(p, &f, a, out), 0);
}

static void
tool_rules_give_their_verdict(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		const struct row *row = &rows[i];
		struct policy_fix x;
		struct answer_request asked;
		struct tool_verdict v;
		struct buf text;
		const struct policy *p = fix_load_rules(&x, row->rules);
		request_of(p, row->verified, &x.a, &asked);
		assert_int_equal(policy_tool(p, &asked, &row->c, &x.a, &v), 0);
		buf_init(&text, 0);
		describe(p, &v, &text);
		if (strcmp(buf_view(&text).p, row->want) != 0)
			fail_msg("%s: %s, wanted %s", row->name, buf_view(&text).p, row->want);
		buf_free(&text);
		fix_done(&x);
	}
}

/* ---- lists ---- */

#define RULE(name, when, effect)                                                               \
	"rules: [{name: " name ", phase: tool, when: '" when "', " effect "}"
#define AND(name, when, effect) ", {name: " name ", phase: tool, when: '" when "', " effect "}"
#define HIDE			"deny: {hide: true}"

static const struct listed {
	const char *name, *rules, *tool;
	enum tool_as as; /* TOOL_LISTED by default */
	bool verified;
	enum tool_state state;
	const char *by; /* NULL: shown; "": hidden because its description changed */
} listed[] = {
	{ "what is denied and hidden is not shown", RULE("a", "tool.name == \"x\"", HIDE) "]\n",
		.tool = "x", .by = "a" },
	{ "others are", RULE("a", "tool.name == \"x\"", HIDE) "]\n", .tool = "y" },
	{ "what is only denied is shown", RULE("a", "tool.name == \"x\"", "deny: true") "]\n",
		.tool = "x" },
	{ "agentgateway#3092: a rule that reads arguments hides nothing",
		RULE("a", "tool.arguments.path == \"/\"", HIDE) "]\n", .tool = "x" },
	{ "nor where it asks whether they are there",
		RULE("a", "!has(tool.arguments)", HIDE) "]\n", .tool = "x" },
	{ "it does where they make no difference",
		RULE("a", "tool.name == \"x\" || tool.arguments.path == \"/\"", HIDE) "]\n",
		.tool = "x", .by = "a" },
	{ "a permit that depends on arguments keeps it shown",
		RULE("a", "tool.arguments.dry == true", "permit: true")
			AND("b", "true", HIDE) "]\n",
		.tool = "x" },
	{ "a permit by name does too",
		RULE("a", "tool.name == \"x\"", "permit: true") AND("b", "true", HIDE) "]\n",
		.tool = "x" },
	{ "for its name alone",
		RULE("a", "tool.name == \"x\"", "permit: true") AND("b", "true", HIDE) "]\n",
		.tool = "y", .by = "b" },
	{ "a denial without hide before it keeps it shown",
		RULE("a", "tool.name == \"x\"", "deny: true") AND("b", "true", HIDE) "]\n",
		.tool = "x" },
	{ "who asks is known", RULE("a", "identity.person == \"alice\"", HIDE) "]\n",
		.tool = "x", .verified = true, .by = "a" },
	{ "what a call will hold is not known from a list's request",
		RULE("a", "prompt.tokens == 42", HIDE) "]\n", .tool = "x" },
	{ "from a chat request it is", RULE("a", "prompt.tokens == 42", HIDE) "]\n",
		.tool = "x", .as = TOOL_OFFERED, .by = "a" },
	{ "but not the arguments", RULE("a", "tool.arguments.path != \"/\"", HIDE) "]\n",
		.tool = "x", .as = TOOL_OFFERED },
	{ "the method is the one that would use it",
		RULE("a", "mcp.method == \"tools/call\"", HIDE) "]\n", .tool = "x", .by = "a" },
	{ "a condition that fails hides nothing",
		RULE("a", "identity.attributes.x == 1", HIDE) "]\n", .tool = "x" },
	{ "a rule in shadow hides nothing", RULE("a", "true", HIDE ", mode: shadow") "]\n",
		.tool = "x", .verified = true },
	{ "the policy's shadow neither", "mode: shadow\n" RULE("a", "true", HIDE) "]\n",
		.tool = "x", .verified = true },
	{ "but for who is not verified", "mode: shadow\n" RULE("a", "true", HIDE) "]\n",
		.tool = "x", .by = "a" },
	{ "a permit in shadow keeps nothing shown",
		RULE("a", "true", "permit: true, mode: shadow") AND("b", "true", HIDE) "]\n",
		.tool = "x", .verified = true, .by = "b" },
	{ "what changed is hidden", RULE("a", "tool.name == \"y\"", "deny: true") "]\n",
		.tool = "x", .state = TOOL_CHANGED, .by = "" },
	{ "unless a rule that knows of pins permits it",
		RULE("a", "tool.state == \"changed\"", "permit: true") "]\n", .tool = "x",
		.state = TOOL_CHANGED },
	{ "or may",
		RULE("a", "tool.state == \"changed\" && tool.arguments.dry",
			"permit: true") "]\n",
		.tool = "x", .state = TOOL_CHANGED },
};

static void
tool_rules_hide_list_entries(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT_OF(listed); i++) {
		const struct listed *row = &listed[i];
		struct policy_fix x;
		struct answer_request asked;
		const struct rule *by;
		const struct policy *p = fix_load_rules(&x, row->rules);
		enum tool_as as = row->as ? row->as : TOOL_LISTED;
		struct tool_call c = { .as = as,
			.name = span_str(row->tool),
			.state = row->state,
			.method = as == TOOL_LISTED ? SPAN_LIT("tools/call") : SPAN_LIT("") };
		request_of(p, row->verified, &x.a, &asked);
		struct tool_list *l = tool_list_new(p, &asked, &x.a);
		assert_non_null(l);
		/* an earlier call in the list has no effect on the next one */
		struct tool_call other = { .as = as, .name = SPAN_LIT("other") };
		tool_list_hides(l, &other, &by);
		bool hides = tool_list_hides(l, &c, &by);
		if (hides != (row->by != NULL) ||
			(hides && strcmp(by ? by->name : "", row->by) != 0))
			fail_msg("%s: %s by %s", row->name, hides ? "hidden" : "shown",
				by ? by->name : "none");
		fix_done(&x);
	}
}

/* ---- which routes ---- */

static const struct reach {
	const char *name, *when, *want;
} reaches[] = {
	{ "without a condition those whose answers may hold calls", "true", "chat claude" },
	{ "by the route's name", "route.name == \"claude\"", "claude" },
	{ "by a tool's name", "tool.name == \"x\"", "chat claude" },
	{ "a model's answer has no server", "tool.server == \"x\"", "" },
	{ "and no method", "mcp.method == \"tools/call\" && tool.name == \"x\"", "" },
	{ "and no pin", "tool.state == \"new\"", "" },
	{ "and no resource", "resource.uri.startsWith(\"file:\")", "" },
	{ "by what is not MCP", "mcp.method == \"\"", "chat claude" },
};

static void
routes_whose_responses_may_have_calls_are_inspected(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT_OF(reaches); i++) {
		struct policy_fix x;
		struct buf text, got;
		buf_init(&text, 0);
		buf_init(&got, 0);
		buf_printf(&text,
			"  - {name: claude, match: {path: /v1/messages}, targets: [a]}\n"
			"  - {name: plain, match: {path: /b}, targets: [r]}\n"
			"providers: {a: {backend: openai, dialect: anthropic}, r: {backend: "
			"local, dialect: rest}}\n"
			"rules: [{name: a, phase: tool, when: '%s', deny: true}]\n",
			reaches[i].when);
		buf_putc(&text, 0);
		const struct policy *p = fix_load_rules(&x, buf_view(&text).p);
		for (size_t k = 0; k < p->nroutes; k++) {
			const struct route *r = &p->routes[k];
			assert_int_equal(r->uses.calls, (r->response & RESP_INSPECT) != 0);
			if (r->uses.calls)
				buf_printf(&got, "%s%s", got.n ? " " : "", r->name);
		}
		buf_putc(&got, 0);
		if (strcmp(buf_view(&got).p, reaches[i].want) != 0)
			fail_msg("%s: %s, wanted %s", reaches[i].name, buf_view(&got).p,
				reaches[i].want);
		buf_free(&got);
		buf_free(&text);
		fix_done(&x);
	}
}

/* ---- limits ---- */

static void
limit_of_calls_counts_only_calls(void **state)
{
	struct policy_fix x;
	struct policy_limit_hit *hits;
	size_t n;
	const struct policy *p = fix_load_rules(&x,
		"limits:\n"
		"  - {name: all, requests: 9, window: 60s}\n"
		"  - {name: each, per: [identity.person, tool.name], requests: 2, window: "
		"60s}\n"
		"  - {name: pay, when: 'tool.server == \"pay\"', requests: 1, window: 60s}\n");
	struct identity id = { .method = "jwt", .person = SPAN_LIT("al"), .verified = true };
	struct tool_call c = { .name = SPAN_LIT("send"), .server = SPAN_LIT("pay") },
			 list = { .method = SPAN_LIT("tools/list") };
	struct policy_facts f = { .identity = &id, .route = p->routes, .whole = true };

	(void)state;
	assert_int_equal(policy_limits(p, &f, &x.a, &hits, &n), 0);
	assert_int_equal(n, 1);
	f.call = &list;
	assert_int_equal(policy_limits(p, &f, &x.a, &hits, &n), 0);
	assert_int_equal(n, 1);
	f.call = &c;
	assert_int_equal(policy_limits(p, &f, &x.a, &hits, &n), 0);
	assert_int_equal(n, 3);
	assert_true(span_is(hits[1].values, "2:al4:send"));
	f.whole = false;
	assert_int_equal(policy_limits(p, &f, &x.a, &hits, &n), 0);
	assert_int_equal(n, 1);
	fix_done(&x);
}

static void
data_for_tool_rules_is_kept_with_that_for_responses(void **state)
{
	struct policy_fix x;
	const struct policy *p = fix_load_rules(&x,
		"rules:\n"
		"  - {name: a, phase: tool, when: 'tool.name == identity.agent', deny: true}\n"
		"  - {name: b, phase: response, when: 'response.bytes > 1 && identity.team == "
		"\"x\"', deny: true}\n"
		"  - {name: c, when: 'model.name == \"m\"', deny: true}\n");

	(void)state;
	assert_int_equal(p->nrules, 1);
	assert_int_equal(p->nanswer_rules, 1);
	assert_int_equal(p->ntool_rules, 1);
	assert_string_equal(p->tool_rules[0].name, "a");
	assert_int_equal(p->nanswer_slots, 2);
	assert_int_equal(p->answer_slots[0], V_IDENTITY_AGENT);
	assert_int_equal(p->answer_slots[1], V_IDENTITY_TEAM);
	fix_done(&x);
}

static void
lack_of_memory_does_not_permit_a_call(void **state)
{
	struct policy_fix x;
	struct answer_request asked;
	struct tool_verdict v;
	const struct rule *by;
	const struct policy *p = fix_load_rules(&x,
		"rules: [{name: a, phase: tool, when: 'tool.name == identity.person', deny: "
		"{hide: true}}]\n");
	struct tool_call c = { .name = SPAN_LIT("alice") };
	bool done = false;

	(void)state;
	request_of(p, true, &x.a, &asked);
	for (size_t cap = 64; cap < 1 << 20 && !done; cap += 64) {
		struct arena a;
		arena_init(&a, cap, true);
		int err = policy_tool(p, &asked, &c, &a, &v);
		struct tool_list *l = tool_list_new(p, &asked, &a);
		assert_true(err < 0 || v.ruled.effect == RULE_DENY);
		assert_true(!l || tool_list_hides(l, &c, &by));
		done = err == 0 && l && by && !arena_failed(&a);
		arena_reset(&a);
	}
	assert_true(done);
	fix_done(&x);
}

/* ---- errors ---- */

static const struct {
	const char *name, *text, *want;
} mistakes[] = {
	{ "a call in a rule on requests",
		H "rules:\n  - {name: a, when: 'tool.name == \"x\"', deny: true}\n",
		":6:21: when: tool.name is a field of a call: only rules with phase: tool and "
		"limits that count requests can read it\n" },
	{ "a call in a rule on answers",
		H "rules:\n  - {name: a, phase: response, when: 'mcp.method == \"x\"', deny: "
		  "true}\n",
		":6:38: when: mcp.method is a field of a call" },
	{ "the answer in a rule on calls",
		H "rules:\n  - {name: a, phase: tool, when: 'response.bytes > 1', deny: "
		  "true}\n",
		":6:34: when: response.bytes is known once the response has arrived: only "
		"rules with phase: response can read it" },
	{ "a denied call with a status",
		H "rules:\n  - {name: a, phase: tool, deny: {status: 403}}\n",
		":6:35: status: a denied call has no HTTP status: write as: result, which the agent "
		"reads before it continues, or as: error, a JSON-RPC error" },
	{ "a denied call as something else",
		H "rules:\n  - {name: a, phase: tool, deny: {as: text}}\n",
		":6:39: as: one of result, error is expected, found text" },
	{ "a request that is hidden", H "rules:\n  - {name: a, deny: {hide: true}}\n",
		":6:22: hide: is for rules with phase: tool only" },
	{ "an answer that is denied as an error",
		H "rules:\n  - {name: a, phase: response, deny: {as: error}}\n",
		":6:39: as: is for rules with phase: tool only" },
	{ "a call that is routed",
		H "rules:\n  - {name: a, phase: tool, max_output_tokens: 3}\n",
		":6:28: max_output_tokens: a rule with phase: tool may permit, deny, redact "
		"and tag" },
	{ "a rule on calls without effect", H "rules:\n  - {name: a, phase: tool}\n",
		":6:5: the rule has no effect: deny, permit, redact or tag is expected" },
	{ "a limit of tokens that counts calls",
		H "limits:\n  - {name: a, per: tool.name, tokens: 5, window: 60s}\n",
		":6:5: a limit that reads a field of a call counts calls: only `requests` can count them" },
};

static void
check_reports_invalid_tool_rules(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT_OF(mistakes); i++) {
		struct policy_fix x;
		assert_null(fix_load(&x, &fix_config, mistakes[i].text));
		buf_putc(&x.d.text, 0);
		if (!strstr(buf_view(&x.d.text).p, mistakes[i].want))
			fail_msg("%s: %s", mistakes[i].name, buf_view(&x.d.text).p);
		fix_done(&x);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(tool_rules_give_their_verdict),
		cmocka_unit_test(tool_rules_hide_list_entries),
		cmocka_unit_test(routes_whose_responses_may_have_calls_are_inspected),
		cmocka_unit_test(limit_of_calls_counts_only_calls),
		cmocka_unit_test(data_for_tool_rules_is_kept_with_that_for_responses),
		cmocka_unit_test(lack_of_memory_does_not_permit_a_call),
		cmocka_unit_test(check_reports_invalid_tool_rules),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
