/* One SPOP connection: bytes in, frames, bytes out (SPOE.txt 3.2).
 *
 * One read takes whatever has arrived. Small frames pass through the agent's scratch buffer; the
 * rest of a long frame is read straight into its own memory. The ACKs of one turn leave in one
 * write, and bytes that the socket does not accept are queued in order.
 *
 * While a limit is reached (calls in flight, unsent bytes, frames in memory), the connection is
 * not read, so that the load waits in HAProxy instead of our memory. After a DISCONNECT, our
 * side is shut down and input is discarded until HAProxy closes: closing a socket before all is
 * read would reset the connection, and the DISCONNECT could be lost. */
#include "net/agent_int.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/attr.h"
#include "base/caps.h"
#include "base/err.h"
#include "base/log.h"

/* reads of one connection in one turn of the loop, at most */
#define READS_A_TURN 4

bool
conn_talks(const struct agent_conn *c)
{
	return c->state == CONN_HELLO || c->state == CONN_OPEN;
}

#define TO(state) (1u << (CONN_##state))

/* The states that may follow each state. */
static const unsigned conn_next[] = {
	[CONN_HELLO] = TO(OPEN) | TO(CLOSING) | TO(BROKEN),
	[CONN_OPEN] = TO(CLOSING) | TO(BROKEN),
	[CONN_CLOSING] = TO(LINGER) | TO(BROKEN),
	[CONN_LINGER] = TO(BROKEN),
	[CONN_BROKEN] = TO(BROKEN),
};

void
conn_enter(struct agent_conn *c, enum conn_state to)
{
	INVARIANT(conn_next[c->state] & 1u << to);
	INVARIANT(to != CONN_LINGER || (!c->out.n && !c->ncalls));
	INVARIANT(to != CONN_OPEN || !c->ncalls);
	c->state = to;
}

void
conn_break(struct agent_conn *c)
{
	conn_enter(c, CONN_BROKEN);
	ev_feed_event(c->ag->loop, &c->rd, EV_READ);
}

/* Shuts down our side after the last byte was sent (SPOE.txt 3.2.9: the agent closes). */
static void
shut(struct agent_conn *c)
{
	if (c->state != CONN_CLOSING || c->out.n)
		return;
	conn_enter(c, CONN_LINGER);
	INVARIANT(c->open);
	c->open = false;
	conns_changed(c->ag, -1);
	shutdown(c->fd, SHUT_WR);
}

/* Returns the number of bytes that the socket accepted, or ERR_CLOSED. The rest is sent when the
 * socket is writable. */
static ssize_t
send_some(struct agent_conn *c, struct span bytes)
{
	ssize_t r;

	do
		r = send(c->fd, bytes.p, bytes.n, MSG_NOSIGNAL | MSG_DONTWAIT);
	while (r < 0 && errno == EINTR);
	if (r > 0)
		c->sent_at = ev_now(c->ag->loop);
	if (r < (ssize_t)bytes.n)
		ev_io_start(c->ag->loop, &c->wr);
	if (r >= 0)
		return r;
	if (errno == EAGAIN || errno == EWOULDBLOCK)
		return 0;
	if (errno == ENOBUFS || errno == ENOMEM) {
		/* The socket still polls as writable, so the sweep tries again. */
		ev_io_stop(c->ag->loop, &c->wr);
		return 0;
	}
	return ERR_CLOSED;
}

/* Sends what is queued. Returns ERR_CLOSED if the connection is unusable. */
static int
send_out(struct agent_conn *c)
{
	ssize_t r = c->state == CONN_BROKEN || buf_failed(&c->out)
			    ? ERR_CLOSED
			    : send_some(c, buf_view(&c->out));

	if (r < 0)
		return ERR_CLOSED;
	buf_consume(&c->out, (size_t)r);
	if (c->out.n)
		return 0;
	buf_free(&c->out);
	ev_io_stop(c->ag->loop, &c->wr);
	shut(c);
	conn_resume(c);
	return 0;
}

int
conn_flush(struct agent_conn *c)
{
	if (!c->out.n || ev_is_active(&c->wr))
		return 0; /* the socket is full: its own event sends the rest */
	return send_out(c);
}

/* The frames of one turn of the loop leave in one write, so that HAProxy wakes once for them. */
struct buf *
conn_out(struct agent_conn *c)
{
	if (!c->out.n)
		c->sent_at = ev_now(c->ag->loop);
	if (!c->gathered) {
		c->gathered = true;
		LIST_INSERT_HEAD(&c->ag->gathered, c, of_turn);
	}
	return &c->out;
}

static void
leave_gathered(struct agent_conn *c)
{
	if (c->gathered)
		LIST_REMOVE(c, of_turn);
	c->gathered = false;
}

