/* Counts by team. */
#include "budget/tally/teams.h"

#include "budget/tally/names.h"

void
team_tally_add(
	struct team_tally *t, struct span team, const struct series_part *parts, size_t nparts)
{
	if (!team.n)
		return;
	struct team_entry *e = names_entry(&(struct names){ &t->n, t->entry,
						   sizeof(t->entry[0]), TEAM_NAMES,
						   SERIES_LABEL_BYTES },
		team);
	for (size_t i = 0; i < nparts; i++)
		tally_grow(&e->v[parts[i].v], parts[i].n);
}
