/* A request that may be sent to several targets: the gate's decision at the end of an attempt,
 * and the limits. Requests and places count once. Tokens and dollars count for each attempt, by
 * its own target. The test plays the relay. */
#include <math.h>

#include "gate/engine/engine.h"
#include "scenario/gate_stage.h"

#define HELLO                                                                                  \
	"{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":\"to "                  \
	"a@example.com\"}]}"
#define PROVIDERS                                                                              \
	"providers:\n"                                                                         \
	"  one: {backend: first, dialect: openai, region: us}\n"                               \
	"  two: {backend: second, dialect: openai, external: false}\n"                         \
	"  three: {backend: third, dialect: openai, region: eu}\n"
#define ROUTE(more)                                                                            \
	PROVIDERS "routes:\n"                                                                  \
		  "  - {name: chat, match: {methods: [POST], path: /v1/chat/completions}, "    \
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

static void
on_told(void *arg, enum again what)
{
	struct asked *a = arg;

	assert_false(a->told);
	a->told = true;
	a->what = what;
}

static void
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

static struct span
goes_to(const struct pass *p)
{
	const struct http_head *h = &gate_plan(p->x)->head;
	const struct http_field *f = http_field_nth(h, "x-tollgate-backend", 0);

	return f->value;
}

/* Sends a NOTIFY that is decided for the relay. The body is whole in the NOTIFY, or the relay
 * reads it later. Returns the bytes that the relay read, which the caller frees, or NULL. */
static char *
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

static void
ends(struct stage *s, struct pass *p, char *bytes)
{
	stage_settle(s);
	assert_true(p->done);
	stage_down(s);
	free(bytes);
}

static const char *
attempts(void)
{
	return stage_field(disk_records - 1, "attempts");
}

#define ONE                                                                                    \
	PROVIDERS "routes:\n"                                                                  \
		  "  - {name: chat, match: {methods: [POST], path: "                           \
		  "/v1/chat/completions}, targets: [one], response: [meter], "                 \
		  "retry: {attempts: 2}}\n"

/* ---- plans ---- */

static void
each_target_gets_the_body_decided_for_it(void **state)
{
	static const struct note *const notes[] = { &whole, &late };

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		struct stage s;
		struct call c;
		struct pass p;
		struct asked a = { 0 };
		char *bytes = begin(&s, POLICY, notes[i], &c, &p);
		assert_true(span_is(goes_to(&p), "first"));
		struct span sent = gate_plan(p.x)->body;
		assert_non_null(memmem(sent.p, sent.n, "\"m1\"", 4));
		assert_non_null(memmem(sent.p, sent.n, "<EMAIL_ADDRESS_1>", 17));
		again(&p, &a, ATTEMPT_ANSWERED, 503);
		stage_settle(&s);
		assert_true(a.told && a.what == AGAIN_GOES);
		assert_true(span_is(goes_to(&p), "second"));
		sent = gate_plan(p.x)->body;
		assert_non_null(memmem(sent.p, sent.n, "\"m2\"", 4));
		assert_non_null(memmem(sent.p, sent.n, "a@example.com", 13));
		again(&p, &a, ATTEMPT_NEVER_SENT, 0);
		stage_settle(&s);
		assert_true(a.told && a.what == AGAIN_GOES);
		assert_true(span_is(goes_to(&p), "third"));
		sent = gate_plan(p.x)->body;
		assert_non_null(memmem(sent.p, sent.n, "\"m\"", 3));
		assert_non_null(memmem(sent.p, sent.n, "<EMAIL_ADDRESS_1>", 17));
		assert_false(
			gate_plan(p.x)->holds); /* the last target has no further attempt */
		assert_true(gate_plan(p.x)->asks);
		gate_stands(p.x, 1);
		assert_false(gate_plan(p.x)->asks);
		pass_finish(&p, END_COMPLETE, 200, 20, 30);
		stage_settle(&s);
		assert_string_equal(stage_field(disk_records - 1, "target"), "three");
		assert_int_equal(stage_charged(&s, "requests", "alice"), 1);
		assert_int_equal(stage_charged(&s, "tokens", "alice"), 50);
		ends(&s, &p, bytes);
	}
}

/* ---- the next attempt ---- */

