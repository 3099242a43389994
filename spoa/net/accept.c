/* Accepts connections, and balances them among workers.
 *
 * Each worker and kind has a slot with its number of connections. Its owner writes the slot and
 * the other workers read it when they accept. Relaxed atomics are enough: with a stale number,
 * one connection is accepted by the wrong worker.
 *
 * Example: workers A and B have 3 and 1 connections. A sees a new connection first, finds that B
 * has fewer, and pauses for 2 ms. If B has not accepted the connection by then, A accepts it. */
#include "net/accept.h"

#include <errno.h>
#include <stdatomic.h>
#include <sys/socket.h>

#include "base/attr.h"
#include "base/err.h"
#include "base/log.h"

#define SLOTS	256
/* the load of an acceptor that does not accept; 0: the slot was never used */
#define CLOSED	UINT64_MAX
#define DEFER_S 0.002	   /* seconds: pause, so that another worker accepts */
#define PAUSE_S 0.1	   /* seconds: pause after EMFILE and similar errors */

/* owner: the process. A slot is taken by acceptor_init() and returned by acceptor_free(). */
static struct {
	atomic_bool taken[SLOTS];
	_Atomic uint64_t load[SLOTS]; /* connections + 1, or CLOSED */
} shares[2];

static void
publish_load(struct acceptor *a, uint64_t load)
{
	if (a->slot >= 0)
		atomic_store_explicit(
			&shares[a->kind].load[a->slot], load, memory_order_relaxed);
}

/* Returns true if another acceptor that accepts has fewer connections. */
static bool
another_has_less(const struct acceptor *a)
{
	for (int i = 0; i < SLOTS && a->slot >= 0; i++) {
		uint64_t other =
			atomic_load_explicit(&shares[a->kind].load[i], memory_order_relaxed);
		if (other == 0)
			break; /* slots are used from the front */
		if (i != a->slot && other < *a->conns + 1)
			return true;
	}
	return false;
}

void
acceptor_changed(struct acceptor *a)
{
	if (a->nlisteners && !a->closed && !ev_is_active(&a->later))
		publish_load(a, *a->conns + 1);
}

static void
stop_listening(struct acceptor *a)
{
	for (size_t i = 0; i < a->nlisteners; i++)
		ev_io_stop(a->loop, &a->listener[i]);
}

static void
pause_for(struct acceptor *a, double s)
{
	stop_listening(a);
	if (a->closed)
		return;
	INVARIANT(s > 0);
	ev_timer_stop(a->loop, &a->later);
	ev_timer_set(&a->later, s, 0.);
	ev_timer_start(a->loop, &a->later);
}

/* Accepts one connection. Returns false if there is none, or no room for one. */
static bool
accept_one(struct acceptor *a, int listener)
{
	static const char *const events[] = { "spop.accept", "relay.accept" };
	int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

	if (fd >= 0)
		return a->take(a->owner, fd);
	switch (errno) {
	case EINTR:
	case ECONNABORTED: return true;
	case EAGAIN: return false;
	default: /* EMFILE, ENFILE, ENOBUFS, ENOMEM: the listener stays readable */
		log_event(LOG_WARN, events[a->kind], LS("error", strerror(errno)));
		publish_load(a, CLOSED);
		pause_for(a, PAUSE_S);
		return false;
	}
}

static void
on_later(struct ev_loop *loop, ev_timer *w, int events UNUSED)
{
	struct acceptor *a = TAGGED(acceptor, w->data);

	for (size_t i = 0; i < a->nlisteners; i++)
		ev_io_start(loop, &a->listener[i]);
	acceptor_changed(a);
	/* The other worker had its chance: accepts without comparing. */
	for (size_t i = 0; i < a->nlisteners && !ev_is_active(w); i++)
		accept_one(a, a->listener[i].fd);
}

static void
on_acceptable(struct ev_loop *loop UNUSED, ev_io *w, int events UNUSED)
{
	struct acceptor *a = TAGGED(acceptor, w->data);

	if (another_has_less(a))
		pause_for(a, DEFER_S);
	else
		accept_one(a, w->fd);
}

/* No other worker accepts on this socket. */
static void
on_own_acceptable(struct ev_loop *loop UNUSED, ev_io *w, int events UNUSED)
{
	accept_one(TAGGED(acceptor, w->data), w->fd);
}

void
acceptor_init(struct acceptor *a, struct ev_loop *loop, enum accept_kind kind,
	const size_t *conns, bool (*take)(void *owner, int fd), void *owner)
{
	INVARIANT(take && conns && (size_t)kind < sizeof(shares) / sizeof(shares[0]));
	*a = (struct acceptor){ .loop = loop,
		.kind = kind,
		.slot = -1,
		.conns = conns,
		.take = take,
		.owner = owner };
	TAG(acceptor, a);
	ev_init(&a->later, on_later);
	a->later.data = a;
	for (int i = 0; i < SLOTS && a->slot < 0; i++) {
		bool no = false;
		if (atomic_compare_exchange_strong(&shares[kind].taken[i], &no, true))
			a->slot = i;
	}
	publish_load(a, CLOSED); /* until acceptor_listen() */
}

int
acceptor_listen(struct acceptor *a, int fd, bool own)
{
	INVARIANT(fd >= 0 && a->nlisteners <= ACCEPT_LISTENERS);
	if (a->nlisteners == ACCEPT_LISTENERS)
		return ERR_FULL;
	ev_io *w = &a->listener[a->nlisteners++];
	ev_io_init(w, own ? on_own_acceptable : on_acceptable, fd, EV_READ);
	w->data = a;
	ev_io_start(a->loop, w);
	acceptor_changed(a);
	return 0;
}

void
acceptor_pause(struct acceptor *a)
{
	publish_load(a, CLOSED);
	ev_timer_stop(a->loop, &a->later);
	stop_listening(a);
}

void
acceptor_close(struct acceptor *a)
{
	a->closed = true;
	acceptor_pause(a);
}

void
acceptor_resume(struct acceptor *a)
{
	for (size_t i = 0; i < a->nlisteners && !a->closed; i++)
		ev_io_start(a->loop, &a->listener[i]);
	acceptor_changed(a);
}

void
acceptor_forget(struct acceptor *a)
{
	acceptor_close(a);
	a->nlisteners = 0;
}

void
acceptor_backlog(struct acceptor *a)
{
	for (size_t i = 0; i < a->nlisteners; i++)
		while (accept_one(a, a->listener[i].fd))
			;
}

void
acceptor_free(struct acceptor *a)
{
	acceptor_close(a);
	TAG_CLEAR(acceptor, a);
	INVARIANT(a->slot < SLOTS && !ev_is_active(&a->later));
	INVARIANT(a->slot < 0 || atomic_load(&shares[a->kind].taken[a->slot]));
	if (a->slot >= 0)
		atomic_store(&shares[a->kind].taken[a->slot], false);
	a->slot = -1;
}
