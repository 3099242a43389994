/* What a starting daemon does with the journal it finds: verify its end, cut off
 * what no signature ever covered, and learn where the chain goes on. */
#ifndef RECORD_JOURNAL_RECOVER_H
#define RECORD_JOURNAL_RECOVER_H

#include "base/codec/lines.h"
#include "record/journal/chain.h"
#include "record/journal/journal.h"
#include "record/journal/keyring.h"
#include "record/journal/startpoint.h"

struct recovery {
	struct chain at; /* the last committed record; seq 0: a new chain */
	bool clean;	 /* that record closed the journal, or there is none */
	uint64_t
		cut_records; /* whole records after the last commit: nobody was told of them */
	uint64_t cut_bytes;  /* theirs and a torn line's */
	char key[SIGNKEY_ID_LEN + 1]; /* that signed the last commit */
	struct buf learned;	      /* statements of key records that were read, as in a file;
					 the caller's, initialised; NULL memory where none */
};

/* Verifies the last segment (hashes, links, signatures) and its link to the one
 * before. Then cuts after its last commit: those records were never
 * acknowledged, and a daemon signs nothing that it did not write itself. ERR_AUTH
 * with *why naming file and record where the journal does not verify: nothing was
 * touched then. Keys are those of the ring, which learns from the records that are read. After
 * journal_look() nothing is cut, removed or logged.
 *
 * `from`: a start checkpoint that startpoint_load() accepted. If it is in the last segment, what is
 * before its offset is not read and not verified. NULL: the whole segment is. */
int journal_recover(struct journal *j, struct keyring *ring, const struct startpoint *from,
	struct recovery *out, struct buf *why);

/* A file in the journal's folder with which a start is refused: its name, and why. Of a folder
 * that cannot be read nothing is said. */
bool journal_has_stranger(const char *dir, const char *node, struct buf *why);

/* A line of the newest segment that holds NUL bytes: whether it and all after it can be
 * a commit that a power cut left half on the disk, in whatever order. It is read to
 * the end: at most that commit's own line may be there, since the next is written
 * after a sync. False: a synced commit is damaged. */
bool journal_unfinished(struct lines *l, struct span line);

#endif
