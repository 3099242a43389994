/* An attempt after which another may follow. The relay writes nothing to the caller before the
 * first content. It reports a failure before that to the gate, and then sends the next plan or
 * forwards the response that it has. A response with a success status may be an error document:
 * a short response is kept until it is whole. */
#include "scenario/relay_attempts.h"

static void
chunk(struct stage *s, struct peer *up, const char *text)
{
	char line[64];

	snprintf(line, sizeof(line), "%zx\r\n", strlen(text));
	say(s, up, line);
	say(s, up, text);
	say(s, up, "\r\n");
}

static const struct {
	const char *name, *answer; /* NULL: the connection is cut */
	enum attempt_said said;
	int status;
	const char *document;
} failures_of[] = {
	{ "an error with a document", BUSY, ATTEMPT_ANSWERED, 503, "{\"error\":\"x\"}" },
	{ "an error in chunks",
		"HTTP/1.1 500 No\r\ntransfer-encoding: "
		"chunked\r\n\r\n5\r\n{\"a\":\r\n2\r\n1}\r\n0\r\n\r\n",
		ATTEMPT_ANSWERED, 500, "{\"a\":1}" },
	{ "an error without a document", "HTTP/1.1 429 Slow\r\ncontent-length: 0\r\n\r\n",
		ATTEMPT_ANSWERED, 429, "" },
	{ "HAProxy's own error, of an older edge",
		"HTTP/1.1 503 No\r\nx-tollgate-unanswered: 1\r\ncontent-length: 1\r\n\r\nx",
		ATTEMPT_CUT, 503, "" },
	{ "HAProxy's own error, never sent",
		"HTTP/1.1 503 No\r\nx-tollgate-unanswered: 1\r\n"
		"x-tollgate-why: 503 0 -1 -1 0 b s \r\ncontent-length: 1\r\n\r\nx",
		ATTEMPT_NEVER_SENT, 503, "" },
	{ "HAProxy's own error, perhaps sent",
		"HTTP/1.1 503 No\r\nx-tollgate-unanswered: 1\r\n"
		"x-tollgate-why: 504 0 0 -1 0 b s \r\ncontent-length: 1\r\n\r\nx",
		ATTEMPT_CUT, 503, "" },
	{ "a response that is not HTTP", "garbage\r\n\r\n", ATTEMPT_CUT, 0, "" },
	{ "nothing", NULL, ATTEMPT_CUT, 0, "" },
};

static void
failure_before_content_leads_to_the_next_plan(void **state)
{
	struct stage *s = *state;

	attempts_start(s, 2);
	for (size_t i = 0; i < COUNT_OF(failures_of); i++)
		for (int bytewise = 0; bytewise < 2; bytewise++) {
			struct peer edge = edge_connect(s);
			say(s, &edge, HELLO);
			struct peer up = attempts_accept(s);
			if (failures_of[i].answer && bytewise)
				say_slowly(s, &up, failures_of[i].answer, 1);
			else if (failures_of[i].answer)
				say(s, &up, failures_of[i].answer);
			else
				peer_close(&up);
			until(s, exchange(s)->agains == 1);
			const struct attempt_end *e = &exchange(s)->end;
			if (e->said != failures_of[i].said ||
				e->result.status != failures_of[i].status ||
				!span_is(buf_view(&exchange(s)->document),
					failures_of[i].document))
				fail_msg("%s: said %d, %d, %.*s", failures_of[i].name, e->said,
					e->result.status,
					SPAN_ARG(buf_view(&exchange(s)->document)));
			struct peer next = attempts_accept(s);
			listen_in(&edge);
			assert_int_equal(edge.in.n, 0);
			say(s, &next, OK_ANSWER);
			expect_bytes(s, &edge, OK_HEARD);
			assert_int_equal(exchange(s)->result.end, END_COMPLETE);
			assert_int_equal(exchange(s)->result.status, 200);
			assert_int_equal(exchange(s)->agains, 1);
			peer_close(&edge);
			peer_close(&up);
			peer_close(&next);
			settled(s);
		}
}

