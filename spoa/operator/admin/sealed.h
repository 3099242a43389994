/* Sealed texts (record/seal/), as auditors ask for them: shares that are handed out, erasures,
 * and what a page needs that opens them. */
#ifndef OPERATOR_ADMIN_SEALED_H
#define OPERATOR_ADMIN_SEALED_H

#include "operator/admin/change.h"
#include "operator/admin/reader.h"

/* person, why, ticket: whoever it is gets no text of his opened any more, on any node. The
 * answer: erasure, serial, `here`: there was a share of his on this node, and nodes, as of
 * admin_erasures(). */
extern const struct change_row admin_erase;
/* id, part, share (its number): the share. It is on record before it is given. */
extern const struct change_row admin_share;
/* What the console needs to open the texts of a request in its page, as `audit open --sealed`
 * says it; 404: console.open is false. `arg` of its row is sealed_texts. */
admin_begin_fn admin_opening;
extern const struct reader sealed_texts;
/* {"erasures": [{"erasure","serial","at","why",…,"nodes": [{"node","done","at"}]}]}; 503:
 * Redis, which alone knows of the other nodes, does not answer. */
unsigned admin_erasures(struct server *s, struct buf *out);

#endif
