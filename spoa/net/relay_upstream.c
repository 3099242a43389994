/* A connection to HAProxy's inner bind: opens it, sends the planned request and reads the
 * response. Idle connections are pooled.
 *
 * The bytes of a short request stay in memory after they are sent, because the request is sent
 * again in one case: a pooled connection was closed before HAProxy read the request. */
#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/attr.h"
#include "base/clock.h"
#include "base/caps.h"
#include "base/err.h"
#include "net/relay_conn.h"

/* HAProxy is busy or reloading if its listener's backlog is full. connect() is then repeated
 * every 5 ms for one second. */
#define CONNECT_RETRY_S	 0.005
#define CONNECT_LIMIT_US 1000000u

static void on_upstream_readable(struct ev_loop *loop, ev_io *w, int events);
static void on_upstream_writable(struct ev_loop *loop, ev_io *w, int events);
static void on_connecting(struct ev_loop *loop, ev_timer *w, int events);

/* ---- the pool of idle connections ----
 *
 * The pool is used newest first, so that the oldest connections become idle and are closed.
 * Each is watched, so that a connection that HAProxy closes leaves the pool at once. A
 * connection is checked again when it is taken: bytes that arrived unasked would be read as the
 * next caller's response. */

static void
unlink_pooled(struct upstream *u)
{
	struct relay *r = u->relay;

	INVARIANT(!u->edge && r->npool > 0);
	LIST_REMOVE(u, idle);
	r->npool--;
	if (r->npool == 0)
		ev_timer_stop(r->loop, &r->pool_sweep);
}

/* Closes the connection and queues the structure for freeing. It must belong to no edge. */
static void
upstream_close(struct upstream *u)
{
	struct relay *r = u->relay;

	INVARIANT(!u->edge);
	if (u->fd >= 0) {
		ev_io_stop(r->loop, &u->readable);
		ev_io_stop(r->loop, &u->writable);
		close(u->fd);
		u->fd = -1;
	}
	ev_timer_stop(r->loop, &u->connecting);
	buf_free(&u->in);
	buf_free(&u->out);
	LIST_INSERT_HEAD(&r->dead_upstreams, u, idle);
}

void
pool_drop(struct upstream *u)
{
	unlink_pooled(u);
	upstream_close(u);
}

/* Returns a connection to the pool, or closes it if the pool is full or the relay drains. */
static void
pool_put(struct upstream *u)
{
	struct relay *r = u->relay;

	if (r->draining || r->npool >= r->options.pool) {
		upstream_close(u);
		return;
	}
	INVARIANT(!u->edge && u->fd >= 0 && u->connected && !u->in.n && !u->out.n);
	u->since_us = clock_mono_us();
	LIST_INSERT_HEAD(&r->pool, u, idle);
	if (r->npool++ == 0)
		ev_timer_again(r->loop, &r->pool_sweep);
}

/* Returns an idle connection with nothing to read, or NULL. */
static struct upstream *
pool_take(struct relay *r)
{
	for (struct upstream *u; (u = LIST_FIRST(&r->pool));) {
		char byte;
		/* The connection is open, and there is nothing to read. */
		if (recv(u->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) < 0 && errno == EAGAIN) {
			unlink_pooled(u);
			return u;
		}
		pool_drop(u);
	}
	return NULL;
}

void
pool_sweep(struct ev_loop *loop UNUSED, ev_timer *w, int events UNUSED)
{
	struct relay *r = TAGGED(relay, w->data);
	uint64_t now = clock_mono_us();

	for (struct upstream *u = LIST_FIRST(&r->pool), *next; u; u = next) {
		next = LIST_NEXT(u, idle);
		if (u->since_us + r->options.idle_us <= now)
			pool_drop(u);
	}
}

/* ---- life ---- */

void
upstream_release(struct upstream *u, bool reusable)
{
	struct edge *c = u->edge;

	INVARIANT(c->up == u);
	c->up = NULL;
	u->edge = NULL;
	if (!reusable) {
		upstream_close(u);
		return;
	}
	ev_io_stop(u->relay->loop, &u->writable);
	ev_io_start(u->relay->loop, &u->readable);
	/* Only the connection itself is reused. Two callers' bytes never share a buffer. */
	buf_free(&u->in);
	buf_free(&u->out);
	memset(&u->request, 0, sizeof(u->request));
	memset(&u->answer, 0, sizeof(u->answer));
	pool_put(u);
}

