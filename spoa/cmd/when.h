/* Reads times as people write them: "last tuesday 11:47", "3 days ago", "2026-11-20". */
#ifndef CMD_WHEN_H
#define CMD_WHEN_H

#include "base/buf.h"
#include "policy/cel/time.h"

/* A period: from `from_ns`, before `until_ns`, both in nanoseconds since 1970. */
struct when {
	int64_t from_ns, until_ns;
	bool twice; /* the clock was set back, so this local time occurred twice; the period
		     * includes both */
};

#define WHEN_FORMS                                                                             \
	"2026-11-20T11:47:00Z, '2026-11-20 11:47', 2026-11-20, 2026-11, '20 nov 11:47', "      \
	"11:47, '2:30 pm', today, 'yesterday 14:00', 'last tuesday 11:47', '3 days ago', "     \
	"'2 hours ago', 2h, 'last week', 'last 24 hours', now"

/* Reads a point or a period. The result is the whole second, minute, day, week or month
 * that `text` names. Local times are in the zone. A weekday is the most recent such day,
 * which may be today; after "last" it is never today. "A..B" extends from the begin of A to
 * the end of B; if B has no day, it is on A's day. Returns false with a sentence in *why if
 * `text` is not understood. */
bool when_read(struct span text, const struct cel_zone *zone, int64_t now_ns, struct when *out,
	struct buf *why);
/* As when_read(), for a begin and an end that are two texts. */
bool when_between(struct span from, struct span until, const struct cel_zone *zone,
	int64_t now_ns, struct when *out, struct buf *why);
/* Sets *since_ns and *until_ns to the begin of what --since and --until name, in the zone
 * (NULL: UTC). An option that is NULL leaves its time unchanged. Returns EXIT_DONE, or
 * EXIT_CANNOT after a message that names the option. */
int when_period(const char *what, const char *since, const char *until,
	const struct cel_zone *zone, int64_t *since_ns, int64_t *until_ns);

#endif
