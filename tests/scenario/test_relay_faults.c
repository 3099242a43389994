/* The relay between peers that misbehave, disconnect, stall or send invalid data: the bytes
 * that may reach the provider, the responses that the edge receives, and the results that the
 * gate gets. */
#include <poll.h>

#include "scenario/relay_stage.h"

/* ---- requests that must not be forwarded ---- */

struct bad_request {
	const char *name;
	struct span bytes;
	int status; /* of the response */
	int mode;   /* enum exchange_body, for requests with a valid ticket */
};

/* clang-format off */
static const struct bad_request bad_requests[] = {
	{ "no ticket", SPAN_LIT("POST / HTTP/1.1\r\ncontent-length: 1\r\n\r\nx"), 503, BODY_COPY },
	{ "two tickets", SPAN_LIT("POST / HTTP/1.1\r\n" TICKET TICKET "content-length: 1\r\n\r\nx"), 503, BODY_COPY },
	{ "an empty ticket", SPAN_LIT("POST / HTTP/1.1\r\nx-tollgate-ticket:\r\ncontent-length: 1\r\n\r\nx"), 503, BODY_COPY },
	{ "a ticket of 100 bytes", SPAN_LIT("POST / HTTP/1.1\r\nx-tollgate-ticket: "
		"0123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789\r\n\r\n"), 503, BODY_COPY },
	{ "length and chunked", SPAN_LIT(POST("content-length: 5\r\ntransfer-encoding: chunked\r\n") "0\r\n\r\n"), 400, BODY_COPY },
	{ "chunked and length", SPAN_LIT(POST("transfer-encoding: chunked\r\ncontent-length: 5\r\n") "0\r\n\r\n"), 400, BODY_COPY },
	{ "two lengths", SPAN_LIT(POST("content-length: 5\r\ncontent-length: 6\r\n") "hello!"), 400, BODY_COPY },
	{ "a list of lengths", SPAN_LIT(POST("content-length: 5,5\r\n") "hello"), 400, BODY_COPY },
	{ "xchunked", SPAN_LIT(POST("transfer-encoding: xchunked\r\n") "0\r\n\r\n"), 400, BODY_COPY },
	{ "chunked, gzip", SPAN_LIT(POST("transfer-encoding: chunked, gzip\r\n") "0\r\n\r\n"), 400, BODY_COPY },
	{ "a space before the colon", SPAN_LIT(POST("transfer-encoding : chunked\r\n") "0\r\n\r\n"), 400, BODY_COPY },
	{ "a folded transfer coding", SPAN_LIT(POST("transfer-encoding:\r\n chunked\r\n") "0\r\n\r\n"), 400, BODY_COPY },
	{ "a bare LF in the head", SPAN_LIT(POST("x: y\ntransfer-encoding: chunked\r\n") "0\r\n\r\n"), 400, BODY_COPY },
	{ "a bare CR in the head", SPAN_LIT(POST("x: y\rtransfer-encoding: chunked\r\n") "0\r\n\r\n"), 400, BODY_COPY },
	{ "NUL in the head", SPAN_LIT(POST("x: y\0z\r\n")), 400, BODY_COPY },
	{ "chunked in HTTP/1.0", SPAN_LIT("POST / HTTP/1.0\r\n" TICKET "transfer-encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n"), 400, BODY_COPY },
	{ "HTTP/2.0", SPAN_LIT("POST / HTTP/2.0\r\n" TICKET "content-length: 1\r\n\r\nx"), 400, BODY_COPY },
	{ "CONNECT", SPAN_LIT("CONNECT h:443 HTTP/1.1\r\n" TICKET "\r\n"), 501, BODY_NONE },
	{ "TRACE", SPAN_LIT("TRACE / HTTP/1.1\r\n" TICKET "\r\n"), 501, BODY_NONE },
	{ "Upgrade", SPAN_LIT("GET / HTTP/1.1\r\n" TICKET "connection: upgrade\r\nupgrade: websocket\r\n\r\n"), 501, BODY_NONE },
	{ "a body, decided without one", SPAN_LIT(POST("content-length: 1\r\n") "x"), 400, BODY_NONE },
	{ "chunks, decided without a body", SPAN_LIT(POST("transfer-encoding: chunked\r\n") "0\r\n\r\n"), 400, BODY_NONE },
	{ "a deferred body with a malformed chunk", SPAN_LIT(POST("transfer-encoding: chunked\r\n") "5\r\nhello!\r\n0\r\n\r\n"), 400, BODY_DEFER },
	{ "a deferred body with a bare LF", SPAN_LIT(POST("transfer-encoding: chunked\r\n") "5\nhello\r\n0\r\n\r\n"), 400, BODY_DEFER },
	{ "a deferred body over the limit, declared", SPAN_LIT(POST("content-length: 9000000\r\n") "x"), 413, BODY_DEFER },
	{ "a deferred body over the limit, in one chunk", SPAN_LIT(POST("transfer-encoding: chunked\r\n") "28\r\n0123456789012345678901234567890123456789\r\n0\r\n\r\n"), 413, BODY_DEFER },
};
/* clang-format on */

