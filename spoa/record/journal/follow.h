/* Follows a node's journal line by line while it grows, over its segments, and past
 * a segment that was removed or changed where a later alarm names it. Reads what
 * other programs may have touched: whatever it finds is an error or a gap, never a
 * crash. Separate from the mirror, which is its only user in the daemon: this has
 * no Redis, that has no files. */
#ifndef RECORD_JOURNAL_FOLLOW_H
#define RECORD_JOURNAL_FOLLOW_H

#include "base/codec/lines.h"
#include "record/journal/journal.h"

/* How far the journal is durable: segment, its bytes, the record that they end with. */
struct follow_end {
	char name[JOURNAL_NAME_MAX];
	uint64_t bytes, seq;
};

/* owner: one thread. */
struct follow {
	const char *dir, *node; /* borrowed */
	bool restored;		/* segments that were brought back are read, too */
	struct lines lines;
	char segment[JOURNAL_NAME_MAX]; /* the open one; "" */
	uint64_t boot;			/* of the last record that was read or placed at */
};

/* Records first..last are not to be had; `segment` is the one that an alarm names,
 * `how` what became of it. first > last: nothing is missing. */
struct follow_gap {
	uint64_t first, last, boot;
	char segment[JOURNAL_NAME_MAX], how[16];
};

void follow_close(struct follow *f);
/* Goes to this offset of a segment, where a line begins. 0, ERR_IO, ERR_NOMEM. */
int follow_from(struct follow *f, const char *segment, uint64_t offset);
/* The next durable line, a view valid until the next call: 1, 0 none yet, or an
 * error. It may be damaged: chain_parse() tells. */
int follow_line(struct follow *f, const struct follow_end *end, struct span *line);
/* Goes to the line after record seq (0: to the oldest record there is), which must
 * have these bytes (p NULL: any). 0, ERR_AUTH: it has others, ERR_NOTFOUND: it is
 * not there. */
int follow_place(
	struct follow *f, const struct follow_end *end, uint64_t seq, struct span bytes);
/* Record seq cannot be read. Goes to the first segment from there on that begins
 * with an alarm which says so, and tells what lies between. ERR_NOTFOUND: there is
 * none. */
int follow_past(struct follow *f, uint64_t seq, struct follow_gap *out);

/* The alarm that a segment of the directory begins with: the records that it says are lost
 * begin at *from. False: it begins with none. Whether it is signed is the caller's
 * to see. */
bool follow_alarm(int dirfd, const struct journal_segment *s, uint64_t *from,
	struct follow_gap *out);

#endif
