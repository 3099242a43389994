/* The relay over time: which connections are kept and reused, and the effects of silence, full
 * memory and a shutdown. */
#include <sys/resource.h>

#include "scenario/relay_stage.h"

/* ---- the pool ---- */

static void
poison(void *arg)
{
	assert_int_equal(
		send(*(int *)arg, DOWN_HEAD "content-length: 6\r\n\r\npoison", 44, 0), 44);
}

static void
close_it(void *arg)
{
	close(*(int *)arg);
	*(int *)arg = -1;
}

static void
connection_that_was_closed_or_sent_bytes_is_not_reused(void **state)
{
	struct stage *s = *state;

	stage_start(s);
	for (int talks = 0; talks < 2; talks++)
		for (int late = 0; late < 2; late++) {
			void (*act)(void *) = talks ? poison : close_it;
			struct peer edge = edge_connect(s), up = pooled(s, &edge);
			/* Either the loop notices it first, or it happens in the turn in which
			 * the next request takes the connection. */
			if (late) {
				s->gate.before_claimed = act;
				s->gate.before_arg = &up.fd;
			} else {
				act(&up.fd);
				until(s, s->relay->npool == 0);
			}
			say(s, &edge, POST("content-length: 1\r\n") "y");
			struct peer fresh = egress_accept(s);
			s->gate.before_claimed = NULL;
			until(s, heard(&fresh, "\r\n\r\ny"));
			say(s, &fresh, DOWN_HEAD "content-length: 1\r\n\r\nb");
			expect_bytes(s, &edge, DOWN_HEAD FIELDS "content-length: 1\r\n\r\nb");
			if (talks)
				until(s, closed(&up));
			peer_close(&edge);
			peer_close(&up);
			peer_close(&fresh);
			settled(s);
			until(s, s->relay->npool == 0);
		}
}

static void
missing_listener_gets_503_and_nothing_is_sent(void **state)
{
	struct stage *s = *state;

	s->options.egress = "/nonexistent/socket";
	stage_start(s);
	struct peer edge = edge_connect(s);
	say(s, &edge, POST("content-length: 1\r\n") "x");
	until(s, heard(&edge, "HTTP/1.1 503 "));
	until(s, heard(&edge, "provider_unavailable"));
	assert_int_equal(exchange(s)->result.end, END_NEVER_SENT);
	peer_close(&edge);
	settled(s);
}

/* Fills the backlog of the inner bind, as if HAProxy were busy or reloading. */
static size_t
fill_backlog(struct stage *s, struct peer *fill, size_t most)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	size_t n = 0;

	snprintf(sa.sun_path, sizeof(sa.sun_path), "%s", s->egress_path);
	assert_int_equal(listen(s->egress_fd, 1), 0);
	for (; n < most; n++) {
		int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
		if (connect(fd, (struct sockaddr *)&sa, sizeof(sa))) {
			assert_int_equal(errno, EAGAIN);
			close(fd);
			break;
		}
		fill[n] = peer_of(fd);
	}
	assert_true(n > 0 && n < most);
	return n;
}

static void
busy_inner_bind_is_retried_for_a_while(void **state)
{
	struct stage *s = *state;
	struct peer fill[100];

	stage_start(s);
	for (int outcome = 0; outcome < 3; outcome++) {
		size_t n = fill_backlog(s, fill, 100);
		struct peer edge = edge_connect(s);
		say(s, &edge, POST("content-length: 1\r\n") "x");
		until(s, s->gate.opened == (size_t)outcome + 1);
		pass(s, 30);
		assert_false(heard_n(&edge, 1));
		if (outcome == 0) { /* HAProxy accepts again */
			for (size_t i = 0; i < n; i++) {
				struct peer p = egress_accept(s);
				peer_close(&p);
			}
			struct peer up = egress_accept(s);
			until(s, heard(&up, "\r\n\r\nx"));
			say(s, &up,
				DOWN_HEAD "connection: close\r\ncontent-length: 1\r\n\r\na");
			until(s, heard(&edge, "\r\n\r\na"));
			assert_int_equal(exchange(s)->result.end, END_COMPLETE);
			peer_close(&up);
		} else if (outcome == 1) { /* HAProxy does not accept in time */
			until(s, heard(&edge, "HTTP/1.1 503 "));
			assert_int_equal(exchange(s)->result.end, END_NEVER_SENT);
		} else { /* the client does not wait that long */
			peer_close(&edge);
			until(s, s->gate.finishes == s->gate.opened);
			assert_int_equal(exchange(s)->result.end, END_NEVER_SENT);
		}
		peer_close(&edge);
		for (size_t i = 0; i < n; i++) {
			peer_close(&fill[i]);
			if (outcome) {
				struct peer p = egress_accept(s);
				peer_close(&p);
			}
		}
		settled(s);
	}
	no_egress(s);
}

