/* Standard base64 with padding (RFC 4648 section 4). */
#ifndef BASE_CODEC_BASE64_H
#define BASE_CODEC_BASE64_H

#include "base/buf.h"

/* Appends n bytes as base64. */
void base64_put(struct buf *out, const void *p, size_t n);
/* Decodes a text that is exactly base64: no white space, and no bits beyond the last byte.
 * Returns 0 and the number of bytes in *n, ERR_SYNTAX, or ERR_LIMIT for more than `max` bytes. */
int base64_get(struct span text, void *out, size_t max, size_t *n);

#endif