/* clang-format off */
static const struct {
	const char *name;
	enum attempt_said said;
	int status;
	enum again what;
	const char *cause;
} ends_of[] = {
	{ "the caller's own mistake",      ATTEMPT_ANSWERED,   400, AGAIN_STAYS, "final" },
	{ "the provider's rate limit",                      ATTEMPT_ANSWERED,   429, AGAIN_GOES,  "throttled" },
	{ "the provider is overloaded",                      ATTEMPT_ANSWERED,   529, AGAIN_GOES,  "throttled" },
	{ "the gateway's key is refused",                       ATTEMPT_ANSWERED,   401, AGAIN_GOES,  "refused_us" },
	{ "the gateway's credit is exhausted",                    ATTEMPT_ANSWERED,   402, AGAIN_GOES,  "refused_us" },
	{ "the gateway's key lacks a permission",           ATTEMPT_ANSWERED,   403, AGAIN_GOES,  "refused_us" },
	{ "an unknown path",           ATTEMPT_ANSWERED,   404, AGAIN_STAYS, "final" },
	{ "a conflict",                    ATTEMPT_ANSWERED,   409, AGAIN_GOES,  "perhaps_billed" },
	{ "a failure of the provider",                     ATTEMPT_ANSWERED,   500, AGAIN_GOES,  "perhaps_billed" },
	{ "no connection",                 ATTEMPT_NEVER_SENT, 0,   AGAIN_GOES,  "never_sent" },
	{ "HAProxy's 502, 504",            ATTEMPT_CUT,        503, AGAIN_GOES,  "perhaps_billed" },
	{ "a connection that closes without a byte",                ATTEMPT_CUT,        0,   AGAIN_GOES,  "perhaps_billed" },
};
/* clang-format on */

/* An error or a stream decides the next attempt even on a route that does not read its
 * responses, so no target may compress them. */
static void
accept_encoding_sent_to_targets_is_identity(void **state)
{
	static const struct note zipped = {
		.person = "alice", .body = HELLO, .headers = { "accept-encoding: gzip" }
	};
	struct stage s;
	struct call c;
	struct pass p;

	(void)state;
	begin(&s,
		PROVIDERS
		"routes:\n  - {name: chat, match: {methods: [POST], path: "
		"/v1/chat/completions}, targets: [one, two], response: ignore}\n" REST,
		&zipped, &c, &p);
	const struct http_field *f =
		http_field_nth(&gate_plan(p.x)->head, "accept-encoding", 0);
	assert_true(f && span_is(f->value, "identity"));
	pass_finish(&p, END_COMPLETE, 200, -1, -1);
	ends(&s, &p, NULL);
}

static void
failed_attempt_is_repeated_at_another_target(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT_OF(ends_of); i++) {
		struct stage s;
		struct call c;
		struct pass p;
		struct asked a = { 0 };
		char want[200];
		begin(&s, POLICY, &whole, &c, &p);
		again(&p, &a, ends_of[i].said, ends_of[i].status);
		stage_settle(&s);
		if (!a.told || a.what != ends_of[i].what)
			fail_msg("%s: %d", ends_of[i].name, a.what);
		bool stays = a.what == AGAIN_STAYS;
		pass_finish(&p, END_COMPLETE, stays ? ends_of[i].status : 200, stays ? -1 : 1,
			stays ? -1 : 1);
		stage_settle(&s);
		snprintf(want, sizeof(want), "\"cause\":\"%s\"", ends_of[i].cause);
		if (!strstr(attempts(), want))
			fail_msg("%s: %s", ends_of[i].name, attempts());
		assert_int_equal(strstr(attempts(), "two/m2") != NULL, !stays);
		bool maybe = ends_of[i].said == ATTEMPT_CUT;
		assert_int_equal(strstr(attempts(), "maybe_billed") != NULL, maybe);
		/* if the attempt may have been billed, its tokens stay reserved */
		int64_t tokens = stage_charged(&s, "tokens", "alice");
		if (maybe ? tokens <= 100 : tokens != (stays ? 0 : 2))
			fail_msg("%s: %lld tokens", ends_of[i].name, (long long)tokens);
		assert_int_equal(stage_charged(&s, "requests", "alice"), 1);
		ends(&s, &p, NULL);
	}
}

/* A response of the operator's own HAProxy rule is neither a success nor a failure and costs
 * nothing. If the provider had begun to answer, the cost is unknown. */
