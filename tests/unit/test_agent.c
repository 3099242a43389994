/* The agent's protocol with HAProxy: the handshake, ACKs in any order, frames cut anywhere, and
 * the status code with which each wrong frame ends its connection. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <sys/socket.h>

#include "base/caps.h"
#include "base/err.h"
#include "support/agent_rig.h"

static void
hello_negotiates_the_smaller_frame_size(void **state)
{
	static const struct {
		uint32_t theirs, ours;
	} rows[] = { { 256, 256 }, { 16380, 16380 }, { 1048572, 1048572 },
		{ CAP_FRAME_BYTES, CAP_FRAME_BYTES }, { CAP_FRAME_BYTES + 1, CAP_FRAME_BYTES },
		{ UINT32_MAX, CAP_FRAME_BYTES } };

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct peer p = peer_over(SOCK_STREAM);
		struct buf b, want;
		buf_init(&b, 0);
		buf_init(&want, 0);
		peer_put_hello(&b, rows[i].theirs, false);
		spop_put_agent_hello(&want, rows[i].ours);
		say(&p, &b);
		peer_read(&p);
		assert_true(span_eq(buf_view(&p.in), buf_view(&want)));
		buf_free(&want);
		leave(&p);
	}
	assert_int_equal(agent_conns(ag), 0);
}

static void
health_check_gets_hello_and_is_closed(void **state)
{
	struct peer p = peer_over(SOCK_STREAM);
	struct buf b;

	(void)state;
	buf_init(&b, 0);
	peer_put_hello(&b, 16380, true);
	say(&p, &b);
	assert_int_equal(hear(&p).type, SPOP_AGENT_HELLO);
	peer_read(&p);
	assert_true(p.eof && !p.reset && p.in.n == 0);
	assert_int_equal(counters.v[M_SPOP_HEALTHCHECKS], 1);
	assert_int_equal(agent_conns(ag), 0);
	leave(&p);
	assert_int_equal(counters.v[M_SPOP_CONNS_CLOSED], 1);
}

static void
acks_are_sent_in_any_order(void **state)
{
	struct peer p = greeted(SOCK_STREAM, 16380), q = greeted(SOCK_STREAM, 16380);

	(void)state;
	ask(&p, 1, 1, "p11");
	ask(&p, 1, 2, "p12");
	ask(&q, 1, 1, "q11");
	ask(&p, 0, 1, "p01"); /* HAProxy 2.6 counts its streams from 0 */
	ask(&p, 5, 1, "p51");
	assert_int_equal(ag->pending, 5);
	assert_true(span_is(span_of(parked(2)->conn->engine, parked(2)->conn->nengine),
		"f712d961-0591-48be-874f-ee33102d2d6d"));
	permit(4);
	hear_ack(&p, 5, 1);
	permit(2);
	hear_ack(&q, 1, 1);
	hear_nothing(&p);
	permit(1);
	permit(3);
	permit(0);
	hear_ack(&p, 1, 2);
	hear_ack(&p, 0, 1);
	hear_ack(&p, 1, 1);
	hear_nothing(&q);
	assert_int_equal(ag->pending, 0);
	ask(&p, 1, 1, "again"); /* the key may be used again */
	permit(5);
	hear_ack(&p, 1, 1);
	leave(&p);
	leave(&q);
	assert_int_equal(gate.gone, 0);
}

static void
connections_may_use_equal_stream_keys(void **state)
{
	static struct peer p[300];

	(void)state;
	for (size_t i = 0; i < COUNT(p); i++)
		p[i] = greeted(SOCK_STREAM, 16380);
	for (size_t i = 0; i < COUNT(p); i++)
		ask(&p[i], 1, 1, i % 2 ? "odd" : "even");
	assert_int_equal(ag->pending, COUNT(p));
	assert_int_equal(agent_conns(ag), COUNT(p));
	for (size_t i = COUNT(p); i-- > 0;) {
		assert_true(span_is(gate.bodies[i], i % 2 ? "odd" : "even"));
		permit(i);
		hear_ack(&p[i], 1, 1);
	}
	for (size_t i = 0; i < COUNT(p); i++) {
		hear_nothing(&p[i]);
		leave(&p[i]);
	}
	assert_int_equal(counters.v[M_SPOP_ERRORS], 0);
}

