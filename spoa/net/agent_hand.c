/* Hands the connections of an agent over to another process, which serves them from then on.
 *
 * Closing a connection loses the NOTIFYs that HAProxy has sent meanwhile. A frozen agent
 * therefore only stops reading: what HAProxy sends waits in the socket. Once each NOTIFY that was
 * read has its ACK, nothing but the descriptor, the negotiated frame size and the bytes of a
 * frame that has not arrived whole is left of a connection (SPOE.txt 3.2). Until the other
 * process has all of them, the agent may thaw and serve them itself. */
#include "net/agent_int.h"

#include "base/err.h"

void
agent_freeze(struct agent *ag)
{
	struct agent_conn *c;

	ag->frozen = true;
	acceptor_pause(&ag->acceptor);
	LIST_FOREACH (c, &ag->conns, all)
		if (conn_talks(c))
			ev_io_stop(ag->loop, &c->rd);
}

bool
agent_is_still(const struct agent *ag)
{
	const struct agent_conn *c;

	if (!ag->frozen || !LIST_EMPTY(&ag->gathered))
		return false;
	LIST_FOREACH (c, &ag->conns, all)
		if (conn_talks(c) && (c->ncalls || c->out.n))
			return false;
	return true;
}

int
agent_parcels(struct agent *ag, agent_parcel_ready *ready, void *arg)
{
	struct agent_conn *c;
	int err = 0;

	LIST_FOREACH (c, &ag->conns, all) {
		if (!conn_talks(c) || err)
			continue;
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

static void
drop_talking(struct agent *ag)
{
	for (struct agent_conn *next, *c = LIST_FIRST(&ag->conns); c; c = next) {
		next = LIST_NEXT(c, all);
		if (conn_talks(c))
			conn_free(c);
	}
}

void
agent_thaw(struct agent *ag, bool drop)
{
	struct agent_conn *c;

	ag->frozen = false;
	if (drop)
		drop_talking(ag);
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
	drop_talking(ag);
}

int
agent_adopt(struct agent *ag, const struct agent_parcel *p)
{
	int err = conn_new(ag, p->fd);

	if (err)
		return err;
	struct agent_conn *c = LIST_FIRST(&ag->conns);
	c->state = p->greeted ? CONN_OPEN : CONN_HELLO;
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
