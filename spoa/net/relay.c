/* The life of a worker's relay: accepts HAProxy's connections, drains, aborts.
 *
 * Edges and upstreams that die during a turn of the loop are freed at its end, so that no
 * callback meets freed memory. A connection that is not read is watched for its end by an epoll
 * set of its own. */
#include "net/relay.h"

#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/attr.h"
#include "base/codec/ws.h"
#include "base/err.h"
#include "net/relay_conn.h"

#define POOL_SWEEP_S 1.0

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
relay_new(struct ev_loop *loop, const struct relay_gate_ops *ops, struct gate *gate,
	const struct relay_options *options, struct metrics *m)
{
	size_t n = strlen(options->egress);
	struct relay *r = calloc(1, sizeof(*r));

	if (!r || n >= sizeof(r->egress.sun_path)) {
		free(r);
		return NULL;
	}
	TAG(relay, r);
	r->loop = loop;
	r->ops = ops;
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

void
relay_end_streams(struct relay *r, bool sockets)
{
	for (struct edge *c = LIST_FIRST(&r->edges), *next; c; c = next) {
		next = LIST_NEXT(c, all);
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
