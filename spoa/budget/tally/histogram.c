/* The buckets reach from 10 µs (a step) to 2.5 s (an extraction of 30 MB), or in ms from 10 ms
 * to 2,500 s (a long response of a model). */
#include "budget/tally/histogram.h"

#include <inttypes.h>
#include <string.h>

#include "base/err.h"
#include "budget/tally/names.h"

/* clang-format off */
static const struct { uint32_t most; const char *le[2]; } buckets[HISTOGRAM_BUCKETS] = {
	{ 10,      { "0.00001",  "0.01" } },  { 25,      { "0.000025", "0.025" } },
	{ 50,      { "0.00005",  "0.05" } },  { 100,     { "0.0001",   "0.1" } },
	{ 250,     { "0.00025",  "0.25" } },  { 500,     { "0.0005",   "0.5" } },
	{ 1000,    { "0.001",    "1" } },     { 2500,    { "0.0025",   "2.5" } },
	{ 5000,    { "0.005",    "5" } },     { 10000,   { "0.01",     "10" } },
	{ 25000,   { "0.025",    "25" } },    { 50000,   { "0.05",     "50" } },
	{ 100000,  { "0.1",      "100" } },   { 250000,  { "0.25",     "250" } },
	{ 1000000, { "1",        "1000" } },  { 2500000, { "2.5",      "2500" } },
};
/* clang-format on */

/* The first bucket for a number with so many bits: one or two comparisons remain. */
static const uint8_t first_of[] = { 0, 0, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 7, 8, 9, 10, 11, 12, 13,
	14, 14, 15, 15 };

static inline size_t
bucket_of(uint64_t v)
{
	size_t bits = v ? 64 - (size_t)__builtin_clzll(v) : 0;
	size_t i = bits < COUNT_OF(first_of) ? first_of[bits] : HISTOGRAM_BUCKETS - 1;

	while (i < HISTOGRAM_BUCKETS && v > buckets[i].most)
		i++;
	INVARIANT(i <= HISTOGRAM_BUCKETS);
	return i;
}

void
histogram_add(struct histogram *h, uint64_t v)
{
	tally_grow(&h->bucket[bucket_of(v)], 1);
	tally_grow(&h->sum, v);
}

void
exemplar_put(struct exemplars *e, uint64_t v, const char *trace, const char *id, int64_t now_ms)
{
	struct exemplar *x = &e->bucket[bucket_of(v)];
	uint32_t turn = atomic_load_explicit(&x->turn, memory_order_relaxed);
	uint64_t word[EXEMPLAR_WORDS] = { v, (uint64_t)now_ms };

	memcpy(&word[2], trace, EXEMPLAR_TRACE);
	strncpy((char *)&word[6], id, EXEMPLAR_ID - 1);
	atomic_store_explicit(&x->turn, turn + 1, memory_order_relaxed);
	atomic_thread_fence(memory_order_release);
	for (size_t i = 0; i < EXEMPLAR_WORDS; i++)
		atomic_store_explicit(&x->word[i], word[i], memory_order_relaxed);
	/* 0 means that nothing was written yet. */
	atomic_store_explicit(&x->turn, turn + 2 ? turn + 2 : 2, memory_order_release);
}

static bool
exemplar_get(const struct exemplar *x, uint64_t word[EXEMPLAR_WORDS])
{
	uint32_t turn = atomic_load_explicit(&x->turn, memory_order_acquire);

	if (!turn || turn & 1)
		return false;
	for (size_t i = 0; i < EXEMPLAR_WORDS; i++)
		word[i] = atomic_load_explicit(&x->word[i], memory_order_relaxed);
	atomic_thread_fence(memory_order_acquire);
	return atomic_load_explicit(&x->turn, memory_order_relaxed) == turn;
}

/* Writes the newest exemplar of n workers: ` # {trace_id="…",decision_id="…"} VALUE SECONDS` */
static void
exemplar_write(struct buf *out, const struct exemplars *const *e, size_t n, size_t bucket,
	uint64_t second)
{
	uint64_t best[EXEMPLAR_WORDS] = { 0 }, word[EXEMPLAR_WORDS];

	for (size_t k = 0; k < n; k++)
		if (exemplar_get(&e[k]->bucket[bucket], word) && word[1] >= best[1])
			memcpy(best, word, sizeof(best));
	if (!best[1])
		return;
	buf_printf(out,
		" # {trace_id=\"%.*s\",decision_id=\"%s\"} %" PRIu64 ".%06" PRIu64 " %" PRIu64
		".%03" PRIu64,
		EXEMPLAR_TRACE, (const char *)&best[2], (const char *)&best[6],
		best[0] / second, best[0] % second * (1000000 / second), best[1] / 1000,
		best[1] % 1000);
}

uint64_t
histogram_quantile(const uint64_t n[HISTOGRAM_BUCKETS + 1], unsigned permille)
{
	uint64_t all = 0, before = 0;

	for (size_t i = 0; i <= HISTOGRAM_BUCKETS; i++)
		all += n[i];
	uint64_t rank = (all * permille + 999) / 1000;
	for (size_t i = 0; all && i < HISTOGRAM_BUCKETS; before += n[i++]) {
		uint64_t from = i ? buckets[i - 1].most : 0;
		if (n[i] && before + n[i] >= rank)
			return from + (buckets[i].most - from) * (rank - before) / n[i];
	}
	return all ? buckets[HISTOGRAM_BUCKETS - 1].most : 0;
}

void
histogram_write(struct buf *out, const char *name, const char *labels, enum histogram_unit unit,
	const struct histogram *const *h, const struct exemplars *const *e, size_t n)
{
	const char *comma = labels[0] ? "," : "", *open = labels[0] ? "{" : "",
		   *close = labels[0] ? "}" : "";
	const uint64_t second = unit == HISTOGRAM_MS ? 1000 : 1000000;
	uint64_t count = 0, sum = 0;

	for (size_t i = 0; i <= HISTOGRAM_BUCKETS; i++) {
		for (size_t k = 0; k < n; k++)
			count += tally_value(&h[k]->bucket[i]);
		buf_printf(out, "tollgate_%s_bucket{%s%sle=\"%s\"} %" PRIu64, name, labels,
			comma, i < HISTOGRAM_BUCKETS ? buckets[i].le[unit] : "+Inf", count);
		if (e)
			exemplar_write(out, e, n, i, second);
		buf_putc(out, '\n');
	}
	for (size_t k = 0; k < n; k++)
		sum += tally_value(&h[k]->sum);
	buf_printf(out, "tollgate_%s_sum%s%s%s %" PRIu64 ".%06" PRIu64 "\n", name, open, labels,
		close, sum / second, sum % second * (1000000 / second));
	buf_printf(
		out, "tollgate_%s_count%s%s%s %" PRIu64 "\n", name, open, labels, close, count);
}
