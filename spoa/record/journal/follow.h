/* Follows a node's journal line by line over its segments while it grows, and past a segment
 * that was removed or changed if a later alarm names that segment. Other programs may have
 * touched the files, so anything unexpected is an error or a gap, never a crash. The mirror
 * to Redis uses this module; it is separate, because it has no Redis and the mirror has no
 * files. */
#ifndef RECORD_JOURNAL_FOLLOW_H
#define RECORD_JOURNAL_FOLLOW_H

#include "base/codec/lines.h"
#include "record/journal/chain.h"
#include "record/journal/journal.h"

/* The end of the durable part of the journal: segment, its bytes, and the last record in
 * them. */
struct follow_end {
	char name[JOURNAL_NAME_MAX];
	uint64_t bytes, seq;
	unsigned char head[CHAIN_HASH_BYTES]; /* hash of that record; zeros: not known */
};

/* The reader's position. owner: one thread. Set `dir`, `node` and `restored` and zero the
 * rest, then call follow_from() or follow_place(). */
struct follow {
	const char *dir, *node; /* borrowed */
	bool restored;		/* also read segments that `audit restore` brought back */
	struct lines lines;
	char segment[JOURNAL_NAME_MAX]; /* the open segment; "": none */
	/* the boot of the last record that follow_place() or its caller read */
	uint64_t boot;
};

/* The records first..last cannot be read. `segment` is the segment that an alarm names, `how`
 * is "removed", "renamed" or "changed". first > last: nothing is missing. */
struct follow_gap {
	uint64_t first, last, boot;
	char segment[JOURNAL_NAME_MAX], how[16];
};

/* Closes the open segment. May be called twice. */
void follow_close(struct follow *f);
/* Moves to a byte offset of a segment, at which a line must begin. Returns 0, ERR_IO or
 * ERR_NOMEM. */
int follow_from(struct follow *f, const char *segment, uint64_t offset);
/* Reads the next durable line. Returns 1 and the line, which is valid until the next call; 0
 * if there is no further durable line yet; or an error. The line may be damaged, which
 * chain_parse() detects. */
int follow_line(struct follow *f, const struct follow_end *end, struct span *line);
/* Moves to the line after record `seq`, or to the oldest line if `seq` is 0. If bytes.p is
 * not NULL, the record must have these bytes. Returns 0, ERR_AUTH (the record has other
 * bytes), ERR_NOTFOUND (the record does not exist) or another error. */
int follow_place(
	struct follow *f, const struct follow_end *end, uint64_t seq, struct span bytes);
/* Record `seq` cannot be read. Moves to the first later segment whose alarm states that this
 * record is lost, and sets *out to the lost records. Returns 0, or ERR_NOTFOUND if there is
 * no such alarm. */
int follow_past(struct follow *f, uint64_t seq, struct follow_gap *out);

/* Reads the alarm at the beginning of a segment: *from is the first lost record. Returns false
 * if the segment does not begin with an alarm. Does not verify the signature; the caller does.
 */
bool follow_alarm(
	int dirfd, const struct journal_segment *s, uint64_t *from, struct follow_gap *out);

#endif
