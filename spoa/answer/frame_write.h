/* Writes frames to the caller: unchanged, with another payload, or frames of ours. A frame can
 * also be left out. The writer knows what was sent, so an array's commas are correct in every
 * case, and a frame of ours never follows half a frame. owner: worker. */
#ifndef ANSWER_FRAME_WRITE_H
#define ANSWER_FRAME_WRITE_H

#include "answer/frames.h"

/* The state of the output so far. Needs no memory of its own. */
struct frame_writer {
	enum frames_kind kind;
	/* frame_write() puts data into {"bytes":"base64"}, as Bedrock's invoke does */
	bool wrap;
	bool begun;   /* array: [ was sent */
	bool any;     /* array: an element was sent */
	bool closed;  /* array: ] was sent */
	bool unended; /* the end of the last frame is missing so far */
};

void frame_writer_init(struct frame_writer *w, enum frames_kind kind);

/* Appends the frame unchanged. An array's element may lose or gain its comma. */
void frame_pass(struct frame_writer *w, const struct frame *f, struct buf *out);
/* Appends the frame with another payload. Other fields and headers stay; lengths and CRCs are
 * new. After frame_unwrap(), `data` is the model's event. A frame without payload is appended
 * unchanged. Returns 0, ERR_LIMIT if the frame becomes too long, ERR_SYNTAX, or ERR_NOMEM. */
int frame_rewrite(
	struct frame_writer *w, const struct frame *f, struct span data, struct buf *out);
/* Appends a frame of ours. `type` is for SSE and event streams; "": SSE has no event line.
 * `data` may contain line breaks in SSE only. Returns 0, ERR_BAD_STATE if nothing can follow
 * because the last frame has no end or the array is closed, ERR_LIMIT, or ERR_NOMEM. */
int frame_write(struct frame_writer *w, struct span type, struct span data, struct buf *out);
/* Appends an error. In an event stream it is an exception of this type; otherwise as
 * frame_write(). */
int frame_write_error(
	struct frame_writer *w, struct span type, struct span data, struct buf *out);

#endif
