/* A worker's relay, and its connections from HAProxy's edge: their state, reading, writing,
 * deadlines and end; then accepting them, draining and aborting. relay_request.c and
 * relay_answer.c interpret the bytes.
 *
 * Each event of an edge ends with edge_update(), which arms what the state waits for: reading or,
 * if the edge must not be read, only its close, and one timer for the nearest deadline.
 *
 * Edges and upstreams that die during a turn of the loop are freed at its end, so that no
 * callback meets freed memory. A connection that is not read is watched for its end by an epoll
 * set of its own. */
#include "net/relay.h"

#include <errno.h>
#include <stdlib.h>
#include <linux/sockios.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/attr.h"
#include "base/clock.h"
#include "base/codec/ws.h"
#include "base/err.h"
#include "net/relay_conn.h"

/* after an early response: the time for the peer to close, in which its bytes are dropped */
#define LINGER_US 1000000u
#define NEVER	  UINT64_MAX
#define POOL_SWEEP_S 1.0

/* ---- the state ---- */

#define TO(state) (1u << (EDGE_##state))

/* The states that may follow each state. relay_free() ends an edge in any state. */
static const unsigned edge_next[] = {
	[EDGE_HEAD] = TO(CLAIM) | TO(FLUSH) | TO(DEAD),
	[EDGE_CLAIM] = TO(DEFER) | TO(VERDICT) | TO(EXCHANGE) | TO(FINISH) | TO(FLUSH) | TO(DEAD),
	[EDGE_DEFER] = TO(VERDICT) | TO(FINISH) | TO(DEAD),
	[EDGE_VERDICT] = TO(EXCHANGE) | TO(FINISH) | TO(DEAD),
	[EDGE_EXCHANGE] = TO(SOCKET) | TO(AGAIN) | TO(FINISH) | TO(DEAD),
	[EDGE_SOCKET] = TO(FINISH) | TO(DEAD),
	[EDGE_AGAIN] = TO(EXCHANGE) | TO(FINISH) | TO(DEAD),
	[EDGE_FINISH] = TO(FLUSH) | TO(DEAD),
	[EDGE_FLUSH] = TO(HEAD) | TO(LINGER) | TO(DEAD),
	[EDGE_LINGER] = TO(DEAD),
	[EDGE_DEAD] = 0,
};
/* The states in which the edge has an exchange, and in which it may have an upstream. */
#define DECIDED (TO(DEFER) | TO(VERDICT) | TO(EXCHANGE) | TO(SOCKET) | TO(AGAIN) | TO(FINISH))
#define SENDS	(TO(EXCHANGE) | TO(SOCKET) | TO(AGAIN))

void
edge_enter(struct edge *c, enum edge_state to)
{
	INVARIANT(edge_next[c->state] & 1u << to);
	INVARIANT(to == EDGE_DEAD || !c->x == !(DECIDED & 1u << to));
	INVARIANT(to == EDGE_DEAD || !c->x == !c->plan);
	INVARIANT(!c->up || SENDS & 1u << to);
	INVARIANT(to != EDGE_SOCKET || (c->socket && c->up));
	INVARIANT(!c->reading.away || to == EDGE_DEAD);
	c->state = to;
}

/* ---- events and deadlines ---- */

size_t
edge_unsent(const struct edge *c)
{
	INVARIANT(c->held <= c->out.n);
	return c->out.n - c->held;
}

bool
edge_full(const struct edge *c)
{
	return edge_unsent(c) >= CAP_RELAY_UNSENT && !retry_holds(c);
}

static void
hup_unwatch(struct edge *c)
{
	if (c->hup_watched)
		epoll_ctl(c->relay->hup_fd, EPOLL_CTL_DEL, c->fd, NULL);
	c->hup_watched = false;
}

static bool
wants_to_read(const struct edge *c)
{
	switch (c->state) {
	case EDGE_HEAD:
	case EDGE_DEFER:
	case EDGE_LINGER: return true;
	case EDGE_SOCKET: return socket_reads_edge(c);
	case EDGE_CLAIM: return c->body.done ? c->in.n == 0 : c->in.n < CAP_RELAY_AHEAD;
	case EDGE_EXCHANGE:
		if (c->reading.away)
			return false;
		/* After the body, only the close is expected. */
		return c->body.done ? c->in.n == 0 : !request_paused(c);
	case EDGE_VERDICT:
	case EDGE_AGAIN:
	case EDGE_FINISH:
	case EDGE_FLUSH: return c->body.done && c->in.n == 0;
	case EDGE_DEAD: break;
	}
	return false;
}