static void
response_of_a_haproxy_rule_counts_for_no_target(void **state)
{
	static const struct {
		enum exchange_end end;
		int status;
		const char *cause;
		bool paid;
	} rows[] = { { END_RULED, 301, "\"ruled\"", false },
		{ END_RULED, 401, "\"ruled\"", false }, { END_RULED, 200, "\"ruled\"", false },
		{ END_ANSWER_RULED, 502, "\"perhaps_billed\"", true },
		{ END_ANSWER_RULED, 200, "\"perhaps_billed\"", true } };

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct stage s;
		struct call c;
		struct pass p;
		begin(&s, POLICY, &whole, &c, &p);
		pass_finish(&p, rows[i].end, rows[i].status, -1, -1);
		stage_settle(&s);
		assert_non_null(strstr(attempts(), rows[i].cause));
		assert_string_equal(
			stage_field(disk_records - 1, "outcome"), "haproxy_answered");
		assert_int_equal(stage_charged(&s, "tokens", "alice") > 0, rows[i].paid);
		assert_int_equal(stage_charged(&s, "requests", "alice"), rows[i].paid);
		ends(&s, &p, NULL);
	}
}

static void
refusal_of_the_gateways_key_is_not_forwarded(void **state)
{
	struct stage s;
	struct call c;
	struct pass p;
	struct asked a = { 0 };

	(void)state;
	begin(&s, POLICY, &whole, &c, &p);
	for (int i = 0; i < 3; i++) {
		again(&p, &a, ATTEMPT_ANSWERED, 401);
		stage_settle(&s);
		assert_true(a.told);
		assert_int_equal(a.what, i < 2 ? AGAIN_GOES : AGAIN_UNAVAILABLE);
	}
	pass_finish(&p, END_COMPLETE, 401, -1, -1);
	stage_settle(&s);
	assert_int_equal(stage_charged(&s, "tokens", "alice"), 0);
	ends(&s, &p, NULL);
}

static void
later_attempt_is_recorded_before_it_is_sent(void **state)
{
	struct stage s;
	struct call c;
	struct pass p;
	struct asked a = { 0 };

	(void)state;
	begin(&s, POLICY, &whole, &c, &p);
	size_t before = disk_records;
	again(&p, &a, ATTEMPT_CUT, 0);
	for (int i = 0; i < 5; i++)
		stage_quota(&s);
	assert_int_equal(disk_records, before + 1);
	assert_false(a.told); /* the disk has not answered */
	assert_string_equal(stage_field(before, "type"), "attempt");
	assert_string_equal(stage_field(before, "attempt"), "2");
	assert_string_equal(stage_field(before, "target"), "two");
	assert_string_equal(stage_field(before, "decision"), "permit");
	assert_string_equal(stage_field(0, "decision"), "redact");
	assert_string_not_equal(stage_field(before, "reserved"), "");
	assert_string_not_equal(stage_field(before, "settled"), "");
	stage_settle(&s);
	assert_true(a.told && a.what == AGAIN_GOES);
	pass_finish(&p, END_COMPLETE, 200, 1, 1);
	ends(&s, &p, NULL);
}

/* The body is not valid or not whole. The decision is abandoned, or, if none was made, the
 * record is a refusal. In both cases audit list, the counters and a restart treat the request
 * as ended. */
static void
refusal_by_the_relay_is_no_attempt(void **state)
{
	static const struct note *const notes[] = { &whole, &late };
	struct stage s;
	struct call c;
	struct pass p;

	(void)state;
	for (size_t i = 0; i < COUNT_OF(notes); i++) {
		stage_up(&s, POLICY);
		call_do(&s, notes[i], &c);
		assert_int_equal(
			pass_claim(&s, 0, &p, &c, notes[i] == &late ? -1 : LEN(HELLO)), 0);
		gate_refuse(p.x, 503, "audit_unavailable", "no record", pass_ruled, &p);
		stage_settle(&s);
		assert_true(p.denied);
		assert_int_equal(p.denial.status, 503);
		assert_int_equal(stage_charged(&s, "tokens", "alice"), 0);
		assert_int_equal(stage_charged(&s, "requests", "alice"), 0);
		pass_finish(&p, END_DENIED, 0, -1, -1);
		stage_settle(&s);
		assert_true(p.done);
		if (notes[i] == &late) {
			assert_int_equal(disk_records, 1);
			assert_string_equal(stage_field(0, "decision"), "deny");
		} else {
			assert_int_equal(disk_records, 2);
			assert_string_equal(stage_field(0, "type"), "decision");
			assert_string_equal(stage_field(1, "outcome"), "abandoned");
			assert_string_equal(stage_field(1, "why"), "no record");
			assert_string_equal(stage_field(1, "attempts"), "");
		}
		stage_down(&s);
	}
}

