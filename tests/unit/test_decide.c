/* Verdicts: order, defaults, failures, shadow, rules that wait for the body, and limits. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>

#include "policy/limit.h"
#include "policy/rule.h"
#include "scan/text/body.h"
#include "support/policy_fix.h"

#define H POLICY_HEAD

/* A request in words: its caller and its content. */
enum who { NOBODY, ALICE };

struct request {
	enum who who;
	bool head_only, evasion;
	const char *found[4]; /* entities */
	const char *model;
	struct body_param params[4];
	size_t nparams;
};

struct facts_fix {
	struct policy_facts f;
	struct identity id;
	struct body body;
	struct entity_set found;
	struct cel_value roles[2], attributes[2];
	struct span media[1];
};

static const struct policy_facts *
facts(struct facts_fix *x, const struct policy *p, const struct request *r)
{
	memset(x, 0, sizeof(*x));
	x->id.method = "none";
	x->id.person = SPAN_LIT("service-account");
	if (r->who == ALICE) {
		x->roles[0] = cel_string(SPAN_LIT("analyst"));
		x->roles[1] = cel_string(SPAN_LIT("contractor"));
		x->attributes[0] = cel_string(SPAN_LIT("floor"));
		x->attributes[1] = cel_int(3);
		x->id = (struct identity){ .method = "jwt",
			.person = SPAN_LIT("alice"),
			.team = SPAN_LIT("red"),
			.tier = SPAN_LIT("free"),
			.roles = x->roles,
			.nroles = 2,
			.clearance = 1,
			.attributes = x->attributes,
			.nattributes = 1,
			.verified = true };
	}
	for (size_t i = 0; i < 4 && r->found[i]; i++) {
		int e = detect_entity_find(detect_fix()->rules, span_str(r->found[i]));
		assert_true(e >= 0);
		x->found.bit[e / 64] |= 1ull << (e % 64);
	}
	x->body.model = span_str(r->model);
	x->body.params = (struct body_param *)r->params;
	x->body.nparams = r->nparams;
	x->media[0] = SPAN_LIT("image");
	x->f = (struct policy_facts){ .identity = &x->id,
		.route = &p->routes[0],
		.method = SPAN_LIT("POST"),
		.host = SPAN_LIT("api.example.com"),
		.path = SPAN_LIT("/v1/chat/completions"),
		.now_wall_ns = 1700000000ll * 1000000000, /* 2023-11-14T22:13:20Z, a Tuesday */
		.whole = !r->head_only,
		.rules = detect_fix()->rules,
		.tokens = r->head_only ? 0 : 42,
		.bytes = r->head_only ? 0 : 126,
		.evasion = r->evasion };
	if (!r->head_only) {
		x->f.conversation = SPAN_LIT("c-1");
		x->f.body = &x->body;
		x->f.model = x->body.model;
		x->f.media = x->media;
		x->f.nmedia = 1;
		x->f.entities = &x->found;
	}
	return &x->f;
}

/* Writes "deny 403 rule 'reason'", "permit rule", "redact rule [US_SSN]" or "waits". If shadow
 * differs, " | would: …" follows. Then follow the results of the rules: m n e w -. */
static void
describe(const struct policy *p, const struct policy_verdict *v, struct buf *out)
{
	static const char *const effects[] = { "deny", "permit", "redact" };
	static const char *const names[] = { "EMAIL_ADDRESS", "US_SSN", "AWS_ACCESS_KEY" };
	static const char fates[] = { '-', 'n', 'm', 'e', 'w' };

	if (v->waits) {
		buf_str(out, "waits");
	} else {
		buf_printf(out, "%s %s", effects[v->ruled.effect],
			v->ruled.rule ? v->ruled.rule->name : "default");
		if (v->ruled.effect == RULE_DENY)
			buf_printf(out, " %d %s", v->ruled.status, v->ruled.reason);
		for (size_t i = 0; v->redacts && i < sizeof(names) / sizeof(names[0]); i++) {
			int e = detect_entity_find(detect_fix()->rules, span_str(names[i]));
			if (entity_in(&v->redact.of, (size_t)e))
				buf_printf(out, " %s", names[i]);
		}
		if (v->ruled.shadowed)
			buf_printf(out, " | would %s %s", effects[v->ruled.shadow_effect],
				v->ruled.shadow_rule ? v->ruled.shadow_rule->name : "default");
	}
	buf_str(out, " ");
	for (size_t i = 0; i < p->nrules; i++)
		buf_putc(out, fates[v->ruled.trace[i].fate]);
	buf_putc(out, 0);
}

