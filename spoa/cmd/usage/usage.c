/* tollgate usage --by person,team,… --since T: sums up usage and cost from the journal or from
 * Redis Streams, orders the groups, and prints a page of them as text, CSV or JSON.
 *
 * Sums are read from the files beside segments (record/audit/sums.h) for segments and blocks
 * within the window, and from lines for the others.
 *
 * A cursor has the numbers by which the last group of a page is ordered, and the group's values.
 * The next page begins after this place in the sums of that time, even if the group no longer
 * exists.
 *
 * Besides sums, a row has figures: means, 95th percentiles and maxima of prompts and times, and
 * growth since the period before. Each figure is a row of a table, which every form of the
 * output reads. */
#include "cmd/usage/usage.h"

#include <jansson.h>
#include <math.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/ascii.h"
#include "base/err.h"
#include "base/json_put.h"
#include "base/price/price.h"
#include "cmd/daemon/reading.h"
#include "cmd/plain.h"
#include "record/audit/sums.h"

/* ---- reading sums ---- */

struct summing {
	struct usage_table *now;
	struct usage_before *before; /* NULL: the query has no period before its own */
	const struct query *q;
	const char *since; /* the begin of the query's own period; "": no bound */
	uint64_t records;
	bool lied; /* a file of sums is wrong, so the tables are not used */
};

static void
note_first(struct usage_before *before, struct span time)
{
	if (time.n >= CLOCK_RFC3339_LEN ||
		(before->first[0] && span_order(time, span_str(before->first)) >= 0))
		return;
	memcpy(before->first, time.p, time.n);
	before->first[time.n] = '\0';
}

static void
sum_usage_line(void *arg, struct span line)
{
	struct summing *r = arg;

	struct span time = audit_time_of(line);
	bool early = r->before && time.n && span_order(time, span_str(r->since)) < 0;

	r->records++;
	usage_add(early ? &r->before->table : r->now, line, span_cut(time, 0, 10));
	if (early)
		note_first(r->before, time);
}

/* Returns the table for the records of a block, or NULL if a bound cuts the block. */
static struct usage_table *
table_of_block(const struct summing *r, const struct sums_block *b)
{
	const char *since = r->q->since, *until = r->q->until;

	if ((since[0] && strcmp(b->from, since) < 0) || (until[0] && strcmp(b->to, until) >= 0))
		return NULL;
	if (!r->before || strcmp(b->from, r->since) >= 0)
		return r->now;
	return strcmp(b->to, r->since) < 0 ? &r->before->table : NULL;
}

/* Adds block i, or the whole segment, to a table unless a bound cuts it. Returns as
 * sums_add(). */
static int
add_sums_block(struct summing *r, struct sums *sums, size_t i, const struct sums_block *b)
{
	struct usage_table *t = table_of_block(r, b);
	int err = t ? sums_add(sums, i, t) : ERR_NOTFOUND;

	r->lied |= err == ERR_AUTH;
	if (err)
		return err;
	if (t != r->now)
		note_first(r->before, span_str(b->from));
	r->records += b->records;
	return 0;
}

/* Adds a segment: as a whole, else block by block, else the lines of a block. */
static int
read_sums(struct summing *r, const struct query_piece *p, struct sums *sums, struct buf *why)
{
	const char *since = r->q->since, *until = r->q->until;
	size_t whole = sums_whole(sums);
	struct sums_block b;
	int err = 0;

	if (whole) {
		sums_block(sums, whole, &b);
		if (!add_sums_block(r, sums, whole, &b))
			return 0;
	}
	for (size_t i = 0; i < sums_blocks(sums) && !err && !r->lied; i++) {
		struct query_piece part = *p;
		sums_block(sums, i, &b);
		if (!b.records || (until[0] && strcmp(b.from, until) >= 0) ||
			(since[0] && strcmp(b.to, since) < 0))
			continue;
		part.begin += b.offset;
		part.bytes = b.bytes;
		if (add_sums_block(r, sums, i, &b) == ERR_NOTFOUND)
			err = query_lines(r->q, &part, why);
	}
	return err;
}

static int
sum_piece(void *arg, const struct query_piece *p, struct buf *why)
{
	struct summing *r = arg;
	struct index_segment s;
	char dir[QUERY_INDEX_MAX];

	if (r->lied)
		return 0;
	int err = p->closed ? query_open_piece(p, &s, why) : ERR_NOTFOUND;
	if (err)
		return err;
	SCOPED_BUF(unused, 8192);
	struct sums *sums = sums_open(query_index(p->journal, dir), &s, &unused);
	index_segment_close(&s);
	err = sums ? read_sums(r, p, sums, why) : ERR_NOTFOUND;
	sums_free(&sums);
	return err;
}

