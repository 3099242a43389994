/* A response with a success status may be an error document. If another attempt may follow, a
 * short response is kept until it is whole. */
#include "scenario/relay_attempts.h"

#define WRONG  "{\"error\":{\"type\":\"overloaded_error\",\"message\":\"x\"}}" /* 51 bytes */
#define JSON   "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n"
#define CHOICE "{\"choices\":[{\"message\":{\"content\":\"hi\"}}]}"

static void
error_with_a_success_status_is_a_failed_attempt(void **state)
{
	static const char *const framed[] = { JSON "content-length: 51\r\n\r\n" WRONG,
		JSON "transfer-encoding: chunked\r\n\r\n33\r\n" WRONG "\r\n0\r\n\r\n" };
	struct stage *s = *state;

	attempts_start(s, 2);
	s->gate.plan.doubts = true;
	for (unsigned i = 0; i < 8; i++) {
		s->gate.plan.reads_answer = i & 1;
		struct peer edge = edge_connect(s);
		say(s, &edge, HELLO);
		struct peer up = attempts_accept(s);
		if (i & 2)
			say_slowly(s, &up, framed[i >> 2], 1);
		else
			say(s, &up, framed[i >> 2]);
		until(s, exchange(s)->agains == 1);
		assert_int_equal(exchange(s)->end.said, ATTEMPT_ANSWERED);
		assert_int_equal(exchange(s)->end.result.status, 200);
		assert_true(span_is(buf_view(&exchange(s)->document), WRONG));
		struct peer next = attempts_accept(s);
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

/* Responses that might have been an error and are none, and responses after which no other
 * target is asked. */
static void
successful_response_is_forwarded_unchanged(void **state)
{
	static const struct {
		const char *what, *answer, *rest, *ends;
		unsigned attempts;
		bool doubts;
	} rows[] = {
		{ "a response", JSON "content-length: 42\r\n\r\n" CHOICE, "", "}]}", 2, true },
		{ "an empty response", JSON "content-length: 0\r\n\r\n", "",
			"content-length: 0\r\n\r\n", 2, true },
		{ "a response that arrives late", JSON "content-length: 42\r\n\r\n", CHOICE,
			"}]}", 2, true },
		{ "an error in a fetched document", JSON "content-length: 51\r\n\r\n" WRONG, "",
			"\"x\"}}", 2, false },
		{ "an error at the last attempt", JSON "content-length: 51\r\n\r\n" WRONG, "",
			"\"x\"}}", 1, true },
		{ "text",
			"HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: "
			"51\r\n\r\n" WRONG,
			"", "\"x\"}}", 2, true },
		{ "a long response", JSON "content-length: 20000\r\n\r\n{", NULL, "{", 2,
			true },
	};
	struct stage *s = *state;

	attempts_start(s, 2);
	for (size_t i = 0; i < 2 * COUNT_OF(rows); i++) {
		s->gate.plan.reads_answer = i & 1;
		s->gate.plan.doubts = rows[i / 2].doubts;
		s->gate.attempts = rows[i / 2].attempts;
		struct peer edge = edge_connect(s);
		say(s, &edge, HELLO);
		struct peer up = attempts_accept(s);
		say(s, &up, rows[i / 2].answer);
		if (rows[i / 2].rest && rows[i / 2].rest[0]) {
			/* after a second, the head is forwarded */
			until(s, heard(&edge, "\r\n\r\n"));
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

#define T(name) cmocka_unit_test_setup_teardown(name, relay_setup, relay_teardown)

/* The response of an operator's HAProxy rule: no other target is asked, no guard reads it, and
 * the result names HAProxy as the source. */
static void
response_of_a_haproxy_rule_goes_to_the_caller(void **state)
{
	static const struct {
		const char *status, *why;
		enum exchange_end end;
		unsigned agains;
	} rows[] = { { "301 Moved Permanently", "301 -1 -1 -1 0 www <NOSRV>", END_RULED, 0 },
		{ "401 Unauthorized", "401 -1 -1 -1 0 www <NOSRV> 0", END_RULED, 0 },
		{ "200 OK", "200 -1 -1 -1 0 www <NOSRV> 0", END_RULED, 0 },
		{ "200 OK", "200 0 0 5 0 b s 0", END_ANSWER_RULED, 0 },
		{ "502 Bad Gateway", "502 0 0 5 0 b s 0", END_ANSWER_RULED, 1 },
		{ "503 Service Unavailable", "503 -1 -1 -1 0 b <NOSRV>", END_NEVER_SENT, 1 },
		{ "401 Unauthorized", "garbage", END_COMPLETE, 1 } };
	struct stage *s = *state;

	attempts_start(s, 1);
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		char answer[300], want[300];
		struct peer edge = edge_connect(s);
		say(s, &edge, HELLO);
		struct peer up = attempts_accept(s);
		snprintf(answer, sizeof(answer),
			"HTTP/1.1 %s\r\nx-tollgate-why: %s\r\ncontent-length: 6\r\n\r\ntheirs",
			rows[i].status, rows[i].why);
		snprintf(want, sizeof(want),
			"HTTP/1.1 %s\r\n" FIELDS "content-length: 6\r\n\r\ntheirs",
			rows[i].status);
		say(s, &up, answer);
		expect_bytes(s, &edge, want);
		if (exchange(s)->result.end != rows[i].end ||
			exchange(s)->agains != rows[i].agains)
			fail_msg("%s: %d, asked %d times", rows[i].why, exchange(s)->result.end,
				exchange(s)->agains);
		peer_close(&edge);
		peer_close(&up);
		settled(s);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(error_with_a_success_status_is_a_failed_attempt),
		T(successful_response_is_forwarded_unchanged),
		T(response_of_a_haproxy_rule_goes_to_the_caller),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
