/* Sub-bucketed windows, and windows of the calendar. The judgement adds up the counts around
 * a charge. If they exceed the limit, it simulates in which order the amounts leave the
 * window, to find the time at which the request fits. */
#include "base/clock.h"
#include "base/err.h"
#include "budget/quota/quota_window.h"
#include "policy/cel/time.h"

enum { WINDOW_MS_A_S = 1010 };

int64_t
window_width_ms(const struct quota_dim *d)
{
	return (int64_t)d->span.window_s * WINDOW_MS_A_S / QUOTA_SUB_BUCKETS;
}

int64_t
window_bucket(const struct quota_dim *d, int64_t now_ms)
{
	/* the policy and the journal's texts are checked for this */
	INVARIANT(d->span.window_s > 0);
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

int64_t
window_slice(const struct quota_dim *d, int64_t now_ms)
{
	int64_t w = window_width_ms(d), in = now_ms % w;
	/* With a Redis whose clock is at 1970, an offset may lead to negative times. */
	int64_t slice = in > 0 ? in * QUOTA_SLICES / w : 0;

	INVARIANT(slice < QUOTA_SLICES);
	return slice;
}

/* Returns the time at which the clock has left this many slices of bucket b + 10, so that
 * those slices of bucket b no longer count. */
static int64_t
leaves_ms(int64_t w, int64_t bucket, int64_t slices)
{
	return (bucket + QUOTA_SUB_BUCKETS) * w +
	       (slices * w + QUOTA_SLICES - 1) / QUOTA_SLICES;
}

/* Returns the notes of a sub-bucket, or NULL if they are missing or exceed its count. */
static const int64_t *
slices_of(const struct window_counts *c, size_t row, int64_t count)
{
	const int64_t *slices = row < c->rows ? c->slices + row * QUOTA_SLICES : NULL;
	int64_t sum = 0;

	for (int i = 0; slices && i < QUOTA_SLICES; i++)
		sum = count_sum(sum, count_positive(slices[i]));
	return sum > 0 && sum <= count ? slices : NULL;
}

/* A simulation that visits the sub-buckets before bucket c+1, and their slices, in the order
 * in which they leave. */
struct leaving {
	int64_t left;	   /* the amount that still counts */
	int64_t at_ms;	   /* valid after this time */
	int64_t newest_ms; /* when the newest amount leaves; 0: there is none */
	bool rough;	   /* the request may fit before at_ms */
};

/* An amount `n` leaves at at_ms. */
static void
leave_window(struct leaving *l, int64_t limit, int64_t n, int64_t at_ms, bool rough)
{
	if (n <= 0)
		return;
	l->newest_ms = at_ms;
	if (l->left <= limit)
		return;
	l->left -= n;
	l->at_ms = at_ms;
	l->rough = rough;
}

/* A sub-bucket leaves, from slice `from` on. */
static void
leave_bucket(struct leaving *l, const struct quota_dim *d, const struct window_counts *c,
	size_t row, int64_t count, int64_t from, int64_t latest_ms)
{
	int64_t w = window_width_ms(d), rest = count,
		b = d->at.bucket - QUOTA_SUB_BUCKETS + (int64_t)row, limit = (int64_t)d->limit;
	const int64_t *slices = slices_of(c, row, count);

	for (int64_t i = 0; slices && i < QUOTA_SLICES; i++) {
		rest -= count_positive(slices[i]);
		if (i >= from)
			leave_window(l, limit, slices[i], leaves_ms(w, b, i + 1), false);
	}
	INVARIANT(rest >= 0); /* notes never exceed their sub-bucket: slices_of() */
	int64_t at_ms = leaves_ms(w, b, QUOTA_SLICES);
	leave_window(l, limit, rest, at_ms < latest_ms ? at_ms : latest_ms, row >= c->rows);
}

/* Lets all sub-buckets leave: finds when the request fits, and when all amounts have left. */
static struct leaving
leave_all(const struct quota_dim *d, const struct window_counts *c, int64_t sum, int64_t own,
	int64_t slice)
{
	int64_t w = window_width_ms(d), limit = (int64_t)d->limit;
	/* The amounts that are counted now leave with this slice at the latest. */
	int64_t latest_ms = leaves_ms(w, d->at.bucket, slice + 1);
	struct leaving l = { .left = sum };

	for (size_t i = 0; i < QUOTA_SUB_BUCKETS; i++)
		leave_bucket(&l, d, c, i, count_positive(c->near[i]), i ? 0 : slice, latest_ms);
	leave_bucket(&l, d, c, QUOTA_SUB_BUCKETS, count_positive(own), 0, latest_ms);
	leave_window(&l, limit, c->near[QUOTA_SUB_BUCKETS],
		leaves_ms(w, d->at.bucket + 1, QUOTA_SLICES), false);
	if (l.left > limit)
		l.at_ms = leaves_ms(w, d->at.bucket + 1, QUOTA_SLICES);
	return l;
}

bool
window_judge(struct quota_dim *d, const struct window_counts *c, int64_t now_ms,
	int64_t *retry_ms)
{
	int64_t w = window_width_ms(d), slice = window_slice(d, now_ms);
	int64_t limit = (int64_t)d->limit, n = (int64_t)d->n, sum = count_positive(c->own);
	const int64_t *oldest =
		slice && c->near[0] > 0 ? slices_of(c, 0, c->near[0]) : NULL;
	struct leaving l;

	for (int i = 0; i < WINDOW_NEIGHBOURS; i++)
		sum = count_sum(sum, count_positive(c->near[i]));
	for (int64_t i = 0; oldest && sum < INT64_MAX && i < slice; i++)
		sum -= count_positive(oldest[i]);
	INVARIANT(sum >= 0);
	bool fits = sum <= limit;
	if (fits && c->own > 0 && c->near[QUOTA_SUB_BUCKETS] <= 0)
		l = (struct leaving){ .newest_ms = leaves_ms(w, d->at.bucket, slice + 1) };
	else
		l = leave_all(d, c, sum, fits ? c->own : c->own - n, slice);
	*retry_ms = fits ? 0 : l.at_ms - now_ms;
	d->rough = !fits && l.rough;
	d->reset_ms = l.newest_ms > now_ms ? (uint64_t)(l.newest_ms - now_ms) : 1;
	d->used = (uint64_t)(fits ? sum : count_positive(sum - n));
	d->held = 0;
	d->soft_reached = d->soft && d->used >= d->soft;
	if (fits)
		d->counted_ms = now_ms;
	d->remaining = (uint64_t)count_positive(limit - (int64_t)d->used);
	return fits;
}

/* ---- windows of the calendar: times in seconds since 1970 ---- */

enum { HOUR_S = 3600, DAY_S = 86400 };

static int64_t
offset_at(const struct cel_zone *zone, int64_t s)
{
	return zone ? cel_zone_offset(zone, s) : 0;
}

/* Returns when that day begins in the zone: at midnight; if clocks skip midnight, when they
 * skip it; if midnight occurs twice, the first time. */
static int64_t
day_begins(const struct cel_zone *zone, int64_t day)
{
	int64_t midnight = day * DAY_S, first = INT64_MAX, last = INT64_MIN;

	/* No offset exceeds a day, and no zone changes its offset twice within two days. */
	for (int side = -1; side <= 1; side += 2) {
		int64_t s = midnight - offset_at(zone, midnight + side * DAY_S);
		if (s + offset_at(zone, s) == midnight && s < first)
			first = s;
		last = s > last ? s : last;
	}
	return first != INT64_MAX ? first : last;
}

static int64_t
floor_to(int64_t v, int64_t unit)
{
	return v - ((v % unit) + unit) % unit;
}

void
calendar_window(const struct quota_span *span, int64_t s, int64_t *begin, int64_t *end)
{
	int64_t local = s + offset_at(span->zone, s), day = floor_to(local, DAY_S) / DAY_S;
	struct clock_civil c;

	switch (span->calendar) {
	case QUOTA_HOUR:
		*begin = s - (local - floor_to(local, HOUR_S));
		*end = *begin + HOUR_S;
		return;
	case QUOTA_WEEK:
		day = floor_to(day + 3, 7) - 3; /* 1970-01-01 was a Thursday */
		*end = day_begins(span->zone, day + 7);
		break;
	case QUOTA_MONTH:
		clock_civil(local, &c);
		day = clock_days(c.year, c.month, 1);
		*end = day_begins(span->zone, clock_days(c.year, c.month + 1, 1));
		break;
	default: *end = day_begins(span->zone, day + 1); break;
	}
	*begin = day_begins(span->zone, day);
}
