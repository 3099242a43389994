/* Where compressed segments are kept outside of this machine: a folder (a mount), or an
 * S3-compatible store. What was put is read back and compared before it counts. */
#ifndef RECORD_ARCHIVE_ARCHIVE_H
#define RECORD_ARCHIVE_ARCHIVE_H

#include "record/archive/files.h"

struct archive_options {
	const char *place;	       /* an absolute path, or s3://BUCKET[/PREFIX] */
	const char *endpoint, *region; /* of S3; endpoint NULL: Amazon's */
	const char *credentials_file;  /* two lines: access key, secret; read at each call */
	uint64_t retain_s;	       /* object lock, counted from now; 0: none */
};

/* What the options say wrongly, or NULL. */
const char *archive_wrong(const struct archive_options *o);
/* All are 0 or an error with *why; `stop` may be NULL, else ERR_CLOSED soon after it is set.
 * They take as long as the archive does, at most ARCHIVE_SILENT_S without a byte. */
#define ARCHIVE_SILENT_S 30
/* All of fd becomes NAME; on return it was read back and has this hash. */
int archive_put(const struct archive_options *o, const char *name, int fd,
	const unsigned char sha256[SHA256_BYTES], const atomic_bool *stop, struct buf *why);
/* NAME is there and has this hash: ERR_NOTFOUND, ERR_AUTH: it has another. */
int archive_check(const struct archive_options *o, const char *name,
	const unsigned char sha256[SHA256_BYTES], const atomic_bool *stop, struct buf *why);
/* Gets NAME into what replace_begin() begins in a folder: a descriptor, or an error. */
int archive_get(const struct archive_options *o, const char *name, int dirfd,
	const atomic_bool *stop, struct buf *why);

#endif
