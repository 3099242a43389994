/* The relay between an edge and a provider that behave correctly: heads, bodies, framing, reuse
 * of connections, and the last byte that waits for the record. */
#include "answer/vault.h"
#include "scenario/relay_stage.h"

#define UP_HEAD	  "POST /v1/x HTTP/1.1\r\nhost: h\r\n"

/* ---- one exchange, with the bytes cut in every way ---- */

struct copy_case {
	const char *name;
	const char *request;
	const char *upstream; /* received by the provider */
	const char *answer;   /* sent by the provider */
	const char *response; /* received by the edge */
	const char *method;   /* NULL: POST */
	bool closes;	      /* the provider closes the connection after its response */
	bool drops;	      /* the provider's connection is not reused */
	enum exchange_body mode;
};

/* clang-format off */
static const struct copy_case copies[] = {
	{ "a body with a length passes unchanged",
		POST("content-length: 5\r\n") "hello",
		UP_HEAD "content-length: 5\r\n\r\nhello",
		DOWN_HEAD "content-type: text/plain\r\ncontent-length: 3\r\n\r\nabc",
		DOWN_HEAD "content-type: text/plain\r\n" FIELDS "content-length: 3\r\n\r\nabc", NULL, false, false, BODY_COPY },
	{ "chunks are joined and chunked again",
		POST("transfer-encoding: chunked\r\n") "5\r\nhello\r\n0\r\nx-trailer: dropped\r\n\r\n",
		UP_HEAD "transfer-encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
		DOWN_HEAD "transfer-encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nx-tollgate-id: forged\r\n\r\n",
		DOWN_HEAD FIELDS "transfer-encoding: chunked\r\n\r\n00000003\r\nabc\r\n0\r\n\r\n", NULL, false, false, BODY_COPY },
	{ "a response until the close becomes chunks",
		POST("content-length: 1\r\n") "x",
		UP_HEAD "content-length: 1\r\n\r\nx",
		"HTTP/1.0 200 OK\r\n\r\nabc",
		DOWN_HEAD FIELDS "transfer-encoding: chunked\r\n\r\n00000003\r\nabc\r\n0\r\n\r\n", NULL, true, true, BODY_COPY },
	{ "a request without a body stays without one",
		POST(""),
		UP_HEAD "\r\n",
		DOWN_HEAD "content-length: 0\r\n\r\n",
		DOWN_HEAD FIELDS "content-length: 0\r\n\r\n", NULL, false, false, BODY_NONE },
	{ "BODY_COPY without a body sends none",
		POST(""),
		UP_HEAD "\r\n",
		DOWN_HEAD "content-length: 0\r\n\r\n",
		DOWN_HEAD FIELDS "content-length: 0\r\n\r\n", NULL, false, false, BODY_COPY },
	{ "an empty chunked body stays empty",
		POST("transfer-encoding: chunked\r\n") "0\r\n\r\n",
		UP_HEAD "transfer-encoding: chunked\r\n\r\n0\r\n\r\n",
		DOWN_HEAD "transfer-encoding: chunked\r\n\r\n0\r\n\r\n",
		DOWN_HEAD FIELDS "transfer-encoding: chunked\r\n\r\n0\r\n\r\n", NULL, false, false, BODY_COPY },
	{ "an empty deferred body is decided",
		POST("transfer-encoding: chunked\r\n") "0\r\n\r\n",
		UP_HEAD "content-length: 0\r\n\r\n",
		DOWN_HEAD "content-length: 0\r\n\r\n",
		DOWN_HEAD FIELDS "content-length: 0\r\n\r\n", NULL, false, false, BODY_DEFER },
	{ "an empty body stays empty",
		POST("content-length: 0\r\n"),
		UP_HEAD "content-length: 0\r\n\r\n",
		DOWN_HEAD "content-length: 0\r\n\r\n",
		DOWN_HEAD FIELDS "content-length: 0\r\n\r\n", NULL, false, false, BODY_NONE },
	{ "a replaced body is sent, and the original discarded",
		POST("content-length: 9\r\n") "my secret",
		UP_HEAD "content-length: 11\r\n\r\nmy [SECRET]",
		DOWN_HEAD "content-length: 1\r\n\r\na",
		DOWN_HEAD FIELDS "content-length: 1\r\n\r\na", NULL, false, false, BODY_SWAP },
	{ "a deferred body is decided whole and sent with its length",
		POST("transfer-encoding: chunked\r\n") "5\r\nhello\r\n6\r\n world\r\n0\r\na: b\r\n\r\n",
		UP_HEAD "content-length: 11\r\n\r\nhello world",
		DOWN_HEAD "content-length: 1\r\n\r\na",
		DOWN_HEAD FIELDS "content-length: 1\r\n\r\na", NULL, false, false, BODY_DEFER },
	{ "a deferred body of known length is decided whole",
		POST("content-length: 11\r\n") "hello world",
		UP_HEAD "content-length: 11\r\n\r\nhello world",
		DOWN_HEAD "content-length: 1\r\n\r\na",
		DOWN_HEAD FIELDS "content-length: 1\r\n\r\na", NULL, false, false, BODY_DEFER },
	{ "the answer to HEAD has a length and no body",
		"HEAD / HTTP/1.1\r\n" TICKET "\r\n",
		"HEAD /v1/x HTTP/1.1\r\nhost: h\r\n\r\n",
		DOWN_HEAD "content-length: 1000\r\n\r\n",
		DOWN_HEAD FIELDS "content-length: 1000\r\n\r\n", "HEAD", false, false, BODY_NONE },
	{ "204 has neither length nor body",
		POST("content-length: 1\r\n") "x",
		UP_HEAD "content-length: 1\r\n\r\nx",
		"HTTP/1.1 204 No Content\r\n\r\n",
		"HTTP/1.1 204 No Content\r\n" FIELDS "\r\n", NULL, false, false, BODY_COPY },
	{ "204 with a length ends the connection",
		POST("content-length: 1\r\n") "x",
		UP_HEAD "content-length: 1\r\n\r\nx",
		"HTTP/1.1 204 No Content\r\ncontent-length: 5\r\n\r\n",
		"HTTP/1.1 204 No Content\r\n" FIELDS "\r\n", NULL, false, true, BODY_COPY },
	{ "304 may have a length",
		POST("content-length: 1\r\n") "x",
		UP_HEAD "content-length: 1\r\n\r\nx",
		"HTTP/1.1 304 Not Modified\r\netag: \"a\"\r\ncontent-length: 5\r\n\r\n",
		"HTTP/1.1 304 Not Modified\r\netag: \"a\"\r\n" FIELDS "content-length: 5\r\n\r\n", NULL, false, false, BODY_COPY },
	{ "interim responses are not forwarded",
		POST("content-length: 1\r\n") "x",
		UP_HEAD "content-length: 1\r\n\r\nx",
		"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\n" DOWN_HEAD "content-length: 1\r\n\r\na",
		DOWN_HEAD FIELDS "content-length: 1\r\n\r\na", NULL, false, false, BODY_COPY },
	{ "connection fields and forged fields are not forwarded",
		POST("content-length: 1\r\nx-tollgate-id: forged\r\nauthorization: not read\r\n") "x",
		UP_HEAD "content-length: 1\r\n\r\nx",
		DOWN_HEAD "X-Tollgate-Id: forged\r\nx-tollgate-anything: forged\r\nConnection: x-hop\r\nX-Hop: 1\r\n"
			"Keep-Alive: timeout=5\r\nTrailer: x\r\nUpgrade: h2c\r\nServer: s\r\ncontent-length: 1\r\n\r\na",
		DOWN_HEAD "Server: s\r\n" FIELDS "content-length: 1\r\n\r\na", NULL, false, false, BODY_COPY },
	{ "a connection that the provider closes is not reused",
		POST("content-length: 1\r\n") "x",
		UP_HEAD "content-length: 1\r\n\r\nx",
		DOWN_HEAD "connection: close\r\ncontent-length: 1\r\n\r\na",
		DOWN_HEAD FIELDS "content-length: 1\r\n\r\na", NULL, false, true, BODY_COPY },
	{ "bytes after the response end the connection",
		POST("content-length: 1\r\n") "x",
		UP_HEAD "content-length: 1\r\n\r\nx",
		DOWN_HEAD "content-length: 1\r\n\r\naHTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\npoison",
		DOWN_HEAD FIELDS "content-length: 1\r\n\r\na", NULL, false, true, BODY_COPY },
};
/* clang-format on */

