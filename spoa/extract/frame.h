/* Frames of a job (extract/extract.h): written by it, made an answer of by the server. */
#ifndef EXTRACT_FRAME_H
#define EXTRACT_FRAME_H

#include "base/buf.h"
#include "extract/extract.h"

/* Appends a frame; `body` of TEXT and CAGE alone. */
void frame_put(struct buf *b, enum frame_kind kind, unsigned page, unsigned n);
void frame_put_text(struct buf *b, enum frame_kind kind, unsigned page, struct span text);

/* Appends the answer to what a job wrote: whole frames with an end, or it is `otherwise`.
 * Returns what it was. Texts are UTF-8 in it, whatever they were. */
enum extract_error frame_answer(
	struct span said, enum extract_error otherwise, struct buf *json);
/* Appends {"error":…}. */
void frame_error(enum extract_error error, struct buf *json);

#endif
