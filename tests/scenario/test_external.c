/* External recognizers in the gate. A simulated one answers over HTTP: correctly, slowly,
 * wrongly or not at all. In each case every request gets the outcome that the policy declares,
 * by data class if the policy has classes. */
#include <jansson.h>
#include <signal.h>

#include "gate/sources/recognize.h"
#include "policy/external.h"
#include "policy/policy.h"
#include "scenario/gate_stage.h"
#include "support/http_rig.h"

/* ---- the recognizer ---- */

/* ---- the simulated recognizer: it finds names of persons ---- */

enum behaviour { GOOD, HANG, GARBAGE, BEHIND, STATUS, CLOSE, LATE, FLAG };

static struct {
	_Atomic int behaviour;
	_Atomic unsigned calls, texts, bearer;
	_Atomic bool release; /* requests that wait because of LATE are answered now */
} sim;

static size_t
points(const char *from, const char *to)
{
	size_t n = 0;

	for (; from < to; from++)
		n += ((unsigned char)*from & 0xc0) != 0x80;
	return n;
}

static json_t *
persons(const char *text)
{
	static const char *const names[] = { "zor blax", "quuxel" };
	json_t *list = json_array();

	for (size_t i = 0; i < 2; i++)
		for (const char *at = text; (at = strstr(at, names[i])); at++) {
			size_t start = points(text, at);
			json_array_append_new(
				list, json_pack("{s:s,s:i,s:i,s:f}", "entity_type", "PER",
					      "start", (int)start, "end",
					      (int)(start + strlen(names[i])), "score", 0.85));
		}
	/* Also finds one span that covers an address and the name before it. */
	const char *whole = strstr(text, "zibble <zibble@example.com>");
	if (whole)
		json_array_append_new(
			list, json_pack("{s:s,s:i,s:i,s:f}", "entity_type", "PER", "start",
				      (int)points(text, whole), "end",
				      (int)points(text, whole) + 27, "score", 0.9));
	return list;
}

static json_t *
answer_of(json_t *q)
{
	json_t *texts = json_object_get(q, "text"), *out = json_array(), *t;
	size_t i;

	if (json_is_array(json_object_get(q, "input"))) {
		json_array_foreach(json_object_get(q, "input"), i, t)
		{
			bool bad = strstr(json_string_value(t), "quuxel") != NULL;
			json_array_append_new(
				out, json_pack("{s:b,s:{s:b},s:{s:f}}", "flagged", bad,
					     "categories", "violence", bad, "category_scores",
					     "violence", bad ? 0.9 : 0.0));
		}
		json_t *o = json_object();
		json_object_set_new(o, "results", out);
		return o;
	}
	json_array_foreach(texts, i, t)
		json_array_append_new(out, persons(json_string_value(t)));
	return out;
}

static bool
on_request(void *arg, struct rig_conn *c, const struct rig_request *q)
{
	json_error_t err;
	json_t *doc = json_loadb(q->body.p, q->body.n, JSON_ALLOW_NUL, &err);

	(void)arg;
	atomic_fetch_add(&sim.calls, 1);
	atomic_fetch_add(
		&sim.texts, (unsigned)(json_array_size(json_object_get(doc, "text")) +
				       json_array_size(json_object_get(doc, "input"))));
	if (memmem(q->head.p, q->head.n, "Authorization: Bearer tok", 25))
		atomic_fetch_add(&sim.bearer, 1);
	int how = atomic_load(&sim.behaviour);
	while (how == LATE && !atomic_load(&sim.release))
		usleep(1000);
	json_t *a = answer_of(doc);
	char *text = json_dumps(a, JSON_COMPACT);
	bool more = true;
	switch (how) {
	case HANG:
		http_rig_hang(c);
		more = false;
		break;
	case GARBAGE: http_rig_answer(c, 200, "", SPAN_LIT("<html>busy</html>")); break;
	case BEHIND:
		http_rig_answer(c, 200, "",
			SPAN_LIT("[[{\"entity_type\":\"PER\",\"start\":0,\"end\":9999,"
				 "\"score\":1}]]"));
		break;
	case STATUS: http_rig_answer(c, 500, "", SPAN_LIT("no")); break;
	case CLOSE: more = false; break;
	default:
		http_rig_answer(c, 200, "Content-Type: application/json\r\n", span_str(text));
		break;
	}
	free(text);
	json_decref(a);
	json_decref(doc);
	return more;
}

/* Callbacks of an ask that never completes and is never canceled. */
static void
never(struct ask *a)
{
	(void)a;
	fail();
}

static bool
not_over(const struct ask *a)
{
	(void)a;
	return false;
}

/* ---- the gate ---- */

#define CHAT_ROUTE                                                                             \
	"routes:\n"                                                                            \
	"  - {name: chat, match: {methods: [POST], path: /v1/chat/completions}, dialect: "     \
	"openai, backend: openai}\n"                                                           \
	"  - {name: api, match: {path_prefix: /api/}, dialect: rest, backend: local}\n"
#define REDACT_NAMES                                                                           \
	"rules:\n  - {name: names, redact: {entities: [PERSON, EMAIL_ADDRESS]}}\ndefault: "    \
	"permit\n"

static struct http_rig *rig;

/* The timeout of a call. It is long, so that the call is answered even if the machine pauses
 * for a while. */
#define PATIENT "20s"
enum { PATIENT_US = 20000000, DEADLINE_US = 40000000 };