static void
requested_wait_is_reported(void **state)
{
	struct stage *s = *state;

	attempts_start(s, 1);
	struct peer edge = edge_connect(s);
	say(s, &edge, HELLO);
	struct peer up = attempts_accept(s);
	say(s, &up, BUSY);
	/* the last attempt's response is forwarded unchanged */
	expect_bytes(s, &edge,
		"HTTP/1.1 503 Service Unavailable\r\ncontent-type: application/json\r\nretry-after: 3\r\n" FIELDS
		"content-length: 13\r\n\r\n{\"error\":\"x\"}");
	assert_int_equal(exchange(s)->end.result.asked_us, 3000000);
	assert_int_equal(exchange(s)->result.end, END_COMPLETE);
	peer_close(&edge);
	peer_close(&up);
	settled(s);
	static const struct {
		const char *answer;
		uint64_t us;
	} rows[] = { { "retry-after-ms: 250\r\nretry-after: 1", 250000 },
		{ "x-ms-retry-after-ms: 1500", 1500000 }, { "retry-after: 86400", 86400000000 },
		{ "retry-after: soon", 0 } };
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		edge = edge_connect(s);
		say(s, &edge, HELLO);
		up = attempts_accept(s);
		say(s, &up, "HTTP/1.1 429 Slow\r\ncontent-length: 0\r\n");
		say(s, &up, rows[i].answer);
		say(s, &up, "\r\n\r\n");
		until(s, exchange(s)->agains == 1);
		assert_int_equal(exchange(s)->end.result.asked_us, rows[i].us);
		until(s, exchange(s)->finished);
		peer_close(&edge);
		peer_close(&up);
		settled(s);
	}
}

static void
error_caused_by_the_gateway_becomes_a_503(void **state)
{
	struct stage *s = *state;

	attempts_start(s, 1);
	s->gate.last = AGAIN_UNAVAILABLE;
	struct peer edge = edge_connect(s);
	say(s, &edge, HELLO);
	struct peer up = attempts_accept(s);
	say(s, &up, ERROR("401 No", "3\r\n\r\nkey"));
	until(s, heard(&edge, "HTTP/1.1 503 "));
	until(s, heard(&edge, "provider_unavailable"));
	assert_false(heard(&edge, "\r\n\r\nkey"));
	assert_int_equal(exchange(s)->result.status, 401);
	peer_close(&edge);
	peer_close(&up);
	settled(s);
}

/* Without another attempt, the gate gets the beginning of the document, and the caller all. */
static void
error_document_is_reported_without_another_attempt(void **state)
{
	static char body[70001];
	static const size_t lengths[] = { 3, 8192, 20000, 70000 };
	struct stage *s = *state;

	attempts_start(s, 1);
	s->gate.plan.asks = s->gate.plan.timed = false;
	for (size_t i = 0; i < COUNT_OF(lengths); i++) {
		char head[100];
		struct peer edge = edge_connect(s);
		memset(body, 'k', lengths[i]);
		body[lengths[i]] = '\0';
		snprintf(head, sizeof(head), "HTTP/1.1 401 No\r\ncontent-length: %zu\r\n\r\n",
			lengths[i]);
		say(s, &edge, HELLO);
		struct peer up = attempts_accept(s);
		say(s, &up, head);
		say_slowly(s, &up, body, lengths[i] / 3);
		until(s, exchange(s)->finished);
		until(s, heard(&edge, body));
		assert_int_equal(
			exchange(s)->document.n, lengths[i] < 65536 ? lengths[i] : 65536);
		peer_close(&edge);
		peer_close(&up);
		settled(s);
	}
}

/* ---- streams ---- */

static const struct {
	const char *name, *events[4];
	bool ends, cut; /* the stream ends as HTTP requires, or is cut */
	enum attempt_said said;
} before_content[] = {
	{ "an error event", { ROLE, FAILED }, false, false, ATTEMPT_ANSWERED },
	{ "an error as the first event", { FAILED }, true, false, ATTEMPT_ANSWERED },
	{ "the end of the stream", { ROLE, DONE }, true, false, ATTEMPT_CUT },
	{ "a cut stream", { ROLE }, false, true, ATTEMPT_CUT },
	{ "a stream cut within an event", { ROLE, "data: {\"choi" }, false, true, ATTEMPT_CUT },
};

