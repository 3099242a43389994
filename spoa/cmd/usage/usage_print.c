/* Prints the groups of tollgate usage as text, CSV or JSON. Besides sums, a row has figures:
 * means, 95th percentiles and maxima of prompts and times, and growth since the period before.
 * Each figure is a row of a table, which every form of the output reads. */
#include <jansson.h>
#include <math.h>
#include <stdio.h>

#include "base/json_put.h"
#include "base/price/price.h"
#include "cmd/plain.h"
#include "cmd/usage/usage.h"

enum { USAGE_FIGURES = 17, USAGE_FIGURE_MAX = 64 };
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
_Static_assert(COUNT_OF(rows) == USAGE_FIGURES, "the number of figures");

static const char *
usage_figure_name(size_t i)
{
	return rows[i].name;
}

static const char *
usage_figure_head(size_t i)
{
	return rows[i].head;
}

static bool
usage_figure_is_text(size_t i)
{
	return rows[i].kind == FIG_ID;
}

static bool
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

/* Returns the figure as text, in `out` or in `u`, or NULL if there is none. `before` has the
 * group's sums of the period before; NULL: it has none. */
static const char *
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

/* Returns true if text output has a column for the figure, because a record has a value for it.
 * `before`: the output compares with an earlier period. */
static bool
usage_figure_shown(size_t i, const struct usage_sums *total, bool before)
{
	return rows[i].head &&
	       (usage_figure_is_growth(i) ? before : total->spread[rows[i].of].n > 0);
}

/* ---- text, CSV (RFC 4180), JSON ---- */

struct shown {
	const struct usage_table *t;
	const struct usage_before *before;
	const struct usage_page *p;
};

/* Groups without room are one row, which is on the first page. */
static bool
with_other(const struct shown *s)
{
	return s->t->full && !s->p->after && !s->p->match;
}

/* Returns the group's sums of the period before, or NULL. The row of groups without room has
 * none, because these groups were others. */
static const struct usage_sums *
sums_before(const struct shown *s, const struct usage_group *g)
{
	const struct usage_group *had = NULL;

	if (s->before->since[0] && g != &s->t->group[0])
		had = usage_find(&s->before->table, span_of(g->key, g->n));
	return had ? &had->of : NULL;
}

/* The values of a group, decoded; a string that is none is shown as it is. */
static void
put_usage_text(struct buf *out, struct span raw)
{
	json_auto_t *v = raw.n ? json_loadb(raw.p, raw.n, JSON_DECODE_ANY, NULL) : NULL;

	if (json_is_string(v))
		buf_put(out, json_string_value(v), json_string_length(v));
	else
		buf_span(out, raw);
}

/* ---- lines ---- */

/* The columns that people read; those of the cache where there is any of `where`. */
/* clang-format off */
static const struct {
	enum usage_sum sum;
	const char *head;
	enum usage_sum where; /* SUMS: always */
	bool dollars;
} columns[] = {
	{ SUM_REQUESTS,   "requests",         SUMS,           false },
	{ SUM_REFUSED,    "refused",          SUMS,           false },
	{ SUM_INPUT,      "input",            SUMS,           false },
	{ SUM_CACHED,     "cached",           SUMS,           false },
	{ SUM_OUTPUT,     "output",           SUMS,           false },
	{ SUM_REASONING,  "reasoning",        SUMS,           false },
	{ SUM_HITS,       "hits",             SUM_HITS,       false },
	{ SUM_SAVED_IN,   "saved in",         SUM_HITS,       false },
	{ SUM_SAVED_OUT,  "saved out",        SUM_HITS,       false },
	{ SUM_SAVED_COST, "saved dollars",    SUM_HITS,       true },
	{ SUM_EMBEDDED,   "embedded",         SUM_EMBEDDED,   false },
	{ SUM_EMBED_COST, "embedded dollars", SUM_EMBEDDED,   true },
};
/* clang-format on */
enum { NAME_WIDTH = 28, NUMBER_WIDTH = 12, MONEY_WIDTH = 18, PERCENT_MAX = 32 };

/* Of the tokens of prompts those that were read from the provider's cache, in percent; `none`
 * where there were no prompts. */
