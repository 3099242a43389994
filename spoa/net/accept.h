/* Listening sockets, and how connections come out even among workers.
 *
 * All workers wait on the same listening sockets, and left to chance the one
 * that wakes first takes nearly all (measured: 67 of 74). HAProxy's connections
 * live long, so that worker would do nearly all the work. So a worker that has more
 * connections than another leaves the next one to that other for 2 ms. owner: worker. */
#ifndef NET_ACCEPT_H
#define NET_ACCEPT_H

#include <ev.h>
#include <stdbool.h>

#include "base/tag.h"

#define ACCEPT_LISTENERS 8

/* What is counted together: the process's agents, and its relays. */
enum accept_kind { ACCEPT_AGENT, ACCEPT_RELAY };

struct acceptor {
	struct tag tag;
	struct ev_loop *loop;
	enum accept_kind kind;
	int slot; /* among those of its kind; -1: none, and nobody waits for it */
	ev_io listener[ACCEPT_LISTENERS];
	size_t nlisteners;
	ev_timer later; /* another worker's turn, or out of descriptors */
	bool closed;
	const size_t *conns; /* how many there are */
	/* Takes over a connected socket; false: there was no room for it. */
	bool (*take)(void *owner, int fd);
	void *owner;
};

void acceptor_init(struct acceptor *a, struct ev_loop *loop, enum accept_kind kind,
	const size_t *conns, bool (*take)(void *owner, int fd), void *owner);
/* Watches a socket, which stays the caller's; `own`: no other worker does. ERR_FULL over
 * eight. */
int acceptor_listen(struct acceptor *a, int fd, bool own);
/* After *conns changed: the other workers look at it. */
void acceptor_changed(struct acceptor *a);
/* Accepts no more. */
void acceptor_close(struct acceptor *a);
/* Accepts nothing until acceptor_resume(). */
void acceptor_pause(struct acceptor *a);
void acceptor_resume(struct acceptor *a);
/* The sockets are another process' now: what waits in their backlog is, too. */
void acceptor_forget(struct acceptor *a);
/* Takes what waits in the backlog. */
void acceptor_backlog(struct acceptor *a);
void acceptor_free(struct acceptor *a);

#endif
