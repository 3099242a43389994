/* Times in words: the meaning of each in UTC and in zones with daylight saving time, and what
 * the error names if the words are not understood. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/clock.h"
#include "cmd/when.h"

/* A Sunday. */
#define NOW "2026-11-22T15:03:16.5Z"

static const struct row {
	const char *name, *said, *zone, *from, *until;
} rows[] = {
	/* clang-format off */
{ "a second", "2026-11-20T11:47:05Z", "UTC", "2026-11-20T11:47:05Z", "2026-11-20T11:47:06Z" },
{ "a millisecond", "2026-11-20T11:47:05.123Z", "UTC", "2026-11-20T11:47:05.123Z", "2026-11-20T11:47:05.124Z" },
{ "a minute, and its zone", "2026-11-20T11:47+02:00", "UTC", "2026-11-20T09:47:00Z", "2026-11-20T09:48:00Z" },
{ "a second with a zone is of that", "2026-11-20T11:47:00+02:00", "America/New_York", "2026-11-20T09:47:00Z", "2026-11-20T09:47:01Z" },
{ "without a zone it is of --zone", "2026-11-20T11:47", "Europe/Berlin", "2026-11-20T10:47:00Z", "2026-11-20T10:48:00Z" },
{ "with a blank", "2026-11-20 11:47", "UTC", "2026-11-20T11:47:00Z", "2026-11-20T11:48:00Z" },
{ "and seconds", "2026-11-20 11:47:09", "UTC", "2026-11-20T11:47:09Z", "2026-11-20T11:47:10Z" },
{ "a day", "2026-11-20", "UTC", "2026-11-20T00:00:00Z", "2026-11-21T00:00:00Z" },
{ "a month", "2026-02", "UTC", "2026-02-01T00:00:00Z", "2026-03-01T00:00:00Z" },
{ "December ends with the year", "2025-12", "UTC", "2025-12-01T00:00:00Z", "2026-01-01T00:00:00Z" },
{ "a leap day", "2024-02-29", "UTC", "2024-02-29T00:00:00Z", "2024-03-01T00:00:00Z" },
{ "today", "today", "UTC", "2026-11-22T00:00:00Z", "2026-11-23T00:00:00Z" },
{ "today is the zone's", "today", "Pacific/Auckland", "2026-11-22T11:00:00Z", "2026-11-23T11:00:00Z" },
{ "yesterday", "Yesterday", "UTC", "2026-11-21T00:00:00Z", "2026-11-22T00:00:00Z" },
{ "yesterday, a time", "yesterday 14:00", "UTC", "2026-11-21T14:00:00Z", "2026-11-21T14:01:00Z" },
{ "with at", "yesterday at 14:00", "UTC", "2026-11-21T14:00:00Z", "2026-11-21T14:01:00Z" },
{ "the other way round", "14:00 yesterday", "UTC", "2026-11-21T14:00:00Z", "2026-11-21T14:01:00Z" },
{ "a time of today", "11:47", "UTC", "2026-11-22T11:47:00Z", "2026-11-22T11:48:00Z" },
{ "of one digit", "9:05", "UTC", "2026-11-22T09:05:00Z", "2026-11-22T09:06:00Z" },
{ "afternoon", "2:30 pm", "UTC", "2026-11-22T14:30:00Z", "2026-11-22T14:31:00Z" },
{ "afternoon in one word is an hour", "2pm", "UTC", "2026-11-22T14:00:00Z", "2026-11-22T15:00:00Z" },
{ "twelve at night", "12:10 am yesterday", "UTC", "2026-11-21T00:10:00Z", "2026-11-21T00:11:00Z" },
{ "noon", "yesterday noon", "UTC", "2026-11-21T12:00:00Z", "2026-11-21T12:01:00Z" },
{ "the question itself", "last tuesday 11:47", "UTC", "2026-11-17T11:47:00Z", "2026-11-17T11:48:00Z" },
{ "and where they ask", "last Tuesday 11:47", "America/New_York", "2026-11-17T16:47:00Z", "2026-11-17T16:48:00Z" },
{ "a weekday is the last one", "fri", "UTC", "2026-11-20T00:00:00Z", "2026-11-21T00:00:00Z" },
{ "today is one", "sunday", "UTC", "2026-11-22T00:00:00Z", "2026-11-23T00:00:00Z" },
{ "the last one is not today", "last sunday", "UTC", "2026-11-15T00:00:00Z", "2026-11-16T00:00:00Z" },
{ "this one is", "this sunday", "UTC", "2026-11-22T00:00:00Z", "2026-11-23T00:00:00Z" },
{ "on", "on monday at 08:00", "UTC", "2026-11-16T08:00:00Z", "2026-11-16T08:01:00Z" },
{ "days ago", "3 days ago", "UTC", "2026-11-19T00:00:00Z", "2026-11-20T00:00:00Z" },
{ "days ago, a time", "3 days ago 08:15", "UTC", "2026-11-19T08:15:00Z", "2026-11-19T08:16:00Z" },
{ "a week ago", "a week ago", "UTC", "2026-11-15T00:00:00Z", "2026-11-16T00:00:00Z" },
{ "weeks ago", "2 weeks ago", "UTC", "2026-11-08T00:00:00Z", "2026-11-09T00:00:00Z" },
{ "a month ago, where that was shorter", "9 months ago", "UTC", "2026-02-22T00:00:00Z", "2026-02-23T00:00:00Z" },
{ "hours ago is a minute", "2 hours ago", "UTC", "2026-11-22T13:03:00Z", "2026-11-22T13:04:00Z" },
{ "an hour ago", "an hour ago", "UTC", "2026-11-22T14:03:00Z", "2026-11-22T14:04:00Z" },
{ "short", "90m ago", "UTC", "2026-11-22T13:33:00Z", "2026-11-22T13:34:00Z" },
{ "as audit list has it", "2h", "UTC", "2026-11-22T13:03:16.5Z", "2026-11-22T13:04:16.5Z" },
{ "until now", "last 24 hours", "UTC", "2026-11-21T15:03:16.5Z", "2026-11-22T15:03:16.500000001Z" },
{ "past", "past hour", "UTC", "2026-11-22T14:03:16.5Z", "2026-11-22T15:03:16.500000001Z" },
{ "a week of the calendar", "last week", "UTC", "2026-11-09T00:00:00Z", "2026-11-16T00:00:00Z" },
{ "this week", "this week", "UTC", "2026-11-16T00:00:00Z", "2026-11-23T00:00:00Z" },
{ "last month", "last month", "UTC", "2026-10-01T00:00:00Z", "2026-11-01T00:00:00Z" },
{ "last year", "last year", "UTC", "2025-01-01T00:00:00Z", "2026-01-01T00:00:00Z" },
{ "a day of a month", "17 november 11:47", "UTC", "2026-11-17T11:47:00Z", "2026-11-17T11:48:00Z" },
{ "month first", "nov 17, 2025", "UTC", "2025-11-17T00:00:00Z", "2025-11-18T00:00:00Z" },
{ "one that is ahead was last year", "24 dec", "UTC", "2025-12-24T00:00:00Z", "2025-12-25T00:00:00Z" },
{ "seconds since 1970", "@1763800000", "UTC", "2025-11-22T08:26:40Z", "2025-11-22T08:26:41Z" },
{ "a day of 25 hours", "2026-10-25", "Europe/Berlin", "2026-10-24T22:00:00Z", "2026-10-25T23:00:00Z" },
{ "a day of 23 hours", "2026-03-29", "Europe/Berlin", "2026-03-28T23:00:00Z", "2026-03-29T22:00:00Z" },
{ "before the clock is put back", "2026-10-25 01:59", "Europe/Berlin", "2026-10-24T23:59:00Z", "2026-10-25T00:00:00Z" },
{ "a time that was there twice", "2026-10-25 02:30", "Europe/Berlin", "2026-10-25T00:30:00Z", "2026-10-25T01:31:00Z" },
{ "after it", "2026-10-25 03:00", "Europe/Berlin", "2026-10-25T02:00:00Z", "2026-10-25T02:01:00Z" },
{ "twice in New York", "2026-11-01 01:30", "America/New_York", "2026-11-01T05:30:00Z", "2026-11-01T06:31:00Z" },
{ "half an hour twice", "2026-04-05 01:45", "Australia/Lord_Howe", "2026-04-04T14:45:00Z", "2026-04-04T15:16:00Z" },
{ "a fixed offset", "11:47", "+05:30", "2026-11-22T06:17:00Z", "2026-11-22T06:18:00Z" },
{ "a range", "yesterday 14:00..yesterday 15:00", "UTC", "2026-11-21T14:00:00Z", "2026-11-21T15:01:00Z" },
{ "whose end is of the same day", "yesterday 14:00..15:00", "UTC", "2026-11-21T14:00:00Z", "2026-11-21T15:01:00Z" },
{ "days", "monday..wednesday", "UTC", "2026-11-16T00:00:00Z", "2026-11-19T00:00:00Z" },
{ "until now if no end is given", "yesterday..", "UTC", "2026-11-21T00:00:00Z", "2026-11-22T15:03:16.500000001Z" },
	/* clang-format on */
};

