/* Targets in a policy: the settings and their defaults, aliases that stand for targets of their
 * own, and each error with its place. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "support/policy_fix.h"

/* Six lines. The keys of a route continue in the next one; the part after it begins with
 * "models". */
#define H                                                                                      \
	"tollgate: 1\nname: t\n"                                                               \
	"providers: {a: {backend: openai, dialect: openai}, b: {backend: anthropic, dialect: " \
	"openai, breaker: {failures: 2, open: 50ms}, concurrent: 64},\n"                       \
	"  c: {backend: local, dialect: openai, breaker: {}}}\n"                               \
	"routes:\n"                                                                            \
	"  - name: r\n"
#define M   "    match: {path: /v1/chat/completions}\n"
#define ONE M "    targets: a\n"
#define SOME                                                                                   \
	M "    targets: [{provider: a, model: m1, weight: 3}, b, {provider: c, priority: "     \
	  "2}]\n"

#define ALL                                                                                    \
	(1u << CAUSE_NEVER_SENT | 1u << CAUSE_THROTTLED | 1u << CAUSE_REFUSED_US |             \
		1u << CAUSE_PERHAPS_BILLED)

static void
settings_of_targets_are_read(void **state)
{
	struct policy_fix f;
	const struct policy *p = fix_must_load(&f, H SOME
		"    choose: {by: latency, sticky: identity}\n"
		"    retry: {attempts: 2, first_byte: 10s, first_content: 60s, idle: 61s, "
		"whole: 80s, overall: 90s, on: [never_sent, throttled]}\n");
	const struct route *r = p->routes;
	const struct target *t = r->targets;

	(void)state;
	assert_int_equal(r->ntargets, 3);
	assert_string_equal(t[0].model, "m1");
	assert_int_equal(t[0].weight, 3);
	assert_int_equal(t[0].priority, 1);
	assert_int_equal(t[0].concurrent, 0);
	assert_int_equal(t[1].weight, 1);
	assert_int_equal(t[1].concurrent, 64);
	assert_int_equal(t[1].breaker.failures, 2);
	assert_int_equal(t[1].breaker.open_us, 50000);
	assert_int_equal(t[2].priority, 2);
	assert_int_equal(t[2].breaker.failures, 5);
	assert_int_equal(t[2].breaker.open_us, 5000000);
	assert_int_equal(r->choose.by, CHOOSE_LATENCY);
	assert_int_equal(r->choose.sticky, STICKY_IDENTITY);
	assert_false(p->reads_conversation);
	assert_int_equal(r->retry.attempts, 2);
	assert_int_equal(r->retry.on, 1u << CAUSE_NEVER_SENT | 1u << CAUSE_THROTTLED);
	assert_int_equal(r->retry.first_byte_us, 10000000);
	assert_int_equal(r->retry.first_content_us, 60000000);
	assert_int_equal(r->retry.idle_us, 61000000);
	assert_int_equal(r->retry.whole_us, 80000000);
	assert_int_equal(r->retry.overall_us, 90000000);
	fix_done(&f);
}

static void
several_targets_have_retries_and_breakers_by_default(void **state)
{
	struct policy_fix f;
	const struct policy *p = fix_must_load(&f, H SOME);
	const struct route *r = p->routes;

	(void)state;
	assert_int_equal(r->choose.by, CHOOSE_ORDER);
	assert_int_equal(r->choose.sticky, STICKY_NONE);
	assert_int_equal(r->retry.attempts, 3);
	assert_int_equal(r->retry.on, ALL);
	assert_int_equal(r->retry.overall_us, 0);
	for (size_t i = 0; i < 3; i++)
		assert_true(r->targets[i].breaker.on);
	assert_int_equal(r->targets[0].breaker.failures, 5);
	assert_int_equal(r->targets[0].breaker.open_us, 5000000);
	fix_done(&f);
}

