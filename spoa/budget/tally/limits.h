/* The highest used share and the number of warnings of each limit, for /metrics, without names
 * of callers. Names of limits come from the policy, which reloads. After LIMIT_NAMES entries, a
 * further name is counted as "other". owner: worker, the only thread that adds; any thread adds
 * up. */
#ifndef BUDGET_TALLY_LIMITS_H
#define BUDGET_TALLY_LIMITS_H

#include <stdatomic.h>

#include "base/buf.h"

enum { LIMIT_NAMES = 64, LIMIT_NAME_BYTES = 40 };

/* The level that a caller's share has reached: the limit's own `soft`, 80 %, 90 %, 100 %. */
enum limit_level { LEVEL_NONE, LEVEL_SOFT, LEVEL_80, LEVEL_90, LEVEL_100, LIMIT_LEVELS };
extern const char *const limit_level_names[LIMIT_LEVELS];

struct limit_tally {
	_Atomic size_t n; /* entries that may be read */
	struct limit_entry {
		char name[LIMIT_NAME_BYTES]; /* constant once it is set */
		_Atomic uint64_t warnings[LIMIT_LEVELS];
		/* For the last even and the last odd minute: the minute + 1 in the upper 32
		 * bits, and the highest share of that minute in millionths in the lower 32
		 * bits; 0: none. */
		_Atomic uint64_t minute[2];
	} entry[LIMIT_NAMES]; /* [0]: "other" */
};

/* Notes the used share of a limit that a reservation returned, in millionths. */
void limit_tally_used(struct limit_tally *t, const char *name, uint64_t millionths);
/* Counts a caller that reached a level. */
void limit_tally_warned(struct limit_tally *t, const char *name, enum limit_level level);

#endif