/* Removes the chunk sizes, which depend on how the bytes were cut. */
static void
unchunk(struct buf *b)
{
	struct http_message m;
	struct http_field fields[32];
	struct http_scan scan = { 0, 0 };
	struct buf out;
	struct http_body body;
	struct span in = buf_view(b), payload;
	ssize_t n = in.n > 5 && in.p[0] == 'H' && in.p[4] == '/'
			    ? http_parse_response(in, &scan, fields, 32, false, &m)
			    : http_parse_request(in, &scan, fields, 32, &m);

	if (n <= 0 || m.framing != HTTP_CHUNKED)
		return;
	buf_init(&out, 0);
	buf_span(&out, span_cut(in, 0, (size_t)n));
	in = span_cut(in, (size_t)n, in.n);
	http_body_init(&body, HTTP_CHUNKED, 0);
	while ((n = http_body_next(&body, in, &payload)) > 0) {
		buf_span(&out, payload);
		in = span_cut(in, (size_t)n, in.n);
	}
	buf_str(&out, body.done ? "<end>" : n < 0 ? "<broken>" : "<open>");
	buf_span(&out, in);
	buf_free(b);
	*b = out;
}

static void
same_message(const struct copy_case *c, const char *what, struct peer *p, const char *want)
{
	struct buf b;

	buf_init(&b, 0);
	buf_str(&b, want);
	unchunk(&b);
	unchunk(&p->in);
	if (!span_eq(buf_view(&b), buf_view(&p->in)))
		fail_msg("%s: %s was\n%.*s\nnot\n%.*s", c->name, what,
			SPAN_ARG(buf_view(&p->in)), SPAN_ARG(buf_view(&b)));
	buf_free(&b);
}