static void
single_target_has_one_attempt_and_no_breaker(void **state)
{
	struct policy_fix f;
	const struct policy *p = fix_must_load(&f, H ONE
		"  - {name: own, match: {path: /own}, targets: c}\n"
		"  - {name: none, match: {path: /none}, backend: openai}\n"
		"  - {name: twice, match: {path: /twice}, targets: a, retry: {attempts: 2}}\n"
		"  - {name: idle, match: {path: /idle}, targets: a, retry: {idle: 9s}}\n");

	(void)state;
	assert_int_equal(p->routes[0].retry.attempts, 1);
	assert_int_equal(p->routes[0].retry.on, ALL);
	assert_false(p->routes[0].targets->breaker.on);
	assert_true(p->routes[1].targets->breaker.on); /* configured for its provider */
	assert_int_equal(p->routes[2].retry.attempts, 1);
	assert_int_equal(p->routes[2].targets->weight, 1);
	assert_false(p->routes[2].targets->breaker.on);
	assert_int_equal(p->routes[3].retry.attempts, 2);
	assert_int_equal(p->routes[4].retry.attempts, 1);
	fix_done(&f);
}

/* With five targets, the default is three attempts. */
static void
default_attempts_are_the_targets_up_to_three(void **state)
{
	struct policy_fix f;
	const struct policy *p = fix_must_load(&f, H M
		"    targets: [a, b, c, {provider: a, model: m}, {provider: b, model: m}]\n"
		"  - {name: two, match: {path: /two}, targets: [a, b]}\n"
		"  - {name: direct, match: {path: /direct}, targets: [a, b, c], via: direct}\n"
		"  - {name: relay, match: {path: /relay}, targets: [a, b], via: relay}\n");

	(void)state;
	assert_int_equal(p->routes[0].retry.attempts, 3);
	assert_int_equal(p->routes[1].retry.attempts, 2);
	assert_int_equal(p->routes[2].retry.attempts, 1);
	assert_false(p->routes[2].targets[0].relay);
	assert_int_equal(p->routes[3].retry.attempts, 2);
	assert_true(p->routes[3].targets[0].relay && p->routes[3].targets[1].relay);
	fix_done(&f);
}

/* Otherwise their requests would get 503, because there is no relay. */
static void
without_a_relay_the_default_is_one_attempt(void **state)
{
	struct policy_fix f;
	struct config cfg = fix_config;
	const struct policy *p;

	(void)state;
	cfg.relay = false;
	p = fix_load(&f, &cfg, H SOME);
	assert_non_null(p);
	assert_int_equal(p->routes[0].retry.attempts, 1);
	fix_done(&f);
	p = fix_load(&f, &cfg, H SOME "    retry: {attempts: 2}\n");
	assert_non_null(p);
	assert_int_equal(p->routes[0].retry.attempts, 2);
	fix_done(&f);
}

#define ALIASES                                                                                \
	"models:\n"                                                                            \
	"  fast: {targets: [{provider: c, model: m3}, {provider: a, model: m1, weight: 9}, "   \
	"{provider: a, model: m2}]}\n"                                                         \
	"  near: {targets: [{provider: c, model: m3}, {provider: b, model: m2}], choose: "     \
	"{by: "                                                                                \
	"weight, sticky: conversation}}\n"

static const struct route *
as(const struct policy *p, size_t route, const char *model)
{
	return policy_route_as(&p->routes[route], span_str(model));
}

static void
route_uses_targets_of_an_alias_with_its_providers(void **state)
{
	struct policy_fix f;
	const struct policy *p = fix_must_load(&f, H M
		"    targets: [a, {provider: b, model: x}]\n    choose: {by: price}\n"
		"    response: [meter]\n"
		"  - {name: one, match: {path: /v1/one}, targets: c, retry: {attempts: 4}}\n"
		"  - {name: else, match: {path: /else}, backend: openai, dialect: openai}\n"
		"  - {name: rest, match: {path: /rest}, targets: a, dialect: rest}\n" ALIASES);
	const struct route *r = as(p, 0, "fast");

	(void)state;
	assert_ptr_equal(r->of, &p->routes[0]);
	assert_string_equal(r->alias, "fast");
	assert_string_equal(r->name, "r");
	assert_int_equal(r->response, RESP_METER);
	assert_int_equal(r->ntargets, 2); /* in the order of the alias */
	assert_string_equal(r->targets[0].model, "m1");
	assert_int_equal(r->targets[0].weight, 9);
	assert_string_equal(r->targets[0].backend, "openai");
	assert_string_equal(r->targets[1].model, "m2");
	assert_int_equal(r->choose.by, CHOOSE_PRICE);
	assert_int_equal(r->retry.attempts, 2);
	assert_true(r->targets[0].breaker.on);
	r = as(p, 0, "near");
	assert_int_equal(r->ntargets, 1);
	assert_string_equal(r->targets[0].name, "b");
	assert_int_equal(r->choose.by, CHOOSE_WEIGHT);
	assert_int_equal(r->choose.sticky, STICKY_CONVERSATION);
	assert_true(p->reads_conversation);
	assert_int_equal(r->retry.attempts, 1);
	/* another alias selects the first target again */
	assert_ptr_equal(policy_route_as(r, SPAN_LIT("fast")), as(p, 0, "fast"));
	assert_ptr_equal(policy_route_as(r, SPAN_LIT("m2")), &p->routes[0]);
	assert_ptr_equal(as(p, 0, "Fast"), &p->routes[0]);
	assert_ptr_equal(as(p, 0, ""), &p->routes[0]);
	assert_null(policy_route_as(NULL, SPAN_LIT("fast")));
	assert_int_equal(as(p, 1, "fast")->ntargets, 1);
	assert_int_equal(as(p, 1, "fast")->retry.attempts, 4);
	assert_ptr_equal(as(p, 2, "fast"), &p->routes[2]);
	assert_ptr_equal(as(p, 3, "fast"), &p->routes[3]);
	fix_done(&f);
}

