/* Sums up the workers' tables, and keeps by how much each sum grew in each step.
 *
 * The quantiles of the daemon's own time come from its histogram. By route, target and model
 * they come from the last decisions that each worker keeps; with many requests, these are a
 * sample. Times to the first byte come from the histograms of providers. For routes and models,
 * there is only the mean time that streams took to their first text. */
#include "budget/trends/rates.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/json_put.h"
#include "base/scoped.h"
#include "budget/tally/names.h"

/* Names the values of rates.h without the prefix RATES_. */
enum {
#define X(id, name) id = RATES_##id,
	RATES_COUNTED(X) RATES_TOLD(X)
#undef X
		COUNTS = RATES_COUNTS,
	VALUES = RATES_VALUES
};
const char *const rates_value_names[VALUES] = {
#define X(id, name) name,
	RATES_COUNTED(X) RATES_TOLD(X)
#undef X
};

enum {
	ROW_ROUTES = 1,
	ROW_TARGETS = ROW_ROUTES + RATES_ROUTES,
	ROW_MODELS = ROW_TARGETS + RATES_TARGETS,
	ROW_TEAMS = ROW_MODELS + RATES_MODELS,
	ROW_RULES = ROW_TEAMS + RATES_TEAMS,
	ROWS = ROW_RULES + RATES_RULES,
	HISTOGRAMS = 1 + RATES_TARGETS
};

const char *const rates_by_names[RATES_BY] = { "total", "route", "target", "model", "team",
	"rule" };
static const size_t row_of[RATES_BY + 1] = { 0, ROW_ROUTES, ROW_TARGETS, ROW_MODELS, ROW_TEAMS,
	ROW_RULES, ROWS };

typedef uint64_t counts[ROWS][COUNTS];
/* Row 0: µs that decisions took. The other rows: ms to the first byte, one row for each
 * target. */
typedef uint64_t buckets[HISTOGRAMS][HISTOGRAM_BUCKETS + 1];

struct rates {
	pthread_mutex_t lock;
	size_t n[RATES_BY]; /* names of each kind; the first is "other" */
	char name[ROWS][SERIES_LABEL_BYTES];
	uint32_t slot[ROWS][RATES_SLOTS][VALUES]; /* a row without a name is never touched, so
						     it takes no memory */
	uint64_t closed;			  /* `taken` at the last rates_minute() */
	uint64_t taken;	  /* number of samples so far; slot (taken - 1) % RATES_SLOTS is the
			   * newest */
	int64_t until_ns; /* wall clock: the end of the newest sample */
	counts before[2]; /* sums at the last sample, and at the one before it */
	uint64_t before_us[2];
	buckets heard[RATES_MINUTE + 1]; /* histograms of the last samples; sample k is at k
					  * % COUNT */
	counts now;			 /* room for the sums of all workers */
	buckets now_heard;
};

/* ---- names ---- */

/* Returns the row of a name, which is made if there is room, or that of "other". */
static size_t
find_row(struct rates *r, enum rates_by by, const char *name)
{
	size_t first = row_of[by], room = row_of[by + 1] - first;

	if (by == RATES_ALL)
		return 0;
	for (size_t i = 0; i < r->n[by]; i++)
		if (!strcmp(r->name[first + i], name))
			return first + i;
	if (!r->n[by])
		snprintf(r->name[first], sizeof(r->name[0]), "other"), r->n[by]++;
	if (!strcmp(name, "other") || r->n[by] == room)
		return first;
	INVARIANT(r->n[by] > 0 && r->n[by] < room);
	snprintf(r->name[first + r->n[by]], sizeof(r->name[0]), "%.*s", SERIES_LABEL_BYTES - 1,
		name);
	return first + r->n[by]++;
}

/* ---- sums ---- */

/* clang-format off */
static const struct { enum series_value of; unsigned as; } parts[] = {
	{ SERIES_PERMIT, PERMIT },     { SERIES_REDACT, REDACT },
	{ SERIES_DENY, DENY },         { SERIES_OBSERVED, OBSERVED },
	{ SERIES_INPUT, INPUT },       { SERIES_OUTPUT, OUTPUT },
	{ SERIES_COST, MICROUSD },     { SERIES_UNPRICED, UNPRICED },
	{ SERIES_STREAMED, STREAMED }, { SERIES_WAIT_US, WAIT_MS },
};
/* clang-format on */

