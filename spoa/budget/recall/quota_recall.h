/* What a daemon that starts finds in its journal: charges that the one before it left
 * unsettled, and what was let go in windows that are not over. Where counts live in process
 * they begin with that; on Redis it is there, and becomes a worker's ledger, in case Redis lost
 * it or will. Read before anything is counted. */
#ifndef BUDGET_RECALL_QUOTA_RECALL_H
#define BUDGET_RECALL_QUOTA_RECALL_H

#include "budget/quota/quota_ledger.h"
#include "budget/quota/quota_table.h"
#include "budget/recall/quota_fold.h"
#include "record/journal/follow.h"
#include "record/journal/startpoint.h"

#define QUOTA_RECALL_BYTES (4ull << 30) /* of the journal's end that are read, at most */

struct quota_recall {
	struct quota_orphan_of *orphans;
	size_t norphans;
	uint64_t records; /* that were read */
	uint64_t unnamed; /* charges of counters whose names are hidden, and whose share is gone
			   */
	bool cut;	  /* older ones were not: QUOTA_RECALL_BYTES */
	/* The state that was read, and the place in the journal up to which; the caller's. */
	struct quota_fold *fold;
	struct startpoint at;
	const char *whole; /* why a start checkpoint was not used; NULL: it was, or there is none */
};

/* Where what was let go is counted again, by now_ms of its clock: of what Redis counted the
 * ledger, of what the process did the table; NULL: nowhere. */
struct quota_recall_into {
	struct quota_table *table;
	struct quota_ledger *ledger;
	int64_t now_ms;
	struct shares *shares; /* that counters are hidden by; NULL: none are known */
	/* told of each orphan in the end, with the line; NULL: nobody is */
	void (*orphan)(struct quota_orphan_of *o, struct span line);
	/* a start checkpoint, whose state is taken in place of what is before it; NULL: there is
	 * none */
	const struct startpoint *from;
	/* how far the journal is durable; NULL: all is read, also a commit that is being written
	 */
	const struct follow_end *end;
};

/* Reads the segments of this node that were written since then, or what follows the start
 * checkpoint. 0, ERR_IO with *why. */
int quota_recall_read(struct quota_recall *r, const char *dir, const char *node,
	int64_t since_s, const struct quota_recall_into *into, struct buf *why);
void quota_recall_free(struct quota_recall *r);
/* Settles an orphan at its reservation, but for counters that have no name any more. The
 * worker's thread. */
void quota_recall_settle(
	struct quota *qt, struct quota_orphan_of *o, struct shares *shares, uint64_t now_us);

#endif
