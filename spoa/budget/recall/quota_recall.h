/* Reads at a start what the journal has about limits: charges that an earlier daemon left
 * unsettled, and admitted amounts in windows that have not ended. Without Redis, the table
 * begins with these amounts. With Redis they are counted there, and become a worker's ledger
 * in case Redis lost them or will lose them. Call it before anything is counted. */
#ifndef BUDGET_RECALL_QUOTA_RECALL_H
#define BUDGET_RECALL_QUOTA_RECALL_H

#include "budget/quota/quota_ledger.h"
#include "budget/quota/quota_table.h"
#include "budget/recall/quota_fold.h"
#include "record/journal/follow.h"
#include "record/journal/startpoint.h"

#define QUOTA_RECALL_BYTES (4ull << 30) /* at most this much of the journal's end is read */

struct quota_recall {
	struct quota_orphan_of *orphans;
	size_t norphans;
	/* settlements that are sent to Redis again; owned by this struct */
	struct change *late;
	size_t nlate;
	uint64_t records; /* records that were read */
	/* charges of counters with a hidden name whose share no longer exists */
	uint64_t unnamed;
	bool cut; /* older records were not read: QUOTA_RECALL_BYTES */
	/* the state that was read, and its place in the journal; owned by the caller */
	struct quota_fold *fold;
	struct startpoint at;
	/* why a start checkpoint was not used; NULL: it was used, or there is none */
	const char *whole;
};

/* Destinations of the amounts: the ledger for amounts on Redis, the table for those in the
 * process; NULL: not counted again. now_ms is the clock of the counts. */
struct quota_recall_into {
	struct quota_table *table;
	struct quota_ledger *ledger;
	enum ledger_of part; /* the ledger's part that gets the amounts */
	int64_t now_ms;
	/* resolves hidden counters; NULL: hidden counters are not counted */
	struct shares *shares;
	/* called at the end for each orphan, with its line; NULL: no call */
	void (*orphan)(struct quota_orphan_of *o, struct span line);
	/* a start checkpoint whose state replaces everything before it; NULL: there is none
	 */
	const struct startpoint *from;
	/* how far the journal is durable; NULL: everything is read, including a commit that
	 * is being written */
	const struct follow_end *end;
	/* settlements of requests with a lesser id are not sent again; NULL or "": all are */
	const char *settled_before;
};

/* Reads the segments of this node written since since_s (wall clock), or the lines after the
 * start checkpoint, into the state r->fold. Counts nothing. Returns 0, or ERR_IO or ERR_NOMEM,
 * with *why for ERR_IO. */
int quota_recall_lines(struct quota_recall *r, const char *dir, const char *node,
	int64_t since_s, const struct quota_recall_into *into, struct buf *why);
/* Lists the orphans of the state, with their lines. May be called again after the state
 * changed.
 */
void quota_recall_orphans(
	struct quota_recall *r, const char *dir, const struct quota_recall_into *into);
/* Adds the state's amounts to the destinations. */
void quota_recall_count(
	struct quota_recall *r, const char *node, const struct quota_recall_into *into);
/* All three: for a journal that needs no other one. */
int quota_recall_read(struct quota_recall *r, const char *dir, const char *node,
	int64_t since_s, const struct quota_recall_into *into, struct buf *why);
/* Frees the members of *r. */
void quota_recall_free(struct quota_recall *r);
/* Settles an orphan at its reservation, except for counters whose share no longer exists. On
 * the thread of qt's worker. */
void quota_recall_settle(
	struct quota *qt, struct quota_orphan_of *o, struct shares *shares, uint64_t now_us);

#endif
