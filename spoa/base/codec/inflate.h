/* Content codings (RFC 9110 8.4.1): gzip, deflate (zlib, and raw as sent by
 * old clients) and br, decoded whole within a size and a ratio cap. */
#ifndef BASE_CODEC_INFLATE_H
#define BASE_CODEC_INFLATE_H

#include "base/buf.h"

/* `coding` is the Content-Encoding value: one of gzip, x-gzip, deflate, br,
 * identity (any case). Appends to *out, whose cap is the size cap; above
 * CAP_INFLATE_FREE_BYTES the result may not exceed `ratio` times the input. All input must be
 * consumed (concatenated gzip members are). 0; ERR_UNSUPPORTED (unknown or stacked coding);
 * ERR_LIMIT (size or ratio); ERR_SYNTAX (not what the coding says, wrong checksum, data after
 * the end); ERR_TRUNCATED; ERR_NOMEM. */
int inflate_all(struct span coding, struct span in, uint64_t ratio, struct buf *out);

#endif
