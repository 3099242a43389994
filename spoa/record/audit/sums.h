/* Sums for `tollgate usage` that are made beforehand: one file beside the index of a closed
 * segment, or of a part of the open segment (JOURNAL.index/NAME.sum). The index thread makes a
 * file again if it is missing, stale or damaged. `usage --no-index` reads the records instead.
 *
 * The lines of a segment are cut into blocks of about 4 MB. Each block notes when its records
 * were written, and has seven sections of rows, with one row for each group. Sections are by day,
 * route, provider, model and target; by day, team and person; by day, team and key; by day and
 * tag; by day and tool; by day, team and agent; by day. The rows by day add up to the total. A file with several blocks
 * also has the whole: the sums of all its blocks.
 *
 * If a window holds the segment, its reader adds the whole. Otherwise the reader adds the
 * blocks that the window holds, and reads the lines of blocks that a bound of the window cuts.
 * Numbers in rows are LEB128, and those in tables are little-endian. A section with more than
 * SUMS_ROWS rows is left out: the reader goes on to the blocks, and from a block to its lines.
 */
#ifndef RECORD_AUDIT_SUMS_H
#define RECORD_AUDIT_SUMS_H

#include "record/audit/usage.h"
#include "record/index/index.h"

#define SUMS_FILES ".sum"
#define SUMS_ROWS  65536u /* groups of a section; with more, the section is left out */

/* Makers of all files beside segments: indexes, then sums. */
extern const struct index_makers record_makers;

struct sums_block {
	uint64_t offset, bytes; /* place in the segment or in its part */
	uint64_t records;	/* records with a time (audit_time_of()), which is from
				 * `from` to `to` */
	char from[CLOCK_RFC3339_LEN], to[CLOCK_RFC3339_LEN];
};

/* owner: one thread. */
struct sums;
/* Opens the file that belongs to an open segment in `dir` (JOURNAL.index). Returns NULL with
 * *why, which is empty if there is no such file. */
struct sums *sums_open(const char *dir, const struct index_segment *s, struct buf *why);
void sums_free(struct sums **s);
size_t sums_blocks(const struct sums *s);
/* Returns the place of the whole for sums_block() and sums_add(): behind the last of several
 * blocks, or 0 if the file has at most one block. */
size_t sums_whole(const struct sums *s);
/* Describes block i, below sums_blocks(), or the whole. */
void sums_block(const struct sums *s, size_t i, struct sums_block *out);
/* Adds block i, or the whole, to groups and totals. Returns 0; ERR_NOTFOUND if the file has no
 * sums of the names that the table groups by, and nothing was added; ERR_AUTH if the file does
 * not agree with itself, and the table is not to be used. */
int sums_add(struct sums *s, size_t i, struct usage_table *t);

#endif