static void
frame_is_kept_until_its_ack(void **state)
{
	struct peer p = greeted(SOCK_STREAM, 65532);
	char body[3000];

	(void)state;
	for (int round = 0; round < 3; round++) {
		for (size_t i = 0; i < 20; i++) {
			struct buf b;
			memset(body, 'a' + (int)i, sizeof(body));
			buf_init(&b, 0);
			peer_put_notify(&b, i + 1, 1, span_of(body, 150 * i));
			say(&p, &b);
		}
		for (size_t k = 0; k < 20; k++) {
			size_t i = k * 7 % 20, at = gate.n - 20 + i;
			memset(body, 'a' + (int)i, sizeof(body));
			assert_true(span_eq(
				spop_arg(gate.asked[at], "body")->s, span_of(body, 150 * i)));
			permit(at);
			hear_ack(&p, i + 1, 1);
		}
	}
	leave(&p);
}

static void
frame_may_arrive_in_pieces(void **state)
{
	struct buf b;

	(void)state;
	gate.at_once = true;
	buf_init(&b, 0);
	peer_put_hello(&b, 16380, false);
	peer_put_notify(&b, 300, 1, SPAN_LIT("first"));
	peer_put_notify(&b, 301, 1, SPAN_LIT("second"));
	for (size_t cut = 0; cut <= b.n; cut++) {
		struct peer p = peer_over(SOCK_STREAM);
		say_bytes(&p, span_cut(buf_view(&b), 0, cut));
		say_bytes(&p, span_cut(buf_view(&b), cut, b.n));
		assert_int_equal(hear(&p).type, SPOP_AGENT_HELLO);
		hear_ack(&p, 300, 1);
		hear_ack(&p, 301, 1);
		hear_nothing(&p);
		assert_true(gate.n >= 2);
		gate.n = 0;
		leave(&p);
	}
	struct peer p = peer_over(SOCK_STREAM);
	for (size_t i = 0; i < b.n; i++)
		say_bytes(&p, span_cut(buf_view(&b), i, i + 1));
	assert_int_equal(hear(&p).type, SPOP_AGENT_HELLO);
	hear_ack(&p, 300, 1);
	hear_ack(&p, 301, 1);
	leave(&p);
	buf_free(&b);
}

static void
many_frames_in_one_read_are_handled(void **state)
{
	struct peer p = greeted(SOCK_STREAM, 16380);
	struct buf b;

	(void)state;
	gate.at_once = true;
	buf_init(&b, 0);
	for (uint64_t i = 1; i <= 2000; i++)
		peer_put_notify(&b, i, 1, SPAN_LIT("x"));
	say(&p, &b);
	for (uint64_t i = 1; i <= 2000; i++)
		hear_ack(&p, i, 1);
	hear_nothing(&p);
	assert_int_equal(counters.v[M_SPOP_ACK], 2000);
	leave(&p);
}

static void
frame_of_a_megabyte_arrives_whole(void **state)
{
	struct peer p = greeted(SOCK_STREAM, CAP_FRAME_BYTES);
	static char body[CAP_FRAME_BYTES - 64];
	struct buf b;

	(void)state;
	for (size_t i = 0; i < sizeof(body); i++)
		body[i] = (char)(i * 2654435761u >> 13);
	buf_init(&b, 0);
	peer_put_notify(&b, 1, 1, SPAN_LIT("before"));
	peer_put_notify(&b, 2, 1, span_of(body, sizeof(body)));
	peer_put_notify(&b, 3, 1, SPAN_LIT("after"));
	say(&p, &b);
	assert_int_equal(gate.n, 3);
	assert_true(span_eq(gate.bodies[1], span_of(body, sizeof(body))));
	assert_true(span_is(gate.bodies[2], "after"));
	for (size_t i = 3; i-- > 0;) {
		permit(i);
		hear_ack(&p, i + 1, 1);
	}
	leave(&p);
	assert_int_equal(ag->held_bytes, 0);
}

static void
notify_may_hold_many_messages_or_none(void **state)
{
	struct peer p = greeted(SOCK_STREAM, 65532);
	struct buf b;

	(void)state;
	buf_init(&b, 0);
	size_t at = spop_begin(&b, SPOP_NOTIFY, SPOP_FIN, 1, 1);
	for (size_t i = 0; i < CAP_SPOP_MESSAGES; i++) {
		buf_put(&b, "\x01m\x10", 3);
		for (int k = 0; k < CAP_SPOP_ARGS / CAP_SPOP_MESSAGES; k++)
			peer_kv(&b, k ? "arg" : "body", peer_str("v"));
	}
	spop_end(&b, at);
	say(&p, &b);
	assert_int_equal(gate.messages, CAP_SPOP_MESSAGES);
	assert_true(span_is(gate.bodies[0], "v"));
	permit(0);
	hear_ack(&p, 1, 1);
	spop_end(&b, spop_begin(&b, SPOP_NOTIFY, SPOP_FIN, 2, 1));
	say(&p, &b);
	hear_ack(&p, 2, 1); /* no call was made */
	assert_int_equal(gate.n, 1);
	leave(&p);
}

