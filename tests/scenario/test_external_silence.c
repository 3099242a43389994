/* A recognizer that does not answer, or returns an invalid response. The request gets the
 * outcome that the policy declares, by data class if the policy has classes. */
#include "scenario/gate_stage.h"

#include <signal.h>

#include "scenario/external_stage.h"

static const struct silence {
	const char *name;
	enum behaviour how;
	const char *outcome;
} silences[] = {
	{ "the recognizer hangs", HANG, "timeout" },
	{ "the response has another form", GARBAGE, "garbage" },
	{ "the response names bytes outside the text", BEHIND, "garbage" },
	{ "the response is a 500", STATUS, "error" },
	{ "the connection closes", CLOSE, "error" },
};

static void
silent_recognizer_gives_the_policys_outcome(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(silences) / sizeof(silences[0]); i++)
		for (int o = 0; o < 3; o++) {
			static const char *const outcome[] = { "deny", "permit", "redact" };
			struct stage s;
			struct call c;
			char keys[160], want[64];
			snprintf(keys, sizeof(keys), NER ", on_failure: %s", outcome[o]);
			up_for(&s, silences[i].how == HANG ? "50ms" : PATIENT, keys,
				CHAT_ROUTE REDACT_NAMES);
			atomic_store(&sim.behaviour, silences[i].how);
			chat(&s, "hello quuxel", &c);
			snprintf(want, sizeof(want), "\"outcome\":\"%s\",\"applied\":\"%s\"",
				silences[i].outcome, outcome[o]);
			if (!strstr(stage_field(0, "recognisers"), want))
				fail_msg("%s, %s: %s", silences[i].name, want,
					stage_field(0, "recognisers"));
			if (o == 0) {
				assert_string_equal(call_var(&c, "status"), "503");
				assert_string_equal(
					stage_field(0, "code"), "classifier_unavailable");
			} else if (o == 1) {
				assert_string_equal(call_var(&c, "decision"), "permit");
				assert_string_equal(stage_field(0, "low_confidence"), "true");
			} else {
				assert_string_equal(call_var(&c, "decision"), "redact");
				assert_non_null(strstr(
					sent(&s, &c), "\"content\":\"<UNCLASSIFIED_1>\""));
			}
			assert_true(stage_count(&s, M_CLASSIFIER_FAILED) > 0);
			down(&s);
		}
}

static void
on_failure_redact_replaces_unvalidated_candidates(void **state)
{
	struct stage s;
	struct call c;

	(void)state;
	/* Both entities have patterns. The card's digits fail Luhn, so the detectors find
	 * nothing. */
	up(&s, "entities: [CREDIT_CARD, EMAIL_ADDRESS], on_failure: redact",
		CHAT_ROUTE "rules: []\ndefault: permit\n");
	atomic_store(&sim.behaviour, CLOSE);
	chat(&s, "card 4111 1111 1111 1112, call 555-0100", &c);
	assert_string_equal(call_var(&c, "decision"), "redact");
	assert_non_null(strstr(sent(&s, &c), "card <CREDIT_CARD_1>, call 555-0100"));
	/* A candidate is redacted, but not counted as a finding. */
	assert_string_equal(stage_field(0, "entities.CREDIT_CARD.count"), "");
	/* Without a candidate, nothing changes. */
	chat(&s, "nothing here", &c);
	assert_string_equal(call_var(&c, "decision"), "permit");
	down(&s);
}

static void
route_outcome_applies_if_the_recognizer_has_none(void **state)
{
	struct stage s;
	struct call c;

	(void)state;
	up(&s, NER,
		"on_failure: {classifier: deny}\n"
		"routes:\n  - {name: chat, match: {path: /v1/chat/completions}, dialect: "
		"openai, "
		"backend: openai, on_failure: {classifier: permit}}\n" REDACT_NAMES);
	atomic_store(&sim.behaviour, STATUS);
	chat(&s, "hello quuxel", &c);
	assert_string_equal(call_var(&c, "decision"), "permit");
	down(&s);
}

