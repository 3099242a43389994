/* One character of UTF-8, as RFC 3629 defines it, for what is below base/codec/utf8.h. */
#ifndef BASE_UTF8_H
#define BASE_UTF8_H

#include "base/buf.h"

/* The length (1-4) of the sequence at p, of which n > 0 bytes may be read; 0
 * where none that is valid begins there. */
size_t utf8_sequence(const char *p, size_t n);
/* A JSON string with its quotes, of any bytes: what is no UTF-8 is U+FFFD, a byte each. */
void buf_json_utf8(struct buf *b, struct span s);

#endif