static void
acks_of_one_turn_are_sent_in_one_write(void **state)
{
	/* On this socket type, a read returns exactly one write. */
	struct peer p = greeted(SOCK_SEQPACKET, 65532);
	static char body[30000], got[70000];
	struct spop_action a[] = { { SPOP_SCOPE_TXN, "decision", peer_str("redact") },
		{ SPOP_SCOPE_TXN, "body",
			{ .type = SPOP_STRING, .s = { body, sizeof(body) } } } };

	(void)state;
	ask(&p, 1, 1, "a");
	ask(&p, 2, 1, "b");
	for (size_t i = 0; i < 2; i++) {
		struct agent_call *call = parked(i);
		gate.calls[i] = NULL;
		assert_int_equal(agent_ack(call, a, 2), 0);
	}
	assert_int_equal(recv(p.fd, got, sizeof(got), MSG_DONTWAIT), -1);
	turn();
	assert_int_equal(recv(p.fd, got, sizeof(got), MSG_DONTWAIT),
		2 * (4 + spop_ack_head_bytes(1, 1) + spop_actions_bytes(a, 2)));
	assert_int_equal(recv(p.fd, got, sizeof(got), MSG_DONTWAIT), -1);
	leave(&p);
}

static void
ack_over_the_frame_size_is_not_sent(void **state)
{
	struct peer p = greeted(SOCK_STREAM, 1000);
	static char text[1001];
	struct spop_action a = { SPOP_SCOPE_TXN, "v",
		{ .type = SPOP_STRING, .s = { text, 0 } } };

	(void)state;
	ask(&p, 70000, 300, "x");
	struct agent_call *call = parked(0);
	gate.calls[0] = NULL;
	assert_int_equal(agent_ack_room(call), 1000 - 5 - 3 - 2);
	while (spop_actions_bytes(&a, 1) <= agent_ack_room(call))
		a.value.s.n++;
	assert_int_equal(agent_ack(call, &a, 1), ERR_LIMIT);
	hear_nothing(&p);
	assert_int_equal(ag->pending, 1);
	a.value.s.n--;
	assert_int_equal(agent_ack(call, &a, 1), 0);
	turn();
	peer_read(&p);
	assert_int_equal(p.in.n, 4 + 1000);
	hear_ack(&p, 70000, 300);
	leave(&p);
}

static void
calls_of_a_closed_connection_are_canceled(void **state)
{
	struct peer p = greeted(SOCK_STREAM, 16380), q = greeted(SOCK_STREAM, 16380);
	struct buf b;

	(void)state;
	ask(&p, 1, 1, "a");
	ask(&p, 2, 1, "b");
	ask(&q, 1, 1, "c");
	leave(&p);
	assert_int_equal(gate.gone, 2);
	assert_int_equal(counters.v[M_SPOP_DROPPED], 2);
	assert_int_equal(ag->pending, 1);
	permit(2);
	hear_ack(&q, 1, 1);
	ask(&q, 2, 1, "d");
	buf_init(&b, 0);
	peer_put_disconnect(&b, 0);
	say(&q, &b);
	hear_disconnect(&q, 0);
	assert_int_equal(gate.gone, 3);
	assert_int_equal(counters.v[M_SPOP_ERRORS], 0);
	leave(&q);
}

static void
answer_to_a_just_closed_connection_is_harmless(void **state)
{
	struct peer p = greeted(SOCK_STREAM, 16380);
	struct spop_action a = { SPOP_SCOPE_TXN, "decision", peer_str("permit") };

	(void)state;
	ask(&p, 1, 1, "a");
	ask(&p, 2, 1, "b");
	ask(&p, 3, 1, "c");
	close(p.fd); /* the agent has not noticed yet */
	for (size_t i = 0; i < 2; i++) {
		struct agent_call *call = parked(i);
		gate.calls[i] = NULL;
		assert_int_equal(agent_ack(call, &a, 1), 0);
		assert_int_equal(gate.gone, 0);
	}
	turn();
	assert_int_equal(gate.gone, 1);
	assert_int_equal(agent_conns(ag), 0);
	buf_free(&p.in);
}

