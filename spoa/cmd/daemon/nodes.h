/* Cells of the tables of nodes, for `node list` and `status --all`. Each formats a row of GET
 * /nodes (operator/group/nodes.h). */
#ifndef CMD_DAEMON_NODES_H
#define CMD_DAEMON_NODES_H

#include <jansson.h>
#include <stdbool.h>

#include "base/buf.h"

/* Appends when the node last wrote to Redis, such as "12s ago", or "-". */
void nodes_put_seen(struct buf *cell, const json_t *row, const char *name);
/* Appends the degraded parts and whether the node gets no requests, or "-". */
void nodes_put_note(struct buf *cell, const json_t *row, const char *name);

/* Runs `status --all`. Returns EXIT_DONE if every daemon is ready, EXIT_NO if one is not or if Redis
 * does not list the daemons. */
int nodes_status(const char *config, bool as_json);

#endif
