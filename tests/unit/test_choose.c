/* Targets and changes by rules: which candidates are removed and why, which one is chosen, what
 * is sent there, and what shadow only records. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "policy/rule.h"
#include "scan/text/body.h"
#include "support/policy_fix.h"

#define H                                                                                      \
	"tollgate: 1\nname: t\n"                                                               \
	"detectors:\n  external:\n"                                                            \
	"    - {name: ner, url: 'http://127.0.0.1:1/', entities: [PERSON]}\n"                  \
	"    - {name: mood, url: 'http://127.0.0.1:1/', entities: [MOOD]}\n"                   \
	"providers:\n"                                                                         \
	"  us: {backend: openai, dialect: openai, region: us}\n"                               \
	"  eu: {backend: anthropic, dialect: openai, region: eu}\n"                            \
	"  local: {backend: local, dialect: openai, external: false, region: eu}\n"            \
	"routes:\n"                                                                            \
	"  - {name: chat, match: {path: /chat}, targets: [us, {provider: eu, model: m-eu}, "   \
	"local]}\n"                                                                            \
	"  - {name: one, match: {path: /one}, targets: us}\n"                                  \
	"  - {name: none, match: {path: /none}, backend: openai}\n"                            \
	"  - {name: pick, match: {path: /pick}, targets: [us, {provider: eu, model: m-eu}, "   \
	"{provider: eu, model: m/2}, local], choose: {by: weight}}\n"                          \
	"  - {name: two, match: {path: /two}, targets: [{provider: eu, model: m-eu}, "         \
	"{provider: eu, model: m/2}, local]}\n"

struct case_of {
	const char *name, *policy, *want;
	const char *path; /* NULL: /chat */
	bool nobody, ssn, head_only;
	const char *ranks; /* the rank of each target, with ! before it if it is unavailable */
};