static void
bad_request_is_not_forwarded(void **state)
{
	struct stage *s = *state;

	stage_start(s);
	s->gate.plan.body_cap_bytes = 32;
	for (size_t i = 0; i < sizeof(bad_requests) / sizeof(bad_requests[0]); i++)
		for (size_t step = 1; step < 1000; step *= 30) {
			const struct bad_request *b = &bad_requests[i];
			char status[16];
			struct peer edge = edge_connect(s);
			s->gate.plan.body_mode = (enum exchange_body)b->mode;
			for (struct span rest = b->bytes; rest.n;
				rest = span_cut(rest, step, rest.n))
				if (!say_span(s, &edge, span_cut(rest, 0, step)))
					break;
			/* Bytes after it are not read as a second request. */
			say(s, &edge, POST("content-length: 1\r\n") "x");
			snprintf(status, sizeof(status), "HTTP/1.1 %d ", b->status);
			uint64_t end = clock_mono_us() + WAIT_MS * 1000ull;
			while (!closed(&edge) && clock_mono_us() < end)
				relay_turn(s);
			if (!edge.eof || !heard(&edge, status))
				fail_msg("%s: \"%.*s\"", b->name, SPAN_ARG(buf_view(&edge.in)));
			/* There is one response, not two. */
			buf_consume(&edge.in, 4);
			if (heard(&edge, "HTTP/1.1 "))
				fail_msg("%s: two answers", b->name);
			peer_close(&edge);
			settled(s);
			no_egress(s);
		}
	assert_int_equal(s->gate.opened, s->gate.finishes);
	assert_int_equal(relay_count(s, M_TICKET_WRONG), 4 * 3);
}

/* Exactly at the limit, in each framing. */
static void
deferred_body_may_be_as_long_as_the_limit(void **state)
{
	struct stage *s = *state;
	static const struct {
		const char *name, *request;
		bool fits;
	} rows[] = {
		{ "five bytes, declared", POST("content-length: 5\r\n") "hello", true },
		{ "six bytes, declared", POST("content-length: 6\r\n") "hello!", false },
		{ "five bytes in a chunk",
			POST("transfer-encoding: chunked\r\n") "5\r\nhello\r\n0\r\n\r\n",
			true },
		{ "six bytes in a chunk",
			POST("transfer-encoding: chunked\r\n") "6\r\nhello!\r\n0\r\n\r\n",
			false },
		{ "five bytes in two chunks",
			POST("transfer-encoding: chunked\r\n") "2\r\nhe\r\n3\r\nllo\r\n0\r\n\r"
							       "\n",
			true },
		{ "six bytes in two chunks",
			POST("transfer-encoding: chunked\r\n") "5\r\nhello\r\n1\r\n!"
							       "\r\n0\r\n\r\n",
			false },
	};

	stage_start(s);
	s->gate.plan.body_mode = BODY_DEFER;
	s->gate.plan.body_cap_bytes = 5;
	s->gate.deny = true; /* the part that was read is enough to deny */
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct peer edge = edge_connect(s);
		say(s, &edge, rows[i].request);
		until(s, heard(&edge, "HTTP/1.1 "));
		bool seen = span_is(buf_view(&exchange(s)->seen), "hello");
		if (seen != rows[i].fits || heard(&edge, "HTTP/1.1 413 ") == rows[i].fits)
			fail_msg("%s: \"%.*s\"", rows[i].name, SPAN_ARG(buf_view(&edge.in)));
		peer_close(&edge);
		settled(s);
	}
	no_egress(s);
}

