/* The agent under load and at its end: limits, timeouts, memory, listeners and draining. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/resource.h>
#include <sys/un.h>

#include "base/caps.h"
#include "base/err.h"
#include "support/agent_rig.h"

static void
agent_stops_reading_at_the_limit_of_calls(void **state)
{
	struct peer p = greeted(SOCK_STREAM, 16380);
	const size_t more = 500;
	struct buf b;

	(void)state;
	buf_init(&b, 0);
	for (uint64_t i = 1; i <= CAP_SPOP_CALLS + more; i++)
		peer_put_notify(&b, i, 1, SPAN_LIT("x"));
	say(&p, &b);
	assert_int_equal(gate.n, CAP_SPOP_CALLS);
	for (size_t i = 0; i < CAP_SPOP_CALLS + more; i++) {
		permit(i);
		turn();
		assert_true(ag->pending <= CAP_SPOP_CALLS);
	}
	for (uint64_t i = 1; i <= CAP_SPOP_CALLS + more; i++)
		hear_ack(&p, i, 1);
	hear_nothing(&p);
	leave(&p);
}

static void
agent_stops_reading_while_acks_are_unsent(void **state)
{
	struct peer p = greeted(SOCK_STREAM, 65532);
	static char text[60000];
	struct spop_action a = { SPOP_SCOPE_TXN, "body",
		{ .type = SPOP_STRING, .s = { text, sizeof(text) } } };
	uint64_t asked = 0, acked = 0;

	(void)state;
	/* HAProxy does not read: nothing is lost, and the agent stops reading. */
	while (asked < 100 && gate.n == asked) {
		ask(&p, ++asked, 1, "x");
		if (gate.n < asked)
			break;
		struct agent_call *call = parked(gate.n - 1);
		gate.calls[gate.n - 1] = NULL;
		assert_int_equal(agent_ack(call, &a, 1), 0);
	}
	assert_true(asked > 10 && asked < 100);
	assert_true(LIST_FIRST(&ag->conns)->out.n >= CAP_SPOP_UNSENT);
	assert_true(LIST_FIRST(&ag->conns)->out.n < CAP_SPOP_UNSENT + 65536);
	for (int i = 0; i < 1000 && acked < asked; i++) {
		struct spop_frame f;
		size_t n;
		turn();
		peer_read(&p);
		while (peer_frame(&p, &f, &n)) {
			assert_int_equal(f.type, SPOP_ACK);
			assert_int_equal(f.stream, ++acked);
			buf_consume(&p.in, n);
		}
		if (gate.n == asked && gate.calls[asked - 1])
			permit(asked - 1);
	}
	assert_int_equal(acked, asked);
	assert_int_equal(LIST_FIRST(&ag->conns)->out.n, 0);
	leave(&p);
}

static void
agent_stops_reading_at_the_limit_of_frame_memory(void **state)
{
	struct peer p = greeted(SOCK_STREAM, 16380), q = greeted(SOCK_STREAM, 16380);

	(void)state;
	ask(&p, 1, 1, "a");
	ag->held_bytes += CAP_SPOP_HELD; /* as if other calls held that much */
	ask(&p, 2, 1, "b");
	ask(&q, 1, 1, "c");
	assert_int_equal(gate.n, 1);
	ag->held_bytes -= CAP_SPOP_HELD;
	permit(0);
	turn();
	assert_int_equal(gate.n, 3);
	permit(1);
	permit(2);
	hear_ack(&p, 1, 1);
	hear_ack(&p, 2, 1);
	hear_ack(&q, 1, 1);
	leave(&p);
	leave(&q);
}

static void
connection_over_the_limit_is_closed(void **state)
{
	size_t real = ag->nconns;
	char byte;
	int fds[2];

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), 0);
	ag->nconns = CAP_SPOP_CONNS;
	assert_int_equal(agent_conn_new(ag, fds[1]), ERR_FULL);
	ag->nconns = real;
	assert_int_equal(recv(fds[0], &byte, 1, 0), 0);
	close(fds[0]);
}

