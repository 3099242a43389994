/* The HTTP of a witness (tollgate.yaml: witness), on a Unix socket behind HAProxy: POST
 * …/add-checkpoint, which record/anchors/witness.h answers. On a thread of its own. */
#ifndef OPERATOR_SERVER_WITNESSING_H
#define OPERATOR_SERVER_WITNESSING_H

#include "base/metrics.h"
#include "policy/config/config.h"

struct witnessing;

/* Returns NULL with a message in *why. */
struct witnessing *witnessing_start(
	const struct config *cfg, struct metrics *m, struct buf *why);
/* Ends the thread and frees everything. */
void witnessing_stop(struct witnessing **w);

#endif