static uint64_t
earlier_us(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

/* Returns when the body's average rate falls below min_rate, if no more bytes arrive. Example:
 * with 1000 bytes a second, a body of which 30,000 bytes have arrived is too slow 30 s after its
 * head. */
static uint64_t
too_slow(const struct edge *c)
{
	const struct relay_options *o = &c->relay->options;

	if (!o->min_rate)
		return NEVER;
	/* no overflow: a body is < 2^40 bytes */
	uint64_t enough_us = c->whole.n * UINT64_C(1000000) / o->min_rate;
	return c->defer_us + (enough_us > o->rate_after_us ? enough_us : o->rate_after_us);
}

/* Returns when the current state has lasted too long, in monotonic µs. */
static uint64_t
edge_due(const struct edge *c)
{
	const struct relay_options *o = &c->relay->options;
	const struct upstream *u = c->up;

	switch (c->state) {
	case EDGE_HEAD: return c->active_us + (c->in.n ? o->read_us : o->idle_us);
	case EDGE_DEFER:
		return earlier_us(earlier_us(c->active_us + o->read_us, too_slow(c)),
			c->plan->deadline_us);
	case EDGE_EXCHANGE: {
		bool stays = c->plan->stays && stream_stays(c);
		uint64_t t = stays ? NEVER : c->plan->deadline_us;
		if (c->reading.away)
			return c->reading.late ? NEVER : t;
		if (!c->body.done && !request_paused(c))
			t = earlier_us(t, c->active_us + o->read_us);
		/* While the edge takes no bytes, the provider cannot send. */
		bool paused = edge_full(c);
		if (u && !paused && c->plan->timed)
			t = earlier_us(t, retry_due(c));
		if (stays && (edge_unsent(c) == 0 || stream_opens(c)))
			return t;
		return earlier_us(
			t, (paused || !u ? c->active_us : u->active_us) + o->response_us);
	}
	case EDGE_SOCKET: return socket_due(c);
	case EDGE_FLUSH: return c->active_us + o->read_us;
	case EDGE_LINGER: return c->active_us + LINGER_US;
	case EDGE_CLAIM:
	case EDGE_VERDICT:
	case EDGE_AGAIN:
	case EDGE_FINISH:
	case EDGE_DEAD: break;
	}
	return NEVER;
}

/* Makes the timer fire at `at` or earlier. A timer that is set earlier stays: it checks the
 * deadline again when it fires. Thus activity, which moves the deadline, does not touch the
 * timer. */
static void
arm_timer(struct edge *c, uint64_t at)
{
	if (at == NEVER || (ev_is_active(&c->timer) && c->timer_us <= at))
		return;
	uint64_t now = clock_mono_us();
	double after = at > now ? (double)(at - now) / 1e6 : 0;
	ev_timer_stop(c->relay->loop, &c->timer);
	ev_timer_set(&c->timer, after + 0.001, 0);
	ev_timer_start(c->relay->loop, &c->timer);
	c->timer_us = at;
}

void
edge_update(struct edge *c)
{
	struct ev_loop *loop = c->relay->loop;

	if (c->state == EDGE_DEAD || c->fd < 0)
		return;
	if (wants_to_read(c)) {
		hup_unwatch(c);
		ev_io_start(loop, &c->readable);
	} else {
		struct epoll_event ev = { .events = EPOLLRDHUP | EPOLLONESHOT, .data.ptr = c };
		ev_io_stop(loop, &c->readable);
		c->hup_watched = c->hup_watched ||
				 epoll_ctl(c->relay->hup_fd, EPOLL_CTL_ADD, c->fd, &ev) == 0;
	}
	uint64_t due = edge_due(c);
	if (c->plan && c->plan->sessions)
		due = earlier_us(due, stream_due(c));
	arm_timer(c, due);
}

static void
on_edge_timer(struct ev_loop *loop UNUSED, ev_timer *w, int events UNUSED)
{
	struct edge *c = TAGGED(edge, w->data);
	uint64_t at = edge_due(c);

	if (c->state == EDGE_DEAD || c->fd < 0)
		return;
	if (clock_mono_us() < at) {
		if (clock_mono_us() >= stream_due(c))
			stream_keep_alive(c);
		edge_update(c);
		return;
	}
	if (c->state == EDGE_DEFER || c->state == EDGE_EXCHANGE || c->state == EDGE_SOCKET)
		request_timeout(c);
	else
		edge_close(c);
	edge_update(c);
}

/* ---- the end ---- */

void
edge_forget_answer(struct edge *c)
{
	buf_free(&c->out);
	buf_free(&c->head);
	buf_free(&c->spool);
	buf_free(&c->failed);
	buf_free(&c->reading.out);
	c->held = 0;
	c->guard = NULL;
	memset(&c->answer, 0, sizeof(c->answer));
	c->reading.late = false;
}

/* Drops the response and the state of the attempt. */
static void
drop_answer(struct edge *c)
{
	edge_forget_answer(c);
	c->attempt = (struct edge_attempt){ 0 };
}

static void
close_fd(struct edge *c)
{
	struct ev_loop *loop = c->relay->loop;

	if (c->fd >= 0) {
		hup_unwatch(c);
		ev_io_stop(loop, &c->readable);
		ev_io_stop(loop, &c->writable);
		ev_timer_stop(loop, &c->timer);
		close(c->fd);
		c->fd = -1;
	}
}

/* Closes the descriptor and drops all bytes, except for a body that the gate may be reading. */
static void
shut_edge(struct edge *c)
{
	close_fd(c);
	buf_free(&c->in);
	drop_answer(c);
}

void
edge_close(struct edge *c)
{
	struct relay *r = c->relay;

	if (c->state == EDGE_DEAD)
		return;
	shut_edge(c);
	request_free_whole(c);
	socket_free(c);
	explicit_bzero(c->ticket, sizeof(c->ticket));
	LIST_REMOVE(c, all);
	INVARIANT(r->nedges > 0);
	r->nedges--;
	acceptor_changed(&r->acceptor);
	edge_enter(c, EDGE_DEAD);
	LIST_INSERT_HEAD(&r->dead_edges, c, all);
}

/* Returns true if the client has received a stream up to the end that its dialect marks.
 * Clients such as Codex close then, and do not wait for the end of the connection. */
static bool
stream_is_over(const struct edge *c)
{
	const struct guard_report *r = c->guard ? guard_report(c->guard) : NULL;
	bool ended = r ? r->streamed && r->ended && !r->provider_error : c->answer.end.ended;

	return c->state == EDGE_EXCHANGE && ended && c->answer.sent && edge_unsent(c) == 0;
}

void
edge_end(struct edge *c, const char *why)
{
	if (c->reading.away) {
		response_give_up(c, why);
		close_fd(c);
		return;
	}
	switch (c->state) {
	case EDGE_HEAD:
	case EDGE_FLUSH:
	case EDGE_LINGER: edge_close(c); break;
	case EDGE_CLAIM:
		shut_edge(c);
		gate_claim_gone(&c->claim);
		break;
	case EDGE_FINISH: shut_edge(c); break;
	case EDGE_DEFER:
	case EDGE_VERDICT:
	case EDGE_SOCKET:
	case EDGE_AGAIN:
	case EDGE_EXCHANGE: {
		bool sent = c->up && c->up->request.began, over = stream_is_over(c);
		if (!over)
			metric_inc(c->relay->metrics, M_RELAY_ABORTS);
		if (c->up)
			upstream_release(c->up, false);
		bool waits = c->state == EDGE_EXCHANGE && !sent;
		answer_finish(c,
			waits  ? END_NEVER_SENT
			: over ? END_COMPLETE
			       : END_CLIENT_ABORT,
			over ? NULL : why);
		shut_edge(c);
		break;
	}
	case EDGE_DEAD: break;
	}
}

void
edge_gone(struct edge *c)
{
	edge_end(c, "the client closed the connection");
}

/* The response is written: reads the next request or closes. */
static void
answer_written(struct edge *c)
{
	struct relay *r = c->relay;
	bool unread = !c->body.done || c->in.n, cut = c->answer.cut;

	INVARIANT(c->state == EDGE_FLUSH && c->out.n == 0);
	INVARIANT(!c->whole.p && !c->socket);
	drop_answer(c);
	buf_free(&c->in);
	explicit_bzero(c->ticket, sizeof(c->ticket));
	if (!cut && unread) {
		/* Closing a socket before all is read would reset the connection, and the
		 * response might be lost (RFC 9112 9.6). */
		shutdown(c->fd, SHUT_WR);
		edge_enter(c, EDGE_LINGER);
		c->active_us = clock_mono_us();
		return;
	}
	if (cut || c->last_request || r->draining) {
		edge_close(c);
		return;
	}
	c->scan = (struct http_scan){ 0, 0 };
	c->filled = c->retried = false;
	c->moves = 0;
	edge_enter(c, EDGE_HEAD);
}

/* ---- bytes ---- */

/* Notes that bytes were written (the peer has read some, if the socket was full before), or that
 * the socket is full now. */
static void
note_pause(struct edge *c, bool wrote, bool full)
{
	uint64_t now_us = clock_mono_us();

	if (wrote) {
		c->active_us = now_us;
		if (c->stuck.full_us && now_us - c->stuck.full_us > c->stuck.pause_us)
			c->stuck.pause_us = now_us - c->stuck.full_us;
		c->stuck.full_us = 0;
	}
	if (full && !c->stuck.full_us)
		c->stuck.full_us = now_us;
}

void
edge_flush(struct edge *c)
{
	bool wrote = false, full = false;

	if (c->fd < 0 || c->state == EDGE_DEAD)
		return;
	while (edge_unsent(c)) {
		struct span v = buf_view(&c->out);
		ssize_t n = send(c->fd, v.p, v.n - c->held, MSG_NOSIGNAL);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN) {
			ev_io_start(c->relay->loop, &c->writable);
			full = true;
			break;
		}
		if (n < 0) {
			edge_gone(c);
			return;
		}
		buf_consume(&c->out, (size_t)n);
		if (c->answer.life >= RESPONSE_BEGUN)
			c->answer.sent += (uint64_t)n;
		wrote = true;
	}
	if (wrote || full)
		note_pause(c, wrote, full);
	if (edge_unsent(c) == 0)
		ev_io_stop(c->relay->loop, &c->writable);
	if (c->up && wrote && edge_unsent(c) < CAP_RELAY_UNSENT)
		upstream_resume(c->up);
	if (c->out.n)
		return;
	if (c->state == EDGE_FLUSH)
		answer_written(c);
	else if (c->state == EDGE_FINISH && c->answer.cut)
		shut_edge(c);
}