static void
stream_that_fails_before_content_is_a_failed_attempt(void **state)
{
	struct stage *s = *state;

	attempts_start(s, 2);
	for (int reads = 0; reads < 2; reads++)
		for (size_t i = 0; i < COUNT_OF(before_content); i++) {
			s->gate.plan.reads_answer = reads;
			struct peer edge = edge_connect(s);
			say(s, &edge, HELLO);
			struct peer up = attempts_accept(s);
			say(s, &up, STREAM);
			for (size_t k = 0; k < 4 && before_content[i].events[k]; k++)
				chunk(s, &up, before_content[i].events[k]);
			if (before_content[i].ends)
				say(s, &up, "0\r\n\r\n");
			if (before_content[i].cut)
				peer_close(&up);
			until(s, exchange(s)->agains == 1);
			if (exchange(s)->end.said != before_content[i].said)
				fail_msg("%s, %d: %d", before_content[i].name, reads,
					exchange(s)->end.said);
			struct peer next = attempts_accept(s);
			listen_in(&edge);
			assert_int_equal(edge.in.n, 0);
			say(s, &next, STREAM);
			chunk(s, &next, TEXT);
			until(s, heard(&edge, "hi"));
			chunk(s, &next, DONE);
			say(s, &next, "0\r\n\r\n");
			until(s, heard(&edge, "0\r\n\r\n"));
			assert_false(heard(&edge, "assistant"));
			assert_int_equal(exchange(s)->result.end, END_COMPLETE);
			peer_close(&edge);
			peer_close(&up);
			peer_close(&next);
			settled(s);
		}
}

static void
events_before_the_content_are_forwarded_with_it(void **state)
{
	struct stage *s = *state;

	attempts_start(s, 2);
	for (int reads = 0; reads < 2; reads++) {
		s->gate.plan.reads_answer = reads;
		struct peer edge = edge_connect(s);
		say(s, &edge, HELLO);
		struct peer up = attempts_accept(s);
		say(s, &up, STREAM);
		chunk(s, &up, ": ping\n\n");
		chunk(s, &up, ROLE);
		pass(s, 20);
		listen_in(&edge);
		assert_int_equal(edge.in.n, 0);
		assert_int_equal(exchange(s)->stood, 0);
		chunk(s, &up, TEXT);
		until(s, heard(&edge, "hi"));
		assert_true(heard(&edge, "assistant") && heard(&edge, ": ping"));
		assert_int_equal(exchange(s)->stood, 1);
		/* after the content, no other attempt follows */
		chunk(s, &up, FAILED);
		until(s, heard(&edge, "overloaded_error"));
		peer_close(&up);
		until(s, closed(&edge));
		assert_int_equal(exchange(s)->agains, 0);
		peer_close(&edge);
		settled(s);
		no_egress(s);
	}
}

/* In the Responses API, the first events repeat all tools of the request. */
static void
events_before_the_content_may_be_long(void **state)
{
	enum { PART = 100 << 10, PARTS = 6 };
	char *part = malloc(PART + 64);
	struct stage *s = *state;

	assert_non_null(part);
	memset(part, 'x', PART);
	memcpy(part, ": ", 2);
	memcpy(part + PART - 2, "\n\n", 3);
	attempts_start(s, 2);
	for (int reads = 0; reads < 2; reads++)
		for (int room = reads; room < 2; room++) {
			s->gate.plan.reads_answer = reads;
			struct peer edge = edge_connect(s);
			say(s, &edge, HELLO);
			struct peer up = attempts_accept(s);
			s->gate.hold_cap = room ? SIZE_MAX : exchange(s)->held + 2 * PART;
			say(s, &up, STREAM);
			for (int i = 0; i < PARTS; i++)
				chunk(s, &up, part);
			chunk(s, &up, FAILED);
			if (!room) { /* the events do not fit, so the stream is forwarded */
				until(s, heard(&edge, "overloaded_error"));
				assert_int_equal(exchange(s)->agains, 0);
				peer_close(&up);
			} else {
				until(s, exchange(s)->agains == 1);
				struct peer next = attempts_accept(s);
				listen_in(&edge);
				assert_int_equal(edge.in.n, 0);
				say(s, &next, STREAM);
				chunk(s, &next, TEXT);
				until(s, heard(&edge, "hi"));
				assert_false(heard(&edge, "xx"));
				peer_close(&next);
				peer_close(&up);
			}
			peer_close(&edge);
			settled(s);
			s->gate.hold_cap = SIZE_MAX;
		}
	free(part);
}

