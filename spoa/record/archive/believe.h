/* The time by which records are old. A clock that is set forward while the daemon runs makes
 * nothing old; nor does one that is far ahead at a start: JOURNAL.keep/NODE.clock has the last
 * time that was believed. A time that is later than this by half the shortest age in force, or by
 * BELIEVE_S, is not believed until Redis' clock confirms it, or someone writes the correct time
 * into that file. */
#ifndef RECORD_ARCHIVE_BELIEVE_H
#define RECORD_ARCHIVE_BELIEVE_H

#include "record/archive/manifest.h"

#define BELIEVE_S (30ll * 86400)

/* owner: tg-keep. Zeroed, then believe_start. */
struct believe {
	int64_t start_wall_s;
	uint64_t start_boot_s;
	bool ahead;	 /* the clock was not believed the last time */
	bool believed;	 /* it was once in this process: the boot clock continues from there */
	int64_t clock_s; /* what it said */
};

void believe_start(struct believe *b);
/* How much later than the last believed time a start may be, for what is removed at that age, in
 * seconds; 0: at no age. */
int64_t believe_trust_s(uint64_t age_s);
/* Seconds since 1970 that are believed now. `newest`: of the closed segments, NULL: there is
 * none; the first time its records' are the last that were believed. */
int64_t believe_now(struct believe *b, int keepfd, const char *node,
	const struct manifest *newest, int64_t trust_s);

#endif