/* Returns true if the message is complete by its framing. */
static bool
whole(struct peer *p, const char *want, bool to_head)
{
	struct http_message m;
	struct http_field fields[32];
	struct http_scan scan = { 0, 0 };
	struct http_body body;
	struct span in, payload;

	listen_in(p);
	in = buf_view(&p->in);
	ssize_t n = want[0] == 'H' && want[4] == '/'
			    ? http_parse_response(in, &scan, fields, 32, to_head, &m)
			    : http_parse_request(in, &scan, fields, 32, &m);
	if (n <= 0)
		return false;
	http_body_init(&body, m.framing, m.length);
	in = span_cut(in, (size_t)n, in.n);
	while ((n = http_body_next(&body, in, &payload)) > 0)
		in = span_cut(in, (size_t)n, in.n);
	return body.done;
}

static void
script(struct stage *s, const struct copy_case *c)
{
	s->gate.plan.body_mode = c->mode;
	s->gate.plan.body =
		c->mode == BODY_SWAP ? SPAN_LIT("my [SECRET]") : (struct span){ NULL, 0 };
	s->gate.plan.head.method = span_str(c->method ? c->method : "POST");
}

static void
copy_once(struct stage *s, const struct copy_case *c, struct peer *edge, struct peer *up,
	size_t request_step, size_t answer_step)
{
	script(s, c);
	say_slowly(s, edge, c->request, request_step);
	if (up->fd < 0)
		*up = egress_accept(s);
	until(s, whole(up, c->upstream, false));
	same_message(c, "the request", up, c->upstream);
	buf_clear(&up->in);
	say_slowly(s, up, c->answer, answer_step);
	if (c->closes)
		peer_close(up);
	until(s, whole(edge, c->response, c->method != NULL));
	same_message(c, "the response", edge, c->response);
	buf_clear(&edge->in);
	until(s, exchange(s)->freed);
	assert_int_equal(exchange(s)->result.end, END_COMPLETE);
	assert_int_equal(s->gate.finishes, s->gate.opened);
	relay_turn(s);
}

static void
exchange_passes_however_its_bytes_are_cut(void **state)
{
	struct stage *s = *state;
	static const size_t steps[] = { 1, 2, 3, 7, 64, 100000 };

	stage_start(s);
	struct peer edge = edge_connect(s), up = { .fd = -1 };
	for (size_t i = 0; i < sizeof(copies) / sizeof(copies[0]); i++)
		for (size_t a = 0; a < 6; a++)
			for (size_t b = 0; b < 6; b++) {
				copy_once(s, &copies[i], &edge, &up, steps[a], steps[b]);
				if (copies[i].drops && up.fd >= 0) {
					until(s, closed(&up));
					peer_close(&up);
				}
				/* The edge's connection is used for all of them. */
				assert_false(closed(&edge));
			}
	peer_close(&edge);
	peer_close(&up);
}

/* clang-format off */
static const struct copy_case old_copies[] = {
	{ "HTTP/1.0: a response with a length",
		"POST /ignored HTTP/1.0\r\n" TICKET "content-length: 1\r\n\r\nx",
		UP_HEAD "content-length: 1\r\n\r\nx",
		DOWN_HEAD "content-length: 3\r\n\r\nabc",
		DOWN_HEAD FIELDS "content-length: 3\r\nconnection: close\r\n\r\nabc", NULL, false, false, BODY_COPY },
	{ "HTTP/1.0: chunks end with the connection",
		"POST /ignored HTTP/1.0\r\n" TICKET "connection: keep-alive\r\ncontent-length: 1\r\n\r\nx",
		UP_HEAD "content-length: 1\r\n\r\nx",
		DOWN_HEAD "transfer-encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
		DOWN_HEAD FIELDS "connection: close\r\n\r\nabc", NULL, false, false, BODY_COPY },
};
/* clang-format on */

