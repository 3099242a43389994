/* What is over the end of a block of a stream: shared by guard_seam.c, which finds it,
 * guard_channel.c, which puts what replaces it, and guard_stream.c, whose events wait for it.
 */
#ifndef GUARD_GUARD_SEAM_H
#define GUARD_GUARD_SEAM_H

#include "guard/guard_waiting.h"

/* Whether the event waits for what comes after it: then it is kept. `d`: what it says; NULL: it
 * is no JSON, or no event. */
enum guard_result guard_seam_take(
	struct guard *g, const struct frame *f, const struct answer_document *d, bool *waits);
/* Nothing more comes: all that waits may go. */
enum guard_result guard_seam_end(struct guard *g);
/* The next one that may go, NULL: none. Valid until guard_unnamed_done(). */
const struct frame *guard_seam_next(struct guard *g);
void guard_seam_free(struct guard *g);

/* guard_end.c: what an event says of the stream's end. */
void guard_end_note(struct guard *g, const struct answer_document *d);
/* Its dialect has something at the end of a stream, and it did not come. */
bool guard_end_is_cut(const struct guard *g);
/* Whether the event waits until what comes after it says whether its finish is one: then it is
 * kept. `d` NULL: no event. */
enum guard_result guard_end_take(
	struct guard *g, const struct frame *f, const struct answer_document *d, bool *waits);
/* The next one that may go, NULL: none. Valid until guard_unnamed_done(). */
const struct frame *guard_end_next(struct guard *g);
void guard_end_free(struct guard *g);

/* The first value over an edge that is, or is partly, in these bytes of all texts of a kind. */
struct crossing *guard_seam_at(
	struct guard *g, enum answer_kind kind, size_t start, size_t end);
/* Notes it, asks the rules where it is new, and says what it is replaced with, if it is. */
enum guard_result guard_seam_decide(struct guard *g, struct crossing *x);
/* What a stream says again at its end, text by text: their parts are findings there. */
enum guard_result guard_seam_again(
	struct guard *g, const struct answer_text *t, struct findings *found);

#endif
