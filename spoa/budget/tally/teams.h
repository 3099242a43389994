/* Counts by team: decisions, tokens and cost. Names come from callers' identities: beyond the cap a team is
 * "other". owner: worker, which alone adds; any thread sums. An entry stays until restart. */
#ifndef BUDGET_TALLY_TEAMS_H
#define BUDGET_TALLY_TEAMS_H

#include "budget/tally/series.h"

enum { TEAM_NAMES = 64 };

struct team_tally {
	_Atomic size_t n; /* entries that may be read */
	struct team_entry {
		char name[SERIES_LABEL_BYTES]; /* does not change any more */
		_Atomic uint64_t v[SERIES_VALUES];
	} entry[TEAM_NAMES]; /* [0]: all other */
};

/* Adds each part to the team's counts. A team whose name is longer than a label is "other". Without a team,
 * nothing is counted. */
void team_tally_add(struct team_tally *t, struct span team, const struct series_part *parts,
	size_t nparts);

#endif