/* clang-format off */
static const struct case_of rows[] = {
	/* choosing */
	{ "the first target", "default: permit\n", .want = "permit us: us+ eu. local." },
	{ "one target", "default: permit\n", .want = "permit us: us+", .path = "/one" },
	{ "no target", "default: permit\n", .want = "permit : +", .path = "/none" },
	{ "a target that is denied leaves",
		"rules: [{name: a, when: 'target.region == \"us\"', deny: true}]\ndefault: permit\n",
		.want = "permit eu model=m-eu: us-a eu+ local." },
	{ "two leave",
		"rules: [{name: a, when: 'target.external', deny: {status: 451}}]\ndefault: permit\n",
		.want = "permit local: us-a eu-a local+" },
	{ "none left: the first denial",
		"rules: [{name: a, when: 'target.external', deny: {status: 451}}, {name: b, deny: true}]\n",
		.want = "deny 451 us: us-a eu-a local-b" },
	{ "a permit of one target", "rules: [{name: a, when: 'target.name == \"local\"', permit: true}]\n",
		.want = "permit local: us-default eu-default local+" },
	{ "the body is the target's own",
		"rules: [{name: a, when: 'target.region == \"us\"', deny: true}, {name: b, when: "
		"'target.external', redact: {classes: pii}}]\ndefault: permit\n",
		.want = "redact eu model=m-eu: us-a eu+ local.", .ssn = true },
	{ "and another's is not",
		"rules: [{name: a, when: 'target.external', redact: {classes: pii}}, {name: b, route: "
		"{targets: local}}]\ndefault: permit\n",
		.want = "permit local: us~b eu~b local+", .ssn = true },
	{ "a failure of the condition denies that target",
		"rules: [{name: a, when: 'target.region == \"us\" && identity.attributes.x == 1', permit: true}]\n"
		"default: permit\n",
		.want = "permit eu model=m-eu: us-a eu+ local." },
	/* routing */
	{ "only these stay", "rules: [{name: a, route: {targets: [local]}}]\ndefault: permit\n",
		.want = "permit local: us~a eu~a local+" },
	{ "in that order", "rules: [{name: a, route: {targets: [local, us]}}]\ndefault: permit\n",
		.want = "permit local: us. eu~a local+" },
	{ "of two lists a target must be in both",
		"rules: [{name: a, route: {targets: [local, eu]}}, {name: b, route: {targets: [us, eu]}}]\n"
		"default: permit\n",
		.want = "permit eu model=m-eu: us~a eu+ local~b" },
	{ "the first list gives the order",
		"rules: [{name: a, route: {targets: [local, eu]}}, {name: b, route: {targets: [eu, local]}}]\n"
		"default: permit\n",
		.want = "permit local: us~a eu. local+" },
	{ "one of a provider's models", "rules: [{name: a, route: {targets: [eu/m/2]}}]\ndefault: permit\n",
		.want = "permit eu model=m/2: us~a eu~a eu+ local~a", .path = "/pick" },
	{ "of one provider's models the route's order stays", "rules: [{name: a, route: {targets: [local, eu]}}]\ndefault: permit\n",
		.want = "permit eu model=m-eu: us~a eu+ eu. local.", .path = "/pick" },
	/* ranks */
	{ "the smallest place", "default: permit\n", .want = "permit local: us. eu. local+", .ranks = "210" },
	{ "the smallest that is in", "default: permit\n",
		.want = "permit us: us+ eu. local*tried", .ranks = "12!0" },
	{ "a rule's order applies if the route uses an order",
		"rules: [{name: a, route: {targets: [eu, local]}}]\ndefault: permit\n",
		.want = "permit eu model=m-eu: us~a eu+ local.", .ranks = "021" },
	{ "and is a filter alone where it does not",
		"rules: [{name: a, route: {targets: [us, eu]}}]\ndefault: permit\n",
		.want = "permit eu model=m/2: us. eu. eu+ local~a", .path = "/pick", .ranks = "2310" },
	{ "of one provider's models the smaller place is first",
		"rules: [{name: a, route: {targets: [local, eu]}}]\ndefault: permit\n",
		.want = "permit eu model=m/2: eu. eu+ local*tried", .path = "/two", .ranks = "21!0" },
	{ "a rule is asked before a place is", "rules: [{name: a, when: 'target.name == \"local\"', deny: true}]\n"
		"default: permit\n",
		.want = "permit eu model=m-eu: us. eu+ local-a", .ranks = "210" },
	{ "all that the rules leave are out", "rules: [{name: a, when: 'target.external', deny: {status: 451}}]\n"
		"default: permit\n",
		.want = "none in: us-a eu-a local*tried", .ranks = "01!2" },
	{ "none that the rules leave is a denial, whatever is in",
		"rules: [{name: a, deny: {status: 451}}]\n",
		.want = "deny 451 us: us-a eu-a local-a", .ranks = "!0!1!2" },
	{ "no target left is a denial",
		"rules: [{name: a, route: {targets: local}}, {name: b, route: {targets: us}}]\ndefault: permit\n",
		.want = "deny 403 us: us~a eu~a local~b" },
	{ "personal data stays in",
		"rules: [{name: a, when: '\"pii\" in prompt.classes && target.external', route: {targets: [local]}}]\n"
		"default: permit\n",
		.want = "permit local: us~a eu~a local+", .ssn = true },
	{ "and nothing else does",
		"rules: [{name: a, when: '\"pii\" in prompt.classes && target.external', route: {targets: [local]}}]\n"
		"default: permit\n",
		.want = "permit us: us+ eu. local." },
	{ "a route that has none of them is denied",
		"rules: [{name: a, when: 'target.external', route: {targets: [local]}}]\ndefault: permit\n",
		.want = "deny 403 us: us~a", .path = "/one" },
	{ "and so is one without targets",
		"rules: [{name: a, when: 'target.external', route: {targets: [local]}}]\ndefault: permit\n",
		.want = "deny 403 : ~a", .path = "/none" },
	{ "a denial is named before a route elsewhere",
		"rules: [{name: a, when: 'target.name == \"us\"', route: {targets: local}}, {name: b, deny: "
		"{status: 451}}]\n",
		.want = "deny 451 us: us-b eu-b local-b" },
	{ "rules behind a permit do not route",
		"rules: [{name: p, permit: true}, {name: a, route: {targets: local}}]\n",
		.want = "permit us: us+ eu. local." },
	{ "a permit that routes", "rules: [{name: p, permit: true, route: {targets: local}}]\n",
		.want = "permit local: us~p eu~p local+" },
	/* models, caps, tags, headers, recognizers */
	{ "the first model wins",
		"rules: [{name: a, route: {model: m1}}, {name: b, route: {model: m2}}]\ndefault: permit\n",
		.want = "permit us model=m1(a): us+ eu. local." },
	{ "a rule's model stands over the target's",
		"rules: [{name: a, route: {targets: eu, model: m1}}]\ndefault: permit\n",
		.want = "permit eu model=m1(a): us~a eu+ local~a" },
	{ "a model for one target",
		"rules: [{name: a, when: 'target.name == \"us\"', route: {model: m1}}, {name: b, route: {targets: eu}}]\n"
		"default: permit\n",
		.want = "permit eu model=m-eu: us~b eu+ local~b" },
	{ "the lowest cap counts",
		"rules: [{name: a, max_output_tokens: 512}, {name: b, max_output_tokens: 64}, {name: c, "
		"max_output_tokens: 100}]\ndefault: permit\n",
		.want = "permit us cap=64: us+ eu. local." },
	{ "tags add up, none twice",
		"rules: [{name: a, tag: [x, y]}, {name: b, tag: y}, {name: c, when: 'false', tag: z}]\ndefault: permit\n",
		.want = "permit us #x #y: us+ eu. local." },
	{ "a denial has its tag", "rules: [{name: a, deny: true, tag: x}]\n",
		.want = "deny 403 us #x: us-a eu-a local-a" },
	{ "headers", "rules: [{name: a, set_headers: {X-A: '1', x-b: '2'}}]\ndefault: permit\n",
		.want = "permit us x-a=1 x-b=2: us+ eu. local." },
	{ "recognisers", "rules: [{name: a, require: mood}, {name: b, when: 'false', require: ner}]\ndefault: permit\n",
		.want = "permit us require=2/2: us+ eu. local." },
	{ "what another target may require",
		"rules: [{name: a, when: '!target.external', require: [ner, mood]}]\ndefault: permit\n",
		.want = "permit us require=0/3: us+ eu. local." },
	{ "all at once",
		"rules: [{name: a, permit: true, redact: {classes: pii}, route: {targets: [eu], model: m1}, "
		"max_output_tokens: 5, tag: x, require: ner, set_headers: {x-a: b}}]\n",
		.want = "redact eu model=m1(a) cap=5 #x x-a=b require=1/1: us~a eu+ local~a", .ssn = true },
	/* shadow */
	{ "shadow records, and changes nothing",
		"mode: shadow\nrules: [{name: a, route: {targets: local, model: m1}, max_output_tokens: 5, tag: x, "
		"require: ner, set_headers: {x-a: b}}]\ndefault: permit\n",
		.want = "permit us #x: us+ eu. local. | permit local model=m1(a) cap=5 x-a=b require=1" },
	{ "nor for a caller without identity, who must be recognized all the same",
		"mode: shadow\nrules: [{name: a, route: {targets: local}, require: ner}]\ndefault: permit\n",
		.want = "permit us require=1/1: us+ eu. local. | permit local require=1", .nobody = true },
	{ "one rule in shadow",
		"rules: [{name: a, mode: shadow, route: {targets: local}}, {name: b, route: {targets: eu}}]\n"
		"default: permit\n",
		.want = "permit eu model=m-eu: us~b eu+ local~b | deny us" },
	{ "a target's own model is no rule's", "mode: shadow\nrules: [{name: a, when: 'target.name == \"us\"', "
		"deny: true}]\ndefault: permit\n",
		.want = "permit us: us+ eu. local. | permit eu model=m-eu" },
	{ "but is where shadow lifts nothing", "mode: shadow\nrules: [{name: a, when: 'target.name == \"us\"', "
		"deny: true}]\ndefault: permit\n",
		.want = "permit eu model=m-eu: us-a eu+ local.", .nobody = true },
	{ "what stands behind a shadowed permit would not be",
		"rules: [{name: a, mode: shadow, permit: true}, {name: b, route: {model: m1}}]\ndefault: permit\n",
		.want = "permit us model=m1(b): us+ eu. local. | permit us" },
	/* the head alone */
	{ "a denial of all targets by the head is final",
		"rules: [{name: a, when: 'target.external', deny: true}, {name: b, deny: true}]\n",
		.want = "deny 403 us: us-a eu-a local-b", .head_only = true },
	{ "one that waits keeps it open",
		"rules: [{name: a, when: 'target.external', deny: true}, {name: b, when: '\"pii\" in "
		"prompt.classes', deny: true}]\ndefault: permit\n",
		.want = "waits", .head_only = true },
	{ "routed elsewhere by the head is final",
		"rules: [{name: a, when: 'target.external', route: {targets: local}}, {name: b, deny: true}]\n",
		.want = "deny 403 us: us-b", .path = "/one", .head_only = true },
	{ "a permit that waits before it keeps it open",
		"rules: [{name: p, when: 'model.name == \"m\"', permit: true}, {name: a, route: {targets: local}}]\n"
		"default: permit\n",
		.want = "waits", .path = "/one", .head_only = true },
	{ "a model by the body waits", "rules: [{name: p, when: 'model.name == \"m\"', route: {model: m1}}]\n"
		"default: permit\n",
		.want = "waits", .head_only = true },
	{ "a cap by the head does not", "rules: [{name: p, max_output_tokens: 5}]\ndefault: permit\n",
		.want = "permit us cap=5: us+ eu. local.", .head_only = true },
};
/* clang-format on */

