/* The SPOP agent of one worker: its connections' clocks, its end. A single timer watches over
 * all connections; it runs only while there are any. */
#include "net/agent_int.h"

#include <stdlib.h>

#include "base/attr.h"

void
conns_changed(struct agent *ag, int by)
{
	ag->nopen += (size_t)by;
	acceptor_changed(&ag->acceptor);
}

static bool
take_agent_fd(void *agent, int fd)
{
	return conn_new(TAGGED(agent, agent), fd) == 0;
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
	ev_unref(loop); /* it keeps no loop going */
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
	/* Whoever waits in the backlog has been promised an agent. */
	acceptor_backlog(&ag->acceptor);
	ag->sweep.repeat = AGENT_DRAIN_SWEEP_S;
	ev_timer_again(ag->loop, &ag->sweep);
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
	free(ag);
	*agp = NULL;
}