static void
unknown_ticket_gets_503(void **state)
{
	struct stage *s = *state;

	stage_start(s);
	s->gate.claim_err = ERR_AUTH;
	struct peer edge = edge_connect(s);
	say(s, &edge, POST("content-length: 5\r\n") "hello");
	until(s, closed(&edge));
	assert_true(heard(&edge, "HTTP/1.1 503 "));
	assert_true(heard(&edge, "\"no_decision\""));
	no_egress(s);
	peer_close(&edge);
	settled(s);
}

/* The record of the decision could not be written: nothing is sent upstream. */
static void
unrecorded_decision_gets_503(void **state)
{
	struct stage *s = *state;
	static const enum exchange_body modes[] = { BODY_NONE, BODY_COPY, BODY_SWAP };

	stage_start(s);
	s->gate.plan.unrecorded = true;
	for (size_t i = 0; i < sizeof(modes) / sizeof(modes[0]); i++) {
		struct peer edge = edge_connect(s);
		s->gate.plan.body_mode = modes[i];
		say(s, &edge, modes[i] ? POST("content-length: 5\r\n") "hello" : POST(""));
		until(s, heard(&edge, "HTTP/1.1 503 "));
		assert_int_equal(exchange(s)->refused, 503);
		assert_string_equal(exchange(s)->refused_code, "audit_unavailable");
		no_egress(s);
		peer_close(&edge);
		settled(s);
	}
}

static void
malformed_body_cuts_the_providers_connection(void **state)
{
	struct stage *s = *state;
	static const enum exchange_body modes[] = { BODY_COPY, BODY_SWAP };

	stage_start(s);
	s->gate.plan.body = SPAN_LIT("swapped");
	for (int i = 0; i < 2; i++) {
		s->gate.plan.body_mode = modes[i];
		struct peer edge = edge_connect(s);
		say(s, &edge, POST("transfer-encoding: chunked\r\n") "5\r\nhello\r\n");
		struct peer up = egress_accept(s);
		say(s, &edge, "5\nhello\r\n0\r\n\r\n");
		until(s, closed(&up));
		assert_false(heard(&up, "0\r\n\r\n"));
		until(s, heard(&edge, "HTTP/1.1 400 "));
		until(s, closed(&edge));
		assert_int_equal(exchange(s)->result.end, END_CLIENT_ABORT);
		peer_close(&edge);
		peer_close(&up);
		settled(s);
	}
}

