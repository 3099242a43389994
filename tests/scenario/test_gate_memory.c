/* What requests and exchanges hold: for all, for their caller, and how long. */
#include "scenario/gate_stage.h"
#include "scenario/relay_policy.h"

static void
what_the_relay_holds_is_bounded_for_each_caller(void **state)
{
	struct stage s;
	struct call c, d, e;
	struct pass p, q, t;

	(void)state;
	stage_up(&s, POLICY);
	call_do(&s, &deferred, &c);
	call_do(&s, &deferred, &d);
	call_do(&s, &deferred, &e);
	assert_int_equal(pass_claim(&s, 1, &p, &c, -1), 0);
	assert_int_equal(pass_claim(&s, 1, &q, &d, -1), 0);
	assert_int_equal(pass_claim(&s, 1, &t, &e, -1), 0);
	size_t before = gate_held_bytes(s.shared);
	/* One counts for half of the caller's 32 MB, whatever it takes. */
	assert_true(gate_hold(p.x, 20 << 20));
	assert_true(gate_hold(p.x, 10 << 20));
	assert_int_equal(gate_held_bytes(s.shared), before + (30 << 20));
	assert_true(gate_hold(q.x, 15 << 20));
	assert_false(gate_hold(t.x, 2 << 20)); /* over the caller's */
	assert_int_equal(gate_held_bytes(s.shared), before + (45 << 20));
	pass_finish(&q, END_NEVER_SENT, 0, -1, -1);
	stage_settle(&s);
	assert_true(gate_hold(t.x, 2 << 20));
	/* What all may hold is a bound for each: 64 MB. */
	assert_true(gate_hold(p.x, 10 << 20));
	assert_false(gate_hold(p.x, 30 << 20));
	pass_finish(&t, END_NEVER_SENT, 0, -1, -1);
	pass_finish(&p, END_NEVER_SENT, 0, -1, -1);
	stage_settle(&s);
	assert_int_equal(gate_held_bytes(s.shared), 0);
	stage_down(&s);
}

/* The largest body that may come, full of escapes, is redacted with the default
 * caps: eight times what it would take to hold it, and twice for its caller. */
static void
the_largest_body_is_redacted_with_the_default_caps(void **state)
{
	enum { N = 4 << 20 };
	struct stage s;
	struct call c;
	struct pass p;
	struct buf b;

	(void)state;
	stage_up(&s, ROUTES RULES);
	s.cfg.body_bytes = N;
	s.shared->holds.cap_all = 8 * N;
	s.shared->holds.cap_slot = 2 * N;
	buf_init(&b, 0);
	buf_str(&b, "{\"model\":\"gpt\",\"messages\":[{\"role\":\"user\",\"content\":"
		    "\"alice@example.com ");
	while (b.n < N - 10)
		buf_str(&b, "\\n words");
	b.n = N - 12;
	buf_str(&b, "        \"}]}");
	assert_int_equal(b.n, N);
	call_do(&s, &deferred, &c);
	assert_int_equal(pass_claim(&s, 1, &p, &c, -1), 0);
	assert_true(gate_hold(p.x, N));
	gate_body(p.x, buf_view(&b), pass_ruled, &p);
	stage_settle(&s);
	assert_true(p.ruled);
	if (p.denied)
		fail_msg("%s", p.denial_body);
	assert_true(gate_held_bytes(s.shared) < 2 * N + 65536);
	pass_finish(&p, END_NEVER_SENT, 0, -1, -1);
	stage_settle(&s);
	buf_free(&b);
	stage_down(&s);
}

