/* The SPOP agent of one worker (SPOE.txt 3.2): its connections, from bytes to frames and from a
 * NOTIFY to its ACK; their deadlines; draining, and the hand-over to another process.
 *
 * One read takes whatever has arrived. Small frames pass through the agent's scratch buffer; the
 * rest of a long frame is read straight into its own memory. The ACKs of one turn leave in one
 * write, and bytes that the socket does not accept are queued in order.
 *
 * While a limit is reached (calls in flight, unsent bytes, frames in memory), the connection is
 * not read, so that the load waits in HAProxy instead of our memory. After a DISCONNECT, our
 * side is shut down and input is discarded until HAProxy closes: closing a socket before all is
 * read would reset the connection, and the DISCONNECT could be lost.
 *
 * One timer watches all connections; it runs only while there are any. */
#include "net/agent_int.h"

#include <errno.h>
#include <math.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
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

/* ---- the states of a connection ---- */

/* Adds `by` to the number of open connections, which agent_conns() and the other workers read. */
static void
conns_changed(struct agent *ag, int by)
{
	INVARIANT(by > 0 || ag->nopen > 0);
	ag->nopen += (size_t)by;
	INVARIANT(ag->nopen <= ag->nconns);
	acceptor_changed(&ag->acceptor);
}

/* Returns true if HELLO or NOTIFY may still arrive. */
static bool
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

/* Moves the connection to another state. A move that the table does not list aborts the process. */
static void
conn_enter(struct agent_conn *c, enum conn_state to)
{
	INVARIANT(conn_next[c->state] & 1u << to);
	INVARIANT(to != CONN_LINGER || (!c->out.n && !c->ncalls));
	INVARIANT(to != CONN_OPEN || !c->ncalls);
	c->state = to;
}

/* Lets the connection's own event free it, because callers up the stack may still use it. */
static void
conn_break(struct agent_conn *c)
{
	conn_enter(c, CONN_BROKEN);
	ev_feed_event(c->ag->loop, &c->rd, EV_READ);
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

/* Reads again if the reason for the pause is gone. */
static void
conn_resume(struct agent_conn *c)
{
	if (!c->paused || !conn_talks(c) || c->ag->frozen || c == c->ag->moving ||
		!may_begin_frame(c))
		return;
	c->paused = false;
	if (!c->last)
		ev_io_start(c->ag->loop, &c->rd);
	if (c->stash.n)
		ev_feed_event(c->ag->loop, &c->rd, EV_READ);
}

/* ---- output ---- */

/* Shuts down our side after the last byte was sent (SPOE.txt 3.2.9: the agent closes). */
static void
shut_our_side(struct agent_conn *c)
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
send_agent_bytes(struct agent_conn *c, struct span bytes)
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
			    : send_agent_bytes(c, buf_view(&c->out));

	if (r < 0)
		return ERR_CLOSED;
	buf_consume(&c->out, (size_t)r);
	if (c->out.n)
		return 0;
	buf_free(&c->out);
	ev_io_stop(c->ag->loop, &c->wr);
	shut_our_side(c);
	conn_resume(c);
	return 0;
}

/* Sends what is queued. Returns ERR_CLOSED if the connection is unusable: the caller frees it. */
static int
conn_flush(struct agent_conn *c)
{
	if (!c->out.n || ev_is_active(&c->wr))
		return 0; /* the socket is full: its own event sends the rest */
	return send_out(c);
}

/* Returns the buffer to append a frame to. The caller checks buf_failed(). The frames of one turn
 * of the loop leave in one write, so that HAProxy wakes once for them. */
static struct buf *
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

/* ---- calls: from a NOTIFY to its ACK ---- */

/* Each frame has memory of its own, so that a call may wait for Redis or the journal while later
 * frames arrive and leave, and so that two requests never share a buffer. Released memory is
 * zeroed and cached by size for the next frame. ACKs are sent in any order: a call is identified
 * by connection, stream and frame (SPOE.txt 3.2.7). */

/* Returns the class of memory for that many bytes, and the size of its blocks. AGENT_CLASSES:
 * too large to be cached. */
static size_t
memory_class_of(size_t bytes, size_t *size)
{
	size_t class = 0;

	while (class < AGENT_CLASSES && (size_t)4096 << class < bytes)
		class ++;
	*size = class < AGENT_CLASSES ? (size_t)4096 << class : bytes;
	return class;
}

