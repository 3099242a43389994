/* Recovers the journal at a start: verifies its end, cuts off what no signature covers, and
 * determines where the chain continues. */
#ifndef RECORD_JOURNAL_RECOVER_H
#define RECORD_JOURNAL_RECOVER_H

#include "base/codec/lines.h"
#include "record/journal/chain.h"
#include "record/journal/journal.h"
#include "record/journal/keyring.h"
#include "record/journal/startpoint.h"

/* The result of a recovery. */
struct recovery {
	struct chain at;      /* the last committed record; seq 0: a new chain */
	bool clean;	      /* that record closed the journal, or there is no record */
	uint64_t cut_records; /* whole records after the last commit, never acknowledged */
	uint64_t cut_bytes;   /* bytes of those records and of an incomplete line */
	char key[SIGNKEY_ID_LEN + 1]; /* id of the key of the last commit; "": no commit */
	/* Key statements in the records that were read, as in a file. Initialized and freed by
	 * the caller. */
	struct buf learned;
};

/* Verifies the last segment (hashes, links, signatures) and its link to the segment before.
 * Then cuts it after its last commit: later records were never acknowledged, and the daemon
 * does not sign records that it did not write itself. Returns 0, or an error with the reason in
 * *why. ERR_AUTH: the journal does not verify; *why names file and record, and nothing was
 * changed. The keys are those of the ring, which learns from the records that are read. After
 * journal_look(), nothing is cut, removed or logged.
 *
 * `from` is a start checkpoint that startpoint_load() accepted, or NULL. If it is in the last
 * segment, the part before its offset is neither read nor verified. */
int journal_recover(struct journal *j, struct keyring *ring, const struct startpoint *from,
	struct recovery *out, struct buf *why);

/* Returns true if the journal's folder has a file with which the daemon would refuse to
 * start, and appends its name and the reason. `node` NULL: segments of any node belong there.
 * Returns false if the folder cannot be read. */
bool journal_has_stranger(const char *dir, const char *node, struct buf *why);

/* `line` is a line of the newest segment that contains NUL bytes. Returns true if this line
 * and all after it can be a commit that a power cut left partly on the disk, in any order.
 * Reads to the end: at most the line of that commit may be present, because the next commit
 * is written after a sync. Returns false if a synced commit is damaged. */
bool journal_unfinished(struct lines *l, struct span line);

#endif
