/* One character of UTF-8 (RFC 3629), for the files below base/codec/utf8.h. */
#ifndef BASE_UTF8_H
#define BASE_UTF8_H

#include "base/buf.h"

/* Returns the length (1 to 4) of the sequence at p, of which n > 0 bytes may be read, or 0 if no
 * valid sequence begins there. */
size_t utf8_sequence(const char *p, size_t n);
/* Appends any bytes as a JSON string with quotes. Each byte that is not UTF-8 becomes U+FFFD. */
void buf_json_utf8(struct buf *b, struct span s);

#endif
