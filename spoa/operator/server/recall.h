/* A start after a crash: what the daemon before this one left unsettled in its journal is
 * settled at its reservation, and recorded. */
#ifndef OPERATOR_SERVER_RECALL_H
#define OPERATOR_SERVER_RECALL_H

#include "budget/recall/quota_recall.h"
#include "budget/recall/startpoints.h"
#include "net/worker.h"

struct recall;

/* Reads the journal, before a worker runs, and after what was erased is. `shares` (may be NULL)
 * lives on until the workers have ended. `table`: the in-process counts; `ledger`: of the
 * worker that settles, where counts are on Redis, or NULL. Both are charged with what the
 * journal says of them. *out NULL: nothing is left. *from: the state that was read, for start
 * checkpoints; without a state if the journal cannot be written yet. 0 or an error with *why. */
int recall_read(struct recall **out, struct startpoints_from *from, const struct config *cfg,
	struct audit *audit, struct quota_table *table, struct quota_ledger *ledger,
	struct shares *shares, struct metrics *m, struct buf *why);
/* On that worker's loop, as soon as it runs and its Redis is there. Takes *r. */
void recall_settle(struct recall **r, struct worker *w, struct audit *audit);

#endif