static void
released_frames_are_zeroed_and_reused(void **state)
{
	struct peer p = greeted(SOCK_STREAM, 16380);

	(void)state;
	ask(&p, 1, 1, "something private");
	struct agent_call *first = parked(0);
	struct span body = gate.bodies[0];
	permit(0);
	size_t left = 0; /* the memory is in the agent's cache, not freed */
	assert_ptr_equal(ag->cache[0], first);
	for (size_t i = 0; i < body.n; i++)
		left += body.p[i] != 0;
	assert_int_equal(left, 0);
	ask(&p, 2, 1, "next");
	assert_ptr_equal(parked(1), first);
	permit(1);
	leave(&p);
	assert_int_equal(ag->held_bytes, 0);
}

static void
grow_older(double s)
{
	struct agent_conn *c;

	LIST_FOREACH (c, &ag->conns, all) {
		c->opened_at -= s;
		c->read_at -= s;
		c->sent_at -= s;
		c->shut_at -= s;
	}
}

static void
slow_connections_time_out(void **state)
{
	struct peer silent = peer_over(SOCK_STREAM), stuck = greeted(SOCK_STREAM, 16380),
		    idle = greeted(SOCK_STREAM, 16380);

	(void)state;
	ag->sweep.repeat = 0.005;
	ev_timer_again(loop, &ag->sweep);
	say_bytes(&stuck, SPAN_LIT("\0\0\0\x20half"));
	grow_older(-3600);
	turn_for(0.05);
	hear_nothing(&silent);
	hear_nothing(&stuck);
	grow_older(3660);
	TURN_UNTIL(ended(&silent) && ended(&stuck));
	ev_timer_stop(loop, &ag->sweep);
	hear_disconnect(&silent, SPOP_E_TIMEOUT);
	hear_disconnect(&stuck, SPOP_E_TIMEOUT);
	hear_nothing(&idle); /* HAProxy has its own timeout for these */
	/* a connection that stays open after DISCONNECT is closed */
	assert_int_equal(ag->nconns, 3);
	grow_older(60);
	ev_timer_again(loop, &ag->sweep);
	TURN_UNTIL(ag->nconns == 1);
	leave(&silent);
	leave(&stuck);
	leave(&idle);
}

static void
draining_answers_all_received_frames(void **state)
{
	struct peer idle = greeted(SOCK_STREAM, 16380), busy = greeted(SOCK_STREAM, 16380),
		    late = greeted(SOCK_STREAM, 16380), half = greeted(SOCK_STREAM, 16380);
	struct buf b;

	(void)state;
	ask(&busy, 1, 1, "in flight");
	buf_init(&b, 0);
	peer_put_notify(&b, 1, 1, SPAN_LIT("waiting in it"));
	assert_int_equal(send(late.fd, buf_view(&b).p, b.n, 0), b.n);
	assert_int_equal(send(half.fd, buf_view(&b).p, 10, 0), 10);
	/* a connection with bytes that were not read is not idle; the oldest connection is the
	 * last in the list */
	struct agent_conn *c;
	int age = 0;
	LIST_FOREACH (c, &ag->conns, all)
		assert_int_equal(agent_conn_idle(c), age++ == 3);
	ev_now_update(loop);
	agent_drain(ag);
	agent_drain(ag);
	ag->drain_at += 3600;
	turn_for(0.03);
	assert_int_equal(send(half.fd, buf_view(&b).p + 10, b.n - 10, 0), b.n - 10);
	TURN_UNTIL(ended(&idle) && gate.n == 3);
	hear_disconnect(&idle, 0);
	assert_int_equal(ag->pending, 3);
	assert_int_equal(agent_conns(ag), 3);
	for (size_t i = 0; i < 3; i++)
		permit(i);
	hear_ack(&busy, 1, 1);
	hear_ack(&late, 1, 1);
	hear_ack(&half, 1, 1);
	hear_disconnect(&busy, 0);
	hear_disconnect(&late, 0);
	hear_disconnect(&half, 0);
	assert_int_equal(agent_conns(ag), 0);
	assert_int_equal(gate.gone, 0);
	buf_free(&b);
	leave(&idle);
	leave(&busy);
	leave(&late);
	leave(&half);
}

