/* Decisions of the last hour in steps of ten seconds: in total, and by route, target, model,
 * team and rule. Fixed memory: if a kind has no room, a further name is "other". Samples are
 * taken from the workers' tables (budget/tally/tally.h), so that workers do nothing for them.
 * One thread samples, any thread asks, under a lock of its own. */
#ifndef BUDGET_TRENDS_RATES_H
#define BUDGET_TRENDS_RATES_H

#include "budget/tally/tally.h"

enum {
	RATES_STEP_S = 10,
	RATES_SLOTS = 360,
	RATES_MINUTE = 60 / RATES_STEP_S,
	/* rows of each kind, including "other" */
	RATES_ROUTES = 24,
	RATES_TARGETS = 24,
	RATES_MODELS = 32,
	RATES_TEAMS = 32,
	RATES_RULES = 64,
};

enum rates_by {
	RATES_ALL,
	RATES_ROUTE,
	RATES_TARGET,
	RATES_MODEL,
	RATES_TEAM,
	RATES_RULE,
	RATES_BY
};
extern const char *const rates_by_names[RATES_BY]; /* "total", "route", … */

/* The values of a step: counts, which are differences of growing counters, and quantiles of the
 * step. */
/* clang-format off */
#define RATES_COUNTED(X) \
  X(PERMIT, "permit") X(REDACT, "redact") X(DENY, "deny") \
  X(OBSERVED, "observed")         /* matches of a rule that is not enforced */ \
  X(ERRORS, "errors")             /* failed attempts: by target, and the total */ \
  X(INPUT, "input_tokens") X(OUTPUT, "output_tokens") \
  X(MICROUSD, "cost_microusd") X(UNPRICED, "unpriced") \
  X(STREAMED, "streams") X(WAIT_MS, "stream_wait_ms") \
  X(CACHE_HITS, "cache_hits")     /* the total only */ \
  X(FAILED, "failed")             /* requests that ended with an error; the total only */
#define RATES_TOLD(X) \
  X(OVERHEAD_50, "overhead_p50_us") X(OVERHEAD_95, "overhead_p95_us") \
  X(FIRST_50, "first_byte_p50_ms") X(FIRST_95, "first_byte_p95_ms")
/* clang-format on */
enum rates_value {
#define X(id, name) RATES_##id,
	RATES_COUNTED(X) RATES_COUNTS,
	RATES_LAST_COUNT = RATES_COUNTS - 1,
	RATES_TOLD(X) RATES_VALUES
#undef X
};
extern const char *const rates_value_names[RATES_VALUES]; /* "permit", … */

/* The source of a sample: the tables of n workers, and since the start the number of responses
 * that the cache returned and of requests that `--outcome error` selects. */
struct rates_source {
	const struct tallies *const *t;
	size_t n;
	uint64_t cache_hits, failed;
};

struct rates;
struct rates *rates_new(void); /* NULL: out of memory */
void rates_free(struct rates **r);
/* Takes a sample. Call it every RATES_STEP_S seconds. */
void rates_sample(
	struct rates *r, const struct rates_source *from, int64_t wall_ns, uint64_t us);
/* Calls fn() for each row that has a value other than 0 since the last call, at most in the
 * last minute, with the counts and the quantiles of that time. The name borrows from r; it is
 * "" for RATES_ALL. */
typedef void rates_row_fn(
	void *arg, enum rates_by by, const char *name, const uint64_t v[RATES_VALUES]);
void rates_minute(struct rates *r, rates_row_fn *fn, void *arg);
/* Writes {"step_s":10,"until":TIME,"series":[{"by","name","permit":[…], …}]} of a kind
 * (RATES_BY: all kinds), the newest step last. */
void rates_series(struct rates *r, enum rates_by by, uint64_t window_s, struct buf *out);
/* Writes {"over_s":N,"rates":[{"by","name","requests_per_s",…}]}: rates of the last ten to
 * twenty seconds, and quantiles of the last minute. */
void rates_now(struct rates *r, const struct rates_source *from, int64_t wall_ns, uint64_t us,
	struct buf *out);

#endif
