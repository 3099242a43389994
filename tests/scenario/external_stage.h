/* The gate with one recognizer, which the test plays. */
#ifndef TESTS_EXTERNAL_STAGE_H
#define TESTS_EXTERNAL_STAGE_H

#include "scenario/gate_stage.h"

#include "scenario/external_sim.h"

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

static inline void
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

static inline void
down(struct stage *s)
{
	stage_down(s);
	http_rig_stop(&rig);
}

/* Turns the loop until the call is answered. */
static inline void
settle(struct stage *s, struct call *c)
{
	for (int i = 0; i < 3000 && !c->answered; i++) {
		ev_run(s->loop, EVRUN_ONCE);
		stage_settle(s);
	}
	assert_true(c->answered);
}

static inline void
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

static inline void
chat(struct stage *s, const char *text, struct call *c)
{
	chat_for(s, "alice", text, c);
	settle(s, c);
}

/* Returns the body that a redacted request sends to the provider, and ends the exchange. */
static inline const char *
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

#endif