static const struct wrong {
	const char *name, *said, *zone, *why;
} wrong[] = {
	{ "nothing", "", "UTC", "not understood" },
	{ "a word of no meaning", "last tuseday", "UTC", "'tuseday' is not understood" },
	{ "the word that is wrong is named", "yesterday 14:0x", "UTC",
		"'14:0x' is not understood" },
	{ "a 25th hour", "25:00", "UTC", "not understood" },
	{ "no such day", "2026-02-30", "UTC", "not understood" },
	{ "no such month", "2026-13-01", "UTC", "not understood" },
	{ "two days", "monday tuesday", "UTC", "'tuesday' is not understood" },
	{ "two times", "11:47 12:47", "UTC", "'12:47' is not understood" },
	{ "a time of a month", "last month 11:47", "UTC", "not understood" },
	{ "a time that never was", "2026-03-29 02:30", "Europe/Berlin", "set forward" },
	{ "an end before its begin", "yesterday..monday", "UTC", "is before" },
	{ "a number alone", "11", "UTC", "not understood" },
	{ "ago alone", "ago", "UTC", "not understood" },
	{ "too many words", "on the day of the last tuesday at about 11:47 or so", "UTC",
		"not understood" },
	{ "a number beyond all years", "999999 years ago", "UTC", "" },
	{ "more weeks than nanoseconds can say", "1000000w", "UTC", "not understood" },
	{ "more years", "1000000y", "UTC", "not understood" },
	{ "a second that is none", "@9999999999", "UTC", "not understood" },
};