/* The disk fails: the last response is forwarded, and the next attempt is not charged. */
static void
attempt_that_cannot_be_recorded_is_not_sent(void **state)
{
	struct stage s;
	struct call c;
	struct pass p;
	struct asked a = { 0 };

	(void)state;
	begin(&s, POLICY, &whole, &c, &p);
	again(&p, &a, ATTEMPT_ANSWERED, 503);
	for (int i = 0; i < 5; i++)
		stage_quota(&s);
	stage_disk(&s, ERR_IO);
	stage_settle(&s);
	assert_true(a.told && a.what == AGAIN_STAYS);
	pass_finish(&p, END_COMPLETE, 503, -1, -1);
	stage_settle(&s);
	assert_string_equal(stage_field(disk_records - 1, "target"), "one");
	assert_string_equal(stage_field(disk_records - 1, "status"), "503");
	assert_int_equal(stage_charged(&s, "tokens", "alice"), 0);
	assert_int_equal(stage_charged(&s, "requests", "alice"), 1);
	ends(&s, &p, NULL);
}

/* The relay still reads with that guard. */
static void
failed_plan_keeps_the_previous_attempts_guard(void **state)
{
	static const struct guard_head head = { .status = 200,
		.content_type = SPAN_LIT("text/event-stream") };
	struct stage s;
	struct call c;
	struct pass p;
	struct asked a = { 0 };
	struct guard *g = NULL;

	(void)state;
	begin(&s, POLICY, &whole, &c, &p);
	assert_int_equal(gate_answer(p.x, &head, &g), 0);
	assert_non_null(g);
	again(&p, &a, ATTEMPT_ANSWERED, 503);
	for (int i = 0; i < 20 && !disk_queued; i++)
		stage_quota(&s);
	assert_int_equal(disk_queued,
		1); /* the second attempt's record is queued; its plan is not made yet */
	s.shared->holds.cap_all = gate_held_bytes(s.shared);
	stage_settle(&s);
	assert_true(a.told && a.what == AGAIN_STAYS);
	assert_ptr_equal(p.x->guard, g);
	assert_true(span_is(goes_to(&p), "first"));
	pass_finish(&p, END_COMPLETE, 503, -1, -1);
	stage_settle(&s);
	assert_int_equal(stage_charged(&s, "tokens", "alice"), 0);
	ends(&s, &p, NULL);
}

/* A provider that accepts connections and drops them is tried once more at once, and then the
 * other targets, of which a rule may deny one. */
static void
immediate_retry_keeps_the_other_targets(void **state)
{
	struct stage s;
	struct call c;
	struct pass p;
	struct asked a = { .broke_early = true };

	(void)state;
	begin(&s,
		ROUTE(", retry: {attempts: 4}") "rules:\n"
						"  - {name: no-two, when: 'target.name "
						"== \"two\"', deny: true}\n"
						"default: permit\n",
		&whole, &c, &p);
	again(&p, &a, ATTEMPT_CUT, 0);
	stage_settle(&s);
	assert_true(a.told && a.what == AGAIN_GOES);
	assert_true(span_is(goes_to(&p), "first"));
	a.broke_early = true;
	again(&p, &a, ATTEMPT_CUT, 0);
	stage_settle(&s);
	assert_true(a.told && a.what == AGAIN_GOES);
	assert_true(span_is(goes_to(&p), "third"));
	pass_finish(&p, END_COMPLETE, 200, 1, 1);
	ends(&s, &p, NULL);
	/* the last attempt is not spent on the same target while another is left */
	begin(&s, ROUTE(", retry: {attempts: 2}") REST, &whole, &c, &p);
	a.broke_early = true;
	again(&p, &a, ATTEMPT_CUT, 0);
	stage_settle(&s);
	assert_true(a.told && a.what == AGAIN_GOES);
	assert_true(span_is(goes_to(&p), "second"));
	pass_finish(&p, END_COMPLETE, 200, 1, 1);
	ends(&s, &p, NULL);
}

/* ---- the caller disconnects ---- */

