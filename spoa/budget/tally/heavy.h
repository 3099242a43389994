/* Heavy hitters: the names with the highest cost in each minute, for kinds of names that have
 * no bound (persons, teams, keys, tools). Fixed memory: a name belongs to a set of HEAVY_WAYS
 * entries. If the set is full, the entry with the lowest cost is added to `other`, and the new
 * name takes its place.
 *
 * A worker writes one bank while the main thread reads the other one. heavy_turn() changes the
 * banks; heavy_each() reads the bank of the turn that ended. The main thread waits a second
 * between the two calls, so that an addition that began before the turn has ended. */
#ifndef BUDGET_TALLY_HEAVY_H
#define BUDGET_TALLY_HEAVY_H

#include <stdatomic.h>

#include "budget/tally/series.h"

enum { HEAVY_SETS = 32, HEAVY_WAYS = 8 };
enum heavy_kind { HEAVY_TEAM, HEAVY_PERSON, HEAVY_KEY, HEAVY_TOOL, HEAVY_KINDS };
enum heavy_value {
	HEAVY_PERMIT,
	HEAVY_REDACT,
	HEAVY_DENY,
	HEAVY_OBSERVED,
	HEAVY_INPUT,
	HEAVY_OUTPUT,
	HEAVY_NANOUSD,
	HEAVY_UNPRICED,
	HEAVY_VALUES
};

struct heavy {
	_Atomic uint64_t turn; /* the main thread's */
	struct heavy_bank {
		_Atomic uint64_t
			turn; /* the turn of the entries + 1; 0: nothing was added yet */
		_Atomic uint64_t
			changes; /* number of additions; each addition stores it last */
		uint64_t other[HEAVY_VALUES];
		struct heavy_entry {
			uint64_t hash;		       /* 0: free */
			char name[SERIES_LABEL_BYTES]; /* NUL-terminated */
			uint64_t v[HEAVY_VALUES];
		} entry[HEAVY_SETS][HEAVY_WAYS];
	} bank[2];
};

/* Adds values to a name. Without a name, nothing is counted. A name that is longer than a label
 * is counted as `other`. The worker's own thread. */
void heavy_add(struct heavy *h, struct span name, const uint64_t v[HEAVY_VALUES]);
/* Begins a turn. The main thread. */
void heavy_turn(struct heavy *h);
/* Calls fn() for the `most` names with the highest cost in the turn that ended, summed over n
 * workers, and then for "other" if any value of the rest is not 0. Names are valid UTF-8. The
 * main thread. Out of memory: all are "other". */
typedef void heavy_fn(void *arg, const char *name, const uint64_t v[HEAVY_VALUES]);
void heavy_each(const struct heavy *const *h, size_t n, size_t most, heavy_fn *fn, void *arg);

#endif