#define SSN	       .found = { "US_SSN" }
#define AKEY	       .found = { "AWS_ACCESS_KEY" }
#define BOTH	       .found = { "US_SSN", "EMAIL_ADDRESS" }
#define FAILS	       "identity.attributes.missing == 1"
#define PARAM(n, k, t) .params = { { SPAN_LIT(n), k, SPAN_LIT(t) } }, .nparams = 1

static const struct {
	const char *name, *policy;
	struct request r;
	const char *want;
} rows[] = {
	/* order and default */
	{ "no rule: the default denies", "", { .who = ALICE },
		"deny default 403 no rule of the policy permits this request " },
	{ "no rule: the default permits", "default: permit\n", { .who = ALICE },
		"permit default " },
	{ "a rule without condition always matches", "rules: [{name: a, permit: true}]\n",
		{ .who = ALICE }, "permit a m" },
	{ "the first that ends it wins",
		"rules: [{name: a, permit: true}, {name: b, deny: true}]\n", { .who = ALICE },
		"permit a m-" },
	{ "deny has its status and reason",
		"rules: [{name: a, deny: {status: 451, reason: law}}]\n", { .who = ALICE },
		"deny a 451 law m" },
	{ "deny: true is a 403", "rules: [{name: a, deny: true}]\n", { .who = ALICE },
		"deny a 403 denied by policy m" },
	{ "a rule that does not match is passed",
		"rules: [{name: a, when: 'false', deny: true}]\ndefault: permit\n",
		{ .who = ALICE }, "permit default n" },
	{ "none is a caller without credential",
		"rules: [{name: a, when: 'identity.method == \"none\"', deny: {status: "
		"401}}]\ndefault: permit\n",
		{ .who = NOBODY }, "deny a 401 denied by policy m" },
	{ "and a verified one is not",
		"rules: [{name: a, when: 'identity.method == \"none\"', deny: {status: "
		"401}}]\ndefault: permit\n",
		{ .who = ALICE }, "permit default n" },
	/* redaction */
	{ "a redaction takes what was found of it",
		"rules: [{name: a, redact: {classes: pii}}]\ndefault: permit\n",
		{ .who = ALICE, SSN }, "redact a US_SSN m" },
	{ "a redaction of what was not found permits",
		"rules: [{name: a, redact: {entities: EMAIL_ADDRESS}}]\ndefault: permit\n",
		{ .who = ALICE, SSN }, "permit default m" },
	{ "redactions add up and name the first rule",
		"rules: [{name: a, redact: {entities: US_SSN}}, {name: b, redact: {entities: "
		"EMAIL_ADDRESS}}]\ndefault: permit\n",
		{ .who = ALICE, BOTH }, "redact a EMAIL_ADDRESS US_SSN mm" },
	{ "deny after a redaction denies",
		"rules: [{name: a, redact: {classes: pii}}, {name: b, deny: true}]\n",
		{ .who = ALICE, SSN }, "deny b 403 denied by policy mm" },
	{ "permit after a redaction keeps it",
		"rules: [{name: a, redact: {classes: pii}}, {name: b, permit: true}]\n",
		{ .who = ALICE, SSN }, "redact a US_SSN mm" },
	{ "the default deny wins over a redaction",
		"rules: [{name: a, redact: {classes: pii}}]\n", { .who = ALICE, SSN },
		"deny default 403 no rule of the policy permits this request m" },
	/* values that conditions read */
	{ "classes hold what was found",
		"rules: [{name: a, when: '\"secret\" in prompt.classes && !(\"pii\" in "
		"prompt.classes)', deny: true}]\n",
		{ .who = ALICE, AKEY }, "deny a 403 denied by policy m" },
	{ "entities too",
		"rules: [{name: a, when: 'prompt.entities == [\"NATIONAL_ID\", \"TAX_ID\", \"US_SSN\"]', "
		"permit: true}]\n",
		{ .who = ALICE, SSN }, "permit a m" },
	{ "a general entity is present if a special one is",
		"rules: [{name: a, when: '\"NATIONAL_ID\" in prompt.entities', permit: "
		"true}]\n",
		{ .who = ALICE, SSN }, "permit a m" },
	{ "a class with a general entity has the special ones",
		"classes: {mine: [NATIONAL_ID]}\nrules: [{name: a, when: '\"mine\" in "
		"prompt.classes', deny: true}]\n",
		{ .who = ALICE, SSN }, "deny a 403 denied by policy m" },
	{ "a redaction of a general entity replaces the special ones",
		"rules: [{name: a, redact: {entities: NATIONAL_ID}}, {name: b, permit: "
		"true}]\n",
		{ .who = ALICE, SSN }, "redact a US_SSN mm" },
	{ "without removes the named entity alone",
		"classes: {mine: {entities: [NATIONAL_ID], without: [US_SSN]}}\nrules: [{name: "
		"a, "
		"when: '\"mine\" in prompt.classes', deny: true}, {name: b, permit: true}]\n",
		{ .who = ALICE, SSN }, "permit b nm" },
	{ "without a general entity keeps the special ones",
		"classes: {mine: {entities: [NATIONAL_ID], without: [NATIONAL_ID]}}\nrules: "
		"[{name: a, when: '\"mine\" in prompt.classes', deny: true}]\n",
		{ .who = ALICE, SSN }, "deny a 403 denied by policy m" },
	{ "a policy's list replaces a class",
		"classes: {pii: [EMAIL_ADDRESS]}\nrules: [{name: a, when: "
		"'prompt.classes.size() == 0', permit: true}]\n",
		{ .who = ALICE, SSN }, "permit a m" },
	{ "a class of the policy's own",
		"classes: {mine: [US_SSN]}\nrules: [{name: a, when: '\"mine\" in "
		"prompt.classes && \"pii\" in prompt.classes', permit: true}]\n",
		{ .who = ALICE, SSN }, "permit a m" },
	{ "roles",
		"rules: [{name: a, when: '\"contractor\" in identity.roles && "
		"identity.roles.exists(r, r.startsWith(\"ana\"))', permit: true}]\n",
		{ .who = ALICE }, "permit a m" },
	{ "absent strings are empty",
		"rules: [{name: a, when: 'identity.department == \"\" && "
		"!has(identity.department) && has(identity.team)', permit: true}]\n",
		{ .who = ALICE }, "permit a m" },
	{ "attributes",
		"rules: [{name: a, when: 'identity.attributes.floor == 3', permit: true}]\n",
		{ .who = ALICE }, "permit a m" },
	{ "counts, media, model",
		"rules: [{name: a, when: 'prompt.tokens == 42 && prompt.bytes == 126 && "
		"\"image\" in prompt.media && model.name == \"m1\"', permit: true}]\n",
		{ .who = ALICE, .model = "m1" }, "permit a m" },
	{ "an obfuscated value", "rules: [{name: a, when: prompt.evasion, deny: true}]\n",
		{ .who = ALICE, .evasion = true }, "deny a 403 denied by policy m" },
	{ "no obfuscated value", "rules: [{name: a, when: '!prompt.evasion', permit: true}]\n",
		{ .who = ALICE }, "permit a m" },
	{ "request and route",
		"rules: [{name: a, when: 'request.method == \"POST\" && "
		"request.host.endsWith(\".com\") && request.path.matches(\"^/v1/\") && "
		"route.name == \"chat\"', permit: true}]\n",
		{ .who = ALICE }, "permit a m" },
	{ "a route without targets is external",
		"rules: [{name: a, when: 'target.external && target.name == \"\"', permit: "
		"true}]\n",
		{ .who = ALICE }, "permit a m" },
	{ "the time",
		"rules: [{name: a, when: 'now == timestamp(\"2023-11-14T22:13:20Z\") && "
		"now.getHours() == 22', permit: true}]\n",
		{ .who = ALICE }, "permit a m" },
	{ "a number is a double",
		"rules: [{name: a, when: 'request.temperature == 0.0 && request.temperature < "
		"1', permit: true}]\n",
		{ .who = ALICE, PARAM("temperature", PARAM_NUMBER, "0") }, "permit a m" },
	{ "a truth value", "rules: [{name: a, when: 'request.stream == true', permit: true}]\n",
		{ .who = ALICE, PARAM("stream", PARAM_BOOL, "true") }, "permit a m" },
	{ "a string", "rules: [{name: a, when: 'request.user == \"u\"', permit: true}]\n",
		{ .who = ALICE, PARAM("user", PARAM_STRING, "u") }, "permit a m" },
	{ "null", "rules: [{name: a, when: 'request.seed == null', permit: true}]\n",
		{ .who = ALICE, PARAM("seed", PARAM_NULL, "null") }, "permit a m" },
	{ "has() of an absent parameter is false",
		"rules: [{name: a, when: '!has(request.temperature)', permit: true}]\n",
		{ .who = ALICE }, "permit a m" },
	/* failures */
	{ "an absent parameter fails the condition, which denies",
		"rules: [{name: a, when: 'request.temperature > 0.5', permit: true}]\ndefault: "
		"permit\n",
		{ .who = ALICE }, "deny a 403 a rule of the policy could not be evaluated e" },
	{ "a failure with on_error: skip is no match",
		"rules: [{name: a, when: '" FAILS
		"', deny: true, on_error: skip}]\ndefault: permit\n",
		{ .who = ALICE }, "permit default e" },
	{ "a failing deny rule uses its status",
		"rules: [{name: a, when: '" FAILS "', deny: {status: 451}}]\n",
		{ .who = ALICE }, "deny a 451 a rule of the policy could not be evaluated e" },
	{ "a failure after the end is not reached",
		"rules: [{name: p, permit: true}, {name: a, when: '" FAILS "', deny: true}]\n",
		{ .who = ALICE }, "permit p m-" },
	/* shadow */
	{ "shadow lifts a denial",
		"mode: shadow\nrules: [{name: a, deny: true}]\ndefault: permit\n",
		{ .who = ALICE }, "permit default | would deny a m" },
	{ "but not for a caller without identity",
		"mode: shadow\nrules: [{name: a, deny: true}]\ndefault: permit\n",
		{ .who = NOBODY }, "deny a 403 denied by policy m" },
	{ "shadow lifts a redaction",
		"mode: shadow\nrules: [{name: a, redact: {classes: pii}}]\ndefault: permit\n",
		{ .who = ALICE, SSN }, "permit default | would redact a m" },
	{ "shadow does not lift the default", "mode: shadow\n", { .who = ALICE },
		"deny default 403 no rule of the policy permits this request " },
	{ "shadow does not lift a failure",
		"mode: shadow\nrules: [{name: a, when: '" FAILS
		"', deny: true}]\ndefault: permit\n",
		{ .who = ALICE }, "deny a 403 a rule of the policy could not be evaluated e" },
	{ "shadow shows the first of several denials",
		"mode: shadow\nrules: [{name: a, deny: true}, {name: b, deny: true}, {name: c, "
		"permit: true}]\n",
		{ .who = ALICE }, "permit c | would deny a mmm" },
	{ "nothing shadowed where nothing matched",
		"mode: shadow\nrules: [{name: a, when: 'false', deny: true}]\ndefault: "
		"permit\n",
		{ .who = ALICE }, "permit default n" },
	{ "one rule in shadow, the next enforced",
		"rules: [{name: a, deny: true, mode: shadow}, {name: b, deny: {status: "
		"401}}]\n",
		{ .who = ALICE }, "deny b 401 denied by policy | would deny a mm" },
	{ "a redaction in shadow beside an enforced one",
		"rules: [{name: a, redact: {entities: US_SSN}, mode: shadow}, {name: b, "
		"redact: {entities: EMAIL_ADDRESS}}]\ndefault: permit\n",
		{ .who = ALICE, BOTH }, "redact b EMAIL_ADDRESS | would redact a mm" },
	{ "a permit in shadow permits nobody",
		"rules: [{name: a, permit: true, mode: shadow}]\n", { .who = ALICE },
		"deny default 403 no rule of the policy permits this request | would permit a "
		"m" },
	{ "nor a caller without identity", "rules: [{name: a, permit: true, mode: shadow}]\n",
		{ .who = NOBODY },
		"deny default 403 no rule of the policy permits this request | would permit a "
		"m" },
	/* waiting for the body */
	{ "a denial from the head alone is final",
		"rules: [{name: a, when: 'identity.tier == \"free\"', deny: {status: 401}}, "
		"{name: b, when: '\"pii\" in prompt.classes', deny: true}]\n",
		{ .who = ALICE, .head_only = true }, "deny a 401 denied by policy m-" },
	{ "not behind a permit that waits",
		"rules: [{name: b, when: 'model.name == \"m\"', permit: true}, {name: a, deny: "
		"true}]\n",
		{ .who = ALICE, .head_only = true }, "waits wm" },
	{ "not behind a denial that waits",
		"rules: [{name: b, when: 'model.name == \"m\"', deny: {status: 451}}, {name: "
		"a, deny: true}]\n",
		{ .who = ALICE, .head_only = true }, "waits wm" },
	{ "but behind a redaction that waits",
		"rules: [{name: b, when: '\"pii\" in prompt.classes', redact: {classes: pii}}, "
		"{name: a, deny: true}]\n",
		{ .who = ALICE, .head_only = true }, "deny a 403 denied by policy wm" },
	{ "and behind a redaction of the head",
		"rules: [{name: b, redact: {classes: pii}}, {name: a, deny: true}]\n",
		{ .who = ALICE, .head_only = true }, "deny a 403 denied by policy mm" },
	{ "and behind a denial that shadow lifts",
		"rules: [{name: b, when: 'model.name == \"m\"', deny: true, mode: shadow}, "
		"{name: a, deny: {status: 401}}]\n",
		{ .who = ALICE, .head_only = true }, "deny a 401 denied by policy wm" },
	{ "a permit behind a rule that waits waits",
		"rules: [{name: b, when: '\"pii\" in prompt.classes', redact: {classes: pii}}, "
		"{name: a, permit: true}]\n",
		{ .who = ALICE, .head_only = true }, "waits wm" },
	{ "a permit before it is final",
		"rules: [{name: a, permit: true}, {name: b, when: '\"pii\" in prompt.classes', "
		"deny: true}]\n",
		{ .who = ALICE, .head_only = true }, "permit a m-" },
	{ "a redaction of the head waits for what is found",
		"rules: [{name: b, redact: {classes: pii}}]\ndefault: permit\n",
		{ .who = ALICE, .head_only = true }, "waits m" },
	{ "the default waits for a rule that waits",
		"rules: [{name: b, when: 'request.stream == true', deny: true}]\n",
		{ .who = ALICE, .head_only = true }, "waits w" },
	{ "the default is final where none waits",
		"rules: [{name: b, when: 'route.name == \"x\"', deny: true}]\ndefault: "
		"permit\n",
		{ .who = ALICE, .head_only = true }, "permit default n" },
	{ "a failure of the head denies at once",
		"rules: [{name: b, when: '" FAILS "', permit: true}]\n",
		{ .who = ALICE, .head_only = true },
		"deny b 403 a rule of the policy could not be evaluated e" },
};

