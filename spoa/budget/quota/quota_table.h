/* Counters in this process, for a daemon without Redis. The table is bounded and removes old
 * counters as it is used. owner: one worker; the others reach it by mail. */
#ifndef BUDGET_QUOTA_QUOTA_TABLE_H
#define BUDGET_QUOTA_QUOTA_TABLE_H

#include "base/owner.h"
#include "budget/quota/quota_cell.h"
#include "budget/quota/quota_window.h"

struct quota_table {
	struct mailbox *owner;
	struct quota_entry **bucket;
	size_t n, sweep;
	struct owner thread;
	/* offset of its clock to the monotonic clock: table_follow() */
	_Atomic int64_t offset_us;
};

/* The table's clock is the wall clock at the start, and from then on the monotonic clock plus
 * this offset (base/wall.h). The offset is set again if a step of the wall clock is believed.
 * Any thread. */
void table_follow(struct quota_table *t, int64_t offset_us);
/* Returns the table's clock in ms. Any thread. */
int64_t table_ms(const struct quota_table *t, uint64_t mono_us);

/* Charges all dims, decides, and takes the charges back if one dim is over. Fills q's
 * results. Owner's thread. */
void table_reserve(struct quota_table *t, struct quota_request *q, int64_t now_ms);
/* Fills the dim from the counters as they are now. Returns false if there are none. Owner's
 * thread. */
bool table_left(struct quota_table *t, struct quota_dim *d, int64_t now_ms);
/* Corrects counters: subtracts only what was charged there, adds in any case. Owner's thread.
 */
void table_change(struct quota_table *t, const struct change *c);

#endif
