/* What `tollgate usage` sums up, made beforehand: one file next to the index of a closed
 * segment, or of a part of the open one: JOURNAL.index/NAME.sum. Made again where it is
 * missing, stale or damaged; who may not trust it reads the records (usage --no-index).
 *
 * The lines are cut into blocks of about 4 MB. Of each the file has when its records are, and
 * five sections of rows, one for each group: by day, person and team; by day, route, provider,
 * model and target; by day and tag; by day and tool; by day, which add up to the total. A window
 * takes the blocks that are whole in it; of one that it cuts the lines are read. The file is a
 * header, a row a block, then the sections, whose numbers are LEB128, and little-endian in the
 * tables. A section with more than SUMS_ROWS rows is left out: then that block's lines are read. */
#ifndef RECORD_AUDIT_SUMS_H
#define RECORD_AUDIT_SUMS_H

#include "record/audit/usage.h"
#include "record/index/index.h"

#define SUMS_FILES ".sum"
#define SUMS_ROWS  65536u /* groups of a block */

/* All that is kept next to segments: indexes, then these. */
extern const struct index_makers record_makers;

struct sums_block {
	uint64_t offset, bytes; /* in the segment, or the part */
	uint64_t records; /* that say when they are: from `from` to `to`, as audit_time_of() */
	char from[CLOCK_RFC3339_LEN], to[CLOCK_RFC3339_LEN];
};

/* owner: one thread. */
struct sums;
/* The file of an open segment in `dir` (JOURNAL.index). NULL with *why, which is empty where
 * there is none. */
struct sums *sums_open(const char *dir, const struct index_segment *s, struct buf *why);
void sums_free(struct sums **s);
size_t sums_blocks(const struct sums *s);
void sums_block(const struct sums *s, size_t i, struct sums_block *out);
/* Adds block i to groups and totals. ERR_NOTFOUND: what the table groups by is not summed up
 * here; nothing was added. ERR_AUTH: the file does not agree with itself: what the table has is
 * not to be used. */
int sums_add(struct sums *s, size_t i, struct usage_table *t);

#endif