/* clang-format off */
static const struct policy_mistake mistakes[] = {
	{ "no weight", H M "    targets: [{provider: a, weight: 0}]\n",
		":8:37: weight: a whole number from 1 to 10000 is expected, found 0" },
	{ "no group", H M "    targets: [{provider: a, priority: 0}]\n",
		":8:39: priority: a whole number from 1 to 100 is expected, found 0" },
	{ "a weight that is none", H M "    targets: [{provider: a, weight: 50%}]\n",
		":8:37: weight: a whole number from 1 to 10000 is expected, found 50%" },
	{ "a key of a target that is none", H M "    targets: [{provider: a, wieght: 1}]\n",
		":8:29: wieght: unknown key, did you mean weight?; accepted: provider, model, weight, when, priority" },
	{ "a way to choose that is none", H ONE "    choose: {by: latncy}\n",
		":9:18: by: one of order, weight, latency, price is expected, found latncy, did you mean latency?" },
	{ "what is kept that is nothing", H ONE "    choose: {sticky: session}\n",
		":9:22: sticky: one of none, conversation, identity is expected, found session" },
	{ "a word in place of choose", H ONE "    choose: weight\n",
		":9:13: choose: a mapping is expected, found a string; accepted: by, sticky" },
	{ "no attempt", H ONE "    retry: {attempts: 0}\n",
		":9:23: attempts: a whole number from 1 to 8 is expected, found 0" },
	{ "nine attempts", H ONE "    retry: {attempts: 9}\n",
		":9:23: attempts: a whole number from 1 to 8 is expected, found 9" },
	{ "a cause that is none", H ONE "    retry: {on: [never_sent, throtled]}\n",
		":9:30: on: one of never_sent, throttled, refused_us, perhaps_billed is expected, found "
		"throtled, did you mean throttled?" },
	{ "a cause that is never tried again", H ONE "    retry: {on: final}\n",
		":9:17: on: one of never_sent, throttled" },
	{ "no cause", H ONE "    retry: {on: []}\n", ":9:17: on: the list is empty" },
	{ "a time without unit", H ONE "    retry: {idle: 60}\n",
		":9:19: idle: a duration with its unit" },
	{ "a time of nothing", H ONE "    retry: {first_byte: 0s}\n", ":9:25: first_byte: " },
	{ "a key of retry that is none", H ONE "    retry: {times: 3}\n",
		":9:13: times: unknown key" },
	{ "attempts of a route that goes direct", H SOME "    via: direct\n    retry: {attempts: 2}\n",
		":10:23: attempts: via: direct allows one attempt only" },
	{ "a way that is none", H ONE "    via: dirct\n",
		":9:10: via: one of relay, direct is expected, found dirct, did you mean direct?" },
	{ "an alias without targets", H ONE "models: {fast: {}}\n",
		":9:10: fast: targets is missing" },
	{ "an alias of no targets", H ONE "models: {fast: {targets: []}}\n",
		":9:26: targets: the list is empty" },
	{ "an alias of a provider that is none", H ONE "models: {fast: {targets: [{provider: d, model: m}]}}\n",
		":9:38: targets: the policy has no provider d: there are a, b, c" },
	{ "an alias' target twice",
		H ONE "models: {fast: {targets: [{provider: a, model: m}, {provider: a, model: m}]}}\n",
		":9:52: targets: a is listed twice" },
	{ "an alias whose targets have no model", H ONE "models: {fast: {targets: [a]}}\n",
		":9:26: targets: none of them has a model, so the provider would receive the name fast itself:" },
	{ "an alias that no route has a target for", H ONE "models: {fast: {targets: [{provider: b, model: m}]}}\n",
		":9:10: models: fast: no route whose requests name a model has a provider of its targets" },
	{ "an alias twice", H ONE "models: {fast: {targets: [{provider: a, model: m}]}, fast: {targets: [a]}}\n",
		":9:54: fast: given twice" },
	{ "an alias with a blank", H ONE "models: {'my model': {targets: [{provider: a, model: m}]}}\n",
		":9:10: a name of 1 to 128 letters, digits and . _ - : / is expected, found my model" },
	{ "an alias that is a text", H ONE "models: {fast: m1}\n",
		":9:16: fast: a mapping is expected, found a string; accepted: targets, choose" },
	{ "a list of aliases", H ONE "models: [fast]\n", ":9:9: models: a mapping is expected, found a list" },
	{ "an alias with a way to choose that is none",
		H ONE "models: {fast: {targets: [{provider: a, model: m}], choose: {by: wait}}}\n",
		":9:66: by: one of order, weight" },
};

