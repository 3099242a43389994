/* Windows of the calendar in a time zone: hours, days, weeks from Monday, months. A day
 * on which clocks change has 23 or 25 hours, or what the zone says. */
#ifndef BUDGET_QUOTA_QUOTA_CALENDAR_H
#define BUDGET_QUOTA_QUOTA_CALENDAR_H

#include "budget/quota/quota.h"

/* The window that holds the moment s (seconds since 1970): from *begin until just before
 * *end. */
void calendar_window(const struct quota_span *span, int64_t s, int64_t *begin, int64_t *end);

#endif
