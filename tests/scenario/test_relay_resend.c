/* The relay sends a request again on another connection only if it is certain that the server
 * processed no part of it. */
#include "scenario/relay_stage.h"

static void
request_that_was_not_read_is_sent_again(void **state)
{
	struct stage *s = *state;
	static const enum exchange_body modes[] = { BODY_COPY, BODY_SWAP, BODY_NONE,
		BODY_DEFER };
	static const char *const requests[] = { POST("content-length: 5\r\n") "hello",
		POST("content-length: 5\r\n") "hello", POST(""),
		POST("content-length: 5\r\n") "hello" };

	stage_start(s);
	for (int i = 0; i < 4; i++) {
		s->gate.plan.body_mode = BODY_COPY;
		struct peer edge = edge_connect(s), up = pooled(s, &edge);
		s->gate.plan.body_mode = modes[i];
		s->gate.plan.body = i == 1 ? SPAN_LIT("hello") : (struct span){ NULL, 0 };
		say(s, &edge, requests[i]);
		/* The peer closes before it has read the request, which causes a reset. */
		until(s, s->relay->npool == 0 && LIST_FIRST(&s->relay->edges)->up &&
				 LIST_FIRST(&s->relay->edges)->up->request.began);
		peer_close(&up);
		struct peer fresh = egress_accept(s);
		until(s, heard(&fresh, i == 2 ? "\r\n\r\n" : "\r\n\r\nhello"));
		say(s, &fresh, DOWN_HEAD "content-length: 1\r\n\r\nb");
		expect_bytes(s, &edge, DOWN_HEAD FIELDS "content-length: 1\r\n\r\nb");
		assert_int_equal(exchange(s)->result.end, END_COMPLETE);
		/* A request is sent again only once, and not after a failure on a fresh
		 * connection. */
		say(s, &edge, requests[i]);
		until(s, heard(&fresh, "host: h") || true);
		until(s, s->relay->npool == 0 && LIST_FIRST(&s->relay->edges)->up &&
				 LIST_FIRST(&s->relay->edges)->up->request.began);
		peer_close(&fresh);
		fresh = egress_accept(s);
		until(s, LIST_FIRST(&s->relay->edges)->up &&
				 LIST_FIRST(&s->relay->edges)->up->request.began);
		peer_close(&fresh);
		until(s, heard(&edge, "HTTP/1.1 503 "));
		no_egress(s);
		peer_close(&edge);
		settled(s);
	}
}

static void
request_that_was_read_is_never_sent_again(void **state)
{
	struct stage *s = *state;

	stage_start(s);
	struct peer edge = edge_connect(s), up = pooled(s, &edge);
	say(s, &edge, POST("content-length: 5\r\n") "hello");
	until(s, heard(&up, "hello"));
	peer_close(&up);
	until(s, heard(&edge, "HTTP/1.1 503 "));
	no_egress(s);
	assert_int_equal(exchange(s)->result.end, END_PROVIDER_ABORT);
	peer_close(&edge);
	settled(s);
}

static const struct upstream *
upstream_of(struct stage *s)
{
	struct edge *c = LIST_FIRST(&s->relay->edges);

	return c ? c->up : NULL;
}

#define LEAVING                                                                                \
	"HTTP/1.1 503 Service Unavailable\r\nx-tollgate-leaving: 1\r\ncontent-length: "        \
	"0\r\n\r\n"

/* A HAProxy that was reloaded and keeps its connections responds that it did not process the
 * request. */
static void
request_not_processed_by_a_leaving_haproxy_is_sent_again(void **state)
{
	struct stage *s = *state;

	stage_start(s);
	struct peer edge = edge_connect(s), up = pooled(s, &edge);
	say(s, &edge, POST("content-length: 5\r\n") "hello");
	until(s, heard(&up, "\r\n\r\nhello"));
	say(s, &up, LEAVING);
	/* After MOVES_MAX moves, it is treated as a response. */
	for (int i = 0; i < MOVES_MAX; i++) {
		struct peer fresh = egress_accept(s);
		until(s, heard(&fresh, "\r\n\r\nhello"));
		say(s, &fresh, LEAVING);
		if (i == MOVES_MAX - 1)
			until(s, heard(&edge, "HTTP/1.1 503 "));
		peer_close(&fresh);
	}
	no_egress(s);
	peer_close(&edge);
	peer_close(&up);
	settled(s);
}

/* A connection that HAProxy accepted just before it stopped listening is treated like any
 * other. */
