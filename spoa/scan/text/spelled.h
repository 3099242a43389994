/* Resolves the escapes of JSON text (RFC 8259 7) that is itself the value of a string, such as
 * the arguments of a tool call. The text may arrive in pieces, and may turn out to be no JSON: a
 * backslash that begins no escape stands for itself. */
#ifndef SCAN_TEXT_SPELLED_H
#define SCAN_TEXT_SPELLED_H

#include "base/buf.h"
#include "base/span.h"

enum { SPELLED_MOST = 4 }; /* most bytes that one unit spells */

/* unit = byte | "\" one letter | "\u" 4 hexdigits, or two of these for a surrogate pair.
 * Returns the number of raw bytes of the unit at the beginning of `in` (not empty), and writes
 * the bytes that it spells to out[*n]. Returns 0 if more input is needed; never if `final`. */
size_t spelled_unit(struct span in, bool final, char out[SPELLED_MOST], size_t *n);
/* The same for text that is nested inside `level` JSON strings. The text must be complete. */
size_t spelled_deep(struct span in, unsigned level, char out[SPELLED_MOST], size_t *n);

/* Escapes the content of b as the inside of a JSON string, `levels` times. */
void spelled_json(struct buf *b, unsigned levels);

/* JSON text that arrives in pieces and is scanned as what it spells. The raw bytes are kept
 * until they are sent. The owner frees `raw`. */
struct spelled {
	struct buf raw;
	size_t read;  /* bytes of `raw` that were unescaped for the scanner */
	size_t ahead; /* spelled bytes already released, because an escape is only released as a
		       * whole */
};

/* Adds raw text, and appends what its complete escapes spell to `out`. `final`: no more text
 * follows. */
void spelled_feed(struct spelled *s, struct span raw, bool final, struct buf *out);
/* Returns the raw text that spells the next `bytes` bytes, at most what was read. The span is a
 * view that is valid until spelled_drop(). */
struct span spelled_next(struct spelled *s, size_t bytes);
/* Removes raw bytes from the beginning. */
void spelled_drop(struct spelled *s, size_t raw_bytes);

#endif
