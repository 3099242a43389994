/* The end of a stream that no guard reads. A client may close the connection after the last event,
 * and has not aborted the stream then. */
#ifndef ANSWER_STREAM_END_H
#define ANSWER_STREAM_END_H

#include <stdbool.h>

#include "base/span.h"

enum { STREAM_END_LINE = 40 }; /* bytes of a line; longer lines mark no end */

/* Zeroed at first. owner: the relay's edge. */
struct stream_end {
	char line[STREAM_END_LINE];
	unsigned n;  /* bytes of the current line, also beyond the room */
	bool marked; /* a line of the current event marks the last event of a complete stream */
	bool any;    /* the current event has a line */
	bool ended;  /* the last event was whole, and marks the end */
};

/* Reads the next bytes of a text/event-stream. The last event is "data: [DONE]", or has an "event:"
 * line with a type that a format lists as its last one. */
void stream_end_read(struct stream_end *e, struct span bytes);

#endif