/* The segments of a body leave when it is decided; the body stays held. */
static void
segments_leave_with_the_verdict_and_the_body_stays(void **state)
{
	struct stage s;
	struct call c;
	struct pass p;
	struct buf b;

	(void)state;
	stage_up(&s, ROUTES "default: permit\n");
	buf_init(&b, 0);
	buf_str(&b, "{\"model\":\"gpt\",\"messages\":[{\"role\":\"user\",\"content\":\"x\"}");
	for (int i = 0; i < 5000; i++)
		buf_str(&b, ",{\"role\":\"user\",\"content\":\"\\u0061\"}");
	buf_str(&b, "]}");
	call_do(&s, &deferred, &c);
	assert_int_equal(pass_claim(&s, 1, &p, &c, -1), 0);
	assert_true(gate_hold(p.x, b.n));
	gate_body(p.x, buf_view(&b), pass_ruled, &p);
	stage_turn(&s);
	stage_turn(&s);
	assert_int_equal(disk_queued, 1);
	size_t waiting = gate_held_bytes(s.shared);
	assert_true(waiting > 2 * b.n);
	stage_settle(&s);
	assert_true(p.ruled && !p.denied);
	assert_true(gate_held_bytes(s.shared) < b.n + 65536);
	assert_true(span_eq(gate_plan(p.x)->body, buf_view(&b)));
	pass_finish(&p, END_COMPLETE, 200, 1, 1);
	stage_settle(&s);
	buf_free(&b);
	stage_down(&s);
}

static void
without_room_for_a_ticket_a_request_is_refused(void **state)
{
	struct stage s;
	struct call c, over;

	(void)state;
	stage_up(&s, POLICY);
	s.gate[0]->tickets.cap = 1;
	call_do(&s, &hello, &c);
	assert_string_equal(call_var(&c, "via"), "relay");
	call_do(&s, &hello, &over);
	assert_string_equal(call_var(&over, "status"), "503");
	assert_string_equal(stage_field(1, "decision"), "deny");
	assert_int_equal(stage_charged(&s, "requests", "alice"), 1);
	stage_pass(&s, 31000000);
	stage_down(&s);
}

/* A body of n bytes that is redacted: its decision holds a copy until it is taken up. */
static void
redacted_body(struct buf *b, size_t n)
{
	buf_init(b, 0);
	buf_str(b, "{\"model\":\"gpt\",\"messages\":[{\"role\":\"user\",\"content\":"
		   "\"alice@example.com ");
	while (b->n < n - 4)
		buf_putc(b, b->n % 7 ? 'w' : ' ');
	buf_str(b, "\"}]}");
}

static size_t
waiting(const struct stage *s)
{
	size_t n = 0;

	for (size_t i = 0; i < HOLD_SLOTS; i++)
		n += atomic_load(&s->shared->holds.waiting[i]);
	return n;
}

/* Who sends and goes away holds a quarter of what it may, and nobody else is refused. */
static void
who_does_not_collect_holds_a_quarter(void **state)
{
	enum { BODY = 60000, CAP = 1 << 20 };
	static const char *const people[] = { "alice", "bob", "carol" };
	struct stage s;
	struct call c, first = { 0 };
	struct pass p;
	struct buf b;
	size_t admitted = 0;

	(void)state;
	stage_up(&s, ROUTES RULES);
	s.cfg.ticket_ttl_us = 5000000;
	s.shared->holds.cap_all = 4 * CAP;
	s.shared->holds.cap_slot = CAP;
	s.shared->holds.cap_waiting = CAP / 4;
	redacted_body(&b, BODY);
	struct note n = { .body = buf_view(&b).p, .body_n = b.n };
	for (size_t who = 0; who < 3; who++) {
		n.person = people[who];
		admitted = 0;
		for (int i = 0; i < 40; i++) {
			call_do(&s, &n, &c);
			if (!strcmp(call_var(&c, "decision"), "redact")) {
				if (!admitted++)
					first = c;
				continue;
			}
			assert_string_equal(call_var(&c, "status"), "503");
			assert_string_equal(call_var(&c, "retry_after"), "1");
		}
		assert_in_range(admitted, 2, CAP / 4 / BODY);
		assert_true(waiting(&s) <= (who + 1) * CAP / 4);
	}
	assert_true(stage_count(&s, M_HELD_REFUSED) > 90);
	/* A stranger is served. */
	n.person = "dave";
	call_do(&s, &n, &c);
	assert_string_equal(call_var(&c, "decision"), "redact");
	/* What is taken up waits no more: there is room for another. */
	n.person = "carol";
	assert_int_equal(pass_claim(&s, 1, &p, &first, (int64_t)b.n), 0);
	call_do(&s, &n, &c);
	assert_string_equal(call_var(&c, "decision"), "redact");
	call_do(&s, &n, &c);
	assert_string_equal(call_var(&c, "status"), "503");
	pass_finish(&p, END_COMPLETE, 200, 1, 1);
	/* Nor what expired. */
	stage_pass(&s, 5000000);
	stage_settle(&s);
	assert_int_equal(waiting(&s), 0);
	assert_int_equal(gate_held_bytes(s.shared), 0);
	call_do(&s, &n, &c);
	assert_string_equal(call_var(&c, "decision"), "redact");
	stage_pass(&s, 5000000);
	buf_free(&b);
	stage_down(&s);
}