static void
connections_wait_without_descriptors(void **state)
{
	struct stage *s = *state;
	struct rlimit was, now;

	stage_start(s);
	struct peer edge = edge_connect(s);
	relay_turn(s);
	struct peer waits = edge_connect(s);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &was), 0);
	now = was;
	now.rlim_cur = (rlim_t)waits.fd + 1;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &now), 0);
	pass(s, 50);
	assert_int_equal(s->relay->nedges, 1);
	/* No descriptor for the provider either: the result is that nothing was sent. */
	say(s, &edge, POST("content-length: 1\r\n") "x");
	until(s, heard(&edge, "HTTP/1.1 503 "));
	assert_int_equal(exchange(s)->result.end, END_NEVER_SENT);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &was), 0);
	until(s, s->relay->nedges == 2);
	say(s, &waits, POST("content-length: 1\r\n") "y");
	struct peer up = egress_accept(s);
	until(s, heard(&up, "\r\n\r\ny"));
	peer_close(&edge);
	peer_close(&waits);
	peer_close(&up);
	settled(s);
}

static void
early_response_passes_although_the_body_is_not_read(void **state)
{
	struct stage *s = *state;
	static char block[1 << 16];

	stage_start(s);
	for (int closes = 0; closes < 2; closes++) {
		struct peer edge = edge_connect(s);
		say(s, &edge, POST("content-length: 100000000\r\n"));
		struct peer up = egress_accept(s);
		for (int idle = 0; idle < 20; idle++) {
			if (send(edge.fd, block, sizeof(block), MSG_NOSIGNAL) > 0)
				idle = 0;
			relay_turn(s);
		}
		say(s, &up, "HTTP/1.1 413 Content Too Large\r\ncontent-length: 1\r\n\r\na");
		if (closes)
			peer_close(&up);
		until(s, heard(&edge, "HTTP/1.1 413 Content Too Large\r\n"));
		until(s, heard(&edge, "connection: close\r\n"));
		until(s, heard(&edge, "\r\n\r\na"));
		/* The rest is read and discarded before the close, so that no reset can
		 * overtake the response. */
		until(s, closed(&edge));
		assert_false(edge.reset);
		assert_int_equal(s->relay->npool, 0);
		peer_close(&edge);
		peer_close(&up);
		settled(s);
		assert_int_equal(exchange(s)->result.end, END_COMPLETE);
	}
}

/* ---- timeouts and limits ---- */

#define HOUR_US 3600000000u