static const char *
cached_percent(const uint64_t sum[SUMS], const char *none, char out[PERCENT_MAX])
{
	if (!sum[SUM_INPUT])
		return none;
	snprintf(out, PERCENT_MAX, "%.1f",
		100. * (double)sum[SUM_CACHED] / (double)sum[SUM_INPUT]);
	return out;
}

/* Returns true if a part of the cost is not known. */
static bool
is_more(const uint64_t sum[SUMS])
{
	return sum[SUM_UNPRICED] || sum[SUM_UNKNOWN] || sum[SUM_ESTIMATE];
}

static bool
has_column(const struct usage_table *t, size_t i)
{
	return columns[i].where == SUMS || t->total.sum[columns[i].where];
}

static void
put_sums(struct buf *out, const struct usage_table *t, const uint64_t sum[SUMS])
{
	char usd[PRICE_TEXT_MAX], percent[PERCENT_MAX];

	for (size_t i = 0; i < COUNT_OF(columns); i++) {
		if (!has_column(t, i))
			continue;
		if (columns[i].dollars)
			price_text(sum[columns[i].sum], usd);
		else
			snprintf(usd, sizeof(usd), "%llu",
				(unsigned long long)sum[columns[i].sum]);
		buf_printf(out, "%*s", columns[i].dollars ? MONEY_WIDTH : NUMBER_WIDTH, usd);
	}
	price_text(sum[SUM_COST], usd);
	buf_printf(out, "%*s%s%*llu%*s\n", MONEY_WIDTH, usd, is_more(sum) ? " +" : "  ",
		NUMBER_WIDTH, (unsigned long long)(sum[SUM_WRITE] + sum[SUM_WRITE_1H]),
		NUMBER_WIDTH, cached_percent(sum, "-", percent));
}

static void
put_usage_name(struct buf *out, struct span name)
{
	size_t took = plain_put(out, name.n ? name : SPAN_LIT("-"), NAME_WIDTH - 2);

	buf_printf(out, "%*s", (int)(NAME_WIDTH - took), "");
}

/* The names of a row of the page; the row after the last one is what had no room. */
static void
put_row_names(struct buf *out, const struct shown *s, size_t row)
{
	const struct usage_group *u = row < s->p->n ? s->p->row[row] : NULL;
	struct span key = u ? span_of(u->key, u->n) : SPAN_LIT("");

	SCOPED_BUF(name, 1 << 20);
	for (size_t i = 0; i < s->t->nby; i++) {
		buf_clear(&name);
		if (u)
			put_usage_text(&name, span_next(&key, '\0'));
		else
			buf_str(&name, "(other)");
		put_usage_name(out, buf_view(&name));
	}
}

static void
put_total_name(struct buf *out, const struct usage_table *t)
{
	put_usage_name(out, SPAN_LIT("total"));
	for (size_t i = 1; i < t->nby; i++)
		buf_printf(out, "%*s", NAME_WIDTH, "");
}

static void
put_dim_heads(struct buf *out, const struct usage_table *t)
{
	for (size_t i = 0; i < t->nby; i++)
		put_usage_name(out, span_str(usage_dim_names[t->by[i]]));
}

static void
put_figures(struct buf *out, const struct shown *s, const struct usage_sums *u,
	const struct usage_sums *before)
{
	char text[USAGE_FIGURE_MAX];

	for (size_t i = 0; i < USAGE_FIGURES; i++) {
		if (!usage_figure_shown(i, &s->t->total, s->before->since[0]))
			continue;
		const char *v = usage_figure(i, u, before, text);
		buf_printf(out, "%*s", usage_figure_is_text(i) ? NAME_WIDTH : NUMBER_WIDTH,
			v ? v : "-");
	}
	buf_putc(out, '\n');
}

/* Growth is too high if the records begin within the period. */
static void
put_period_before(struct buf *out, const struct usage_before *b)
{
	buf_printf(out, ", growth since the period from %.19sZ to %.19sZ", b->since, b->until);
	if (b->first[0])
		buf_printf(out, " (first record: %.19sZ)", b->first);
	else
		buf_str(out, " (no record)");
}