static void
request_has_the_verdict_of_its_rules(void **state)
{
	unsigned bad = 0;

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct policy_fix f;
		struct facts_fix x;
		struct policy_verdict v;
		struct arena a;
		struct buf text, out;
		buf_init(&text, 0);
		buf_printf(&text, "%s%s", H, rows[i].policy);
		buf_putc(&text, 0);
		if (!fix_load(&f, &fix_config, buf_view(&text).p))
			fail_msg("%s: %.*s", rows[i].name, SPAN_ARG(buf_view(&f.d.text)));
		arena_init(&a, 0, false);
		buf_init(&out, 0);
		/* twice: equal input gives the equal verdict */
		for (int again = 0; again < 2; again++) {
			buf_clear(&out);
			assert_int_equal(
				policy_decide(f.p, facts(&x, f.p, &rows[i].r), &a, &v), 0);
			describe(f.p, &v, &out);
			if (strcmp(buf_view(&out).p, rows[i].want)) {
				print_error("%s: got '%s', want '%s'\n", rows[i].name,
					buf_view(&out).p, rows[i].want);
				bad++;
			}
		}
		for (size_t r = 0; r < f.p->nrules; r++)
			assert_int_equal(v.ruled.trace[r].error.n > 0,
				v.ruled.trace[r].fate == RULE_ERROR);
		buf_free(&out);
		buf_free(&text);
		arena_reset(&a);
		fix_done(&f);
	}
	assert_int_equal(bad, 0);
}

