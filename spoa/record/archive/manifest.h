/* What a compressed segment holds, in a small file next to it, NODE-BOOT-SEQ.json, here and in
 * an archive. It stays in JOURNAL.keep when the segment is trimmed: the list of what can be
 * restored. */
#ifndef RECORD_ARCHIVE_MANIFEST_H
#define RECORD_ARCHIVE_MANIFEST_H

#include "base/clock.h"
#include "record/journal/chain.h"
#include "record/journal/journal.h"

#define MANIFEST_BYTES 4096

struct manifest {
	char segment[JOURNAL_NAME_MAX]; /* NODE-BOOT-SEQ.jsonl */
	char node[CHAIN_NODE_MAX + 1];
	uint64_t boot, first, last;    /* of its records; boot: of the first */
	char begin[CLOCK_RFC3339_LEN]; /* its first record's time, and the latest in it or
					  before */
	char end[CLOCK_RFC3339_LEN];
	uint64_t bytes, packed_bytes;
	unsigned char prev[CHAIN_HASH_BYTES]; /* the hash before its first record, */
	unsigned char head[CHAIN_HASH_BYTES]; /* of its last one, */
	unsigned char sha256[CHAIN_HASH_BYTES],
		packed_sha256[CHAIN_HASH_BYTES]; /* of the files */
};

void manifest_write(const struct manifest *m, struct buf *out);
/* 0 or ERR_SYNTAX: not a manifest. */
int manifest_read(struct span text, struct manifest *out);
/* SEGMENT's, in a folder: 0, ERR_NOTFOUND, ERR_SYNTAX (or another segment's), ERR_IO. */
int manifest_load(int dirfd, const char *segment, struct manifest *out);
/* "X.jsonl" to "X.json", "X.jsonl.zst". */
void manifest_names(const char *segment, char manifest[JOURNAL_NAME_MAX + 8],
	char packed[JOURNAL_NAME_MAX + 8]);
/* To "X.hashes". */
void manifest_hashes_name(const char *segment, char out[JOURNAL_NAME_MAX + 8]);
/* Where the statements of a node's keys are archived: NODE.keys. */
void manifest_keys_name(const char *node, char out[CHAIN_NODE_MAX + 8]);
/* The newest archived segment's manifest once more: NODE.latest. Without it, an archive that lost
 * its end would look whole. */
#define MANIFEST_LATEST ".latest"
void manifest_latest_name(const char *node, char out[CHAIN_NODE_MAX + 8]);
/* The highest record of a node whose existence a folder's files show: NODE.latest, manifests,
 * hashes and compressed segments by their names. 0: none. *by is that file's name. */
uint64_t manifest_reaches(int dirfd, const char *node, char by[JOURNAL_NAME_MAX + 8]);

#endif
