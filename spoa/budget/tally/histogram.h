/* Histograms of time, as Prometheus has them. One table of buckets for all. owner: worker, any
 * thread reads. */
#ifndef BUDGET_TALLY_HISTOGRAM_H
#define BUDGET_TALLY_HISTOGRAM_H

#include <stdatomic.h>

#include "base/buf.h"

enum { HISTOGRAM_BUCKETS = 16 };

struct histogram {
	_Atomic uint64_t bucket[HISTOGRAM_BUCKETS + 1]; /* the last: over all of them */
	_Atomic uint64_t sum;
};

/* What its numbers are: each has all buckets. */
enum histogram_unit { HISTOGRAM_US, HISTOGRAM_MS };

void histogram_add(struct histogram *h, uint64_t us_or_ms);

/* For each bucket the newest request that has a trace (OpenMetrics: exemplars). A reader that
 * comes while one is written sees none. owner: worker, any thread reads. */
enum { EXEMPLAR_TRACE = 32, EXEMPLAR_ID = 32, EXEMPLAR_WORDS = 2 + 4 + 4 };
struct exemplars {
	struct exemplar {
		_Atomic uint32_t turn; /* odd: is being written; 0: none */
		_Atomic uint64_t word[EXEMPLAR_WORDS]; /* value, ms since 1970, trace, id */
	} bucket[HISTOGRAM_BUCKETS + 1];
};
/* `trace`: EXEMPLAR_TRACE digits; `id`: the decision's, shorter than EXEMPLAR_ID. */
void exemplar_put(struct exemplars *e, uint64_t us_or_ms, const char *trace, const char *id,
	int64_t now_ms);

/* In its unit, interpolated in a bucket; of what is over all of them the last one's end; 0:
 * there is none. */
uint64_t histogram_quantile(const uint64_t n[HISTOGRAM_BUCKETS + 1], unsigned permille);
/* The _bucket, _sum and _count lines of the sum of n of them; `labels` is "name=\"value\"", or
 * empty. `e`: NULL, or where the exemplars of each are, which go after buckets as OpenMetrics
 * has them. */
void histogram_write(struct buf *out, const char *name, const char *labels,
	enum histogram_unit unit, const struct histogram *const *h,
	const struct exemplars *const *e, size_t n);

#endif
