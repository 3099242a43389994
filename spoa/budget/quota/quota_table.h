/* Counts in process, for a daemon without Redis: bounded, swept as it goes.
 * owner: one worker; the others reach it by mail. */
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
	_Atomic int64_t offset_us; /* of its clock to the monotonic one: table_follow() */
};

/* The table's clock is the wall clock at the start; from then on it is the monotonic clock plus
 * this offset (base/wall.h), which is set anew if a step of the wall clock is believed. Any
 * thread. */
void table_follow(struct quota_table *t, int64_t offset_us);
/* The table's clock, in ms. Any thread. */
int64_t table_ms(const struct quota_table *t, uint64_t mono_us);

/* Charges all dims, judges, takes back where one is over; fills q's results.
 * Owner's thread. */
void table_reserve(struct quota_table *t, struct quota_request *q, int64_t now_ms);
/* The dim as counted at this moment; false: nothing was. Owner's thread. */
bool table_left(struct quota_table *t, struct quota_dim *d, int64_t now_ms);
/* Corrects counts: less only of what was charged there, more in any case. Owner's
 * thread. */
void table_change(struct quota_table *t, const struct change *c);

#endif