static void
aborted_frame_is_canceled(void **state)
{
	struct peer p = greeted(SOCK_STREAM, 16380);
	struct buf b;

	(void)state;
	ask(&p, 1, 1, "a");
	ask(&p, 2, 1, "b");
	buf_init(&b, 0);
	spop_end(&b, spop_begin(&b, SPOP_NOTIFY, SPOP_FIN | SPOP_ABORT, 1, 1));
	spop_end(&b, spop_begin(&b, SPOP_NOTIFY, SPOP_FIN | SPOP_ABORT, 9, 1));
	say(&p, &b);
	assert_int_equal(gate.gone, 1);
	assert_int_equal(gate.n, 2);
	permit(1);
	hear_ack(&p, 2, 1);
	hear_nothing(&p);
	leave(&p);
}

/* Frames that end a connection. */
static void
put_raw(struct buf *b, uint32_t len, struct span rest)
{
	const char prefix[4] = { (char)(len >> 24), (char)(len >> 16), (char)(len >> 8),
		(char)len };

	buf_put(b, prefix, 4);
	buf_span(b, rest);
}

static const struct {
	const char *name;
	bool greeted;
	uint32_t len; /* 0: the number of bytes */
	struct span bytes;
	bool then_end; /* closes its sending side afterwards */
	enum spop_status want;
} wrongs[] = {
	{ "a NOTIFY before HELLO", false, 0, SPAN_LIT("\x03\0\0\0\1\1\1"), false,
		SPOP_E_INVALID },
	{ "an ACK before HELLO", false, 0, SPAN_LIT("\x67\0\0\0\1\1\1"), false,
		SPOP_E_INVALID },
	{ "a HELLO of nothing", false, 0, SPAN_LIT("\x01\0\0\0\1\0\0"), false,
		SPOP_E_NO_VERSION },
	{ "a HELLO on a stream", false, 0, SPAN_LIT("\x01\0\0\0\1\1\0"), false,
		SPOP_E_INVALID },
	{ "a HELLO without FIN", false, 0, SPAN_LIT("\x01\0\0\0\0\0\0"), false,
		SPOP_E_FRAGMENT },
	{ "a frame before HELLO that is no HELLO's size", false, CAP_SPOP_HELLO_BYTES + 1,
		SPAN_LIT(""), false, SPOP_E_TOO_BIG },
	{ "HTTP", false, 0x47455420, SPAN_LIT("/ HTTP/1.1\r\n\r\n"), false, SPOP_E_TOO_BIG },
	{ "a second HELLO", true, 0,
		SPAN_LIT("\x01\0\0\0\1\0\0\x12supported-versions\x08\x03"
			 "2.0\x0emax-frame-size\x03\xf0\x01\x0c"
			 "capabilities\x08\x00"),
		false, SPOP_E_INVALID },
	{ "a frame of one byte too many", true, 1001, SPAN_LIT(""), false, SPOP_E_TOO_BIG },
	{ "a frame of 4 GiB", true, UINT32_MAX, SPAN_LIT(""), false, SPOP_E_TOO_BIG },
	{ "a frame of no bytes", true, 0, SPAN_LIT(""), false, SPOP_E_INVALID },
	{ "a frame that is no header", true, 6, SPAN_LIT("\x03\0\0\0\1\1"), false,
		SPOP_E_INVALID },
	{ "a first fragment", true, 0, SPAN_LIT("\x03\0\0\0\0\1\1"), false, SPOP_E_FRAGMENT },
	{ "a further fragment", true, 0, SPAN_LIT("\x00\0\0\0\0\1\1"), false, SPOP_E_FRAGMENT },
	{ "a last fragment", true, 0, SPAN_LIT("\x00\0\0\0\1\1\1"), false, SPOP_E_FRAGMENT },
	{ "an unknown type", true, 0, SPAN_LIT("\x2a\0\0\0\1\1\1"), false, SPOP_E_INVALID },
	{ "an agent's type", true, 0, SPAN_LIT("\x67\0\0\0\1\1\1"), false, SPOP_E_INVALID },
	{ "frame-id 0", true, 0, SPAN_LIT("\x03\0\0\0\1\1\0"), false, SPOP_E_INVALID },
	{ "a stream-id that is cut", true, 0, SPAN_LIT("\x03\0\0\0\1\xff\xff"), false,
		SPOP_E_INVALID },
	{ "an overlong frame-id", true, 0,
		SPAN_LIT("\x03\0\0\0\1\1\xf0\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x00"),
		false, SPOP_E_INVALID },
	{ "a message that is cut", true, 0,
		SPAN_LIT("\x03\0\0\0\1\1\1\x03"
			 "ab"),
		false, SPOP_E_INVALID },
	{ "fewer arguments than announced", true, 0,
		SPAN_LIT("\x03\0\0\0\1\1\1\x01m\x02\x01"
			 "a\x00"),
		false, SPOP_E_INVALID },
	{ "typed data of no type", true, 0,
		SPAN_LIT("\x03\0\0\0\1\1\1\x01m\x01\x01"
			 "a\x0d"),
		false, SPOP_E_INVALID },
	{ "a key that is in flight", true, 0, SPAN_LIT("\x03\0\0\0\1\x07\1\x01m\x00"), false,
		SPOP_E_INTERLACED },
	{ "a DISCONNECT of nothing", true, 0, SPAN_LIT("\x02\0\0\0\1\0\0"), false,
		SPOP_E_INVALID },
	{ "a frame that the end cuts", true, 100, SPAN_LIT("\x03\0\0\0\1\1\1"), true,
		SPOP_E_INVALID },
	{ "a length that the end cuts", true, 0, SPAN_LIT(""), true, SPOP_E_INVALID },
};