/* The other process: an agent that uses a copy of each descriptor. */
static int
adopt_by_other(void *other, const struct agent_parcel *p)
{
	struct agent_parcel copy = *p;

	copy.fd = dup(p->fd);
	assert_true(copy.fd >= 0);
	return agent_adopt(other, &copy);
}

static void
connection_is_handed_over_at_every_byte_of_a_frame(void **state)
{
	static const struct agent_ops ops = { on_notify, on_gone, &gate };
	struct buf b;

	(void)state;
	buf_init(&b, 0);
	peer_put_notify(&b, 7, 3, SPAN_LIT("a body"));
	for (size_t cut = 0; cut <= b.n; cut++) {
		struct agent *other = agent_new(loop, &ops, &counters);
		struct peer p = greeted(SOCK_STREAM, 16380);
		size_t before = gate.n;
		assert_int_equal(send(p.fd, buf_view(&b).p, cut, 0), cut);
		turn();
		agent_freeze(ag);
		turn();
		/* a NOTIFY that has arrived whole is answered here, and only then the agent is
		 * idle */
		assert_int_equal(agent_is_still(ag), cut < b.n);
		if (cut == b.n)
			permit(before);
		turn();
		assert_true(agent_is_still(ag));
		assert_int_equal(agent_parcels(ag, adopt_by_other, other), 0);
		agent_forget_handed(ag);
		assert_int_equal(agent_conns(ag), 0);
		assert_int_equal(agent_conns(other), 1);
		assert_int_equal(send(p.fd, buf_view(&b).p + cut, b.n - cut, 0), b.n - cut);
		TURN_UNTIL(gate.n == before + 1);
		if (cut < b.n) { /* the bytes are kept until the ACK */
			assert_true(span_is(gate.bodies[before], "a body"));
			permit(before);
		}
		hear_ack(&p, 7, 3);
		leave(&p);
		agent_free(&other);
		agent_thaw(ag);
	}
	buf_free(&b);
}

static int
adopt_for_good(void *other, const struct agent_parcel *p)
{
	return agent_adopt(other, p);
}

/* Notes the load of a connection as if it had been measured. */
static void
weighs(struct agent_conn *c, double load)
{
	c->ag->load += load - c->load;
	c->load = load;
}

static void
connection_moves_to_another_agent_at_every_byte_of_a_frame(void **state)
{
	static const struct agent_ops ops = { on_notify, on_gone, &gate };
	struct buf b;

	(void)state;
	buf_init(&b, 0);
	peer_put_notify(&b, 7, 3, SPAN_LIT("a body"));
	for (size_t cut = 0; cut <= b.n; cut++) {
		struct agent *other = agent_new(loop, &ops, &counters);
		struct peer p = greeted(SOCK_STREAM, 16380);
		size_t before = gate.n;
		weighs(LIST_FIRST(&ag->conns), 5);
		assert_int_equal(send(p.fd, buf_view(&b).p, cut, 0), cut);
		turn();
		agent_move(ag, 10, adopt_for_good, other);
		turn();
		/* a NOTIFY that has arrived whole is answered here first */
		assert_int_equal(agent_conns(other), cut < b.n);
		if (cut == b.n) {
			permit(before);
			hear_ack(&p, 7, 3);
		}
		turn();
		assert_int_equal(agent_conns(ag), 0);
		assert_int_equal(agent_conns(other), 1);
		assert_true(agent_load(ag) == 0 && agent_load(other) == 5);
		if (cut == b.n)
			assert_int_equal(send(p.fd, buf_view(&b).p, b.n, 0), b.n);
		else
			assert_int_equal(
				send(p.fd, buf_view(&b).p + cut, b.n - cut, 0), b.n - cut);
		TURN_UNTIL(gate.n == before + 1 + (cut == b.n));
		assert_true(span_is(gate.bodies[gate.n - 1], "a body"));
		permit(gate.n - 1);
		hear_ack(&p, 7, 3);
		hear_nothing(&p);
		leave(&p);
		agent_free(&other);
	}
	buf_free(&b);
}

