/* Memory that requests and exchanges hold: in total, per caller, and for how long. */
#include "scenario/gate_stage.h"
#include "scenario/relay_policy.h"

static void
held_bytes_of_the_relay_are_bounded_per_caller(void **state)
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
	/* A single exchange counts as at most half of the caller's 32 MB, however much it
	 * holds. */
	assert_true(gate_hold(p.x, 20 << 20));
	assert_true(gate_hold(p.x, 10 << 20));
	assert_int_equal(gate_held_bytes(s.shared), before + (30 << 20));
	assert_true(gate_hold(q.x, 15 << 20));
	assert_false(gate_hold(t.x, 2 << 20)); /* over the caller's share */
	assert_int_equal(gate_held_bytes(s.shared), before + (45 << 20));
	pass_finish(&q, END_NEVER_SENT, 0, -1, -1);
	stage_settle(&s);
	assert_true(gate_hold(t.x, 2 << 20));
	/* The limit for all, 64 MB, also bounds each caller. */
	assert_true(gate_hold(p.x, 10 << 20));
	assert_false(gate_hold(p.x, 30 << 20));
	pass_finish(&t, END_NEVER_SENT, 0, -1, -1);
	pass_finish(&p, END_NEVER_SENT, 0, -1, -1);
	stage_settle(&s);
	assert_int_equal(gate_held_bytes(s.shared), 0);
	stage_down(&s);
}

/* The largest permitted body, full of escapes, is redacted under the default limits. Its size
 * counts eight times in total and twice for its caller. */
static void
largest_body_is_redacted_under_default_limits(void **state)
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

/* The segments of a body are released after the decision; the body stays held. */
static void
segments_are_released_with_the_verdict_and_the_body_is_kept(void **state)
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
request_is_refused_without_room_for_a_ticket(void **state)
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

/* Writes a body of n bytes that is redacted. Its decision holds a copy until the ticket is
 * claimed. */
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

/* A caller who sends requests and disconnects holds at most a quarter of the memory, and no
 * other caller is refused. */
static void
caller_with_unclaimed_tickets_holds_at_most_a_quarter(void **state)
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
	/* Another caller is served. */
	n.person = "dave";
	call_do(&s, &n, &c);
	assert_string_equal(call_var(&c, "decision"), "redact");
	/* A claimed ticket is no longer waiting, so there is room for another. */
	n.person = "carol";
	assert_int_equal(pass_claim(&s, 1, &p, &first, (int64_t)b.n), 0);
	call_do(&s, &n, &c);
	assert_string_equal(call_var(&c, "decision"), "redact");
	call_do(&s, &n, &c);
	assert_string_equal(call_var(&c, "status"), "503");
	pass_finish(&p, END_COMPLETE, 200, 1, 1);
	/* An expired ticket is not waiting either. */
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

/* A caller whose name has the same hash, which anyone can compute, does not share the other
 * caller's room. */
static void
caller_with_equal_hash_takes_no_room_of_another(void **state)
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

/* The largest body may wait, although it exceeds the quarter on its own. */
static void
largest_body_may_wait_alone(void **state)
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

/* If most of the memory is held, a caller who holds much is refused before a caller who holds
 * little. */
static void
last_room_goes_to_callers_who_hold_little(void **state)
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
	atomic_fetch_add(
		&s.shared->holds.all, 300000); /* held by others: over three quarters */
	/* a single exchange of hers could continue, but she has two */
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

/* A caller who lets many decisions expire is refused for some seconds; other callers are not.
 * If much memory is held, fewer expired decisions are enough. */
static void
caller_with_many_expired_decisions_is_refused_for_a_while(void **state)
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
		/* expired decisions are forgiven over time, however many there were */
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
		cmocka_unit_test(held_bytes_of_the_relay_are_bounded_per_caller),
		cmocka_unit_test(largest_body_is_redacted_under_default_limits),
		cmocka_unit_test(segments_are_released_with_the_verdict_and_the_body_is_kept),
		cmocka_unit_test(request_is_refused_without_room_for_a_ticket),
		cmocka_unit_test(caller_with_unclaimed_tickets_holds_at_most_a_quarter),
		cmocka_unit_test(caller_with_equal_hash_takes_no_room_of_another),
		cmocka_unit_test(largest_body_may_wait_alone),
		cmocka_unit_test(last_room_goes_to_callers_who_hold_little),
		cmocka_unit_test(caller_with_many_expired_decisions_is_refused_for_a_while),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