/* Extends the query's period by the one directly before it. Returns false if there is none. */
static bool
read_before(struct query *q)
{
	int64_t end = q->until_ns ? q->until_ns : clock_wall_ns(), length = end - q->since_ns;

	if (!q->since_ns || length <= 0)
		return false;
	q->since_ns = length < q->since_ns ? q->since_ns - length : 0;
	clock_rfc3339(q->since_ns, q->since);
	return true;
}

static int
clear_tables(struct summing *r)
{
	int err = usage_table_clear(r->now);

	if (!err && r->before) {
		r->before->first[0] = '\0';
		err = usage_table_clear(&r->before->table);
	}
	return err;
}

/* Sums up the records that the query asks for: from the files of sums beside segments for whole
 * segments and blocks, and from lines for the rest. The period before is summed up in `before`,
 * unless that is NULL. Returns 0, or an exit code after a message. */
static int
usage_read(struct usage_table *t, struct usage_before *before, const struct query *asked)
{
	struct query q = *asked;
	struct summing r = { .now = t, .q = &q, .since = asked->since };

	if (before && read_before(&q)) {
		r.before = before;
		memcpy(before->since, q.since, sizeof(before->since));
		memcpy(before->until, asked->since, sizeof(before->until));
	}
	q.within = true;
	q.arg = &r;
	q.line = sum_usage_line;
	q.piece = q.no_index ? NULL : sum_piece;
	/* Without files, every line is read: if a clock was set back, times are not in order.
	 */
	q.slack_ns = q.no_index ? INT64_MAX : 0;
	int code = query_run(&q);
	if (!code && r.lied) {
		fprintf(stderr, "tollgate: usage: a file of sums is inconsistent, so every "
				"record is read\n");
		r.records = 0;
		q.piece = NULL;
		q.slack_ns = INT64_MAX;
		code = clear_tables(&r) ? cmd_fail("usage", "out of memory") : query_run(&q);
	}
	reading_add(r.records);
	return code;
}

/* ---- order and pages ---- */

enum { BY_MOST = 3, PAGE_MAX = 1000 };

/* A group is ordered by up to three numbers, the largest first, then by its values. These are
 * the numbers that are not sums. */
enum { V_TOKENS = SUMS, V_LAST, V_PROMPT, V_DEAREST, V_TIME, V_REFUSED_MORE, V_NONE };
static const struct {
	const char *name;
	int by[BY_MOST];
} orders[ORDERS] = {
	[ORDER_COST] = { "cost", { SUM_COST, SUM_INPUT, SUM_REQUESTS } },
	[ORDER_REQUESTS] = { "requests", { SUM_REQUESTS, V_NONE, V_NONE } },
	[ORDER_REFUSED] = { "refused", { SUM_REFUSED, SUM_REQUESTS, V_NONE } },
	[ORDER_REDACTED] = { "redacted", { SUM_REDACTED, SUM_REQUESTS, V_NONE } },
	[ORDER_TOKENS] = { "tokens", { V_TOKENS, V_NONE, V_NONE } },
	[ORDER_LAST] = { "last_seen", { V_LAST, V_NONE, V_NONE } },
	[ORDER_PROMPT] = { "prompt_max", { V_PROMPT, V_NONE, V_NONE } },
	[ORDER_DEAREST] = { "cost_max", { V_DEAREST, V_NONE, V_NONE } },
	[ORDER_TIME] = { "total_p50", { V_TIME, V_NONE, V_NONE } },
	[ORDER_REFUSED_MORE] = { "refused_growth", { V_REFUSED_MORE, SUM_REFUSED, V_NONE } },
	[ORDER_NAME] = { "name", { V_NONE, V_NONE, V_NONE } },
};
static const char *const usage_order_names[ORDERS] = { "cost", "requests", "refused", "redacted",
	"tokens", "last_seen", "prompt_max", "cost_max", "total_p50", "refused_growth", "name" };

struct place {
	uint64_t v[BY_MOST];
	struct span key;
};

/* Returns the group's sums of the period before, or NULL. The row "(other)" has none, because
 * other groups were in it. */