static void
describe_changes(const struct policy_changes *c, struct buf *out)
{
	if (c->model)
		buf_printf(out, " model=%s", c->model);
	if (c->model_rule)
		buf_printf(out, "(%s)", c->model_rule->name);
	if (c->max_output_tokens)
		buf_printf(out, " cap=%u", (unsigned)c->max_output_tokens);
}

static void
describe_headers(const struct policy_changes *c, struct buf *out)
{
	for (size_t i = 0; i < c->nrules; i++)
		for (size_t k = 0; k < c->rules[i]->change->nheaders; k++)
			buf_printf(out, " %s=%s", c->rules[i]->change->headers[k].name,
				c->rules[i]->change->headers[k].value);
}

static void
describe(const struct policy_verdict *v, struct buf *out)
{
	static const char *const effects[] = { "deny", "permit", "redact" };
	static const char fates[] = { '+', '.', '-', '~', '*' };

	if (v->waits) {
		buf_printf(out, "waits%c", 0);
		return;
	}
	buf_str(out, v->none_in ? "none in" : effects[v->ruled.effect]);
	if (v->ruled.effect == RULE_DENY)
		buf_printf(out, " %d", v->ruled.status);
	if (!v->none_in)
		buf_printf(out, " %s", v->changes.target->name);
	if (v->ruled.effect != RULE_DENY)
		describe_changes(&v->changes, out);
	for (size_t i = 0; i < v->ruled.ntags; i++)
		buf_printf(out, " #%s", v->ruled.tags[i]);
	if (v->ruled.effect != RULE_DENY)
		describe_headers(&v->changes, out);
	if (v->may_require)
		buf_printf(out, " require=%u/%u", (unsigned)v->changes.require,
			(unsigned)v->may_require);
	buf_str(out, ":");
	for (size_t i = 0; i < v->ncandidates; i++) {
		const struct policy_candidate *c = &v->candidates[i];
		buf_printf(out, " %s%c", c->target->name, fates[c->fate]);
		if (c->fate == CANDIDATE_DENIED || c->fate == CANDIDATE_ROUTED)
			buf_str(out, c->rule ? c->rule->name : "default");
		if (c->fate == CANDIDATE_OUT)
			buf_str(out, target_outs[c->out]);
	}
	if (v->ruled.shadowed) {
		buf_printf(out, " | %s %s", effects[v->ruled.shadow_effect],
			v->shadow_changes.target->name);
		if (v->ruled.shadow_effect != RULE_DENY) {
			describe_changes(&v->shadow_changes, out);
			describe_headers(&v->shadow_changes, out);
		}
		if (v->shadow_changes.require)
			buf_printf(out, " require=%u", (unsigned)v->shadow_changes.require);
	}
	buf_putc(out, 0);
}