void
agent_flush(struct agent *ag)
{
	struct agent_conn *c;

	while ((c = LIST_FIRST(&ag->gathered))) {
		leave_gathered(c);
		if (conn_flush(c))
			conn_free(c);
	}
}

static void
drop_input(struct agent_conn *c)
{
	struct agent_call *in = c->in;

	c->in = NULL;
	if (in)
		call_free(c->ag, in);
	c->nlen = 0;
	buf_free(&c->stash);
}

/* Logs at most ten lines a second, because the peer determines how often this happens. */
static void
log_status(struct agent_conn *c, const char *event, uint32_t status, struct span text)
{
	struct agent *ag = c->ag;

	if (ev_now(ag->loop) - ag->log_at > 1.0) {
		ag->log_at = ev_now(ag->loop);
		ag->nlogged = 0;
	}
	if (ag->nlogged++ < 10)
		log_event(LOG_WARN, event, LI("status", status),
			LSP("message", span_cut(text, 0, 128)),
			LSP("engine", span_of(c->engine, c->nengine)));
}

void
conn_disconnect(struct agent_conn *c, enum spop_status status)
{
	struct agent *ag = c->ag;

	if (!conn_talks(c))
		return;
	if (status) {
		metric_inc(ag->m, M_SPOP_ERRORS);
		log_status(c, "spop.error", status, span_str(spop_status_str(status)));
	}
	conn_enter(c, CONN_CLOSING);
	c->shut_at = ev_now(ag->loop);
	while (!LIST_EMPTY(&c->calls))
		call_drop(LIST_FIRST(&c->calls));
	drop_input(c);
	spop_put_agent_disconnect(conn_out(c), status);
	/* The DISCONNECT is sent at once: the fewer frames cross it, the fewer are lost. */
	if (conn_flush(c))
		conn_break(c);
	c->paused = c->last = false;
	ev_io_start(ag->loop, &c->rd);
}

/* Handles HELLO (SPOE.txt 3.2.4). Returns SPOP_OK if it was acknowledged, or the status for a
 * DISCONNECT. */
static enum spop_status
hello(struct agent_conn *c, const struct agent_call *frame, struct span payload)
{
	struct agent *ag = c->ag;
	struct spop_hello h;
	enum spop_status err = spop_hello_read(payload, &h);

	if (err)
		return err;
	if (frame->n > h.max_frame)
		return SPOP_E_TOO_BIG;
	if (h.healthcheck && ag->draining) {
		/* A health check that fails now keeps new requests away. */
		conn_disconnect(c, SPOP_OK);
		return SPOP_OK;
	}
	c->max_frame = h.max_frame < CAP_FRAME_BYTES ? h.max_frame : CAP_FRAME_BYTES;
	h.engine_id = span_cut(h.engine_id, 0, sizeof(c->engine));
	c->nengine = h.engine_id.n;
	if (c->nengine)
		memcpy(c->engine, h.engine_id.p, c->nengine);
	conn_enter(c, h.healthcheck ? CONN_CLOSING : CONN_OPEN);
	c->shut_at = ev_now(ag->loop);
	if (h.healthcheck)
		metric_inc(ag->m, M_SPOP_HEALTHCHECKS);
	spop_put_agent_hello(conn_out(c), c->max_frame);
	if (buf_failed(&c->out))
		conn_break(c);
	return SPOP_OK;
}

static enum spop_status
haproxy_disconnect(struct agent_conn *c, struct span payload)
{
	struct spop_disconnect d;
	enum spop_status err = spop_disconnect_read(payload, &d);

	if (err)
		return err;
	if (d.status != SPOP_OK && d.status != SPOP_E_TIMEOUT) /* 2: the connection was idle */
		log_status(c, "spop.disconnect", d.status, d.message);
	conn_disconnect(c, SPOP_OK);
	return SPOP_OK;
}

/* Checks whether this frame is permitted in this state. Returns SPOP_OK or a status of SPOE.txt
 * 3.5. */
static enum spop_status
agent_refused(const struct agent_conn *c, const struct spop_frame *f)
{
	bool hello = f->type == SPOP_HAPROXY_HELLO;

	switch (f->type) {
	case SPOP_UNSET: return SPOP_E_FRAGMENT;
	case SPOP_HAPROXY_HELLO:
	case SPOP_NOTIFY:
		if (hello != (c->state == CONN_HELLO))
			return SPOP_E_INVALID;
		break;
	case SPOP_HAPROXY_DISCONNECT: break;
	default: return SPOP_E_INVALID;
	}
	if (!(f->flags & SPOP_FIN))
		return SPOP_E_FRAGMENT;
	/* SPOE.txt 3.2.6: stream-id and frame-id are set in a NOTIFY. But HAProxy 2.6 counts its
	 * streams from 0, so only the frame-id is checked. */
	if (f->type == SPOP_NOTIFY)
		return f->frame ? SPOP_OK : SPOP_E_INVALID;
	return f->stream || f->frame ? SPOP_E_INVALID : SPOP_OK;
}