static const struct usage_sums *
sums_before(const struct usage_before *before, const struct usage_group *g)
{
	const struct usage_group *had = NULL;

	if (before && before->since[0] && g->n)
		had = usage_find(&before->table, span_of(g->key, g->n));
	return had ? &had->of : NULL;
}

/* Returns by how many refusals a group has more than it would have at its earlier rate of
 * refusals, in thousandths and above 2^63, so that a number below that is a rate that fell. A
 * difference of rates alone would put a group first whose only request was refused. */
static uint64_t
refused_more(const struct usage_page *p, const struct usage_group *g)
{
	const struct usage_sums *was = sums_before(p->before, g);
	double rate = was && was->sum[SUM_REQUESTS] ? (double)was->sum[SUM_REFUSED] /
							     (double)was->sum[SUM_REQUESTS]
						    : 0;
	double more = (double)g->of.sum[SUM_REFUSED] - rate * (double)g->of.sum[SUM_REQUESTS];

	return (UINT64_C(1) << 63) + (uint64_t)llround(1000 * more);
}

static struct place
page_place(const struct usage_page *page, const struct usage_group *g)
{
	struct place p = { { 0 }, span_of(g->key, g->n) };

	for (size_t i = 0; i < BY_MOST; i++) {
		int by = orders[page->order].by[i];
		p.v[i] = by == V_TOKENS	  ? g->of.sum[SUM_INPUT] + g->of.sum[SUM_OUTPUT]
			 : by == V_LAST	  ? (uint64_t)g->of.last_ns
			 : by == V_PROMPT ? g->of.spread[SPREAD_PROMPT].max
			 : by == V_DEAREST ? g->of.spread[SPREAD_COST].max
			 : by == V_TIME ? distribution_quantile(&g->of.spread[SPREAD_TOTAL], 50)
			 : by == V_REFUSED_MORE ? refused_more(page, g)
			 : by == V_NONE	  ? 0
					  : g->of.sum[by];
	}
	return p;
}

static int
place_order(const struct place *a, const struct place *b)
{
	for (size_t i = 0; i < BY_MOST; i++)
		if (a->v[i] != b->v[i])
			return a->v[i] < b->v[i] ? 1 : -1;
	return span_order(a->key, b->key);
}

static int
in_order(const void *x, const void *y, void *page)
{
	struct place a = page_place(page, x), b = page_place(page, y);

	return place_order(&a, &b);
}

void
usage_sort(struct usage_table *t)
{
	struct usage_page by_cost = { .order = ORDER_COST };

	if (t->ngroups > 2)
		qsort_r(t->group + 1, t->ngroups - 1, sizeof(*t->group), in_order, &by_cost);
}

/* ---- what matches ---- */

static bool
page_holds(struct span s, struct span what)
{
	for (size_t i = 0; i + what.n <= s.n; i++) {
		size_t k = 0;
		while (k < what.n && to_lower(s.p[i + k]) == to_lower(what.p[k]))
			k++;
		if (k == what.n)
			return true;
	}
	return false;
}

static bool
matches(const struct usage_group *g, struct span what)
{
	struct span key = span_of(g->key, g->n);
	bool found = false;

	while (key.p && key.n && !found) {
		struct span raw = span_next(&key, '\0');
		json_auto_t *v = raw.n && memchr(raw.p, '\\', raw.n)
					 ? json_loadb(raw.p, raw.n, JSON_DECODE_ANY, NULL)
					 : NULL;
		if (!v && raw.n > 1 && raw.p[0] == '"')
			raw = span_cut(raw, 1, raw.n - 1);
		found = page_holds(v ? json_span(v) : raw, what);
	}
	return found;
}

/* ---- pages ---- */

static bool
read_cursor(const char *text, struct buf *key, struct place *out)
{
	struct span s = span_str(text), hex;
	size_t n = 0;

	for (size_t i = 0; i < BY_MOST; i++)
		if (span_u64(span_next(&s, i + 1 < BY_MOST ? '.' : '/'), &out->v[i]))
			return false;
	hex = s;
	char *to = buf_reserve(key, hex.n / 2 + 1);
	if (!to || !hex.n ||
		sodium_hex2bin((unsigned char *)to, hex.n / 2, hex.p, hex.n, NULL, &n, NULL) !=
			0)
		return false;
	buf_commit(key, n);
	out->key = buf_view(key);
	return true;
}

