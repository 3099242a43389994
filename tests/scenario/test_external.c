/* External recognizers in the gate. A simulated one answers over HTTP: correctly, slowly,
 * wrongly or not at all. In each case every request gets the outcome that the policy declares.
 */
#include "scenario/gate_stage.h"

#include <signal.h>

#include "scenario/external_stage.h"

#include "gate/sources/recognize.h"
#include "policy/external.h"
#include "policy/policy.h"

static void
recognizer_findings_are_redacted_and_recorded(void **state)
{
	struct stage s;
	struct call c;

	(void)state;
	up(&s, NER, CHAT_ROUTE REDACT_NAMES);
	chat(&s, "\xf0\x9f\x98\x80 \xe6\x9d\x8e: zor blax met quuxel", &c);
	assert_string_equal(call_var(&c, "decision"), "redact");
	assert_string_equal(stage_field(0, "entities.PERSON.count"), "2");
	assert_string_equal(stage_field(0, "entities.PERSON.by"), "[\"ner\"]");
	assert_non_null(strstr(stage_field(0, "recognisers"), "\"outcome\":\"answered\""));
	assert_string_equal(stage_field(0, "low_confidence"), "");
	assert_non_null(strstr(
		sent(&s, &c), "\xf0\x9f\x98\x80 \xe6\x9d\x8e: <PERSON_1> met <PERSON_2>"));
	assert_false(stage_records_hold("zor"));
	down(&s);
}

static void
overlapping_findings_are_redacted_whole(void **state)
{
	struct stage s;
	struct call c;

	(void)state;
	up(&s, NER, CHAT_ROUTE REDACT_NAMES);
	chat(&s, "from zibble <zibble@example.com> today", &c);
	assert_non_null(
		strstr(sent(&s, &c), "\"from <PERSON_1><EMAIL_ADDRESS_1><PERSON_2> today\""));
	assert_string_equal(stage_field(0, "entities.EMAIL_ADDRESS.count"), "1");
	assert_string_equal(stage_field(0, "entities.PERSON.count"), "1");
	down(&s);
}

static void
only_entities_named_by_a_rule_are_redacted(void **state)
{
	struct stage s;
	struct call c;

	(void)state;
	up(&s, NER,
		CHAT_ROUTE
		"rules:\n  - {name: names, redact: {entities: [PERSON]}}\ndefault: permit\n");
	chat(&s, "from zibble <zibble@example.com> today", &c);
	/* The rule does not name the address, but the person's span covers it. */
	assert_non_null(strstr(sent(&s, &c), "\"from <PERSON_1> today\""));
	down(&s);
}

static void
only_new_turns_of_a_resent_history_are_asked(void **state)
{
	struct stage s;
	struct call c;

	(void)state;
	up(&s, NER, CHAT_ROUTE REDACT_NAMES);
	chat(&s, "hello quuxel", &c);
	assert_non_null(strstr(sent(&s, &c), "hello <PERSON_1>"));
	unsigned texts = atomic_load(&sim.texts), calls = atomic_load(&sim.calls);
	assert_int_equal(calls, 1);
	chat(&s, "hello quuxel", &c);
	assert_non_null(strstr(sent(&s, &c), "hello <PERSON_1>"));
	assert_int_equal(atomic_load(&sim.calls), calls);
	assert_int_equal(atomic_load(&sim.texts), texts);
	const struct note turn = { .person = "alice",
		.body = "{\"model\":\"gpt\",\"messages\":[{\"role\":\"user\",\"content\":"
			"\"hello "
			"quuxel\"},{\"role\":\"assistant\",\"content\":\"new turn\"}]}" };
	call_send(&s, 0, &turn, &c);
	settle(&s, &c);
	assert_int_equal(atomic_load(&sim.calls), calls + 1);
	assert_int_equal(atomic_load(&sim.texts), texts + 1);
	sent(&s, &c);
	fake_pass_us(601 * 1000000ull); /* longer than a result is remembered */
	chat(&s, "hello quuxel", &c);
	assert_int_equal(atomic_load(&sim.calls), calls + 2);
	sent(&s, &c);
	down(&s);
}

