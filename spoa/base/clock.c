/* Reads the monotonic clock, the wall clock and the CPU time of a thread. Writes wall times
 * in the form of RFC 3339 section 5.6, parses them, and converts dates to days. */
#include "base/clock.h"

#include <stdbool.h>
#include <string.h>
#include <time.h>

#include "base/ascii.h"
#include "base/err.h"

static int64_t
read_ns(clockid_t id)
{
	struct timespec ts;

	clock_gettime(id, &ts);
	return (int64_t)ts.tv_sec * 1000000000 + ts.tv_nsec;
}

uint64_t
clock_mono_us(void)
{
	return (uint64_t)read_ns(CLOCK_MONOTONIC) / 1000;
}

uint64_t
clock_cpu_ns(void)
{
	return (uint64_t)read_ns(CLOCK_THREAD_CPUTIME_ID);
}

int64_t
clock_wall_ns(void)
{
	return read_ns(CLOCK_REALTIME);
}

/* Writes v in front of `end`, over zeros. */
static void
put_digits(char *end, unsigned v)
{
	for (; v; v /= 10)
		*--end = (char)('0' + v % 10);
}

void
clock_rfc3339(int64_t wall_ns, char out[CLOCK_RFC3339_LEN])
{
	int64_t s = wall_ns / 1000000000, ns = wall_ns % 1000000000;
	struct clock_civil t;

	if (ns < 0) {
		ns += 1000000000;
		s--;
	}
	/* gmtime_r() would take libc's lock for time zones in every thread. */
	clock_civil(s, &t);
	memcpy(out, "0000-00-00T00:00:00.000000000Z", CLOCK_RFC3339_LEN);
	put_digits(out + 4, (unsigned)t.year % 10000u);
	put_digits(out + 7, (unsigned)t.month);
	put_digits(out + 10, (unsigned)t.day);
	put_digits(out + 13, (unsigned)t.hour);
	put_digits(out + 16, (unsigned)t.minute);
	put_digits(out + 19, (unsigned)t.second);
	put_digits(out + 29, (unsigned)ns);
}

void
clock_second(int64_t wall_ns, char out[CLOCK_SECOND_LEN])
{
	char full[CLOCK_RFC3339_LEN];

	clock_rfc3339(wall_ns, full);
	memcpy(out, full, CLOCK_SECOND_LEN - 2);
	memcpy(out + CLOCK_SECOND_LEN - 2, "Z", 2);
}

/* Reads exactly `digits` decimal digits at *s and advances *s. */
static bool
take_digits(const char **s, const char *end, int digits, int *out)
{
	int v = 0;

	for (int i = 0; i < digits; i++, (*s)++) {
		if (*s >= end || !is_digit(**s))
			return false;
		v = v * 10 + (**s - '0');
	}
	*out = v;
	return true;
}

static bool
take_char(const char **s, const char *end, const char *accept)
{
	for (; *s < end && *accept; accept++)
		if (**s == *accept) {
			(*s)++;
			return true;
		}
	return false;
}

/* Counts in eras of 400 years that begin on March 1, so that a leap day is the last day of its
 * year. */
int64_t
clock_days(int64_t year, int month, int day)
{
	int64_t y = month <= 2 ? year - 1 : year;
	int64_t era = (y >= 0 ? y : y - 399) / 400;
	int64_t year_of_era = y - era * 400;
	int64_t day_of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;

	return era * 146097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 +
	       day_of_year - 719468;
}

void
clock_civil(int64_t s, struct clock_civil *out)
{
	int64_t days = s / 86400, rest = s % 86400;

	if (rest < 0) {
		rest += 86400;
		days--;
	}
	int64_t z = days + 719468;
	int64_t era = (z >= 0 ? z : z - 146096) / 146097;
	int64_t day_of_era = z - era * 146097;
	int64_t year_of_era =
		(day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) /
		365;
	int64_t day_of_year =
		day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
	int64_t mp = (5 * day_of_year + 2) / 153;

	out->day = (int)(day_of_year - (153 * mp + 2) / 5 + 1);
	out->month = (int)(mp < 10 ? mp + 3 : mp - 9);
	out->year = year_of_era + era * 400 + (out->month <= 2);
	out->hour = (int)(rest / 3600);
	out->minute = (int)(rest / 60 % 60);
	out->second = (int)(rest % 60);
	out->weekday = (int)(((days + 4) % 7 + 7) % 7);
	out->yearday = (int)(days - clock_days(out->year, 1, 1));
}

/* date-time = date "T" time [ "." 1*9DIGIT ] ( "Z" / ("+" / "-") hh ":" mm ) */
int
clock_parse(const char *s, size_t n, int64_t *wall_ns)
{
	const char *end = n ? s + n : s;
	int y, mo, d, h, mi, sec, oh = 0, om = 0;
	int64_t frac = 0;

	if (!take_digits(&s, end, 4, &y) || !take_char(&s, end, "-") ||
		!take_digits(&s, end, 2, &mo) || !take_char(&s, end, "-") ||
		!take_digits(&s, end, 2, &d) || !take_char(&s, end, "Tt") ||
		!take_digits(&s, end, 2, &h) || !take_char(&s, end, ":") ||
		!take_digits(&s, end, 2, &mi) || !take_char(&s, end, ":") ||
		!take_digits(&s, end, 2, &sec))
		return ERR_SYNTAX;
	if (mo < 1 || mo > 12 || d < 1 || d > 31 || h > 23 || mi > 59 || sec > 60)
		return ERR_SYNTAX;
	if (take_char(&s, end, ".")) {
		int digits = 0, one;
		for (; digits < 9 && take_digits(&s, end, 1, &one); digits++)
			frac = frac * 10 + one;
		if (digits == 0)
			return ERR_SYNTAX;
		for (; digits < 9; digits++)
			frac *= 10;
	}
	int sign = 0;
	if (take_char(&s, end, "+"))
		sign = 1;
	else if (take_char(&s, end, "-"))
		sign = -1;
	else if (!take_char(&s, end, "Zz"))
		return ERR_SYNTAX;
	if (sign && (!take_digits(&s, end, 2, &oh) || !take_char(&s, end, ":") ||
			    !take_digits(&s, end, 2, &om)))
		return ERR_SYNTAX;
	if (s != end || oh > 23 || om > 59)
		return ERR_SYNTAX;
	int64_t days = clock_days(y, mo, d);
	if (days >= clock_days(y, mo + 1, 1) && sec != 60)
		return ERR_SYNTAX;
	int64_t t = days * 86400 + h * 3600 + mi * 60 + sec;
	t -= (int64_t)sign * (oh * 3600 + om * 60);
	if (__builtin_mul_overflow(t, (int64_t)1000000000, wall_ns) ||
		__builtin_add_overflow(*wall_ns, frac, wall_ns))
		return ERR_RANGE;
	return 0;
}

int
clock_parse_day(const char *s, size_t n, int64_t *wall_ns)
{
	char text[] = "2026-12-31T00:00:00Z";

	if (n != 10)
		return ERR_SYNTAX;
	memcpy(text, s, n);
	return clock_parse(text, sizeof(text) - 1, wall_ns);
}