static const struct cel_zone *
zone(struct arena *a, const char *name)
{
	const char *why;
	const struct cel_zone *z = cel_zone_load(a, span_str(name), &why);

	if (!z)
		fail_msg("%s: %s", name, why);
	return z;
}

static int64_t
ns(const char *text)
{
	int64_t out;

	if (clock_parse(text, strlen(text), &out))
		fail_msg("%s", text);
	return out;
}

static void
times_in_words_are_understood(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const struct row *r = &rows[i];
		struct arena a;
		struct buf why;
		struct when w;
		arena_init(&a, 1 << 20, false);
		buf_init(&why, 4096);
		if (!when_read(span_str(r->said), zone(&a, r->zone), ns(NOW), &w, &why))
			fail_msg("%s: %s: %.*s", r->name, r->said, SPAN_ARG(buf_view(&why)));
		if (w.from_ns != ns(r->from) || w.until_ns != ns(r->until)) {
			char from[CLOCK_RFC3339_LEN], until[CLOCK_RFC3339_LEN];
			clock_rfc3339(w.from_ns, from);
			clock_rfc3339(w.until_ns, until);
			fail_msg("%s: %s: %s to %s", r->name, r->said, from, until);
		}
		buf_free(&why);
		arena_reset(&a);
	}
}

static void
unknown_words_are_refused_with_a_reason(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		const struct wrong *r = &wrong[i];
		struct arena a;
		struct buf why;
		struct when w;
		arena_init(&a, 1 << 20, false);
		buf_init(&why, 4096);
		if (when_read(span_str(r->said), zone(&a, r->zone), ns(NOW), &w, &why))
			fail_msg("%s: %s is understood", r->name, r->said);
		buf_putc(&why, '\0');
		if (why.n < 2 || !strstr(buf_view(&why).p, r->why))
			fail_msg("%s: %s", r->name, buf_view(&why).p);
		buf_free(&why);
		arena_reset(&a);
	}
}

/* Any words give a result or an error, and the begin precedes the end. */
static void
any_words_give_a_result_or_an_error(void **state)
{
	static const char *const words[] = { "last", "this", "tuesday", "11:47", "3", "days",
		"ago", "at", "2pm", "pm", "nov", "2026", "2026-11", "..", "today", "a", "month",
		"hours", "@1763800000", "2026-10-25T02:30", "99999999999999999999", "-1", "0" };
	uint64_t seed = 7;
	size_t understood = 0;

	(void)state;
	for (size_t i = 0; i < 20000; i++) {
		struct arena a;
		struct buf why, said;
		struct when w;
		arena_init(&a, 1 << 20, false);
		buf_init(&why, 4096);
		buf_init(&said, 4096);
		for (size_t k = 0; k < 1 + i % 5; k++) {
			seed = seed * 6364136223846793005u + 1442695040888963407u;
			buf_printf(&said, "%s%s", k ? " " : "",
				words[(seed >> 33) % (sizeof(words) / sizeof(words[0]))]);
		}
		if (when_read(buf_view(&said), zone(&a, "Europe/Berlin"), ns(NOW), &w, &why)) {
			assert_true(w.from_ns < w.until_ns);
			understood++;
		} else {
			assert_true(why.n > 0);
		}
		buf_free(&said);
		buf_free(&why);
		arena_reset(&a);
	}
	assert_true(understood > 100);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(times_in_words_are_understood),
		cmocka_unit_test(unknown_words_are_refused_with_a_reason),
		cmocka_unit_test(any_words_give_a_result_or_an_error),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
