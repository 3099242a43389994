/* Who came near a limit: told once a window, caller and level, so that the table is written to
 * rarely. Fixed size: the one that was told of first goes. Names of people are texts here, and
 * never labels of metrics. owner: worker, which alone writes; any thread reads. */
#ifndef BUDGET_TALLY_NEAR_H
#define BUDGET_TALLY_NEAR_H

#include <stdatomic.h>

#include "base/buf.h"
#include "base/caps.h"

enum { NEAR_WORDS = 30 };

struct near_told {
	uint64_t caller; /* the limit, whose it is, and its window, as a hash */
	struct span limit, person, team, route;
	uint64_t millionths; /* of the limit, used then */
	int64_t at_ns, reset_ns;
};

struct near {
	_Atomic uint64_t total; /* told so far */
	struct near_slot {
		_Atomic uint64_t turn; /* odd while it is written */
		_Atomic uint64_t word[NEAR_WORDS];
	} slot[CAP_NEAR];
};

void near_add(struct near *n, const struct near_told *t);
/* {"total":N,"near":[{…}]} of n workers: whose window is not over, the fullest first, `count` of
 * them after the first `from`. Any thread. */
void near_json(struct buf *out, const struct near *const *near, size_t n, size_t from,
	size_t count, int64_t now_ns);

#endif
