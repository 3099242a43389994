/* A request that may go to several targets: what the gate makes of the end of an attempt. The
 * test plays the relay. */
#include "scenario/again_stage.h"

#include <math.h>

/* ---- plans ---- */

static void
each_target_gets_the_body_that_was_decided_for_it(void **state)
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
		assert_false(gate_plan(p.x)->holds); /* it is the last one */
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

/* ---- what is next ---- */

/* clang-format off */
static const struct {
	const char *name;
	enum attempt_said said;
	int status;
	enum again what;
	const char *cause;
} ends_of[] = {
	{ "the caller's own mistake",      ATTEMPT_ANSWERED,   400, AGAIN_STAYS, "final" },
	{ "its rate",                      ATTEMPT_ANSWERED,   429, AGAIN_GOES,  "throttled" },
	{ "overload",                      ATTEMPT_ANSWERED,   529, AGAIN_GOES,  "throttled" },
	{ "our key",                       ATTEMPT_ANSWERED,   401, AGAIN_GOES,  "refused_us" },
	{ "our credit",                    ATTEMPT_ANSWERED,   402, AGAIN_GOES,  "refused_us" },
	{ "what our key may do",           ATTEMPT_ANSWERED,   403, AGAIN_GOES,  "refused_us" },
	{ "a path that is none",           ATTEMPT_ANSWERED,   404, AGAIN_STAYS, "final" },
	{ "a conflict",                    ATTEMPT_ANSWERED,   409, AGAIN_GOES,  "perhaps_billed" },
	{ "a failure",                     ATTEMPT_ANSWERED,   500, AGAIN_GOES,  "perhaps_billed" },
	{ "no connection",                 ATTEMPT_NEVER_SENT, 0,   AGAIN_GOES,  "never_sent" },
	{ "HAProxy's 502, 504",            ATTEMPT_CUT,        503, AGAIN_GOES,  "perhaps_billed" },
	{ "nothing at all",                ATTEMPT_CUT,        0,   AGAIN_GOES,  "perhaps_billed" },
};
/* clang-format on */

/* What an error or a stream says decides what is next, on a route that does not read its
 * answers too. */
static void
no_target_is_asked_to_encode_its_answer(void **state)
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
what_another_target_may_do_better_goes_to_it(void **state)
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
		/* what nobody knows to be free stays reserved */
		int64_t tokens = stage_charged(&s, "tokens", "alice");
		if (maybe ? tokens <= 100 : tokens != (stays ? 0 : 2))
			fail_msg("%s: %lld tokens", ends_of[i].name, (long long)tokens);
		assert_int_equal(stage_charged(&s, "requests", "alice"), 1);
		ends(&s, &p, NULL);
	}
}

/* What a person's own rules answer is neither done nor failed, and costs nothing; where the
 * provider had answered before, nobody knows. */
static void
what_haproxy_answers_by_itself_is_its_own(void **state)
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
what_refuses_our_key_is_nobodys_but_ours(void **state)
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
a_later_attempt_has_a_record_before_it_goes(void **state)
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

/* A body that is none, or is not whole: what was decided is abandoned, and where nothing was its
 * record is a refusal like any other. By either lists, counters and a restart know that the
 * request is over. */
static void
what_the_relay_refuses_first_was_no_attempt(void **state)
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

/* The disk says no: the last answer stays, and nothing of the next attempt is charged. */
static void
what_cannot_be_recorded_does_not_go(void **state)
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

/* The relay still reads with it. */
static void
a_plan_that_fails_leaves_the_guard_of_the_attempt_before(void **state)
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
	assert_int_equal(
		disk_queued, 1); /* the second one's record: what is left is its plan */
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

/* A provider that takes connections and drops them: once more at once, then the others, of
 * which a rule may deny one. */
static void
what_is_tried_again_at_once_keeps_the_others_for_later(void **state)
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
	/* a last attempt is not for the same one while another is left */
	begin(&s, ROUTE(", retry: {attempts: 2}") REST, &whole, &c, &p);
	a.broke_early = true;
	again(&p, &a, ATTEMPT_CUT, 0);
	stage_settle(&s);
	assert_true(a.told && a.what == AGAIN_GOES);
	assert_true(span_is(goes_to(&p), "second"));
	pass_finish(&p, END_COMPLETE, 200, 1, 1);
	ends(&s, &p, NULL);
}

/* ---- the caller goes away ---- */

/* After so many turns of everybody who answers. */
static void
an_abort_at_any_point_settles_once(void **state)
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
			/* what was cut stays, and so does what was begun */
			if (!cut && !told && tokens)
				fail_msg("%d turns: %lld", turns, (long long)tokens);
			if (cut && !told && tokens <= 100)
				fail_msg("%d turns, cut: %lld", turns, (long long)tokens);
			ends(&s, &p, NULL);
		}
}

/* Before anything went, or between two attempts; a place is free right after. */
static void
who_waits_for_room_at_a_full_target_may_leave(void **state)
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
		assert_false(target_may_queue(t, &d)); /* it waits */
		pass_finish(&p, END_CLIENT_ABORT, 0, -1, -1);
		assert_true(target_may_queue(t, &d));
		size_t records = disk_records;
		pass_finish(&first, END_COMPLETE, 200, 1, 1);
		stage_pass(&s, 10000); /* before the disk answers */
		stage_settle(&s);
		assert_int_equal(disk_records, records + 1); /* the first one's */
		assert_false(a.told || p.ruled);
		assert_int_equal(target_under_way(t), 0);
		assert_int_equal(stage_charged(&s, "requests", "alice"), !later);
		assert_int_equal(stage_charged(&s, "tokens", "alice"), 0);
		ends(&s, &p, NULL);
	}
}

/* ---- the same one again ---- */

static void
one_target_is_tried_again_after_a_wait(void **state)
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
	/* and who goes away meanwhile is not waited for */
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
the_wait_that_one_target_asks_for_is_obeyed(void **state)
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

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_target_gets_the_body_that_was_decided_for_it),
		cmocka_unit_test(no_target_is_asked_to_encode_its_answer),
		cmocka_unit_test(what_another_target_may_do_better_goes_to_it),
		cmocka_unit_test(what_haproxy_answers_by_itself_is_its_own),
		cmocka_unit_test(what_refuses_our_key_is_nobodys_but_ours),
		cmocka_unit_test(a_later_attempt_has_a_record_before_it_goes),
		cmocka_unit_test(what_the_relay_refuses_first_was_no_attempt),
		cmocka_unit_test(what_cannot_be_recorded_does_not_go),
		cmocka_unit_test(a_plan_that_fails_leaves_the_guard_of_the_attempt_before),
		cmocka_unit_test(what_is_tried_again_at_once_keeps_the_others_for_later),
		cmocka_unit_test(an_abort_at_any_point_settles_once),
		cmocka_unit_test(who_waits_for_room_at_a_full_target_may_leave),
		cmocka_unit_test(one_target_is_tried_again_after_a_wait),
		cmocka_unit_test(the_wait_that_one_target_asks_for_is_obeyed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
