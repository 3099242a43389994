/* Stores compressed segments and other files of the journal outside this machine: in a folder
 * (a mount), or in an S3-compatible store. A file counts as archived only after it was read
 * back and compared. */
#ifndef RECORD_ARCHIVE_ARCHIVE_H
#define RECORD_ARCHIVE_ARCHIVE_H

#include "record/archive/files.h"

/* Borrowed from the configuration. */
struct archive_options {
	const char *place;	       /* an absolute path, or s3://BUCKET[/PREFIX] */
	const char *endpoint, *region; /* S3 only; endpoint NULL: Amazon's */
	/* two lines: access key, secret; read for each request */
	const char *credentials_file;
	/* seconds from now for which the store must keep the object (object lock); 0: no
	 * lock */
	uint64_t retain_s;
};

/* Returns what is wrong with the options, as a message, or NULL. Does not contact the
 * archive. */
const char *archive_wrong(const struct archive_options *o);
/* The following functions block, on any thread but a worker. Each returns 0 (archive_get() a
 * descriptor), or an error with the reason in *why. If `stop` is not NULL and becomes true,
 * they return ERR_CLOSED soon. They fail if the archive sends no byte for ARCHIVE_SILENT_S
 * seconds. */
#define ARCHIVE_SILENT_S 30
/* Stores all bytes of `fd` as NAME. On success, NAME was read back and has the hash
 * `sha256`. */
int archive_put(const struct archive_options *o, const char *name, int fd,
	const unsigned char sha256[SHA256_BYTES], const atomic_bool *stop, struct buf *why);
/* Reads NAME and compares its hash. Returns ERR_NOTFOUND if NAME does not exist, ERR_AUTH if
 * its hash differs. */
int archive_check(const struct archive_options *o, const char *name,
	const unsigned char sha256[SHA256_BYTES], const atomic_bool *stop, struct buf *why);
/* Copies NAME into a new file of the folder `dirfd` that has no name yet (replace_begin()).
 * Returns the descriptor; the caller places or drops the file. */
int archive_get(const struct archive_options *o, const char *name, int dirfd,
	const atomic_bool *stop, struct buf *why);

#endif