static unsigned
one(const struct case_of *c)
{
	struct policy_fix fix;
	struct policy_verdict v;
	struct entity_set found = { { 0 } };
	struct identity id = { .method = c->nobody ? "none" : "jwt",
		.person = SPAN_LIT("p"),
		.verified = !c->nobody };
	struct body body = { .model = SPAN_LIT("asked") };
	struct buf text, out;
	unsigned bad = 0;

	buf_init(&text, 0);
	buf_printf(&text, H "%s", c->policy);
	buf_putc(&text, 0);
	buf_init(&out, 0);
	if (!fix_load(&fix, &fix_config, buf_view(&text).p))
		fail_msg("%s: %.*s", c->name, SPAN_ARG(buf_view(&fix.d.text)));
	size_t ssn = (size_t)detect_entity_find(detect_fix()->rules, SPAN_LIT("US_SSN"));
	if (c->ssn)
		found.bit[ssn / 64] |= 1ull << (ssn % 64);
	struct policy_facts f = { .identity = &id,
		.method = SPAN_LIT("POST"),
		.path = span_str(c->path ? c->path : "/chat"),
		.now_wall_ns = 1700000000000000000,
		.whole = !c->head_only,
		.body = c->head_only ? NULL : &body,
		.model = c->head_only ? SPAN_LIT("") : body.model,
		.entities = c->head_only ? NULL : &found,
		.rules = detect_fix()->rules };
	struct policy_rank ranks[TARGETS_MAX] = { { 0 } };
	f.route = policy_route(fix.p, f.method, f.host, f.path);
	assert_non_null(f.route);
	for (size_t i = 0, k = 0; c->ranks && c->ranks[k]; i++) {
		ranks[i].out = c->ranks[k] == '!' ? TARGET_TRIED : TARGET_IN;
		k += c->ranks[k] == '!';
		ranks[i].place = (uint8_t)(c->ranks[k++] - '0');
	}
	f.ranks = c->ranks ? ranks : NULL;
	assert_int_equal(policy_decide(fix.p, &f, &fix.a, &v), 0);
	describe(&v, &out);
	if (strcmp(buf_view(&out).p, c->want)) {
		print_error("%s: got '%s', want '%s'\n", c->name, buf_view(&out).p, c->want);
		bad = 1;
	}
	buf_free(&out);
	buf_free(&text);
	fix_done(&fix);
	return bad;
}