/* The caller disconnects after a given number of turns of the stage. */
static void
abort_at_any_point_settles_once(void **state)
{
	(void)state;
	for (int turns = 0; turns < 8; turns++)
		for (int cut = 0; cut < 2; cut++) {
			struct stage s;
			struct call c;
			struct pass p;
			struct asked a = { 0 };
			begin(&s, POLICY, &whole, &c, &p);
			again(&p, &a, cut ? ATTEMPT_CUT : ATTEMPT_ANSWERED, cut ? 0 : 503);
			for (int i = 0; i < turns; i++) {
				if (i % 2 && disk_queued)
					stage_disk(&s, 0);
				else if (i % 2)
					stage_turn(&s);
				else
					stage_quota(&s);
			}
			bool told = a.told;
			pass_finish(&p, END_CLIENT_ABORT, 0, -1, -1);
			stage_settle(&s);
			assert_true(p.done);
			assert_int_equal(a.told, told);
			assert_int_equal(stage_charged(&s, "requests", "alice"), 1);
			int64_t tokens = stage_charged(&s, "tokens", "alice");
			/* the tokens of a cut or begun attempt stay charged */
			if (!cut && !told && tokens)
				fail_msg("%d turns: %lld", turns, (long long)tokens);
			if (cut && !told && tokens <= 100)
				fail_msg("%d turns, cut: %lld", turns, (long long)tokens);
			ends(&s, &p, NULL);
		}
}

/* The caller leaves before the first attempt, or between two. The place is free right after. */
static void
request_queued_at_a_full_target_may_be_aborted(void **state)
{
	(void)state;
	for (int later = 0; later < 2; later++) {
		struct stage s;
		struct call c, other;
		struct pass p, first;
		struct asked a = { 0 };
		char body[] = HELLO;
		static const char fills[] = "{\"model\":\"m\",\"prompt\":\"x\"}";
		stage_up(&s, "providers:\n"
			     "  one: {backend: first, dialect: openai}\n"
			     "  d: {backend: full, dialect: openai, concurrent: 1}\n"
			     "routes:\n"
			     "  - {name: fill, match: {path: /v1/completions}, targets: [d]}\n"
			     "  - {name: chat, match: {path: /v1/chat/completions}, targets: "
			     "[one, d], "
			     "response: [meter], reserve: estimate}\n" REST);
		struct target d = { .name = "d", .concurrent = 1 };
		struct target_state *t = target_state(s.shared->targets, "d", NULL);
		call_do(&s,
			&(struct note){
				.person = "bob", .path = "/v1/completions", .body = fills },
			&other);
		assert_int_equal(pass_claim(&s, 1, &first, &other, LEN(fills)), 0);
		assert_int_equal(target_under_way(t), 1);
		if (later)
			target_eject(s.shared->targets, SPAN_LIT("one"));
		call_do(&s, later ? &late : &whole, &c);
		assert_int_equal(pass_claim(&s, 1, &p, &c, later ? -1 : LEN(HELLO)), 0);
		if (later)
			gate_body(p.x, span_of(body, sizeof(body) - 1), pass_ruled, &p);
		else
			again(&p, &a, ATTEMPT_ANSWERED, 503);
		stage_settle(&s);
		assert_false(a.told || p.ruled);
		assert_false(target_may_queue(t, &d)); /* the request is in the queue */
		pass_finish(&p, END_CLIENT_ABORT, 0, -1, -1);
		assert_true(target_may_queue(t, &d));
		size_t records = disk_records;
		pass_finish(&first, END_COMPLETE, 200, 1, 1);
		stage_pass(&s, 10000); /* before the disk answers */
		stage_settle(&s);
		assert_int_equal(disk_records, records + 1); /* the first request's record */
		assert_false(a.told || p.ruled);
		assert_int_equal(target_under_way(t), 0);
		assert_int_equal(stage_charged(&s, "requests", "alice"), !later);
		assert_int_equal(stage_charged(&s, "tokens", "alice"), 0);
		ends(&s, &p, NULL);
	}
}

/* ---- the same target again ---- */

static void
single_target_is_tried_again_after_a_wait(void **state)
{
	struct stage s;
	struct call c;
	struct pass p;
	struct asked a = { 0 };

	(void)state;
	begin(&s,
		PROVIDERS "routes:\n"
			  "  - {name: chat, match: {methods: [POST], path: "
			  "/v1/chat/completions}, targets: [one], response: [meter], "
			  "retry: {attempts: 2}}\n" REST,
		&whole, &c, &p);
	again(&p, &a, ATTEMPT_ANSWERED, 500);
	stage_settle(&s);
	for (int i = 0; i < 400 && !a.told; i++) {
		ev_run(s.loop, EVRUN_NOWAIT);
		usleep(1000);
		stage_settle(&s);
	}
	assert_true(a.told && a.what == AGAIN_GOES);
	assert_true(span_is(goes_to(&p), "first"));
	pass_finish(&p, END_COMPLETE, 200, 1, 1);
	ends(&s, &p, NULL);
	/* a caller who disconnects during the wait ends it */
	begin(&s,
		PROVIDERS "routes:\n"
			  "  - {name: chat, match: {methods: [POST], path: "
			  "/v1/chat/completions}, targets: [one], response: [meter], "
			  "retry: {attempts: 2}}\n" REST,
		&whole, &c, &p);
	again(&p, &a, ATTEMPT_ANSWERED, 500);
	pass_finish(&p, END_CLIENT_ABORT, 0, -1, -1);
	stage_settle(&s);
	assert_false(a.told);
	ends(&s, &p, NULL);
}

