/* Two clocks. Monotonic microseconds for everything that measures or expires;
 * wall nanoseconds only for audit, quota windows and token times. */
#ifndef BASE_CLOCK_H
#define BASE_CLOCK_H

#include <stddef.h>
#include <stdint.h>
#include <time.h>

uint64_t clock_mono_us(void);
uint64_t clock_cpu_ns(void); /* what the calling thread has used */
int64_t clock_wall_ns(void); /* since 1970-01-01T00:00:00Z */
#define CLOCK_DAY_NS (86400ll * 1000000000)
/* Two clocks that differ by more do not agree; a clock that moves by more was set. */
#define CLOCK_STEP_NS (5ll * 1000000000)

/* For the waits of libc. */
static inline struct timespec
clock_timespec(uint64_t us)
{
	return (struct timespec){ (time_t)(us / 1000000), (long)(us % 1000000) * 1000 };
}

/* RFC 3339 with nanoseconds and Z, 30 characters and a NUL. */
#define CLOCK_RFC3339_LEN 31
void clock_rfc3339(int64_t wall_ns, char out[CLOCK_RFC3339_LEN]);
/* The same to the second below, 20 characters and a NUL. */
#define CLOCK_SECOND_LEN 21
void clock_second(int64_t wall_ns, char out[CLOCK_SECOND_LEN]);
/* Days since 1970-01-01 in the proleptic Gregorian calendar; month 13 is January of the next
 * year. */
int64_t clock_days(int64_t year, int month, int day);
/* Parses RFC 3339 (any offset, 0-9 fractional digits): 0 or ERR_SYNTAX. */
int clock_parse(const char *s, size_t n, int64_t *wall_ns);
/* A date alone, 2026-12-31: the beginning of that day in UTC. */
int clock_parse_day(const char *s, size_t n, int64_t *wall_ns);

#endif
