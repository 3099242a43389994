/* One record with its proof in one file, as `tollgate audit show ID --proof` prints it:
 *
 *	record BASE64             the record's exact bytes, without the newline
 *	c2sp.org/tlog-proof@v1
 *	index N                   the leaf, from 0: the record's sequence number less one
 *	BASE64 …                  hashes from the leaf's side, a line each
 *	                          (empty)
 *	the checkpoint            a signed note (record/proof/note.h)
 *
 * A line `extra BASE64` before the index (C2SP tlog-proof) is read over: nothing vouches for
 *it. Reads what others may have written: a mistake is an error that names its line. Pure. */
#ifndef RECORD_PROOF_BUNDLE_H
#define RECORD_PROOF_BUNDLE_H

#include "record/journal/chain.h"
#include "record/proof/note.h"

#define BUNDLE_BEGIN "record "
/* The largest record in base64, an extra as large, hashes and the note. */
#define BUNDLE_MAX (2 * (CHAIN_LINE_MAX / 3 + 1) * 4 + MERKLE_PROOF_MAX * 64 + NOTE_MAX + 4096)

struct bundle {
	struct buf record; /* decoded; the caller's, initialised */
	uint64_t index;
	struct merkle_hash proof[MERKLE_PROOF_MAX];
	size_t nproof;
	struct span note; /* a view into the file */
	struct checkpoint checkpoint;
};

void bundle_write(struct buf *out, struct span record, uint64_t index,
	const struct merkle_hash *proof, size_t n, struct span note);
/* 0, ERR_SYNTAX, ERR_LIMIT, with a sentence in *why that names the line. Whether the proof
 * holds is not looked at. */
int bundle_read(struct span file, struct bundle *out, struct buf *why);

#endif