static void
body_that_differs_from_the_decided_one_is_cut(void **state)
{
	struct stage *s = *state;
	static const char *const requests[] = {
		POST("content-length: 10\r\n") "hello|world",
		POST("transfer-encoding: chunked\r\n") "5\r\nhello\r\n|5\r\nworld\r\n0\r\n\r\n",
	};

	stage_start(s);
	s->gate.body_err = ERR_AUTH;
	for (int i = 0; i < 2; i++) {
		char text[512];
		snprintf(text, sizeof(text), "%s", requests[i]);
		char *second = strchr(text, '|');
		*second++ = '\0';
		struct peer edge = edge_connect(s);
		say(s, &edge, text);
		struct peer up = egress_accept(s);
		until(s, heard(&up, "hello"));
		say(s, &edge, second);
		until(s, closed(&up));
		assert_false(heard(&up, i ? "0\r\n\r\n" : "world"));
		until(s, heard(&edge, "HTTP/1.1 503 "));
		until(s, closed(&edge));
		peer_close(&edge);
		peer_close(&up);
		settled(s);
	}
	/* The whole body in one read: nothing is sent at all. */
	struct peer edge = edge_connect(s);
	say(s, &edge, POST("content-length: 5\r\n") "hello");
	until(s, heard(&edge, "HTTP/1.1 503 "));
	struct peer up = egress_accept(s);
	until(s, closed(&up));
	assert_int_equal(up.in.n, 0);
	assert_int_equal(exchange(s)->result.end, END_NEVER_SENT);
	peer_close(&edge);
	peer_close(&up);
	settled(s);
}

/* ---- responses that must not be forwarded ---- */

static const struct {
	const char *name, *answer;
	bool after_head; /* the edge already has a head, so the response is cut */
} bad_answers[] = {
	{ "length and chunked",
		DOWN_HEAD "content-length: 5\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
		false },
	{ "two lengths", DOWN_HEAD "content-length: 5\r\ncontent-length: 5\r\n\r\nhello",
		false },
	{ "another transfer coding",
		DOWN_HEAD "transfer-encoding: gzip, chunked\r\n\r\n0\r\n\r\n", false },
	{ "a folded field", DOWN_HEAD "x: y\r\n z\r\ncontent-length: 0\r\n\r\n", false },
	{ "a bare LF", DOWN_HEAD "x: y\ncontent-length: 0\r\n\r\n", false },
	{ "101", "HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\n\r\n", false },
	{ "a response that is not HTTP", "hello\r\n\r\n", false },
	{ "another HTTP version", "HTTP/3.0 200 OK\r\ncontent-length: 0\r\n\r\n", false },
	{ "interim responses without end",
		"HTTP/1.1 100 C\r\n\r\nHTTP/1.1 100 C\r\n\r\nHTTP/1.1 100 C\r\n\r\nHTTP/1.1 "
		"100 C\r\n\r\n"
		"HTTP/1.1 100 C\r\n\r\nHTTP/1.1 100 C\r\n\r\nHTTP/1.1 100 C\r\n\r\nHTTP/1.1 "
		"100 C\r\n\r\n"
		"HTTP/1.1 100 C\r\n\r\nHTTP/1.1 100 C\r\n\r\nHTTP/1.1 100 C\r\n\r\nHTTP/1.1 "
		"100 C\r\n\r\n"
		"HTTP/1.1 100 C\r\n\r\nHTTP/1.1 100 C\r\n\r\nHTTP/1.1 100 C\r\n\r\nHTTP/1.1 "
		"100 C\r\n\r\n"
		"HTTP/1.1 100 C\r\n\r\n",
		false },
	{ "a malformed chunk at once", DOWN_HEAD "transfer-encoding: chunked\r\n\r\nzz\r\n",
		false },
	{ "a malformed chunk later",
		DOWN_HEAD "transfer-encoding: chunked\r\n\r\n3\r\nabc\r\n|zz\r\n", true },
	{ "a bare LF after a chunk size",
		DOWN_HEAD "transfer-encoding: chunked\r\n\r\n3\r\nabc\r\n|0\n\r\n", true },
	{ "an end before the declared length", DOWN_HEAD "content-length: 6\r\n\r\nabc|",
		true },
	{ "an end without the last chunk",
		DOWN_HEAD "transfer-encoding: chunked\r\n\r\n3\r\nabc\r\n|", true },
};