#define REQUIRED                                                                               \
	"rules:\n"                                                                             \
	"  - {name: must, when: '\"EMAIL_ADDRESS\" in prompt.entities', require: [ner]}\n"     \
	"  - {name: names, redact: {entities: [PERSON]}}\ndefault: permit\n"

/* The recognizer's own `when` and `on_failure` do not apply; the rule that requires it
 * decides. */
static void
required_recognizer_is_asked_and_must_answer(void **state)
{
	struct stage s;
	struct call c;

	(void)state;
	up(&s, NER ", on_failure: permit, when: 'false'", CHAT_ROUTE REQUIRED);
	chat(&s, "hello quuxel", &c); /* the rule does not match */
	assert_string_equal(call_var(&c, "decision"), "permit");
	assert_int_equal(atomic_load(&sim.calls), 0);
	chat(&s, "hello quuxel a@example.com", &c);
	assert_string_equal(call_var(&c, "decision"), "redact");
	assert_non_null(strstr(sent(&s, &c), "hello <PERSON_1> a@example.com"));
	assert_int_equal(atomic_load(&sim.calls), 1);
	atomic_store(&sim.behaviour, STATUS);
	chat(&s, "another quuxel a@example.com", &c);
	assert_string_equal(call_var(&c, "status"), "503");
	assert_string_equal(stage_field(disk_records - 1, "code"), "classifier_unavailable");
	assert_non_null(
		strstr(stage_field(disk_records - 1, "recognisers"), "\"applied\":\"deny\""));
	down(&s);
}

/* Only the result of another recognizer makes the rule apply, and then it is too late to
 * ask. */
static void
required_recognizer_that_was_not_asked_counts_as_failed(void **state)
{
	static const char *const says[] = { "deny", "permit", "redact" };

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		struct stage s;
		struct call c;
		char more[1024];
		snprintf(more, sizeof(more),
			"    - {name: mood, url: 'http://127.0.0.1:1/', entities: [MOOD], "
			"when: "
			"'false', on_failure: permit}\n"
			"on_failure: {classifier: %s}\n" CHAT_ROUTE
			"rules: [{name: must, when: '\"PERSON\" in prompt.entities', require: "
			"mood}]\ndefault: permit\n",
			says[i]);
		up(&s, NER, more);
		chat(&s, "hello quuxel", &c);
		if (i == 1) {
			assert_string_equal(call_var(&c, "decision"), "permit");
			assert_string_equal(stage_field(0, "low_confidence"), "true");
		} else {
			assert_string_equal(call_var(&c, "status"), "503");
			assert_string_equal(stage_field(0, "code"), "classifier_unavailable");
		}
		chat(&s, "hello nobody", &c);
		assert_string_equal(call_var(&c, "decision"), "permit");
		assert_string_equal(stage_field(1, "low_confidence"), "");
		down(&s);
	}
}

static void
required_recognizer_redacts_if_the_route_says_so(void **state)
{
	struct stage s;
	struct call c;

	(void)state;
	up(&s, NER ", on_failure: permit, when: 'false'",
		"on_failure: {classifier: redact}\n" CHAT_ROUTE REQUIRED);
	atomic_store(&sim.behaviour, CLOSE);
	chat(&s, "hello quuxel a@example.com", &c);
	assert_string_equal(call_var(&c, "decision"), "redact");
	assert_non_null(strstr(sent(&s, &c), "\"content\":\"<UNCLASSIFIED_1>\""));
	down(&s);
}

