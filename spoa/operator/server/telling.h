/* What the daemon tells others of itself (telemetry/): started and stopped with the server. */
#ifndef OPERATOR_SERVER_TELLING_H
#define OPERATOR_SERVER_TELLING_H

#include "base/buf.h"
#include "policy/config/config.h"

struct server;

/* Before the workers start. 0, or negative with *why. */
int telling_start(struct server *s, const struct config *cfg, struct buf *why);
/* The loop runs from here on: there are workers whose counters may be read. */
int telling_run(struct server *s, struct buf *why);
/* After the audit thread, before the workers are freed: what is left goes, two seconds at most. */
void telling_stop(struct server *s);

#endif
