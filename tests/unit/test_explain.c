/* Output of decide --explain: every outcome of a rule, the values that it read, and the reason
 * for the decision. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <jansson.h>

#include "support/run_cmd.h"

#define POLICY                                                                                 \
	"tollgate: 1\nname: t\ndefault: permit\n"                                              \
	"identity: [{none: {person: nobody}}]\n"                                               \
	"routes: [{name: chat, match: {path: /v1/chat/completions}, dialect: openai, "         \
	"backend: b}]\n"                                                                       \
	"rules:\n"                                                                             \
	"  - {name: hot, when: 'request.temperature > 1.0', deny: true, on_error: skip}\n"     \
	"  - {name: guests, when: 'identity.person == \"eve\"', deny: {status: 451, reason: "  \
	"go home}}\n"                                                                          \
	"  - {name: strict, when: 'request.host == \"strict.example\" && request.seed == "     \
	"1.0', deny: true}\n"                                                                  \
	"  - {name: later, when: '\"secret\" in prompt.classes', deny: true, mode: shadow}\n"  \
	"  - {name: pii, when: '\"pii\" in prompt.classes && identity.clearance < 2', "        \
	"redact: {classes: [pii]}}\n"                                                          \
	"  - {name: chief, when: 'identity.clearance > 8', permit: true}\n"                    \
	"  - {name: always, redact: {entities: [US_SSN]}}\n"

#define BODY(text)                                                                             \
	"\"body\":\"{\\\"model\\\":\\\"m\\\",\\\"messages\\\":[{\\\"role\\\":\\\"user\\\","    \
	"\\\"content\\\":\\\"" text "\\\"}]}\""
#define REQUEST(rest) "{\"path\":\"/v1/chat/completions\"," rest "}"

static json_t *
explained(const char *request, int code)
{
	int got =
		tollgate(request, "decide", "--policy", path("policy.yaml"), "--explain", NULL);

	if (got != code)
		fail_msg("exit %d, wanted %d: %s%s", got, code, cmd_out, cmd_err);
	json_t *o = json_loads(cmd_out, 0, NULL);
	assert_non_null(o);
	return o;
}

static json_t *
row(json_t *o, size_t i)
{
	return json_array_get(json_object_get(json_object_get(o, "explain"), "rules"), i);
}

static const char *
text(json_t *o, const char *name)
{
	const char *s = json_string_value(json_object_get(o, name));

	return s ? s : "";
}

static void
says(json_t *o, size_t i, const char *outcome, const char *sentence)
{
	assert_string_equal(text(row(o, i), "outcome"), outcome);
	assert_string_equal(text(row(o, i), "says"), sentence);
}

static void
rule_has_its_outcome_and_values(void **state)
{
	(void)state;
	json_t *o = explained(
		REQUEST("\"identity\":{\"person\":\"al\",\"clearance\":1},"
			"\"headers\":{\"content-type\":\"application/json\"}," BODY(
				"a@example.com AKIAQ3EGRT7BX5LWZKPN aws_access_key_id")),
		0);
	assert_string_equal(text(o, "decision"), "redact");
	says(o, 0, "error",
		"hot could not be evaluated (request.temperature is not given): "
		"request.temperature was not given; on_error: skip, so it did not match");
	says(o, 1, "not matched", "guests did not match: identity.person was \"al\"");
	says(o, 4, "matched",
		"pii matched: identity.clearance was 1, prompt.classes was "
		"[\"pii\",\"secret\"]; it redacts EMAIL_ADDRESS");
	says(o, 6, "matched",
		"always has no condition and matched; it redacts nothing, because none of its "
		"entities was found");
	json_t *values = json_object_get(row(o, 4), "values");
	assert_int_equal(json_object_size(values), 2);
	assert_int_equal(json_integer_value(json_object_get(values, "identity.clearance")), 1);
	assert_int_equal(json_array_size(json_object_get(values, "prompt.classes")), 2);
	assert_true(json_is_null(
		json_object_get(json_object_get(row(o, 0), "values"), "request.temperature")));
	assert_true(json_is_true(json_object_get(row(o, 3), "shadow")));
	says(o, 3, "matched",
		"later matched: prompt.classes was [\"pii\",\"secret\"]; it denies with 403, "
		"denied by policy; in shadow: recorded, not enforced");
	assert_string_equal(text(json_object_get(o, "explain"), "says"),
		"redact: pii redacts, and nothing denied the request; without shadow it would "
		"be deny by later");
	json_decref(o);
}

static void
ending_rule_is_named_and_later_rules_are_not_reached(void **state)
{
	(void)state;
	json_t *o = explained(REQUEST("\"identity\":{\"person\":\"eve\"}," BODY("hi")), 1);
	says(o, 1, "matched",
		"guests matched: identity.person was \"eve\"; it denies with 451, go home");
	says(o, 4, "not reached", "pii was not reached: guests ended the evaluation");
	assert_null(json_object_get(row(o, 4), "values"));
	assert_string_equal(text(json_object_get(o, "explain"), "says"),
		"deny: guests matched and ended the evaluation");
	json_decref(o);
	o = explained(REQUEST("\"host\":\"strict.example\"," BODY("hi")), 1);
	says(o, 2, "error",
		"strict could not be evaluated (request.seed is not given): request.host was "
		"\"strict.example\", request.seed was not given; on_error: deny, so the "
		"request is denied");
	assert_string_equal(text(json_object_get(o, "explain"), "says"),
		"deny: strict could not be evaluated, so the request is denied");
	json_decref(o);
	o = explained(REQUEST("\"identity\":{\"clearance\":9}," BODY("hi")), 0);
	assert_string_equal(text(json_object_get(o, "explain"), "says"),
		"permit: chief matched and ended the evaluation");
	json_decref(o);
}

static void
default_and_refusal_without_rules_are_explained(void **state)
{
	(void)state;
	json_t *o = explained(REQUEST(BODY("hi")), 0);
	assert_string_equal(text(json_object_get(o, "explain"), "says"),
		"permit: no rule ended the evaluation, and the default is permit");
	assert_string_equal(text(json_object_get(o, "explain"), "default"), "permit");
	assert_null(json_object_get(json_object_get(o, "explain"), "refused"));
	json_decref(o);
	o = explained("{\"path\":\"/elsewhere\"}", 1);
	says(o, 0, "not reached",
		"hot was not reached: the request was decided before the rules");
	assert_string_equal(text(json_object_get(o, "explain"), "refused"),
		"before the rules: 404 no_route, the gateway's policy has no route for this path, with "
		"this method and host; check the URL, or let the gateway's operators add a route");
	json_decref(o);
	o = explained(REQUEST("\"headers\":{\"content-type\":\"application/json\"},\"body\":"
			      "\"{\\\"messages\\\":[{\\\"role\\\":\\\"user\\\",\\\"content\\\":"
			      "[{\\\"type\\\":\\\"image_url\\\",\\\"image_url\\\":{\\\"url\\\":"
			      "\\\"data:image/png;base64,iVBORw0KGgo=\\\"}}]}]}\""),
		1);
	assert_string_equal(text(json_object_get(o, "explain"), "refused"),
		"after the rules: 403 unreadable_content, the request contains a file that the "
		"gateway cannot inspect (png: truncated): send its content as text");
	json_decref(o);
}

static void
no_explanation_without_the_option(void **state)
{
	(void)state;
	assert_int_equal(
		tollgate(REQUEST(BODY("hi")), "decide", "--policy", path("policy.yaml"), NULL),
		0);
	assert_null(strstr(cmd_out, "explain"));
}

static void
given_identity_is_checked(void **state)
{
	static const struct {
		const char *given, *why;
	} bad[] = {
		{ "1", "identity must be an object" },
		{ "{\"persona\":\"x\"}", "identity may have method, person" },
		{ "{\"person\":1}", "identity: person, agent, department, team and tier must be strings" },
		{ "{\"roles\":\"x\"}", "identity.roles must be a list of strings" },
		{ "{\"roles\":[1]}", "identity.roles must be a list of strings" },
		{ "{\"clearance\":\"1\"}", "identity.clearance must be an integer" },
		{ "{\"method\":\"password\"}", "identity.method must be jwt" },
		{ "{\"attributes\":[]}", "identity.attributes must be an object" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		char in[256];
		snprintf(in, sizeof(in), "{\"path\":\"/v1/chat/completions\",\"identity\":%s}",
			bad[i].given);
		assert_int_equal(
			tollgate(in, "decide", "--policy", path("policy.yaml"), NULL), 2);
		if (!strstr(cmd_err, bad[i].why))
			fail_msg("%s: %s", bad[i].given, cmd_err);
	}
	json_t *o = explained(
		REQUEST("\"identity\":{\"method\":\"none\",\"person\":\"x\"}," BODY("hi")), 0);
	assert_true(json_is_false(json_object_get(json_object_get(o, "identity"), "verified")));
	json_decref(o);
}

static int
setup(void **state)
{
	if (temp_dir_make(state))
		return -1;
	put("policy.yaml", POLICY);
	return 0;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rule_has_its_outcome_and_values),
		cmocka_unit_test(ending_rule_is_named_and_later_rules_are_not_reached),
		cmocka_unit_test(default_and_refusal_without_rules_are_explained),
		cmocka_unit_test(no_explanation_without_the_option),
		cmocka_unit_test(given_identity_is_checked),
	};
	return cmocka_run_group_tests(tests, setup, temp_dir_remove);
}