static void
up_for(struct stage *s, const char *timeout, const char *keys, const char *more)
{
	struct buf b;

	memset(&sim, 0, sizeof(sim));
	rig = http_rig_start(on_request, NULL, NULL, NULL);
	buf_init(&b, 0);
	buf_printf(&b,
		"detectors:\n  external:\n    - {name: ner, url: "
		"'http://127.0.0.1:%u/analyze', "
		"timeout: %s, %s}\n%s",
		rig->port, timeout, keys, more);
	buf_putc(&b, '\0');
	stage_up(s, b.p);
	s->cfg.agent_deadline_us = DEADLINE_US;
	buf_free(&b);
}

#define up(s, keys, more) up_for(s, PATIENT, keys, more)

static void
down(struct stage *s)
{
	stage_down(s);
	http_rig_stop(&rig);
}

/* Turns the loop until the call is answered. */
static void
settle(struct stage *s, struct call *c)
{
	for (int i = 0; i < 3000 && !c->answered; i++) {
		ev_run(s->loop, EVRUN_ONCE);
		stage_settle(s);
	}
	assert_true(c->answered);
}

static void
chat_for(struct stage *s, const char *person, const char *text, struct call *c)
{
	struct buf b;

	buf_init(&b, 0);
	buf_str(&b, "{\"model\":\"gpt\",\"messages\":[{\"role\":\"user\",\"content\":");
	buf_json_str(&b, span_str(text));
	buf_str(&b, "}]}");
	buf_putc(&b, '\0');
	const struct note n = { .person = person, .body = b.p };
	call_send(s, 0, &n, c);
	stage_settle(s);
	buf_free(&b);
}

static void
chat(struct stage *s, const char *text, struct call *c)
{
	chat_for(s, "alice", text, c);
	settle(s, c);
}

/* Returns the body that a redacted request sends to the provider, and ends the exchange. */
static const char *
sent(struct stage *s, struct call *c)
{
	static char out[4096];
	struct pass p;

	assert_string_equal(call_var(c, "via"), "relay");
	/* The length that HAProxy declared. */
	struct ticket *t = TAILQ_LAST(&s->gate[0]->tickets.ages, ticket_ages);
	assert_non_null(t);
	const struct request *r = CONTAINER_OF(t, struct exchange, ticket)->r;
	assert_int_equal(pass_claim(s, 0, &p, c, r->in.declared_length), 0);
	const struct exchange_plan *plan = gate_plan(p.x);
	assert_int_equal(plan->body_mode, BODY_SWAP);
	snprintf(out, sizeof(out), "%.*s", SPAN_ARG(plan->body));
	pass_finish(&p, END_COMPLETE, 200, 1, 1);
	stage_settle(s);
	assert_true(p.done);
	return out;
}

#define NER "entities: [PERSON], map: {PER: PERSON}"

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

/* ---- silence, and invalid responses ---- */

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
		"on_failure: {classifier: {secret: redact, pii: deny, default: "
		"permit}}\n" CHAT_ROUTE,
		"on_failure: {classifier: redact}\n"
		"routes:\n  - {name: chat, match: {path: /v1/chat/completions}, dialect: "
		"openai, backend: openai, on_failure: {classifier: {default: permit, pii: "
		"deny, "
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
		"on_failure: {classifier: {pii: deny, default: permit}}\n" CHAT_ROUTE
			REDACT_NAMES);
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
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(recognizer_findings_are_redacted_and_recorded),
		cmocka_unit_test(overlapping_findings_are_redacted_whole),
		cmocka_unit_test(only_entities_named_by_a_rule_are_redacted),
		cmocka_unit_test(only_new_turns_of_a_resent_history_are_asked),
		cmocka_unit_test(required_recognizer_is_asked_and_must_answer),
		cmocka_unit_test(required_recognizer_that_was_not_asked_counts_as_failed),
		cmocka_unit_test(required_recognizer_redacts_if_the_route_says_so),
		cmocka_unit_test(circuit_opens_and_a_probe_closes_it),
		cmocka_unit_test(recognizer_is_asked_only_if_its_condition_holds),
		cmocka_unit_test(only_configured_roles_are_sent),
		cmocka_unit_test(text_over_the_limit_fails_without_a_call),
		cmocka_unit_test(many_texts_are_sent_in_several_calls),
		cmocka_unit_test(queued_call_waits_until_its_deadline),
		cmocka_unit_test(canceled_request_leaves_nothing_behind),
		cmocka_unit_test(agent_deadline_ends_a_recognizer_call),
		cmocka_unit_test(deferred_body_is_sent_to_the_recognizer),
		cmocka_unit_test(moderation_result_applies_to_a_whole_text),
		cmocka_unit_test(several_recognizers_each_have_their_outcome),
		cmocka_unit_test(new_policy_drops_results_of_the_old_one),
		cmocka_unit_test(forced_stop_ends_a_pending_ask),
		cmocka_unit_test(silent_recognizer_gives_the_policys_outcome),
		cmocka_unit_test(on_failure_redact_replaces_unvalidated_candidates),
		cmocka_unit_test(route_outcome_applies_if_the_recognizer_has_none),
		cmocka_unit_test(outcome_follows_the_data_class_found),
		cmocka_unit_test(outcome_by_class_applies_only_on_failure),
		cmocka_unit_test(denial_by_rule_stands_if_the_recognizer_fails),
	};

	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
