/* SPOP: the input as bytes from HAProxy, first to the codec, and then, cut into pieces whose
 * sizes the input selects, to an agent that answers every second NOTIFY at once. */
#include <stdint.h>
#include <sys/socket.h>

#include "base/caps.h"
#include "base/err.h"
#include "base/log.h"
#include "net/agent_int.h"
#include "support/spop_peer.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct agent_call *parked[CAP_SPOP_CALLS + 1];
static size_t nparked, nseen;
static volatile unsigned sink;

static void
touch(struct span s)
{
	for (size_t i = 0; i < s.n; i++)
		sink += (unsigned char)s.p[i];
}

static void
on_notify(void *ctx, struct agent_call *call, const struct spop_message *m, size_t n)
{
	struct spop_action a[] = { { SPOP_SCOPE_TXN, "decision", peer_str("permit") },
		{ SPOP_SCOPE_TXN, "echo", { .type = SPOP_NULL } } };

	(void)ctx;
	for (size_t i = 0; i < n; i++) {
		touch(m[i].name);
		for (size_t k = 0; k < m[i].nargs; k++) {
			touch(m[i].args[k].name);
			touch(m[i].args[k].value.s);
			a[1].value = m[i].args[k].value;
		}
	}
	if (nseen++ % 2 || nparked > CAP_SPOP_CALLS) {
		parked[nparked++ % (CAP_SPOP_CALLS + 1)] = call;
		return;
	}
	if (agent_ack(call, a, 2) == ERR_LIMIT)
		agent_ack(call, a, 0);
}

static void
on_gone(void *ctx, struct agent_call *call)
{
	(void)ctx;
	for (size_t i = 0; i < nparked; i++)
		if (parked[i] == call)
			parked[i] = NULL;
}

static void
codec(struct span in)
{
	static struct spop_message messages[8];
	static struct spop_arg args[32];
	struct spop_frame f;
	struct spop_hello h;
	struct spop_disconnect d;
	size_t nm = 8, na = 32;

	if (spop_frame_read(in, &f))
		return;
	if (spop_hello_read(f.payload, &h) == SPOP_OK)
		touch(h.engine_id);
	if (spop_disconnect_read(f.payload, &d) == SPOP_OK)
		touch(d.message);
	if (spop_messages_read(f.payload, messages, &nm, args, &na) != SPOP_OK)
		return;
	/* A value that was read is written in the same length or shorter, and reads the
	 * same. */
	for (size_t i = 0; i < na; i++) {
		struct buf b;
		buf_init(&b, 0);
		spop_put_value(&b, &args[i].value);
		struct spop_rd r = spop_rd_over(buf_view(&b));
		struct spop_value v = spop_rd_value(&r);
		INVARIANT(!r.err && r.p == r.end && v.type == args[i].value.type &&
			  v.i == args[i].value.i && v.u == args[i].value.u &&
			  span_eq(v.s, args[i].value.s));
		buf_free(&b);
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct agent_ops ops = { on_notify, on_gone, NULL };
	static struct metrics m;
	static struct ev_loop *loop;
	struct span in = span_of(data, size);
	struct buf hello;
	int fds[2];

	log_setup(LOG_LOGFMT, LOG_ERROR);
	codec(in);
	if (!loop)
		loop = ev_loop_new(EVFLAG_AUTO);
	struct agent *ag = loop ? agent_new(loop, &ops, &m) : NULL;
	if (size == 0 || !ag || socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds)) {
		agent_free(&ag);
		return 0;
	}
	nparked = nseen = 0;
	agent_conn_new(ag, fds[1]);
	struct peer p = { .fd = fds[0] };
	buf_init(&p.in, 1u << 24);
	buf_init(&hello, 0);
	size_t step = data[0] % 64u + 1;
	if (data[0] & 64)
		step = size;
	if (data[0] & 128) {
		peer_put_hello(&hello, 1000, false);
		(void)!write(p.fd, buf_view(&hello).p, hello.n);
	}
	in = span_cut(in, 1, in.n);
	for (unsigned tries = 0; in.n && tries < 100000 && !p.eof; tries++) {
		ssize_t r = send(p.fd, in.p, in.n < step ? in.n : step, MSG_NOSIGNAL);
		if (r > 0)
			in = span_cut(in, (size_t)r, in.n);
		ev_run(loop, EVRUN_NOWAIT);
		peer_read(&p);
	}
	for (size_t i = 0; i < nparked; i++)
		if (parked[i])
			agent_ack(parked[i], NULL, 0);
	ev_run(loop, EVRUN_NOWAIT);
	/* Whatever the input is, the output consists of whole frames. */
	struct spop_frame f;
	size_t n;
	peer_read(&p);
	while (peer_frame(&p, &f, &n))
		buf_consume(&p.in, n);
	INVARIANT(p.in.n == 0 || buf_failed(&p.in));
	agent_free(&ag);
	close(p.fd);
	buf_free(&p.in);
	buf_free(&hello);
	return 0;
}