static void
invalid_response_becomes_503_or_is_cut(void **state)
{
	struct stage *s = *state;

	stage_start(s);
	for (size_t i = 0; i < sizeof(bad_answers) / sizeof(bad_answers[0]); i++) {
		const char *name = bad_answers[i].name;
		char answer[1024];
		snprintf(answer, sizeof(answer), "%s", bad_answers[i].answer);
		char *second = strchr(answer, '|');
		if (second)
			*second++ = '\0';
		struct peer edge = edge_connect(s);
		say(s, &edge, POST("content-length: 1\r\n") "x");
		struct peer up = egress_accept(s);
		until(s, heard(&up, "\r\n\r\nx"));
		say(s, &up, answer);
		if (second) {
			until(s, heard(&edge, "abc"));
			say(s, &up, second);
			if (!*second)
				shutdown(up.fd, SHUT_RDWR);
		}
		until(s, closed(&up));
		if (bad_answers[i].after_head) {
			until(s, closed(&edge));
			if (!heard(&edge, DOWN_HEAD) || heard(&edge, "0\r\n\r\n"))
				fail_msg("%s: \"%.*s\"", name, SPAN_ARG(buf_view(&edge.in)));
		} else {
			until(s, heard(&edge, "HTTP/1.1 503 "));
			until(s, heard(&edge, "retry-after: 1\r\n"));
			until(s, heard(&edge, "\"tg-1\"") || heard(&edge, "tg-1"));
			if (heard(&edge, DOWN_HEAD))
				fail_msg("%s: passed on", name);
			/* The request was read whole, so the edge may continue. */
			assert_false(closed(&edge));
		}
		assert_int_equal(exchange(s)->result.end, END_PROVIDER_ABORT);
		assert_non_null(exchange(s)->result.why);
		peer_close(&edge);
		peer_close(&up);
		settled(s);
	}
}

static void
broken_stream_ends_with_an_error_event(void **state)
{
	struct stage *s = *state;
	static const struct {
		const char *events, *error;
	} table[] = {
		{ "data: x\n\n", "\r\n\ndata: {\"error\"" },
		{ "data: x\n", "\r\n\ndata: {\"error\"" },
		{ "data: {\"x", "\r\n\n\ndata: {\"error\"" },
	};

	stage_start(s);
	for (int i = 0; i < 3; i++) {
		char chunk[64];
		struct peer edge = edge_connect(s);
		say(s, &edge, POST("content-length: 1\r\n") "x");
		struct peer up = egress_accept(s);
		until(s, heard(&up, "\r\n\r\nx"));
		say(s, &up,
			DOWN_HEAD "content-type: text/event-stream\r\n"
				  "transfer-encoding: chunked\r\n\r\n");
		snprintf(chunk, sizeof(chunk), "%zx\r\n%s\r\n", strlen(table[i].events),
			table[i].events);
		say(s, &up, chunk);
		until(s, heard(&edge, table[i].events));
		peer_close(&up);
		until(s, closed(&edge));
		/* The error is an event of its own, whatever was cut off before it. */
		if (!heard(&edge, table[i].error))
			fail_msg("%d: \"%.*s\"", i, SPAN_ARG(buf_view(&edge.in)));
		assert_true(heard(&edge, "provider_aborted"));
		assert_false(heard(&edge, "\r\n0\r\n\r\n"));
		assert_false(heard(&edge, "[DONE]"));
		settled(s);
		assert_int_equal(exchange(s)->result.end, END_PROVIDER_ABORT);
		assert_true(exchange(s)->result.output_begun);
		assert_false(exchange(s)->result.usage.known);
		peer_close(&edge);
	}
}

/* ---- cuts at every byte ---- */

static const char cut_request[] =
	POST("transfer-encoding: chunked\r\n") "5\r\nhello\r\n3\r\nabc\r\n0\r\n\r\n";