/* The purpose of a route. */
#define H_ABOUT(about)                                                                         \
	"tollgate: 1\nname: t\nroutes: [{name: a, match: {path: /}, about: " about "}]\n"
static const struct policy_mistake of_about[] = {
	{ "about that says nothing", H_ABOUT("{}"), ":3:38: about: is empty: use_case, risk, operation or reviewer is expected" },
	{ "about with a word that is none", H_ABOUT("{riks: high}"),
		":3:46: riks: unknown key, did you mean risk?" },
	{ "a use case of no bytes", H_ABOUT("{use_case: ''}"),
		":3:56: use_case: a string is expected, found nothing" },
	{ "a reviewer of two lines", H_ABOUT("{reviewer: \"a\\nb\"}"),
		":3:56: reviewer: a line of 1 to 200 bytes" },
	{ "a risk that is a list", H_ABOUT("{risk: [high]}"), ":3:52: risk: " },
	{ "an operation that is no name", H_ABOUT("{operation: two words}"),
		":3:57: a name of 1 to 64 letters" },
};

static const struct policy_mistake of_providers[] = {
#define P "tollgate: 1\nname: t\nroutes: [{name: r, match: {path: /}, targets: d}]\n"
	{ "a breaker that never opens", P "providers: {d: {backend: local, breaker: {failures: 0}}}\n",
		":4:53: failures: a whole number from 1 to 1000 is expected, found 0" },
	{ "a breaker that stays open", P "providers: {d: {backend: local, breaker: {open: 1h}}}\n",
		":4:49: open: " },
	{ "a breaker that is a word", P "providers: {d: {backend: local, breaker: on}}\n",
		":4:42: breaker: a mapping is expected, found a string; accepted: failures, open" },
	{ "room for none", P "providers: {d: {backend: local, concurrent: 0}}\n",
		":4:45: concurrent: a whole number from 1 to 1000000 is expected, found 0" },
};
/* clang-format on */

static void
errors_in_targets_have_their_place(void **state)
{
	(void)state;
	assert_int_equal(fix_mistakes(mistakes, COUNT_OF(mistakes)) +
				 fix_mistakes(of_about, COUNT_OF(of_about)) +
				 fix_mistakes(of_providers, COUNT_OF(of_providers)),
		0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(settings_of_targets_are_read),
		cmocka_unit_test(several_targets_have_retries_and_breakers_by_default),
		cmocka_unit_test(single_target_has_one_attempt_and_no_breaker),
		cmocka_unit_test(default_attempts_are_the_targets_up_to_three),
		cmocka_unit_test(without_a_relay_the_default_is_one_attempt),
		cmocka_unit_test(route_uses_targets_of_an_alias_with_its_providers),
		cmocka_unit_test(errors_in_targets_have_their_place),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
