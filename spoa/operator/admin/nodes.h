/* The nodes that share a Redis: their state, and retiring a node that will not return. */
#ifndef OPERATOR_ADMIN_NODES_H
#define OPERATOR_ADMIN_NODES_H

#include "operator/admin/change.h"

/* GET /nodes. Parameter `all`: also nodes that are stopped or retired. Returns {"node","known",
 * "nodes": […]} with the rows of operator/group/nodes.h and "state": ready, not ready, away, stopped
 * or retired. "known" is false if Redis does not answer, so that the list has this node alone. */
admin_call_fn admin_nodes;
/* POST /nodes/retire. Parameters: node, why, journal (a folder), keep_stream. Removes what Redis has
 * of the node; a daemon with that name accepts no requests until admin_node_admit. */
extern const struct change_row admin_node_retire;
/* POST /nodes/admit. Parameters: node, why. */
extern const struct change_row admin_node_admit;

#endif
