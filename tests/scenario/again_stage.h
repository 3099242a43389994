/* The stage for scenarios in which a request may be sent to several targets. The test plays the
 * relay. */
#ifndef SCENARIO_AGAIN_STAGE_H
#define SCENARIO_AGAIN_STAGE_H

#include "scenario/gate_stage.h"
#include "gate/engine/engine.h"

#define HELLO	  "{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":\"to a@example.com\"}]}"
#define PROVIDERS                                                                              \
	"providers:\n"                                                                         \
	"  one: {backend: first, dialect: openai, region: us}\n"                               \
	"  two: {backend: second, dialect: openai, external: false}\n"                         \
	"  three: {backend: third, dialect: openai, region: eu}\n"
#define ROUTE(more)                                                                            \
	PROVIDERS "routes:\n"                                                                  \
		  "  - {name: chat, match: {methods: [POST], path: /v1/chat/completions}, "      \
		  "targets: [{provider: one, model: m1}, {provider: two, model: m2}, three]"   \
		  ", response: [meter], reserve: estimate" more "}\n"
#define REST                                                                                   \
	"rules:\n"                                                                             \
	"  - {name: outside, when: 'target.external && size(prompt.entities) > 0', redact: "   \
	"{entities: [EMAIL_ADDRESS]}}\n"                                                       \
	"default: permit\n"                                                                    \
	"limits:\n"                                                                            \
	"  - {name: requests, per: [identity.person], requests: 5, window: 1m}\n"              \
	"  - {name: tokens, per: [identity.person], tokens: 100000, window: 1m}\n"             \
	"output_default: 100\n"
#define POLICY ROUTE("") REST
#define LEN(s) ((int64_t)sizeof(s) - 1)

static const struct note whole = { .person = "alice", .body = HELLO };
static const struct note late = { .person = "alice",
	.body = HELLO,
	.no_length = true,
	.headers = { "transfer-encoding: chunked" } };

struct asked {
	bool broke_early; /* the next attempt that is cut broke early; again() resets this */
	bool told;
	enum again what;
};

static inline void
on_told(void *arg, enum again what)
{
	struct asked *a = arg;

	assert_false(a->told);
	a->told = true;
	a->what = what;
}

static inline void
again(struct pass *p, struct asked *a, enum attempt_said said, int status)
{
	struct attempt_end e = { .said = said,
		.result = { .status = status, .end = END_COMPLETE } };

	if (said != ATTEMPT_ANSWERED)
		e.result.end = said == ATTEMPT_NEVER_SENT ? END_NEVER_SENT : END_PROVIDER_ABORT;
	e.broke_early = said == ATTEMPT_CUT && a->broke_early;
	*a = (struct asked){ 0 };
	gate_again(p->x, &e, on_told, a);
	assert_false(a->told); /* the callback does not run inside gate_again() */
}

static inline struct span
goes_to(const struct pass *p)
{
	const struct http_head *h = &gate_plan(p->x)->head;
	const struct http_field *f = http_field_nth(h, "x-tollgate-backend", 0);

	return f->value;
}

/* Sends a NOTIFY that is decided for the relay. The body is whole in the NOTIFY, or the relay
 * reads it later. Returns the bytes that the relay read, which the caller frees, or NULL. */
static inline char *
begin(struct stage *s, const char *policy, const struct note *n, struct call *c, struct pass *p)
{
	char *bytes = NULL;

	stage_up(s, policy);
	call_do(s, n, c);
	assert_string_equal(call_var(c, "via"), "relay");
	assert_int_equal(pass_claim(s, 1, p, c, n->no_length ? -1 : LEN(HELLO)), 0);
	if (n->no_length) {
		bytes = strdup(HELLO);
		assert_non_null(bytes);
		gate_body(p->x, span_str(bytes), pass_ruled, p);
		stage_settle(s);
		assert_true(p->ruled && !p->denied);
	}
	assert_true(gate_plan(p->x)->asks && gate_plan(p->x)->holds);
	assert_int_equal(gate_plan(p->x)->body_mode, BODY_SWAP);
	return bytes;
}

static inline void
ends(struct stage *s, struct pass *p, char *bytes)
{
	stage_settle(s);
	assert_true(p->done);
	stage_down(s);
	free(bytes);
}

static inline const char *
attempts(void)
{
	return stage_field(disk_records - 1, "attempts");
}

#define ONE                                                                                    \
	PROVIDERS "routes:\n"                                                                  \
		  "  - {name: chat, match: {methods: [POST], path: "                           \
		  "/v1/chat/completions}, targets: [one], response: [meter], "                 \
		  "retry: {attempts: 2}}\n"

#endif
