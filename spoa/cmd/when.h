/* Times as people say them: "last tuesday 11:47", "3 days ago", "2026-11-20". */
#ifndef CMD_WHEN_H
#define CMD_WHEN_H

#include "base/buf.h"
#include "policy/cel/time.h"

/* From the first nanosecond on, before the second. */
struct when {
	int64_t from_ns, until_ns;
	bool twice; /* this time of day was there twice: both are in */
};

#define WHEN_FORMS                                                                             \
	"2026-11-20T11:47:00Z, '2026-11-20 11:47', 2026-11-20, 2026-11, '20 nov 11:47', "      \
	"11:47, '2:30 pm', today, 'yesterday 14:00', 'last tuesday 11:47', '3 days ago', "     \
	"'2 hours ago', 2h, 'last week', 'last 24 hours', now"

/* What was said names a second, a minute, a day, a week, a month: all of it. Local times are
 * of the zone; a weekday is the last such day, today if it is one; after "last" an earlier one.
 * "A..B" reaches from the begin of A to the end of B, which is on A's day where it says none.
 * False with a sentence in *why. */
bool when_read(struct span said, const struct cel_zone *zone, int64_t now_ns, struct when *out,
	struct buf *why);
/* The same of two. */
bool when_between(struct span from, struct span until, const struct cel_zone *zone,
	int64_t now_ns, struct when *out, struct buf *why);
/* --since and --until: the begin of what each names; zone NULL: UTC. What is NULL leaves its time as
 * it is. EXIT_DONE, or EXIT_CANNOT after a message that names the option. */
int when_period(const char *what, const char *since, const char *until,
	const struct cel_zone *zone, int64_t *since_ns, int64_t *until_ns);

#endif