/* Allocates memory for a frame of n bytes. Returns NULL if memory is exhausted. */
static struct agent_call *
agent_call_new(struct agent_conn *c, size_t n)
{
	struct agent *ag = c->ag;
	size_t size, class = memory_class_of(sizeof(struct agent_call) + n, &size);
	struct agent_call *call = class < AGENT_CLASSES ? ag->cache[class] : NULL;

	if (call) {
		INVARIANT(call->size == size && ag->cached_bytes >= size);
		ag->cache[class] = call->chain;
		ag->cached_bytes -= size;
	} else if (!(call = malloc(size))) {
		return NULL;
	}
	call->chain = NULL;
	call->conn = c;
	TAG(agent_call, call);
	call->data = NULL;
	call->stream = call->frame = 0;
	call->messages = call->inline_messages;
	call->args = call->inline_args;
	call->size = size;
	call->have = 0;
	call->n = n;
	ag->held_bytes += size;
	return call;
}

/* Zeroes the frame's bytes and returns the memory to the cache. */
static void
agent_call_free(struct agent *ag, struct agent_call *call)
{
	size_t size, class = memory_class_of(call->size, &size);

	INVARIANT(call->have <= call->n && ag->held_bytes >= call->size && call->conn->in != call);
	TAG_CLEAR(agent_call, call);
	if (call->args != call->inline_args)
		free(call->args);
	explicit_bzero(call->bytes, call->have);
	ag->held_bytes -= call->size;
	if (class < AGENT_CLASSES && ag->cached_bytes + size <= CAP_SPOP_CACHED) {
		call->chain = ag->cache[class];
		ag->cache[class] = call;
		ag->cached_bytes += size;
	} else {
		free(call);
	}
	if (ag->starved && ag->held_bytes < CAP_SPOP_HELD) {
		ag->starved = false;
		struct agent_conn *c;
		LIST_FOREACH (c, &ag->conns, all)
			conn_resume(c);
	}
}

static size_t
call_bucket(const struct agent *ag, const struct agent_conn *c, uint64_t stream, uint64_t frame)
{
	uint64_t h = (uint64_t)(uintptr_t)c * 0x9e3779b97f4a7c15u;

	h = (h ^ h >> 32 ^ stream) * 0xbf58476d1ce4e5b9u;
	h = (h ^ h >> 29 ^ frame) * 0x94d049bb133111ebu;
	return (size_t)(h ^ h >> 32) & (ag->nbuckets - 1);
}

/* Returns the call in flight with these ids, or NULL. */
static struct agent_call *
agent_call_find(const struct agent_conn *c, uint64_t stream, uint64_t frame)
{
	struct agent *ag = c->ag;

	if (!ag->nbuckets)
		return NULL;
	struct agent_call *call = ag->table[call_bucket(ag, c, stream, frame)];
	while (call && !(call->conn == c && call->stream == stream && call->frame == frame))
		call = call->chain;
	return call;
}

/* Grows the table so that it has at least one bucket for each call in flight. Returns false if
 * memory is exhausted. */
static bool
grow_calls(struct agent *ag)
{
	size_t old = ag->nbuckets, n = old ? 2 * old : 64;

	if (ag->pending < old)
		return true;
	struct agent_call **was = ag->table, **now = calloc(n, sizeof(*now));
	if (!now)
		return false;
	ag->table = now;
	ag->nbuckets = n;
	for (size_t i = 0; i < old; i++) {
		for (struct agent_call *next, *call = was[i]; call; call = next) {
			next = call->chain;
			size_t at = call_bucket(ag, call->conn, call->stream, call->frame);
			call->chain = now[at];
			now[at] = call;
		}
	}
	free(was);
	return true;
}

/* Copies the messages and arguments from the agent's arrays, which hold the NOTIFY that was just
 * parsed. */
static bool
keep_call_room(struct agent_call *call, size_t nmessages, size_t nargs)
{
	const struct agent *ag = call->conn->ag;

	INVARIANT(nmessages <= CAP_SPOP_MESSAGES && nargs <= CAP_SPOP_ARGS);
	INVARIANT(call->args == call->inline_args); /* nothing was allocated yet */
	if (nmessages > AGENT_INLINE_MSGS || nargs > AGENT_INLINE_ARGS) {
		size_t args_bytes = nargs * sizeof(*call->args);
		void *p = malloc(args_bytes + nmessages * sizeof(*call->messages));
		if (!p)
			return false;
		call->args = p;
		call->messages = (struct spop_message *)(void *)((char *)p + args_bytes);
	}
	memcpy(call->args, ag->args, nargs * sizeof(*call->args));
	for (size_t i = 0; i < nmessages; i++) {
		call->messages[i] = ag->messages[i];
		call->messages[i].args = call->args + (ag->messages[i].args - ag->args);
	}
	return true;
}

