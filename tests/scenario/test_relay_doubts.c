/* An answer whose status is that of a success may be an error document: it is kept until it is
 * whole, and short, where another attempt may follow. */
#include "scenario/relay_attempts.h"

#define WRONG  "{\"error\":{\"type\":\"overloaded_error\",\"message\":\"x\"}}" /* 51 bytes */
#define JSON   "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n"
#define CHOICE "{\"choices\":[{\"message\":{\"content\":\"hi\"}}]}"

static void
an_error_with_the_status_of_a_success_is_a_failed_attempt(void **state)
{
	static const char *const framed[] = { JSON "content-length: 51\r\n\r\n" WRONG,
		JSON "transfer-encoding: chunked\r\n\r\n33\r\n" WRONG "\r\n0\r\n\r\n" };
	struct stage *s = *state;

	start(s, 2);
	s->gate.plan.doubts = true;
	for (unsigned i = 0; i < 8; i++) {
		s->gate.plan.reads_answer = i & 1;
		struct peer edge = edge_connect(s);
		say(s, &edge, HELLO);
		struct peer up = attempt(s);
		if (i & 2)
			say_slowly(s, &up, framed[i >> 2], 1);
		else
			say(s, &up, framed[i >> 2]);
		until(s, exchange(s)->agains == 1);
		assert_int_equal(exchange(s)->end.said, ATTEMPT_ANSWERED);
		assert_int_equal(exchange(s)->end.result.status, 200);
		assert_true(span_is(buf_view(&exchange(s)->document), WRONG));
		struct peer next = attempt(s);
		listen_in(&edge);
		assert_int_equal(edge.in.n, 0);
		say(s, &next, OK_ANSWER);
		until(s, heard(&edge, "ok"));
		assert_false(heard(&edge, "overloaded"));
		peer_close(&edge);
		peer_close(&up);
		peer_close(&next);
		settled(s);
	}
}

/* Whatever may have been an error, and is none; and where nobody else is to be asked. */
static void
what_has_the_status_of_a_success_goes_as_it_is(void **state)
{
	static const struct {
		const char *what, *answer, *rest, *ends;
		unsigned attempts;
		bool doubts;
	} rows[] = {
		{ "an answer", JSON "content-length: 42\r\n\r\n" CHOICE, "", "}]}", 2, true },
		{ "an empty one", JSON "content-length: 0\r\n\r\n", "",
			"content-length: 0\r\n\r\n", 2, true },
		{ "one that comes late", JSON "content-length: 42\r\n\r\n", CHOICE, "}]}", 2,
			true },
		{ "an error that is only fetched", JSON "content-length: 51\r\n\r\n" WRONG, "",
			"\"x\"}}", 2, false },
		{ "an error that no other attempt may follow",
			JSON "content-length: 51\r\n\r\n" WRONG, "", "\"x\"}}", 1, true },
		{ "text",
			"HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: "
			"51\r\n\r\n" WRONG,
			"", "\"x\"}}", 2, true },
		{ "what is long", JSON "content-length: 20000\r\n\r\n{", NULL, "{", 2, true },
	};
	struct stage *s = *state;

	start(s, 2);
	for (size_t i = 0; i < 2 * COUNT_OF(rows); i++) {
		s->gate.plan.reads_answer = i & 1;
		s->gate.plan.doubts = rows[i / 2].doubts;
		s->gate.attempts = rows[i / 2].attempts;
		struct peer edge = edge_connect(s);
		say(s, &edge, HELLO);
		struct peer up = attempt(s);
		say(s, &up, rows[i / 2].answer);
		if (rows[i / 2].rest && rows[i / 2].rest[0]) {
			until(s, heard(&edge, "\r\n\r\n")); /* after a second the head goes */
			say(s, &up, rows[i / 2].rest);
		}
		until(s, heard(&edge, rows[i / 2].ends));
		if (exchange(s)->agains != (rows[i / 2].attempts < 2))
			fail_msg("%s", rows[i / 2].what);
		peer_close(&edge);
		peer_close(&up);
		settled(s);
		no_egress(s);
	}
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(an_error_with_the_status_of_a_success_is_a_failed_attempt),
		T(what_has_the_status_of_a_success_goes_as_it_is),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