static void
http_10_client_gets_no_chunks(void **state)
{
	struct stage *s = *state;
	static const size_t steps[] = { 1, 7, 100000 };

	stage_start(s);
	struct peer up = { .fd = -1 };
	for (size_t i = 0; i < 2; i++)
		for (size_t a = 0; a < 9; a++) {
			const struct copy_case *c = &old_copies[i];
			struct peer edge = edge_connect(s);
			script(s, c);
			say_slowly(s, &edge, c->request, steps[a / 3]);
			if (up.fd < 0)
				up = egress_accept(s);
			until(s, whole(&up, c->upstream, false));
			buf_clear(&up.in);
			say_slowly(s, &up, c->answer, steps[a % 3]);
			until(s, closed(&edge));
			same_message(c, "the response", &edge, c->response);
			assert_int_equal(exchange(s)->result.end, END_COMPLETE);
			peer_close(&edge);
		}
	peer_close(&up);
}

static void
connections_of_both_sides_are_reused(void **state)
{
	struct stage *s = *state;

	stage_start(s);
	struct peer edge = edge_connect(s), up = { .fd = -1 };
	for (int i = 0; i < 5; i++)
		copy_once(s, &copies[0], &edge, &up, 1000, 1000);
	assert_int_equal(relay_count(s, M_RELAY_CONNS), 1);
	assert_int_equal(relay_count(s, M_RELAY_UPSTREAM), 1);
	assert_int_equal(relay_count(s, M_RELAY_REUSED), 4);
	/* Another edge connection uses the same pooled connection. */
	struct peer other = edge_connect(s);
	copy_once(s, &copies[1], &other, &up, 1000, 1000);
	assert_int_equal(relay_count(s, M_RELAY_UPSTREAM), 1);
	/* Idle connections hold no buffers. */
	const struct edge *c;
	LIST_FOREACH (c, &s->relay->edges, all) {
		assert_null(c->in.p);
		assert_null(c->out.p);
		assert_null(c->whole.p);
	}
	const struct upstream *u;
	LIST_FOREACH (u, &s->relay->pool, idle) {
		assert_null(u->in.p);
		assert_null(u->out.p);
	}
	assert_int_equal(relay_active(s->relay), 0);
	peer_close(&edge);
	peer_close(&other);
	peer_close(&up);
}

/* ---- the last byte ---- */

static const struct {
	const char *name, *answer,
		*early; /* received by the edge before the record is durable */
	const char *late;
	bool pieces; /* the response arrives in two reads */
} last_bytes[] = {
	{ "a response that arrives whole waits whole", DOWN_HEAD "content-length: 3\r\n\r\nabc",
		"", DOWN_HEAD FIELDS "content-length: 3\r\n\r\nabc", false },
	{ "the last byte of a body with a length waits",
		DOWN_HEAD "content-length: 6\r\n\r\nabc|def",
		DOWN_HEAD FIELDS "content-length: 6\r\n\r\nabcde", "f", true },
	{ "a head without a body waits", "HTTP/1.1 204 N|o Content\r\n\r\n", "",
		"HTTP/1.1 204 No Content\r\n" FIELDS "\r\n", true },
	{ "the last chunk waits",
		DOWN_HEAD "transfer-encoding: chunked\r\n\r\n3\r\nabc\r\n|0\r\n\r\n",
		DOWN_HEAD FIELDS "transfer-encoding: chunked\r\n\r\n00000003\r\nabc\r\n",
		"0\r\n\r\n", true },
	{ "of an event stream that arrives whole, only the last chunk waits",
		DOWN_HEAD
		"content-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
		"9\r\ndata: x\n\n\r\n0\r\n\r\n",
		DOWN_HEAD "content-type: text/event-stream\r\n" FIELDS
			  "transfer-encoding: chunked\r\n\r\n00000009\r\ndata: x\n\n\r\n",
		"0\r\n\r\n", false },
};

