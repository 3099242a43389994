/* Helpers process long responses: the relay serves other exchanges meanwhile, the memory of a
 * stream is held, and the end of an exchange waits until the helper has returned. */
#include "scenario/relay_attempts.h"

#include "answer/vault.h"

enum { LONG = 20000 };
#define SSE	 DOWN_HEAD "content-type: text/event-stream\r\nconnection: close\r\n\r\n"
#define EVENT(t) "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"" t "\"}}]}\n\n"
#define NAME	 "<PERSON_1>"

/* A stage whose responses are restored, and an exchange whose provider has begun a stream. */
struct act {
	struct vault *vault;
	struct peer edge, up;
};

static void
act_begin(struct stage *s, struct act *a, double help_s)
{
	a->vault = vault_new();
	assert_non_null(a->vault);
	assert_int_equal(vault_add(a->vault, SPAN_LIT(NAME), SPAN_LIT("Ada Lovelace")), 0);
	s->gate.plan.reads_answer = true;
	s->gate.vault = a->vault;
	s->gate.helps = true;
	s->gate.help_s = help_s;
	stage_start(s);
	a->edge = edge_connect(s);
	say(s, &a->edge, POST("content-length: 1\r\n") "x");
	a->up = egress_accept(s);
	until(s, heard(&a->up, "\r\n\r\nx"));
	say(s, &a->up, SSE EVENT("hi "));
	until(s, heard(&a->edge, "hi "));
	assert_int_equal(s->gate.asides, 0);
}

static void
act_end(struct act *a)
{
	peer_close(&a->edge);
	peer_close(&a->up);
	vault_free(&a->vault);
}

static const char long_end[] = " to " NAME ".\"}}]}\n\ndata: [DONE]\n\n";

/* Sends n bytes of an event, followed by `end`. */
static void
say_event(struct stage *s, struct peer *up, size_t n, const char *end)
{
	struct buf b;

	buf_init(&b, 0);
	buf_str(&b, "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"" NAME);
	while (b.n < n)
		buf_str(&b, " and more");
	buf_str(&b, end);
	assert_true(say_span(s, up, buf_view(&b)));
	buf_free(&b);
}

static void
say_long(struct stage *s, struct peer *up, size_t n)
{
	say_event(s, up, n, "");
}

static void
other_exchanges_are_served_while_a_helper_reads(void **state)
{
	struct stage *s = *state;
	struct act a;

	act_begin(s, &a, 1000);
	say_long(s, &a.up, LONG);
	until(s, s->gate.asides == 1);
	struct exchange *reads = exchange(s);
	/* Another exchange's response passes whole. */
	struct peer other = edge_connect(s), up;
	say(s, &other, POST("content-length: 1\r\n") "y");
	up = egress_accept(s);
	until(s, heard(&up, "\r\n\r\ny"));
	say(s, &up, SSE EVENT("short " NAME) "data: [DONE]\n\n");
	peer_close(&up);
	until(s, heard(&other, "short Ada Lovelace"));
	until(s, heard(&other, "[DONE]"));
	until(s, s->gate.finishes == 1);
	assert_true(reads->aside && s->gate.asides == 1);
	/* Bytes that arrive meanwhile are processed afterwards, in order. */
	assert_true(say(s, &a.up, long_end));
	peer_close(&a.up);
	for (unsigned i = 0; i < 50; i++)
		relay_turn(s);
	assert_int_equal(s->gate.asides, 1);
	s->gate.help_s = 0;
	ev_timer_stop(s->loop, &reads->later);
	fake_helped(s->loop, &reads->later, 0);
	until(s, heard(&a.edge, "[DONE]"));
	assert_true(heard(&a.edge, "\"Ada Lovelace and more"));
	assert_true(heard(&a.edge, "to Ada Lovelace.\""));
	settled(s);
	assert_int_equal(reads->result.end, END_COMPLETE);
	peer_close(&other);
	act_end(&a);
}

static void
memory_of_a_stream_is_held(void **state)
{
	struct stage *s = *state;
	struct act a;

	act_begin(s, &a, 0);
	assert_int_equal(exchange(s)->held, 0);
	say_long(s, &a.up, LONG);
	until(s, exchange(s)->held >= LONG / 4096 * 4096);
	say(s, &a.up, long_end);
	until(s, heard(&a.edge, "[DONE]"));
	until(s, exchange(s)->held == 0);
	peer_close(&a.up);
	settled(s);
	act_end(&a);
}

static void
stream_over_the_limit_of_held_bytes_ends(void **state)
{
	struct stage *s = *state;
	struct act a;

	s->gate.hold_cap = 4 * LONG;
	act_begin(s, &a, 0);
	say_long(s, &a.up, 5 * LONG);
	until(s, heard(&a.edge, "the limit on held bytes is reached"));
	settled(s);
	assert_int_equal(exchange(s)->result.end, END_PROVIDER_ABORT);
	act_end(&a);
}

/* The client, the deadline or the daemon ends the exchange. It ends once, after the helper,
 * which does not have to read to the end. */
static void
end_of_an_exchange_waits_for_the_helper(void **state)
{
	static const struct {
		const char *name;
		bool leaves, late, stops;
		enum exchange_end end;
	} rows[] = {
		{ "the client leaves", true, false, false, END_CLIENT_ABORT },
		{ "the helper exceeds the deadline", false, true, false, END_PROVIDER_ABORT },
		{ "the helper exceeds the deadline, and the client leaves", true, true, false,
			END_CLIENT_ABORT },
		{ "the daemon stops", false, false, true, END_CLIENT_ABORT },
	};
	struct stage *s = *state;

	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct act a;
		struct metrics *m = &s->metrics;
		s->gate.plan.deadline_us = rows[i].late ? 300000 : 60000000;
		act_begin(s, &a, 1000);
		uint64_t aborts = atomic_load(&m->v[M_RELAY_ABORTS]);
		say_event(s, &a.up, 5000, long_end);
		until(s, s->gate.asides == 1);
		struct exchange *x = exchange(s);
		if (rows[i].late)
			pass(s, 400);
		if (rows[i].stops)
			relay_abort(s->relay);
		if (rows[i].leaves)
			peer_close(&a.edge);
		for (unsigned k = 0; k < 100; k++)
			relay_turn(s);
		assert_false(x->finished);
		assert_int_equal(relay_active(s->relay), 1);
		assert_int_equal(atomic_load(&m->v[M_RELAY_ABORTS]), aborts);
		ev_timer_stop(s->loop, &x->later);
		fake_helped(s->loop, &x->later, 0);
		settled(s);
		if (x->result.end != rows[i].end)
			fail_msg("%s: ended as %d", rows[i].name, x->result.end);
		assert_string_equal(guard_report(x->guard)->why, "the client no longer waits for the response");
		assert_int_equal(guard_report(x->guard)->events, 1);
		act_end(&a);
		stage_close(s);
		stage_open(s);
	}
	stage_start(s);
}