static void
wait_requested_by_a_target_is_obeyed(void **state)
{
	static const struct {
		uint64_t asked_us;
		bool waits;
	} rows[] = { { 1500000, true }, { 2000000, true }, { 2000001, false },
		{ 86400000000, false } };

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct stage s;
		struct call c;
		struct pass p;
		struct asked a = { 0 };
		struct attempt_end e = { .said = ATTEMPT_ANSWERED,
			.result = { .status = 429,
				.end = END_COMPLETE,
				.asked_us = rows[i].asked_us } };
		begin(&s, ONE REST, &whole, &c, &p);
		gate_again(p.x, &e, on_told, &a);
		ev_timer *pause = &p.x->tries->pause;
		if (!!ev_is_active(pause) != rows[i].waits)
			fail_msg("%llu µs", (unsigned long long)rows[i].asked_us);
		if (rows[i].waits)
			assert_int_equal(lround(ev_timer_remaining(s.loop, pause) * 1e6),
				rows[i].asked_us);
		stage_settle(&s);
		assert_int_equal(a.told, !rows[i].waits);
		assert_int_equal(a.what, rows[i].waits ? AGAIN_GOES : AGAIN_STAYS);
		pass_finish(&p, rows[i].waits ? END_CLIENT_ABORT : END_COMPLETE, 429, -1, -1);
		ends(&s, &p, NULL);
	}
}

/* ---- limits ---- */

static void
attempt_over_its_limit_returns_the_last_error(void **state)
{
	struct stage s;
	struct call c;
	struct pass p;
	struct asked a = { 0 };

	(void)state;
	/* room for one attempt that may have been billed, and not for another */
	begin(&s,
		ROUTE("") "default: permit\nlimits:\n"
			  "  - {name: requests, per: [identity.person], requests: 1, window: "
			  "1m}\n"
			  "  - {name: tokens, per: [identity.person], tokens: 200, window: "
			  "1m}\n"
			  "output_default: 100\n",
		&whole, &c, &p);
	again(&p, &a, ATTEMPT_CUT, 0);
	stage_settle(&s);
	assert_true(a.told && a.what == AGAIN_STAYS);
	assert_null(gate_plan(p.x)->body.p); /* the steps released the body */
	pass_finish(&p, END_PROVIDER_ABORT, 0, -1, -1);
	stage_settle(&s);
	assert_non_null(strstr(attempts(), "maybe_billed"));
	assert_null(strstr(attempts(), "two"));
	assert_int_equal(stage_charged(&s, "requests", "alice"), 1);
	assert_true(stage_charged(&s, "tokens", "alice") > 100);
	ends(&s, &p, NULL);
}

static void
several_attempts_count_as_one_request(void **state)
{
	struct stage s;
	struct call c;
	struct pass p;
	struct asked a = { 0 };

	(void)state;
	begin(&s,
		ROUTE("") "default: permit\nlimits:\n"
			  "  - {name: requests, per: [identity.person], requests: 1, window: "
			  "1m}\n"
			  "  - {name: flight, per: [identity.person], concurrent: 1}\n",
		&whole, &c, &p);
	for (int i = 0; i < 2; i++) {
		again(&p, &a, ATTEMPT_ANSWERED, 503);
		stage_settle(&s);
		assert_true(a.told && a.what == AGAIN_GOES);
	}
	assert_int_equal(stage_charged(&s, "requests", "alice"), 1);
	pass_finish(&p, END_COMPLETE, 200, 1, 1);
	stage_settle(&s);
	assert_int_equal(stage_charged(&s, "requests", "alice"), 1);
	ends(&s, &p, NULL);
}