static void
found_classes_have_the_policys_names(void **state)
{
	static const struct request r = { .who = ALICE, SSN };
	struct policy_fix f;
	struct facts_fix x;
	struct policy_verdict v;

	(void)state;
	assert_non_null(
		fix_load(&f, &fix_config, H "classes: {a: [EMAIL_ADDRESS], b: [US_SSN]}\n"));
	assert_int_equal(policy_decide(f.p, facts(&x, f.p, &r), &f.a, &v), 0);
	assert_false(entity_in(&v.classes_hit, 0));
	assert_true(entity_in(&v.classes_hit, 1));
	fix_done(&f);
}

static void
full_arena_is_an_error_without_a_verdict(void **state)
{
	static const struct request r = { .who = ALICE, BOTH };
	struct policy_fix f;
	struct facts_fix x;
	struct policy_verdict v;
	struct policy_limit_hit *hits;
	size_t n;
	unsigned failures = 0, decided = 0;

	(void)state;
	fix_must_load(&f,
		H "rules: [{name: a, when: '\"pii\" in prompt.classes && "
		  "prompt.entities.size() == 4', permit: true}]\n"
		  "limits: [{name: a, per: [identity.person, model.name], requests: 5, window: "
		  "1m}]\n");
	for (size_t cap = 1; decided < 3; cap += 64) {
		struct arena a;
		arena_init(&a, cap, false);
		int err = policy_decide(f.p, facts(&x, f.p, &r), &a, &v);
		if (err)
			assert_int_equal(err, -1), failures++;
		else
			assert_int_equal(v.ruled.effect, RULE_PERMIT), decided++;
		arena_reset(&a);
		arena_init(&a, cap, false);
		err = policy_limits(f.p, facts(&x, f.p, &r), &a, &hits, &n);
		assert_true(err ? err == -1 : n == 1);
		arena_reset(&a);
	}
	assert_true(failures > 1);
	fix_done(&f);
}