static void
last_byte_waits_for_the_record(void **state)
{
	struct stage *s = *state;

	stage_start(s);
	/* The record succeeds, then fails. */
	for (size_t i = 0; i < 2 * sizeof(last_bytes) / sizeof(last_bytes[0]); i++) {
		size_t row = i / 2;
		bool fails = i & 1;
		struct peer edge = edge_connect(s);
		s->gate.finish_s = HELD_S;
		s->gate.finish_err = fails ? ERR_IO : 0;
		say(s, &edge, POST("content-length: 1\r\n") "x");
		until(s, s->gate.opened == i + 1);
		struct peer up = { .fd = -1 };
		if (i == 0 || LIST_EMPTY(&s->relay->pool))
			up = egress_accept(s);
		char answer[512], *second = NULL;
		snprintf(answer, sizeof(answer), "%s", last_bytes[row].answer);
		if (last_bytes[row].pieces) {
			second = strchr(answer, '|');
			*second++ = '\0';
		}
		until(s, heard(&up, "\r\n\r\nx"));
		say(s, &up, answer);
		pass(s, 2);
		if (second)
			say(s, &up, second);
		until(s, s->gate.finishes == i + 1);
		if (last_bytes[row].early[0])
			expect_bytes(s, &edge, last_bytes[row].early);
		pass(s, 20);
		listen_in(&edge);
		if (edge.in.n || edge.eof)
			fail_msg("%s: \"%.*s\" went too early", last_bytes[row].name,
				SPAN_ARG(buf_view(&edge.in)));
		gate_release(&s->gate);
		if (!fails) {
			expect_bytes(s, &edge, last_bytes[row].late);
			assert_false(closed(&edge));
		} else if (last_bytes[row].early[0]) {
			until(s, closed(&edge));
			assert_int_equal(edge.in.n, 0);
		} else {
			until(s, heard(&edge, "HTTP/1.1 503 "));
			until(s, heard(&edge, "audit_unavailable"));
		}
		peer_close(&edge);
		peer_close(&up);
		pass(s, 2);
	}
}

/* ---- continue, denial, metering ---- */

static void
edge_gets_100_continue_once_the_body_is_wanted(void **state)
{
	struct stage *s = *state;
	static const enum exchange_body modes[] = { BODY_COPY, BODY_SWAP, BODY_DEFER };

	stage_start(s);
	s->gate.claim_s = HELD_S;
	s->gate.plan.body = span_str("x");
	struct peer edge = edge_connect(s), up = { .fd = -1 };
	for (int i = 0; i < 3; i++) {
		s->gate.plan.body_mode = modes[i];
		say(s, &edge, POST("content-length: 1\r\nexpect: 100-continue\r\n"));
		pass(s, 10);
		assert_false(heard_n(&edge, 1));
		gate_release(&s->gate);
		expect_bytes(s, &edge, "HTTP/1.1 100 Continue\r\n\r\n");
		say(s, &edge, "x");
		if (up.fd < 0)
			up = egress_accept(s);
		expect_bytes(s, &up, UP_HEAD "content-length: 1\r\n\r\nx");
		say(s, &up, DOWN_HEAD "content-length: 1\r\n\r\na");
		expect_bytes(s, &edge, DOWN_HEAD FIELDS "content-length: 1\r\n\r\na");
		until(s, exchange(s)->freed);
		relay_turn(s);
	}
	/* No 100 Continue if the body has already arrived, or before a refusal. */
	s->gate.claim_s = 0;
	s->gate.plan.body_mode = BODY_DEFER;
	s->gate.plan.body_cap_bytes = 10;
	say(s, &edge, POST("content-length: 11\r\nexpect: 100-continue\r\n"));
	expect_bytes(s, &edge, "HTTP/1.1 413 ");
	peer_close(&edge);
	edge = edge_connect(s);
	say(s, &edge, POST("content-length: 1\r\nexpect: 100-continue\r\n") "y");
	expect_bytes(s, &up, UP_HEAD "content-length: 1\r\n\r\nx");
	say(s, &up, DOWN_HEAD "content-length: 1\r\n\r\na");
	expect_bytes(s, &edge, DOWN_HEAD FIELDS);
	peer_close(&edge);
	peer_close(&up);
}

static void
deferred_body_may_be_denied(void **state)
{
	struct stage *s = *state;

	stage_start(s);
	s->gate.plan.body_mode = BODY_DEFER;
	s->gate.deny = true;
	s->gate.finish_s = HELD_S;
	struct peer edge = edge_connect(s);
	for (int i = 0; i < 2; i++) {
		say(s, &edge, POST("content-length: 6\r\n") "secret");
		until(s, s->gate.finishes == (size_t)i + 1);
		assert_int_equal(exchange(s)->result.end, END_DENIED);
		assert_true(span_is(buf_view(&exchange(s)->seen), "secret"));
		pass(s, 10);
		assert_false(heard_n(&edge, 1));
		gate_release(&s->gate);
		expect_bytes(s, &edge,
			"HTTP/1.1 403 Forbidden\r\ncontent-type: application/json\r\n"
			"cache-control: no-store\r\nx-tollgate-decision: deny\r\n"
			"content-length: 18\r\n\r\n{\"error\":\"denied\"}");
		/* The body was read whole, so the connection stays open. */
		assert_false(closed(&edge));
	}
	no_egress(s);
	peer_close(&edge);
}

