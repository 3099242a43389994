/* Sealed texts (record/seal/) for auditors: shares that are handed out, erasures, and the data
 * with which the console opens texts. */
#ifndef OPERATOR_ADMIN_SEALED_H
#define OPERATOR_ADMIN_SEALED_H

#include "operator/admin/change.h"
#include "operator/admin/reader.h"

/* Parameters: person, why, ticket. Afterwards no node opens a text of that person. The response
 * has the erasure, its serial, `here` (this node had a share of the person) and the nodes, as
 * in admin_erasures(). */
extern const struct change_row admin_erase;
/* Parameters: id, part, share (its number). Returns the share; the request is recorded first.
 */
extern const struct change_row admin_share;
/* Returns what the console needs to open a request's texts in its page, as `audit open
 * --sealed` prints it. 404 if console.open is false. `arg` of its row is sealed_texts. */
admin_begin_fn admin_opening;
extern const struct reader sealed_texts;
/* {"erasures": [{"erasure","serial","at","why",…,"nodes": [{"node","done","at"}]}]}; 503 if
 * Redis, the only place that knows other nodes, does not answer. */
unsigned admin_erasures(struct server *s, struct buf *out);

#endif
