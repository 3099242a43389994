/* The compressed form of a closed segment: JOURNAL.keep/NODE-BOOT-SEQ.jsonl.zst, and its
 * manifest. All functions block; `stop` may be NULL, and they return ERR_CLOSED soon after it
 * becomes true. */
#ifndef RECORD_ARCHIVE_PACK_H
#define RECORD_ARCHIVE_PACK_H

#include "record/archive/files.h"
#include "record/archive/manifest.h"

/* Reads a segment, plain or compressed, to its end and checks hashes, links and commits (not
 * the signatures of commits). Sets the members of *m, except those of the compressed file.
 * `before` is the manifest of the preceding segment; NULL: not known. If `to` is not NULL, it
 * gets pieces of whole lines of about SEEKABLE_FRAME bytes, and the hash of each record.
 * Returns 0, ERR_AUTH (the segment is damaged), ERR_IO, ERR_NOMEM or ERR_CLOSED, with the
 * reason in *why. */
struct pack_to {
	int (*frame)(void *arg, struct span text, struct buf *why); /* NULL: not wanted */
	void *arg;
	/* Gets the hash of each record; NULL: not wanted. */
	int (*record)(void *arg, const unsigned char hash[CHAIN_HASH_BYTES], struct buf *why);
};
int pack_survey(int fd, const struct manifest *before, const struct pack_to *to,
	const atomic_bool *stop, struct manifest *m, struct buf *why);

/* Makes the compressed file and the manifest in the folder `keepfd` for a segment in the
 * folder `journalfd`. On success both are durable and were read back and compared. The
 * function sleeps as long as it works, so that commits get the disk. */
int pack_segment(int journalfd, int keepfd, const char *segment, const struct manifest *before,
	const atomic_bool *stop, struct manifest *out, struct buf *why);
/* Writes NODE-BOOT-SEQ.hashes for a compressed segment: the Merkle leaves of its records, 32
 * bytes each. The file has no name yet (replace_begin()). Returns its descriptor, or an error
 * with the reason in *why. */
int pack_hashes(int keepfd, const struct manifest *m, const atomic_bool *stop, struct buf *why);

/* Checks that a compressed file matches its manifest: both hashes, and the chain in it.
 * Returns 0, ERR_AUTH or another error, with the reason in *why. */
int pack_verify(int fd, const struct manifest *m, const atomic_bool *stop, struct buf *why);
/* Checks that both forms of a segment, as they are on the disk, match the manifest. Call it
 * before the plain form is removed: the compressed form may have been damaged since it was
 * made. */
int pack_compare(int journalfd, int keepfd, const struct manifest *m, const atomic_bool *stop,
	struct buf *why);

#endif