/* Whose name has the same hash, by a function that anybody can compute, shares nothing. */
static void
nobody_chooses_whose_room_it_takes(void **state)
{
	enum { BODY = 60000, CAP = 1 << 20 };
	const char *innocent = stage_people[STAGE_KEY_MAX - 1];
	struct stage s;
	struct call c;
	struct buf b;

	(void)state;
	assert_int_equal(
		span_hash(span_str(innocent)) % 4096, span_hash(SPAN_LIT("alice")) % 4096);
	stage_up(&s, ROUTES RULES);
	s.cfg.ticket_ttl_us = 5000000;
	s.shared->holds.cap_all = 4 * CAP;
	s.shared->holds.cap_slot = CAP;
	s.shared->holds.cap_waiting = CAP / 4;
	redacted_body(&b, BODY);
	struct note n = { .body = buf_view(&b).p, .body_n = b.n, .person = "alice" };
	for (int i = 0; i < 10; i++)
		call_do(&s, &n, &c);
	assert_string_equal(call_var(&c, "status"), "503");
	n.person = innocent;
	call_do(&s, &n, &c);
	assert_string_equal(call_var(&c, "decision"), "redact");
	stage_pass(&s, 5000000);
	stage_settle(&s);
	buf_free(&b);
	stage_down(&s);
}

/* The largest body may wait although it alone is over the quarter. */
static void
the_largest_body_may_wait_alone(void **state)
{
	struct stage s;
	struct call c;
	struct buf b;

	(void)state;
	stage_up(&s, ROUTES RULES);
	s.shared->holds.cap_waiting = 65536;
	redacted_body(&b, 500000);
	struct note n = { .person = "alice", .body = buf_view(&b).p, .body_n = b.n };
	call_do(&s, &n, &c);
	assert_string_equal(call_var(&c, "decision"), "redact");
	call_do(&s, &hello, &c);
	assert_string_equal(call_var(&c, "status"), "503");
	stage_pass(&s, 31000000);
	stage_settle(&s);
	assert_int_equal(waiting(&s), 0);
	buf_free(&b);
	stage_down(&s);
}

