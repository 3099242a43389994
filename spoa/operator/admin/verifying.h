/* A whole verification of the chain, on demand: it runs for as long as it takes, and its last
 * result is kept until the daemon ends. */
#ifndef OPERATOR_ADMIN_VERIFYING_H
#define OPERATOR_ADMIN_VERIFYING_H

#include "operator/admin/endpoint.h"

/* {"running", "began", "last": {"holds", "chains": […], …} or null, "state": …}. */
void admin_verifying(struct server *s, struct buf *out);
/* Begins one: 202; 409, one runs. */
admin_begin_fn verifying_begin;
/* What is kept goes. After the children. */
void verifying_free(void);

#endif