/* Puts a NOTIFY in flight and passes it to the gate. On error the call still belongs to the
 * caller: SPOP_E_INTERLACED if its stream and frame are in flight already, SPOP_E_RESOURCE, or
 * an error of parsing. */
static enum spop_status
agent_call_start(struct agent_call *call, const struct spop_frame *f)
{
	struct agent_conn *c = call->conn;
	struct agent *ag = c->ag;
	size_t nmessages = CAP_SPOP_MESSAGES, nargs = CAP_SPOP_ARGS;
	enum spop_status err =
		spop_messages_read(f->payload, ag->messages, &nmessages, ag->args, &nargs);

	INVARIANT(call->have == call->n && c->state == CONN_OPEN);
	if (err)
		return err;
	if (agent_call_find(c, f->stream, f->frame))
		return SPOP_E_INTERLACED;
	if (!grow_calls(ag) || !keep_call_room(call, nmessages, nargs))
		return SPOP_E_RESOURCE;
	call->stream = f->stream;
	call->frame = f->frame;
	struct agent_call **at = &ag->table[call_bucket(ag, c, f->stream, f->frame)];
	call->chain = *at;
	*at = call;
	LIST_INSERT_HEAD(&c->calls, call, of_conn);
	c->ncalls++;
	ag->pending++;
	metric_inc(ag->m, M_SPOP_NOTIFY);
	c->asked += 1. + (double)call->n / AGENT_LOAD_BYTES;
	if (nmessages)
		ag->ops.notify(ag->ops.ctx, call, call->messages, nmessages);
	else
		agent_ack(call, NULL, 0);
	return SPOP_OK;
}

/* Takes the call out of the table and of its connection. */
static void
end_agent_call(struct agent_call *call)
{
	struct agent_conn *c = call->conn;
	struct agent *ag = c->ag;
	struct agent_call **at = &ag->table[call_bucket(ag, c, call->stream, call->frame)];

	while (*at && *at != call)
		at = &(*at)->chain;
	INVARIANT(*at == call && c->ncalls > 0 && ag->pending > 0);
	*at = call->chain;
	LIST_REMOVE(call, of_conn);
	c->ncalls--;
	ag->pending--;
}

/* Ends the call, calls `gone` and frees the call. */
static void
agent_call_drop(struct agent_call *call)
{
	struct agent *ag = TAGGED(agent_call, call)->conn->ag;

	end_agent_call(call);
	metric_inc(ag->m, M_SPOP_DROPPED);
	ag->ops.gone(ag->ops.ctx, call);
	agent_call_free(ag, call);
}

void
agent_call_set(struct agent_call *call, void *data)
{
	TAGGED(agent_call, call)->data = data;
}

void *
agent_call_data(const struct agent_call *call)
{
	return call->data;
}

size_t
agent_ack_room(const struct agent_call *call)
{
	INVARIANT(call->conn->max_frame >= SPOP_MIN_MAX_FRAME);
	return call->conn->max_frame - spop_ack_head_bytes(call->stream, call->frame);
}

int
agent_ack(struct agent_call *call, const struct spop_action *actions, size_t n)
{
	struct agent_conn *c = TAGGED(agent_call, call)->conn;
	struct agent *ag = c->ag;
	int err = ERR_CLOSED;

	if (spop_actions_bytes(actions, n) > agent_ack_room(call))
		return ERR_LIMIT;
	if (c->state == CONN_OPEN) {
		spop_put_ack(conn_out(c), call->stream, call->frame, actions, n);
		err = buf_failed(&c->out) ? ERR_NOMEM : 0;
		if (err)
			conn_break(c);
		else
			metric_inc(ag->m, M_SPOP_ACK);
	}
	end_agent_call(call);
	agent_call_free(ag, call);
	conn_resume(c);
	return err;
}

/* ---- input ---- */