static void
silent_connection_times_out(void **state)
{
	struct stage *s = *state;
	static const struct {
		const char *name, *request, *answer, *got;
		enum exchange_body mode;
		uint64_t deadline_us;
		enum exchange_end end;
	} table[] = {
		{ "half a head", "POST / HTTP/1.1\r\n", NULL, "", BODY_COPY, HOUR_US,
			END_COMPLETE },
		{ "half a deferred body", POST("content-length: 9\r\n") "hel", NULL,
			"HTTP/1.1 408 ", BODY_DEFER, HOUR_US, END_DENIED },
		{ "half a copied body", POST("content-length: 9\r\n") "hel", NULL,
			"HTTP/1.1 408 ", BODY_COPY, HOUR_US, END_CLIENT_ABORT },
		{ "no response", POST("content-length: 1\r\n") "x", NULL, "HTTP/1.1 503 ",
			BODY_COPY, HOUR_US, END_PROVIDER_ABORT },
		{ "half a response", POST("content-length: 1\r\n") "x",
			DOWN_HEAD "content-length: 9\r\n\r\nabc", DOWN_HEAD, BODY_COPY, HOUR_US,
			END_PROVIDER_ABORT },
		{ "the exchange's deadline", POST("content-length: 1\r\n") "x", NULL,
			"HTTP/1.1 503 ", BODY_COPY, 50000, END_PROVIDER_ABORT },
		{ "the deadline while the body is read", POST("content-length: 9\r\n") "hel",
			NULL, "HTTP/1.1 408 ", BODY_DEFER, 50000, END_DENIED },
	};

	s->options.read_us = 100000;
	stage_start(s);
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		struct peer edge = edge_connect(s), up = { .fd = -1 };
		/* The response has begun before its silence counts. */
		s->relay->options.response_us = table[i].answer ? HOUR_US : 150000;
		size_t opened = s->gate.opened;
		s->gate.plan.body_mode = table[i].mode;
		s->gate.plan.deadline_us = table[i].deadline_us;
		say(s, &edge, table[i].request);
		uint64_t begin = clock_mono_us();
		if (i && table[i].mode == BODY_COPY && table[i].deadline_us == HOUR_US)
			up = egress_accept(s);
		if (table[i].answer) {
			until(s, heard(&up, "\r\n\r\nx"));
			s->relay->options.response_us = 150000;
			say(s, &up, table[i].answer);
		}
		until(s, table[i].got[0] ? heard(&edge, table[i].got) : closed(&edge));
		if (table[i].answer)
			until(s, closed(&edge));
		if (clock_mono_us() - begin < 40000)
			fail_msg("%s: too early", table[i].name);
		if (i == 0)
			assert_int_equal(s->gate.opened, opened);
		else if (exchange(s)->result.end != table[i].end)
			fail_msg("%s: end %d", table[i].name, (int)exchange(s)->result.end);
		peer_close(&edge);
		peer_close(&up);
		settled(s);
	}
}

static void
idle_connections_are_closed_after_their_timeout(void **state)
{
	struct stage *s = *state;

	s->options.idle_us = 100000;
	stage_start(s);
	struct peer edge = edge_connect(s), up = pooled(s, &edge);
	until(s, closed(&edge));
	until(s, closed(&up));
	assert_int_equal(s->relay->npool, 0);
	peer_close(&edge);
	peer_close(&up);
}

static void
held_bytes_are_limited(void **state)
{
	struct stage *s = *state;
	static char body[100000];

	stage_start(s);
	s->gate.plan.body_mode = BODY_DEFER;
	s->gate.hold_cap = 50000;
	for (int chunked = 0; chunked < 2; chunked++) {
		struct peer edge = edge_connect(s);
		say(s, &edge,
			chunked ? POST("transfer-encoding: chunked\r\n") "186a0\r\n"
				: POST("content-length: 100000\r\n"));
		say_span(s, &edge, span_of(body, sizeof(body)));
		until(s, heard(&edge, "HTTP/1.1 503 "));
		assert_int_equal(exchange(s)->refused, 503);
		assert_true(exchange(s)->held <= 50000);
		until(s, closed(&edge));
		peer_close(&edge);
		settled(s);
	}
	assert_int_equal(relay_count(s, M_HELD_REFUSED), 2);
	no_egress(s);
}

static void
bytes_after_a_request_end_the_connection(void **state)
{
	struct stage *s = *state;

	stage_start(s);
	struct peer edge = edge_connect(s);
	say(s, &edge, POST("content-length: 1\r\n") "x" POST("content-length: 1\r\n") "y");
	struct peer up = egress_accept(s);
	until(s, heard(&up, "\r\n\r\nx"));
	say(s, &up, DOWN_HEAD "content-length: 1\r\n\r\na");
	until(s, closed(&edge));
	assert_true(heard(&edge, "\r\n\r\na"));
	assert_int_equal(s->gate.claims, 1);
	assert_false(heard(&up, "y"));
	peer_close(&edge);
	peer_close(&up);
	settled(s);
}

/* A second worker has the same listener and another relay. */
static void
workers_share_the_connections(void **state)
{
	struct stage *s = *state;
	struct peer edges[20];

	stage_start(s);
	struct relay *other = relay_new(s->loop, &s->gate, &s->options, &s->metrics);
	assert_non_null(other);
	assert_int_equal(relay_listen(other, s->edge_fd, false), 0);
	for (size_t i = 0; i < 20; i++) {
		edges[i] = edge_connect(s);
		until(s, s->relay->nedges + other->nedges == i + 1);
		assert_in_range(s->relay->nedges, i / 2, i / 2 + 1);
	}
	/* A relay that drains does not delay the others. */
	relay_drain(other);
	until(s, other->nedges == 0);
	for (size_t i = 0; i < 20; i++)
		peer_close(&edges[i]);
	until(s, s->relay->nedges == 0);
	until(s, !ev_is_active(&s->relay->acceptor.later)); /* the acceptor that paused */
	edges[0] = edge_connect(s);
	edges[1] = edge_connect(s);
	relay_turn(s);
	relay_turn(s);
	assert_int_equal(s->relay->nedges, 2);
	peer_close(&edges[0]);
	peer_close(&edges[1]);
	relay_free(&other);
}