/* Handles one whole frame. Takes over `call`. */
static void
frame_in(struct agent_conn *c, struct agent_call *call)
{
	struct spop_frame f;

	INVARIANT(call->conn == c && call->have == call->n && conn_talks(c) && !c->in);
	enum spop_status err = spop_frame_read(span_of(call->bytes, call->n), &f);

	if (!err)
		err = agent_refused(c, &f);
	if (!err && f.type == SPOP_NOTIFY && !(f.flags & SPOP_ABORT)) {
		err = call_start(call, &f);
		if (!err)
			return; /* in flight, or already acknowledged */
	} else if (!err && f.type == SPOP_NOTIFY) {
		struct agent_call *cancelled = call_find(c, f.stream, f.frame);
		if (cancelled)
			call_drop(cancelled);
	} else if (!err && f.type == SPOP_HAPROXY_HELLO) {
		err = hello(c, call, f.payload);
	} else if (!err) {
		err = haproxy_disconnect(c, f.payload);
	}
	call_free(c->ag, call);
	if (err)
		conn_disconnect(c, err);
}

/* Returns false if a limit is reached and no further frame may be read. */
static bool
may_begin_frame(struct agent_conn *c)
{
	if (c->ag->held_bytes >= CAP_SPOP_HELD) {
		c->ag->starved = true;
		return false;
	}
	return c->ncalls < CAP_SPOP_CALLS && c->out.n < CAP_SPOP_UNSENT;
}

/* Begins a frame, whose four bytes of length have arrived. */
static void
begin_frame(struct agent_conn *c)
{
	const unsigned char *l = c->len;

	INVARIANT(c->nlen == sizeof(c->len) && !c->in);
	uint32_t n = (uint32_t)l[0] << 24 | (uint32_t)l[1] << 16 | (uint32_t)l[2] << 8 | l[3];

	if (n > c->max_frame)
		conn_disconnect(c, SPOP_E_TOO_BIG);
	else if (n < SPOP_MIN_FRAME)
		conn_disconnect(c, SPOP_E_INVALID);
	else if (!(c->in = call_new(c, n)))
		conn_disconnect(c, SPOP_E_RESOURCE);
}

static void
end_frame(struct agent_conn *c)
{
	struct agent_call *call = c->in;

	INVARIANT(call->have <= call->n && c->nlen == sizeof(c->len));
	if (call->have < call->n)
		return;
	c->in = NULL;
	c->nlen = 0;
	frame_in(c, call);
}

/* Takes bytes from HAProxy, which may be split anywhere. If a limit is reached, the rest is kept
 * in `stash` and the connection is paused. */
static void
take_agent_bytes(struct agent_conn *c, struct span in)
{
	while (in.n && conn_talks(c)) {
		size_t n = 0;
		if (c->nlen == 0 && !may_begin_frame(c)) {
			c->paused = true;
			ev_io_stop(c->ag->loop, &c->rd);
			buf_span(&c->stash, in);
			if (buf_failed(&c->stash))
				conn_disconnect(c, SPOP_E_RESOURCE);
			return;
		}
		INVARIANT(c->nlen <= sizeof(c->len) && !c->in == (c->nlen < sizeof(c->len)));
		if (c->in) {
			n = c->in->n - c->in->have;
			n = n < in.n ? n : in.n;
			memcpy(c->in->bytes + c->in->have, in.p, n);
			c->in->have += n;
			end_frame(c);
		} else {
			n = sizeof(c->len) - c->nlen;
			n = n < in.n ? n : in.n;
			memcpy(c->len + c->nlen, in.p, n);
			c->nlen += (unsigned)n;
			if (c->nlen == sizeof(c->len))
				begin_frame(c);
		}
		in = span_cut(in, n, in.n);
	}
}

