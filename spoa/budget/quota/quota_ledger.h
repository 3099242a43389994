/* What this worker let go and what was not given back, by counter and by the life of Redis'
 * data in which it is counted: a counter that Redis lost is made again from it.
 *
 * A request may be settled by another worker than the one that reserved it: a sum may be below
 * zero, and only that of all workers means anything. Sums of windows that are over are
 * forgotten. owner: worker. */
#ifndef BUDGET_QUOTA_QUOTA_LEDGER_H
#define BUDGET_QUOTA_QUOTA_LEDGER_H

#include "budget/quota/quota_cell.h"

enum {
	LEDGER_CHAINS = 16384,
	/* counters; what is let go beyond is forgotten with its Redis */
	LEDGER_MAX = 131072,
	LEDGER_LIVED_MAX = 64,
};

struct ledger_entry {
	struct ledger_entry *next;
	uint64_t hash;	/* of the key */
	uint64_t epoch;	 /* where the sum is counted, or was lost with the data */
	struct cell cell;
	enum quota_calendar calendar;
	int64_t sum;
	int64_t ends_ms; /* by Redis' clock: from then on it means nothing */
	int64_t ttl_s;	 /* of a key that is made now */
	bool recalled;	 /* of the journal: it is counted in each of `lived`, too */
	char key[];
};

struct quota_ledger {
	size_t n, sweep;
	/* Of a daemon that was before this one, where its journal says what it let go: the
	 * lives of Redis' data in which that is counted, newest last, and a number for the
	 * node's name. */
	uint64_t lived[LEDGER_LIVED_MAX], node;
	size_t nlived;
	struct ledger_entry *chain[LEDGER_CHAINS];
};

void ledger_free(struct quota_ledger **l);
/* That much more, or less, is let go at that cell. False: full, or no memory. */
bool ledger_add(struct quota_ledger *l, const struct quota_dim *d, const struct quota_place *at,
	struct cell c, int64_t delta, uint64_t epoch, int64_t now_ms);
/* All that it has was recalled by this node, which took part in that life; in any of them? */
void ledger_recalled(struct quota_ledger *l, uint64_t node);
void ledger_live(struct quota_ledger *l, uint64_t epoch);
bool ledger_lived(const struct quota_ledger *l, uint64_t epoch);

#endif
