/* What the escapes of JSON text spell (RFC 8259 7), where that text is itself the value of a
 * string: arguments of a call. It may come in pieces, and be no JSON after all: what is no
 * escape spells itself. */
#ifndef SCAN_TEXT_SPELLED_H
#define SCAN_TEXT_SPELLED_H

#include "base/buf.h"
#include "base/span.h"

enum { SPELLED_MOST = 4 }; /* bytes that a unit spells */

/* unit = byte | "\" one letter | "\u" 4 hexdigits, of pairs two
 * The raw bytes of the unit at the beginning of `in` (not empty), and in out[*n] what it
 * spells. 0: more is needed; never where it is `final`. */
size_t spelled_unit(struct span in, bool final, char out[SPELLED_MOST], size_t *n);
/* The same in a text that is `level` times the inside of JSON strings in one another; all of it
 * has come. */
size_t spelled_deep(struct span in, unsigned level, char out[SPELLED_MOST], size_t *n);

/* What b holds becomes the inside of a JSON string, `levels` times. */
void spelled_json(struct buf *b, unsigned levels);

/* JSON text that is scanned as what it spells: its raw bytes until they go. */
struct spelled {
	struct buf raw;
	size_t read;  /* of it: scanned */
	size_t ahead; /* bytes that were asked for less than their escape spells */
};

/* More of the text; what its whole escapes spell is appended. `final`: no more comes. */
void spelled_feed(struct spelled *s, struct span raw, bool final, struct buf *out);
/* What spelled the next bytes of that: a view of the raw text, until it is dropped. */
struct span spelled_next(struct spelled *s, size_t bytes);
void spelled_drop(struct spelled *s, size_t raw_bytes);

#endif
