/* The SPOP agent of one worker: its listeners, its connections' clocks, its end.
 *
 * Workers share the listening sockets, and a worker that has more connections
 * than another leaves the next one to that other for 2 ms. A single timer watches over all
 * connections; it runs only while there are any. */
#include "net/agent_int.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "base/attr.h"
#include "base/log.h"
#include "net/share.h"

void
conns_changed(struct agent *ag, int by)
{
	ag->nopen += (size_t)by;
	if (ag->nlisteners && !ag->draining && !ev_is_active(&ag->backoff))
		share_set(&share_agents, ag->slot, ag->nopen);
}

static void
listeners_stop(struct agent *ag)
{
	for (size_t i = 0; i < ag->nlisteners; i++)
		ev_io_stop(ag->loop, &ag->listeners[i].io);
}

static void
on_backoff(struct ev_loop *loop, ev_timer *w, int events UNUSED)
{
	struct agent *ag = TAGGED(agent, w->data);

	for (size_t i = 0; i < ag->nlisteners; i++)
		ev_io_start(loop, &ag->listeners[i].io);
	conns_changed(ag, 0);
}

/* One connection; false: there is none, or no room for one. */
static bool
accept_one(struct agent *ag, int listener)
{
	int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

	if (fd >= 0)
		return conn_new(ag, fd) == 0;
	switch (errno) {
	case EINTR:
	case ECONNABORTED: return true;
	case EAGAIN: return false;
	default: /* EMFILE, ENFILE, ENOBUFS, ENOMEM: the listener stays readable */
		log_event(LOG_WARN, "spop.accept", LS("error", strerror(errno)));
		listeners_stop(ag);
		share_close(&share_agents, ag->slot);
		if (!ag->draining && !ev_is_active(&ag->backoff)) {
			ev_timer_set(&ag->backoff, AGENT_BACKOFF_S, 0.);
			ev_timer_start(ag->loop, &ag->backoff);
		}
		return false;
	}
}

static void
on_acceptable(struct ev_loop *loop, ev_io *w, int events UNUSED)
{
	struct agent *ag = TAGGED(agent_listener, w->data)->ag;

	if (!share_less(&share_agents, ag->slot, ag->nopen)) {
		accept_one(ag, w->fd);
		return;
	}
	listeners_stop(ag);
	ev_timer_set(&ag->defer, AGENT_DEFER_S, 0.);
	ev_timer_start(loop, &ag->defer);
}

/* The other had its chance. */
static void
on_defer(struct ev_loop *loop, ev_timer *w, int events)
{
	struct agent *ag = TAGGED(agent, w->data);

	on_backoff(loop, w, events);
	for (size_t i = 0; i < ag->nlisteners; i++)
		accept_one(ag, ag->listeners[i].io.fd);
}

/* Deadlines of one connection. */
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
	ev_init(&ag->backoff, on_backoff);
	ev_init(&ag->defer, on_defer);
	ev_init(&ag->sweep, on_sweep);
	ag->sweep.repeat = AGENT_SWEEP_S;
	ev_prepare_init(&ag->turn_ends, on_turn_ends);
	ag->backoff.data = ag->defer.data = ag->sweep.data = ag->turn_ends.data = ag;
	ev_prepare_start(loop, &ag->turn_ends);
	ev_unref(loop); /* it keeps no loop going */
	ag->slot = share_join(&share_agents);
	return ag;
}

int
agent_listen(struct agent *ag, int fd)
{
	if (ag->nlisteners == AGENT_LISTENERS)
		return ERR_FULL;
	struct agent_listener *l = &ag->listeners[ag->nlisteners++];
	l->ag = ag;
	ev_io_init(&l->io, on_acceptable, fd, EV_READ);
	TAG(agent_listener, l);
	l->io.data = l;
	ev_io_start(ag->loop, &l->io);
	share_set(&share_agents, ag->slot, ag->nopen);
	return 0;
}

int
agent_adopt(struct agent *ag, int fd)
{
	return conn_new(ag, fd);
}

void
agent_drain(struct agent *ag)
{
	if (ag->draining)
		return;
	ag->draining = true;
	ag->drain_at = ev_now(ag->loop);
	share_close(&share_agents, ag->slot);
	listeners_stop(ag);
	ev_timer_stop(ag->loop, &ag->backoff);
	ev_timer_stop(ag->loop, &ag->defer);
	/* Whoever waits in the backlog has been promised an agent. */
	for (size_t i = 0; i < ag->nlisteners; i++)
		while (accept_one(ag, ag->listeners[i].io.fd))
			;
	ag->sweep.repeat = AGENT_DRAIN_SWEEP_S;
	ev_timer_again(ag->loop, &ag->sweep);
}

size_t
agent_pending(const struct agent *ag)
{
	return ag->pending;
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
	listeners_stop(ag);
	agent_flush(ag);
	while (!LIST_EMPTY(&ag->conns))
		conn_free(LIST_FIRST(&ag->conns));
	ev_ref(ag->loop);
	ev_prepare_stop(ag->loop, &ag->turn_ends);
	share_leave(&share_agents, ag->slot);
	ev_timer_stop(ag->loop, &ag->backoff);
	ev_timer_stop(ag->loop, &ag->defer);
	ev_timer_stop(ag->loop, &ag->sweep);
	for (size_t i = 0; i < AGENT_CLASSES; i++) {
		for (struct agent_call *next, *call = ag->cache[i]; call; call = next) {
			next = call->chain;
			free(call);
		}
	}
	free(ag->table);
	free(ag->scratch);
	free(ag);
	*agp = NULL;
}
