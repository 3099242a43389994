/* tollgate policy test and diff: YAML cases with TAP output, coverage of rules, errors in test
 * files, and the tests of the shipped policies. Runs in the root of the source tree. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "support/run_cmd.h"

#define POLICY                                                                                 \
	"tollgate: 1\nname: t\ndefault: permit\n"                                              \
	"identity: [{none: {person: nobody}}]\n"                                               \
	"routes: [{name: chat, match: {path: /v1/chat/completions}, dialect: openai, "         \
	"backend: b}]\n"                                                                       \
	"rules:\n"                                                                             \
	"  - {name: night, when: 'now.getHours() < 6', deny: {reason: too early}}\n"           \
	"  - {name: pii, when: '\"pii\" in prompt.classes', redact: {classes: [pii]}}\n"       \
	"  - {name: chief, when: 'identity.clearance > 8', permit: true}\n"

#define HEAD                                                                                   \
	"defaults:\n"                                                                          \
	"  request: {path: /v1/chat/completions}\n"                                            \
	"  identity: {person: al, attributes: {country: DE}}\n"                                \
	"  time: 2026-11-20T12:00:00Z\n"                                                       \
	"cases:\n"
#define GOOD                                                                                   \
	"  - {name: noon, request: {prompt: a@example.com}, expect: {decision: redact, "       \
	"rule: pii, redacted: EMAIL_ADDRESS, body_has: <EMAIL_ADDRESS_1>, person: al}}\n"

static void
holds(const char *text, const char *what)
{
	if (!strstr(text, what))
		fail_msg("lacks: %s\nhas: %s", what, text);
}

static void
shipped_policies_pass_their_tests(void **state)
{
	static const char *const names[] = { "default", "hipaa", "gdpr-eu", "pci",
		"source-code", "agents-mcp", "coding-agents", "budgets" };

	(void)state;
	int code = tollgate("", "policy", "test", "--require-coverage", "policies/", NULL);
	if (code != 0)
		fail_msg("exit %d\n%s%s", code, cmd_out, cmd_err);
	holds(cmd_out, "# policies/tests/");
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		char line[64];
		snprintf(line, sizeof(line), " - %s: every rule is matched", names[i]);
		holds(cmd_out, line);
	}
	assert_null(strstr(cmd_out, "not ok"));
}

static void
passing_cases_give_tap_and_exit_0(void **state)
{
	(void)state;
	put("policy.yaml", POLICY);
	put("t.test.yaml", HEAD GOOD
		"  - {name: 'early #1', time: '2026-11-20T05:00:00Z', request: {prompt: hi},\n"
		"     expect: {decision: deny, status: 403, reason: early, classes: [], path: "
		"''}}\n"
		"  - {name: nobody, identity: none, request: {body: {model: m, messages: "
		"[]}},\n"
		"     expect: {decision: permit, person: nobody, model: m, shadow: none, "
		"route: "
		"chat}}\n");
	assert_int_equal(tollgate("", "policy", "test", dir, NULL), 0);
	holds(cmd_out, "\nok 1 - t: noon\nok 2 - t: early  1\nok 3 - t: nobody\n");
	holds(cmd_out, "# t: 2 of 3 rules matched in 3 cases; not matched: chief\n");
	holds(cmd_out, "\n1..3\n");
	assert_int_equal(tollgate("", "policy", "test", "--require-coverage", dir, NULL), 1);
	holds(cmd_out, "\nnot ok 4 - t: every rule is matched by a case\n");
	assert_int_equal(tollgate("", "policy", "test", path("t.test.yaml"), NULL), 0);
}

static void
rule_that_changed_the_target_is_covered(void **state)
{
	(void)state;
	put("policy.yaml",
		"tollgate: 1\nname: t\ndefault: permit\n"
		"identity: [{none: {person: nobody}}]\n"
		"providers: {us: {backend: u, dialect: openai, region: us}, "
		"eu: {backend: e, dialect: openai, region: eu}}\n"
		"routes: [{name: chat, match: {path: /v1/chat/completions}, targets: [us, eu]}]\n"
		"rules:\n"
		"  - {name: stay, when: '\"pii\" in prompt.classes && target.region != \"eu\"', "
		"deny: true}\n"
		"  - {name: here, when: 'model.name == \"local\"', route: {targets: [eu]}}\n"
		"  - {name: never, when: 'model.name == \"none\" && target.name == \"us\"', "
		"deny: true}\n");
	put("t.test.yaml", HEAD
		"  - {name: moved, request: {prompt: a@example.com}, expect: {target: eu}}\n"
		"  - {name: routed, request: {prompt: hi, model: local}, expect: {target: eu}}\n");
	assert_int_equal(tollgate("", "policy", "test", "--require-coverage", dir, NULL), 1);
	holds(cmd_out, "# t: 2 of 3 rules matched in 2 cases; not matched: never\n");
}

static void
case_may_expect_observation(void **state)
{
	(void)state;
	put("policy.yaml",
		POLICY "observe: {hosts: old.example, backend: o, until: 2026-02-01}\n");
	put("t.test.yaml",
		"defaults:\n"
		"  request: {path: /v1/chat/completions, host: old.example}\n"
		"  time: 2026-01-20T05:00:00Z\n"
		"cases:\n"
		"  - {name: early, request: {prompt: hi}, expect: {decision: observed, would: "
		"deny}}\n"
		"  - {name: wrong, request: {prompt: hi}, expect: {would: permit}}\n"
		"  - {name: over, time: '2026-02-01T00:00:00Z', request: {prompt: hi}, expect: "
		"{decision: deny}}\n");
	assert_int_equal(tollgate("", "policy", "test", dir, NULL), 1);
	holds(cmd_out, "\nok 1 - t: early\nnot ok 2 - t: wrong\n");
	holds(cmd_out, "#   would: wanted permit, got deny\n");
	holds(cmd_out, "\nok 3 - t: over\n");
}

static void
failing_case_reports_difference_and_reason(void **state)
{
	static const struct {
		const char *expect, *said;
	} rows[] = {
		{ "{decision: permit}", "#   decision: wanted permit, got redact\n" },
		{ "{status: 403}", "#   status: wanted 403, got 200\n" },
		{ "{rule: chief}", "#   rule: wanted chief, got pii\n" },
		{ "{reason: late}", "#   reason: \"late\" is not in \"\"\n" },
		{ "{route: x}", "#   route: wanted x, got chat\n" },
		{ "{model: x}", "#   model: wanted x, got a-model\n" },
		{ "{classes: [phi]}", "#   classes: phi is missing\n" },
		{ "{classes: []}", "#   classes: pii was not expected\n" },
		{ "{found: [US_SSN]}", "#   found: US_SSN is missing\n" },
		{ "{redacted: []}", "#   redacted: EMAIL_ADDRESS was not expected\n" },
		{ "{body_has: a@example.com}",
			"#   body_has: \"a@example.com\" is not in it\n" },
		{ "{body_lacks: <EMAIL_ADDRESS_1>}",
			"#   body_lacks: \"<EMAIL_ADDRESS_1>\" is in it\n" },
		{ "{shadow: pii}", "#   shadow: wanted pii, got none\n" },
		{ "{person: bob}", "#   person: wanted bob, got al\n" },
	};

	(void)state;
	put("policy.yaml", POLICY);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		char text[1024];
		snprintf(text, sizeof(text),
			HEAD "  - {name: c, request: {prompt: a@example.com}, expect: %s}\n",
			rows[i].expect);
		put("t.test.yaml", text);
		if (tollgate("", "policy", "test", dir, NULL) != 1)
			fail_msg("%s passed", rows[i].expect);
		holds(cmd_out, "\nnot ok 1 - t: c\n");
		holds(cmd_out, "/t.test.yaml:6:5\n");
		holds(cmd_out, rows[i].said);
		holds(cmd_out, "#   pii matched: prompt.classes was [\"pii\"]; it redacts "
			       "EMAIL_ADDRESS\n");
	}
}

static void
errors_in_a_test_file_are_named_with_their_place(void **state)
{
	static const struct {
		const char *text, *said;
	} rows[] = {
		{ "cases: []\n", ":1:8: cases: is empty" },
		{ "defaults: {}\n", ":1:1: cases is missing" },
		{ "case: []\n", ":1:1: case: unknown key" },
		{ HEAD "  - {request: {prompt: x}, expect: {status: 200}}\n",
			":6:5: name is missing" },
		{ HEAD "  - {name: a, request: {prompt: x}}\n", ":6:5: expect is missing" },
		{ HEAD "  - {name: a, request: {prompt: x}, expect: {}}\n",
			":6:45: expect: is empty" },
		{ HEAD "  - {name: a, request: {prompt: x}, expect: {decided: deny}}\n",
			":6:46: decided: unknown key" },
		{ HEAD "  - {name: a, request: {promt: x}, expect: {status: 1}}\n",
			":6:25: promt: unknown key" },
		{ HEAD "  - {name: a, request: {prompt: x}, expect: {status: high}}\n",
			":6:54: status: give a number" },
		{ HEAD "  - {name: a, request: {prompt: x}, expect: {rule: [a]}}\n",
			":6:52: rule: one value is expected" },
		{ HEAD "  - {name: a, time: noon, request: {prompt: x}, expect: {status: 1}}\n",
			":6:21: time: give RFC 3339" },
		{ HEAD "  - {name: a, identity: bob, request: {prompt: x}, expect: {status: "
		       "1}}\n",
			":6:25: identity: a mapping, or none" },
		{ HEAD "  - &a {name: a, request: {prompt: x}, expect: *a}\n",
			"t.test.yaml:6:" },
		{ "policy: none.yaml\n" HEAD GOOD, "none.yaml" },
	};

	(void)state;
	put("policy.yaml", POLICY);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		put("t.test.yaml", rows[i].text);
		int code = tollgate("", "policy", "test", dir, NULL);
		if (code != 2 || !strstr(cmd_err, rows[i].said))
			fail_msg("%s\nexit %d, wanted: %s\ngot: %s", rows[i].text, code,
				rows[i].said, cmd_err);
	}
}

static void
invalid_request_fails_its_case(void **state)
{
	(void)state;
	put("policy.yaml", POLICY);
	put("t.test.yaml",
		HEAD "  - {name: c, identity: {clearance: high}, request: {prompt: x}, expect: "
		     "{status: 200}}\n");
	assert_int_equal(tollgate("", "policy", "test", dir, NULL), 1);
	holds(cmd_out, "#   the request: identity.clearance must be an integer\n");
}

static void
policy_of_a_test_file_is_found(void **state)
{
	(void)state;
	unlink(path("policy.yaml"));
	unlink(path("t.test.yaml"));
	assert_int_equal(tollgate("", "policy", "test", dir, NULL), 2);
	holds(cmd_err, "has a test file");
	put("a.yaml", POLICY);
	put("a.test.yaml", HEAD GOOD);
	assert_int_equal(tollgate("", "policy", "test", dir, NULL), 0);
	mkdir(path("tests"), 0700);
	put("tests/a.yaml", HEAD GOOD);
	assert_int_equal(tollgate("", "policy", "test", dir, NULL), 0);
	holds(cmd_out, "\n1..2\n");
	holds(cmd_out, "# t: 1 of 3 rules matched in 2 cases");
	assert_int_equal(tollgate("", "policy", "test", path("tests"), NULL), 0);
	put("tests/b.yaml", HEAD GOOD);
	assert_int_equal(tollgate("", "policy", "test", path("tests/b.yaml"), NULL), 2);
	holds(cmd_err, "no policy file is next to this file");
	put("tests/b.yaml", "policy: ../a.yaml\n" HEAD GOOD);
	assert_int_equal(tollgate("", "policy", "test", path("tests/b.yaml"), NULL), 0);
	put("other.yaml", POLICY "  - {name: no, deny: true}\n");
	assert_int_equal(tollgate("", "policy", "test", "--policy", path("other.yaml"),
				 path("tests/b.yaml"), NULL),
		1);
	put("a.yaml", "tollgate: 2\n");
	assert_int_equal(tollgate("", "policy", "test", dir, NULL), 2);
	assert_int_equal(tollgate("", "policy", "test", path("nowhere"), NULL), 2);
	assert_int_equal(tollgate("", "policy", "test", NULL), 2);
	assert_int_equal(tollgate("", "policy", "tset", NULL), 2);
	assert_int_equal(tollgate("", "policy", NULL), 2);
}

/* ---- diff ---- */

