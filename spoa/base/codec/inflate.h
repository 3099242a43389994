/* Content codings (RFC 9110 8.4.1): gzip, deflate (zlib, and raw as old clients send it), br
 * and zstd. A body is decoded whole, within limits of size and ratio. */
#ifndef BASE_CODEC_INFLATE_H
#define BASE_CODEC_INFLATE_H

#include "base/buf.h"

/* Decodes `in` and appends it to *out. `coding` is the value of Content-Encoding: gzip, x-gzip,
 * deflate, br, zstd or identity, in any case. The limit of *out is the size limit. Above
 * CAP_INFLATE_FREE_BYTES, the result may have at most `ratio` times the size of the input. All
 * input must be consumed; concatenated gzip members and zstd frames are
 * accepted. Returns 0; ERR_UNSUPPORTED (an
 * unknown coding, or several); ERR_LIMIT (size or ratio); ERR_SYNTAX (not in this coding, a
 * wrong checksum, data after the end); ERR_TRUNCATED; or ERR_NOMEM. */
int inflate_all(struct span coding, struct span in, uint64_t ratio, struct buf *out);

#endif