static void
edge_may_disconnect_at_every_byte(void **state)
{
	struct stage *s = *state;
	static const enum exchange_body modes[] = { BODY_COPY, BODY_SWAP, BODY_DEFER };

	stage_start(s);
	for (size_t m = 0; m < 3; m++)
		for (size_t cut = 0; cut < sizeof(cut_request) - 1; cut++) {
			s->gate.plan.body_mode = modes[m];
			s->gate.plan.body =
				m == 1 ? SPAN_LIT("swap") : (struct span){ NULL, 0 };
			struct peer edge = edge_connect(s);
			say_span(s, &edge, span_of(cut_request, cut));
			pass(s, 1);
			peer_close(&edge);
			settled(s);
			for (int fd;
				(fd = accept4(s->egress_fd, NULL, NULL, SOCK_NONBLOCK)) >= 0;) {
				struct peer up = peer_of(fd);
				until(s, closed(&up));
				/* A replaced body was whole before; the other bodies never
				 * end. */
				if (m != 1 && heard(&up, "0\r\n\r\n"))
					fail_msg("cut at %zu, yet the request ended", cut);
				peer_close(&up);
			}
		}
	assert_int_equal(s->gate.opened, s->gate.finishes);
	assert_true(s->gate.opened > 0);
	for (struct exchange *x = s->gate.exchanges; x; x = x->next)
		assert_true(
			x->result.end == END_CLIENT_ABORT || x->result.end == END_NEVER_SENT);
}

static void
provider_may_disconnect_at_every_byte(void **state)
{
	struct stage *s = *state;
	static const char *const answers[] = {
		DOWN_HEAD "content-length: 6\r\n\r\nabcdef",
		DOWN_HEAD "transfer-encoding: chunked\r\n\r\n3\r\nabc\r\n3\r\ndef\r\n0\r\n\r\n",
	};

	stage_start(s);
	for (size_t a = 0; a < 2; a++) {
		struct span all = span_str(answers[a]);
		for (size_t cut = 0; cut < all.n; cut++) {
			struct peer edge = edge_connect(s);
			say(s, &edge, POST("content-length: 1\r\n") "x");
			struct peer up = egress_accept(s);
			until(s, heard(&up, "\r\n\r\nx"));
			say_span(s, &up, span_cut(all, 0, cut));
			peer_close(&up);
			settled(s);
			struct exchange *x = exchange(s);
			if (x->result.end != END_PROVIDER_ABORT)
				fail_msg("cut at %zu: end %d", cut, (int)x->result.end);
			listen_in(&edge);
			bool began = heard(&edge, DOWN_HEAD);
			/* Nothing that the edge would take for the end. */
			const char *ending = a ? "\r\n0\r\n" : "abcdef";
			if (began ? !closed(&edge) || heard(&edge, ending)
				  : !heard(&edge, "HTTP/1.1 503 "))
				fail_msg("cut at %zu: \"%.*s\"", cut,
					SPAN_ARG(buf_view(&edge.in)));
			peer_close(&edge);
		}
	}
}

/* ---- aborts are forwarded at once ---- */

/* Does not read, because the bytes that the peer reads could resume a paused relay. */
static unsigned
turns_until_closed(struct stage *s, struct peer *p)
{
	struct pollfd pfd = { .fd = p->fd, .events = POLLRDHUP };
	unsigned turns = 0;

	until(s, (turns++, poll(&pfd, 1, 0) == 1));
	return turns - 1;
}

/* Turns of the loop without waiting, so no timer is involved. */
enum { FEW_TURNS = 4 };

