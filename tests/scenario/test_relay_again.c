/* The relay sends a request once more, on another connection, where it is proved that nobody
 * had it, and in no other case. */
#include "scenario/relay_stage.h"

static void
a_request_that_was_not_read_goes_out_again(void **state)
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
		/* The request stands unread when the peer closes: a reset. */
		until(s, s->relay->npool == 0 && LIST_FIRST(&s->relay->edges)->up &&
				 LIST_FIRST(&s->relay->edges)->up->request.began);
		peer_close(&up);
		struct peer fresh = egress_accept(s);
		until(s, heard(&fresh, i == 2 ? "\r\n\r\n" : "\r\n\r\nhello"));
		say(s, &fresh, DOWN_HEAD "content-length: 1\r\n\r\nb");
		expect_bytes(s, &edge, DOWN_HEAD FIELDS "content-length: 1\r\n\r\nb");
		assert_int_equal(exchange(s)->result.end, END_COMPLETE);
		/* But only once, and never on a connection that was fresh. */
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
a_request_that_was_read_never_goes_out_again(void **state)
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

/* A HAProxy that was reloaded and keeps its connections says that it has not looked. */
static void
what_a_leaving_haproxy_did_not_look_at_goes_out_again(void **state)
{
	struct stage *s = *state;

	stage_start(s);
	struct peer edge = edge_connect(s), up = pooled(s, &edge);
	say(s, &edge, POST("content-length: 5\r\n") "hello");
	until(s, heard(&up, "\r\n\r\nhello"));
	say(s, &up, LEAVING);
	/* The last time it is an answer. */
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

/* One that it took just before it stopped to listen is like any other. */
static void
a_leaving_haproxy_may_have_taken_a_fresh_connection(void **state)
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

/* The beginning of a long head, or of a long body, is let go of once it is sent: what is left
 * would be another request. */
static void
what_is_not_whole_in_memory_never_goes_out_again(void **state)
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
				peer_close(&up); /* with bytes of ours unread: a reset */
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
what_was_answered_in_part_never_goes_out_again(void **state)
{
	struct stage *s = *state;

	stage_start(s);
	struct peer edge = edge_connect(s), up = pooled(s, &edge);
	say(s, &edge, POST("content-length: 5\r\n") "hello");
	until(s, upstream_of(s) && upstream_of(s)->request.began);
	say(s, &up, "HTTP/1.1 2");
	until(s, upstream_of(s) && upstream_of(s)->answer.heard);
	peer_close(&up); /* a reset: the request is unread */
	until(s, heard(&edge, "HTTP/1.1 503 "));
	no_egress(s);
	peer_close(&edge);
	settled(s);
}

/* It could not go out again. */
static void
a_body_longer_than_is_kept_has_a_connection_of_its_own(void **state)
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
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(a_request_that_was_not_read_goes_out_again),
		T(a_request_that_was_read_never_goes_out_again),
		T(what_a_leaving_haproxy_did_not_look_at_goes_out_again),
		T(a_leaving_haproxy_may_have_taken_a_fresh_connection),
		T(what_is_not_whole_in_memory_never_goes_out_again),
		T(what_was_answered_in_part_never_goes_out_again),
		T(a_body_longer_than_is_kept_has_a_connection_of_its_own),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
