/* A closed segment's compressed form: JOURNAL.keep/NODE-BOOT-SEQ.jsonl.zst, and its manifest.
 */
#ifndef RECORD_ARCHIVE_PACK_H
#define RECORD_ARCHIVE_PACK_H

#include "record/archive/files.h"
#include "record/archive/manifest.h"

/* Reads lines to their end: hashes, links, commits (not their signatures), into *m: all but the
 * packed file's members. `before` NULL: not known. 0, ERR_AUTH with *why: the segment is not
 * whole; ERR_IO, ERR_NOMEM, ERR_CLOSED (*stop). With `to` each piece of whole lines of about
 * SEEKABLE_FRAME bytes is given to it too. */
struct pack_to {
	int (*frame)(void *arg, struct span text, struct buf *why); /* NULL: not wanted */
	void *arg;
	/* Each record's hash; NULL: not wanted. */
	int (*record)(void *arg, const unsigned char hash[CHAIN_HASH_BYTES], struct buf *why);
};
int pack_survey(int fd, const struct manifest *before, const struct pack_to *to,
	const atomic_bool *stop, struct manifest *m, struct buf *why);

/* Makes both files in keepfd's folder of the segment in journalfd's; durable, and read back and
 * compared, on return. Slowly: as long as it works it sleeps, so that commits have the disk. */
int pack_segment(int journalfd, int keepfd, const char *segment, const struct manifest *before,
	const atomic_bool *stop, struct manifest *out, struct buf *why);
/* NODE-BOOT-SEQ.hashes, begun (files.h) in keepfd's folder: the tree's leaves of the segment's
 * records, 32 bytes each, of its compressed form. A descriptor, or an error with *why. */
int pack_hashes(int keepfd, const struct manifest *m, const atomic_bool *stop, struct buf *why);

/* Whether fd reads as what the manifest says: both hashes, and the chain in it. 0, ERR_AUTH
 * with *why, or another error. */
int pack_verify(int fd, const struct manifest *m, const atomic_bool *stop, struct buf *why);
/* Whether both forms of the segment, as the disk has them, are what the manifest says. Before
 * the plain one goes: what was compressed once may have been harmed since, or be another's. */
int pack_compare(int journalfd, int keepfd, const struct manifest *m, const atomic_bool *stop,
	struct buf *why);

#endif
