/* MCP event streams through the relay. A silent stream is kept alive by comments between two
 * events. A stream without an end of its own has no deadline. The stream ends at once if the
 * client disconnects, the server disconnects or the daemon stops. */
#include "scenario/relay_stage.h"

#define GET    "GET /ignored HTTP/1.1\r\nhost: h\r\n" TICKET "\r\n"
#define EVENTS DOWN_HEAD "content-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
#define TOLD_HEAD                                                                              \
	DOWN_HEAD "content-type: text/event-stream\r\n" FIELDS                                 \
		  "transfer-encoding: chunked\r\n\r\n"
#define COMMENT	  "e\r\n: keep-alive\n\n\r\n"
#define ONE_EVENT "15\r\nid: 1\ndata: {\"a\":1}\n\n\r\n"

static struct peer edge, up;

static void
begin(struct stage *s, bool stays, bool reads)
{
	s->options.keep_alive_us = 30000;
	s->gate.plan.sessions = true;
	s->gate.plan.stays = stays;
	s->gate.plan.reads_answer = reads;
	s->gate.plan.body_mode = BODY_NONE;
	stage_start(s);
	edge = edge_connect(s);
	say(s, &edge, GET);
	up = egress_accept(s);
	until(s, heard(&up, "\r\n\r\n"));
}

static void
over(struct stage *s)
{
	peer_close(&edge);
	peer_close(&up);
	settled(s);
}

static void
silent_stream_is_kept_alive(void **state)
{
	struct stage *s = *state;

	s->options.response_us = 100000;
	s->gate.plan.deadline_us = 100000;
	begin(s, true, true);
	say(s, &up, EVENTS);
	/* the head arrives at once, and the stream lives longer than the timeouts of silence
	 * and deadline */
	expect_bytes(
		s, &edge, TOLD_HEAD COMMENT COMMENT COMMENT COMMENT COMMENT COMMENT COMMENT);
	say(s, &up, "26\r\nid: 1\ndata:\n\nretry: 50\n\ndata: {\"a\":1}\n\r\n");
	pass(s, 100);
	say(s, &up, "1\r\n\n\r\n");
	until(s, heard(&edge, "00000026\r\nid: 1\ndata:\n\nretry: 50\n\ndata: {\"a\":1}\n\r\n"
			      "00000001\r\n\n\r\n"));
	assert_false(exchange(s)->finished);
	over(s);
	assert_int_equal(exchange(s)->result.end, END_CLIENT_ABORT);
}

/* Comments exist only in event streams. A response of lines is unchanged. */
static void
line_stream_gets_no_comments(void **state)
{
#define LINES                                                                                  \
	DOWN_HEAD                                                                              \
	"content-type: application/x-ndjson\r\ntransfer-encoding: chunked\r\n\r\n"             \
	"a\r\n{\"a\":1}\n\n\n\r\n"
	struct stage *s = *state;

	begin(s, true, true);
	say(s, &up, LINES);
	until(s, heard(&edge, "{\"a\":1}\n"));
	pass(s, 100);
	assert_false(heard(&edge, "keep-alive"));
	over(s);
}

