/* Accepts connections so that they spread evenly among workers.
 *
 * All workers wait on the same listening sockets. Left to chance, the worker that wakes first
 * takes nearly all connections (measured: 67 of 74). HAProxy's connections are long-lived, so
 * this worker would do nearly all the work. Therefore a worker that has more connections than
 * another pauses for 2 ms and leaves the next connection to the other worker. owner: worker. */
#ifndef NET_ACCEPT_H
#define NET_ACCEPT_H

#include <ev.h>
#include <stdbool.h>

#include "base/tag.h"

#define ACCEPT_LISTENERS 8

/* Connections are balanced among the acceptors of one kind: the agents of the process, and its
 * relays. */
enum accept_kind { ACCEPT_AGENT, ACCEPT_RELAY };

/* owner: the agent or relay that contains it. */
struct acceptor {
	struct tag tag;
	struct ev_loop *loop;
	enum accept_kind kind;
	/* index in the table of loads of its kind; -1: the table is full, and other workers do
	 * not wait for this one */
	int slot;
	ev_io listener[ACCEPT_LISTENERS];
	size_t nlisteners;
	/* accepting is paused: it is another worker's turn, or descriptors are exhausted */
	ev_timer later;
	bool closed;
	const size_t *conns; /* number of the owner's connections */
	/* Takes over a connected socket. Returns false if there was no room for it. */
	bool (*take)(void *owner, int fd);
	void *owner;
};

/* Initializes the acceptor and takes a slot in the table. `conns` must stay valid. */
void acceptor_init(struct acceptor *a, struct ev_loop *loop, enum accept_kind kind,
	const size_t *conns, bool (*take)(void *owner, int fd), void *owner);
/* Accepts on a socket, which stays the caller's. `own`: no other worker accepts on it, so that
 * accepting never pauses for another worker. Returns 0, or ERR_FULL for a ninth socket. */
int acceptor_listen(struct acceptor *a, int fd, bool own);
/* Publishes *conns to the other workers. Call this after each change. */
void acceptor_changed(struct acceptor *a);
/* Never accepts again. */
void acceptor_close(struct acceptor *a);
/* Accepts nothing until acceptor_resume(). */
void acceptor_pause(struct acceptor *a);
void acceptor_resume(struct acceptor *a);
/* Forgets the sockets, which another process has taken over together with the connections in
 * their backlog. */
void acceptor_forget(struct acceptor *a);
/* Accepts all connections in the backlog at once. */
void acceptor_backlog(struct acceptor *a);
void acceptor_free(struct acceptor *a);

#endif