/* Like a whole response without text, for example if a model used all its tokens for
 * reasoning. */
static void
stream_with_a_reason_for_no_content_is_the_response(void **state)
{
	struct stage *s = *state;

	attempts_start(s, 2);
	for (int reads = 0; reads < 2; reads++) {
		s->gate.plan.reads_answer = reads;
		struct peer edge = edge_connect(s);
		say(s, &edge, HELLO);
		struct peer up = attempts_accept(s);
		say(s, &up, STREAM);
		chunk(s, &up, ROLE);
		chunk(s, &up, EMPTY);
		chunk(s, &up, DONE);
		say(s, &up, "0\r\n\r\n");
		until(s, heard(&edge, "[DONE]\n\n\r\n0\r\n\r\n"));
		assert_int_equal(exchange(s)->agains, 0);
		assert_int_equal(exchange(s)->result.end, END_COMPLETE);
		peer_close(&edge);
		peer_close(&up);
		settled(s);
		no_egress(s);
	}
}

#define STREAM_GZIP                                                                            \
	"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ncontent-encoding: gzip\r\n"       \
	"transfer-encoding: chunked\r\n\r\n"
#define GZIP_HEAD "\x1f\x8b\x08"

/* If nothing reads a compressed stream, it passes as it is. In a metered stream, a head that wrongly
 * names a compression is corrected. */
static void
compressed_stream_is_the_response(void **state)
{
	static const struct {
		const char *body;
		bool reads;
	} rows[] = { { GZIP_HEAD, false }, { TEXT DONE, false }, { TEXT DONE, true } };
	struct stage *s = *state;

	attempts_start(s, 2);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		s->gate.plan.reads_answer = rows[i].reads;
		struct peer edge = edge_connect(s);
		say(s, &edge, HELLO);
		struct peer up = attempts_accept(s);
		say(s, &up, STREAM_GZIP);
		/* one byte does not tell yet what the stream is */
		char first[2] = { rows[i].body[0] };
		if (rows[i].reads)
			chunk(s, &up, first);
		pass(s, 2);
		chunk(s, &up, rows[i].body + rows[i].reads);
		until(s, heard(&edge, rows[i].body));
		say(s, &up, "0\r\n\r\n");
		until(s, heard(&edge, "\r\n0\r\n\r\n"));
		assert_int_equal(heard(&edge, "content-encoding"), !rows[i].reads);
		assert_int_equal(exchange(s)->agains, 0);
		peer_close(&edge);
		peer_close(&up);
		settled(s);
		no_egress(s);
	}
}

/* A metered stream of which only the head of the compression arrived was cut before any content. */
static void
cut_compressed_stream_is_a_failed_attempt(void **state)
{
	struct stage *s = *state;

	attempts_start(s, 2);
	s->gate.plan.reads_answer = true;
	struct peer edge = edge_connect(s);
	say(s, &edge, HELLO);
	struct peer up = attempts_accept(s);
	say(s, &up, STREAM_GZIP);
	chunk(s, &up, GZIP_HEAD);
	say(s, &up, "0\r\n\r\n");
	until(s, exchange(s)->agains == 1);
	struct peer next = attempts_accept(s);
	listen_in(&edge);
	assert_int_equal(edge.in.n, 0);
	say(s, &next, STREAM);
	chunk(s, &next, TEXT);
	until(s, heard(&edge, "hi"));
	assert_false(heard(&edge, GZIP_HEAD));
	peer_close(&next);
	peer_close(&up);
	peer_close(&edge);
	settled(s);
}

/* In a file of lines, each line is content. */
static void
unknown_lines_are_the_response(void **state)
{
	static const char *const lines[] = { "{\"n\":1}\n", "no JSON\n" };
	struct stage *s = *state;

	attempts_start(s, 2);
	for (int i = 0; i < 4; i++) {
		s->gate.plan.reads_answer = i & 1;
		struct peer edge = edge_connect(s);
		say(s, &edge, HELLO);
		struct peer up = attempts_accept(s);
		say(s, &up,
			"HTTP/1.1 200 OK\r\ncontent-type: application/jsonl\r\n"
			"transfer-encoding: chunked\r\n\r\n");
		chunk(s, &up, lines[i / 2]);
		until(s, heard(&edge, lines[i / 2]));
		say(s, &up, "0\r\n\r\n");
		until(s, heard(&edge, "\r\n0\r\n\r\n"));
		assert_int_equal(exchange(s)->agains, 0);
		peer_close(&edge);
		peer_close(&up);
		settled(s);
		no_egress(s);
	}
}

