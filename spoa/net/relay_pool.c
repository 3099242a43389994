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

	if (u->prev)
		u->prev->next = u->next;
	else
		r->pool = u->next;
	if (u->next)
		u->next->prev = u->prev;
	u->prev = u->next = NULL;
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
	u->prev = NULL;
	u->next = r->pool;
	if (r->pool)
		r->pool->prev = u;
	r->pool = u;
	if (r->npool++ == 0)
		ev_timer_again(r->loop, &r->pool_sweep);
}

/* Open, and with nothing to read. */
static bool
is_quiet(const struct upstream *u)
{
	char byte;
	ssize_t n = recv(u->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT);

	return n < 0 && errno == EAGAIN;
}

struct upstream *
pool_take(struct relay *r)
{
	while (r->pool) {
		struct upstream *u = r->pool;
		if (is_quiet(u)) {
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

	for (struct upstream *u = r->pool, *next; u; u = next) {
		next = u->next;
		if (u->since_us + r->options.idle_us <= now)
			pool_drop(u);
	}
}
