/* What is longer than a stream holds, a finding or a run of which nothing is known: byte by
 * byte, whether it goes on. Only for stream.c. */
#ifndef SCAN_DETECT_STREAM_STREAM_LONG_H
#define SCAN_DETECT_STREAM_STREAM_LONG_H

#include "base/span.h"

enum { STREAM_TOKEN_MIN = 16 }; /* of a piece of a key that is no word */

struct stream_long {
	bool unread;	   /* nothing is known of it */
	bool gaps;	   /* of a finding: it is in pieces */
	size_t width;	   /* of an unread one: of its lines, 0: it has one */
	size_t line;	   /* bytes since its last gap */
	size_t gap, token; /* bytes of a gap that may end it, and what follows */
	bool breaks;	   /* the gap has a line break */
	size_t dashes;	   /* a run of '-' just before */
	size_t marker;	   /* bytes after -----END, 0: not there */
	uint64_t recent;   /* the last eight bytes */
};

/* LONG_LAST: what is pending belongs to it, this byte does not. */
enum stream_next { LONG_BELONGS, LONG_MAYBE, LONG_LAST, LONG_OVER };

/* `begun`: what of a finding is there; `line`: bytes of its last line; `width` of an unread
 * run's lines. */
struct stream_long stream_long_begin(
	bool finding, struct span begun, size_t line, size_t width);
/* Whether the next byte is still part of it. */
enum stream_next stream_long_next(struct stream_long *s, char c);
/* Whether what is pending belongs to it where the text ends. */
bool stream_long_ends(const struct stream_long *s);

#endif
