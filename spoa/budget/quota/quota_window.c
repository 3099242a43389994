/* Sub-bucketed windows. */
#include "budget/quota/quota_window.h"

enum { WINDOW_MS_A_S = 1010 };

int64_t
window_width_ms(const struct quota_dim *d)
{
	return (int64_t)d->span.window_s * WINDOW_MS_A_S / QUOTA_SUB_BUCKETS;
}

int64_t
window_bucket(const struct quota_dim *d, int64_t now_ms)
{
	return now_ms / window_width_ms(d);
}

int64_t
window_ttl_s(const struct quota_dim *d)
{
	return (int64_t)d->span.window_s * (QUOTA_SUB_BUCKETS + 3) / QUOTA_SUB_BUCKETS + 2;
}

int64_t
window_ends_ms(const struct quota_dim *d, int64_t bucket)
{
	return (bucket + QUOTA_SUB_BUCKETS + 2) * window_width_ms(d);
}

/* The newest bucket in which something of others, or of what was admitted, counts. False: there
 * is none. */
static bool
newest(int64_t bucket, int64_t own, const int64_t counts[WINDOW_NEIGHBOURS], int64_t *out)
{
	int i = QUOTA_SUB_BUCKETS;

	*out = counts[i] > 0 ? bucket + 1 : bucket;
	if (counts[i] > 0 || own > 0)
		return true;
	while (--i >= 0 && counts[i] <= 0)
		;
	*out = bucket - QUOTA_SUB_BUCKETS + i;
	return i >= 0;
}

bool
window_judge(struct quota_dim *d, int64_t own, const int64_t counts[WINDOW_NEIGHBOURS],
	int64_t now_ms, int64_t *retry_ms)
{
	int64_t w = window_width_ms(d);
	int64_t limit = (int64_t)d->limit, sum = count_positive(own), last;

	for (int i = 0; i < WINDOW_NEIGHBOURS; i++)
		sum = count_sum(sum, count_positive(counts[i]));
	*retry_ms = 0;
	/* Bucket j counts until the clock enters bucket j + 11. */
	bool any =
		newest(d->at.bucket, sum <= limit ? own : own - (int64_t)d->n, counts, &last);
	d->reset_ms = any ? (uint64_t)((last + QUOTA_SUB_BUCKETS + 1) * w - now_ms) : 1;
	d->used = (uint64_t)(sum <= limit ? sum : count_positive(sum - (int64_t)d->n));
	d->held = 0;
	d->soft_reached = d->soft && d->used >= d->soft;
	if (sum <= limit) {
		d->counted_ms = now_ms;
		d->remaining = (uint64_t)(limit - sum);
		return true;
	}
	d->remaining = (uint64_t)count_positive(limit - (sum - (int64_t)d->n));
	int64_t left = sum;
	for (int i = 0; i < QUOTA_SUB_BUCKETS && left > limit; i++) {
		left -= count_positive(counts[i]);
		*retry_ms = (d->at.bucket - QUOTA_SUB_BUCKETS + i + QUOTA_SUB_BUCKETS + 1) * w -
			    now_ms;
	}
	/* What others charged in this bucket, then in the next one. */
	if (left > limit) {
		left -= count_positive(own - (int64_t)d->n);
		*retry_ms = (d->at.bucket + QUOTA_SUB_BUCKETS + 1) * w - now_ms;
	}
	if (left > limit)
		*retry_ms = (d->at.bucket + QUOTA_SUB_BUCKETS + 2) * w - now_ms;
	return false;
}