/* No guard reads the response: the bytes are forwarded unchanged, wherever they are cut. */
static void
comment_is_never_sent_within_an_event(void **state)
{
	static const struct {
		const char *begins, *ends;
	} table[] = { { "data: 1", "\n\n" }, { "data: 1\n", "\n" }, { "data: 1\r\n", "\r\n" },
		{ "data: 1\r", "\r" }, { "event: a\r\ndata: 1", "\r\n\r\n" },
		{ "\n\nid: 5\n", "data:\n\n" }, { "d", "ata: 1\n\r\n" }, { ":", "\n\n" } };
	struct stage *s = *state;
	char line[32];

	begin(s, true, false);
	say(s, &up, EVENTS);
	expect_bytes(s, &edge, TOLD_HEAD COMMENT);
	for (size_t i = 0; i < COUNT_OF(table); i++) {
		buf_clear(&edge.in);
		snprintf(line, sizeof(line), "%zx\r\n", strlen(table[i].begins));
		say(s, &up, line);
		say(s, &up, table[i].begins);
		say(s, &up, "\r\n");
		until(s, heard(&edge, table[i].begins));
		buf_clear(&edge.in);
		pass(s, 80); /* if it were an event stream, comments would follow */
		listen_in(&edge);
		if (edge.in.n > 2)
			fail_msg("%s: %.*s", table[i].begins, SPAN_ARG(buf_view(&edge.in)));
		snprintf(line, sizeof(line), "%zx\r\n", strlen(table[i].ends));
		say(s, &up, line);
		say(s, &up, table[i].ends);
		say(s, &up, "\r\n");
		until(s, heard(&edge, COMMENT));
	}
	over(s);
}

static void
stream_for_a_call_is_kept_alive_until_its_deadline(void **state)
{
	struct stage *s = *state;

	s->gate.plan.deadline_us = 400000;
	begin(s, false, true);
	say(s, &up, EVENTS);
	expect_bytes(s, &edge, TOLD_HEAD COMMENT COMMENT);
	until(s, s->gate.finishes == 1);
	assert_int_equal(exchange(s)->result.end, END_PROVIDER_ABORT);
	assert_string_equal(exchange(s)->result.code, "provider_timeout");
	until(s, closed(&edge));
	over(s);
}

static void
other_responses_are_not_kept_alive(void **state)
{
	static const char *const heads[] = {
		DOWN_HEAD
		"content-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n",
		DOWN_HEAD "content-type: text/event-stream\r\ncontent-length: 100\r\n\r\n",
		("HTTP/1.1 405 No\r\n"
		 "content-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"),
	};
	struct stage *s = *state;

	s->options.response_us = 150000;
	begin(s, true, false);
	for (size_t i = 0;; i++) {
		say(s, &up, heads[i]);
		until(s, closed(&edge)); /* by the timeout of silence */
		if (i != 1)
			assert_false(heard(&edge, "keep-alive"));
		peer_close(&edge);
		peer_close(&up);
		settled(s);
		if (i + 1 == COUNT_OF(heads))
			break;
		edge = edge_connect(s);
		say(s, &edge, GET);
		up = egress_accept(s);
		until(s, heard(&up, "\r\n\r\n"));
	}
}

static void
client_disconnect_ends_the_stream_at_the_server(void **state)
{
	struct stage *s = *state;

	begin(s, true, true);
	say(s, &up, EVENTS ONE_EVENT);
	until(s, heard(&edge, "data: {\"a\":1}\n\n"));
	peer_close(&edge);
	until(s, closed(&up));
	over(s);
	assert_int_equal(exchange(s)->result.end, END_CLIENT_ABORT);
	assert_int_equal(s->relay->npool, 0);
}

/* As HAProxy does after its `timeout server`. The client connects again, as after any end. */
static void
server_disconnect_ends_the_stream_without_an_error(void **state)
{
	struct stage *s = *state;
	struct vault *vault = vault_new();

	assert_int_equal(vault_add(vault, SPAN_LIT("<PERSON_1>"), SPAN_LIT("Ann")), 0);
	s->gate.vault = vault;
	begin(s, true, true);
	say(s, &up, EVENTS ONE_EVENT "16\r\nid: 2\ndata: {\"secret\":\r\n");
	until(s, heard(&edge, "data: {\"a\":1}\n\n"));
	peer_close(&up);
	until(s, closed(&edge));
	assert_true(heard(&edge, "\r\n0\r\n\r\n"));
	assert_false(heard(&edge, "secret"));
	assert_false(heard(&edge, "error"));
	over(s);
	vault_free(&vault);
	assert_int_equal(exchange(s)->result.end, END_COMPLETE);
}

