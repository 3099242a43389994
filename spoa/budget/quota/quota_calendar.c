/* Windows of the calendar: where a day of a zone begins, in seconds since 1970. */
#include "budget/quota/quota_calendar.h"

#include "base/clock.h"
#include "policy/cel/time.h"

enum { HOUR_S = 3600, DAY_S = 86400 };

static int64_t
offset_at(const struct cel_zone *zone, int64_t s)
{
	return zone ? cel_zone_offset(zone, s) : 0;
}

/* When that day of the zone begins: at midnight; where clocks skip it, when they do; where
 * it comes twice, the first time. */
static int64_t
day_begins(const struct cel_zone *zone, int64_t day)
{
	int64_t midnight = day * DAY_S, first = INT64_MAX, last = INT64_MIN;

	/* No offset is more than a day, and none changes twice in two. */
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
	struct cel_civil c;

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
		cel_civil(local, &c);
		day = clock_days(c.year, c.month, 1);
		*end = day_begins(span->zone, clock_days(c.year, c.month + 1, 1));
		break;
	default: *end = day_begins(span->zone, day + 1); break;
	}
	*begin = day_begins(span->zone, day);
}
