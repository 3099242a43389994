/* Turns of conversations through the gate: which body is sent to the provider for each request,
 * and which response the caller receives, whole or in pieces. */
#ifndef TESTS_KEPT_STAGE_H
#define TESTS_KEPT_STAGE_H

#include "answer/guard/guard.h"
#include "scenario/gate_stage.h"

#define KEPT_POLICY                                                                            \
	"providers:\n"                                                                         \
	"  o: {backend: openai, dialect: openai}\n"                                            \
	"  a: {backend: anthropic, dialect: anthropic}\n"                                      \
	"  g: {backend: gemini, dialect: gemini}\n"                                            \
	"  s: {backend: tools, dialect: mcp}\n"                                                \
	"routes:\n"                                                                            \
	"  - {name: t, match: {path: /mcp}, targets: [s], response: restore}\n"                \
	"  - {name: g, match: {path_prefix: /v1beta/}, targets: [g], response: restore}\n"     \
	"  - {name: plain, match: {path: /v1/completions}, targets: [o], response: meter}\n"   \
	"  - {name: m, match: {path_prefix: /v1/messages}, targets: [a], response: restore}\n" \
	"  - {name: o, match: {path_prefix: /v1/}, targets: [o], response: restore}\n"         \
	"rules: [{name: r, redact: {classes: [pii, phi, secret]}}]\n"                          \
	"default: permit\n"

enum { TURNS = 8, TEXT_MAX = 8192 };

/* One request and its response. `sent` is part of the body that the provider must receive,
 * `got` part of the response that the caller must receive. NULL: not compared. */
struct turn_row {
	const char *person, *path, *body;
	const char *sent;
	const char *answer;
	const char *got;
};

/* The bodies of one turn: as sent to the provider, and as received by the caller. */
struct heard {
	char sent[TEXT_MAX], got[TEXT_MAX];
};

/* A request that the provider has received and not answered yet. */
struct flight {
	struct call c;
	struct pass p;
	char *late; /* the bytes that the relay read, if the body is decided late; else NULL */
};

static inline void
keep_text(char *out, struct span s)
{
	assert_true(s.n < TEXT_MAX);
	snprintf(out, TEXT_MAX, "%.*s", SPAN_ARG(s));
}

/* Sends one request to worker `w`. The provider's body is put into h->sent. */
static inline void
talk_begin(struct stage *s, unsigned w, const struct turn_row *t, struct flight *f,
	struct heard *h)
{
	struct note n = { .person = t->person ? t->person : "alice",
		.method = t->body ? "POST" : "GET",
		.path = t->path,
		.body = t->body };

	memset(h, 0, sizeof(*h));
	memset(f, 0, sizeof(*f));
	call_send(s, w, &n, &f->c);
	stage_settle(s);
	assert_true(f->c.answered);
	if (strcmp(call_var(&f->c, "via"), "relay"))
		fail_msg("%s %s: %s, no relay", n.method, t->path, call_var(&f->c, "error"));
	pass_send(s, w, &f->p, call_var(&f->c, "ticket"), n.method,
		t->body ? (int64_t)strlen(t->body) : -1);
	stage_turn(s);
	assert_non_null(f->p.x);
	if (gate_plan(f->p.x)->body_mode == BODY_DEFER) {
		f->late = strdup(t->body);
		assert_true(gate_hold(f->p.x, strlen(f->late)));
		gate_body(f->p.x, span_str(f->late), pass_ruled, &f->p);
		stage_settle(s);
		assert_true(f->p.ruled && !f->p.denied);
	}
	const struct exchange_plan *plan = gate_plan(f->p.x);
	keep_text(h->sent,
		plan->body_mode == BODY_SWAP ? plan->body : span_str(t->body ? t->body : ""));
}

/* The provider answers in pieces of 1 to `most` bytes (0: in one piece), drawn with *seed. The
 * caller's response is put into h->got. */
static inline void
talk_end(struct stage *s, struct flight *f, const char *answer, size_t most, unsigned *seed,
	struct heard *h)
{
	bool streamed = span_starts(span_str(answer), SPAN_LIT("event:")) ||
			span_starts(span_str(answer), SPAN_LIT("data:"));
	struct span rest = span_str(answer);
	struct guard *g;
	struct buf out;

	buf_init(&out, 0);
	assert_int_equal(
		gate_answer(f->p.x,
			&(struct guard_head){ .status = 200,
				.content_type = streamed ? SPAN_LIT("text/event-stream")
							 : SPAN_LIT("application/json") },
			&g),
		0);
	while (rest.n) {
		size_t n = most ? 1 + (size_t)rand_r(seed) % most : rest.n;
		assert_int_equal(guard_feed(g, span_cut(rest, 0, n), &out), GUARD_PASS);
		rest = span_cut(rest, n, rest.n);
		assert_true(gate_keep(f->p.x));
	}
	assert_int_equal(guard_end(g, &out), GUARD_PASS);
	assert_true(gate_keep(f->p.x));
	keep_text(h->got, buf_view(&out));
	buf_free(&out);
	pass_finish(&f->p, END_COMPLETE, 200, 10, 5);
	stage_settle(s);
	free(f->late);
}

static inline void
turn_do(struct stage *s, unsigned w, const struct turn_row *t, struct heard *h)
{
	static struct flight f;

	talk_begin(s, w, t, &f, h);
	talk_end(s, &f, t->answer, 0, NULL, h);
}

#endif