/* Returns 0 if connected, 1 if it is tried again later, or a negative error. */
static int
upstream_connect(struct upstream *u)
{
	struct relay *r = u->relay;

	if (connect(u->fd, (struct sockaddr *)&r->egress, sizeof(r->egress)) == 0) {
		u->connected = true;
		ev_io_start(r->loop, &u->readable);
		return 0;
	}
	if (errno != EAGAIN && errno != EINTR)
		return ERR_IO;
	if (clock_mono_us() >= u->since_us + CONNECT_LIMIT_US)
		return ERR_TIMEOUT;
	ev_timer_again(r->loop, &u->connecting);
	return 1;
}

/* Allocates the structure, without a connection. */
static struct upstream *
upstream_make(struct relay *r)
{
	struct upstream *u = calloc(1, sizeof(*u));

	if (!u)
		return NULL;
	TAG(upstream, u);
	u->relay = r;
	u->since_us = clock_mono_us();
	buf_init(&u->in, CAP_HEAD_BYTES + 2 * READ_MAX_BYTES);
	buf_init(&u->out, 2 * CAP_HEAD_BYTES + 4 * CAP_RELAY_AHEAD + 4 * READ_MAX_BYTES);
	ev_init(&u->connecting, on_connecting);
	ev_init(&u->readable, on_upstream_readable);
	ev_init(&u->writable, on_upstream_writable);
	u->connecting.data = u->readable.data = u->writable.data = u;
	u->fd = -1;
	return u;
}

static struct upstream *
upstream_new(struct relay *r)
{
	struct upstream *u = upstream_make(r);

	if (!u)
		return NULL;
	u->connecting.repeat = CONNECT_RETRY_S;
	u->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (u->fd < 0) {
		upstream_close(u);
		return NULL;
	}
	ev_io_set(&u->readable, u->fd, EV_READ);
	ev_io_set(&u->writable, u->fd, EV_WRITE);
	if (upstream_connect(u) < 0) {
		upstream_close(u);
		return NULL;
	}
	metric_inc(r->metrics, M_RELAY_UPSTREAM);
	return u;
}

static void
on_connecting(struct ev_loop *loop, ev_timer *w, int events UNUSED)
{
	struct upstream *u = TAGGED(upstream, w->data);
	struct edge *c = u->edge;

	INVARIANT(c->up == u && !u->connected && !u->request.began);
	ev_timer_stop(loop, w);
	int err = upstream_connect(u);
	if (err == 0) {
		u->active_us = clock_mono_us();
		upstream_flush(u);
	} else if (err < 0) {
		answer_fail(c, FAIL_NOT_REACHED, NULL);
	}
	edge_update(c);
}

/* ---- sending ---- */

/* Writes the planned head, then Content-Length or chunked framing, and the empty line. */
static int
put_request_head(struct upstream *u, const struct edge *c)
{
	const struct exchange_plan *plan = c->plan;
	int err = http_put_request(&u->out, &plan->head);

	if (err)
		return err;
	if (plan->socket_bytes)
		socket_put_head(u);
	switch (plan->body_mode) {
	case BODY_SWAP: buf_printf(&u->out, "content-length: %zu\r\n", plan->body.n); break;
	case BODY_COPY:
		if (c->declared >= 0)
			buf_printf(&u->out, "content-length: %lld\r\n", (long long)c->declared);
		else if (c->body.framing == HTTP_CHUNKED)
			buf_str(&u->out, "transfer-encoding: chunked\r\n");
		break;
	default:
		if (c->declared >= 0)
			buf_str(&u->out, "content-length: 0\r\n");
	}
	buf_str(&u->out, "\r\n");
	return buf_failed(&u->out) ? ERR_NOMEM : 0;
}

/* Passes on a stored response (plan->replays) as if a provider had just sent it. */
static void
upstream_replay(struct edge *c)
{
	struct upstream *u = upstream_make(c->relay);

	if (!u) {
		answer_fail(c, FAIL_MEMORY, NULL);
		return;
	}
	u->edge = c;
	c->up = u;
	u->active_us = u->request.done_us = u->since_us;
	u->request.began = u->request.whole = u->answer.heard = true;
	gate_replay(c->x, &u->in);
	response_progress(u);
}

