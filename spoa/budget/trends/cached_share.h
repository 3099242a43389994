/* The share of its prompt tokens that each route reads from the provider's own cache, and
 * whether this share has fallen. If the begin of prompts changed, all their tokens are paid in
 * full again. The shares are computed from the workers' tables (budget/tally/series.h), so that
 * workers do nothing for them. Fixed memory: routes beyond CACHED_SHARE_ROUTES are not watched.
 * One thread looks, any thread asks, under a lock of its own. */
#ifndef BUDGET_TRENDS_CACHED_SHARE_H
#define BUDGET_TRENDS_CACHED_SHARE_H

#include "budget/tally/tally.h"

/* docs/cache.md documents these numbers. */
enum {
	CACHED_SHARE_ROUTES = 128,
	CACHED_SHARE_RECENT_MIN = 15,  /* minutes of the recent window */
	CACHED_SHARE_HALVES_MIN = 480, /* an earlier minute of this age counts half */
	CACHED_SHARE_FIRST_MIN = 75,   /* a route is judged once it was seen for this many
					* minutes */
	CACHED_SHARE_SURE_MIN = 5,     /* minutes that a fall, or its end, must last */
	CACHED_SHARE_DAY_MIN = 1440,
	/* requests and tokens of both windows; a route with fewer is not judged */
	CACHED_SHARE_REQUESTS = 50,
	CACHED_SHARE_TOKENS = 100000,
	/* The share has fallen if it is less than half of the earlier share, and at least
	 * CACHED_SHARE_POINTS percentage points below it. The fall ends if the share is at
	 * least three quarters of the earlier share, or less than CACHED_SHARE_NEAR points
	 * below it. The earlier share itself changes with time. */
	CACHED_SHARE_POINTS = 20,
	CACHED_SHARE_NEAR = 10,
};

struct cached_shares;
struct cached_shares *cached_shares_new(void); /* NULL: out of memory */
void cached_shares_free(struct cached_shares **c);
/* Adds the counts of n workers, once a minute; further calls within the minute do nothing. */
void cached_shares_look(
	struct cached_shares *c, const struct tallies *const *t, size_t n, uint64_t now_us);

struct cached_share {
	bool fallen;
	unsigned from, to; /* percent in the earlier and in the recent window, if fallen */
};
/* Sets *out. Returns false if the route was not seen. */
bool cached_shares_of(struct cached_shares *c, const char *route, struct cached_share *out);

#endif
