/* Two clocks: monotonic microseconds for everything that measures or expires, and wall
 * nanoseconds only for audit, quota windows and the times in tokens. */
#ifndef BASE_CLOCK_H
#define BASE_CLOCK_H

#include <stddef.h>
#include <stdint.h>
#include <time.h>

uint64_t clock_mono_us(void);
uint64_t clock_cpu_ns(void); /* CPU time of the calling thread */
int64_t clock_wall_ns(void); /* since 1970-01-01T00:00:00Z */
#define CLOCK_DAY_NS (86400ll * 1000000000)
/* If two clocks differ by more than this, they do not agree. If a clock moves by more than this,
 * it was set. */
#define CLOCK_STEP_NS (5ll * 1000000000)

/* Converts a time for the waiting functions of libc. */
static inline struct timespec
clock_timespec(uint64_t us)
{
	return (struct timespec){ (time_t)(us / 1000000), (long)(us % 1000000) * 1000 };
}

/* Writes RFC 3339 with nanoseconds and Z: 30 characters and a NUL. */
#define CLOCK_RFC3339_LEN 31
void clock_rfc3339(int64_t wall_ns, char out[CLOCK_RFC3339_LEN]);
/* Writes RFC 3339 in UTC without fractions (cut, not rounded): 20 characters and a NUL. */
#define CLOCK_SECOND_LEN 21
void clock_second(int64_t wall_ns, char out[CLOCK_SECOND_LEN]);
/* Returns the days since 1970-01-01 in the proleptic Gregorian calendar. Month 13 is January of
 * the next year. */
int64_t clock_days(int64_t year, int month, int day);
/* A date and time of the proleptic Gregorian calendar. */
struct clock_civil {
	int64_t year;
	int month, day, hour, minute, second; /* month 1-12, day 1-31 */
	int weekday;			      /* 0: Sunday */
	int yearday;			      /* 0: January 1 */
};
/* Converts seconds since 1970 to the calendar. clock_days() is the inverse. */
void clock_civil(int64_t s, struct clock_civil *out);
/* Parses RFC 3339 with any offset and up to nine fractional digits. Returns 0, ERR_SYNTAX or
 * ERR_RANGE. */
int clock_parse(const char *s, size_t n, int64_t *wall_ns);
/* Parses a date alone, such as 2026-12-31, as the beginning of that day in UTC. Returns as
 * clock_parse(). */
int clock_parse_day(const char *s, size_t n, int64_t *wall_ns);

#endif