#define CHAT(member)                                                                           \
	"{\"path\":\"/v1/chat/completions\",\"time\":\"2026-11-20T12:00:00Z\"," member         \
	"\"headers\":{\"content-type\":\"application/"                                         \
	"json\"},\"body\":\"{\\\"model\\\":\\\"m\\\","                                         \
	"\\\"messages\\\":[{\\\"role\\\":\\\"user\\\",\\\"content\\\":\\\"a@example.com\\\"}]" \
	"}\"}\n"
#define CHIEF "\"identity\":{\"clearance\":9},"

static void
diff_compares_the_would_be_decisions_of_observed_requests(void **state)
{
#define OBSERVED "observe: {hosts: old.example, backend: o, until: 2026-11-21}\n"
	char a[192], b[192], c[192];

	(void)state;
	put("a.yaml", POLICY OBSERVED);
	put("b.yaml", POLICY
		"  - {name: all, when: '\"pii\" in prompt.classes', deny: true}\n" OBSERVED);
	put("c.yaml", POLICY);
	snprintf(a, sizeof(a), "%s", path("a.yaml"));
	snprintf(b, sizeof(b), "%s", path("b.yaml"));
	snprintf(c, sizeof(c), "%s", path("c.yaml"));
	static const char old[] = CHAT("\"host\":\"old.example\",");
	assert_int_equal(tollgate(old, "policy", "diff", a, b, NULL), 1);
	holds(cmd_out, "line 1: decision observed, would redact → observed, would deny, status "
		       "200 → 403, rule pii → all\n");
	assert_int_equal(tollgate(old, "policy", "diff", a, a, NULL), 0);
	assert_int_equal(tollgate(old, "policy", "diff", a, c, NULL), 1);
	holds(cmd_out, "line 1: decision observed, would redact → redact");
	unlink(path("c.yaml"));
}