static void
on_edge_writable(struct ev_loop *loop UNUSED, ev_io *w, int events UNUSED)
{
	struct edge *c = TAGGED(edge, w->data);

	edge_flush(c);
	edge_update(c);
}

static void
on_edge_readable(struct ev_loop *loop UNUSED, ev_io *w, int events UNUSED)
{
	struct edge *c = TAGGED(edge, w->data);
	size_t room;

	INVARIANT(c->fd >= 0 && c->state != EDGE_DEAD);
	INVARIANT(!c->reading.away);
	if (c->state == EDGE_LINGER) {
		/* The response is written, but the peer still sends: reads and drops. */
		char drop[READ_MIN_BYTES];
		ssize_t n = recv(c->fd, drop, sizeof(drop), 0);
		explicit_bzero(drop, sizeof(drop));
		if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR))
			edge_close(c);
		return;
	}
	enum edge_state before = c->state;
	char *direct = request_room(c, &room), *to = direct;
	if (c->state != before) { /* the body was refused because there was no room for it */
		edge_update(c);
		return;
	}
	if (!to) {
		room = c->filled ? READ_MAX_BYTES : READ_MIN_BYTES;
		to = buf_reserve(&c->in, room);
	}
	ssize_t n = to ? recv(c->fd, to, room, 0) : -1;
	if (n < 0 && to && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		edge_gone(c);
		return;
	}
	c->active_us = clock_mono_us();
	c->filled = (size_t)n == room;
	if (direct) {
		request_took(c, (size_t)n);
	} else {
		buf_commit(&c->in, (size_t)n);
		if (c->state != EDGE_HEAD && c->state != EDGE_CLAIM && c->body.done)
			c->last_request = true;
		request_progress(c);
	}
	edge_update(c);
}

