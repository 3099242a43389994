/* Settles what a crashed daemon left behind: decisions in its journal that have no completion
 * are settled at their reservations, and recorded. */
#ifndef OPERATOR_SERVER_RECALL_H
#define OPERATOR_SERVER_RECALL_H

#include "budget/recall/quota_recall.h"
#include "budget/recall/startpoints.h"
#include "net/worker.h"

struct recall;

/* Reads the journal, before a worker runs and after erasures were carried out. `shares` (may be
 * NULL) must live until the workers have ended. `table` has the in-process counts; `ledger` is
 * that of the worker that settles if counts are in Redis, otherwise NULL. Both are charged with
 * the usage that the journal has. *out is NULL if nothing is left. *from receives the state
 * that was read, for start checkpoints; it is empty if the journal cannot be written yet.
 * Returns 0, or an error with *why. */
int recall_read(struct recall **out, struct startpoints_from *from, const struct config *cfg,
	struct audit *audit, struct quota_table *table, struct quota_ledger *ledger,
	struct shares *shares, struct metrics *m, struct buf *why);
/* Settles on that worker's loop, once the worker runs. Takes ownership of *r. */
void recall_settle(struct recall **r, struct worker *w, struct audit *audit);

#endif