static void
draining_closes_idle_connections_and_finishes_busy_ones(void **state)
{
	struct stage *s = *state;

	stage_start(s);
	struct peer idle = edge_connect(s), busy = edge_connect(s);
	say(s, &busy, POST("content-length: 1\r\n") "x");
	struct peer up = egress_accept(s);
	until(s, heard(&up, "\r\n\r\nx"));
	assert_int_equal(relay_active(s->relay), 1);
	relay_drain(s->relay);
	until(s, closed(&idle));
	assert_int_equal(relay_active(s->relay), 1);
	say(s, &up, DOWN_HEAD "content-length: 1\r\n\r\na");
	expect_bytes(
		s, &busy, DOWN_HEAD FIELDS "content-length: 1\r\nconnection: close\r\n\r\na");
	until(s, closed(&busy));
	until(s, closed(&up));
	assert_int_equal(relay_active(s->relay), 0);
	assert_null(LIST_FIRST(&s->relay->edges));
	peer_close(&idle);
	peer_close(&busy);
	peer_close(&up);
}

#define SEVENTY "0123456789012345678901234567890123456789012345678901234567890123456789"

/* A body that arrives too slowly is given up, whatever the size of its pieces. */
static void
slow_body_times_out(void **state)
{
	struct stage *s = *state;
	static const struct {
		const char *name, *request, *first, *piece;
		uint64_t rate; /* bytes per second */
		unsigned every_ms, pieces;
		unsigned not_before_ms; /* earliest refusal; 0: not refused */
	} table[] = {
		{ "a byte at a time", POST("content-length: 900\r\n"), "", "x", 1000, 10, 60,
			80 },
		{ "in chunks", POST("transfer-encoding: chunked\r\n"), "", "1\r\nx\r\n", 1000,
			10, 60, 80 },
		{ "nothing after the beginning", POST("content-length: 900\r\n"),
			"0123456789012345678901234567890123456789012345678901234567890123456789"
			"0123456789012345678901234567890123456789012345678901234567890123456789"
			"012345678901234567890123456789012345678901234567890123456789012345678"
			"9",
			"", 1000, 10, 60, 200 },
		{ "chunks of nothing but their framing", POST("transfer-encoding: chunked\r\n"),
			"", "0000000000000000000000000000000000000001;a=b\r\nx\r\n", 1000, 10,
			60, 80 },
		{ "faster than the minimum rate", POST("content-length: 700\r\n"), SEVENTY,
			SEVENTY, 10, 12, 9, 0 },
		{ "no minimum rate", POST("content-length: 20\r\n"), "", "x", 0, 10, 20, 0 },
	};

	struct buf begins;

	buf_init(&begins, 0);
	s->options.rate_after_us = 80000;
	s->gate.plan.body_mode = BODY_DEFER;
	stage_start(s);
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		s->relay->options.min_rate = table[i].rate;
		struct peer edge = edge_connect(s);
		size_t opened = s->gate.opened;
		uint64_t begin = clock_mono_us();
		buf_clear(&begins);
		buf_str(&begins, table[i].request);
		buf_str(&begins, table[i].first);
		say_span(s, &edge, buf_view(&begins));
		until(s, s->gate.opened == opened + 1);
		struct exchange *x = exchange(s);
		for (unsigned k = 0; k < table[i].pieces && !x->refused; k++) {
			say(s, &edge, table[i].piece);
			pass(s, table[i].every_ms);
		}
		if (table[i].not_before_ms) {
			until(s, x->refused);
			assert_int_equal(x->refused, 408);
			assert_string_equal(x->refused_code, "request_timeout");
			if (clock_mono_us() - begin < table[i].not_before_ms * 1000ull)
				fail_msg("%s: too early", table[i].name);
			until(s, heard(&edge, "HTTP/1.1 408 "));
		} else {
			until(s, x->seen_last);
			if (x->refused)
				fail_msg("%s: refused", table[i].name);
		}
		peer_close(&edge);
		settled(s);
	}
	buf_free(&begins);
}

