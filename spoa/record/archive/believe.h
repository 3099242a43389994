/* The believed time, by which the age of records is measured. Records must not be trimmed
 * because a clock is wrong.
 *
 * A clock that is set forward while the daemon runs has no effect. At a start,
 * JOURNAL.keep/NODE.clock has the last believed time. If the clock is later than that by
 * BELIEVE_S, or by half the shortest age in force if that is less, it is not believed. Then
 * the last believed time applies until the clock of Redis confirms the new time, or someone
 * writes the correct time into the file. */
#ifndef RECORD_ARCHIVE_BELIEVE_H
#define RECORD_ARCHIVE_BELIEVE_H

#include "record/archive/manifest.h"

#define BELIEVE_S (30ll * 86400) /* seconds */

/* owner: tg-keep. Zeroed by its owner, then believe_start(). */
struct believe {
	int64_t start_wall_s;  /* wall clock at the start, seconds since 1970 */
	uint64_t start_boot_s; /* CLOCK_BOOTTIME at the start, seconds */
	bool ahead;	       /* the last believe_now() did not believe the clock */
	/* believe_now() has believed the clock once since the start; from then on only the
	 * boot clock counts */
	bool believed;
	/* the clock at the last believe_now(), seconds since 1970 */
	int64_t clock_s;
};

/* Notes both clocks at the start. */
void believe_start(struct believe *b);
/* Returns by how many seconds the clock may be later than the last believed time, if records
 * are removed at the age `age_s` (seconds; 0: never). */
int64_t believe_trust_s(uint64_t age_s);
/* Returns the believed time in seconds since 1970 and stores it in the folder `keepfd`, once
 * an hour. `trust_s` is from believe_trust_s(). `newest` is the newest closed segment, or
 * NULL; its time counts as the last believed time if the file does not exist yet. */
int64_t believe_now(struct believe *b, int keepfd, const char *node,
	const struct manifest *newest, int64_t trust_s);

#endif