static void
abort_is_forwarded_within_a_few_turns(void **state)
{
	struct stage *s = *state;
	static char block[1 << 16];

	stage_start(s);
	for (int when = 0; when < 5; when++) {
		struct peer edge = edge_connect(s);
		if (when == 4) /* the body is stuck: the provider reads nothing */
			say(s, &edge, POST("content-length: 100000000\r\n"));
		else
			say(s, &edge, POST("content-length: 10\r\n") "hello");
		struct peer up = egress_accept(s);
		if (when == 4) {
			for (int idle = 0; idle < 50; idle++) {
				if (send(edge.fd, block, sizeof(block), MSG_NOSIGNAL) > 0)
					idle = 0;
				relay_turn(s);
			}
			assert_true(request_paused(LIST_FIRST(&s->relay->edges)));
		}
		if (when >= 1 && when < 4)
			say(s, &edge, "world");
		if (when == 2 || when == 3) {
			until(s, heard(&up, "world"));
			say(s, &up, DOWN_HEAD "content-length: 100000000\r\n\r\n");
			until(s, heard(&edge, "\r\n\r\n"));
		}
		for (int idle = 0; when == 3 && idle < 50; idle++) {
			/* The response is stuck: the edge reads nothing. */
			if (send(up.fd, block, sizeof(block), MSG_NOSIGNAL) > 0)
				idle = 0;
			relay_turn(s);
		}
		pass(s, 2);
		peer_close(&edge);
		unsigned turns = turns_until_closed(s, &up);
		if (turns > FEW_TURNS)
			fail_msg("%d: %u turns", when, turns);
		settled(s);
		assert_int_equal(exchange(s)->result.end, END_CLIENT_ABORT);
		peer_close(&up);
	}
	/* The other direction. */
	struct peer edge = edge_connect(s);
	say(s, &edge, POST("content-length: 1\r\n") "x");
	struct peer up = egress_accept(s);
	until(s, heard(&up, "\r\n\r\nx"));
	say(s, &up, DOWN_HEAD "content-length: 10\r\n\r\nabc");
	until(s, heard(&edge, "abc"));
	peer_close(&up);
	assert_in_range(turns_until_closed(s, &edge), 0, FEW_TURNS);
	peer_close(&edge);
	settled(s);
}

static void
edge_may_disconnect_while_the_gate_decides(void **state)
{
	struct stage *s = *state;

	stage_start(s);
	for (int when = 0; when < 3; when++) {
		s->gate.claim_s = when == 0 ? HELD_S : 0;
		s->gate.verdict_s = when == 1 ? HELD_S : 0;
		s->gate.finish_s = when == 2 ? HELD_S : 0;
		s->gate.plan.body_mode = when == 1 ? BODY_DEFER : BODY_COPY;
		struct peer edge = edge_connect(s), up = { .fd = -1 };
		say(s, &edge, POST("content-length: 5\r\n") "hello");
		if (when == 2) {
			up = egress_accept(s);
			until(s, heard(&up, "hello"));
			say(s, &up, DOWN_HEAD "content-length: 1\r\n\r\na");
		}
		until(s, when == 0 ? s->gate.claims == 1 : when == 1 ? exchange(s)->verdict != NULL : s->gate.finishes == 3);
		peer_close(&edge);
		pass(s, 5);
		if (ev_is_active(&exchange(s)->later))
			gate_release(&s->gate);
		settled(s);
		assert_int_equal(s->gate.opened, when + 1);
		assert_true(exchange(s)->result.end == (when == 2	   ? END_COMPLETE
							       : when == 1 ? END_CLIENT_ABORT
									   : END_NEVER_SENT));
		if (when != 2)
			no_egress(s);
		peer_close(&up);
	}
	assert_null(LIST_FIRST(&s->relay->edges));
}

int
main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, relay_setup, relay_teardown)
	const struct CMUnitTest tests[] = {
		T(bad_request_is_not_forwarded),
		T(deferred_body_may_be_as_long_as_the_limit),
		T(unknown_ticket_gets_503),
		T(unrecorded_decision_gets_503),
		T(malformed_body_cuts_the_providers_connection),
		T(body_that_differs_from_the_decided_one_is_cut),
		T(invalid_response_becomes_503_or_is_cut),
		T(broken_stream_ends_with_an_error_event),
		T(edge_may_disconnect_at_every_byte),
		T(provider_may_disconnect_at_every_byte),
		T(abort_is_forwarded_within_a_few_turns),
		T(edge_may_disconnect_while_the_gate_decides),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