static void
response_of_the_last_attempt_is_not_held(void **state)
{
	struct stage *s = *state;

	attempts_start(s, 1);
	struct peer edge = edge_connect(s);
	say(s, &edge, HELLO);
	struct peer up = attempts_accept(s);
	say(s, &up, STREAM);
	chunk(s, &up, ROLE);
	until(s, heard(&edge, "assistant"));
	assert_int_equal(exchange(s)->stood, 1);
	peer_close(&edge);
	peer_close(&up);
	settled(s);
}

/* ---- aborts and timeouts ---- */

static void
abort_between_attempts_ends_the_exchange_once(void **state)
{
	struct stage *s = *state;

	attempts_start(s, 2);
	s->gate.again_s = HELD_S;
	struct peer edge = edge_connect(s);
	say(s, &edge, HELLO);
	struct peer up = attempts_accept(s);
	say(s, &up, BUSY);
	until(s, exchange(s)->agains == 1);
	peer_close(&edge);
	until(s, exchange(s)->finished);
	assert_int_equal(exchange(s)->result.end, END_CLIENT_ABORT);
	no_egress(s);
	peer_close(&up);
	settled(s);
}

static void
silent_target_is_left_in_time(void **state)
{
	static const char *const before[] = { "", STREAM, "HTTP/1.1 500 No\r\ncontent-length: 9\r\n\r\nx",
		"HTTP/1.1 103 Early Hints\r\n\r\n",
		"HTTP/1.1 200 OK\r\ncontent-type: application/x-ndjson\r\ntransfer-encoding: chunked\r\n\r\n" };
	struct stage *s = *state;

	attempts_start(s, 2);
	s->gate.plan.waits.head_us = 30000;
	s->gate.plan.waits.first_content_us = 60000;
	for (size_t i = 0; i < COUNT_OF(before); i++) {
		struct peer edge = edge_connect(s);
		say(s, &edge, HELLO);
		struct peer up = attempts_accept(s);
		say(s, &up, before[i]);
		until(s, exchange(s)->agains == 1);
		assert_int_equal(
			exchange(s)->end.said, i == 2 ? ATTEMPT_ANSWERED : ATTEMPT_CUT);
		struct peer next = attempts_accept(s);
		say(s, &next, OK_ANSWER);
		expect_bytes(s, &edge, OK_HEARD);
		peer_close(&edge);
		peer_close(&up);
		peer_close(&next);
		settled(s);
	}
}

static void
silent_last_target_is_left_in_time(void **state)
{
	struct stage *s = *state;

	attempts_start(s, 1);
	for (int i = 0; i < 4; i++) {
		bool reads = i & 1, overall = i & 2;
		s->gate.plan.reads_answer = reads;
		s->gate.plan.waits.first_content_us = overall ? 0 : 60000;
		s->gate.plan.overall_us = overall ? clock_mono_us() + 60000 : 0;
		struct peer edge = edge_connect(s);
		say(s, &edge, HELLO);
		struct peer up = attempts_accept(s);
		say(s, &up, STREAM);
		if (reads)
			chunk(s, &up, ROLE);
		until(s, closed(&up));
		until(s, heard(&edge, "provider_timeout"));
		until(s, exchange(s)->finished);
		assert_int_equal(exchange(s)->result.end, END_PROVIDER_ABORT);
		peer_close(&edge);
		peer_close(&up);
		settled(s);
	}
	s->gate.plan.overall_us = 0;
}

