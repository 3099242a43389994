/* Work of the instance that decides for the other instance of the node, once no process of that
 * instance runs: it counts the usage in that instance's journal, settles its requests, and
 * completes its copies and anchors. A host without a second instance has no such thread. */
#ifndef OPERATOR_SERVER_ADOPTING_H
#define OPERATOR_SERVER_ADOPTING_H

#include "base/buf.h"
#include "base/service.h"

struct recall_after;
struct server;

/* owner: main, except where noted */
struct adopting {
	struct server *server;
	struct service service;
	/* work that the start has left; owner: the service while it runs */
	struct recall_after *after;
};

/* Starts the thread if the other instance has ever written a journal. Call it when this
 * instance decides. Returns 0, or ERR_NOMEM with *why. */
int adopting_start(struct adopting *a, struct server *s, struct buf *why);
/* Waits for the thread. Does nothing if it was not started. */
void adopting_stop(struct adopting *a);

#endif