static void
stopping_daemon_ends_the_stream_properly(void **state)
{
	struct stage *s = *state;

	begin(s, true, true);
	relay_end_streams(s->relay, true); /* its head has not arrived yet */
	say(s, &up, EVENTS ONE_EVENT);
	until(s, heard(&edge, "data: {\"a\":1}\n\n"));
	relay_end_streams(s->relay, true);
	until(s, closed(&edge));
	until(s, closed(&up));
	assert_true(heard(&edge, "\r\n0\r\n\r\n"));
	over(s);
	assert_int_equal(exchange(s)->result.end, END_COMPLETE);
}

static void
stopping_daemon_leaves_other_streams_open(void **state)
{
	struct stage *s = *state;

	begin(s, false, true);
	say(s, &up, EVENTS ONE_EVENT);
	until(s, heard(&edge, "data: {\"a\":1}\n\n"));
	relay_end_streams(s->relay, true);
	say(s, &up, ONE_EVENT "0\r\n\r\n");
	until(s, heard(&edge, "\r\n0\r\n\r\n"));
	over(s);
	assert_int_equal(exchange(s)->result.end, END_COMPLETE);
}

/* A client that reads nothing: the bytes wait for the client, so the server is not silent. */
static void
client_that_reads_nothing_is_disconnected(void **state)
{
	struct stage *s = *state;
	static char event[60000];

	s->options.response_us = 150000;
	begin(s, true, false);
	say(s, &up, EVENTS);
	memset(event, 'x', sizeof(event));
	memcpy(event, "ea58\r\n:", 7);
	memcpy(event + 6 + 0xea58 - 2, "\n\n\r\n", 4);
	for (int i = 0; i < 200 && !s->gate.finishes; i++) {
		if (send(up.fd, event, 6 + 0xea58 + 2, MSG_NOSIGNAL) < 0)
			break;
		relay_turn(s);
	}
	until(s, s->gate.finishes == 1);
	assert_int_equal(exchange(s)->result.end, END_CLIENT_ABORT);
	over(s);
}

/* Sends events until the client's socket and the relay are full. */
static void
flood(struct stage *s)
{
	static char event[60000];

	memset(event, 'x', sizeof(event));
	memcpy(event, "ea58\r\n:", 7);
	memcpy(event + 6 + 0xea58 - 2, "\n\n\r\n", 4);
	for (int i = 0; i < 100; i++) {
		ssize_t n = send(up.fd, event, 6 + 0xea58 + 2, MSG_NOSIGNAL | MSG_DONTWAIT);
		if (n < 0)
			break;
		relay_turn(s);
	}
}

static void
fill(struct stage *s)
{
	s->options.stuck_us = 150000;
	begin(s, false, false);
	say(s, &up, EVENTS);
	flood(s);
}

/* The daemon drains for 0.6 s, or until the exchange ends. */
static void
drain(struct stage *s, size_t reads)
{
	char some[4096];
	uint64_t began_us = clock_mono_us();

	while (!s->gate.finishes && clock_mono_us() - began_us < 600000) {
		relay_end_streams(s->relay, true);
		if (reads)
			assert_true(recv(edge.fd, some, reads, MSG_DONTWAIT) > 0);
		relay_turn(s);
		usleep(1000);
	}
}

static void
stopping_daemon_leaves_a_client_that_reads_nothing(void **state)
{
	struct stage *s = *state;

	fill(s);
	drain(s, 0);
	assert_int_equal(s->gate.finishes, 1);
	assert_int_equal(exchange(s)->result.end, END_CLIENT_ABORT);
	over(s);
}

static void
stopping_daemon_waits_for_a_client_that_reads_slowly(void **state)
{
	struct stage *s = *state;

	fill(s);
	drain(s, 1024);
	assert_int_equal(s->gate.finishes, 0);
	over(s);
}

/* Behind HAProxy a client that reads slowly looks like one that reads nothing for seconds, and then
 * a megabyte at once. */