void
upstream_begin(struct edge *c)
{
	struct relay *r = c->relay;

	INVARIANT(c->state == EDGE_EXCHANGE && !c->up && !c->attempt.asked);
	if (c->plan->replays) {
		upstream_replay(c);
		return;
	}
	if (c->plan->refused.end) { /* no other target is tried: it would be called by other
				       rights */
		answer_fail_now(c,
			c->plan->refused.end == CALLER_TOKEN_AWAY      ? FAIL_TOKEN_AWAY
			: c->plan->refused.end == CALLER_TOKEN_REFUSED ? FAIL_TOKEN_REFUSED
								       : FAIL_TOKEN_LOGIN,
			c->plan->refused.why, false);
		return;
	}
	/* A request that cannot be repeated is not sent on a pooled connection, whose HAProxy
	 * may be exiting. A request that may have another attempt is not either, because
	 * HAProxy reports why it failed only on a new connection (relay_said.h). */
	struct upstream *u = c->plan->asks || c->plan->socket_bytes ||
					     (c->declared > CAP_RELAY_AHEAD &&
						     c->plan->body_mode == BODY_COPY)
				     ? NULL
				     : pool_take(r);

	if (u) {
		metric_inc(r->metrics, M_RELAY_REUSED);
		u->reused = true;
	} else if (!(u = upstream_new(r))) {
		answer_fail(c, FAIL_NOT_REACHED, NULL);
		return;
	}
	u->edge = c;
	c->up = u;
	u->active_us = clock_mono_us();
	u->answer.to_head = span_is(c->plan->head.method, "HEAD");
	if (put_request_head(u, c)) {
		answer_fail(c, FAIL_MEMORY, "the request could not be written");
		return;
	}
	if (c->plan->body_mode == BODY_SWAP)
		u->request.swap = c->plan->body;
	u->request.whole = c->plan->body_mode != BODY_COPY || c->body.done;
	/* A chunked body that was decided and is empty still needs its last chunk. */
	request_pump(c);
	if (c->up == u)
		upstream_flush(u);
}

/* Sends the request again, on a new connection. */
static void
retry_upstream(struct upstream *old)
{
	struct edge *c = old->edge;
	struct upstream *u = upstream_new(c->relay);

	/* The whole request is still in memory, and no byte of a response was written. */
	INVARIANT(!old->request.dropped && !c->answer.sent);
	c->retried = true;
	if (!u) {
		answer_fail(c, FAIL_NOT_REACHED, NULL);
		return;
	}
	buf_free(&u->out);
	u->out = old->out;
	buf_init(&old->out, old->out.cap);
	u->request.swap = old->request.swap;
	u->request.whole = old->request.whole;
	u->answer.to_head = old->answer.to_head;
	upstream_release(old, false);
	u->edge = c;
	c->up = u;
	u->active_us = clock_mono_us();
	upstream_flush(u);
}

bool
upstream_moves(struct upstream *u)
{
	struct relay *r = u->relay;
	struct upstream *idle;

	INVARIANT(u->edge->moves <= MOVES_MAX);
	if (u->edge->moves == MOVES_MAX || u->request.dropped)
		return false;
	u->edge->moves++;
	while ((idle = LIST_FIRST(&r->pool)))
		pool_drop(idle);
	retry_upstream(u);
	return true;
}

size_t
upstream_unsent(const struct upstream *u)
{
	INVARIANT(u->request.sent <= u->out.n);
	return u->out.n - u->request.sent;
}

bool
upstream_sent(const struct upstream *u)
{
	return u->request.whole && upstream_unsent(u) == 0 &&
	       u->request.swap_sent == u->request.swap.n;
}

void
upstream_forget_sent(struct upstream *u)
{
	buf_free(&u->out); /* bytes that stayed here would be sent again */
	u->request.sent = u->request.swap_sent = 0;
	u->request.swap = (struct span){ NULL, 0 };
}

/* Sends queued bytes. Returns 0 if all is sent, 1 if the socket is full or took SEND_MAX_BYTES
 * in this turn, or a negative error if the connection is broken. The limit keeps a peer that
 * reads as fast as we write from occupying the whole turn. */
static int
send_queued(struct upstream *u)
{
	INVARIANT(u->edge->up == u && u->request.swap_sent <= u->request.swap.n);
	for (size_t sent = 0; sent < SEND_MAX_BYTES;) {
		struct span out = span_cut(buf_view(&u->out), u->request.sent, u->out.n);
		struct span swap =
			span_cut(u->request.swap, u->request.swap_sent, u->request.swap.n);
		/* sendmsg() does not write through its pointers */
		struct iovec iov[2] = { { (void *)(uintptr_t)out.p, out.n },
			{ (void *)(uintptr_t)swap.p, swap.n } };
		struct msghdr msg = { .msg_iov = iov, .msg_iovlen = 2 };
		if (out.n + swap.n == 0)
			return 0;
		ssize_t n = sendmsg(u->fd, &msg, MSG_NOSIGNAL);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return errno == EAGAIN ? 1 : ERR_IO;
		if (!u->request.began)
			gate_sent(u->edge->x);
		u->request.began = true;
		u->active_us = clock_mono_us();
		size_t of_out = (size_t)n < out.n ? (size_t)n : out.n;
		u->request.sent += of_out;
		u->request.swap_sent += (size_t)n - of_out;
		if (upstream_sent(u))
			u->request.done_us = u->active_us;
		sent += (size_t)n;
		if (u->request.sent > CAP_RELAY_AHEAD) {
			buf_consume(&u->out, u->request.sent);
			u->request.sent = 0;
			u->request.dropped = true;
		}
	}
	return 1;
}