/* The response arrives while much of the request is not sent yet. */
/* The memory of the body has been reused by later steps, so no more of it may be sent. */
static void
rest_of_a_freed_body_is_not_sent(void **state)
{
	enum { LONG = 8 << 20, DOCUMENT = 200000, READ = 70000 };
	struct stage *s = *state;
	char *body = malloc(LONG), *document = malloc(DOCUMENT + 1);

	assert_non_null(body);
	assert_non_null(document);
	memset(body, 'b', LONG);
	memset(document, 'd', DOCUMENT);
	attempts_start(s, 1);
	s->gate.plan.body = span_of(body, LONG);
	s->gate.again_s = 0.1;
	struct peer edge = edge_connect(s);
	say(s, &edge, HELLO);
	struct peer up = egress_accept(s);
	say(s, &up, ERROR("503 Busy", "200000\r\n\r\n"));
	document[READ] = '\0';
	say(s, &up, document);
	until(s, exchange(s)->agains == 1);
	exchange(s)->plan.body = (struct span){ NULL, 0 };
	memset(body, '#', LONG); /* the memory belongs to another request */
	until(s, heard(&edge, "dddd"));
	for (int i = 0; i < 2000; i++) {
		listen_in(&up);
		relay_turn(s);
	}
	document[READ] = 'd';
	document[DOCUMENT - READ] = '\0';
	say(s, &up, document);
	while (!heard_n(&edge, DOCUMENT))
		relay_turn(s);
	until(s, closed(&up)); /* the connection is never pooled */
	assert_true(up.in.n < LONG);
	assert_null(memchr(buf_view(&up.in).p, '#', up.in.n));
	peer_close(&edge);
	peer_close(&up);
	settled(s);
	free(body);
	free(document);
}

static void
error_before_the_request_was_sent_whole_is_an_error(void **state)
{
	enum { LONG = 8 << 20 };
	struct stage *s = *state;
	char *body = malloc(LONG);

	assert_non_null(body);
	memset(body, 'b', LONG);
	attempts_start(s, 2);
	s->gate.plan.body = span_of(body, LONG);
	struct peer edge = edge_connect(s);
	say(s, &edge, HELLO);
	struct peer up = egress_accept(s);
	say(s, &up, BUSY);
	until(s, exchange(s)->agains == 1);
	until(s, closed(&up)); /* the connection is never pooled */
	struct peer next = egress_accept(s);
	while (!heard_n(&next, LONG))
		relay_turn(s);
	say(s, &next, OK_ANSWER);
	expect_bytes(s, &edge, OK_HEARD);
	peer_close(&edge);
	peer_close(&up);
	peer_close(&next);
	settled(s);
	free(body);
}

/* The memory for another attempt is freed once the request was sent whole. */
static void
response_before_the_request_was_sent_whole_keeps_the_body(void **state)
{
	enum { LONG = 8 << 20 };
	struct stage *s = *state;
	char *body = malloc(LONG);

	assert_non_null(body);
	memset(body, 'b', LONG);
	attempts_start(s, 2);
	s->gate.plan.body = span_of(body, LONG);
	struct peer edge = edge_connect(s);
	say(s, &edge, HELLO);
	struct peer up = egress_accept(s);
	say(s, &up, STREAM);
	chunk(s, &up, TEXT);
	until(s, heard(&edge, "hi"));
	assert_int_equal(exchange(s)->stood, 0);
	until(s, heard_n(&up, LONG) && exchange(s)->stood);
	assert_int_equal(exchange(s)->stood, 1);
	assert_false(exchange(s)->timed);
	chunk(s, &up, DONE);
	say(s, &up, "0\r\n\r\n");
	until(s, exchange(s)->finished);
	assert_int_equal(exchange(s)->result.end, END_COMPLETE);
	assert_int_equal(exchange(s)->agains, 0);
	peer_close(&edge);
	peer_close(&up);
	settled(s);
	free(body);
}

/* Also for a plan that allows no other attempt, because the breaker uses the wait. */
static void
requested_wait_is_in_the_result(void **state)
{
	struct stage *s = *state;

	stage_start(s);
	struct peer edge = edge_connect(s);
	say(s, &edge, HELLO);
	struct peer up = egress_accept(s);
	until(s, heard(&up, "hello"));
	say(s, &up, BUSY);
	until(s, heard(&edge, "503 "));
	until(s, exchange(s)->finished);
	assert_int_equal(exchange(s)->result.asked_us, 3000000);
	peer_close(&edge);
	peer_close(&up);
	settled(s);
}

/* The time of all attempts counts from the claim; a stream's silence counts from its last
 * bytes. */