static void
circuit_opens_and_a_probe_closes_it(void **state)
{
	struct stage s;
	struct call c;
	char text[32];

	(void)state;
	up(&s, NER ", on_failure: permit, breaker: {failures: 2, open: 5s}",
		CHAT_ROUTE REDACT_NAMES);
	atomic_store(&sim.behaviour, STATUS);
	for (int i = 0; i < 5; i++) {
		snprintf(text, sizeof(text), "quuxel %d", i);
		chat(&s, text, &c);
		assert_string_equal(call_var(&c, "decision"), "permit");
	}
	assert_int_equal(atomic_load(&sim.calls), 2);
	assert_non_null(strstr(stage_field(4, "recognisers"), "breaker_open"));
	fake_pass_us(5000000);
	chat(&s, "quuxel probes", &c); /* one call, which fails */
	chat(&s, "quuxel waits", &c);
	assert_int_equal(atomic_load(&sim.calls), 3);
	fake_pass_us(5000000);
	atomic_store(&sim.behaviour, GOOD);
	chat(&s, "quuxel again", &c);
	assert_string_equal(call_var(&c, "decision"), "redact");
	sent(&s, &c);
	chat(&s, "quuxel once more", &c);
	assert_string_equal(call_var(&c, "decision"), "redact");
	sent(&s, &c);
	const struct recognizer_stats *st = recognizers_stats(s.gate[0]->recognizers);
	assert_string_equal(st->name, "ner");
	assert_int_equal(atomic_load(&st->opened), 1);
	assert_false(atomic_load(&st->open));
	assert_int_equal(atomic_load(&st->outcomes[ASK_ANSWERED]), 2);
	assert_int_equal(atomic_load(&st->outcomes[ASK_ERROR]), 3);
	assert_int_equal(atomic_load(&st->outcomes[ASK_BREAKER]), 4);
	struct buf b;
	buf_init(&b, 0);
	const struct recognizers *all[] = { s.gate[0]->recognizers, s.gate[1]->recognizers };
	recognizers_metrics(&b, all, 2);
	recognizers_status(&b, all, 2);
	buf_putc(&b, '\0');
	assert_non_null(
		strstr(b.p, "tollgate_recognizer_calls_total{recognizer=\"ner\",outcome="
			    "\"breaker_open\"} 4\n"));
	assert_non_null(
		strstr(b.p, "[{\"name\":\"ner\",\"answered\":2,\"failed\":7,\"open\":0,"));
	buf_free(&b);
	down(&s);
}

static void
recognizer_is_asked_only_if_its_condition_holds(void **state)
{
	struct stage s;
	struct call c;
	const struct note api = {
		.person = "alice", .path = "/api/x", .body = "{\"a\":\"quuxel\"}"
	};

	(void)state;
	up(&s, NER ", when: 'route.name == \"chat\" && \"EMAIL_ADDRESS\" in prompt.entities'",
		CHAT_ROUTE REDACT_NAMES);
	call_do(&s, &api, &c);
	assert_string_equal(call_var(&c, "decision"), "permit");
	chat(&s, "quuxel without an address", &c);
	assert_string_equal(call_var(&c, "decision"), "permit");
	assert_int_equal(atomic_load(&sim.calls), 0);
	assert_string_equal(stage_field(1, "recognisers"), "");
	chat(&s, "quuxel at b@example.com", &c);
	assert_int_equal(atomic_load(&sim.calls), 1);
	assert_non_null(strstr(sent(&s, &c), "<PERSON_1> at <EMAIL_ADDRESS_1>"));
	down(&s);
}

static void
only_configured_roles_are_sent(void **state)
{
	struct stage s;
	struct call c;
	const struct note n = { .person = "alice",
		.body = "{\"model\":\"gpt\",\"messages\":[{\"role\":\"system\",\"content\":"
			"\"you are "
			"quuxel\"},{\"role\":\"user\",\"content\":\"hello "
			"quuxel\"},{\"role\":\"user\","
			"\"content\":\"...\"}]}" };

	(void)state;
	up(&s, NER ", roles: user", CHAT_ROUTE REDACT_NAMES);
	call_send(&s, 0, &n, &c);
	settle(&s, &c);
	assert_int_equal(
		atomic_load(&sim.texts), 1); /* a text that consists of dots is not sent */
	const char *body = sent(&s, &c);
	assert_non_null(strstr(body, "you are quuxel"));
	assert_non_null(strstr(body, "hello <PERSON_1>"));
	down(&s);
}