static void
connection_with_a_long_call_stays(void **state)
{
	struct peer p = greeted(SOCK_STREAM, 16380);

	(void)state;
	weighs(LIST_FIRST(&ag->conns), 5);
	ask(&p, 1, 1, "waits");
	agent_move(ag, 10, adopt_for_good, NULL);
	ask(&p, 2, 1, "is not read yet");
	assert_int_equal(gate.n, 1);
	TURN_UNTIL(gate.n == 2); /* after 50 ms */
	permit(0);
	permit(1);
	hear_ack(&p, 1, 1);
	hear_ack(&p, 2, 1);
	assert_int_equal(agent_conns(ag), 1);
	leave(&p);
}

static int
adopt_nothing(void *asked, const struct agent_parcel *p)
{
	*(double *)asked = p->load;
	return ERR_NOMEM;
}

static void
connection_with_half_of_the_difference_moves(void **state)
{
	static const struct {
		double difference, moves; /* 0: none fits */
	} rows[] = { { 100, 40 }, { 60, 30 }, { 20, 10 }, { 12, 10 }, { 11, 0 }, { 5000, 0 } };
	static const double loads[] = { 10, 30, 40 };
	struct peer p[COUNT(loads)];

	(void)state;
	for (size_t i = 0; i < COUNT(p); i++) {
		p[i] = greeted(SOCK_STREAM, 16380);
		weighs(LIST_FIRST(&ag->conns), loads[i]);
	}
	for (size_t i = 0; i < COUNT(rows); i++) {
		double moves = 0;
		agent_move(ag, rows[i].difference, adopt_nothing, &moves);
		turn();
		assert_true(moves == rows[i].moves);
		assert_int_equal(agent_conns(ag), COUNT(p));
	}
	agent_freeze(ag);
	double moves = 0;
	agent_move(ag, 100, adopt_nothing, &moves);
	turn();
	assert_true(moves == 0);
	agent_thaw(ag);
	gate.at_once = true;
	for (size_t i = 0; i < COUNT(p); i++) {
		ask(&p[i], 1, 1, "after all that");
		hear_ack(&p[i], 1, 1);
		leave(&p[i]);
	}
}

static void
connection_that_arrives_during_a_hand_over_is_not_read(void **state)
{
	static const struct agent_ops ops = { on_notify, on_gone, &gate };
	struct agent *other = agent_new(loop, &ops, &counters);
	struct peer p = greeted(SOCK_STREAM, 16380);

	(void)state;
	weighs(LIST_FIRST(&ag->conns), 5);
	agent_freeze(other);
	agent_move(ag, 10, adopt_for_good, other);
	turn();
	assert_int_equal(agent_conns(other), 1);
	assert_true(agent_is_still(other));
	ask(&p, 1, 1, "waits in the socket");
	assert_int_equal(gate.n, 0);
	agent_thaw(other);
	TURN_UNTIL(gate.n == 1);
	permit(0);
	hear_ack(&p, 1, 1);
	leave(&p);
	agent_free(&other);
}