static void
limits_apply_by_condition_and_have_their_values(void **state)
{
	static const char policy[] = H
		"limits:\n"
		"  - {name: person, per: identity.person, requests: 5, window: 1m}\n"
		"  - {name: free, when: 'identity.tier == \"free\"', per: [identity.person, "
		"identity.team], requests: 5, window: 1m}\n"
		"  - {name: paid, when: 'identity.tier == \"paid\"', requests: 5, window: 1m}\n"
		"  - {name: model, per: [model.name, identity.person], requests: 5, window: "
		"1m}\n"
		"  - {name: broken, when: 'identity.attributes.missing == 1', requests: 5, "
		"window: 1m}\n"
		"  - {name: tokens, per: identity.department, tokens: 5, window: 1m}\n"
		"  - {name: all, requests: 5, window: 1m}\n"
		"  - {name: role, per: [identity.roles, identity.team], requests: 5, "
		"window: 1m}\n"
		"  - {name: size, per: 'size(identity.person) > 5 ? \"long\" : \"short\"', "
		"requests: 5, window: 1m}\n"
		"  - {name: fails, per: identity.attributes.missing, requests: 5, window: "
		"1m}\n"
		"  - {name: twice, per: '[\"x\", \"x\", \"y\"]', requests: 5, window: 1m}\n"
		"  - {name: chat, tokens_per_conversation: 5}\n";
	static const struct {
		const char *name;
		struct request r;
		const char *want;
	} lrows[] = {
		{ "whole", { .who = ALICE, .model = "gpt" },
			"person=5:alice free=5:alice3:red model=3:gpt5:alice broken= tokens=0: "
			"all= role=7:analyst3:red role=10:contractor3:red size=5:short "
			"fails=0: twice=1:x twice=1:y chat=5:alice3:c-1 " },
		{ "head", { .who = ALICE, .head_only = true },
			"person=5:alice free=5:alice3:red broken= all= role=7:analyst3:red "
			"role=10:contractor3:red size=5:short fails=0: twice=1:x twice=1:y " },
		{ "nobody", { .who = NOBODY, .model = "x" },
			"person=15:service-account model=1:x15:service-account broken= "
			"tokens=0: all= size=4:long fails=0: twice=1:x twice=1:y "
			"chat=15:service-account3:c-1 " },
	};
	struct policy_fix f;

	(void)state;
	fix_must_load(&f, policy);
	for (size_t i = 0; i < sizeof(lrows) / sizeof(lrows[0]); i++) {
		struct facts_fix x;
		struct policy_limit_hit *hits;
		struct buf out;
		size_t n;
		buf_init(&out, 0);
		assert_int_equal(
			policy_limits(f.p, facts(&x, f.p, &lrows[i].r), &f.a, &hits, &n), 0);
		for (size_t k = 0; k < n; k++)
			buf_printf(&out, "%s=%.*s ", hits[k].limit->name,
				SPAN_ARG(hits[k].values));
		buf_putc(&out, 0);
		if (strcmp(buf_view(&out).p, lrows[i].want))
			fail_msg("%s: got '%s', want '%s'", lrows[i].name, buf_view(&out).p,
				lrows[i].want);
		buf_free(&out);
	}
	fix_done(&f);
}

/* Two callers whose claims differ after a NUL must not share a counter. */
static void
values_that_differ_after_a_nul_are_distinct(void **state)
{
	struct policy_fix f;
	struct facts_fix x;
	struct policy_limit_hit *hits;
	size_t n;
	static const struct request r = { .who = ALICE };

	(void)state;
	fix_must_load(
		&f, H "limits: [{name: a, per: identity.person, requests: 5, window: 1m}]\n");
	facts(&x, f.p, &r);
	x.id.person = span_of("a\0b", 3);
	assert_int_equal(policy_limits(f.p, &x.f, &f.a, &hits, &n), 0);
	assert_true(span_eq(hits[0].values, span_of("3:a\0b", 5)));
	fix_done(&f);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(request_has_the_verdict_of_its_rules),
		cmocka_unit_test(found_classes_have_the_policys_names),
		cmocka_unit_test(full_arena_is_an_error_without_a_verdict),
		cmocka_unit_test(limits_apply_by_condition_and_have_their_values),
		cmocka_unit_test(values_that_differ_after_a_nul_are_distinct),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
