/* The distribution of whole numbers: their count, sum, maximum and quantiles. Numbers below 64
 * have a bucket each. Each power of two above has 32 buckets of equal width, so that a quantile
 * differs by at most 1/64 of its value. Only buckets that hold a number take memory. owner: one
 * thread. */
#ifndef BASE_DISTRIBUTION_H
#define BASE_DISTRIBUTION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The number of buckets for all 64-bit numbers. */
enum { DISTRIBUTION_BUCKETS = 60 * 32 };

struct distribution {
	uint64_t n, sum, max; /* max is exact */
	/* Sorted by `at`. A distribution of a single number has no bucket in memory: `max` is
	 * the number. */
	struct distribution_bucket {
		uint32_t at, n;
	} * bucket;
	size_t nbuckets, room;
};

/* Returns the bucket of a number, below DISTRIBUTION_BUCKETS. */
uint32_t distribution_bucket_of(uint64_t v);
/* Returns a distribution of this one number, without memory of its own. */
struct distribution distribution_of(uint64_t v);
/* Adds the numbers of `from`. Returns false if memory is exhausted; the caller then frees `to`. */
bool distribution_merge(struct distribution *to, const struct distribution *from);
/* Appends a bucket with n numbers, but does not change `n`, `sum` and `max`: a reader of a
 * stored distribution sets these. Returns false if `at` is not above the last bucket, or if
 * memory is exhausted. */
bool distribution_append(struct distribution *d, uint32_t at, uint32_t n);
/* Returns the smallest number that at least `percent` of 100 numbers do not exceed, or 0 for an
 * empty distribution. */
uint64_t distribution_quantile(const struct distribution *d, unsigned percent);
void distribution_free(struct distribution *d);

#endif