static void
failed_hand_over_leaves_the_agent_unchanged(void **state)
{
	struct peer p = greeted(SOCK_STREAM, 16380);
	struct buf b;

	(void)state;
	buf_init(&b, 0);
	peer_put_notify(&b, 1, 1, SPAN_LIT("sent while frozen"));
	agent_freeze(ag);
	assert_int_equal(send(p.fd, buf_view(&b).p, b.n, 0), b.n);
	turn();
	assert_int_equal(gate.n, 0);
	assert_true(agent_is_still(ag));
	agent_thaw(ag);
	TURN_UNTIL(gate.n == 1);
	permit(0);
	hear_ack(&p, 1, 1);
	leave(&p);
	buf_free(&b);
}

static void
freeze_closes_connections_that_are_ending(void **state)
{
	struct peer p = greeted(SOCK_STREAM, 16380), lingers = greeted(SOCK_STREAM, 16380);
	struct buf b;

	(void)state;
	buf_init(&b, 0);
	buf_str(&b, "\xff\xff\xff\xff"); /* the length of a frame that is too large */
	say(&lingers, &b);
	hear_disconnect(&lingers, SPOP_E_TOO_BIG);
	agent_freeze(ag);
	assert_int_equal(ag->nconns, 1);
	assert_true(agent_is_still(ag));
	agent_thaw(ag);
	TURN_UNTIL(ended(&lingers));
	ask(&p, 1, 1, "x");
	permit(0);
	hear_ack(&p, 1, 1);
	leave(&p);
	leave(&lingers);
	buf_free(&b);
}

static void
draining_closes_a_connection_that_is_never_idle(void **state)
{
	struct peer p = greeted(SOCK_STREAM, 16380);
	uint64_t asked = 0, acked = 0;
	struct spop_frame f = { 0 };
	size_t n;

	(void)state;
	gate.at_once = true;
	agent_drain(ag);
	ag->drain_at += 3600;
	for (double end = ev_time() + 30; ev_time() < end && !p.eof; usleep(5000)) {
		struct buf b;
		buf_init(&b, 0);
		peer_put_notify(&b, ++asked, 1, SPAN_LIT("x"));
		if (send(p.fd, buf_view(&b).p, b.n, MSG_NOSIGNAL) < 0)
			asked--;
		buf_free(&b);
		ev_run(loop,
			EVRUN_NOWAIT); /* one turn only, because more bytes always arrive */
		peer_read(&p);
		while (peer_frame(&p, &f, &n) && f.type == SPOP_ACK) {
			acked++;
			buf_consume(&p.in, n);
		}
		if (acked == 50)
			ag->drain_at = ev_now(loop) - 2 * AGENT_DRAIN_S;
	}
	assert_true(p.eof);
	assert_int_equal(peer_status(&f), 0);
	assert_int_equal(acked, gate.n);
	assert_true(acked >= 50 &&
		    asked - acked <=
			    1); /* one frame may have been sent before the DISCONNECT arrived */
	leave(&p);
}

static void
health_check_fails_while_draining(void **state)
{
	struct peer keep = greeted(SOCK_STREAM, 16380), p = peer_over(SOCK_STREAM);
	struct buf b;

	(void)state;
	ask(&keep, 1, 1, "x");
	agent_drain(ag);
	buf_init(&b, 0);
	peer_put_hello(&b, 16380, true);
	say(&p, &b);
	hear_disconnect(&p, 0);
	assert_int_equal(counters.v[M_SPOP_HEALTHCHECKS], 0);
	permit(0);
	leave(&p);
	leave(&keep);
}