static void
add_series(struct rates *r, const struct series *s)
{
	size_t n = atomic_load_explicit(&s->n, memory_order_acquire);

	for (size_t i = 0; i < n; i++) {
		const struct series_entry *e = &s->entry[i];
		const size_t rows[] = { 0, find_row(r, RATES_ROUTE, e->key.label[SERIES_ROUTE]),
			find_row(r, RATES_TARGET, e->key.label[SERIES_PROVIDER]),
			find_row(r, RATES_MODEL, e->key.label[SERIES_MODEL]) };
		for (size_t p = 0; p < COUNT_OF(parts); p++)
			for (size_t k = 0; k < COUNT_OF(rows); k++)
				r->now[rows[k]][parts[p].as] += tally_value(&e->v[parts[p].of]);
	}
}

static void
add_team_rows(struct rates *r, const struct team_tally *t)
{
	size_t n = atomic_load_explicit(&t->n, memory_order_acquire);

	for (const struct team_entry *e = t->entry; e < t->entry + n; e++) {
		size_t row = find_row(r, RATES_TEAM, e->name);
		for (size_t p = 0; p < COUNT_OF(parts); p++)
			r->now[row][parts[p].as] += tally_value(&e->v[parts[p].of]);
	}
}

static void
add_rule_rows(struct rates *r, const struct rule_tally *t)
{
	static const unsigned as[RULE_DIDS] = { PERMIT, REDACT, DENY, OBSERVED, PERMIT };
	size_t n = atomic_load_explicit(&t->n, memory_order_acquire);

	for (const struct rule_entry *e = t->entry; e < t->entry + n; e++) {
		size_t row = find_row(r, RATES_RULE, e->name);
		for (size_t d = 0; d < RULE_DIDS; d++)
			r->now[row][as[d]] += tally_value(&e->v[d]);
	}
}

static void
add_histogram(uint64_t sum[HISTOGRAM_BUCKETS + 1], const struct histogram *h)
{
	for (size_t i = 0; i <= HISTOGRAM_BUCKETS; i++)
		sum[i] += tally_value(&h->bucket[i]);
}

static void
add_providers(struct rates *r, const struct provider_tally *t)
{
	size_t n = atomic_load_explicit(&t->n, memory_order_acquire);

	for (size_t i = 0; i < n; i++) {
		const struct provider_entry *e = &t->entry[i];
		size_t row = find_row(r, RATES_TARGET, e->name);
		uint64_t errors = 0;
		for (size_t k = 0; k < PROVIDER_STATUSES; k++)
			if (provider_means(atomic_load_explicit(
				    &e->answer[k].status, memory_order_relaxed)))
				errors += tally_value(&e->answer[k].n);
		r->now[0][ERRORS] += errors;
		r->now[row][ERRORS] += errors;
		for (size_t k = 0; k < COUNT_OF(e->first_byte); k++)
			add_histogram(r->now_heard[1 + row - row_of[RATES_TARGET]],
				&e->first_byte[k]);
	}
}

/* Sums up all counts since the start in r->now. Nanodollars and µs are divided when they are
 * written. */
static void
sum_up(struct rates *r, const struct rates_source *from)
{
	memset(r->now, 0, sizeof(r->now));
	memset(r->now_heard, 0, sizeof(r->now_heard));
	for (size_t i = 0; i < from->n; i++) {
		const struct tallies *t = from->t[i];
		add_series(r, &t->series);
		add_team_rows(r, &t->teams);
		add_rule_rows(r, &t->rules);
		add_providers(r, &t->providers);
		add_histogram(r->now_heard[0], &t->stage[STAGE_TOTAL]);
	}
	r->now[0][CACHE_HITS] = from->cache_hits;
	r->now[0][FAILED] = from->failed;
}

/* Returns the growth of value v in row k. */
static uint64_t
grown(const counts now, const counts before, size_t k, unsigned v)
{
	uint64_t n = now[k][v] - before[k][v];

	return v == MICROUSD || v == WAIT_MS ? n / 1000 : n;
}

/* Returns a quantile of the last `steps` samples; samples before the first one are zeros. */
static uint64_t
quantile_since(struct rates *r, uint64_t steps, size_t of, unsigned permille)
{
	static const uint64_t none[HISTOGRAM_BUCKETS + 1];
	const uint64_t *was =
		r->taken < steps ? none : r->heard[(r->taken - steps) % COUNT_OF(r->heard)][of];
	uint64_t n[HISTOGRAM_BUCKETS + 1];

	for (size_t i = 0; i <= HISTOGRAM_BUCKETS; i++)
		n[i] = r->now_heard[of][i] - was[i];
	return histogram_quantile(n, permille);
}