/* The daemon stops by force: every exchange is ended with the gate, in each state. */
static void
forced_stop_ends_every_exchange(void **state)
{
	struct stage *s = *state;
	struct peer edge[6], up;

	s->gate.verdict_s = s->gate.finish_s = 60;
	stage_start(s);
	for (size_t i = 0; i < 6; i++)
		edge[i] = edge_connect(s);
	say(s, &edge[0], "POST / HTTP/1.1\r\n"); /* its head has not arrived whole */
	say(s, &edge[1], POST("content-length: 9\r\n") "x"); /* its body is being forwarded */
	up = egress_accept(s);
	until(s, heard(&up, "\r\n\r\nx"));
	s->gate.plan.body_mode = BODY_DEFER;
	say(s, &edge[2],
		POST("content-length: 9\r\n") "x"); /* its deferred body is being read */
	until(s, exchange(s)->held || s->gate.opened == 2);
	say(s, &edge[3], POST("content-length: 1\r\n") "x"); /* its body is being decided */
	until(s, s->gate.opened == 3 && exchange(s)->seen_last);
	/* the client disconnected; the end is being recorded */
	say(s, &edge[5], POST("content-length: 9\r\n") "x");
	until(s, s->gate.opened == 4);
	peer_close(&edge[5]);
	until(s, s->gate.finishes == 1);
	s->gate.claim_s = 60;
	say(s, &edge[4], POST("content-length: 1\r\n") "x"); /* its ticket is being claimed */
	until(s, s->gate.claims == 5);
	relay_abort(s->relay);
	assert_int_equal(s->gate.finishes, 4);
	assert_int_equal(relay_active(s->relay), 5); /* the gate is working */
	for (struct exchange *x = s->gate.exchanges->next; x; x = x->next) {
		assert_true(x->finished);
		if (x != s->gate.exchanges->next)
			assert_string_equal(x->result.why, "the daemon stopped");
		ev_feed_event(s->loop, &x->later, EV_TIMER);
	}
	for (size_t i = 0; i < 5; i++)
		until(s, closed(&edge[i]));
	until(s, closed(&up));
	/* The claim is answered after all; the exchange ends, and nothing was sent. */
	ev_feed_event(s->loop, &s->gate.exchanges->later, EV_TIMER);
	until(s, s->gate.finishes == 5);
	assert_int_equal(s->gate.exchanges->result.end, END_NEVER_SENT);
	ev_feed_event(s->loop, &s->gate.exchanges->later, EV_TIMER);
	until(s, relay_active(s->relay) == 0);
	for (size_t i = 0; i < 5; i++)
		peer_close(&edge[i]);
	peer_close(&up);
}

/* The relay is freed without a stop: open exchanges are finished, and nothing waits. */
static void
freed_relay_leaves_no_exchange_open(void **state)
{
	struct stage *s = *state;

	s->gate.plan.body_mode = BODY_DEFER;
	stage_start(s);
	struct peer edge = edge_connect(s);
	say(s, &edge, POST("content-length: 9\r\n") "x");
	until(s, s->gate.opened == 1);
	relay_free(&s->relay);
	assert_int_equal(s->gate.finishes, 1);
	peer_close(&edge);
}

int
main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, relay_setup, relay_teardown)
	const struct CMUnitTest tests[] = {
		T(connection_that_was_closed_or_sent_bytes_is_not_reused),
		T(missing_listener_gets_503_and_nothing_is_sent),
		T(busy_inner_bind_is_retried_for_a_while),
		T(connections_wait_without_descriptors),
		T(early_response_passes_although_the_body_is_not_read),
		T(silent_connection_times_out),
		T(slow_body_times_out),
		T(idle_connections_are_closed_after_their_timeout),
		T(held_bytes_are_limited),
		T(bytes_after_a_request_end_the_connection),
		T(workers_share_the_connections),
		T(draining_closes_idle_connections_and_finishes_busy_ones),
		T(forced_stop_ends_every_exchange),
		T(freed_relay_leaves_no_exchange_open),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
