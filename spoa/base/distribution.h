/* The distribution of whole numbers: how many there were, their sum, the largest, and quantiles.
 * Numbers below 64 have a bucket each. Each power of two above has 32 buckets of equal width, so
 * that a quantile differs by at most 1/64 of its value. Only buckets that hold a number take
 * memory. owner: one thread. */
#ifndef BASE_DISTRIBUTION_H
#define BASE_DISTRIBUTION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Buckets of all numbers of 64 bits. */
enum { DISTRIBUTION_BUCKETS = 60 * 32 };

struct distribution {
	uint64_t n, sum, max; /* max: exact */
	/* By rising `at`. A single number has no bucket in memory: `max` is the number. */
	struct distribution_bucket {
		uint32_t at, n;
	} * bucket;
	size_t nbuckets, room;
};

/* The bucket of a number, below DISTRIBUTION_BUCKETS. */
uint32_t distribution_bucket_of(uint64_t v);
/* A distribution of this one number, without memory of its own. */
struct distribution distribution_of(uint64_t v);
/* Adds the numbers of `from`. False: out of memory, and `to` is to be freed. */
bool distribution_merge(struct distribution *to, const struct distribution *from);
/* Appends a bucket with n numbers, but adds neither to `n` nor to `sum` and `max`: a reader of a
 * stored distribution sets these. Returns false if `at` is not above the last bucket, or without
 * memory. */
bool distribution_append(struct distribution *d, uint32_t at, uint32_t n);
/* The smallest number that at least `percent` of 100 numbers do not exceed; 0: there is none. */
uint64_t distribution_quantile(const struct distribution *d, unsigned percent);
void distribution_free(struct distribution *d);

#endif