static void
request_that_reached_no_provider_is_not_counted(void **state)
{
	struct stage s;
	struct call c;
	struct pass p;
	struct asked a = { 0 };

	(void)state;
	begin(&s, POLICY, &whole, &c, &p);
	for (int i = 0; i < 3; i++) {
		again(&p, &a, ATTEMPT_NEVER_SENT, 0);
		stage_settle(&s);
		assert_true(a.told);
	}
	assert_int_equal(a.what, AGAIN_UNAVAILABLE);
	pass_finish(&p, END_NEVER_SENT, 0, -1, -1);
	stage_settle(&s);
	assert_int_equal(stage_charged(&s, "requests", "alice"), 0);
	assert_int_equal(stage_charged(&s, "tokens", "alice"), 0);
	ends(&s, &p, NULL);
}

/* The prompt may be counted late. The cost of the recorded attempt then still equals the charge
 * to the limit. */
static void
recorded_cost_equals_the_charge(void **state)
{
	struct stage s;
	char policy[1500], cwd[500];

	(void)state;
	assert_non_null(getcwd(cwd, sizeof(cwd)));
	snprintf(policy, sizeof(policy),
		"prices: %s/tests/e2e/costs.prices.yaml\n"
		"providers:\n"
		"  one: {backend: first, dialect: openai, prices: openai}\n"
		"  two: {backend: second, dialect: openai, prices: openai}\n"
		"routes:\n"
		"  - {name: chat, match: {path: /v1/chat/completions}, targets: [{provider: "
		"one, model: gpt-4o}, two], response: [meter]}\n"
		"default: permit\n"
		"limits: [{name: money, per: [identity.person], usd: 900, window: 1m}]\n"
		"output_default: 100\n",
		cwd);
	stage_up(&s, policy);
	s.table->owner = &s.mail[0]; /* the worker keeps what is left, once it was asked */
	for (int i = 0; i < 2; i++) {
		struct call c;
		struct pass p;
		char cost[64];
		call_do(&s, &whole, &c);
		assert_string_equal(stage_field(disk_records - 1, "prompt.tokens_by_bytes"),
			i ? "true" : "");
		assert_int_equal(pass_claim(&s, 0, &p, &c, LEN(HELLO)), 0);
		gate_stands(p.x, 0);
		pass_finish(&p, END_PROVIDER_ABORT, 200, -1, -1);
		stage_settle(&s);
		snprintf(cost, sizeof(cost), "\"cost\":%s}",
			stage_field(disk_records - 1, "reserved_usage.cost_nanousd"));
		if (strlen(cost) < 10 ||
			!strstr(stage_field(disk_records - 1, "attempts"), cost))
			fail_msg("%d: %s: %s", i, cost,
				stage_field(disk_records - 1, "attempts"));
	}
	stage_down(&s);
}

/* Each attempt costs what its own target costs: a prompt token 1,000 or 7,000 nano-dollars, a
 * completion token 10,000 or 70,000. */
static void
dollar_limit_sums_all_attempts(void **state)
{
	struct stage s;
	struct call c;
	struct pass p;
	struct asked a = { 0 };
	char prices[] = "/tmp/tg-prices-XXXXXX", policy[2048];
	int fd = mkstemp(prices);

	(void)state;
	assert_true(fd >= 0);
	dprintf(fd, "prices: 1\nproviders:\n  one: [{model: m1, input: 1, output: 10}]\n"
		    "  two: [{model: m2, input: 3, output: 30}]\n"
		    "  three: [{model: m, input: 7, output: 70}]\n");
	close(fd);
	snprintf(policy, sizeof(policy),
		"prices: %s\n" ROUTE("") "default: permit\noutput_default: 100\n"
					 "limits: [{name: money, per: [identity.person], "
					 "usd: 900, window: 1m}]\n",
		prices);
	begin(&s, policy, &whole, &c, &p);
	int64_t first = stage_charged(&s, "money", "alice");
	assert_true(first > 100 * 10000);
	again(&p, &a, ATTEMPT_CUT, 0); /* may have been billed: the amount stays charged */
	stage_settle(&s);
	assert_true(span_is(goes_to(&p), "second"));
	assert_true(stage_charged(&s, "money", "alice") > first + 100 * 30000);
	again(&p, &a, ATTEMPT_ANSWERED, 503); /* costs nothing */
	stage_settle(&s);
	assert_true(span_is(goes_to(&p), "third"));
	pass_finish(&p, END_COMPLETE, 200, 13, 17);
	stage_settle(&s);
	assert_int_equal(stage_charged(&s, "money", "alice"), first + 13 * 7000 + 17 * 70000);
	/* the record has the same sum */
	int64_t all = 0;
	for (const char *at = attempts(); (at = strstr(at, "\"cost\":")); at++)
		all += strtoll(at + strlen("\"cost\":"), NULL, 10);
	assert_int_equal(all, first + 13 * 7000 + 17 * 70000);
	ends(&s, &p, NULL);
	unlink(prices);
}