static void
wrong_frame_ends_only_its_connection_with_its_code(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(wrongs); i++) {
		struct peer good = greeted(SOCK_STREAM, 1000), p;
		struct buf b;
		size_t gone = gate.gone;

		print_message("%s\n", wrongs[i].name);
		gate.n = 0;
		ask(&good, 7, 1, "good");
		p = wrongs[i].greeted ? greeted(SOCK_STREAM, 1000) : peer_over(SOCK_STREAM);
		if (wrongs[i].greeted)
			ask(&p, 7, 1, "dropped");
		buf_init(&b, 0);
		put_raw(&b, wrongs[i].len ? wrongs[i].len : (uint32_t)wrongs[i].bytes.n,
			wrongs[i].bytes);
		if (wrongs[i].then_end && !wrongs[i].len)
			b.n = 3;
		if (!wrongs[i].then_end)
			peer_put_notify(&b, 99, 1, SPAN_LIT("not read any more"));
		say(&p, &b);
		if (wrongs[i].then_end)
			shutdown(p.fd, SHUT_WR);
		hear_disconnect(&p, wrongs[i].want);
		assert_int_equal(gate.gone - gone, wrongs[i].greeted);
		assert_int_equal(gate.n, wrongs[i].greeted ? 2 : 1);
		permit(0);
		hear_ack(&good, 7, 1);
		leave(&p);
		leave(&good);
	}
	assert_int_equal(counters.v[M_SPOP_ERRORS], COUNT(wrongs));
	assert_int_equal(agent_conns(ag), 0);
}

static void
hello_larger_than_its_announced_size_is_refused(void **state)
{
	struct peer p = peer_over(SOCK_STREAM);
	static char id[300];
	struct buf b;

	(void)state;
	memset(id, 'e', sizeof(id));
	buf_init(&b, 0);
	size_t at = spop_begin(&b, SPOP_HAPROXY_HELLO, SPOP_FIN, 0, 0);
	peer_kv(&b, "supported-versions", peer_str("2.0"));
	peer_kv(&b, "max-frame-size", (struct spop_value){ .type = SPOP_UINT32, .u = 256 });
	peer_kv(&b, "capabilities", peer_str(""));
	peer_kv(&b, "engine-id",
		(struct spop_value){ .type = SPOP_STRING, .s = span_of(id, sizeof(id)) });
	spop_end(&b, at);
	say(&p, &b);
	hear_disconnect(&p, SPOP_E_TOO_BIG);
	leave(&p);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(hello_negotiates_the_smaller_frame_size),
		T(health_check_gets_hello_and_is_closed),
		T(acks_are_sent_in_any_order),
		T(connections_may_use_equal_stream_keys),
		T(frame_is_kept_until_its_ack),
		T(frame_may_arrive_in_pieces),
		T(many_frames_in_one_read_are_handled),
		T(frame_of_a_megabyte_arrives_whole),
		T(notify_may_hold_many_messages_or_none),
		T(acks_of_one_turn_are_sent_in_one_write),
		T(ack_over_the_frame_size_is_not_sent),
		T(calls_of_a_closed_connection_are_canceled),
		T(answer_to_a_just_closed_connection_is_harmless),
		T(aborted_frame_is_canceled),
		T(wrong_frame_ends_only_its_connection_with_its_code),
		T(hello_larger_than_its_announced_size_is_refused),
	};

	return cmocka_run_group_tests_name("agent", tests, NULL, NULL);
}
