/* Settles what a crashed daemon left behind: decisions in its journal that have no completion
 * are settled at their reservations, and recorded. */
#ifndef OPERATOR_SERVER_RECALL_H
#define OPERATOR_SERVER_RECALL_H

#include "budget/recall/quota_recall.h"
#include "budget/recall/startpoints.h"
#include "net/worker.h"

struct recall;
/* The work that is left until the other instance has ended. */
struct recall_after;

/* Reads the journals, before a worker runs and after erasures were carried out. `shares` (may
 * be NULL) must live until the workers have ended. `table` has the in-process counts; `ledger`
 * is that of the worker that settles if counts are in Redis, otherwise NULL. Both are charged
 * with the usage that the journals have. *out is NULL if nothing is left. *from receives the
 * state that was read, for start checkpoints; it is empty if the journal cannot be written yet.
 * *after is NULL unless the other instance still writes its journal: call recall_other() when
 * that instance has ended. Another daemon has settled the decisions of this node's journal that were
 * made before settled_ns (wall clock; 0: none), so they are not settled again. Returns 0, or an error
 * with *why. */
int recall_read(struct recall **out, struct startpoints_from *from, struct recall_after **after,
	const struct config *cfg, struct audit *audit, struct quota_table *table,
	struct quota_ledger *ledger, struct shares *shares, int64_t settled_ns, struct metrics *m,
	struct buf *why);
void recall_after_free(struct recall_after **a);
/* Settles on that worker's loop, once the worker runs. Takes ownership of *r. */
void recall_settle(struct recall **r, struct worker *w, struct audit *audit);
/* Reads the journal of the other instance, which has ended, and counts and settles on that
 * worker's loop. Called on a thread that may wait for the disk. Returns false if the journal
 * could not be read; the reason is logged. */
bool recall_other(const struct recall_after *after, const struct config *cfg, struct worker *w,
	struct quota_table *table, struct audit *audit, struct metrics *m);

#endif