static void
first_permitted_candidate_is_chosen(void **state)
{
	unsigned bad = 0;

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		bad += one(&rows[i]);
	assert_int_equal(bad, 0);
}

/* A rule that does not read the target has the same result for each target that reaches it. */
static void
each_candidate_has_its_own_trace(void **state)
{
	static const char policy[] = H "rules: [{name: a, when: 'target.region == \"us\"', "
				       "deny: true}, {name: b, when: "
				       "'model.name == \"asked\"', tag: x}, {name: c, when: "
				       "'target.external', tag: y}]\n"
				       "default: permit\n";
	static const struct {
		int fate[3];
	} want[] = {
		{ { RULE_MATCHED, RULE_NOT_REACHED, RULE_NOT_REACHED } },
		{ { RULE_NO_MATCH, RULE_MATCHED, RULE_MATCHED } },
		{ { RULE_NO_MATCH, RULE_MATCHED, RULE_NO_MATCH } },
	};
	struct body body = { .model = SPAN_LIT("asked") };
	struct policy_fix fix;
	struct policy_verdict v;

	(void)state;
	fix_must_load(&fix, policy);
	struct policy_facts f = { .route = &fix.p->routes[0],
		.whole = true,
		.body = &body,
		.model = body.model,
		.rules = detect_fix()->rules };
	assert_int_equal(policy_decide(fix.p, &f, &fix.a, &v), 0);
	for (size_t t = 0; t < 3; t++)
		for (size_t r = 0; r < 3; r++)
			assert_int_equal(v.candidates[t].trace[r].fate, want[t].fate[r]);
	assert_ptr_equal(v.ruled.trace, v.candidates[1].trace);
	fix_done(&fix);
}

static void
version_depends_on_every_effect(void **state)
{
	static const char *const rules[] = { "tag: x", "tag: y", "set_headers: {x-a: b}",
		"set_headers: {x-a: c}", "route: {model: a}", "route: {model: b}",
		"route: {targets: us}", "max_output_tokens: 5", "max_output_tokens: 6",
		"require: ner" };
	enum { N = sizeof(rules) / sizeof(rules[0]) };
	char version[N][65];

	(void)state;
	for (size_t i = 0; i < N; i++) {
		struct policy_fix f;
		struct buf text;
		buf_init(&text, 0);
		buf_printf(&text, H "rules: [{name: a, %s}]\n%c", rules[i], 0);
		fix_must_load(&f, buf_view(&text).p);
		strcpy(version[i], f.p->version);
		for (size_t k = 0; k < i; k++)
			assert_string_not_equal(version[i], version[k]);
		buf_free(&text);
		fix_done(&f);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(first_permitted_candidate_is_chosen),
		cmocka_unit_test(each_candidate_has_its_own_trace),
		cmocka_unit_test(version_depends_on_every_effect),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
