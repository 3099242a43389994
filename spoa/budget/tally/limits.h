/* How near callers are to limits: by limit, never by caller. Names come from the policy, which
 * reloads: beyond the cap a name is "other". owner: worker, which alone adds; any thread sums.
 */
#ifndef BUDGET_TALLY_LIMITS_H
#define BUDGET_TALLY_LIMITS_H

#include <stdatomic.h>

#include "base/buf.h"

enum { LIMIT_NAMES = 64, LIMIT_NAME_BYTES = 40 };

/* How far a caller is: from the limit's own soft on, from 80, from 90 per cent, no room left.
 */
enum limit_level { LEVEL_NONE, LEVEL_SOFT, LEVEL_80, LEVEL_90, LEVEL_100, LIMIT_LEVELS };
extern const char *const limit_level_names[LIMIT_LEVELS];

struct limit_tally {
	_Atomic size_t n; /* entries that may be read */
	struct limit_entry {
		char name[LIMIT_NAME_BYTES]; /* does not change any more */
		_Atomic uint64_t warnings[LIMIT_LEVELS];
		/* the minute, and the highest share in it in millionths: of even and odd ones
		 */
		_Atomic uint64_t minute[2];
	} entry[LIMIT_NAMES]; /* [0]: all other */
};

/* What a reservation showed: the share of the limit that is used, in millionths. */
void limit_tally_used(struct limit_tally *t, const char *name, uint64_t millionths);
void limit_tally_warned(struct limit_tally *t, const char *name, enum limit_level level);
/* Prometheus text of the sum over n workers: the highest share within the last minute or two,
 * and warnings. Any thread. */
void limit_tally_write(struct buf *out, const struct limit_tally *const *t, size_t n);

#endif