static void
attempts_share_a_deadline_and_a_silent_stream_ends(void **state)
{
	static const struct {
		const char *name, *answer, *event;
		bool idle;
	} rows[] = { { "overall: silence", "", "", false },
		{ "overall: a stream without content", STREAM, ROLE, false },
		{ "idle: a stream without content", STREAM, ROLE, true },
		{ "idle: a stream after its content", STREAM, TEXT, true } };
	struct stage *s = *state;

	attempts_start(s, 2);
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		bool content = !strcmp(rows[i].event, TEXT);
		s->gate.plan.waits.idle_us = rows[i].idle ? 60000 : 0;
		s->gate.plan.overall_us = rows[i].idle ? 0 : clock_mono_us() + 60000;
		struct peer edge = edge_connect(s);
		say(s, &edge, HELLO);
		struct peer up = attempts_accept(s);
		say(s, &up, rows[i].answer);
		if (rows[i].event[0])
			chunk(s, &up, rows[i].event);
		if (content) {
			until(s, exchange(s)->finished);
			assert_int_equal(exchange(s)->agains, 0);
			assert_int_equal(exchange(s)->result.end, END_PROVIDER_ABORT);
			assert_true(heard(&edge, "hi"));
		} else {
			until(s, exchange(s)->agains == 1);
			if (exchange(s)->end.said != ATTEMPT_CUT)
				fail_msg("%s: %d", rows[i].name, exchange(s)->end.said);
		}
		peer_close(&edge);
		peer_close(&up);
		until(s, exchange(s)->finished);
		/* an attempt that began meanwhile ends with its caller */
		int next = accept4(s->egress_fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
		if (next >= 0)
			close(next);
		settled(s);
	}
}

/* A HEAD request has no body to wait for, and an HTTP/1.0 request gets no chunks. */
static void
other_methods_and_versions_get_a_second_attempt(void **state)
{
	static const struct {
		const char *name, *request, *fails, *answers, *heard;
	} rows[] = {
		{ "HEAD", "HEAD /ignored HTTP/1.1\r\nhost: h\r\n" TICKET "\r\n",
			"HTTP/1.1 503 Busy\r\ncontent-length: 13\r\n\r\n",
			"HTTP/1.1 200 OK\r\ncontent-length: 99\r\n\r\n",
			DOWN_HEAD FIELDS "content-length: 99\r\n\r\n" },
		{ "HEAD, a length in chunks",
			"HEAD /ignored HTTP/1.1\r\nhost: h\r\n" TICKET "\r\n",
			"HTTP/1.1 429 Slow\r\ntransfer-encoding: chunked\r\n\r\n",
			"HTTP/1.1 200 OK\r\ncontent-length: 99\r\n\r\n",
			DOWN_HEAD FIELDS "content-length: 99\r\n\r\n" },
		{ "HTTP/1.0",
			"POST /ignored HTTP/1.0\r\n" TICKET "content-length: 5\r\n\r\nhello",
			BUSY,
			"HTTP/1.1 200 OK\r\ntransfer-encoding: "
			"chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
			"HTTP/1.1 200 OK\r\n" FIELDS "connection: close\r\n\r\nok" },
		{ "a provider with HTTP/1.0", HELLO, "HTTP/1.0 503 Busy\r\n\r\n{}",
			"HTTP/1.0 200 OK\r\n\r\nok",
			DOWN_HEAD FIELDS "transfer-encoding: chunked\r\n\r\n" },
	};
	struct stage *s = *state;

	attempts_start(s, 2);
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		bool head = !strncmp(rows[i].request, "HEAD", 4);
		s->gate.plan.head.method = head ? SPAN_LIT("HEAD") : SPAN_LIT("POST");
		s->gate.plan.body_mode = head ? BODY_NONE : BODY_SWAP;
		struct peer edge = edge_connect(s);
		say(s, &edge, rows[i].request);
		struct peer up = egress_accept(s);
		until(s, heard(&up, head ? "\r\n\r\n" : "HELLO"));
		say(s, &up, rows[i].fails);
		if (!strncmp(rows[i].fails, "HTTP/1.0", 8))
			peer_close(&up);
		until(s, exchange(s)->agains == 1);
		assert_int_equal(exchange(s)->end.said, ATTEMPT_ANSWERED);
		struct peer next = egress_accept(s);
		until(s, heard(&next, head ? "\r\n\r\n" : "HELLO"));
		say(s, &next, rows[i].answers);
		if (!strncmp(rows[i].answers, "HTTP/1.0", 8))
			peer_close(&next);
		listen_in(&edge); for(int q=0;q<40;q++){relay_turn(s);} listen_in(&edge); fprintf(stderr,"ROW %zu: %.*s\n",i,(int)edge.in.n,edge.in.p+edge.in.start);until(s, heard(&edge, rows[i].heard));
		until(s, exchange(s)->finished);
		if (exchange(s)->result.end != END_COMPLETE ||
			exchange(s)->result.status != 200 || exchange(s)->agains != 1)
			fail_msg("%s", rows[i].name);
		peer_close(&edge);
		peer_close(&up);
		peer_close(&next);
		settled(s);
	}
}

