/* Histograms of time, as Prometheus has them. One table of buckets for all. owner: worker, any
 * thread reads. */
#ifndef TALLY_HISTOGRAM_H
#define TALLY_HISTOGRAM_H

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
/* The _bucket, _sum and _count lines of the sum of n of them; `labels` is "name=\"value\"", or
 * empty. */
void histogram_write(struct buf *out, const char *name, const char *labels,
	enum histogram_unit unit, const struct histogram *const *h, size_t n);

#endif