static void
drop_input(struct agent_conn *c)
{
	struct agent_call *in = c->in;

	c->in = NULL;
	if (in)
		agent_call_free(c->ag, in);
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

/* Sends DISCONNECT with this status, drops the calls in flight and discards further input. */
static void
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
		agent_call_drop(LIST_FIRST(&c->calls));
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
read_hello(struct agent_conn *c, const struct agent_call *frame, struct span payload)
{
	struct agent *ag = c->ag;
	struct spop_hello h;
	enum spop_status err = spop_hello_read(payload, &h);

	if (err)
		return err;
	if (frame->n > h.max_frame)
		return SPOP_E_TOO_BIG;
	if (ag->aside || (h.healthcheck && ag->draining)) {
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
	/* SPOE.txt 3.2.6: stream-id and frame-id are set in a NOTIFY. However, HAProxy 2.6 counts its
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
		err = agent_call_start(call, &f);
		if (!err)
			return; /* in flight, or already acknowledged */
	} else if (!err && f.type == SPOP_NOTIFY) {
		struct agent_call *cancelled = agent_call_find(c, f.stream, f.frame);
		if (cancelled)
			agent_call_drop(cancelled);
	} else if (!err && f.type == SPOP_HAPROXY_HELLO) {
		err = read_hello(c, call, f.payload);
	} else if (!err) {
		err = haproxy_disconnect(c, f.payload);
	}
	agent_call_free(c->ag, call);
	if (err)
		conn_disconnect(c, err);
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
	else if (!(c->in = agent_call_new(c, n)))
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

/* ---- connections ---- */

static void
conn_free(struct agent_conn *c)
{
	struct agent *ag = c->ag;

	conn_enter(c, CONN_BROKEN);
	ev_io_stop(ag->loop, &c->rd);
	ev_io_stop(ag->loop, &c->wr);
	while (!LIST_EMPTY(&c->calls))
		agent_call_drop(LIST_FIRST(&c->calls));
	ev_clear_pending(ag->loop, &c->rd);
	drop_input(c);
	leave_gathered(c);
	buf_free(&c->out);
	if (c->fd >= 0)
		close(c->fd);
	if (c == ag->moving)
		ag->moving = NULL;
	ag->load -= c->load;
	LIST_REMOVE(c, all);
	INVARIANT(c->ncalls == 0 && !c->gathered && ag->nconns > 0);
	ag->nconns--;
	if (c->open)
		conns_changed(ag, -1);
	metric_inc(ag->m, M_SPOP_CONNS_CLOSED);
	TAG_CLEAR(agent_conn, c);
	free(c);
}

/* Returns true if the connection is between two frames: nothing is in flight, half read or waits
 * in the socket. */
static bool
is_between_frames(const struct agent_conn *c)
{
	int waiting = 0;

	if (c->ncalls || c->nlen || c->stash.n)
		return false;
	return ioctl(c->fd, FIONREAD, &waiting) != 0 || waiting == 0;
}

/* Closes a connection that HAProxy should open again elsewhere, if it is between two frames. In
 * agent_flush(), the DISCONNECT leaves in one write with the last ACK, so that HAProxy reads both
 * before it sends another NOTIFY. */
static void
leave_conn(struct agent_conn *c)
{
	struct agent *ag = c->ag;

	if (c->state != CONN_OPEN || ag->frozen || !(c->leaving || ag->aside) ||
		!is_between_frames(c))
		return;
	metric_inc(ag->m, M_SPOP_GIVEN_BACK);
	conn_disconnect(c, SPOP_OK);
}

/* Sends what was queued in any connection during this turn. May free connections. */
static void
agent_flush(struct agent *ag)
{
	struct agent_conn *c;

	while ((c = LIST_FIRST(&ag->gathered))) {
		leave_gathered(c);
		leave_conn(c);
		if (conn_flush(c))
			conn_free(c);
	}
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

bool
agent_conn_idle(const struct agent_conn *c)
{
	if (c->last)
		return !c->ncalls && !c->nlen && !c->stash.n && !c->out.n;
	return !c->out.n && is_between_frames(c);
}

/* While draining: reads all that has arrived, then stops reading. */
static void
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
agent_conn_new(struct agent *ag, int fd)
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
	if (!ag->frozen)
		ev_io_start(ag->loop, &c->rd);
	if (!ev_is_active(&ag->sweep))
		ev_timer_again(ag->loop, &ag->sweep);
	return 0;
}

/* ---- the agent: deadlines, draining ---- */

static bool
take_agent_fd(void *agent, int fd)
{
	return agent_conn_new(TAGGED(agent, agent), fd) == 0;
}

/* Applies the deadlines of one connection, and closes the connection if the agent drains and the
 * connection is idle. */
static void
sweep_conn(struct agent_conn *c)
{
	struct agent *ag = c->ag;
	double now = ev_now(ag->loop), at = c->read_at > c->sent_at ? c->read_at : c->sent_at;

	if (conn_flush(c)) {
		conn_free(c);
		return;
	}
	if (c->out.n) {
		if (now - c->sent_at >
			(c->state == CONN_CLOSING ? AGENT_LINGER_S : AGENT_STALL_S))
			conn_free(c);
		else
			ev_io_start(ag->loop, &c->wr);
		return;
	}
	if (ag->frozen && conn_talks(c))
		return;
	switch (c->state) {
	case CONN_HELLO:
		if (now - c->opened_at > AGENT_HELLO_S)
			conn_disconnect(c, SPOP_E_TIMEOUT);
		break;
	case CONN_OPEN:
		if (c->nlen && !c->paused && now - c->read_at > AGENT_STALL_S)
			conn_disconnect(c, SPOP_E_TIMEOUT);
		break;
	case CONN_CLOSING:
	case CONN_LINGER:
		if (now - c->shut_at > AGENT_LINGER_S)
			conn_free(c);
		return;
	case CONN_BROKEN: return;
	}
	if (!ag->draining)
		return;
	if (!c->last && now - ag->drain_at > AGENT_DRAIN_S)
		conn_read_last(c);
	if (conn_flush(c)) {
		conn_free(c);
		return;
	}
	if ((c->last || now - at > AGENT_DRAIN_IDLE_S) && agent_conn_idle(c))
		conn_disconnect(c, SPOP_OK);
}

/* Takes the load of half a second into the means, which follow a change within two seconds. */
static void
weigh_conns(struct agent *ag)
{
	struct agent_conn *c;

	ag->load = 0;
	LIST_FOREACH (c, &ag->conns, all) {
		c->load += (c->asked - c->load) / 4;
		c->asked = 0;
		ag->load += c->load;
	}
}

static void
on_sweep(struct ev_loop *loop, ev_timer *w, int events UNUSED)
{
	struct agent *ag = TAGGED(agent, w->data);

	for (struct agent_conn *next, *c = LIST_FIRST(&ag->conns); c; c = next) {
		next = LIST_NEXT(c, all);
		sweep_conn(c);
	}
	weigh_conns(ag);
	if (LIST_EMPTY(&ag->conns))
		ev_timer_stop(loop, w);
}

/* ---- moving a connection to another agent ---- */

/* Describes a connection without calls in flight. The bytes are collected in `in`. */
static struct agent_parcel
parcel_of(const struct agent_conn *c, struct buf *in)
{
	INVARIANT(!c->ncalls && !c->out.n);
	buf_put(in, c->len, c->nlen);
	if (c->in)
		buf_put(in, c->in->bytes, c->in->have);
	buf_span(in, buf_view(&c->stash));
	return (struct agent_parcel){ .fd = c->fd,
		.greeted = c->state == CONN_OPEN,
		.max_frame = c->max_frame,
		.load = c->load,
		.engine = span_of(c->engine, c->nengine),
		.in = buf_view(in) };
}

/* Keeps the connection that should have moved. */
static void
keep_conn(struct agent *ag)
{
	struct agent_conn *c = ag->moving;

	ag->moving = NULL;
	ev_timer_stop(ag->loop, &ag->move_late);
	if (c)
		conn_resume(c);
}

static void
on_move_late(struct ev_loop *loop UNUSED, ev_timer *w, int events UNUSED)
{
	keep_conn(TAGGED(agent, w->data));
}

/* Passes the connection on if nothing of it is in progress. libev keeps the descriptor in this
 * loop's epoll set until its next event arrives, and removes it then; if the other agent has
 * closed the descriptor meanwhile, libev makes a new set (ev_epoll.c, spurious notifications).
 * TSan reports this removal beside the close. */
static void
move_if_still(struct agent *ag)
{
	struct agent_conn *c = ag->moving;
	struct buf in;

	if (!c || c->ncalls || c->out.n)
		return;
	buf_init(&in, AGENT_PARCEL_BYTES);
	const struct agent_parcel p = parcel_of(c, &in);
	bool moved = c->state == CONN_OPEN && !buf_failed(&in) && !ag->move_ready(ag->move_arg, &p);
	buf_free(&in);
	if (moved)
		c->fd = -1;
	keep_conn(ag);
	if (moved) {
		metric_inc(ag->m, M_SPOP_MOVED);
		conn_free(c);
	}
}

void
agent_move(struct agent *ag, double difference, agent_parcel_ready *ready, void *arg)
{
	struct agent_conn *c, *best = NULL;

	if (ag->moving || ag->draining || ag->aside || ag->frozen)
		return;
	LIST_FOREACH (c, &ag->conns, all)
		if (c->state == CONN_OPEN && !c->leaving && !c->paused &&
			c->load > .1 * difference && c->load < .9 * difference &&
			(!best || fabs(c->load - difference / 2) <
					  fabs(best->load - difference / 2)))
			best = c;
	if (!best)
		return;
	best->paused = true;
	ev_io_stop(ag->loop, &best->rd);
	ag->moving = best;
	ag->move_ready = ready;
	ag->move_arg = arg;
	ev_timer_set(&ag->move_late, AGENT_MOVE_S, 0.);
	ev_timer_start(ag->loop, &ag->move_late);
}

double
agent_load(const struct agent *ag)
{
	return ag->load;
}

static void
flush_turn(struct ev_loop *loop UNUSED, ev_prepare *w, int events UNUSED)
{
	struct agent *ag = TAGGED(agent, w->data);

	agent_flush(ag);
	move_if_still(ag);
}

struct agent *
agent_new(struct ev_loop *loop, const struct agent_ops *ops, struct metrics *m)
{
	struct agent *ag = calloc(1, sizeof(*ag));

	if (ag)
		ag->scratch = malloc(AGENT_READ_BYTES);
	if (!ag || !ag->scratch) {
		free(ag);
		return NULL;
	}
	TAG(agent, ag);
	ag->loop = loop;
	ag->ops = *ops;
	ag->m = m;
	ev_init(&ag->sweep, on_sweep);
	ag->sweep.repeat = AGENT_SWEEP_S;
	ev_prepare_init(&ag->turn_ends, flush_turn);
	ev_init(&ag->move_late, on_move_late);
	ag->sweep.data = ag->turn_ends.data = ag->move_late.data = ag;
	ev_prepare_start(loop, &ag->turn_ends);
	ev_unref(loop); /* the watcher does not keep the loop running */
	acceptor_init(&ag->acceptor, loop, ACCEPT_AGENT, &ag->nopen, take_agent_fd, ag);
	return ag;
}

int
agent_listen(struct agent *ag, int fd)
{
	return acceptor_listen(&ag->acceptor, fd, false);
}

void
agent_drain(struct agent *ag)
{
	if (ag->draining)
		return;
	ag->draining = true;
	ag->drain_at = ev_now(ag->loop);
	keep_conn(ag);
	acceptor_close(&ag->acceptor);
	/* HAProxy considers connections in the backlog as made, so they are served. */
	acceptor_backlog(&ag->acceptor);
	ag->sweep.repeat = AGENT_DRAIN_SWEEP_S;
	ev_timer_again(ag->loop, &ag->sweep);
}

void
agent_aside(struct agent *ag, bool aside)
{
	struct agent_conn *c;

	if (ag->aside == aside)
		return;
	ag->aside = aside;
	keep_conn(ag);
	LIST_FOREACH (c, &ag->conns, all)
		leave_conn(c);
}

void
agent_give_back(struct agent *ag)
{
	struct agent_conn *c;
	bool leaves = false;

	LIST_FOREACH (c, &ag->conns, all)
		if (c->state == CONN_OPEN && ev_now(ag->loop) - c->read_at < AGENT_USED_S)
			c->leaving |= (leaves = !leaves);
}

/* ---- the hand-over to another process ---- */

/* Closing a connection loses the NOTIFYs that HAProxy has sent meanwhile. Therefore a frozen
 * agent only stops reading, and what HAProxy sends waits in the socket. Once each NOTIFY that
 * was read has its ACK, a connection consists of its descriptor, the negotiated frame size and
 * the bytes of a frame that has not arrived whole (SPOE.txt 3.2). The other process reads from
 * no connection until it has decided to serve, so that this agent can thaw and continue.
 *
 * Connections that are being closed are not passed on: they are freed here. Thus no event of the
 * worker frees a connection while the main thread walks the list. */
void
agent_freeze(struct agent *ag)
{
	keep_conn(ag);
	ag->frozen = true;
	acceptor_pause(&ag->acceptor);
	agent_flush(ag);
	for (struct agent_conn *next, *c = LIST_FIRST(&ag->conns); c; c = next) {
		next = LIST_NEXT(c, all);
		if (conn_talks(c))
			ev_io_stop(ag->loop, &c->rd);
		else
			conn_free(c);
	}
}

bool
agent_is_still(const struct agent *ag)
{
	const struct agent_conn *c;

	if (!ag->frozen || !LIST_EMPTY(&ag->gathered))
		return false;
	LIST_FOREACH (c, &ag->conns, all)
		if (!conn_talks(c) || c->ncalls || c->out.n)
			return false;
	INVARIANT(ag->pending == 0);
	return true;
}

int
agent_parcels(struct agent *ag, agent_parcel_ready *ready, void *arg)
{
	struct agent_conn *c;
	int err = 0;

	INVARIANT(agent_is_still(ag));
	LIST_FOREACH (c, &ag->conns, all) {
		if (err)
			break;
		struct buf in;
		buf_init(&in, AGENT_PARCEL_BYTES);
		const struct agent_parcel p = parcel_of(c, &in);
		err = buf_failed(&in) ? ERR_NOMEM : ready(arg, &p);
		buf_free(&in);
	}
	return err;
}

void
agent_thaw(struct agent *ag)
{
	struct agent_conn *c;

	ag->frozen = false;
	acceptor_resume(&ag->acceptor);
	LIST_FOREACH (c, &ag->conns, all)
		if (conn_talks(c) && !c->paused) {
			ev_io_start(ag->loop, &c->rd);
			ev_feed_event(ag->loop, &c->rd, EV_READ);
		} else {
			conn_resume(c);
		}
}

void
agent_forget_handed(struct agent *ag)
{
	acceptor_forget(&ag->acceptor);
	while (!LIST_EMPTY(&ag->conns))
		conn_free(LIST_FIRST(&ag->conns));
}

int
agent_adopt(struct agent *ag, const struct agent_parcel *p)
{
	if (p->max_frame < SPOP_MIN_MAX_FRAME || p->max_frame > CAP_FRAME_BYTES) {
		close(p->fd);
		return ERR_RANGE;
	}
	int err = agent_conn_new(ag, p->fd);
	if (err)
		return err;
	struct agent_conn *c = LIST_FIRST(&ag->conns);
	INVARIANT(c->state == CONN_HELLO && c->fd == p->fd && !c->ncalls);
	if (p->greeted)
		conn_enter(c, CONN_OPEN);
	c->max_frame = p->max_frame;
	struct span engine = span_cut(p->engine, 0, sizeof(c->engine));
	c->nengine = engine.n;
	if (engine.n)
		memcpy(c->engine, engine.p, engine.n);
	buf_init(&c->stash, AGENT_PARCEL_BYTES);
	buf_span(&c->stash, p->in);
	c->load = p->load;
	ag->load += p->load;
	if (!ag->frozen)
		ev_feed_event(ag->loop, &c->rd, EV_READ);
	return 0;
}

size_t
agent_conns(const struct agent *ag)
{
	return ag->nopen;
}

void
agent_free(struct agent **agp)
{
	struct agent *ag = *agp;

	if (!ag)
		return;
	ag->draining = true;
	acceptor_free(&ag->acceptor);
	agent_flush(ag);
	while (!LIST_EMPTY(&ag->conns))
		conn_free(LIST_FIRST(&ag->conns));
	INVARIANT(ag->nconns == 0 && ag->nopen == 0 && LIST_EMPTY(&ag->gathered));
	INVARIANT(ag->pending == 0 && ag->held_bytes == 0);
	ev_ref(ag->loop);
	ev_prepare_stop(ag->loop, &ag->turn_ends);
	ev_timer_stop(ag->loop, &ag->sweep);
	ev_timer_stop(ag->loop, &ag->move_late);
	for (size_t i = 0; i < AGENT_CLASSES; i++) {
		for (struct agent_call *next, *call = ag->cache[i]; call; call = next) {
			next = call->chain;
			free(call);
		}
	}
	free(ag->table);
	free(ag->scratch);
	TAG_CLEAR(agent, ag);
	free(ag);
	*agp = NULL;
}
