/* What becomes of a request whose recognizer does not answer, or not what it was asked: the
 * policy's outcome, by class where it says so. */
#include "scenario/gate_stage.h"

#include <signal.h>

#include "scenario/external_stage.h"

static const struct silence {
	const char *name;
	enum behaviour how;
	const char *outcome;
} silences[] = {
	{ "it hangs", HANG, "timeout" },
	{ "it says something else", GARBAGE, "garbage" },
	{ "it names bytes that are not there", BEHIND, "garbage" },
	{ "it answers 500", STATUS, "error" },
	{ "it closes", CLOSE, "error" },
};

static void
its_silence_is_the_policys_outcome(void **state)
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
redact_takes_every_candidate_before_validation(void **state)
{
	struct stage s;
	struct call c;

	(void)state;
	/* Both have patterns; the card's digits fail Luhn, so the detectors say nothing. */
	up(&s, "entities: [CREDIT_CARD, EMAIL_ADDRESS], on_failure: redact",
		CHAT_ROUTE "rules: []\ndefault: permit\n");
	atomic_store(&sim.behaviour, CLOSE);
	chat(&s, "card 4111 1111 1111 1112, call 555-0100", &c);
	assert_string_equal(call_var(&c, "decision"), "redact");
	assert_non_null(strstr(sent(&s, &c), "card <CREDIT_CARD_1>, call 555-0100"));
	/* Possible is not found. */
	assert_string_equal(stage_field(0, "entities.CREDIT_CARD.count"), "");
	/* Nothing could match: nothing changes. */
	chat(&s, "nothing here", &c);
	assert_string_equal(call_var(&c, "decision"), "permit");
	down(&s);
}

static void
the_routes_outcome_holds_where_the_recognizer_has_none(void **state)
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

/* Closed where personal data is, open elsewhere: by what our own detectors found. */
static void
the_outcome_is_that_of_the_class_that_was_found(void **state)
{
	static const struct {
		const char *name, *text, *decision, *record;
	} rows[] = {
		{ "nothing of them", "hello quuxel", "permit", "{\"applied\":\"permit\"}" },
		{ "one", "hello quuxel of a@example.com", "deny",
			"{\"applied\":\"deny\",\"class\":\"pii\"}" },
		{ "another", "password: hunter2hunter2x9 quuxel", "redact",
			"{\"applied\":\"redact\",\"class\":\"secret\"}" },
		{ "the stricter of two", "password: hunter2hunter2x9 a@example.com", "deny",
			"{\"applied\":\"deny\",\"class\":\"pii\"}" },
		{ "one that is not named", "DEA number AB1234563 quuxel", "permit",
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

/* It answers: nothing of that is asked, or recorded. */
static void
the_outcome_by_class_is_for_silence_alone(void **state)
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
a_denial_by_rule_stands_whatever_the_recognizer_does(void **state)
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
		T(its_silence_is_the_policys_outcome),
		T(redact_takes_every_candidate_before_validation),
		T(the_routes_outcome_holds_where_the_recognizer_has_none),
		T(the_outcome_is_that_of_the_class_that_was_found),
		T(the_outcome_by_class_is_for_silence_alone),
		T(a_denial_by_rule_stands_whatever_the_recognizer_does),
	};
	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
