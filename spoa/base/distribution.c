/* The buckets of a distribution. As in HdrHistogram, the upper six bits of a number select the
 * bucket within its power of two. Example: 1000 is 0b1111101000; its upper six bits are
 * 0b111110, and its bucket covers 992 to 1007. */
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

/* Returns the number in the middle of a bucket. */
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

/* Makes room for `more` buckets. The first allocation is small, because there are many
 * distributions and most hold few numbers. */
static bool
room_for_buckets(struct distribution *d, size_t more)
{
	size_t room = d->room ? d->room : 4;
	struct distribution_bucket *b;

	while (room < d->nbuckets + more)
		room *= 2;
	if (room == d->room)
		return true;
	b = reallocarray(d->bucket, room, sizeof(*b));
	if (!b)
		return false;
	d->bucket = b;
	d->room = room;
	return true;
}

bool
distribution_append(struct distribution *d, uint32_t at, uint32_t n)
{
	if (d->nbuckets && d->bucket[d->nbuckets - 1].at >= at)
		return false;
	if (!room_for_buckets(d, 1))
		return false;
	d->bucket[d->nbuckets++] = (struct distribution_bucket){ at, n };
	return true;
}

/* Returns the first bucket from `i` on that is not below `at`. Steps double until they pass it,
 * then binary search finds it: buckets are looked for in sorted order, so the next one is near. */
static size_t
bucket_from(const struct distribution *d, size_t i, uint32_t at)
{
	size_t low = i, high = i;

	for (size_t step = 1; high < d->nbuckets && d->bucket[high].at < at; step *= 2) {
		low = high + 1;
		high += step;
	}
	if (high > d->nbuckets)
		high = d->nbuckets;
	return low + SEARCH_FIRST(high - low, k, d->bucket[low + k].at < at);
}

/* Adds n sorted buckets, below DISTRIBUTION_BUCKETS. Missing buckets are inserted from the end
 * on, so that each bucket moves once. */
static bool
add_buckets(struct distribution *to, const struct distribution_bucket *add, size_t n)
{
	uint16_t place[DISTRIBUTION_BUCKETS];
	size_t missing = 0, kept = to->nbuckets;

	INVARIANT(n <= DISTRIBUTION_BUCKETS);
	for (size_t k = 0, i = 0; k < n; k++) {
		i = bucket_from(to, i, add[k].at);
		place[k] = (uint16_t)i;
		missing += i == kept || to->bucket[i].at != add[k].at;
	}
	if (!room_for_buckets(to, missing))
		return false;
	struct distribution_bucket *b = to->bucket;
	size_t end = to->nbuckets = kept + missing; /* kept to end: free room */
	while (n-- > 0) {
		size_t at = place[n];
		bool same = at < kept && b[at].at == add[n].at;
		size_t after = kept - at - same;
		if (end > kept && after)
			memmove(b + end - after, b + at + same, after * sizeof(*b));
		end -= after;
		kept -= after;
		uint32_t had = same ? b[--kept].n : 0;
		b[--end] = (struct distribution_bucket){ add[n].at, had + add[n].n };
	}
	return true;
}

bool
distribution_merge(struct distribution *to, const struct distribution *from)
{
	const struct distribution_bucket had = { distribution_bucket_of(to->max), 1 },
					 one = { distribution_bucket_of(from->max), 1 };
	bool ok = true;

	if (!from->n)
		return true;
	if (to->n && !to->nbuckets)
		ok = add_buckets(to, &had, 1);
	if (from->nbuckets)
		ok = ok && add_buckets(to, from->bucket, from->nbuckets);
	else if (to->n)
		ok = ok && add_buckets(to, &one, 1);
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