static void
stopping_daemon_waits_for_a_client_that_has_read_on_after_a_pause(void **state)
{
	struct stage *s = *state;
	static char some[1 << 20];

	s->options.slow_us = 900000;
	fill(s);
	usleep(400000);
	assert_true(recv(edge.fd, some, sizeof(some), MSG_DONTWAIT) > 0);
	relay_turn(s);
	flood(s); /* the socket is full again */
	drain(s, 0); /* 0.6 s */
	assert_int_equal(s->gate.finishes, 0);
	drain(s, 0); /* longer than twice the pause */
	assert_int_equal(s->gate.finishes, 1);
	over(s);
}

#define OLDER "1f\r\nevent: endpoint\ndata: /m?s=1\n\n\r\n"

/* The old transport's event arrives with the head, right after it, or in pieces: 502. If the
 * head was already forwarded, nothing more follows. */
static void
older_mcp_transport_is_reported(void **state)
{
	static const struct {
		const char *says[3];
		unsigned waits_ms;
		bool told; /* reported by the status */
	} table[] = {
		{ { EVENTS OLDER }, 0, true },
		{ { EVENTS, OLDER }, 0, true },
		{ { EVENTS, "6\r\nevent:\r\n", "19\r\n endpoint\ndata: /m?s=1\n\n\r\n" }, 0,
			true },
		{ { EVENTS, OLDER }, 500, false },
	};
	struct stage *s = *state;

	s->gate.messages = true;
	begin(s, true, true);
	for (size_t i = 0;; i++) {
		for (size_t k = 0; k < 3 && table[i].says[k]; k++) {
			if (k && table[i].waits_ms)
				until(s, heard(&edge, "200 OK"));
			say(s, &up, table[i].says[k]);
		}
		until(s, closed(&edge) || heard(&edge, "HTTP+SSE"));
		assert_int_equal(heard(&edge, "HTTP/1.1 502 "), table[i].told);
		assert_true(heard(&edge, "older HTTP+SSE"));
		assert_false(heard(&edge, "s=1"));
		over(s);
		assert_int_equal(exchange(s)->result.end, END_PROVIDER_ABORT);
		if (i + 1 == COUNT_OF(table))
			break;
		edge = edge_connect(s);
		say(s, &edge, GET);
		up = egress_accept(s);
		until(s, heard(&up, "\r\n\r\n"));
	}
}

static void
html_page_is_no_mcp_response(void **state)
{
	struct stage *s = *state;

	s->gate.messages = true;
	begin(s, false, true);
	say(s, &up,
		DOWN_HEAD
		"content-type: text/html\r\ncontent-length: 18\r\n\r\n<html>hello</html>");
	until(s, heard(&edge, "HTTP/1.1 502 "));
	until(s, heard(&edge, "instead of an MCP message"));
	assert_false(heard(&edge, "html>"));
	over(s);
}

int
main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, relay_setup, relay_teardown)
	const struct CMUnitTest tests[] = {
		{ .name = "mcp-sap-docs#75: a silent stream is kept alive",
			.test_func = silent_stream_is_kept_alive,
			.setup_func = relay_setup,
			.teardown_func = relay_teardown },
		T(line_stream_gets_no_comments),
		T(comment_is_never_sent_within_an_event),
		T(stream_for_a_call_is_kept_alive_until_its_deadline),
		T(other_responses_are_not_kept_alive),
		T(client_disconnect_ends_the_stream_at_the_server),
		T(server_disconnect_ends_the_stream_without_an_error),
		T(stopping_daemon_ends_the_stream_properly),
		T(stopping_daemon_leaves_other_streams_open),
		T(client_that_reads_nothing_is_disconnected),
		T(stopping_daemon_leaves_a_client_that_reads_nothing),
		T(stopping_daemon_waits_for_a_client_that_reads_slowly),
		T(stopping_daemon_waits_for_a_client_that_has_read_on_after_a_pause),
		T(older_mcp_transport_is_reported),
		T(html_page_is_no_mcp_response),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