/* A second table, below the sums: the first one is as wide as a screen. */
static void
print_figures(const struct shown *s, struct buf *out)
{
	size_t has = 0;

	for (size_t i = 0; i < USAGE_FIGURES; i++)
		has += usage_figure_shown(i, &s->t->total, s->before->since[0]);
	if (!has || !s->p->n)
		return;
	buf_str(out, "\nprompts in tokens, times in ms");
	if (s->before->since[0])
		put_period_before(out, s->before);
	buf_putc(out, '\n');
	put_dim_heads(out, s->t);
	for (size_t i = 0; i < USAGE_FIGURES; i++)
		if (usage_figure_shown(i, &s->t->total, s->before->since[0]))
			buf_printf(out, "%*s",
				usage_figure_is_text(i) ? NAME_WIDTH : NUMBER_WIDTH,
				usage_figure_head(i));
	buf_putc(out, '\n');
	for (size_t g = 0; g < s->p->n + with_other(s); g++) {
		const struct usage_group *u = g == s->p->n ? &s->t->group[0] : s->p->row[g];
		put_row_names(out, s, g);
		put_figures(out, s, &u->of, sums_before(s, u));
	}
	put_total_name(out, s->t);
	put_figures(out, s, &s->t->total, &s->before->table.total);
}

static void
print_text(const struct shown *s, struct buf *out)
{
	const struct usage_table *t = s->t;
	const struct usage_page *p = s->p;

	put_dim_heads(out, t);
	for (size_t i = 0; i < COUNT_OF(columns); i++)
		if (has_column(t, i))
			buf_printf(out, "%*s", columns[i].dollars ? MONEY_WIDTH : NUMBER_WIDTH,
				columns[i].head);
	buf_printf(out, "%*s  %*s%*s\n", MONEY_WIDTH, "US dollars", NUMBER_WIDTH, "written",
		NUMBER_WIDTH, "cached %");
	for (size_t g = 0; g < p->n + with_other(s); g++) {
		put_row_names(out, s, g);
		put_sums(out, t, (g == p->n ? &t->group[0] : p->row[g])->of.sum);
	}
	put_total_name(out, t);
	put_sums(out, t, t->total.sum);
	if (is_more(t->total.sum)) {
		char usd[PRICE_TEXT_MAX];
		price_text(t->total.sum[SUM_ESTIMATE], usd);
		buf_printf(out,
			"+ the actual cost is higher: %llu responses lack a price for a "
			"part of their usage, and the usage of %llu is unknown (their "
			"known part and earlier attempts cost at most %s)\n",
			(unsigned long long)t->total.sum[SUM_UNPRICED],
			(unsigned long long)t->total.sum[SUM_UNKNOWN], usd);
	}
	print_figures(s, out);
	SCOPED_BUF(cursor, 1 << 20);
	usage_cursor(p, &cursor);
	if (cursor.n)
		buf_printf(out, "more: --after %.*s\n", SPAN_ARG(buf_view(&cursor)));
}

/* ---- CSV ---- */

/* A value that a spreadsheet would evaluate as a formula becomes text: names come from callers.
 */
static void
put_cell(struct buf *out, struct span s)
{
	bool formula = s.n && strchr("=+-@\t\r", s.p[0]);

	buf_str(out, formula ? "\"'" : "\"");
	for (size_t i = 0; i < s.n; i++) {
		if (s.p[i] == '"')
			buf_putc(out, '"');
		buf_putc(out, s.p[i]);
	}
	buf_putc(out, '"');
}