/* ---- recent decisions by label ---- */

struct sampled {
	struct rates *r;
	int64_t since_ns;
	size_t n, room;
	struct {
		uint32_t us;
		uint8_t row[RATES_BY];
	} * of;
};
/* Returns true if rows of this kind have quantiles. Teams and rules have counts only. */
static bool
has_samples(enum rates_by by)
{
	return by == RATES_ROUTE || by == RATES_TARGET || by == RATES_MODEL;
}

_Static_assert(ROWS <= UINT8_MAX, "sampled.row");

static void
take_sample(void *arg, const struct recent_seen *d)
{
	const struct span label[RATES_BY] = {
		[RATES_ROUTE] = d->route, [RATES_TARGET] = d->target, [RATES_MODEL] = d->model
	};
	struct sampled *s = arg;
	char name[SERIES_LABEL_BYTES];

	if (d->at_ns < s->since_ns || s->n == s->room)
		return;
	INVARIANT(s->n < s->room);
	s->of[s->n].us = d->took_us;
	for (unsigned by = 0; by < RATES_BY; by++) {
		size_t first = row_of[by], row = by == RATES_ALL ? 0 : first, n = s->r->n[by];
		/* A decision's label may be cut, or no series may have it. Then the decision
		 * counts for "other". */
		snprintf(name, sizeof(name), "%.*s", SPAN_ARG(label[by]));
		for (size_t i = 0; by != RATES_ALL && i < n; i++)
			if (!strcmp(s->r->name[first + i], label[by].n ? name : "-"))
				row = first + i;
		s->of[s->n].row[by] = (uint8_t)row;
	}
	s->n++;
}

static void
take_samples(
	struct sampled *s, struct rates *r, const struct rates_source *from, int64_t since_ns)
{
	*s = (struct sampled){ .r = r, .since_ns = since_ns, .room = from->n * CAP_RECENT };
	s->of = calloc(s->room + 1, sizeof(*s->of));
	if (!s->of)
		s->room = 0;
	for (size_t i = 0; i < from->n; i++)
		recent_each(&from->t[i]->recent, take_sample, s);
}

static int
by_size(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return (x > y) - (x < y);
}

/* Writes the quantiles of a row. Returns the number of decisions that had this label. */
static size_t
sampled_quantiles(const struct sampled *s, enum rates_by by, size_t row,
	const unsigned *permille, uint32_t *out, size_t nout)
{
	uint32_t *us = calloc(s->n + 1, sizeof(*us));
	size_t n = 0;

	for (size_t i = 0; us && i < s->n; i++)
		if (s->of[i].row[by] == row)
			us[n++] = s->of[i].us;
	if (n)
		qsort(us, n, sizeof(*us), by_size);
	for (size_t i = 0; i < nout; i++)
		out[i] = n ? us[(n - 1) * permille[i] / 1000] : 0;
	free(us);
	return n;
}

/* ---- sampling ---- */

struct rates *
rates_new(void)
{
	struct rates *r = calloc(1, sizeof(*r));

	if (r)
		pthread_mutex_init(&r->lock, NULL);
	return r;
}

void
rates_free(struct rates **rp)
{
	if (*rp)
		pthread_mutex_destroy(&(*rp)->lock);
	free(*rp);
	*rp = NULL;
}

static uint32_t
clamp(uint64_t v)
{
	return v > UINT32_MAX ? UINT32_MAX : (uint32_t)v;
}