/* The daemon is asked to stop while the gate prepares the next attempt or waits before it. The
 * request is answered first. */
static void
draining_waits_for_the_next_attempt(void **state)
{
	struct stage *s = *state;

	attempts_start(s, 2);
	s->gate.again_s = HELD_S;
	struct peer edge = edge_connect(s);
	say(s, &edge, HELLO);
	struct peer up = attempts_accept(s);
	say(s, &up, BUSY);
	until(s, exchange(s)->agains == 1);
	relay_drain(s->relay);
	pass(s, 20);
	assert_int_equal(relay_active(s->relay), 1);
	gate_release(&s->gate);
	struct peer next = attempts_accept(s);
	say(s, &next, OK_ANSWER);
	expect_bytes(
		s, &edge, DOWN_HEAD FIELDS "content-length: 2\r\nconnection: close\r\n\r\nok");
	until(s, closed(&edge));
	assert_int_equal(relay_active(s->relay), 0);
	assert_true(exchange(s)->finished);
	peer_close(&edge);
	peer_close(&up);
	peer_close(&next);
}

/* HAProxy gives the reason of a failure only on a connection of its own; other requests use the
 * connection afterwards. */
static void
each_attempt_has_its_own_connection(void **state)
{
	struct stage *s = *state;

	attempts_start(s, 2);
	s->relay->options.pool = 4;
	struct peer edge = edge_connect(s);
	say(s, &edge, HELLO);
	struct peer up = attempts_accept(s);
	say(s, &up, BUSY);
	struct peer next = attempts_accept(s);
	assert_int_equal(s->relay->npool, 1);
	say(s, &next, OK_ANSWER);
	expect_bytes(s, &edge, OK_HEARD);
	peer_close(&edge);
	peer_close(&up);
	peer_close(&next);
	settled(s);
}

#define T(name) cmocka_unit_test_setup_teardown(name, relay_setup, relay_teardown)

/* ---- responses with a success status ---- */

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
	static const struct CMUnitTest tests[] = {
		T(failure_before_content_leads_to_the_next_plan),
		T(requested_wait_is_reported),
		T(error_caused_by_the_gateway_becomes_a_503),
		T(error_document_is_reported_without_another_attempt),
		T(stream_that_fails_before_content_is_a_failed_attempt),
		T(events_before_the_content_are_forwarded_with_it),
		T(events_before_the_content_may_be_long),
		T(stream_with_a_reason_for_no_content_is_the_response),
		T(compressed_stream_is_the_response),
		T(cut_compressed_stream_is_a_failed_attempt),
		T(unknown_lines_are_the_response),
		T(response_of_the_last_attempt_is_not_held),
		T(abort_between_attempts_ends_the_exchange_once),
		T(silent_target_is_left_in_time),
		T(silent_last_target_is_left_in_time),
		T(error_before_the_request_was_sent_whole_is_an_error),
		T(attempts_share_a_deadline_and_a_silent_stream_ends),
		T(other_methods_and_versions_get_a_second_attempt),
		T(draining_waits_for_the_next_attempt),
		T(response_before_the_request_was_sent_whole_keeps_the_body),
		T(requested_wait_is_in_the_result),
		T(rest_of_a_freed_body_is_not_sent),
		T(each_attempt_has_its_own_connection),
		T(error_with_a_success_status_is_a_failed_attempt),
		T(successful_response_is_forwarded_unchanged),
		T(response_of_a_haproxy_rule_goes_to_the_caller),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
