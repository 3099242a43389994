/* Standard base64 with padding (RFC 4648 section 4). */
#ifndef BASE_CODEC_BASE64_H
#define BASE_CODEC_BASE64_H

#include "base/buf.h"

void base64_put(struct buf *out, const void *p, size_t n);
/* Exactly `text`, no blank, no bit too many: 0, ERR_SYNTAX, ERR_LIMIT (more than max). */
int base64_get(struct span text, void *out, size_t max, size_t *n);

#endif