void
rates_sample(struct rates *r, const struct rates_source *from, int64_t wall_ns, uint64_t us)
{
	static const unsigned permille[] = { 500, 950 };
	struct sampled s;

	SCOPED_LOCK(&r->lock);
	sum_up(r, from);
	take_samples(&s, r, from, wall_ns - RATES_STEP_S * INT64_C(1000000000));
	size_t at = r->taken % RATES_SLOTS;
	for (unsigned by = 0; by < RATES_BY; by++)
		for (size_t k = row_of[by]; k < row_of[by] + (by ? r->n[by] : 1); k++) {
			uint32_t *slot = r->slot[k][at];
			memset(slot, 0, sizeof(r->slot[k][at]));
			for (unsigned v = 0; v < COUNTS; v++)
				slot[v] = clamp(grown(r->now, r->before[0], k, v));
			if (has_samples(by))
				sampled_quantiles(&s, by, k, permille, &slot[OVERHEAD_50], 2);
		}
	for (size_t i = 0; i < 2; i++)
		r->slot[0][at][OVERHEAD_50 + i] = clamp(quantile_since(r, 1, 0, permille[i]));
	for (size_t k = 0; k < r->n[RATES_TARGET]; k++)
		for (size_t i = 0; i < 2; i++)
			r->slot[row_of[RATES_TARGET] + k][at][FIRST_50 + i] =
				clamp(quantile_since(r, 1, 1 + k, permille[i]));
	memcpy(r->heard[r->taken % COUNT_OF(r->heard)], r->now_heard, sizeof(r->now_heard));
	memcpy(r->before[1], r->before[0], sizeof(r->before[0]));
	memcpy(r->before[0], r->now, sizeof(r->now));
	r->before_us[1] = r->taken ? r->before_us[0] : us;
	r->before_us[0] = us;
	r->until_ns = wall_ns;
	r->taken++;
	free(s.of);
}

/* Adds up the counts of row k over the newest slots. A median becomes the mean of the slots'
 * medians, and a p95 the highest one; slots without a value are left out. */
static void
row_minute(struct rates *r, uint64_t slots, size_t k, uint64_t v[VALUES])
{
	static const unsigned medians[] = { OVERHEAD_50, FIRST_50 };

	memset(v, 0, VALUES * sizeof(v[0]));
	for (unsigned i = 0; i < VALUES; i++)
		for (uint64_t s = r->taken - slots; s < r->taken; s++) {
			uint64_t n = r->slot[k][s % RATES_SLOTS][i];
			if (i < COUNTS)
				v[i] += n;
			else
				v[i] = n > v[i] ? n : v[i];
		}
	for (size_t i = 0; i < COUNT_OF(medians); i++) {
		uint64_t sum = 0, of = 0;
		for (uint64_t s = r->taken - slots; s < r->taken; s++) {
			uint64_t n = r->slot[k][s % RATES_SLOTS][medians[i]];
			sum += n;
			of += n != 0;
		}
		v[medians[i]] = of ? sum / of : 0;
	}
}

void
rates_minute(struct rates *r, rates_row_fn *fn, void *arg)
{
	SCOPED_LOCK(&r->lock);
	uint64_t more = r->taken - r->closed, slots = more < RATES_MINUTE ? more : RATES_MINUTE;

	r->closed = r->taken;
	for (unsigned by = 0; by < RATES_BY; by++)
		for (size_t k = row_of[by]; k < row_of[by] + (by ? r->n[by] : 1); k++) {
			uint64_t v[VALUES], any = 0;
			row_minute(r, slots, k, v);
			for (unsigned i = 0; i < VALUES; i++)
				any |= v[i];
			if (any)
				fn(arg, (enum rates_by)by, by ? r->name[k] : "", v);
		}
}

/* ---- JSON ---- */

static void
put_rates_name(struct rates *r, enum rates_by by, size_t row, struct buf *out)
{
	json_put_form(out, "{'by':%s,'name':%t", rates_by_names[by],
		span_str(by ? r->name[row] : ""));
}

/* Returns true if the row has a value other than 0 in the newest `slots`. */
static bool
has_any(struct rates *r, size_t row, uint64_t slots, unsigned value)
{
	for (uint64_t i = r->taken - slots; i < r->taken; i++)
		if (r->slot[row][i % RATES_SLOTS][value])
			return true;
	return false;
}

static void
put_series(struct rates *r, enum rates_by by, size_t row, uint64_t slots, struct buf *out)
{
	put_rates_name(r, by, row, out);
	for (unsigned v = 0; v < VALUES; v++) {
		if (!has_any(r, row, slots, v))
			continue; /* all values are 0 */
		json_put_open(out, rates_value_names[v], '[');
		for (uint64_t i = r->taken - slots; i < r->taken; i++)
			json_put_uint(out, NULL, r->slot[row][i % RATES_SLOTS][v]);
		json_put_close(out, ']');
	}
	json_put_close(out, '}');
}

