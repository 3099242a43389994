/* Calendar windows in time zones with clock changes. */
#include <stdio.h>
#include <string.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/clock.h"
#include "budget/quota/quota_window.h"
#include "policy/cel/time.h"

enum { HOUR = 3600, DAY = 86400 };

static struct arena arena;

static struct quota_span
span_in(const char *zone, enum quota_calendar calendar)
{
	struct quota_span s = { .kind = QUOTA_CALENDAR, .calendar = calendar };
	const char *why = "";

	if (zone) {
		s.zone = cel_zone_load(&arena, span_str(zone), &why);
		if (!s.zone)
			fail_msg("%s: %s", zone, why);
	}
	return s;
}

static int64_t
utc(int64_t year, int month, int day, int hour, int minute)
{
	return clock_days(year, month, day) * DAY + hour * HOUR + minute * 60;
}

static void
window_begins_and_ends_by_its_time_zone(void **state)
{
	struct row {
		const char *name, *zone;
		enum quota_calendar calendar;
		int64_t at, begin, hours;
	} rows[] = {
		{ "a day of UTC", NULL, QUOTA_DAY, utc(2026, 11, 21, 23, 59),
			utc(2026, 11, 21, 0, 0), 24 },
		{ "the next day, from midnight on", NULL, QUOTA_DAY, utc(2026, 11, 22, 0, 0),
			utc(2026, 11, 22, 0, 0), 24 },
		{ "an hour", NULL, QUOTA_HOUR, utc(2026, 11, 21, 7, 31),
			utc(2026, 11, 21, 7, 0), 1 },
		{ "an hour of a zone that is half an hour off", "Asia/Kolkata", QUOTA_HOUR,
			utc(2026, 11, 21, 7, 31), utc(2026, 11, 21, 7, 30), 1 },
		{ "a week begins on Monday", NULL, QUOTA_WEEK, utc(2026, 11, 22, 23, 0),
			utc(2026, 11, 16, 0, 0), 7 * 24 },
		{ "a month", NULL, QUOTA_MONTH, utc(2026, 2, 28, 23, 59), utc(2026, 2, 1, 0, 0),
			28 * 24 },
		{ "February of a leap year", NULL, QUOTA_MONTH, utc(2028, 2, 29, 1, 0),
			utc(2028, 2, 1, 0, 0), 29 * 24 },
		{ "December ends with its year", NULL, QUOTA_MONTH, utc(2026, 12, 31, 5, 0),
			utc(2026, 12, 1, 0, 0), 31 * 24 },
		{ "a day of 23 hours", "Europe/Berlin", QUOTA_DAY, utc(2026, 3, 29, 12, 0),
			utc(2026, 3, 28, 23, 0), 23 },
		{ "a day of 25 hours", "Europe/Berlin", QUOTA_DAY, utc(2026, 10, 25, 12, 0),
			utc(2026, 10, 24, 22, 0), 25 },
		{ "its last second", "Europe/Berlin", QUOTA_DAY, utc(2026, 10, 25, 22, 59),
			utc(2026, 10, 24, 22, 0), 25 },
		{ "a month with a change", "Europe/Berlin", QUOTA_MONTH,
			utc(2026, 10, 31, 22, 30), utc(2026, 9, 30, 22, 0), 31 * 24 + 1 },
		{ "a week with a change", "America/New_York", QUOTA_WEEK,
			utc(2026, 3, 9, 3, 30), utc(2026, 3, 2, 5, 0), 7 * 24 - 1 },
		{ "midnight is skipped", "Africa/Cairo", QUOTA_DAY, utc(2026, 4, 24, 12, 0),
			utc(2026, 4, 23, 22, 0), 23 },
		{ "midnight comes twice", "Atlantic/Azores", QUOTA_DAY,
			utc(2025, 10, 26, 1, 30), utc(2025, 10, 26, 0, 0), 25 },
		{ "a day that a zone left out", "Pacific/Apia", QUOTA_DAY,
			utc(2011, 12, 30, 11, 0), utc(2011, 12, 30, 10, 0), 24 },
		{ "a fixed offset", "+02:00", QUOTA_DAY, utc(2026, 11, 21, 22, 0),
			utc(2026, 11, 21, 22, 0), 24 },
		{ "before 1970", NULL, QUOTA_WEEK, -1, -3 * DAY, 7 * 24 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct row *r = &rows[i];
		struct quota_span s = span_in(r->zone, r->calendar);
		int64_t begin, end;
		calendar_window(&s, r->at, &begin, &end);
		if (begin != r->begin || end - begin != r->hours * HOUR)
			fail_msg("%s: %lld, %lld hours", r->name, (long long)(begin - r->begin),
				(long long)(end - begin) / HOUR);
	}
}

/* Each moment is in exactly one window, and windows follow each other. */
static void
windows_have_no_gap(void **state)
{
	static const char *const zones[] = { NULL, "Europe/Berlin", "America/New_York",
		"Africa/Cairo", "Atlantic/Azores", "Asia/Kolkata", "America/Sao_Paulo",
		"Asia/Beirut", "America/Havana", "Pacific/Chatham" };

	(void)state;
	for (size_t z = 0; z < sizeof(zones) / sizeof(zones[0]); z++)
		for (enum quota_calendar c = QUOTA_DAY; c <= QUOTA_MONTH; c++) {
			struct quota_span s = span_in(zones[z], c);
			int64_t at = utc(2024, 1, 1, 0, 0), stop = utc(2030, 1, 1, 0, 0);
			while (at < stop) {
				int64_t begin, end, b, e;
				calendar_window(&s, at, &begin, &end);
				if (at < begin || at >= end)
					fail_msg("%s: %lld is in no window", zones[z],
						(long long)at);
				calendar_window(&s, begin, &b, &e);
				assert_true(b == begin && e == end);
				calendar_window(&s, end - 1, &b, &e);
				assert_true(b == begin && e == end);
				calendar_window(&s, end, &b, &e);
				assert_true(b == end);
				at = end + (end - begin) / 3;
			}
		}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(window_begins_and_ends_by_its_time_zone),
		cmocka_unit_test(windows_have_no_gap),
	};

	arena_init(&arena, 1 << 22, false);
	int failed = cmocka_run_group_tests(tests, NULL, NULL);
	arena_reset(&arena);
	return failed;
}
