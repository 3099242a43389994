/* Says in the log that hosts are observed (policy/identity/observe.h), and when that comes near its end
 * and ends. Main thread. */
#ifndef OPERATOR_SERVER_OBSERVING_H
#define OPERATOR_SERVER_OBSERVING_H

#include "policy/identity/observe.h"

struct server;

/* Says it where what is to be said has changed. */
void observing_look(struct server *s);
/* Another policy is in force, or the first: it is said anew. */
void observing_again(struct server *s);

/* For the admin thread: a line of /readyz, or nothing; a value of /status. */
void observing_ready(const struct policy *p, struct buf *out);
void observing_status(const struct policy *p, struct buf *out);

#endif
