/* Handles a finding, or a run of which nothing is known, that is longer than a stream holds:
 * decides byte by byte whether it continues. Only for stream.c. */
#ifndef SCAN_DETECT_STREAM_STREAM_LONG_H
#define SCAN_DETECT_STREAM_STREAM_LONG_H

#include "base/span.h"

enum { STREAM_TOKEN_MIN = 16 }; /* bytes of a piece of a key that cannot be a word */

/* The state of such a finding or run; part of the stream. */
struct stream_long {
	bool unread;	   /* an unknown run: nothing is known about it */
	bool gaps;	   /* a finding that is written in pieces */
	size_t width;	   /* of an unknown run: length of its lines; 0: only one */
	size_t line;	   /* bytes since its last gap */
	size_t gap, token; /* bytes of a gap that may end it, and of the token after the gap */
	bool breaks;	   /* the gap contains a line break */
	size_t dashes;	   /* length of the run of '-' just before */
	size_t marker;	   /* bytes after -----END; 0: not reached */
	uint64_t recent;   /* the last eight bytes */
};

/* The byte belongs to the run; it may belong (pending); the pending bytes belong to the run but
 * this byte does not; the run is over and the pending bytes do not belong to it. */
enum stream_next { LONG_BELONGS, LONG_MAYBE, LONG_LAST, LONG_OVER };

/* Begins a long finding or run. `begun`: the bytes of a finding so far. `line`: bytes of its
 * last line. `width`: length of the lines of an unknown run. */
struct stream_long stream_long_begin(
	bool finding, struct span begun, size_t line, size_t width);
/* Decides about the next byte. */
enum stream_next stream_long_next(struct stream_long *s, char c);
/* Returns true if the pending bytes belong to the finding at the end of the text. */
bool stream_long_ends(const struct stream_long *s);

#endif