static void
agent_that_steps_aside_closes_between_frames(void **state)
{
	struct peer idle = greeted(SOCK_STREAM, 16380), busy = greeted(SOCK_STREAM, 16380),
		    half = greeted(SOCK_STREAM, 16380), check = peer_over(SOCK_STREAM),
		    late = peer_over(SOCK_STREAM);
	struct buf b;

	(void)state;
	ask(&busy, 1, 1, "in flight");
	buf_init(&b, 0);
	peer_put_notify(&b, 1, 1, SPAN_LIT("half of it"));
	assert_int_equal(send(half.fd, buf_view(&b).p, 10, 0), 10);
	turn();
	agent_aside(ag, true);
	TURN_UNTIL(ended(&idle));
	hear_disconnect(&idle, 0);
	assert_int_equal(agent_conns(ag), 4);
	assert_int_equal(send(half.fd, buf_view(&b).p + 10, b.n - 10, 0), b.n - 10);
	TURN_UNTIL(gate.n == 2);
	permit(0);
	permit(1);
	hear_ack(&busy, 1, 1);
	hear_ack(&half, 1, 1);
	hear_disconnect(&busy, 0);
	hear_disconnect(&half, 0);
	assert_int_equal(gate.gone, 0);
	assert_int_equal(counters.v[M_SPOP_GIVEN_BACK], 3);
	buf_clear(&b);
	peer_put_hello(&b, 16380, true);
	say(&check, &b);
	hear_disconnect(&check, 0);
	buf_clear(&b);
	peer_put_hello(&b, 16380, false);
	say(&late, &b);
	hear_disconnect(&late, 0);
	assert_int_equal(counters.v[M_SPOP_HEALTHCHECKS], 0);
	agent_aside(ag, false);
	struct peer again = greeted(SOCK_STREAM, 16380);
	ask(&again, 1, 1, "as before");
	permit(2);
	hear_ack(&again, 1, 1);
	hear_nothing(&again);
	leave(&idle);
	leave(&busy);
	leave(&half);
	leave(&check);
	leave(&late);
	leave(&again);
	buf_free(&b);
}

static void
connections_are_given_back_with_an_ack(void **state)
{
	struct peer p[3];

	(void)state;
	for (size_t i = 0; i < 3; i++)
		p[i] = greeted(SOCK_STREAM, 16380);
	struct peer unused = greeted(SOCK_STREAM, 16380);
	LIST_FIRST(&ag->conns)->read_at -= 60;
	agent_give_back(ag);
	turn_for(0.02);
	for (size_t i = 0; i < 3; i++)
		hear_nothing(&p[i]); /* none is closed without a question */
	for (size_t i = 0; i < 3; i++) {
		ask(&p[i], 1, 1, "x");
		permit(i);
		hear_ack(&p[i], 1, 1);
	}
	hear_disconnect(&p[0], 0);
	hear_nothing(&p[1]);
	hear_disconnect(&p[2], 0);
	hear_nothing(&unused);
	assert_int_equal(counters.v[M_SPOP_GIVEN_BACK], 2);
	for (size_t i = 0; i < 3; i++)
		leave(&p[i]);
	leave(&unused);
}

static void
freeing_the_agent_cancels_its_calls(void **state)
{
	struct peer p = greeted(SOCK_STREAM, 16380);

	(void)state;
	for (uint64_t i = 1; i <= 300; i++)
		ask(&p, i, 1, "x");
	agent_free(&ag);
	assert_int_equal(gate.gone, 300);
	assert_int_equal(gate.n, 300);
	close(p.fd);
	buf_free(&p.in);
}

static int
listener(int family, struct sockaddr_storage *at, socklen_t *len)
{
	int fd = socket(family, SOCK_STREAM | SOCK_NONBLOCK, 0);

	memset(at, 0, sizeof(*at));
	at->ss_family = (sa_family_t)family;
	if (family == AF_INET)
		((struct sockaddr_in *)(void *)at)->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	/* a Unix socket that is bound with only its family gets an abstract name */
	assert_int_equal(
		bind(fd, (struct sockaddr *)at,
			family == AF_INET ? sizeof(struct sockaddr_in) : sizeof(sa_family_t)),
		0);
	assert_int_equal(listen(fd, 64), 0);
	*len = sizeof(*at);
	assert_int_equal(getsockname(fd, (struct sockaddr *)at, len), 0);
	return fd;
}

