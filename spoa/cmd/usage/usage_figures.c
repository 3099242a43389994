/* Figures of tollgate usage that are not sums: means, 95th percentiles and maxima of prompts
 * and times, and growth since the period before. Each figure is a row of a table, which every
 * form of the output reads. */
#include <math.h>
#include <stdio.h>

#include "cmd/usage/usage.h"

enum figure_kind { FIG_COUNT, FIG_MEAN, FIG_P95, FIG_MAX, FIG_ID, FIG_GROWTH, FIG_MEAN_GROWTH };

/* Columns: the name in JSON and CSV; the head in text, NULL: not in text; the kind of the
 * figure; its enum usage_spread, or for growth its enum usage_sum. */
/* clang-format off */
static const struct {
	const char *name, *head;
	enum figure_kind kind;
	int of;
} rows[] = {
	{ "prompt_tokens_count",        "prompts",         FIG_COUNT,       SPREAD_PROMPT },
	{ "prompt_tokens_mean",         "mean",            FIG_MEAN,        SPREAD_PROMPT },
	{ "prompt_tokens_p95",          "p95",             FIG_P95,         SPREAD_PROMPT },
	{ "prompt_tokens_max",          "largest",         FIG_MAX,         SPREAD_PROMPT },
	{ "prompt_tokens_max_id",       "largest request", FIG_ID,          SPREAD_PROMPT },
	{ "requests_growth_percent",    "requests +%",     FIG_GROWTH,      SUM_REQUESTS },
	{ "input_tokens_growth_percent", "input +%",       FIG_GROWTH,      SUM_INPUT },
	{ "prompt_tokens_mean_growth_percent", "mean +%",  FIG_MEAN_GROWTH, SPREAD_PROMPT },
	{ "cost_growth_percent",        "dollars +%",      FIG_GROWTH,      SUM_COST },
	{ "first_token_ms_count",       NULL,              FIG_COUNT,       SPREAD_FIRST },
	{ "first_token_ms_mean",        "first mean",      FIG_MEAN,        SPREAD_FIRST },
	{ "first_token_ms_p95",         "first p95",       FIG_P95,         SPREAD_FIRST },
	{ "first_token_ms_max",         NULL,              FIG_MAX,         SPREAD_FIRST },
	{ "total_ms_count",             NULL,              FIG_COUNT,       SPREAD_TOTAL },
	{ "total_ms_mean",              "total mean",      FIG_MEAN,        SPREAD_TOTAL },
	{ "total_ms_p95",               "total p95",       FIG_P95,         SPREAD_TOTAL },
	{ "total_ms_max",               NULL,              FIG_MAX,         SPREAD_TOTAL },
};
/* clang-format on */
_Static_assert(COUNT_OF(rows) == USAGE_FIGURES, "usage.h has their number");

const char *
usage_figure_name(size_t i)
{
	return rows[i].name;
}

const char *
usage_figure_head(size_t i)
{
	return rows[i].head;
}

bool
usage_figure_is_text(size_t i)
{
	return rows[i].kind == FIG_ID;
}

bool
usage_figure_is_growth(size_t i)
{
	return rows[i].kind == FIG_GROWTH || rows[i].kind == FIG_MEAN_GROWTH;
}

static double
mean_of(const struct distribution *d)
{
	return d->n ? (double)d->sum / (double)d->n : NAN;
}

/* Returns the growth in percent, or NAN if the earlier value is 0. */
static double
growth_of(double now, double was)
{
	return was > 0 ? 100 * (now - was) / was : NAN;
}

/* Returns a figure as a number, or NAN if there is none. Times are kept in µs and shown in ms.
 */
static double
number_of_figure(size_t i, const struct usage_sums *u, const struct usage_sums *before)
{
	int of = rows[i].of;

	if (rows[i].kind == FIG_GROWTH)
		return before ? growth_of((double)u->sum[of], (double)before->sum[of]) : NAN;
	const struct distribution *d = &u->spread[of];
	double unit = of == SPREAD_PROMPT ? 1 : 1000;
	switch (rows[i].kind) {
	case FIG_COUNT: return (double)d->n;
	case FIG_MEAN: return mean_of(d) / unit;
	case FIG_P95: return d->n ? (double)distribution_quantile(d, 95) / unit : NAN;
	case FIG_MAX: return d->n ? (double)d->max / unit : NAN;
	case FIG_MEAN_GROWTH:
		return before ? growth_of(mean_of(d), mean_of(&before->spread[of])) : NAN;
	default: return NAN;
	}
}

const char *
usage_figure(size_t i, const struct usage_sums *u, const struct usage_sums *before,
	char out[USAGE_FIGURE_MAX])
{
	enum figure_kind kind = rows[i].kind;
	bool whole = kind == FIG_COUNT ||
		     (rows[i].of == SPREAD_PROMPT && (kind == FIG_P95 || kind == FIG_MAX));

	if (kind == FIG_ID)
		return u->largest_id[0] ? u->largest_id : NULL;
	double v = number_of_figure(i, u, before);
	if (isnan(v))
		return NULL;
	if (v < 0 && v > -0.05)
		v = 0; /* not -0.0 */
	snprintf(out, USAGE_FIGURE_MAX, whole ? "%.0f" : "%.1f", v);
	return out;
}

bool
usage_figure_shown(size_t i, const struct usage_sums *total, bool before)
{
	return rows[i].head &&
	       (usage_figure_is_growth(i) ? before : total->spread[rows[i].of].n > 0);
}