static void
edge_new(struct relay *r, int fd)
{
	struct edge *c = calloc(1, sizeof(*c));

	if (!c) {
		close(fd);
		return;
	}
	TAG(edge, c);
	c->relay = r;
	c->fd = fd;
	buf_init(&c->in, CAP_HEAD_BYTES + 2 * READ_MAX_BYTES);
	buf_init(&c->out, CAP_RELAY_UNSENT + 3 * (size_t)CAP_ANSWER_BYTES);
	buf_init(&c->head, 2 * CAP_HEAD_BYTES);
	buf_init(&c->spool, 3 * (size_t)CAP_ANSWER_BYTES);
	buf_init(&c->failed, RELAY_FAILED_MOST);
	buf_init(&c->reading.out, 3 * (size_t)CAP_ANSWER_BYTES);
	ev_io_init(&c->readable, on_edge_readable, fd, EV_READ);
	ev_io_init(&c->writable, on_edge_writable, fd, EV_WRITE);
	ev_init(&c->timer, on_edge_timer);
	c->readable.data = c->writable.data = c->timer.data = c;
	c->active_us = clock_mono_us();
	c->last_request = r->draining;
	LIST_INSERT_HEAD(&r->edges, c, all);
	r->nedges++;
	acceptor_changed(&r->acceptor);
	metric_inc(r->metrics, M_RELAY_CONNS);
	edge_update(c);
}