/* Reads once. Returns false if there is nothing more to read for now. */
static bool
read_some(struct agent_conn *c)
{
	struct agent *ag = c->ag;
	size_t need = c->in ? c->in->n - c->in->have : 0;
	struct iovec iov[2] = { { c->in ? c->in->bytes + c->in->have : NULL, need },
		{ ag->scratch, AGENT_READ_BYTES } };
	ssize_t r = readv(c->fd, need ? iov : iov + 1, need ? 2 : 1);

	if (r < 0 && errno == EINTR)
		return true;
	if (r < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
		return false;
	if (r <= 0) {
		if (conn_talks(c) && c->nlen)
			conn_disconnect(c, SPOP_E_INVALID); /* a truncated frame */
		else
			conn_enter(c, CONN_BROKEN);
		return false;
	}
	size_t got = (size_t)r, direct = got < need ? got : need;
	INVARIANT(got - direct <= AGENT_READ_BYTES);
	c->read_at = ev_now(ag->loop);
	if (direct) {
		c->in->have += direct;
		end_frame(c);
	}
	take_agent_bytes(c, span_of(ag->scratch, got - direct));
	explicit_bzero(ag->scratch, got - direct);
	return got == need + AGENT_READ_BYTES;
}

static void
conn_read(struct agent_conn *c)
{
	if (c->stash.n) {
		struct buf b = c->stash;
		buf_init(&c->stash, b.cap);
		take_agent_bytes(c, buf_view(&b));
		buf_free(&b);
	}
	for (int i = 0; i < READS_A_TURN && !c->paused && c->state != CONN_BROKEN; i++)
		if (!read_some(c))
			break;
}

static void
on_readable(struct ev_loop *loop UNUSED, ev_io *w, int events UNUSED)
{
	struct agent_conn *c = TAGGED(agent_conn, w->data);

	if (c->state != CONN_BROKEN && !c->paused && !(c->ag->frozen && conn_talks(c)))
		conn_read(c);
	if (c->state == CONN_BROKEN)
		conn_free(c);
}

static void
on_writable(struct ev_loop *loop UNUSED, ev_io *w, int events UNUSED)
{
	struct agent_conn *c = TAGGED(agent_conn, w->data);

	if (send_out(c))
		conn_free(c);
}

void
conn_resume(struct agent_conn *c)
{
	if (!c->paused || !conn_talks(c) || c->ag->frozen || !may_begin_frame(c))
		return;
	c->paused = false;
	if (!c->last)
		ev_io_start(c->ag->loop, &c->rd);
	if (c->stash.n)
		ev_feed_event(c->ag->loop, &c->rd, EV_READ);
}

bool
conn_idle(const struct agent_conn *c)
{
	int waiting = 0;

	if (c->ncalls || c->nlen || c->stash.n || c->out.n)
		return false;
	return c->last || ioctl(c->fd, FIONREAD, &waiting) != 0 || waiting == 0;
}

void
conn_read_last(struct agent_conn *c)
{
	int waiting = 0;

	for (int i = 0; i < 64 && !c->paused && conn_talks(c); i++) {
		if (ioctl(c->fd, FIONREAD, &waiting) != 0 || waiting == 0)
			break;
		conn_read(c);
	}
	if (waiting == 0 && !c->paused && c->nlen == 0 && conn_talks(c)) {
		c->last = true;
		ev_io_stop(c->ag->loop, &c->rd);
	}
}

int
conn_new(struct agent *ag, int fd)
{
	struct agent_conn *c = ag->nconns < CAP_SPOP_CONNS ? calloc(1, sizeof(*c)) : NULL;
	int family = 0, one = 1;
	socklen_t len = sizeof(family);

	if (!c) {
		close(fd);
		return ag->nconns < CAP_SPOP_CONNS ? ERR_NOMEM : ERR_FULL;
	}
	if (getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &family, &len) == 0 && family != AF_UNIX) {
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
		setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &one, sizeof(one));
	}
	TAG(agent_conn, c);
	c->ag = ag;
	c->fd = fd;
	c->open = true;
	c->max_frame = CAP_SPOP_HELLO_BYTES;
	c->opened_at = c->read_at = c->sent_at = ev_now(ag->loop);
	buf_init(&c->stash, AGENT_READ_BYTES);
	buf_init(&c->out, CAP_SPOP_OUT);
	ev_io_init(&c->rd, on_readable, fd, EV_READ);
	ev_io_init(&c->wr, on_writable, fd, EV_WRITE);
	c->rd.data = c->wr.data = c;
	LIST_INSERT_HEAD(&ag->conns, c, all);
	ag->nconns++;
	conns_changed(ag, 1);
	metric_inc(ag->m, M_SPOP_CONNS_OPENED);
	ev_io_start(ag->loop, &c->rd);
	if (!ev_is_active(&ag->sweep))
		ev_timer_again(ag->loop, &ag->sweep);
	return 0;
}

void
conn_free(struct agent_conn *c)
{
	struct agent *ag = c->ag;

	conn_enter(c, CONN_BROKEN);
	ev_io_stop(ag->loop, &c->rd);
	ev_io_stop(ag->loop, &c->wr);
	while (!LIST_EMPTY(&c->calls))
		call_drop(LIST_FIRST(&c->calls));
	ev_clear_pending(ag->loop, &c->rd);
	drop_input(c);
	leave_gathered(c);
	buf_free(&c->out);
	close(c->fd);
	LIST_REMOVE(c, all);
	INVARIANT(c->ncalls == 0 && !c->gathered && ag->nconns > 0);
	ag->nconns--;
	if (c->open)
		conns_changed(ag, -1);
	metric_inc(ag->m, M_SPOP_CONNS_CLOSED);
	TAG_CLEAR(agent_conn, c);
	free(c);
}
