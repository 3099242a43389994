/* Timestamps, durations and time zones. */
#ifndef POLICY_CEL_TIME_H
#define POLICY_CEL_TIME_H

#include "base/arena.h"
#include "policy/cel/cel.h"

/* bytes of the longest text of cel_time_write(), with its NUL */
#define CEL_TIME_TEXT 40

/* Computes a + b or a - b. The result has type `type`, or is an error (out of range). */
void cel_time_sum(enum cel_type type, const struct cel_value *a, const struct cel_value *b,
	bool minus, struct cel_value *out);
/* Parses RFC 3339. Returns 0, ERR_SYNTAX, or ERR_RANGE outside of the years 1 to 9999. */
int cel_timestamp_parse(struct span s, struct cel_value *out);
/* Parses "1h30m", "-1.5s" or "10ms". Returns 0, ERR_SYNTAX or ERR_RANGE. */
int cel_duration_parse(struct span s, struct cel_value *out);
/* Writes RFC 3339 in UTC, or for a duration seconds: "1.5s". Returns the length. */
size_t cel_time_write(const struct cel_value *v, char out[CEL_TIME_TEXT]);

/* Loads a zone's rules into the arena; immutable. Names are those of the IANA database, or an
 * offset "+02:00", "02:00" or "-09:30". Returns NULL with *why. */
struct cel_zone;
const struct cel_zone *cel_zone_load(struct arena *a, struct span name, const char **why);
/* Returns the seconds east of UTC at that time. `z` NULL: UTC. */
int32_t cel_zone_offset(const struct cel_zone *z, int64_t s);

#endif