static int
rows_in_order(const void *x, const void *y, void *page)
{
	return in_order(*(const struct usage_group *const *)x,
		*(const struct usage_group *const *)y, page);
}

/* Inserts a group into the page at its position. If the page is full, the last group is
 * dropped. */
static void
insert_group(struct usage_page *p, const struct usage_group *g)
{
	size_t low = 0, high = p->n;

	if (p->n == p->limit && in_order(g, p->row[p->n - 1], p) > 0)
		return;
	while (low < high) {
		size_t mid = low + (high - low) / 2;
		if (in_order(g, p->row[mid], p) < 0)
			high = mid;
		else
			low = mid + 1;
	}
	p->n -= p->n == p->limit;
	memmove(p->row + low + 1, p->row + low, (p->n - low) * sizeof(*p->row));
	p->row[low] = g;
	p->n++;
}

int
usage_paged(const struct usage_table *t, struct usage_page *p)
{
	bool paged = p->limit && p->limit <= PAGE_MAX;
	struct place after, at;
	size_t left = 0;
	int err = 0;

	SCOPED_BUF(key, 1 << 20);
	if (p->after && !read_cursor(p->after, &key, &after))
		err = ERR_SYNTAX;
	p->row = err ? NULL
		     : calloc((paged ? (size_t)p->limit : t->ngroups) + 1, sizeof(*p->row));
	if (!err && !p->row)
		err = ERR_NOMEM;
	for (size_t i = 1; i < t->ngroups && !err; i++) {
		const struct usage_group *g = &t->group[i];
		if (p->match && !matches(g, span_str(p->match)))
			continue;
		p->groups++;
		at = page_place(p, g);
		if (p->after && place_order(&at, &after) <= 0)
			continue;
		left++;
		if (paged)
			insert_group(p, g);
		else
			p->row[p->n++] = g;
	}
	if (!err && !paged && p->n)
		qsort_r(p->row, p->n, sizeof(*p->row), rows_in_order, p);
	if (!err && p->limit && p->n > p->limit)
		p->n = (size_t)p->limit;
	p->more = left > p->n;
	return err;
}

/* Appends the cursor of the next page; nothing after the last page. */
static void
usage_cursor(const struct usage_page *p, struct buf *out)
{
	if (!p->more || !p->n)
		return;
	struct place last = page_place(p, p->row[p->n - 1]);
	for (size_t i = 0; i < BY_MOST; i++)
		buf_printf(out, "%llu%s", (unsigned long long)last.v[i],
			i + 1 < BY_MOST ? "." : "/");
	buf_hex(out, last.key.p, last.key.n);
}

/* ---- output ---- */

enum { USAGE_FIGURES = 30, USAGE_FIGURE_MAX = 64 };
enum figure_kind { FIG_COUNT, FIG_MEAN, FIG_P5, FIG_P50, FIG_P95, FIG_MAX, FIG_ID, FIG_GROWTH, FIG_MEAN_GROWTH,
	FIG_SHARE, FIG_SHARE_GROWTH };

