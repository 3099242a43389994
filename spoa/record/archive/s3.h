/* An S3-compatible store over libcurl, which signs (AWS Signature Version 4). */
#ifndef RECORD_ARCHIVE_S3_H
#define RECORD_ARCHIVE_S3_H

#include "record/archive/archive.h"

#define S3_SCHEME "s3://"

/* As those of archive.h. */
const char *s3_wrong(const struct archive_options *o);
int s3_put(const struct archive_options *o, const char *name, int fd,
	const unsigned char sha256[SHA256_BYTES], const atomic_bool *stop, struct buf *why);
/* Appends what NAME is to a file. */
int s3_get(const struct archive_options *o, const char *name, int fd, const atomic_bool *stop,
	struct buf *why);
/* Its SHA-256, without keeping it. */
int s3_hash(const struct archive_options *o, const char *name,
	unsigned char sha256[SHA256_BYTES], const atomic_bool *stop, struct buf *why);

#endif