static void
usage_is_read_and_hidden_from_the_caller(void **state)
{
	struct stage *s = *state;
	static const char usage[] =
		"data: "
		"{\"id\":\"1\",\"object\":\"chat.completion.chunk\",\"choices\":[],\"usage\":"
		"{\"prompt_tokens\":7,\"completion_tokens\":5,\"total_tokens\":12}}\n\n";
	static const char word[] =
		"data: "
		"{\"id\":\"1\",\"object\":\"chat.completion.chunk\",\"choices\":[{\"index\":0,"
		"\"delta\":{\"content\":\"hi\"}}]}\n\n";
	char answer[1024];

	stage_start(s);
	s->gate.plan.reads_answer = true;
	struct peer edge = edge_connect(s), up = { .fd = -1 };
	for (int hides = 0; hides < 2; hides++) {
		s->gate.hide_usage = hides;
		say(s, &edge, POST("content-length: 1\r\n") "x");
		if (up.fd < 0)
			up = egress_accept(s);
		until(s, heard(&up, "\r\n\r\nx"));
		buf_clear(&up.in);
		snprintf(answer, sizeof(answer),
			DOWN_HEAD "content-type: text/event-stream; charset=utf-8\r\n"
				  "content-length: %zu\r\n\r\n%s%sdata: [DONE]\n\n",
			strlen(word) + strlen(usage) + 14, word, usage);
		say_slowly(s, &up, answer, 50);
		if (hides)
			until(s, heard(&edge, "\r\n0\r\n\r\n"));
		else
			until(s, heard(&edge, "data: [DONE]\n\n"));
		assert_int_equal(heard(&edge, "transfer-encoding: chunked"), hides);
		assert_int_equal(heard(&edge, "prompt_tokens"), !hides);
		assert_true(heard(&edge, "\"hi\""));
		assert_true(heard(&edge, "[DONE]"));
		assert_true(exchange(s)->result.usage.known);
		assert_int_equal(exchange(s)->result.usage.input_tokens, 7);
		assert_int_equal(exchange(s)->result.usage.output_tokens, 5);
		assert_true(exchange(s)->result.output_begun);
		buf_clear(&edge.in);
		relay_turn(s);
	}
	/* A JSON response passes unchanged, byte by byte. */
	say(s, &edge, POST("content-length: 1\r\n") "x");
	until(s, heard(&up, "\r\n\r\nx"));
	say(s, &up,
		DOWN_HEAD
		"content-type: application/json\r\ncontent-length: 71\r\n\r\n"
		"{\"choices\":[], \"usage\":{\"prompt_tokens\":3,\"completion_tokens\":2"
		",\"x\":0}}");
	until(s, heard(&edge, "\"completion_tokens\":2,\"x\":0}}"));
	assert_int_equal(exchange(s)->result.usage.input_tokens, 3);
	peer_close(&edge);
	peer_close(&up);
}

static void
response_bytes_are_sent_in_the_turn_of_their_arrival(void **state)
{
	struct stage *s = *state;

	stage_start(s);
	struct peer edge = edge_connect(s);
	say(s, &edge, POST("content-length: 1\r\n") "x");
	struct peer up = egress_accept(s);
	until(s, heard(&up, "\r\n\r\nx"));
	say(s, &up,
		DOWN_HEAD
		"content-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n");
	until(s, heard(&edge, "\r\n\r\n"));
	for (int i = 0; i < 20; i++) {
		buf_clear(&edge.in);
		assert_int_equal(send(up.fd, "9\r\ndata: x\n\n\r\n", 14, 0), 14);
		relay_turn(s);
		assert_true(heard(&edge, "00000009\r\ndata: x\n\n\r\n"));
		/* between two bytes, a stream keeps no read buffer */
		assert_null(LIST_FIRST(&s->relay->edges)->up->in.p);
	}
	peer_close(&edge);
	peer_close(&up);
}

/* ---- large bodies ---- */

