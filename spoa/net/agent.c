/* The SPOP agent of one worker: the deadlines of its connections, draining, and the hand-over to
 * another process. One timer watches all connections; it runs only while there are any. */
#include "net/agent_int.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/attr.h"
#include "base/err.h"

void
conns_changed(struct agent *ag, int by)
{
	INVARIANT(by > 0 || ag->nopen > 0);
	ag->nopen += (size_t)by;
	INVARIANT(ag->nopen <= ag->nconns);
	acceptor_changed(&ag->acceptor);
}

static bool
take_agent_fd(void *agent, int fd)
{
	return conn_new(TAGGED(agent, agent), fd) == 0;
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
	if ((c->last || now - at > AGENT_DRAIN_IDLE_S) && conn_idle(c))
		conn_disconnect(c, SPOP_OK);
}

static void
on_sweep(struct ev_loop *loop, ev_timer *w, int events UNUSED)
{
	struct agent *ag = TAGGED(agent, w->data);

	for (struct agent_conn *next, *c = LIST_FIRST(&ag->conns); c; c = next) {
		next = LIST_NEXT(c, all);
		sweep_conn(c);
	}
	if (LIST_EMPTY(&ag->conns))
		ev_timer_stop(loop, w);
}

static void
on_turn_ends(struct ev_loop *loop UNUSED, ev_prepare *w, int events UNUSED)
{
	agent_flush(TAGGED(agent, w->data));
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
	ev_prepare_init(&ag->turn_ends, on_turn_ends);
	ag->sweep.data = ag->turn_ends.data = ag;
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
	acceptor_close(&ag->acceptor);
	/* HAProxy considers connections in the backlog as made, so they are served. */
	acceptor_backlog(&ag->acceptor);
	ag->sweep.repeat = AGENT_DRAIN_SWEEP_S;
	ev_timer_again(ag->loop, &ag->sweep);
}

/* ---- the hand-over to another process ---- */

/* Closing a connection loses the NOTIFYs that HAProxy has sent meanwhile. Therefore a frozen
 * agent only stops reading, and what HAProxy sends waits in the socket. Once each NOTIFY that
 * was read has its ACK, a connection consists of its descriptor, the negotiated frame size and
 * the bytes of a frame that has not arrived whole (SPOE.txt 3.2). The other process reads from
 * no connection until it has decided to serve, so that this agent can thaw and go on.
 *
 * Connections that are being closed are not passed on: they are freed here. Thus no event of the
 * worker frees a connection while the main thread walks the list. */
void
agent_freeze(struct agent *ag)
{
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
		buf_put(&in, c->len, c->nlen);
		if (c->in)
			buf_put(&in, c->in->bytes, c->in->have);
		buf_span(&in, buf_view(&c->stash));
		const struct agent_parcel p = { .fd = c->fd,
			.greeted = c->state == CONN_OPEN,
			.max_frame = c->max_frame,
			.engine = span_of(c->engine, c->nengine),
			.in = buf_view(&in) };
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
	int err = conn_new(ag, p->fd);
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
