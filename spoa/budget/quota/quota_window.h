/* The arithmetic of windows, independent of where the counters are.
 *
 * With w = 1.01 window / 10, bucket c holds what was charged in [c·w, (c+1)·w). Any interval
 * of ten bucket widths touches at most eleven consecutive buckets. A request is admitted only
 * if buckets c-10 … c, including its own charge, hold no more than the limit; bucket c+1 also
 * counts, because a peer's clock may be read a moment later. Every interval of 1.01 windows
 * is then within the limit. The hundredth is for the way from the count to the provider: if a
 * request takes less time than that, the limit also holds at the provider.
 *
 * With these counts alone, a charge would count for up to 1.111 windows, because the oldest
 * sub-bucket leaves as a whole. Therefore a sub-bucket has 16 slices, and the amounts whose
 * slice is known are noted beside its count. When the clock is in a slice of bucket c,
 * amounts noted in earlier slices of bucket c-10 are more than ten sub-buckets old and are
 * not counted any more. A charge thus counts for at most 1.0164 windows. A note never frees
 * more than its amount: an amount without a note leaves with its sub-bucket, and notes above
 * their sub-bucket's count are ignored. */
#ifndef BUDGET_QUOTA_QUOTA_WINDOW_H
#define BUDGET_QUOTA_QUOTA_WINDOW_H

#include "budget/quota/quota.h"

enum { WINDOW_NEIGHBOURS = QUOTA_SUB_BUCKETS + 1 }; /* ten before, one after */

/* Adds without overflow: a sum above INT64_MAX is INT64_MAX, which is over any limit. Keys
 * may hold any amount, since other programs can write to Redis. */
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

/* now_ms is the clock of the counters: Redis' own clock, or in this process one that follows
 * the monotonic clock. */

/* Returns the width of a sub-bucket in ms. */
int64_t window_width_ms(const struct quota_dim *d);
int64_t window_bucket(const struct quota_dim *d, int64_t now_ms);
/* Returns the seconds that a key of this dim must live after its last write. */
int64_t window_ttl_s(const struct quota_dim *d);
/* Returns the time until which the bucket may be read, so that corrections belong there. */
int64_t window_ends_ms(const struct quota_dim *d, int64_t bucket);
/* Returns the slice of its sub-bucket in which the clock is, from 0. */
int64_t window_slice(const struct quota_dim *d, int64_t now_ms);

/* The counts around a charge at d->at. Borrowed. */
struct window_counts {
	int64_t own;	     /* the charge's own bucket after the charge */
	/* WINDOW_NEIGHBOURS counts: the ten before, oldest first; the one after */
	const int64_t *near;
	/* notes of the first `rows` of: the ten before, the own bucket */
	const int64_t *slices; /* rows of QUOTA_SLICES */
	size_t rows;
};
/* one row for each of the ten before, and the own bucket */
enum { WINDOW_ROWS = QUOTA_SUB_BUCKETS + 1 };

/* Fills remaining and reset. Returns true if the dim is within the limit. Otherwise *retry_ms
 * is when it would be if nothing else were charged. d->rough is set if it may fit earlier,
 * because the notes of that sub-bucket were not read. */
bool window_judge(struct quota_dim *d, const struct window_counts *c, int64_t now_ms,
	int64_t *retry_ms);

/* ---- windows of the calendar ---- */

/* Finds the calendar window of the time s (seconds since 1970): from *begin to just before
 * *end. A day on which clocks change has 23 or 25 hours, or what the zone states. */
void calendar_window(const struct quota_span *span, int64_t s, int64_t *begin, int64_t *end);

#endif
