/* The arithmetic of a sub-bucketed window, apart from where the counts live.
 *
 * With w = 1.01 window / 10, bucket c holds what was charged in [c·w, (c+1)·w). Any
 * interval of ten of them touches at most eleven consecutive buckets, so admitting only
 * where buckets c-10 … c, and c+1 for a peer that was read a moment later, hold no more than
 * the limit after the own charge keeps every interval of 1.01 windows within it. The
 * hundredth is for the way from the count to the provider: what takes less than that
 * holds there too, however unevenly it takes it.
 *
 * Alone, these counts keep a charge for up to 1.111 windows, because the oldest sub-bucket leaves
 * as a whole. So a sub-bucket has 16 slices. Beside its count, the amounts whose slice is known
 * are noted. The clock is in a slice of bucket c; what is noted in earlier slices of bucket
 * c-10 was charged more than ten sub-buckets ago, and is not counted any more. A charge so
 * counts for at most 1.0164 windows. A note never frees more than it names: an amount without
 * a note leaves with its sub-bucket, and notes that exceed their sub-bucket's count are ignored. */
#ifndef BUDGET_QUOTA_QUOTA_WINDOW_H
#define BUDGET_QUOTA_QUOTA_WINDOW_H

#include "budget/quota/quota.h"

enum { WINDOW_NEIGHBOURS = QUOTA_SUB_BUCKETS + 1 }; /* ten before, one after */

/* Of what nobody ever spends there may be much at once: a sum beyond all numbers is the
 * largest, and over any limit. */
static inline int64_t
count_sum(int64_t a, int64_t b)
{
	int64_t sum;

	return __builtin_add_overflow(a, b, &sum) ? b > 0 ? INT64_MAX : INT64_MIN : sum;
}

static inline int64_t
count_positive(int64_t v)
{
	return v > 0 ? v : 0;
}

/* now_ms is the time of where the counts live: Redis' own, or in process one that
 * follows the monotonic clock. */

/* Width of a sub-bucket in ms. */
int64_t window_width_ms(const struct quota_dim *d);
int64_t window_bucket(const struct quota_dim *d, int64_t now_ms);
/* Seconds a key of this dim must live from its last write. */
int64_t window_ttl_s(const struct quota_dim *d);
/* Until then the bucket may be read by somebody, so a correction belongs there. */
int64_t window_ends_ms(const struct quota_dim *d, int64_t bucket);
/* The slice of its sub-bucket in which the clock is, from 0. */
int64_t window_slice(const struct quota_dim *d, int64_t now_ms);

/* The counts around a charge at d->at. They are borrowed. */
struct window_counts {
	int64_t own;	     /* the own bucket after the charge */
	const int64_t *near; /* WINDOW_NEIGHBOURS: the ten before, oldest first; the one after */
	/* what is noted of the first `rows` of the ten before and the own one */
	const int64_t *slices; /* rows of QUOTA_SLICES */
	size_t rows;
};
/* A row of slices for each of the ten before and the own bucket. */
enum { WINDOW_ROWS = QUOTA_SUB_BUCKETS + 1 };

/* Fills remaining and reset; true: within the limit. Where it is not, *retry_ms is when it
 * would be, were nothing else charged; d->rough: that is later than it may be, because the slices of
 * that sub-bucket were not read. */
bool window_judge(struct quota_dim *d, const struct window_counts *c, int64_t now_ms,
	int64_t *retry_ms);

/* ---- windows of the calendar ---- */

/* The window that holds the moment s (seconds since 1970): from *begin until just before
 * *end. */
void calendar_window(const struct quota_span *span, int64_t s, int64_t *begin, int64_t *end);

#endif
