/* One record with its proof in one file, as `tollgate audit show ID --proof` prints it:
 *
 *	record BASE64             the record's exact bytes, without the newline
 *	c2sp.org/tlog-proof@v1
 *	index N                   the leaf, from 0: the record's sequence number less one
 *	BASE64 …                  hashes from the leaf's side, one on each line
 *	                          (empty line)
 *	the checkpoint            a signed note (record/proof/note.h)
 *
 * A line `extra BASE64` before the index (C2SP tlog-proof) is ignored, because no signature
 * covers it. Other people may have written the file, so every mistake is an error that names
 * the line. These functions use no file and no clock.
 *
 * prose: ok long */
#ifndef RECORD_PROOF_BUNDLE_H
#define RECORD_PROOF_BUNDLE_H

#include "record/journal/chain.h"
#include "record/proof/note.h"

#define BUNDLE_BEGIN "record "
/* Bytes of a file, at most: the largest record in base64, an extra line of that size, the
 * hashes and the note. */
#define BUNDLE_MAX (2 * (CHAIN_LINE_MAX / 3 + 1) * 4 + MERKLE_PROOF_MAX * 64 + NOTE_MAX + 4096)

/* The parts of the file. */
struct bundle {
	struct buf record; /* the decoded record; initialized and freed by the caller */
	uint64_t index;	   /* leaf, from 0 */
	struct merkle_hash proof[MERKLE_PROOF_MAX];
	size_t nproof;
	struct span note;	      /* borrows from the file */
	struct checkpoint checkpoint; /* borrows from `note` */
};

/* Appends the file for a record. */
void bundle_write(struct buf *out, struct span record, uint64_t index,
	const struct merkle_hash *proof, size_t n, struct span note);
/* Parses a file. Returns 0, ERR_SYNTAX or ERR_LIMIT, with the reason and the line in *why.
 * Does not verify the proof. */
int bundle_read(struct span file, struct bundle *out, struct buf *why);

#endif
