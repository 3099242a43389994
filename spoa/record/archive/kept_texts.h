/* Files of ciphertexts (record/seal/texts.h) as they are kept: what one holds is said in a
 * small file, NODE-POSITION.texts.json, in JOURNAL.keep and in an archive. They go there as
 * they are: ciphertext does not compress. */
#ifndef RECORD_ARCHIVE_KEPT_TEXTS_H
#define RECORD_ARCHIVE_KEPT_TEXTS_H

#include "base/clock.h"
#include "record/journal/chain.h"
#include "record/seal/texts.h"

struct texts_file {
	char name[TEXTS_NAME_MAX], node[CHAIN_NODE_MAX + 1];
	/* Of its writing: a file is of one day, and that is known of its end alone. */
	char begin[CLOCK_RFC3339_LEN], end[CLOCK_RFC3339_LEN];
	uint64_t bytes;
	unsigned char sha256[CHAIN_HASH_BYTES];
};
#define TEXTS_FILE_BYTES 1024 /* of what is said */

/* The times of one that was written to last then. */
void texts_file_times(struct texts_file *f, int64_t end_s);
void texts_file_write(const struct texts_file *f, struct buf *out);
/* 0 or ERR_SYNTAX. */
int texts_file_read(struct span text, struct texts_file *out);
/* NAME.json */
void texts_file_said(const char *name, char out[TEXTS_NAME_MAX + 8]);
/* The inside of the record of type trim that names these. */
void texts_trim_fields(
	struct buf *out, const struct texts_file *f, size_t n, const char *archive);

#endif
