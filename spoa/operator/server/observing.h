/* Says in the log that hosts are observed (policy/identity/observe.h), and when that comes near its end
 * and ends. Main thread. */
#ifndef OPERATOR_SERVER_OBSERVING_H
#define OPERATOR_SERVER_OBSERVING_H

#include <ev.h>

#include "base/tag.h"
#include "policy/identity/observe.h"

struct server;

struct observing {
	struct tag tag;
	struct server *s;
	struct ev_loop *loop;
	ev_timer timer;
	enum observe_state said;
};

void observing_start(struct observing *o, struct server *s, struct ev_loop *loop);
/* Another policy is in force: it is said anew. */
void observing_again(struct observing *o);
void observing_stop(struct observing *o);

/* For the admin thread: a line of /readyz, or nothing; a value of /status. */
void observing_ready(const struct policy *p, struct buf *out);
void observing_status(const struct policy *p, struct buf *out);

#endif
