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
	uint64_t hash; /* hash of the key */
	/* the epoch in which the sum is counted, or was lost with the data */
	uint64_t epoch;
	struct cell cell;
	enum quota_calendar calendar;
	int64_t sum;
	int64_t ends_ms; /* by Redis' clock: from then on the sum has no effect */
	int64_t ttl_s;	 /* TTL of a key that is created now */
	/* the ledger's part in which the sum is */
	unsigned char part;
	/* from a journal: the sum is also counted in each epoch of `lived` of its part */
	bool recalled;
	char key[];
};

/* The journals from which sums were read, and what this worker admits itself. A sum of the
 * other instance's journal has an entry of its own, because that instance may have added the
 * sum to an epoch itself, and takes its sums over when it decides again. */
enum ledger_of { LEDGER_OWN, LEDGER_OTHER, LEDGER_PARTS };

/* For sums from the journal of an earlier daemon: the epochs in which they are counted, newest
 * last, and a hash of that node's name; 0: no journal was read. */
struct ledger_part {
	uint64_t lived[LEDGER_LIVED_MAX], node;
	size_t nlived;
};

struct quota_ledger {
	size_t n, sweep;
	struct ledger_part part[LEDGER_PARTS];
	/* the part to which ledger_add() and ledger_live() add; LEDGER_OTHER only while the
	 * other instance's journal is taken over */
	enum ledger_of adds;
	struct ledger_entry *chain[LEDGER_CHAINS];
};

void ledger_free(struct quota_ledger **l);
/* Adds delta to the sum of that cell. Returns false if the ledger is full or memory is
 * exhausted. */
bool ledger_add(struct quota_ledger *l, const struct quota_dim *d, const struct quota_place *at,
	struct cell c, int64_t delta, uint64_t epoch, int64_t now_ms);
/* ledger_recalled(): all sums of the part `adds` so far are from the journal of this node.
 * ledger_live(): that part's node took part in this epoch. ledger_lived() returns true for such
 * an epoch. */
void ledger_recalled(struct quota_ledger *l, uint64_t node);
void ledger_live(struct quota_ledger *l, enum ledger_of part, uint64_t epoch);
bool ledger_lived(const struct quota_ledger *l, enum ledger_of part, uint64_t epoch);
/* Returns true if it is not known of any part whether its sums are counted in this epoch. */
bool ledger_must_ask(const struct quota_ledger *l, uint64_t epoch);
/* Removes the sums of the other instance's journal: that instance decides, and has them itself.
 */
void ledger_drop_other(struct quota_ledger *l);

#endif
