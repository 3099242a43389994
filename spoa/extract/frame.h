/* Frames of a job (extract/extract.h): the job writes them, and the server makes JSON of
 * them. */
#ifndef EXTRACT_FRAME_H
#define EXTRACT_FRAME_H

#include "base/buf.h"
#include "extract/extract.h"

/* Append a frame. Only FRAME_TEXT and FRAME_CAGE have text. */
void frame_put(struct buf *b, enum frame_kind kind, unsigned page, unsigned n);
void frame_put_text(struct buf *b, enum frame_kind kind, unsigned page, struct span text);

/* Appends the result of a job to `json`. If `said` is not a sequence of whole frames with an
 * end, the result is error `otherwise`. Returns the result's error. Texts are valid UTF-8 in
 * the JSON. */
enum extract_error frame_answer(
	struct span said, enum extract_error otherwise, struct buf *json);
/* Appends {"error":…}. */
void frame_error(enum extract_error error, struct buf *json);

#endif
