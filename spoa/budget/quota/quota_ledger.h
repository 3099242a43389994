/* The ledger: the amounts that this worker admitted and that were not given back, for each
 * counter and epoch. If Redis loses a counter, it is made again from the ledgers.
 *
 * A request may be settled by another worker than the one that reserved it. A sum may then be
 * negative, and only the total over all workers is meaningful. Sums of past windows are
 * removed. owner: worker. */
#ifndef BUDGET_QUOTA_QUOTA_LEDGER_H
#define BUDGET_QUOTA_QUOTA_LEDGER_H

#include "budget/quota/quota_cell.h"

enum {
	LEDGER_CHAINS = 16384,
	/* counters; amounts beyond are lost with their Redis */
	LEDGER_MAX = 131072,
	LEDGER_LIVED_MAX = 64,
};

struct ledger_entry {
	struct ledger_entry *next;
	uint64_t hash;	/* hash of the key */
	/* the epoch in which the sum is counted, or was lost with the data */
	uint64_t epoch;
	struct cell cell;
	enum quota_calendar calendar;
	int64_t sum;
	int64_t ends_ms; /* by Redis' clock: from then on the sum has no effect */
	int64_t ttl_s;	 /* TTL of a key that is created now */
	/* from the journal: the sum is also counted in each epoch of `lived` */
	bool recalled;
	char key[];
};

struct quota_ledger {
	size_t n, sweep;
	/* for sums from the journal of an earlier daemon: the epochs in which they are
	 * counted, newest last, and a hash of the node's name */
	uint64_t lived[LEDGER_LIVED_MAX], node;
	size_t nlived;
	struct ledger_entry *chain[LEDGER_CHAINS];
};

void ledger_free(struct quota_ledger **l);
/* Adds delta to the sum of that cell. Returns false if the ledger is full or memory is
 * exhausted. */
bool ledger_add(struct quota_ledger *l, const struct quota_dim *d, const struct quota_place *at,
	struct cell c, int64_t delta, uint64_t epoch, int64_t now_ms);
/* ledger_recalled(): all sums so far are from the journal of this node. ledger_live(): the
 * node took part in this epoch. ledger_lived() returns true for such an epoch. */
void ledger_recalled(struct quota_ledger *l, uint64_t node);
void ledger_live(struct quota_ledger *l, uint64_t epoch);
bool ledger_lived(const struct quota_ledger *l, uint64_t epoch);

#endif