static void
print_csv(const struct shown *s, struct buf *out)
{
	const struct usage_table *t = s->t;
	const struct usage_page *p = s->p;
	char text[USAGE_FIGURE_MAX];

	for (size_t i = 0; i < t->nby; i++)
		buf_printf(out, "%s%s", i ? "," : "", usage_dim_names[t->by[i]]);
	for (size_t i = 0; i < SUMS; i++)
		buf_printf(out, ",%s", usage_sum_names[i]);
	buf_str(out, ",cached_percent");
	for (size_t i = 0; i < USAGE_FIGURES; i++)
		buf_printf(out, ",%s", usage_figure_name(i));
	buf_str(out, "\r\n");
	SCOPED_BUF(name, 1 << 20);
	size_t other = with_other(s);
	char percent[PERCENT_MAX];
	for (size_t g = 0; g < p->n + other; g++) {
		const struct usage_group *u = g < other ? &t->group[0] : p->row[g - other];
		struct span key = span_of(u->key, u->n);
		for (size_t i = 0; i < t->nby; i++) {
			buf_clear(&name);
			if (g < other)
				buf_str(&name, "(other)");
			else
				put_usage_text(&name, span_next(&key, '\0'));
			buf_str(out, i ? "," : "");
			put_cell(out, buf_view(&name));
		}
		for (size_t i = 0; i < SUMS; i++)
			buf_printf(out, ",%llu", (unsigned long long)u->of.sum[i]);
		buf_printf(out, ",%s", cached_percent(u->of.sum, "", percent));
		for (size_t i = 0; i < USAGE_FIGURES; i++) {
			const char *v = usage_figure(i, &u->of, sums_before(s, u), text);
			buf_printf(out, ",%s", v ? v : "");
		}
		buf_str(out, "\r\n");
	}
}

/* ---- JSON ---- */

static void
put_json_sums(struct buf *out, const struct usage_sums *u, const struct usage_sums *before)
{
	char percent[PERCENT_MAX], text[USAGE_FIGURE_MAX];

	for (size_t i = 0; i < SUMS; i++)
		json_put_uint(out, usage_sum_names[i], u->sum[i]);
	json_put_raw(out, "cached_percent", span_str(cached_percent(u->sum, "null", percent)));
	for (size_t i = 0; i < USAGE_FIGURES; i++) {
		const char *v = usage_figure(i, u, before, text);
		if (usage_figure_is_text(i))
			json_put_opt(out, usage_figure_name(i), v);
		else
			json_put_raw(out, usage_figure_name(i), span_str(v ? v : "null"));
	}
}

static void
print_json(const struct shown *s, const char *since, const char *until, struct buf *out)
{
	const struct usage_table *t = s->t;
	const struct usage_page *p = s->p;
	size_t other = with_other(s);

	json_put_open(out, NULL, '{');
	json_put_opt(out, "since", since);
	json_put_opt(out, "until", until);
	if (s->before->since[0]) {
		json_put_open(out, "before", '{');
		json_put_str(out, "since", s->before->since);
		json_put_str(out, "until", s->before->until);
		json_put_opt(
			out, "first_record", s->before->first[0] ? s->before->first : NULL);
		json_put_close(out, '}');
	} else {
		json_put_null(out, "before");
	}
	json_put_open(out, "rows", '[');
	for (size_t g = 0; g < p->n + other; g++) {
		const struct usage_group *u = g < other ? &t->group[0] : p->row[g - other];
		struct span key = span_of(u->key, u->n);
		buf_str(out, g ? ",\n{" : "\n{");
		for (size_t i = 0; i < t->nby; i++) {
			const char *name = usage_dim_names[t->by[i]];
			struct span v =
				g >= other ? span_next(&key, '\0') : SPAN_LIT("\"(other)\"");
			if (!v.n)
				json_put_null(out, name);
			else if (v.p[0] == '"')
				json_put_raw(out, name, v);
			else
				json_put_text(out, name, v);
		}
		put_json_sums(out, &u->of, sums_before(s, u));
		if (u->of.last_ns)
			json_put_time(out, "last_seen", u->of.last_ns);
		buf_putc(out, '}');
	}
	buf_str(out, "\n]");
	json_put_open(out, "total", '{');
	put_json_sums(out, &t->total, s->before->since[0] ? &s->before->table.total : NULL);
	json_put_close(out, '}');
	json_put_uint(out, "groups", p->groups);
	SCOPED_BUF(after, 0);
	usage_cursor(p, &after);
	if (after.n)
		json_put_text(out, "after", buf_view(&after));
	else
		json_put_null(out, "after");
	buf_str(out, "}\n");
}

bool
usage_print(const struct usage_table *t, const struct usage_before *before,
	const struct usage_page *p, enum usage_form form, const char *since, const char *until,
	struct buf *out)
{
	const struct shown s = { t, before, p };

	if (form == FORM_CSV)
		print_csv(&s, out);
	else if (form == FORM_JSON)
		print_json(&s, since, until, out);
	else
		print_text(&s, out);
	return !buf_failed(out);
}
