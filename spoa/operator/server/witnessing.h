/* The witness's HTTP (tollgate.yaml: witness), on a unix socket behind HAProxy: POST
 * …/add-checkpoint, whose body record/anchors/witness.h answers. A thread of its own. */
#ifndef OPERATOR_SERVER_WITNESSING_H
#define OPERATOR_SERVER_WITNESSING_H

#include "base/metrics.h"
#include "policy/config/config.h"

struct witnessing;

/* NULL with *why. */
struct witnessing *witnessing_start(
	const struct config *cfg, struct metrics *m, struct buf *why);
void witnessing_stop(struct witnessing **w);

#endif
