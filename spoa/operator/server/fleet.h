/* The nodes that share a Redis, as this daemon sees them: which are retired, and how many daemons
 * there are. */
#ifndef OPERATOR_SERVER_FLEET_H
#define OPERATOR_SERVER_FLEET_H

#include "base/buf.h"

struct server;

/* Looks at the entries and at the group: call it once a second on the main thread. While this
 * daemon's node is retired, it accepts no requests and copies no records to Redis. */
void fleet_look(struct server *s);
/* Appends "retired: …" for /readyz. Returns false and appends nothing if this node is not retired.
 * Any thread, as the functions below. */
bool fleet_says_retired(struct server *s, struct buf *out);
/* Appends a line for each daemon that gets no requests while others do. */
void fleet_says_unasked(struct server *s, struct buf *out);
/* Writes the daemons of the group as a JSON list (operator/group/nodes.h): this daemon alone, and
 * returns false, if there is no Redis or it does not answer. */
bool fleet_nodes(struct server *s, struct buf *out);
/* Appends tollgate_node_live and tollgate_node_unasked of each node to /metrics. */
void fleet_metrics(struct server *s, struct buf *out);

#endif