static void
unix_and_tcp_listeners_accept_connections(void **state)
{
	static const int families[] = { AF_UNIX, AF_INET };

	(void)state;
	gate.at_once = true;
	for (size_t i = 0; i < COUNT(families); i++) {
		struct sockaddr_storage at;
		socklen_t len;
		struct peer p[10];
		int fd = listener(families[i], &at, &len);
		assert_int_equal(agent_listen(ag, fd), 0);
		for (size_t k = 0; k < COUNT(p); k++) {
			struct buf b;
			p[k] = (struct peer){ .fd = socket(families[i], SOCK_STREAM, 0) };
			buf_init(&p[k].in, 0);
			assert_int_equal(connect(p[k].fd, (struct sockaddr *)&at, len), 0);
			buf_init(&b, 0);
			peer_put_hello(&b, 16380, false);
			peer_put_notify(&b, 1, 1, SPAN_LIT("x"));
			say(&p[k], &b);
		}
		for (size_t k = 0; k < COUNT(p); k++) {
			int nodelay = 0;
			socklen_t n = sizeof(nodelay);
			assert_int_equal(hear(&p[k]).type, SPOP_AGENT_HELLO);
			hear_ack(&p[k], 1, 1);
			if (families[i] == AF_INET) {
				getsockopt(LIST_FIRST(&ag->conns)->fd, IPPROTO_TCP, TCP_NODELAY,
					&nodelay, &n);
				assert_true(nodelay);
			}
		}
		for (size_t k = 0; k < COUNT(p); k++)
			leave(&p[k]);
		TURN_UNTIL(agent_conns(ag) == 0);
		ev_io_stop(loop, &ag->acceptor.listener[i]);
		close(fd);
	}
}

/* A second worker with its own loop and the same listener. */
static void
agents_share_the_connections_of_a_listener(void **state)
{
	static const struct agent_ops ops = { on_notify, on_gone, &gate };
	struct ev_loop *other_loop = ev_loop_new(EVFLAG_AUTO);
	struct agent *other = agent_new(other_loop, &ops, &counters);
	struct sockaddr_storage at;
	socklen_t len;
	int fd = listener(AF_UNIX, &at, &len), peers[40];

	(void)state;
	assert_int_equal(agent_listen(ag, fd), 0);
	assert_int_equal(agent_listen(other, fd), 0);
	for (size_t i = 0; i < COUNT(peers); i++) {
		peers[i] = socket(AF_UNIX, SOCK_STREAM, 0);
		assert_int_equal(connect(peers[i], (struct sockaddr *)&at, len), 0);
		/* This worker always wakes first; the other is busy from the 21st connection
		 * on. */
		for (int k = 0; k < 1000 && agent_conns(ag) + agent_conns(other) <= i; k++) {
			ev_run(loop, EVRUN_NOWAIT);
			if (i < 20)
				ev_run(other_loop, EVRUN_NOWAIT);
			usleep(100);
		}
		assert_int_equal(agent_conns(ag) + agent_conns(other), i + 1);
		if (i == 19) {
			assert_in_range(agent_conns(ag), 9, 11);
			TURN_UNTIL(!ev_is_active(&ag->acceptor.later)); /* the pause is over */
		}
	}
	/* A draining agent does not delay the others. */
	size_t its = agent_conns(other);
	agent_drain(other);
	TURN_UNTIL(!ev_is_active(&ag->acceptor.later));
	int last = socket(AF_UNIX, SOCK_STREAM, 0);
	assert_int_equal(connect(last, (struct sockaddr *)&at, len), 0);
	ev_run(loop, EVRUN_NOWAIT);
	assert_int_equal(agent_conns(ag), COUNT(peers) + 1 - its);
	close(last);
	for (size_t i = 0; i < COUNT(peers); i++)
		close(peers[i]);
	TURN_UNTIL(agent_conns(ag) == 0);
	agent_free(&other);
	ev_loop_destroy(other_loop);
	ev_io_stop(loop, &ag->acceptor.listener[0]);
	close(fd);
}