void
rates_series(struct rates *r, enum rates_by by, uint64_t window_s, struct buf *out)
{
	char until[CLOCK_RFC3339_LEN] = "";

	SCOPED_LOCK(&r->lock);
	uint64_t slots = window_s / RATES_STEP_S, has = r->taken;
	has = has > RATES_SLOTS ? RATES_SLOTS : has;
	slots = slots > has ? has : slots;
	if (r->taken)
		clock_rfc3339(r->until_ns, until);
	json_put_form(out, "{'step_s':%u,'until':%s,'steps':%u,'series':[",
		(uint64_t)RATES_STEP_S, until, slots);
	for (unsigned b = 0; b < RATES_BY; b++) {
		if (by != RATES_BY && b != by)
			continue;
		for (size_t k = row_of[b]; k < row_of[b] + (b ? r->n[b] : 1); k++) {
			bool any = !b;
			for (unsigned v = 0; v < VALUES && !any; v++)
				any = has_any(r, k, slots, v);
			if (any)
				put_series(r, b, k, slots, out);
		}
	}
	buf_str(out, "]}\n");
}

static void
put_quantiles(struct buf *out, const char *name, const uint32_t q[3], size_t of)
{
	json_put_printf(out, name, "{\"p50\":%" PRIu32 ",\"p95\":%" PRIu32 ",\"p99\":%" PRIu32,
		q[0], q[1], q[2]);
	if (of)
		json_put_uint(out, "of", of);
	json_put_close(out, '}');
}

static void
put_per_second(struct buf *out, const char *name, uint64_t n, double seconds)
{
	json_put_printf(out, name, "%.3f", (double)n / seconds);
}

static void
put_now(struct rates *r, const struct sampled *s, const counts before, double seconds,
	enum rates_by by, size_t k, struct buf *out)
{
	static const unsigned permille[] = { 500, 950, 990 };
	uint64_t n[COUNTS];
	uint32_t q[3] = { 0 };

	for (unsigned v = 0; v < COUNTS; v++)
		n[v] = grown(r->now, before, k, v);
	put_rates_name(r, by, k, out);
	put_per_second(
		out, "requests_per_s", n[PERMIT] + n[REDACT] + n[DENY] + n[OBSERVED], seconds);
	put_per_second(out, "denials_per_s", n[DENY], seconds);
	put_per_second(out, "tokens_per_s", n[INPUT] + n[OUTPUT], seconds);
	json_put_printf(
		out, "usd_per_hour", "%.6f", (double)n[MICROUSD] / 1e6 / seconds * 3600);
	if (by == RATES_ALL || by == RATES_TARGET)
		put_per_second(out, "errors_per_s", n[ERRORS], seconds);
	if (n[STREAMED])
		json_put_uint(out, "first_text_mean_ms", n[WAIT_MS] / n[STREAMED]);
	size_t of = has_samples(by) ? sampled_quantiles(s, by, k, permille, q, 3) : 0;
	for (size_t i = 0; !by && i < 3; i++)
		q[i] = clamp(quantile_since(r, RATES_MINUTE, 0, permille[i]));
	if (!by || of)
		put_quantiles(out, "overhead_us", q, of);
	for (size_t i = 0; by == RATES_TARGET && i < 3; i++)
		q[i] = clamp(quantile_since(
			r, RATES_MINUTE, 1 + k - row_of[RATES_TARGET], permille[i]));
	if (by == RATES_TARGET && q[2])
		put_quantiles(out, "first_byte_ms", q, 0);
	buf_putc(out, '}');
}

void
rates_now(struct rates *r, const struct rates_source *from, int64_t wall_ns, uint64_t us,
	struct buf *out)
{
	struct sampled s;

	SCOPED_LOCK(&r->lock);
	sum_up(r, from);
	take_samples(&s, r, from, wall_ns - INT64_C(60000000000));
	size_t b = us - r->before_us[0] < RATES_STEP_S * UINT64_C(1000000);
	double seconds = (double)(us - r->before_us[b]) / 1e6;
	seconds = seconds < 0.001 ? 0.001 : seconds;
	json_put_open(out, NULL, '{');
	json_put_printf(out, "over_s", "%.3f", seconds);
	json_put_open(out, "rates", '[');
	for (unsigned by = 0; by < RATES_BY; by++)
		for (size_t k = row_of[by]; k < row_of[by] + (by ? r->n[by] : 1); k++) {
			/* a row without new counts is left out */
			if (!by || memcmp(r->now[k], r->before[b][k], sizeof(r->now[k])))
				put_now(r, &s, r->before[b], seconds, by, k, out);
		}
	buf_str(out, "]}");
	free(s.of);
}
