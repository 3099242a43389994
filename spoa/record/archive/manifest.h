/* The manifest of a compressed segment: a small file NODE-BOOT-SEQ.json next to it, in
 * JOURNAL.keep and in an archive. The manifest stays in JOURNAL.keep when the segment is
 * trimmed, so the manifests are the list of segments that can be restored. */
#ifndef RECORD_ARCHIVE_MANIFEST_H
#define RECORD_ARCHIVE_MANIFEST_H

#include "base/clock.h"
#include "record/journal/chain.h"
#include "record/journal/journal.h"

#define MANIFEST_BYTES 4096

struct manifest {
	char segment[JOURNAL_NAME_MAX]; /* NODE-BOOT-SEQ.jsonl */
	char node[CHAIN_NODE_MAX + 1];
	/* boot number of the first record; first and last record of the segment */
	uint64_t boot, first, last;
	char begin[CLOCK_RFC3339_LEN]; /* time of the first record */
	/* the latest time in this segment or in earlier segments; the clock may have been set
	 * back */
	char end[CLOCK_RFC3339_LEN];
	uint64_t bytes, packed_bytes; /* sizes of the plain and of the compressed file */
	unsigned char prev[CHAIN_HASH_BYTES];	/* hash of the record before the first one */
	unsigned char head[CHAIN_HASH_BYTES];	/* hash of the last record */
	unsigned char sha256[CHAIN_HASH_BYTES]; /* hash of the plain file */
	unsigned char packed_sha256[CHAIN_HASH_BYTES]; /* hash of the compressed file */
};

/* Appends the manifest, one line of JSON. */
void manifest_write(const struct manifest *m, struct buf *out);
/* Parses a manifest. Returns 0, or ERR_SYNTAX if it is not one, or if its members contradict
 * each other. */
int manifest_read(struct span text, struct manifest *out);
/* Reads the manifest of SEGMENT in a folder. Returns 0, ERR_NOTFOUND, ERR_SYNTAX (not a
 * manifest, or of another segment) or ERR_IO. */
int manifest_load(int dirfd, const char *segment, struct manifest *out);
/* Makes X.json and X.jsonl.zst from X.jsonl. */
void manifest_names(const char *segment, char manifest[JOURNAL_NAME_MAX + 8],
	char packed[JOURNAL_NAME_MAX + 8]);
/* Makes X.hashes from X.jsonl. */
void manifest_hashes_name(const char *segment, char out[JOURNAL_NAME_MAX + 8]);
/* Makes NODE.keys, the name under which the statements of a node's keys are archived. */
void manifest_keys_name(const char *node, char out[CHAIN_NODE_MAX + 8]);
/* Makes NODE.latest, a copy of the manifest of the newest archived segment. Without that
 * copy, an archive that lost its newest segments would look complete. */
#define MANIFEST_LATEST ".latest"
void manifest_latest_name(const char *node, char out[CHAIN_NODE_MAX + 8]);
/* Returns the highest record of a node that must have existed according to the files in a
 * folder: NODE.latest, and the names of manifests, hashes and compressed segments. Returns 0
 * if there is no such file. Puts the file's name into `by`. */
uint64_t manifest_reaches(int dirfd, const char *node, char by[JOURNAL_NAME_MAX + 8]);

#endif
