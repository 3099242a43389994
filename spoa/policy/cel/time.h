/* Timestamps, durations and time zones. */
#ifndef POLICY_CEL_TIME_H
#define POLICY_CEL_TIME_H

#include "base/arena.h"
#include "policy/cel/cel.h"

/* Longest text of cel_time_write(), with its NUL. */
#define CEL_TIME_TEXT 40

/* a + b, or a - b; the result has type `type` or is an error (out of range). */
void cel_time_sum(enum cel_type type, const struct cel_value *a, const struct cel_value *b,
	bool minus, struct cel_value *out);
/* RFC 3339: 0 or ERR_SYNTAX, ERR_RANGE (years 1 to 9999). */
int cel_timestamp_parse(struct span s, struct cel_value *out);
/* "1h30m", "-1.5s", "10ms": 0 or ERR_SYNTAX, ERR_RANGE. */
int cel_duration_parse(struct span s, struct cel_value *out);
/* RFC 3339 in UTC, or seconds with an s: "1.5s". */
size_t cel_time_write(const struct cel_value *v, char out[CEL_TIME_TEXT]);

struct cel_civil {
	int64_t year;
	int month, day, hour, minute, second; /* month 1-12, day 1-31 */
	int weekday;			      /* 0: Sunday */
	int yearday;			      /* 0: January 1 */
};
/* Seconds since 1970 to the proleptic Gregorian calendar; clock_days() goes back. */
void cel_civil(int64_t s, struct cel_civil *out);

/* A zone's rules, in memory of the arena; immutable. Names as in the IANA
 * database, or an offset "+02:00", "02:00", "-09:30". NULL with *why. */
struct cel_zone;
const struct cel_zone *cel_zone_load(struct arena *a, struct span name, const char **why);
/* Seconds east of UTC at that time; z NULL: UTC. */
int32_t cel_zone_offset(const struct cel_zone *z, int64_t s);

#endif
