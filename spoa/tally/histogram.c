/* Buckets from 10 µs, what a step takes, to 2.5 s, what a helper may take for 30 MB; in ms from
 * 10 ms to 2,500 s, what a model may take. */
#include "tally/histogram.h"

#include <inttypes.h>

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

/* One writer: no other thread's count is lost between load and store. */
static inline void
grow(_Atomic uint64_t *v, uint64_t n)
{
	atomic_store_explicit(
		v, atomic_load_explicit(v, memory_order_relaxed) + n, memory_order_relaxed);
}

/* The first bucket that a number of that many bits may be in: one or two comparisons are left.
 */
static const uint8_t first_of[] = { 0, 0, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 7, 8, 9, 10, 11, 12, 13,
	14, 14, 15, 15 };

void
histogram_add(struct histogram *h, uint64_t v)
{
	size_t bits = v ? 64 - (size_t)__builtin_clzll(v) : 0;
	size_t i = bits < COUNT_OF(first_of) ? first_of[bits] : HISTOGRAM_BUCKETS - 1;

	while (i < HISTOGRAM_BUCKETS && v > buckets[i].most)
		i++;
	grow(&h->bucket[i], 1);
	grow(&h->sum, v);
}

void
histogram_write(struct buf *out, const char *name, const char *labels, enum histogram_unit unit,
	const struct histogram *const *h, size_t n)
{
	const char *comma = labels[0] ? "," : "", *open = labels[0] ? "{" : "",
		   *close = labels[0] ? "}" : "";
	const uint64_t second = unit == HISTOGRAM_MS ? 1000 : 1000000;
	uint64_t count = 0, sum = 0;

	for (size_t i = 0; i <= HISTOGRAM_BUCKETS; i++) {
		for (size_t k = 0; k < n; k++)
			count += atomic_load_explicit(&h[k]->bucket[i], memory_order_relaxed);
		buf_printf(out, "tollgate_%s_bucket{%s%sle=\"%s\"} %" PRIu64 "\n", name, labels,
			comma, i < HISTOGRAM_BUCKETS ? buckets[i].le[unit] : "+Inf", count);
	}
	for (size_t k = 0; k < n; k++)
		sum += atomic_load_explicit(&h[k]->sum, memory_order_relaxed);
	buf_printf(out, "tollgate_%s_sum%s%s%s %" PRIu64 ".%06" PRIu64 "\n", name, open, labels,
		close, sum / second, sum % second * (1000000 / second));
	buf_printf(
		out, "tollgate_%s_count%s%s%s %" PRIu64 "\n", name, open, labels, close, count);
}
