/* An agent on a real loop with scripted HAProxies on socket pairs, for the unit tests of the
 * agent. The gate parks each call until the test answers it. The teardown checks that every
 * call was answered or canceled. Include after cmocka.h. */
#ifndef TESTS_SUPPORT_AGENT_RIG_H
#define TESTS_SUPPORT_AGENT_RIG_H

#include <sys/socket.h>

#include "net/agent_int.h"
#include "support/spop_peer.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))
#define CALLS	 4096

static struct ev_loop *loop;
static struct agent *ag;
static struct metrics counters;

static struct gate {
	bool at_once; /* answer inside notify() */
	struct agent_call *calls[CALLS];
	const struct spop_message *asked[CALLS];
	struct span bodies[CALLS];
	size_t n, gone, messages;
} gate;

static inline struct agent_call *
parked(size_t i)
{
	assert_true(i < gate.n);
	assert_non_null(gate.calls[i]);
	return gate.calls[i];
}

static inline void
permit(size_t i)
{
	struct spop_action a = { SPOP_SCOPE_TXN, "decision", peer_str("permit") };
	struct agent_call *call = parked(i);

	gate.calls[i] = NULL;
	assert_int_equal(agent_ack(call, &a, 1), 0);
}

static inline void
on_notify(void *ctx, struct agent_call *call, const struct spop_message *m, size_t n)
{
	const struct spop_value *body = spop_arg(&m[0], "body");

	assert_ptr_equal(ctx, &gate);
	assert_null(agent_call_data(call));
	assert_true(gate.n < CALLS);
	gate.messages += n;
	gate.asked[gate.n] = m;
	gate.bodies[gate.n] = body ? body->s : span_of(NULL, 0);
	gate.calls[gate.n] = call;
	agent_call_set(call, &gate.calls[gate.n++]);
	if (gate.at_once)
		permit(gate.n - 1);
}

static inline void
on_gone(void *ctx, struct agent_call *call)
{
	struct agent_call **at = agent_call_data(call);

	assert_ptr_equal(ctx, &gate);
	assert_ptr_equal(*at, call);
	*at = NULL;
	gate.gone++;
}

static inline int
setup(void **state)
{
	static const struct agent_ops ops = { on_notify, on_gone, &gate };

	(void)state;
	memset(&gate, 0, sizeof(gate));
	memset(&counters, 0, sizeof(counters));
	loop = ev_loop_new(EVFLAG_AUTO);
	ag = agent_new(loop, &ops, &counters);
	if (ag)
		ag->sweep.repeat = 3600; /* a test of deadlines sets this itself */
	return loop && ag ? 0 : -1;
}

static inline int
teardown(void **state)
{
	(void)state;
	agent_free(&ag);
	assert_null(ag);
	agent_free(&ag);
	for (size_t i = 0; i < gate.n; i++)
		assert_null(gate.calls[i]); /* answered or canceled */
	assert_int_equal(counters.v[M_SPOP_CONNS_OPENED], counters.v[M_SPOP_CONNS_CLOSED]);
	ev_loop_destroy(loop);
	return 0;
}

/* Turns the loop so that the agent does what it can without waiting. */
static inline void
turn(void)
{
	for (int i = 0; i < 12; i++)
		ev_run(loop, EVRUN_NOWAIT);
}

static inline void
turn_for(double seconds)
{
	for (double end = ev_time() + seconds; ev_time() < end; usleep(2000))
		ev_run(loop, EVRUN_NOWAIT);
}

/* Turns the loop until the condition holds. On a slow machine this only takes longer. */
#define TURN_UNTIL(cond)                                                                       \
	do {                                                                                   \
		double end = ev_time() + 30;                                                   \
		while (!(cond) && ev_time() < end) {                                           \
			usleep(1000);                                                          \
			ev_run(loop, EVRUN_NOWAIT);                                            \
		}                                                                              \
		assert_true(cond);                                                             \
	} while (0)

static inline bool
ended(struct peer *p)
{
	peer_read(p);
	return p->eof;
}

static struct peer
peer_over(int type)
{
	struct peer p = { .fd = -1 };
	int fds[2];

	assert_int_equal(socketpair(AF_UNIX, type | SOCK_NONBLOCK, 0, fds), 0);
	p.fd = fds[0];
	buf_init(&p.in, 0);
	assert_int_equal(agent_conn_new(ag, fds[1]), 0);
	return p;
}

/* Sends all bytes and lets the agent read whenever the socket is full. */
static inline void
say_bytes(struct peer *p, struct span s)
{
	for (int tries = 0; s.n && tries < 1000; tries++) {
		ssize_t r = send(p->fd, s.p, s.n, MSG_NOSIGNAL);
		if (r > 0)
			s = span_cut(s, (size_t)r, s.n);
		turn();
	}
	assert_int_equal(s.n, 0);
}

static inline void
say(struct peer *p, struct buf *b)
{
	assert_false(buf_failed(b));
	say_bytes(p, buf_view(b));
	buf_free(b);
}

/* Takes the next frame from the input and returns its header. */
static struct spop_frame
hear(struct peer *p)
{
	struct spop_frame f = { 0 };
	size_t n = 0;

	turn();
	TURN_UNTIL((peer_read(p), peer_frame(p, &f, &n)));
	buf_consume(&p->in, n);
	return f;
}

static inline void
hear_nothing(struct peer *p)
{
	turn();
	peer_read(p);
	assert_int_equal(p->in.n, 0);
	assert_false(p->eof);
}

static inline void
hear_ack(struct peer *p, uint64_t stream, uint64_t frame)
{
	struct spop_frame f = hear(p);

	assert_int_equal(f.type, SPOP_ACK);
	assert_int_equal(f.flags, SPOP_FIN);
	assert_int_equal(f.stream, stream);
	assert_int_equal(f.frame, frame);
}

static inline void
hear_disconnect(struct peer *p, int64_t status)
{
	struct spop_frame f = hear(p);

	assert_int_equal(peer_status(&f), status);
	TURN_UNTIL(ended(p));
	assert_int_equal(p->in.n, 0);
	assert_false(p->reset);
}

static inline void
leave(struct peer *p)
{
	close(p->fd);
	buf_free(&p->in);
	turn();
}

static struct peer
greeted(int type, uint32_t max_frame)
{
	struct peer p = peer_over(type);
	struct buf b;

	buf_init(&b, 0);
	peer_put_hello(&b, max_frame, false);
	say(&p, &b);
	assert_int_equal(hear(&p).type, SPOP_AGENT_HELLO);
	return p;
}

static inline void
ask(struct peer *p, uint64_t stream, uint64_t frame, const char *body)
{
	struct buf b;

	buf_init(&b, 0);
	peer_put_notify(&b, stream, frame, span_str(body));
	say(p, &b);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

#endif
