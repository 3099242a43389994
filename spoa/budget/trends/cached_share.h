/* What share of its input each route reads from the provider's own cache, and whether it has
 * fallen: a prefix that changed is paid in full again. Made of the workers' tables
 * (budget/tally/series.h) by whoever looks: they do nothing for it. Fixed memory: routes beyond
 * CACHED_SHARE_ROUTES are not watched. One thread looks, any asks: a lock of its own. */
#ifndef BUDGET_TRENDS_CACHED_SHARE_H
#define BUDGET_TRENDS_CACHED_SHARE_H

#include "budget/tally/tally.h"

/* docs/cache.md says the same to people. */
enum {
	CACHED_SHARE_ROUTES = 128,
	CACHED_SHARE_RECENT_MIN = 15,  /* the window that is compared, in minutes */
	CACHED_SHARE_HALVES_MIN = 480, /* with what was before it: that old, it counts half */
	CACHED_SHARE_FIRST_MIN = 75,   /* nothing is said of a route that is known for less */
	CACHED_SHARE_SURE_MIN = 5,     /* it has fallen, or is back, for so long */
	CACHED_SHARE_DAY_MIN = 1440,
	/* of both; with fewer nobody knows */
	CACHED_SHARE_REQUESTS = 50,
	CACHED_SHARE_TOKENS = 100000,
	/* it falls by more than half, and by so many points; is back over three quarters, or so
	 * near to what it was before, which moves */
	CACHED_SHARE_POINTS = 20,
	CACHED_SHARE_NEAR = 10,
};

struct cached_shares;
struct cached_shares *cached_shares_new(void); /* NULL: out of memory */
void cached_shares_free(struct cached_shares **c);
/* Of n workers. Takes something in once a minute: may be called more often, or later. */
void cached_shares_look(
	struct cached_shares *c, const struct tallies *const *t, size_t n, uint64_t now_us);

struct cached_share {
	bool fallen;
	unsigned from, to; /* where it has: percent before, and of late */
};
/* False: no such route was seen. */
bool cached_shares_of(struct cached_shares *c, const char *route, struct cached_share *out);

#endif