static void read_upstream(struct upstream *u);

void
upstream_flush(struct upstream *u)
{
	struct edge *c = u->edge;

	while (u->connected && !u->request.failed && !c->reading.away &&
		c->state != EDGE_AGAIN) {
		int full = send_queued(u);
		if (full < 0) {
			/* An early response may still be waiting to be read. */
			u->request.failed = true;
			ev_io_stop(u->relay->loop, &u->writable);
			read_upstream(u);
			return;
		}
		if (full) {
			ev_io_start(u->relay->loop, &u->writable);
			return;
		}
		ev_io_stop(u->relay->loop, &u->writable);
		if (u->request.whole)
			retry_sent(c);
		if (u->request.whole || c->in.n == 0 || c->state == EDGE_SOCKET)
			return;
		request_pump(c);
		if (c->up != u || upstream_unsent(u) == 0)
			return;
	}
}

static void
on_upstream_writable(struct ev_loop *loop UNUSED, ev_io *w, int events UNUSED)
{
	struct upstream *u = TAGGED(upstream, w->data);
	struct edge *c = u->edge;

	upstream_flush(u);
	edge_update(c);
}

/* ---- receiving ---- */

/* The connection is broken. If it came from the pool and HAProxy closed it without having read
 * the whole request, the request is sent again, once: the provider cannot have received it. A
 * reset or EPIPE proves this, because closing after everything was read leads to a plain end.
 */
static void
upstream_broken(struct upstream *u, int err)
{
	if (u->reused && !u->edge->retried && !u->answer.heard && !u->request.dropped &&
		(err == ECONNRESET || err == EPIPE || (u->request.failed && !u->request.began)))
		retry_upstream(u);
	else
		response_eof(u, err);
}

/* Reads once and passes the bytes on. */
static void
read_upstream(struct upstream *u)
{
	struct edge *c = u->edge;

	INVARIANT(c->up == u && !c->reading.away);
	INVARIANT(c->state == EDGE_EXCHANGE || c->state == EDGE_SOCKET);
	/* Nothing more is read until the edge has taken what it was given. */
	if (edge_full(c) || (c->state == EDGE_SOCKET && !socket_reads_upstream(c))) {
		ev_io_stop(u->relay->loop, &u->readable);
		return;
	}
	size_t room = u->answer.filled ? READ_MAX_BYTES : READ_MIN_BYTES;
	bool fresh = !u->in.p;
	char *to = buf_reserve(&u->in, room);
	ssize_t n = to ? recv(u->fd, to, room, 0) : -1;
	if (!to) {
		upstream_broken(u, ENOMEM);
	} else if (n > 0) {
		buf_commit(&u->in, (size_t)n);
		u->active_us = clock_mono_us();
		u->answer.heard = true;
		u->answer.filled = (size_t)n == room;
		response_progress(u);
		if (c->reading.away)
			return;
		/* Between two events of a stream, the buffer is empty: its memory serves the
		 * next reader. */
		if (u->in.p && u->in.n == 0 && !u->answer.filled)
			buf_give_back(&u->in, fresh ? (size_t)n : u->in.size);
	} else if (n == 0) {
		upstream_broken(u, 0);
	} else if (errno != EAGAIN && errno != EINTR) {
		upstream_broken(u, errno);
	} else if (u->request.failed && !u->answer.heard) {
		/* Writing failed and there is nothing to read: no response will arrive. */
		upstream_broken(u, EPIPE);
	}
}

static void
on_upstream_readable(struct ev_loop *loop UNUSED, ev_io *w, int events UNUSED)
{
	struct upstream *u = TAGGED(upstream, w->data);
	struct edge *c = u->edge;

	if (!c) {
		/* An idle connection was closed, or carries bytes that were not asked for. */
		pool_drop(u);
		return;
	}
	read_upstream(u);
	edge_update(c);
}

void
upstream_rest(struct upstream *u)
{
	ev_io_stop(u->relay->loop, &u->readable);
	ev_io_stop(u->relay->loop, &u->writable);
}

void
upstream_resume(struct upstream *u)
{
	INVARIANT(u->edge && u->edge->up == u);
	if (!u->connected || ev_is_active(&u->readable) || u->edge->reading.away ||
		u->edge->state == EDGE_AGAIN ||
		(u->edge->state == EDGE_SOCKET && !socket_reads_upstream(u->edge)))
		return;
	u->active_us = clock_mono_us(); /* the silence until now was not the provider's */
	ev_io_start(u->relay->loop, &u->readable);
}