static void
text_over_the_limit_fails_without_a_call(void **state)
{
	struct stage s;
	struct call c;
	char text[600];

	(void)state;
	up(&s, NER ", max_bytes: 256", CHAT_ROUTE REDACT_NAMES);
	memset(text, 'x', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	chat(&s, text, &c);
	assert_string_equal(call_var(&c, "status"), "503");
	assert_non_null(strstr(stage_field(0, "recognisers"), "too_large"));
	assert_int_equal(atomic_load(&sim.calls), 0);
	down(&s);
}

static void
many_texts_are_sent_in_several_calls(void **state)
{
	struct stage s;
	struct call c;
	struct buf b;

	(void)state;
	up(&s, NER ", max_bytes: 256, concurrency: 2", CHAT_ROUTE REDACT_NAMES);
	buf_init(&b, 0);
	buf_str(&b, "{\"model\":\"gpt\",\"messages\":[");
	for (int i = 0; i < 12; i++)
		buf_printf(&b, "%s{\"role\":\"user\",\"content\":\"%0100d quuxel\"}",
			i ? "," : "", i);
	buf_str(&b, "]}");
	buf_putc(&b, '\0');
	const struct note n = { .person = "alice", .body = b.p };
	call_send(&s, 0, &n, &c);
	settle(&s, &c);
	assert_int_equal(atomic_load(&sim.calls), 6); /* two texts per call */
	assert_int_equal(atomic_load(&sim.texts), 12);
	assert_string_equal(stage_field(0, "entities.PERSON.count"), "12");
	assert_true(atomic_load(&rig->conns) <= 2);
	const char *body = sent(&s, &c);
	assert_null(strstr(body, "quuxel"));
	buf_free(&b);
	down(&s);
}

static void
queued_call_waits_until_its_deadline(void **state)
{
	struct stage s;
	struct call a, b;

	(void)state;
	up(&s, NER ", concurrency: 1, on_failure: permit", CHAT_ROUTE REDACT_NAMES);
	atomic_store(&sim.behaviour, LATE);
	chat_for(&s, "alice", "quuxel one", &a);
	chat_for(&s, "bob", "quuxel two", &b);
	for (int i = 0; i < 20; i++)
		ev_run(s.loop, EVRUN_NOWAIT);
	assert_false(a.answered || b.answered);
	/* The second call's time runs out in the queue. */
	fake_pass_us(PATIENT_US + 1000);
	stage_settle(&s);
	assert_true(b.answered);
	assert_string_equal(call_var(&b, "decision"), "permit");
	assert_non_null(strstr(stage_field(0, "recognisers"), "\"busy\""));
	atomic_store(&sim.release, true);
	settle(&s, &a);
	assert_int_equal(atomic_load(&sim.calls), 1);
	if (!strcmp(call_var(&a, "decision"), "redact"))
		sent(&s, &a);
	down(&s);
}

static void
canceled_request_leaves_nothing_behind(void **state)
{
	struct stage s;
	struct call c;

	(void)state;
	up(&s, NER, CHAT_ROUTE REDACT_NAMES);
	for (int stops = 0; stops < 2; stops++) {
		atomic_store(&sim.behaviour, stops ? HANG : LATE);
		chat_for(&s, "alice", stops ? "quuxel stays" : "quuxel goes", &c);
		assert_false(c.answered);
		call_forget(&c);
		atomic_store(&sim.release, true);
		if (stops) /* a forced stop ends the call, although its deadline is not over */
			gate_abort(s.gate[0]);
		for (int i = 0; i < (stops ? 0 : 500) && stage_alive(&s); i++) {
			ev_run(s.loop, EVRUN_ONCE);
			stage_settle(&s);
		}
		assert_int_equal(stage_alive(&s), 0);
	}
	down(&s);
}

static void
agent_deadline_ends_a_recognizer_call(void **state)
{
	struct stage s;
	struct call c;

	(void)state;
	up(&s, NER ", on_failure: permit", CHAT_ROUTE REDACT_NAMES);
	atomic_store(&sim.behaviour, LATE);
	chat_for(&s, "alice", "quuxel waits", &c);
	assert_false(c.answered);
	stage_pass(&s, DEADLINE_US); /* the loop stood still, so no timer of a call ran */
	assert_true(c.answered);
	assert_string_equal(call_var(&c, "status"), "503");
	atomic_store(&sim.release, true);
	for (int i = 0; i < 500 && stage_alive(&s); i++) {
		ev_run(s.loop, EVRUN_ONCE);
		stage_settle(&s);
	}
	down(&s);
}

static void
deferred_body_is_sent_to_the_recognizer(void **state)
{
	struct stage s;
	struct call c;
	struct pass p;
	char body[] = "{\"model\":\"gpt\",\"messages\":[{\"role\":\"user\",\"content\":\"hello "
		      "quuxel\"}]}";
	const struct note n = { .person = "alice",
		.body = body,
		.no_length = true,
		.headers = { "transfer-encoding: chunked" } };

	(void)state;
	up(&s, NER, CHAT_ROUTE REDACT_NAMES);
	call_do(&s, &n, &c);
	assert_string_equal(call_var(&c, "decision"), "defer");
	assert_int_equal(atomic_load(&sim.calls), 0);
	assert_int_equal(pass_claim(&s, 1, &p, &c, -1), 0);
	gate_body(p.x, span_of(body, sizeof(body) - 1), pass_ruled, &p);
	for (int i = 0; i < 3000 && !p.ruled; i++) {
		ev_run(s.loop, EVRUN_ONCE);
		stage_settle(&s);
	}
	assert_true(p.ruled && !p.denied);
	assert_int_equal(atomic_load(&sim.calls), 1);
	assert_non_null(
		memmem(gate_plan(p.x)->body.p, gate_plan(p.x)->body.n, "hello <PERSON_1>", 16));
	pass_finish(&p, END_COMPLETE, 200, 1, 1);
	stage_settle(&s);
	assert_true(p.done);
	down(&s);
}

static void
moderation_result_applies_to_a_whole_text(void **state)
{
	struct stage s;
	struct call c;

	(void)state;
	up(&s, "shape: openai_moderation",
		CHAT_ROUTE "rules:\n  - {name: no, when: 'identity.person == \"bob\" && "
			   "\"moderation\" in prompt.classes', deny: true}\n"
			   "  - {name: out, redact: {classes: [moderation]}}\n"
			   "  - {name: pii, redact: {entities: [EMAIL_ADDRESS]}}\n"
			   "default: permit\n");
	chat(&s, "fine a@example.com", &c);
	assert_non_null(strstr(sent(&s, &c), "\"fine <EMAIL_ADDRESS_1>\""));
	chat(&s, "hit quuxel a@example.com", &c);
	assert_non_null(strstr(sent(&s, &c), "\"content\":\"<MODERATION_VIOLENCE_1>\""));
	assert_string_equal(stage_field(2, "entities.MODERATION_VIOLENCE.by"), "[\"ner\"]");
	chat_for(&s, "bob", "hit quuxel", &c);
	settle(&s, &c);
	assert_string_equal(call_var(&c, "status"), "403");
	down(&s);
}

static void
several_recognizers_each_have_their_outcome(void **state)
{
	struct stage s;
	struct call c;
	char more[1024], file[] = "/tmp/tollgate-token-XXXXXX";
	int fd = mkstemp(file);

	(void)state;
	assert_int_equal(write(fd, "tok", 3), 3);
	close(fd);
	snprintf(more, sizeof(more),
		"    - {name: dead, url: 'http://127.0.0.1:1/', entities: [EMAIL_ADDRESS], "
		"on_failure: permit}\n%s",
		CHAT_ROUTE REDACT_NAMES);
	char keys[256];
	snprintf(keys, sizeof(keys), NER ", token_file: %s", file);
	up(&s, keys, more);
	chat(&s, "quuxel at b@example.com", &c);
	assert_non_null(strstr(sent(&s, &c), "<PERSON_1> at <EMAIL_ADDRESS_1>"));
	const char *said = stage_field(0, "recognisers");
	assert_non_null(strstr(said, "\"name\":\"ner\",\"outcome\":\"answered\""));
	/* a busy machine may learn of the closed port only after the deadline */
	assert_true(
		strstr(said,
			"\"name\":\"dead\",\"outcome\":\"error\",\"applied\":\"permit\"") ||
		strstr(said,
			"\"name\":\"dead\",\"outcome\":\"timeout\",\"applied\":\"permit\""));
	assert_string_equal(stage_field(0, "low_confidence"), "true");
	assert_int_equal(atomic_load(&sim.bearer), 1);
	down(&s);
	unlink(file);
}

static void
new_policy_drops_results_of_the_old_one(void **state)
{
	struct stage s;
	struct call c;
	struct diag d;

	(void)state;
	up(&s, NER, CHAT_ROUTE REDACT_NAMES);
	FILE *f = fopen(s.policy, "a");
	fputs("output_default: 7\n", f);
	fclose(f);
	diag_init(&d);
	struct snapshot *next = snapshot_load(NULL, s.policy, 2, NULL, &d);
	assert_non_null(next);
	diag_free(&d);
	next->cfg = &s.cfg;
	atomic_store(&sim.behaviour, LATE);
	chat_for(&s, "alice", "quuxel stays", &c);
	for (int i = 0; i < 2; i++)
		gate_snapshot(s.gate[i], next);
	atomic_store(&sim.release, true);
	settle(&s, &c); /* under the policy with which it began */
	assert_string_equal(call_var(&c, "decision"), "redact");
	sent(&s, &c);
	chat(&s, "quuxel stays",
		&c); /* the version changed, so the text is asked about again */
	assert_int_equal(atomic_load(&sim.calls), 2);
	sent(&s, &c);
	snapshot_unref(&s.snap);
	s.snap = next;
	down(&s);
}

/* The daemon is asked to stop twice and no longer waits. */
static void
forced_stop_ends_a_pending_ask(void **state)
{
	struct stage s;
	struct arena a;
	struct findings found[2];
	struct span text = SPAN_LIT("quuxel");
	unsigned char keys[1][SHA256_BYTES];

	(void)state;
	up(&s, NER ", concurrency: 1", CHAT_ROUTE REDACT_NAMES);
	atomic_store(&sim.behaviour, HANG);
	arena_init(&a, 0, false);
	struct recognizers *r = recognizers_new(s.loop);
	const struct policy *p = s.snap->policy;
	recognize_key(recognize_peer(r, p, &p->externals[0]), text, keys[0]);
	struct ask asks[2];
	for (int i = 0; i < 2; i++) {
		asks[i] = (struct ask){ .policy = p,
			.x = &p->externals[0],
			.texts = &text,
			.keys = (const unsigned char(*)[SHA256_BYTES])keys,
			.n = 1,
			.over = not_over,
			.deadline_us = clock_mono_us() + 400000,
			.arena = &a,
			.found = &found[i],
			.done = never };
		assert_true(
			recognize_ask(r, &asks[i])); /* one is sent, one waits in the queue */
	}
	for (int i = 0; i < 5; i++)
		ev_run(s.loop, EVRUN_NOWAIT);
	recognizers_free(&r);
	assert_null(r);
	ev_run(s.loop, EVRUN_NOWAIT);
	arena_reset(&a);
	down(&s);
}

int
main(void)
{
#define T(f) cmocka_unit_test(f)
	const struct CMUnitTest tests[] = {
		T(recognizer_findings_are_redacted_and_recorded),
		T(overlapping_findings_are_redacted_whole),
		T(only_entities_named_by_a_rule_are_redacted),
		T(only_new_turns_of_a_resent_history_are_asked),
		T(required_recognizer_is_asked_and_must_answer),
		T(required_recognizer_that_was_not_asked_counts_as_failed),
		T(required_recognizer_redacts_if_the_route_says_so),
		T(circuit_opens_and_a_probe_closes_it),
		T(recognizer_is_asked_only_if_its_condition_holds),
		T(only_configured_roles_are_sent),
		T(text_over_the_limit_fails_without_a_call),
		T(many_texts_are_sent_in_several_calls),
		T(queued_call_waits_until_its_deadline),
		T(canceled_request_leaves_nothing_behind),
		T(agent_deadline_ends_a_recognizer_call),
		T(deferred_body_is_sent_to_the_recognizer),
		T(moderation_result_applies_to_a_whole_text),
		T(several_recognizers_each_have_their_outcome),
		T(new_policy_drops_results_of_the_old_one),
		T(forced_stop_ends_a_pending_ask),
	};
	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