/* ---- the relay ---- */

static void
bury_dead(struct relay *r)
{
	for (struct edge *c; (c = LIST_FIRST(&r->dead_edges));) {
		INVARIANT(c->state == EDGE_DEAD && c->fd < 0 && !c->up && !c->whole.p);
		LIST_REMOVE(c, all);
		TAG_CLEAR(edge, c);
		free(c);
	}
	for (struct upstream *u; (u = LIST_FIRST(&r->dead_upstreams));) {
		INVARIANT(u->fd < 0 && !u->edge && !ev_is_active(&u->connecting));
		LIST_REMOVE(u, idle);
		TAG_CLEAR(upstream, u);
		free(u);
	}
}

static void
on_prepare(struct ev_loop *loop UNUSED, ev_prepare *w, int events UNUSED)
{
	struct relay *r = TAGGED(relay, w->data);

	sockets_flush(r);
	bury_dead(r);
}

/* While the upstream is slower than the client, the edge is not read, and libev reports a closed
 * peer only to a watcher that reads. A separate epoll set, which the loop watches, reports only
 * the close (EPOLLRDHUP). The relay therefore passes an abort on at once, although bytes
 * that were not read precede it. */
static void
on_edge_hup(struct ev_loop *loop UNUSED, ev_io *w, int events UNUSED)
{
	struct relay *r = TAGGED(relay, w->data);
	struct epoll_event ev[16];

	int n = epoll_wait(r->hup_fd, ev, 16, 0);
	for (int i = 0; i < n; i++) {
		struct edge *c = TAGGED(edge, ev[i].data.ptr);
		/* An earlier event of this batch closed the edge, which is freed later. */
		if (c->state == EDGE_DEAD || c->fd < 0 || !c->hup_watched)
			continue;
		edge_gone(c);
	}
}

static bool
take_edge(void *relay, int fd)
{
	struct relay *r = TAGGED(relay, relay);

	if (r->nedges >= CAP_RELAY_CONNS)
		close(fd);
	else
		edge_new(r, fd);
	return true;
}

struct relay *
relay_new(struct ev_loop *loop, struct gate *gate, const struct relay_options *options,
	struct metrics *m)
{
	size_t n = strlen(options->egress);
	struct relay *r = calloc(1, sizeof(*r));

	if (!r || n >= sizeof(r->egress.sun_path)) {
		free(r);
		return NULL;
	}
	TAG(relay, r);
	r->loop = loop;
	r->gate = gate;
	r->metrics = m;
	r->options = *options;
	r->options.egress = NULL;
	r->egress.sun_family = AF_UNIX;
	memcpy(r->egress.sun_path, options->egress, n + 1);
	r->hup_fd = epoll_create1(EPOLL_CLOEXEC);
	if (r->hup_fd < 0) {
		free(r);
		return NULL;
	}
	ev_io_init(&r->hup, on_edge_hup, r->hup_fd, EV_READ);
	r->hup.data = r;
	ev_io_start(loop, &r->hup);
	acceptor_init(&r->acceptor, loop, ACCEPT_RELAY, &r->nedges, take_edge, r);
	ev_timer_init(&r->pool_sweep, pool_sweep, POOL_SWEEP_S, POOL_SWEEP_S);
	r->pool_sweep.data = r;
	ev_prepare_init(&r->bury, on_prepare);
	r->bury.data = r;
	ev_prepare_start(loop, &r->bury);
	return r;
}