static void
leaving_haproxy_may_refuse_on_a_fresh_connection(void **state)
{
	struct stage *s = *state;

	stage_start(s);
	struct peer edge = edge_connect(s);
	say(s, &edge, POST("content-length: 5\r\n") "hello");
	struct peer up = egress_accept(s);
	until(s, heard(&up, "\r\n\r\nhello"));
	say(s, &up, LEAVING);
	struct peer fresh = egress_accept(s);
	until(s, heard(&fresh, "\r\n\r\nhello"));
	say(s, &fresh, "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok");
	until(s, heard(&edge, "HTTP/1.1 200 "));
	peer_close(&edge);
	peer_close(&up);
	peer_close(&fresh);
	settled(s);
}

/* The beginning of a long head or body is freed once it is sent. The rest would be a different
 * request. */
static void
request_not_whole_in_memory_is_never_sent_again(void **state)
{
	struct stage *s = *state;
	enum { LONG = 100000 };
	struct buf body, value;

	buf_init(&body, 0);
	buf_init(&value, 0);
	buf_str(&body, POST("transfer-encoding: chunked\r\n") "186a0\r\n");
	for (size_t i = 0; i < LONG; i++) {
		buf_putc(&body, 'x');
		buf_putc(&value, 'y');
	}
	buf_str(&body, "\r\n0\r\n\r\n");
	s->gate.head[1] = (struct http_field){ SPAN_LIT("x-long"), buf_view(&value) };
	stage_start(s);
	for (int long_head = 0; long_head < 2; long_head++)
		for (int leaves = 0; leaves < 2; leaves++) {
			s->gate.plan.head.nfields = 1;
			s->gate.plan.body_mode = BODY_COPY;
			struct peer edge = edge_connect(s), up = pooled(s, &edge);
			if (long_head) {
				s->gate.plan.head.nfields = 2;
				s->gate.plan.body_mode = BODY_NONE;
			}
			assert_true(say_span(
				s, &edge, long_head ? SPAN_LIT(POST("")) : buf_view(&body)));
			until(s, upstream_of(s) && upstream_of(s)->request.dropped);
			assert_true(upstream_of(s) && upstream_of(s)->reused);
			if (leaves)
				say(s, &up, LEAVING);
			else
				peer_close(&up); /* bytes of the relay were not read: a reset */
			until(s, heard(&edge, "HTTP/1.1 503 "));
			no_egress(s);
			peer_close(&edge);
			peer_close(&up);
			settled(s);
			until(s, s->relay->npool == 0);
		}
	buf_free(&body);
	buf_free(&value);
}

static void
request_answered_in_part_is_never_sent_again(void **state)
{
	struct stage *s = *state;

	stage_start(s);
	struct peer edge = edge_connect(s), up = pooled(s, &edge);
	say(s, &edge, POST("content-length: 5\r\n") "hello");
	until(s, upstream_of(s) && upstream_of(s)->request.began);
	say(s, &up, "HTTP/1.1 2");
	until(s, upstream_of(s) && upstream_of(s)->answer.heard);
	peer_close(&up); /* the request was not read: a reset */
	until(s, heard(&edge, "HTTP/1.1 503 "));
	no_egress(s);
	peer_close(&edge);
	settled(s);
}

/* Such a request could not be sent again. */
static void
body_too_long_to_keep_gets_a_fresh_connection(void **state)
{
	struct stage *s = *state;

	stage_start(s);
	struct peer edge = edge_connect(s), up = pooled(s, &edge);
	say(s, &edge, POST("content-length: 65537\r\n") "x");
	until(s, upstream_of(s));
	assert_false(upstream_of(s) && upstream_of(s)->reused);
	assert_int_equal(s->relay->npool, 1);
	struct peer fresh = egress_accept(s);
	peer_close(&edge);
	peer_close(&fresh);
	peer_close(&up);
	settled(s);
}

int
main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, relay_setup, relay_teardown)
	const struct CMUnitTest tests[] = {
		T(request_that_was_not_read_is_sent_again),
		T(request_that_was_read_is_never_sent_again),
		T(request_not_processed_by_a_leaving_haproxy_is_sent_again),
		T(leaving_haproxy_may_refuse_on_a_fresh_connection),
		T(request_not_whole_in_memory_is_never_sent_again),
		T(request_answered_in_part_is_never_sent_again),
		T(body_too_long_to_keep_gets_a_fresh_connection),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