/* Where most of the room is taken, who holds much is refused before who holds little. */
static void
the_last_room_is_for_who_holds_little(void **state)
{
	enum { CAP = 4 << 20 };
	static const char *const people[] = { "alice", "bob", "carol" };
	struct stage s;
	struct call c[4], more;
	struct pass p[4];

	(void)state;
	stage_up(&s, ROUTES RULES);
	s.shared->holds.cap_all = 4 * CAP;
	s.shared->holds.cap_slot = CAP;
	for (size_t i = 0; i < 4; i++) {
		struct note n = deferred;
		n.person = i < 3 ? people[i] : "alice";
		call_do(&s, &n, &c[i]);
		assert_int_equal(pass_claim(&s, 0, &p[i], &c[i], -1), 0);
		assert_true(gate_hold(p[i].x, i < 3 ? CAP - 65536 : 1));
	}
	atomic_fetch_add(&s.shared->holds.all, 300000); /* others': over three quarters */
	/* alone it goes on, but she has two */
	assert_true(gate_hold(p[1].x, 100000));
	assert_false(gate_hold(p[3].x, 20000));
	struct note n = { .person = "alice", .body = HELLO };
	call_do(&s, &n, &more);
	assert_string_equal(call_var(&more, "status"), "503");
	n.person = "dave";
	call_do(&s, &n, &more);
	assert_string_equal(call_var(&more, "decision"), "permit");
	atomic_fetch_sub(&s.shared->holds.all, 300000);
	for (size_t i = 0; i < 4; i++)
		pass_finish(&p[i], END_NEVER_SENT, 0, -1, -1);
	stage_settle(&s);
	stage_pass(&s, 31000000);
	stage_down(&s);
}

static const char *
status_for(struct stage *s, const char *person)
{
	static struct call c;
	struct note n = { .person = person, .body = HELLO };

	call_do(s, &n, &c);
	return call_var(&c, "status");
}

/* Who lets many decisions expire is refused for some seconds, others are not; where much
 * is held, fewer are many. */
static void
who_lets_many_decisions_expire_is_refused_for_a_while(void **state)
{
	static const struct {
		int expired;
		bool tight;
		const char *status;
	} rows[] = {
		{ HOLD_EXPIRED_FEW, true, "" },
		{ HOLD_EXPIRED_FEW + 1, true, "503" },
		{ HOLD_EXPIRED_FEW + 1, false, "" },
		{ HOLD_EXPIRED_MANY, false, "" },
		{ HOLD_EXPIRED_MANY + 1, false, "503" },
		{ 3 * HOLD_EXPIRED_MANY, false, "503" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct stage s;
		struct call c;
		stage_up(&s, ROUTES RULES);
		s.cfg.ticket_ttl_us = 5000000;
		for (int k = 0; k < rows[i].expired; k++) {
			call_do(&s, &hello, &c);
			assert_string_equal(call_var(&c, "via"), "relay");
		}
		stage_pass(&s, 5000000);
		stage_settle(&s);
		assert_int_equal(stage_count(&s, M_TICKET_EXPIRED), rows[i].expired);
		atomic_fetch_add(&s.shared->holds.all, rows[i].tight ? 40 << 20 : 0);
		assert_string_equal(status_for(&s, "alice"), rows[i].status);
		assert_string_equal(status_for(&s, "bob"), "");
		atomic_fetch_sub(&s.shared->holds.all, rows[i].tight ? 40 << 20 : 0);
		/* forgiven in time, however many there were */
		stage_pass(&s, (uint64_t)HOLD_EXPIRED_MAX * HOLD_FORGIVE_US);
		stage_settle(&s);
		assert_string_equal(status_for(&s, "alice"), "");
		stage_pass(&s, 5000000);
		stage_down(&s);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_the_relay_holds_is_bounded_for_each_caller),
		cmocka_unit_test(the_largest_body_is_redacted_with_the_default_caps),
		cmocka_unit_test(segments_leave_with_the_verdict_and_the_body_stays),
		cmocka_unit_test(without_room_for_a_ticket_a_request_is_refused),
		cmocka_unit_test(who_does_not_collect_holds_a_quarter),
		cmocka_unit_test(nobody_chooses_whose_room_it_takes),
		cmocka_unit_test(the_largest_body_may_wait_alone),
		cmocka_unit_test(the_last_room_is_for_who_holds_little),
		cmocka_unit_test(who_lets_many_decisions_expire_is_refused_for_a_while),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