/* However a request with several attempts ends, its place is free afterwards, and not
 * before. */
static void
place_is_free_after_the_last_attempt(void **state)
{
#define FLIGHT                                                                                 \
	"default: permit\nlimits: [{name: flight, per: [identity.person], concurrent: 1}]\n"
	static const struct {
		const char *name, *policy;
		int fails;		/* number of attempts that fail */
		enum attempt_said said; /* how they fail */
		/* lets the stage answer before the end; else the end arrives in between, or in
		 * the pause */
		bool settles;
		enum exchange_end end;
	} rows[] = {
		{ "the first target answers", ROUTE("") FLIGHT, 0, 0, true, END_COMPLETE },
		{ "the second target answers", ROUTE("") FLIGHT, 1, ATTEMPT_ANSWERED, true,
			END_COMPLETE },
		{ "the third target answers", ROUTE("") FLIGHT, 2, ATTEMPT_CUT, true,
			END_COMPLETE },
		{ "none", ROUTE("") FLIGHT, 3, ATTEMPT_ANSWERED, true, END_COMPLETE },
		{ "never sent", ROUTE("") FLIGHT, 3, ATTEMPT_NEVER_SENT, true, END_NEVER_SENT },
		{ "cut", ROUTE("") FLIGHT, 1, ATTEMPT_CUT, true, END_PROVIDER_ABORT },
		{ "the caller leaves between two attempts", ROUTE("") FLIGHT, 1,
			ATTEMPT_ANSWERED, false, END_CLIENT_ABORT },
		{ "the caller leaves during the pause", ONE FLIGHT, 1, ATTEMPT_ANSWERED, false,
			END_CLIENT_ABORT },
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct stage s;
		struct call c, other;
		struct pass p;
		struct asked a = { 0 };
		begin(&s, rows[i].policy, &whole, &c, &p);
		for (int n = 0; n < rows[i].fails; n++) {
			again(&p, &a, rows[i].said, 503);
			if (rows[i].settles)
				stage_settle(&s);
		}
		call_do(&s, &whole, &other);
		if (strcmp(call_var(&other, "status"), "429"))
			fail_msg("%s: two at once", rows[i].name);
		pass_finish(&p, rows[i].end, rows[i].end == END_COMPLETE ? 200 : 0, -1, -1);
		stage_settle(&s);
		assert_true(p.done);
		for (int n = 0; n < 2; n++) {
			call_do(&s, &whole, &other);
			if (strcmp(call_var(&other, "status"), n ? "429" : ""))
				fail_msg("%s: %d after it: %s", rows[i].name, n + 1,
					call_var(&other, "status"));
		}
		stage_pass(&s, 31000000); /* nobody claims the ticket */
		ends(&s, &p, NULL);
	}
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_target_gets_the_body_decided_for_it),
		cmocka_unit_test(accept_encoding_sent_to_targets_is_identity),
		cmocka_unit_test(failed_attempt_is_repeated_at_another_target),
		cmocka_unit_test(response_of_a_haproxy_rule_counts_for_no_target),
		cmocka_unit_test(refusal_of_the_gateways_key_is_not_forwarded),
		cmocka_unit_test(later_attempt_is_recorded_before_it_is_sent),
		cmocka_unit_test(refusal_by_the_relay_is_no_attempt),
		cmocka_unit_test(attempt_that_cannot_be_recorded_is_not_sent),
		cmocka_unit_test(failed_plan_keeps_the_previous_attempts_guard),
		cmocka_unit_test(immediate_retry_keeps_the_other_targets),
		cmocka_unit_test(abort_at_any_point_settles_once),
		cmocka_unit_test(request_queued_at_a_full_target_may_be_aborted),
		cmocka_unit_test(single_target_is_tried_again_after_a_wait),
		cmocka_unit_test(wait_requested_by_a_target_is_obeyed),
		cmocka_unit_test(attempt_over_its_limit_returns_the_last_error),
		cmocka_unit_test(several_attempts_count_as_one_request),
		cmocka_unit_test(request_that_reached_no_provider_is_not_counted),
		cmocka_unit_test(recorded_cost_equals_the_charge),
		cmocka_unit_test(dollar_limit_sums_all_attempts),
		cmocka_unit_test(place_is_free_after_the_last_attempt),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