static void
diff_counts_changes_and_shows_examples(void **state)
{
	(void)state;
	put("a.yaml", POLICY);
	put("b.yaml",
		"tollgate: 1\nname: b\ndefault: permit\n"
		"identity: [{none: {person: nobody}}]\n"
		"routes: [{name: chat, match: {path: /v1/chat/completions}, dialect: openai, "
		"backend: b}]\n"
		"rules:\n"
		"  - {name: chief, when: 'identity.clearance > 8', permit: true}\n"
		"  - {name: pii, when: '\"pii\" in prompt.classes', redact: {classes: [pii], "
		"with: remove}}\n");
	char a[192], b[192];
	snprintf(a, sizeof(a), "%s", path("a.yaml"));
	snprintf(b, sizeof(b), "%s", path("b.yaml"));
	assert_int_equal(tollgate(CHAT("") "\n" CHAT(CHIEF), "policy", "diff", a, a, NULL), 0);
	assert_string_equal(cmd_out, "2 requests: 2 the same, 0 different\n");
	assert_int_equal(tollgate(CHAT("") "\n" CHAT(CHIEF) "{\"path\":\"/x\"}\n", "policy",
				 "diff", a, b, NULL),
		1);
	assert_string_equal(cmd_out,
		"3 requests: 1 the same, 2 different\n"
		"  decision     1\n  rule         1\n  redactions   2\n"
		"line 1: redactions {\"EMAIL_ADDRESS\": \"placeholder\"} → "
		"{\"EMAIL_ADDRESS\": \"remove\"}\n"
		"    redact: pii redacts, and nothing denied the request\n"
		"line 3: decision redact → permit, rule pii → chief, redactions "
		"{\"EMAIL_ADDRESS\": \"placeholder\"} → none\n"
		"    permit: chief matched and ended the evaluation\n");
	assert_int_equal(tollgate(CHAT("") CHAT(CHIEF), "policy", "diff", "--json",
				 "--examples", "1", a, b, NULL),
		1);
	holds(cmd_out, "\"different\": 2");
	holds(cmd_out, "\"line\": 1");
	assert_null(strstr(cmd_out, "\"line\": 2"));
}

