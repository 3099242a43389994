/* Histograms of times, in Prometheus' format. All histograms have the same table of buckets.
 * owner: worker, the only thread that adds; any thread reads. */
#ifndef BUDGET_TALLY_HISTOGRAM_H
#define BUDGET_TALLY_HISTOGRAM_H

#include <stdatomic.h>

#include "base/buf.h"

enum { HISTOGRAM_BUCKETS = 16 };

struct histogram {
	_Atomic uint64_t bucket[HISTOGRAM_BUCKETS + 1]; /* the last: greater than all bounds */
	_Atomic uint64_t sum;
};

/* The unit of a histogram's numbers. The bounds of the buckets are the same numbers in both. */
enum histogram_unit { HISTOGRAM_US, HISTOGRAM_MS };

/* Counts a number in the histogram's own unit. */
void histogram_add(struct histogram *h, uint64_t us_or_ms);

/* The newest request with a trace for each bucket (exemplars of OpenMetrics). A reader sees no
 * exemplar while it is written. owner: worker, the only thread that writes; any thread reads.
 */
enum { EXEMPLAR_TRACE = 32, EXEMPLAR_ID = 32, EXEMPLAR_WORDS = 2 + 4 + 4 };
struct exemplars {
	struct exemplar {
		_Atomic uint32_t turn;		       /* odd while it is written; 0: none */
		_Atomic uint64_t word[EXEMPLAR_WORDS]; /* value, ms since 1970, trace, id */
	} bucket[HISTOGRAM_BUCKETS + 1];
};
/* Sets the exemplar of the number's bucket. `trace` has EXEMPLAR_TRACE digits; `id` is the
 * decision's, and shorter than EXEMPLAR_ID. */
void exemplar_put(struct exemplars *e, uint64_t us_or_ms, const char *trace, const char *id,
	int64_t now_ms);

/* Returns a quantile in the histogram's unit, interpolated within a bucket. Numbers greater
 * than all bounds count as the last bound. Returns 0 without numbers. */
uint64_t histogram_quantile(const uint64_t n[HISTOGRAM_BUCKETS + 1], unsigned permille);
/* Writes the _bucket, _sum and _count lines of the sum of n histograms. `labels` is
 * name="value", or empty. `e` is NULL, or the exemplars of each, which are written after their
 * buckets in OpenMetrics' format. */
void histogram_write(struct buf *out, const char *name, const char *labels,
	enum histogram_unit unit, const struct histogram *const *h,
	const struct exemplars *const *e, size_t n);

#endif