static void
large_bodies_pass_in_bounded_memory_on_both_sides(void **state)
{
	struct stage *s = *state;
	static char block[1 << 16];
	size_t total = 24u << 20, sent = 0, got = 0, most = 0;

	stage_start(s);
	for (size_t i = 0; i < sizeof(block); i++)
		block[i] = (char)('a' + i % 23);
	struct peer edge = edge_connect(s);
	char head[256];
	snprintf(head, sizeof(head), POST("content-length: %zu\r\n"), total);
	say(s, &edge, head);
	struct peer up = egress_accept(s);
	/* The provider does not read: the edge's bytes must not accumulate. */
	for (int idle = 0; idle < 20; idle++) {
		ssize_t n = send(edge.fd, block, sizeof(block), MSG_NOSIGNAL);
		if (n > 0) {
			sent += (size_t)n;
			idle = 0;
		}
		relay_turn(s);
	}
	const struct edge *c = LIST_FIRST(&s->relay->edges);
	assert_true(sent < 4u << 20);
	assert_true(c->in.size + c->up->out.size <= 512u << 10);
	/* The provider reads: all bytes arrive in order. */
	while (got < total) {
		if (sent < total) {
			size_t n = total - sent < sizeof(block) ? total - sent : sizeof(block);
			size_t at = sent % sizeof(block);
			ssize_t k = send(edge.fd, block + at,
				n < sizeof(block) - at ? n : sizeof(block) - at, MSG_NOSIGNAL);
			sent += k > 0 ? (size_t)k : 0;
		}
		relay_turn(s);
		listen_in(&up);
		if (got == 0 && up.in.n) {
			until(s, heard(&up, "\r\n\r\n"));
			const char *end = memmem(up.in.p + up.in.start, up.in.n, "\r\n\r\n", 4);
			buf_consume(&up.in, (size_t)(end - up.in.p) - up.in.start + 4);
		}
		struct span v = buf_view(&up.in);
		for (size_t i = 0; i < v.n; i++)
			if (v.p[i] != block[(got + i) % sizeof(block)])
				fail_msg("byte %zu differs", got + i);
		got += v.n;
		buf_clear(&up.in);
		if (c->in.size + c->up->out.size > most)
			most = c->in.size + c->up->out.size;
	}
	assert_int_equal(exchange(s)->seen.n, total);
	assert_true(exchange(s)->seen_last);
	assert_true(most <= 512u << 10);
	/* The response: the edge first reads nothing, then everything. */
	snprintf(head, sizeof(head), DOWN_HEAD "content-length: %zu\r\n\r\n", total);
	say(s, &up, head);
	sent = got = most = 0;
	for (int idle = 0; idle < 20; idle++) {
		ssize_t n = send(up.fd, block, sizeof(block), MSG_NOSIGNAL);
		if (n > 0) {
			sent += (size_t)n;
			idle = 0;
		}
		relay_turn(s);
	}
	assert_true(sent < 4u << 20);
	assert_true(c->out.size <= 1u << 20);
	until(s, heard(&edge, "\r\n\r\n"));
	buf_consume(&edge.in,
		strlen(DOWN_HEAD FIELDS) + strlen("content-length: 25165824\r\n\r\n"));
	while (got < total) {
		if (sent < total) {
			size_t at = sent % sizeof(block), n = total - sent;
			ssize_t k = send(up.fd, block + at,
				n < sizeof(block) - at ? n : sizeof(block) - at, MSG_NOSIGNAL);
			sent += k > 0 ? (size_t)k : 0;
		}
		relay_turn(s);
		listen_in(&edge);
		struct span v = buf_view(&edge.in);
		for (size_t i = 0; i < v.n; i++)
			if (v.p[i] != block[(got + i) % sizeof(block)])
				fail_msg("byte %zu differs", got + i);
		got += v.n;
		buf_clear(&edge.in);
	}
	assert_true(c->out.size <= 1u << 20);
	until(s, exchange(s)->freed);
	assert_int_equal(exchange(s)->result.end, END_COMPLETE);
	assert_int_equal(exchange(s)->result.response_bytes, total);
	peer_close(&edge);
	peer_close(&up);
}

