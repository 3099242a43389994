/* Logs that hosts are observed (policy/identity/observe.h), that the observation is close to
 * its end, and that it has ended. Main thread. */
#ifndef OPERATOR_SERVER_OBSERVING_H
#define OPERATOR_SERVER_OBSERVING_H

#include "policy/identity/observe.h"

struct server;

/* Logs the state again, because another policy is in force, or the first one. */
void observing_again(struct server *s);

#endif