int
relay_listen(struct relay *r, int fd, bool own)
{
	return acceptor_listen(&r->acceptor, fd, own);
}

void
relay_drain(struct relay *r)
{
	r->draining = true;
	acceptor_close(&r->acceptor);
	for (struct edge *c = LIST_FIRST(&r->edges), *next; c; c = next) {
		next = LIST_NEXT(c, all);
		c->last_request = true;
		if (c->state == EDGE_HEAD && c->in.n == 0)
			edge_close(c);
	}
	while (!LIST_EMPTY(&r->pool))
		pool_drop(LIST_FIRST(&r->pool));
}

/* Returns true if bytes wait for the peer, and the peer has read nothing for stuck_us. HAProxy reads
 * for a slow client in steps of up to 2 MB, and pauses between two steps. A peer that read on after
 * such a pause gets four times as long, because the first pause may be a short one, up to slow_us. */
static bool
is_stuck(struct edge *c, uint64_t now_us)
{
	const struct relay_options *o = &c->relay->options;
	uint64_t most_us = 4 * c->stuck.pause_us;
	int queued = 0; /* bytes in the socket that the peer has not read */

	if (!o->stuck_us || c->fd < 0 || c->reading.away || edge_unsent(c) == 0) {
		c->stuck.since_us = 0;
		return false;
	}
	if (ioctl(c->fd, SIOCOUTQ, &queued) < 0 || queued < 0)
		queued = 0;
	size_t unread = edge_unsent(c) + (size_t)queued;
	if (!c->stuck.since_us || unread != c->stuck.unread_bytes) {
		c->stuck.since_us = now_us;
		c->stuck.unread_bytes = unread;
	}
	if (most_us > o->slow_us)
		most_us = o->slow_us;
	if (most_us < o->stuck_us)
		most_us = o->stuck_us;
	return now_us - c->stuck.since_us >= most_us;
}

void
relay_end_streams(struct relay *r, bool sockets)
{
	uint64_t now_us = clock_mono_us();

	for (struct edge *c = LIST_FIRST(&r->edges), *next; c; c = next) {
		next = LIST_NEXT(c, all);
		if (is_stuck(c, now_us)) {
			edge_end(c, "the client did not read, and the daemon stops");
			continue;
		}
		if (sockets)
			socket_drain(c);
		if (c->state == EDGE_EXCHANGE && c->up && !c->reading.away && stream_stays(c)) {
			response_ends(c);
			edge_update(c);
		}
	}
}

size_t
relay_active(const struct relay *r)
{
	const struct edge *c;
	size_t n = 0;

	LIST_FOREACH (c, &r->edges, all)
		n += c->state != EDGE_HEAD || c->in.n != 0;
	return n;
}

void
relay_abort(struct relay *r)
{
	relay_drain(r);
	for (struct edge *c = LIST_FIRST(&r->edges), *next; c; c = next) {
		next = LIST_NEXT(c, all);
		if (c->state == EDGE_SOCKET)
			socket_close(
				c, WS_GOING_AWAY, END_PROVIDER_ABORT, "the daemon stopped");
		else
			edge_end(c, "the daemon stopped");
	}
}

void
relay_free(struct relay **rp)
{
	struct relay *r = *rp;

	if (!r)
		return;
	relay_abort(r);
	/* The gate owns what it still has of these edges, and calls back no more. */
	for (struct edge *c; (c = LIST_FIRST(&r->edges));) {
		if (c->up)
			upstream_release(c->up, false);
		edge_close(c);
	}
	ev_timer_stop(r->loop, &r->pool_sweep);
	ev_prepare_stop(r->loop, &r->bury);
	ev_io_stop(r->loop, &r->hup);
	close(r->hup_fd);
	bury_dead(r);
	acceptor_free(&r->acceptor);
	INVARIANT(r->nedges == 0 && r->npool == 0 && LIST_EMPTY(&r->gathered));
	TAG_CLEAR(relay, r);
	free(r);
	*rp = NULL;
}
