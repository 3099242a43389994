/* Idle upstream connections of a worker, newest first: the oldest fall idle and
 * are swept. An idle connection is watched, so that one that HAProxy closes
 * leaves the pool at once; it is looked at once more when taken, for bytes
 * nobody asked for would be read as the next caller's answer. */
#include <errno.h>
#include <sys/socket.h>

#include "base/attr.h"
#include "base/clock.h"
#include "net/relay_conn.h"

static void
unlink_pooled(struct upstream *u)
{
	struct relay *r = u->relay;

	LIST_REMOVE(u, idle);
	r->npool--;
	if (r->npool == 0)
		ev_timer_stop(r->loop, &r->pool_sweep);
}

void
pool_drop(struct upstream *u)
{
	unlink_pooled(u);
	upstream_close(u);
}

void
pool_put(struct upstream *u)
{
	struct relay *r = u->relay;

	if (r->draining || r->npool >= r->options.pool) {
		upstream_close(u);
		return;
	}
	u->edge = NULL;
	u->since_us = clock_mono_us();
	LIST_INSERT_HEAD(&r->pool, u, idle);
	if (r->npool++ == 0)
		ev_timer_again(r->loop, &r->pool_sweep);
}

struct upstream *
pool_take(struct relay *r)
{
	for (struct upstream *u; (u = LIST_FIRST(&r->pool));) {
		char byte;
		/* Open, and with nothing to read. */
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