static void
draining_serves_connections_in_the_backlog(void **state)
{
	struct sockaddr_storage at;
	socklen_t len;
	int fd = listener(AF_UNIX, &at, &len);
	struct peer p = { .fd = socket(AF_UNIX, SOCK_STREAM, 0) };
	struct buf b;

	(void)state;
	gate.at_once = true;
	buf_init(&p.in, 0);
	assert_int_equal(agent_listen(ag, fd), 0);
	assert_int_equal(connect(p.fd, (struct sockaddr *)&at, len), 0);
	agent_drain(ag);
	ag->drain_at += 3600;
	close(fd);
	buf_init(&b, 0);
	peer_put_hello(&b, 16380, false);
	peer_put_notify(&b, 1, 1, SPAN_LIT("x"));
	say(&p, &b);
	assert_int_equal(hear(&p).type, SPOP_AGENT_HELLO);
	hear_ack(&p, 1, 1);
	hear_disconnect(&p, 0);
	leave(&p);
}

static void
listener_pauses_without_descriptors_and_resumes(void **state)
{
	struct sockaddr_storage at;
	socklen_t len;
	int fd = listener(AF_UNIX, &at, &len);
	struct peer p = { .fd = socket(AF_UNIX, SOCK_STREAM, 0) };
	struct rlimit was, low;
	struct buf b;

	(void)state;
	buf_init(&p.in, 0);
	assert_int_equal(agent_listen(ag, fd), 0);
	assert_int_equal(connect(p.fd, (struct sockaddr *)&at, len), 0);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &was), 0);
	low = (struct rlimit){ (rlim_t)p.fd + 1, was.rlim_max };
	/* every number below the limit is taken: accept gets EMFILE */
	int fill[1024], nfill = 0;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &low), 0);
	while (nfill < 1024 && (fill[nfill] = dup(fd)) >= 0)
		nfill++;
	turn();
	assert_false(ev_is_active(&ag->acceptor.listener[0]));
	assert_true(ev_is_active(&ag->acceptor.later));
	assert_int_equal(agent_conns(ag), 0);
	setrlimit(RLIMIT_NOFILE, &was);
	while (nfill > 0)
		close(fill[--nfill]);
	TURN_UNTIL(agent_conns(ag) == 1);
	buf_init(&b, 0);
	peer_put_hello(&b, 16380, false);
	say(&p, &b);
	assert_int_equal(hear(&p).type, SPOP_AGENT_HELLO);
	leave(&p);
	ev_io_stop(loop, &ag->acceptor.listener[0]);
	close(fd);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(agent_stops_reading_at_the_limit_of_calls),
		T(agent_stops_reading_while_acks_are_unsent),
		T(agent_stops_reading_at_the_limit_of_frame_memory),
		T(connection_over_the_limit_is_closed),
		T(released_frames_are_zeroed_and_reused),
		T(slow_connections_time_out),
		T(draining_answers_all_received_frames),
		T(draining_closes_a_connection_that_is_never_idle),
		T(health_check_fails_while_draining),
		T(agent_that_steps_aside_closes_between_frames),
		T(connections_are_given_back_with_an_ack),
		T(connection_is_handed_over_at_every_byte_of_a_frame),
		T(connection_moves_to_another_agent_at_every_byte_of_a_frame),
		T(connection_with_a_long_call_stays),
		T(connection_with_half_of_the_difference_moves),
		T(connection_that_arrives_during_a_hand_over_is_not_read),
		T(failed_hand_over_leaves_the_agent_unchanged),
		T(freeze_closes_connections_that_are_ending),
		T(freeing_the_agent_cancels_its_calls),
		T(unix_and_tcp_listeners_accept_connections),
		T(agents_share_the_connections_of_a_listener),
		T(draining_serves_connections_in_the_backlog),
		T(listener_pauses_without_descriptors_and_resumes),
	};

	return cmocka_run_group_tests_name("agent_life", tests, NULL, NULL);
}
