/* Times as text: compared with the C library, to the nanosecond, and read back. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/err.h"

static void
check(int64_t wall_ns)
{
	char got[CLOCK_RFC3339_LEN], second[CLOCK_SECOND_LEN], want[64];
	int64_t s = wall_ns / 1000000000, ns = wall_ns % 1000000000, back;
	struct tm tm;

	if (ns < 0) {
		ns += 1000000000;
		s--;
	}
	time_t t = (time_t)s;
	gmtime_r(&t, &tm);
	size_t n = strftime(want, sizeof(want), "%Y-%m-%dT%H:%M:%S", &tm);
	snprintf(want + n, sizeof(want) - n, "Z");
	clock_second(wall_ns, second);
	assert_string_equal(second, want);
	snprintf(want + n, sizeof(want) - n, ".%09uZ", (unsigned)ns);
	clock_rfc3339(wall_ns, got);
	if (strcmp(got, want))
		fail_msg("%lld: %s, want %s", (long long)wall_ns, got, want);
	assert_int_equal(clock_parse(got, strlen(got), &back), 0);
	assert_int_equal(back, wall_ns);
}

static void
time_is_read_back_from_its_text(void **state)
{
	static const int64_t rows[] = { 0, 1, 999999999, 1000000000, -1, -1000000000,
		951782400000000000, /* 29 February 2000 */
		1767225599999999999, 1767225600000000000, INT64_MAX };
	uint64_t x = 88172645463325252;

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		check(rows[i]);
	for (int i = 0; i < 20000; i++) {
		x ^= x << 13;
		x ^= x >> 7;
		x ^= x << 17;
		check((int64_t)(x >> 1));
	}
}

static void
nonexistent_day_is_refused(void **state)
{
	static const struct {
		const char *text;
		int err;
	} rows[] = { { "2026-02-28T00:00:00Z", 0 }, { "2026-02-29T00:00:00Z", ERR_SYNTAX },
		{ "2024-02-29T00:00:00Z", 0 }, { "2000-02-29T00:00:00Z", 0 },
		{ "1900-02-29T00:00:00Z", ERR_SYNTAX }, { "2026-04-31T00:00:00Z", ERR_SYNTAX },
		{ "2026-12-31T23:59:60Z", 0 }, { "2026-12-32T00:00:00Z", ERR_SYNTAX },
		{ "2026-13-01T00:00:00Z", ERR_SYNTAX },
		{ "2026-00-01T00:00:00Z", ERR_SYNTAX } };
	int64_t ns;

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (clock_parse(rows[i].text, strlen(rows[i].text), &ns) != rows[i].err)
			fail_msg("%s", rows[i].text);
	assert_int_equal(clock_parse("2026-12-31T23:59:60Z", 20, &ns), 0);
	assert_int_equal(ns, INT64_C(1798761600) * 1000000000);
}

int
main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(time_is_read_back_from_its_text),
		cmocka_unit_test(nonexistent_day_is_refused) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