static void
large_replaced_and_deferred_bodies_pass(void **state)
{
	struct stage *s = *state;
	size_t n = 3u << 20;
	char *body = malloc(n), head[256];

	assert_non_null(body);
	for (size_t i = 0; i < n; i++)
		body[i] = (char)('A' + i % 19);
	stage_start(s);
	s->gate.plan.body_cap_bytes = 4u << 20;
	struct peer edge = edge_connect(s), up = { .fd = -1 };
	for (int deferred = 0; deferred < 2; deferred++) {
		s->gate.plan.body_mode = deferred ? BODY_DEFER : BODY_SWAP;
		s->gate.plan.body = deferred ? (struct span){ NULL, 0 } : span_of(body, n);
		snprintf(head, sizeof(head), POST("content-length: %zu\r\n"), deferred ? n : 4);
		say(s, &edge, head);
		say_span(s, &edge, deferred ? span_of(body, n) : SPAN_LIT("gone"));
		if (up.fd < 0)
			up = egress_accept(s);
		size_t want = strlen(UP_HEAD "content-length: 3145728\r\n\r\n") + n;
		until(s, heard_n(&up, want));
		assert_memory_equal(up.in.p + up.in.start + want - n, body, n);
		if (deferred) {
			assert_true(exchange(s)->held >= n && exchange(s)->held <= 4u << 20);
			assert_true(span_eq(buf_view(&exchange(s)->seen), span_of(body, n)));
		}
		buf_clear(&up.in);
		say(s, &up, DOWN_HEAD "content-length: 1\r\n\r\na");
		expect_bytes(s, &edge, DOWN_HEAD FIELDS "content-length: 1\r\n\r\na");
		until(s, exchange(s)->freed);
		relay_turn(s);
	}
	peer_close(&edge);
	peer_close(&up);
	free(body);
}

/* If placeholders are restored, the provider's digests of its bytes are no longer correct. */
static void
digests_of_an_edited_response_are_removed(void **state)
{
	static const char *const names[] = { "content-md5", "digest", "content-digest",
		"repr-digest", "etag", "accept-ranges", "content-range" };
	struct stage *s = *state;
	struct vault *vault = vault_new();
	struct buf head;

	buf_init(&head, 0);
	buf_str(&head, DOWN_HEAD "content-type: application/json\r\n");
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		buf_printf(&head, "%s: x\r\n", names[i]);
	buf_str(&head, "x-kept: x\r\ncontent-length: 2\r\n\r\n{}");
	assert_int_equal(vault_add(vault, SPAN_LIT("<A_1>"), SPAN_LIT("a")), 0);
	s->gate.plan.reads_answer = true;
	stage_start(s);
	for (int edits = 0; edits < 2; edits++) {
		s->gate.vault = edits ? vault : NULL;
		struct peer edge = edge_connect(s);
		say(s, &edge, POST("content-length: 1\r\nconnection: close\r\n") "x");
		struct peer up = egress_accept(s);
		until(s, heard(&up, "\r\n\r\nx"));
		assert_true(say_span(s, &up, buf_view(&head)));
		until(s, closed(&edge));
		assert_true(heard(&edge, "\r\nx-kept: x\r\n") && heard(&edge, "\r\n\r\n{}"));
		for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
			char field[40];
			snprintf(field, sizeof(field), "\r\n%s: x\r\n", names[i]);
			if (heard(&edge, field) == edits)
				fail_msg("%s, edited %d", names[i], edits);
		}
		peer_close(&edge);
		peer_close(&up);
		settled(s);
	}
	vault_free(&vault);
	buf_free(&head);
}

/* ---- the cost in the head ---- */

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
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			http_10_client_gets_no_chunks, relay_setup, relay_teardown),
		cmocka_unit_test_setup_teardown(
			exchange_passes_however_its_bytes_are_cut, relay_setup, relay_teardown),
		cmocka_unit_test_setup_teardown(
			connections_of_both_sides_are_reused, relay_setup, relay_teardown),
		cmocka_unit_test_setup_teardown(
			last_byte_waits_for_the_record, relay_setup, relay_teardown),
		cmocka_unit_test_setup_teardown(edge_gets_100_continue_once_the_body_is_wanted,
			relay_setup, relay_teardown),
		cmocka_unit_test_setup_teardown(
			deferred_body_may_be_denied, relay_setup, relay_teardown),
		cmocka_unit_test_setup_teardown(
			usage_is_read_and_hidden_from_the_caller, relay_setup, relay_teardown),
		cmocka_unit_test_setup_teardown(
			response_bytes_are_sent_in_the_turn_of_their_arrival, relay_setup,
			relay_teardown),
		cmocka_unit_test_setup_teardown(
			large_bodies_pass_in_bounded_memory_on_both_sides, relay_setup,
			relay_teardown),
		cmocka_unit_test_setup_teardown(
			large_replaced_and_deferred_bodies_pass, relay_setup, relay_teardown),
		cmocka_unit_test_setup_teardown(
			digests_of_an_edited_response_are_removed, relay_setup, relay_teardown),
		cmocka_unit_test_setup_teardown(
			cost_of_a_whole_response_is_in_its_head, relay_setup, relay_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
