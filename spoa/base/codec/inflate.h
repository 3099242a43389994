/* Content codings (RFC 9110 8.4.1): gzip, deflate (zlib, and raw as old clients send it), br
 * and zstd. A body is decoded whole or piece by piece, within limits of size and ratio. */
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

/* Decodes a body whose pieces arrive one after the other. owner: the caller. */
struct inflate;
/* Returns 0; ERR_UNSUPPORTED (an unknown coding, or several) or ERR_NOMEM. `ratio`: as for
 * inflate_all(), for all pieces together. */
int inflate_open(struct span coding, uint64_t ratio, struct inflate **out);
/* Frees *f, which may be NULL, and sets it to NULL. */
void inflate_close(struct inflate **f);
/* Decodes the beginning of *in into at most 64 KB, which it appends to *out, and cuts off what
 * it has read. Returns 1 if the call must be repeated, because more output or input is left; 0
 * if it needs more input; ERR_LIMIT, ERR_SYNTAX or ERR_NOMEM. */
int inflate_some(struct inflate *f, struct span *in, struct buf *out);
/* Returns true if any byte was decoded. */
bool inflate_began(const struct inflate *f);
/* Returns true if the body may end here. */
bool inflate_whole(const struct inflate *f);
/* Returns the bytes that the decoder holds. */
size_t inflate_held(const struct inflate *f);

#endif