/* If the attempt's response is forwarded, nothing is left to send again when the helper
 * returns. */
static void
sent_bytes_are_not_sent_again(void **state)
{
	struct stage *s = *state;
	struct vault *vault = vault_new();

	assert_non_null(vault);
	assert_int_equal(vault_add(vault, SPAN_LIT(NAME), SPAN_LIT("Ada Lovelace")), 0);
	s->gate.plan.reads_answer = true;
	s->gate.vault = vault;
	s->gate.helps = true;
	attempts_start(s, 2);
	struct peer edge = edge_connect(s);
	say(s, &edge, HELLO);
	struct peer up = attempts_accept(s);
	buf_clear(&up.in);
	say(s, &up, SSE TEXT);
	until(s, heard(&edge, "hi"));
	say_long(s, &up, LONG);
	assert_true(say(s, &up, long_end));
	until(s, s->gate.asides > 0 && heard(&edge, "[DONE]"));
	pass(s, 20);
	listen_in(&up);
	assert_int_equal(up.in.n, 0);
	peer_close(&up);
	peer_close(&edge);
	settled(s);
	vault_free(&vault);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(other_exchanges_are_served_while_a_helper_reads,
			relay_setup, relay_teardown),
		cmocka_unit_test_setup_teardown(
			memory_of_a_stream_is_held, relay_setup, relay_teardown),
		cmocka_unit_test_setup_teardown(
			stream_over_the_limit_of_held_bytes_ends, relay_setup, relay_teardown),
		cmocka_unit_test_setup_teardown(
			end_of_an_exchange_waits_for_the_helper, relay_setup, relay_teardown),
		cmocka_unit_test_setup_teardown(
			sent_bytes_are_not_sent_again, relay_setup, relay_teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
