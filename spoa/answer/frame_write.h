/* Frames on their way to the caller: as they came, with another payload, left out, or of our
 * own. The writer knows what has gone, so that the commas of an array are right whatever is
 * left out or added, and what we say is never glued to half a frame. owner: worker. */
#ifndef ANSWER_FRAME_WRITE_H
#define ANSWER_FRAME_WRITE_H

#include "answer/frames.h"

struct frame_writer {
	enum frames_kind kind;
	bool wrap;    /* frame_write() puts data into {"bytes":"base64"}, as Bedrock's invoke */
	bool begun;   /* array: its [ has gone */
	bool any;     /* array: an element has */
	bool closed;  /* array: its ] has */
	bool unended; /* the last frame has no end yet */
};

void frame_writer_init(struct frame_writer *w, enum frames_kind kind);

/* Appends the frame as it came; of an array perhaps without its comma. */
void frame_pass(struct frame_writer *w, const struct frame *f, struct buf *out);
/* Appends the same frame with another payload: other fields and headers stay, lengths and
 * CRCs are new. After frame_unwrap(), `data` is the model's event. 0; ERR_LIMIT: longer than a
 * frame may be; ERR_NOMEM. */
int frame_rewrite(
	struct frame_writer *w, const struct frame *f, struct span data, struct buf *out);
/* Appends a frame of our own; `type` is for SSE and event streams, "" for none there; no line
 * breaks in data, but for SSE. 0; ERR_BAD_STATE: the last frame that went lacks its end, or
 * the array is closed, so that nothing can follow; ERR_LIMIT, ERR_NOMEM. */
int frame_write(struct frame_writer *w, struct span type, struct span data, struct buf *out);
/* The same for an error: in an event stream an exception of that type, else like it. */
int frame_write_error(
	struct frame_writer *w, struct span type, struct span data, struct buf *out);

#endif
