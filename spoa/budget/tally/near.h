/* Callers that reached a level of a limit. The gate reports a caller once for each window and
 * level, so that the table is rarely written. The ring has CAP_NEAR entries: a new entry
 * replaces the oldest one. Names of people are texts of this table, and never labels of
 * metrics. owner: worker, the only thread that writes; any thread reads. */
#ifndef BUDGET_TALLY_NEAR_H
#define BUDGET_TALLY_NEAR_H

#include <stdatomic.h>

#include "base/buf.h"
#include "base/caps.h"

enum { NEAR_WORDS = 30 };

struct near_told {
	uint64_t caller; /* hash of the limit, its caller and its window */
	struct span limit, person, team, route;
	uint64_t millionths;	 /* used share of the limit at that time */
	int64_t at_ns, reset_ns; /* ns since 1970: time of the report; end of the window */
};

struct near {
	_Atomic uint64_t total; /* reports so far: the next goes to slot total % CAP_NEAR */
	struct near_slot {
		_Atomic uint64_t turn; /* odd while the slot is written */
		_Atomic uint64_t word[NEAR_WORDS];
	} slot[CAP_NEAR];
};

/* Adds a report. The worker's own thread. */
void near_add(struct near *n, const struct near_told *t);
/* Writes {"total":N,"near":[{…}]} of n workers. The list has the callers whose window is not
 * over, the largest share first: `count` of them after the first `from`. Any thread. */
void near_json(struct buf *out, const struct near *const *near, size_t n, size_t from,
	size_t count, int64_t now_ns);

#endif
