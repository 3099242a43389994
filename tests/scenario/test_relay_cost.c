/* The relay and the cost of responses: which heads wait for the cost. */
#include "scenario/relay_stage.h"

/* The head of a whole response waits for its usage. Other content than JSON, streams, and
 * responses for which there is no room do not wait. */
static void
cost_of_a_whole_response_is_in_its_head(void **state)
{
	static const struct {
		const char *name, *head, *body;
		bool room, cost;
	} rows[] = {
		{ "a length", "content-type: application/json\r\ncontent-length: 51\r\n",
			"{\"usage\":{\"prompt_tokens\":3,\"completion_tokens\":2}}", true,
			true },
		{ "chunks", "content-type: application/json\r\ntransfer-encoding: chunked\r\n",
			"33\r\n{\"usage\":{\"prompt_tokens\":3,\"completion_tokens\":2}}"
			"\r\n0\r\n\r\n",
			true, true },
		{ "no usage", "content-type: application/json\r\ncontent-length: 51\r\n",
			"{\"usage\":{\"prompt_tokens\":3,\"completion_tokenx\":2}}", true,
			false },
		{ "no JSON", "content-type: text/plain\r\ncontent-length: 51\r\n",
			"{\"usage\":{\"prompt_tokens\":3,\"completion_tokens\":2}}", true,
			false },
		{ "no room", "content-type: application/json\r\ncontent-length: 51\r\n",
			"{\"usage\":{\"prompt_tokens\":3,\"completion_tokens\":2}}", false,
			false },
		{ "a stream", "content-type: text/event-stream\r\ncontent-length: 59\r\n",
			"data: {\"usage\":{\"prompt_tokens\":3,\"completion_tokens\":2}}\n\n",
			true, false },
	};
	struct stage *s = *state;
	char answer[512];

	stage_start(s);
	s->gate.plan.reads_answer = true;
	s->gate.usage_first = true;
	struct peer edge = edge_connect(s), up = { .fd = -1 };
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		s->gate.hold_cap = rows[i].room ? SIZE_MAX : 4;
		say(s, &edge, POST("content-length: 1\r\n") "x");
		if (up.fd < 0)
			up = egress_accept(s);
		until(s, heard(&up, "\r\n\r\nx"));
		buf_clear(&up.in);
		snprintf(answer, sizeof(answer), DOWN_HEAD "%s\r\n%s", rows[i].head,
			rows[i].body);
		say_slowly(s, &up, answer, 20);
		until(s, heard(&edge, "\":2}}"));
		if (heard(&edge, "x-tollgate-cost: 0.5\r\n") != rows[i].cost)
			fail_msg("%s: %.*s", rows[i].name, SPAN_ARG(buf_view(&edge.in)));
		assert_true(heard(&edge, "HTTP/1.1 200 "));
		relay_turn(s);
		relay_turn(s);
		buf_clear(&edge.in);
	}
	peer_close(&edge);
	peer_close(&up);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			cost_of_a_whole_response_is_in_its_head, relay_setup, relay_teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
