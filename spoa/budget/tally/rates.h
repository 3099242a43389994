/* The last hour of what was decided, in steps of ten seconds: in all, and by route, target and
 * model. Fixed memory: names beyond the room of their kind are "other". What it knows it reads
 * of the workers' tables (budget/tally/tally.h): they do nothing for it. One thread samples, any asks:
 * a lock of its own. */
#ifndef BUDGET_TALLY_RATES_H
#define BUDGET_TALLY_RATES_H

#include "budget/tally/tally.h"

enum {
	RATES_STEP_S = 10,
	RATES_SLOTS = 360,
	RATES_MINUTE = 60 / RATES_STEP_S,
	/* names, with "other" */
	RATES_ROUTES = 24,
	RATES_TARGETS = 24,
	RATES_MODELS = 32,
};

enum rates_by { RATES_ALL, RATES_ROUTE, RATES_TARGET, RATES_MODEL, RATES_BY };
extern const char *const rates_by_names[RATES_BY]; /* "total", "route", … */

struct rates;
struct rates *rates_new(void); /* NULL: out of memory */
void rates_free(struct rates **r);
/* Of n workers; each RATES_STEP_S. */
void rates_sample(struct rates *r, const struct tallies *const *t, size_t n, int64_t wall_ns,
	uint64_t us);
/* {"step_s":10,"until":TIME,"series":[{"by","name","permit":[…], …}]}: of that kind (RATES_BY:
 * of all), the newest last. */
void rates_series(struct rates *r, enum rates_by by, uint64_t window_s, struct buf *out);
/* {"over_s":N,"rates":[{"by","name","requests_per_s",…}]}: since ten seconds or a little more
 * ago; quantiles of the last minute. */
void rates_now(struct rates *r, const struct tallies *const *t, size_t n, int64_t wall_ns,
	uint64_t us, struct buf *out);

#endif