static void
diff_of_invalid_input_exits_2_and_names_the_line(void **state)
{
	(void)state;
	put("a.yaml", POLICY);
	char a[192];
	snprintf(a, sizeof(a), "%s", path("a.yaml"));
	assert_int_equal(tollgate(CHAT("") "{\n" CHAT(""), "policy", "diff", a, a, NULL), 2);
	holds(cmd_err, "tollgate: policy diff: standard input:2: ");
	holds(cmd_out, "2 requests: 2 the same");
	assert_int_equal(tollgate("{\"body\":1}\n", "policy", "diff", a, a, NULL), 2);
	holds(cmd_err, "standard input:1: path is missing");
	assert_int_equal(tollgate("", "policy", "diff", a, path("none.yaml"), NULL), 2);
	assert_int_equal(tollgate("", "policy", "diff", a, NULL), 2);
	assert_int_equal(tollgate("", "policy", "diff", a, a, "--examples", "x", NULL), 2);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(shipped_policies_pass_their_tests),
		cmocka_unit_test(passing_cases_give_tap_and_exit_0),
		cmocka_unit_test(rule_that_changed_the_target_is_covered),
		cmocka_unit_test(case_may_expect_observation),
		cmocka_unit_test(failing_case_reports_difference_and_reason),
		cmocka_unit_test(errors_in_a_test_file_are_named_with_their_place),
		cmocka_unit_test(invalid_request_fails_its_case),
		cmocka_unit_test(policy_of_a_test_file_is_found),
		cmocka_unit_test(diff_counts_changes_and_shows_examples),
		cmocka_unit_test(diff_compares_the_would_be_decisions_of_observed_requests),
		cmocka_unit_test(diff_of_invalid_input_exits_2_and_names_the_line),
	};
	return cmocka_run_group_tests(tests, temp_dir_make, temp_dir_remove);
}
