/* Buckets of a distribution: as in HdrHistogram, the upper six bits of a number choose the bucket
 * within its power of two. */
#include "base/distribution.h"

#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/search.h"

enum { PER_POWER = 32, POWER_BITS = 5 };

uint32_t
distribution_bucket_of(uint64_t v)
{
	unsigned shift = v < PER_POWER ? 0 : 63u - (unsigned)__builtin_clzll(v) - POWER_BITS;

	return shift * PER_POWER + (uint32_t)(v >> shift);
}

/* The number in the middle of a bucket. */
static uint64_t
middle_of_bucket(uint32_t at)
{
	unsigned shift = at < 2 * PER_POWER ? 0 : at / PER_POWER - 1;
	uint64_t low = (uint64_t)(at - shift * PER_POWER) << shift;

	return low + ((UINT64_C(1) << shift) - 1) / 2;
}

struct distribution
distribution_of(uint64_t v)
{
	return (struct distribution){ .n = 1, .sum = v, .max = v };
}

/* Groups are many and most have few numbers: room begins small. */
static bool
room_for_bucket(struct distribution *d)
{
	size_t room = d->room ? 2 * d->room : 4;
	struct distribution_bucket *b;

	if (d->nbuckets < d->room)
		return true;
	b = reallocarray(d->bucket, room, sizeof(*b));
	if (!b)
		return false;
	d->bucket = b;
	d->room = room;
	return true;
}

bool
distribution_count(struct distribution *d, uint32_t at, uint32_t n)
{
	size_t low = SEARCH_FIRST(d->nbuckets, k, d->bucket[k].at < at);

	if (low == d->nbuckets || d->bucket[low].at != at) {
		if (!room_for_bucket(d))
			return false;
		memmove(d->bucket + low + 1, d->bucket + low,
			(d->nbuckets - low) * sizeof(*d->bucket));
		d->bucket[low] = (struct distribution_bucket){ at, 0 };
		d->nbuckets++;
	}
	INVARIANT(d->nbuckets <= d->room);
	d->bucket[low].n += n;
	return true;
}

bool
distribution_merge(struct distribution *to, const struct distribution *from)
{
	bool ok = true;

	if (!from->n)
		return true;
	if (to->n && !to->nbuckets)
		ok = distribution_count(to, distribution_bucket_of(to->max), 1);
	if (to->n && !from->nbuckets)
		ok = ok && distribution_count(to, distribution_bucket_of(from->max), 1);
	for (size_t i = 0; i < from->nbuckets && ok; i++)
		ok = distribution_count(to, from->bucket[i].at, from->bucket[i].n);
	to->n += from->n;
	to->sum += from->sum;
	if (from->max > to->max)
		to->max = from->max;
	return ok;
}

uint64_t
distribution_quantile(const struct distribution *d, unsigned percent)
{
	INVARIANT(percent <= 100);
	uint64_t rank = d->n - d->n * (100 - percent) / 100, seen = 0;

	for (size_t i = 0; i < d->nbuckets; i++) {
		seen += d->bucket[i].n;
		if (seen < rank)
			continue;
		uint64_t v = middle_of_bucket(d->bucket[i].at);
		/* The largest number is known exactly. */
		return rank == d->n || v > d->max ? d->max : v;
	}
	return d->max;
}

void
distribution_free(struct distribution *d)
{
	free(d->bucket);
	*d = (struct distribution){ .n = 0 };
}