/* The recognizer fails closed if the detectors found personal data, and open otherwise. */
static void
outcome_follows_the_data_class_found(void **state)
{
	static const struct {
		const char *name, *text, *decision, *record;
	} rows[] = {
		{ "no data of a class", "hello quuxel", "permit", "{\"applied\":\"permit\"}" },
		{ "one", "hello quuxel of a@example.com", "deny",
			"{\"applied\":\"deny\",\"class\":\"pii\"}" },
		{ "another", "password: hunter2hunter2x9 quuxel", "redact",
			"{\"applied\":\"redact\",\"class\":\"secret\"}" },
		{ "the stricter of two classes", "password: hunter2hunter2x9 a@example.com",
			"deny", "{\"applied\":\"deny\",\"class\":\"pii\"}" },
		{ "a class that is not named", "DEA number AB1234563 quuxel", "permit",
			"{\"applied\":\"permit\"}" },
	};
	static const char *const levels[] = {
		"on_failure: {classifier: {secret: redact, pii: deny, default: permit}}\n" CHAT_ROUTE,
		"on_failure: {classifier: redact}\n"
		"routes:\n  - {name: chat, match: {path: /v1/chat/completions}, dialect: "
		"openai, backend: openai, on_failure: {classifier: {default: permit, pii: deny, "
		"secret: redact}}}\n",
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows) * COUNT_OF(levels); i++) {
		struct stage s;
		struct call c;
		struct buf more;
		const size_t at = i / COUNT_OF(levels);
		buf_init(&more, 0);
		buf_printf(&more, "%s" REDACT_NAMES "%c", levels[i % COUNT_OF(levels)], 0);
		up_for(&s, "50ms", NER, more.p);
		atomic_store(&sim.behaviour, HANG);
		chat(&s, rows[at].text, &c);
		if (strcmp(call_var(&c, "decision"), rows[at].decision) ||
			strcmp(stage_field(0, "unclassified"), rows[at].record))
			fail_msg("%s: %s %s", rows[at].name, call_var(&c, "decision"),
				stage_field(0, "unclassified"));
		if (!strcmp(rows[at].decision, "deny"))
			assert_string_equal(stage_field(0, "code"), "classifier_unavailable");
		assert_string_equal(stage_field(0, "low_confidence"),
			strcmp(rows[at].decision, "permit") ? "" : "true");
		if (!strcmp(rows[at].decision, "redact"))
			assert_null(strstr(sent(&s, &c), "quuxel"));
		buf_free(&more);
		down(&s);
	}
}

/* The recognizer answers, so no outcome by class is applied or recorded. */
static void
outcome_by_class_applies_only_on_failure(void **state)
{
	struct stage s;
	struct call c;

	(void)state;
	up(&s, NER,
		"on_failure: {classifier: {pii: deny, default: permit}}\n" CHAT_ROUTE REDACT_NAMES);
	chat(&s, "a@example.com and quuxel", &c);
	assert_string_equal(call_var(&c, "decision"), "redact");
	assert_string_equal(stage_field(0, "unclassified"), "");
	sent(&s, &c);
	down(&s);
}

static void
denial_by_rule_stands_if_the_recognizer_fails(void **state)
{
	struct stage s;
	struct call c;

	(void)state;
	up(&s, NER ", on_failure: permit",
		CHAT_ROUTE
		"rules:\n  - {name: no, when: '\"EMAIL_ADDRESS\" in prompt.entities', "
		"deny: true}\ndefault: permit\n");
	atomic_store(&sim.behaviour, STATUS);
	chat(&s, "a@example.com", &c);
	assert_string_equal(call_var(&c, "status"), "403");
	down(&s);
}

int
main(void)
{
#define T(f) cmocka_unit_test(f)
	const struct CMUnitTest tests[] = {
		T(silent_recognizer_gives_the_policys_outcome),
		T(on_failure_redact_replaces_unvalidated_candidates),
		T(route_outcome_applies_if_the_recognizer_has_none),
		T(outcome_follows_the_data_class_found),
		T(outcome_by_class_applies_only_on_failure),
		T(denial_by_rule_stands_if_the_recognizer_fails),
	};
	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
