/* Files of sealed texts (record/seal/texts.h) in JOURNAL.keep and in an archive. A small file
 * NODE-POSITION.texts.json describes each. The files are archived uncompressed, because
 * ciphertext does not compress. */
#ifndef RECORD_ARCHIVE_KEPT_TEXTS_H
#define RECORD_ARCHIVE_KEPT_TEXTS_H

#include "base/clock.h"
#include "record/journal/chain.h"
#include "record/seal/texts.h"

/* The description of a file of sealed texts. */
struct texts_file {
	char name[TEXTS_NAME_MAX], node[CHAIN_NODE_MAX + 1];
	/* The times between which it was written, RFC 3339. A file is of one day, so the
	 * begin is derived from the end. */
	char begin[CLOCK_RFC3339_LEN], end[CLOCK_RFC3339_LEN];
	uint64_t bytes; /* size of the file */
	unsigned char sha256[CHAIN_HASH_BYTES];
};
#define TEXTS_FILE_BYTES 1024 /* bytes of a description, at most */

/* Sets begin and end for a file that was last written at `end_s` (seconds since 1970). */
void texts_file_times(struct texts_file *f, int64_t end_s);
/* Appends the description, one line of JSON. */
void texts_file_write(const struct texts_file *f, struct buf *out);
/* Parses a description. Returns 0 or ERR_SYNTAX. */
int texts_file_read(struct span text, struct texts_file *out);
/* Puts the name of the description, NAME.json, into `out`. */
void texts_file_said(const char *name, char out[TEXTS_NAME_MAX + 8]);
/* Appends the members of a trim record that names these files. `archive` may be NULL. */
void texts_trim_fields(
	struct buf *out, const struct texts_file *f, size_t n, const char *archive);

#endif