/* Columns: the name in JSON and CSV; the heading in text output (NULL: not in text); the kind
 * of the figure; and what it is a figure of. That is an enum usage_spread, for an id an enum
 * usage_largest, and for growth and shares of the requests an enum usage_sum. */
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
	{ "prompt_tokens_max_id",       "largest request", FIG_ID,          LARGEST_PROMPT },
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
	{ "first_token_ms_p50",         "first p50",       FIG_P50,         SPREAD_FIRST },
	{ "total_ms_p50",               "total p50",       FIG_P50,         SPREAD_TOTAL },
	{ "tokens_per_s_count",         NULL,              FIG_COUNT,       SPREAD_SPEED },
	{ "tokens_per_s_mean",          NULL,              FIG_MEAN,        SPREAD_SPEED },
	{ "tokens_per_s_p5",            "tok/s p5",        FIG_P5,          SPREAD_SPEED },
	{ "tokens_per_s_p50",           "tok/s p50",       FIG_P50,         SPREAD_SPEED },
	{ "tokens_per_s_p95",           NULL,              FIG_P95,         SPREAD_SPEED },
	{ "request_nanousd_mean",       "mean dollars",    FIG_MEAN,        SPREAD_COST },
	{ "request_nanousd_max",        "dearest",         FIG_MAX,         SPREAD_COST },
	{ "request_nanousd_max_id",     "dearest request", FIG_ID,          LARGEST_COST },
	{ "total_ms_max_id",            "slowest request", FIG_ID,          LARGEST_TIME },
	{ "refused_percent",            "refused %",       FIG_SHARE,       SUM_REFUSED },
	{ "refused_growth_points",      "refused +pp",     FIG_SHARE_GROWTH, SUM_REFUSED },
};
/* clang-format on */
_Static_assert(COUNT_OF(rows) == USAGE_FIGURES, "the number of figures");
_Static_assert((int)PRICE_TEXT_MAX <= (int)USAGE_FIGURE_MAX, "a figure may be an amount");

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
usage_figure_is_money(size_t i)
{
	return (rows[i].kind == FIG_MEAN || rows[i].kind == FIG_MAX) && rows[i].of == SPREAD_COST;
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

/* Returns a sum as a percentage of the requests, or NAN without requests. */
static double
percent_of_requests(const struct usage_sums *u, int sum)
{
	uint64_t requests = u->sum[SUM_REQUESTS];

	return requests ? 100 * (double)u->sum[sum] / (double)requests : NAN;
}

/* Returns a figure as a number, or NAN if there is none. Times are kept in µs and shown in
 * ms, speeds in thousandths of a token a second. */
static double
number_of_figure(size_t i, const struct usage_sums *u, const struct usage_sums *before)
{
	int of = rows[i].of;

	if (rows[i].kind == FIG_GROWTH)
		return before ? growth_of((double)u->sum[of], (double)before->sum[of]) : NAN;
	if (rows[i].kind == FIG_SHARE)
		return percent_of_requests(u, of);
	if (rows[i].kind == FIG_SHARE_GROWTH)
		return before ? percent_of_requests(u, of) - percent_of_requests(before, of) : NAN;
	const struct distribution *d = &u->spread[of];
	double unit = of == SPREAD_PROMPT || of == SPREAD_COST ? 1 : 1000;
	switch (rows[i].kind) {
	case FIG_COUNT: return (double)d->n;
	case FIG_MEAN: return mean_of(d) / unit;
	case FIG_P5: return d->n ? (double)distribution_quantile(d, 5) / unit : NAN;
	case FIG_P50: return d->n ? (double)distribution_quantile(d, 50) / unit : NAN;
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
	bool money = usage_figure_is_money(i);
	bool whole = kind == FIG_COUNT || money ||
		     (rows[i].of == SPREAD_PROMPT && (kind == FIG_P95 || kind == FIG_MAX));

	if (kind == FIG_ID)
		return u->largest_id[rows[i].of][0] ? u->largest_id[rows[i].of] : NULL;
	double v = number_of_figure(i, u, before);
	if (isnan(v))
		return NULL;
	if (v < 0 && v > -0.05)
		v = 0; /* prints 0 instead of -0.0 */
	snprintf(out, USAGE_FIGURE_MAX, whole ? "%.0f" : "%.1f", v);
	return out;
}

/* Returns true if text output has a column for the figure, because a record has a value for it.
 * `before`: the output compares with an earlier period. */
static bool
usage_figure_shown(size_t i, const struct usage_sums *total, bool before)
{
	size_t of = (size_t)rows[i].of;

	switch (rows[i].kind) {
	case FIG_GROWTH:
	case FIG_MEAN_GROWTH: return before;
	case FIG_SHARE_GROWTH: return before && total->sum[of];
	case FIG_SHARE: return total->sum[of];
	case FIG_ID: return total->spread[usage_largest_of[of]].n;
	default: return rows[i].head && total->spread[of].n;
	}
}

/* ---- text, CSV (RFC 4180), JSON ---- */

struct shown {
	const struct usage_table *t;
	const struct usage_before *before;
	const struct usage_page *p;
};

/* Returns true if the page shows the row "(other)", which sums the groups that had no room in
 * the table. Only the first page has this row. */
static bool
with_other(const struct shown *s)
{
	return s->t->full && !s->p->after && !s->p->match;
}

/* Writes a value of a group: a JSON string is decoded, anything else is written as it is. */
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

/* The columns of text output. A column is shown if the total of `where` is not 0. */
/* clang-format off */
static const struct {
	enum usage_sum sum;
	const char *head;
	enum usage_sum where; /* SUMS: always */
	bool dollars;
} columns[] = {
	{ SUM_REQUESTS,   "requests",         SUMS,           false },
	{ SUM_REFUSED,    "refused",          SUMS,           false },
	{ SUM_REDACTED,   "redacted",         SUM_REDACTED,   false },
	{ SUM_INPUT,      "input",            SUMS,           false },
	{ SUM_CACHED,     "cached",           SUMS,           false },
	{ SUM_OUTPUT,     "output",           SUMS,           false },
	{ SUM_REASONING,  "reasoning",        SUMS,           false },
	{ SUM_EST_IN,     "input max",        SUM_EST_IN,     false },
	{ SUM_EST_OUT,    "output max",       SUM_EST_OUT,    false },
	{ SUM_HITS,       "hits",             SUM_HITS,       false },
	{ SUM_SAVED_IN,   "saved in",         SUM_HITS,       false },
	{ SUM_SAVED_OUT,  "saved out",        SUM_HITS,       false },
	{ SUM_SAVED_COST, "saved dollars",    SUM_HITS,       true },
	{ SUM_EMBEDDED,   "embedded",         SUM_EMBEDDED,   false },
	{ SUM_EMBED_COST, "embedded dollars", SUM_EMBEDDED,   true },
	{ SUM_LEFT_URL,   "left in URLs",     SUM_LEFT_URL,   false },
	{ SUM_LEFT_HOST,  "left at hosts",    SUM_LEFT_HOST,  false },
	{ SUM_LEFT_TOOL,  "left by tool",     SUM_LEFT_TOOL,  false },
	{ SUM_LEFT_SIZE,  "left by size",     SUM_LEFT_SIZE,  false },
	{ SUM_LEFT_UNKNOWN, "left unknown",   SUM_LEFT_UNKNOWN, false },
};
/* clang-format on */
enum { NAME_WIDTH = 28, NUMBER_WIDTH = 12, MONEY_WIDTH = 18, PERCENT_MAX = 32 };

/* Returns the percentage of prompt tokens that were read from the provider's cache, or `none`
 * if there were no prompt tokens. */
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

/* Writes the names of a row of the page. The row after the last group is "(other)". */
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

static int
figure_width(size_t i)
{
	return usage_figure_is_text(i)	  ? NAME_WIDTH
	       : usage_figure_is_money(i) ? MONEY_WIDTH
					  : NUMBER_WIDTH;
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
		if (v && usage_figure_is_money(i))
			price_text(strtoull(v, NULL, 10), text);
		buf_printf(out, "%*s", figure_width(i), v ? v : "-");
	}
	buf_putc(out, '\n');
}

/* Writes the earlier period and its first record: if records begin within that period, the
 * growth shown is too high. */
static void
put_period_before(struct buf *out, const struct usage_before *b)
{
	buf_printf(out, ", growth since the period from %.19sZ to %.19sZ", b->since, b->until);
	if (b->first[0])
		buf_printf(out, " (first record: %.19sZ)", b->first);
	else
		buf_str(out, " (no record)");
}

/* Writes a second table below the sums, because the first one is as wide as a screen. */
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
			buf_printf(out, "%*s", figure_width(i), usage_figure_head(i));
	buf_putc(out, '\n');
	for (size_t g = 0; g < s->p->n + with_other(s); g++) {
		const struct usage_group *u = g == s->p->n ? &s->t->group[0] : s->p->row[g];
		put_row_names(out, s, g);
		put_figures(out, s, &u->of, sums_before(s->before, u));
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

/* Writes a value. Names come from callers, so a value that a spreadsheet would evaluate as a
 * formula is marked as text. */
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
			const char *v = usage_figure(i, &u->of, sums_before(s->before, u), text);
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
		put_json_sums(out, &u->of, sums_before(s->before, u));
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

/* ---- the command ---- */

struct asked {
	struct usage_table table;
	struct usage_before before;
	struct usage_page page;
};

/* Reads --by. Returns 0, or an exit code after a message. */
static int
read_by(struct usage_table *t, const char *by)
{
	struct span rest = span_str(by);

	while (rest.p) {
		struct span one = span_next(&rest, ',');
		size_t d = span_find(one, usage_dim_names, BY_DIMS);
		if (d == BY_DIMS)
			return cmd_fail("usage",
				"--by: %.*s: one of person, team, model, route, tag, key, "
				"provider, "
				"target, tool, day is expected, or several with commas",
				SPAN_ARG(one));
		for (size_t i = 0; i < t->nby; i++)
			if (t->by[i] == d)
				return cmd_fail(
					"usage", "--by: %.*s: given twice", SPAN_ARG(one));
		t->by[t->nby++] = (enum usage_dim)d;
	}
	bool tool = false, tag = false;
	for (size_t i = 0; i < t->nby; i++) {
		tool |= t->by[i] == BY_TOOL;
		tag |= t->by[i] == BY_TAG;
	}
	if (tool && tag)
		return cmd_fail("usage", "--by: tool cannot be combined with tag");
	return 0;
}

static int
print_usage(struct asked *r, const struct query *q, enum usage_form form)
{
	if (r->table.no_memory || r->before.table.no_memory)
		return cmd_fail("usage", "out of memory");
	usage_count_attempts(&r->table);
	usage_count_attempts(&r->before.table);
	r->page.before = &r->before;
	int err = usage_paged(&r->table, &r->page);
	if (err)
		return cmd_fail("usage", "%s%s%s", err == ERR_NOMEM ? "" : "--after ",
			err == ERR_NOMEM ? "out of memory" : r->page.after,
			err == ERR_NOMEM
				? ""
				: ": give the value that the previous page printed at its end");
	SCOPED_BUF(out, 0);
	int code = EXIT_DONE;
	if (!usage_print(&r->table, &r->before, &r->page, form, q->since[0] ? q->since : NULL,
		    q->until[0] ? q->until : NULL, &out))
		code = cmd_fail("usage", "out of memory");
	else if (!cmd_write(&out))
		code = EXIT_CANNOT;
	if (r->table.full)
		fprintf(stderr,
			"tollgate: usage: more than %u groups: the others are summed as "
			"(other)\n",
			CAP_USAGE_GROUPS);
	return code;
}

/* Reads --sort and --limit. Returns 0, or an exit code after a message. */
static int
read_page(struct usage_page *p, const char *sort, const char *limit)
{
	size_t order = sort ? span_find(span_str(sort), usage_order_names, ORDERS) : ORDER_COST;

	if (order == ORDERS)
		return cmd_fail("usage",
			"--sort: %s: one of cost, requests, refused, redacted, tokens, last_seen, "
			"prompt_max, cost_max, total_p50, refused_growth, name is expected",
			sort);
	p->order = (enum usage_order)order;
	if (limit && span_u64(span_str(limit), &p->limit))
		return cmd_fail("usage", "--limit %s: give a whole number; 0: all", limit);
	return 0;
}

int
cmd_usage_sums(int argc, char **argv)
{
	const char *by = NULL, *sort = NULL, *limit = NULL;
	bool csv = false, json = false, by_day = false;
	struct query q = { .what = "usage" };
	struct asked r = { .page = { .limit = 0 } };
	const struct cmd_option options[] = { QUERY_SOURCE(&q), QUERY_TIMES(&q),
		{ "by", .text = &by }, { "csv", .flag = &csv }, { "json", .flag = &json },
		{ "sort", .text = &sort }, { "limit", .text = &limit },
		{ "after", .text = &r.page.after }, { "match", .text = &r.page.match },
		{ "no-index", .flag = &q.no_index }, { .name = NULL } };
	char **operands;
	int code;

	if (cmd_options(q.what, argc, argv, options, &operands) != 0 || (csv && json) ||
		!!q.journal + !!q.redis + !!q.file > 1)
		return cmd_usage("usage");
	if (!by && !q.said_since && !q.said_until && !q.said_at && !q.said_between)
		q.said_since = "today";
	if (!by)
		by = "team,person,model";
	if ((code = query_times(&q)) || (code = read_by(&r.table, by)) ||
		(code = read_page(&r.page, sort, limit)))
		return code;
	code = query_begin(&q, options, operands, 0);
	memcpy(r.before.table.by, r.table.by, sizeof(r.table.by));
	r.before.table.nby = r.table.nby;
	for (size_t i = 0; i < r.table.nby; i++)
		by_day |= r.table.by[i] == BY_DAY;
	if (!code && (usage_table_init(&r.table) || usage_table_init(&r.before.table)))
		code = cmd_fail("usage", "out of memory");
	/* Groups by day have no period before, because each day is a group of its own. */
	code = code ? code : usage_read(&r.table, by_day ? NULL : &r.before, &q);
	if (!code)
		code = print_usage(&r, &q, csv ? FORM_CSV : json ? FORM_JSON : FORM_TEXT);
	free(r.page.row);
	usage_table_free(&r.table);
	usage_table_free(&r.before.table);
	return query_end(&q, code);
}
