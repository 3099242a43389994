/* A worker's tables of decisions, for /metrics, `tollgate top` and the console. */
#ifndef BUDGET_TALLY_TALLY_H
#define BUDGET_TALLY_TALLY_H

#include "budget/tally/calls.h"
#include "budget/tally/histogram.h"
#include "budget/tally/fullest.h"
#include "budget/tally/heavy.h"
#include "budget/tally/limits.h"
#include "budget/tally/near.h"
#include "budget/tally/providers.h"
#include "budget/tally/recent.h"
#include "budget/tally/rules.h"
#include "budget/tally/series.h"

/* Stages of a decision: runs of steps (gate/steps/steps.c), including the time that they wait.
 */
/* clang-format off */
#define STAGE_TABLE(X) \
  X(STAGE_MATCH,    "match")    /* framing, target and route */ \
  X(STAGE_IDENTITY, "identity") \
  X(STAGE_READ,     "read") \
  X(STAGE_CLASSIFY, "classify") \
  X(STAGE_OUTSIDE,  "outside")  /* asking data sources and external recognizers */ \
  X(STAGE_POLICY,   "policy") \
  X(STAGE_REWRITE,  "rewrite")  /* replacing findings, with other occurrences of their values */ \
  X(STAGE_QUOTA,    "quota") \
  X(STAGE_AUDIT,    "audit") \
  X(STAGE_TOTAL,    "total")    /* from arrival, of head or body, to the verdict */
/* clang-format on */

enum tally_stage {
#define X(id, name) id,
	STAGE_TABLE(X)
#undef X
		STAGES
};

struct tallies {
	struct histogram stage[STAGES];
	struct exemplars total; /* exemplars of STAGE_TOTAL */
	struct series series;
	struct team_tally teams;
	struct recent recent;
	struct limit_tally limits;
	struct provider_tally providers;
	struct call_tally calls;
	struct near near;
	struct near near_rates; /* limits on rates without `soft`; a table of their own,
				 * because their many windows would displace budgets */
	struct rule_tally rules;
	struct heavy heavy[HEAVY_KINDS];
	struct fullest fullest;
};

/* Writes the sum over n workers as Prometheus text, with exemplars or without. Returns as
 * series_write(). Any thread. */
uint64_t tally_write(struct series_sum *sum, struct buf *out, const struct tallies *const *t,
	size_t n, bool exemplars);

#endif
