/* Where the elements of a JSON array end, whatever is in them. For frames.c alone. */
#ifndef ANSWER_FRAMES_ARRAY_H
#define ANSWER_FRAMES_ARRAY_H

#include "answer/frames.h"

/* How many bytes of `in` belong to the frame under way; *ends: it ends with them. A frame is
 * the opening bracket, an element with the blanks and the comma before it, the closing bracket,
 * or blanks after that. ERR_SYNTAX in *err: there is no way to go on. */
size_t frames_array_end(struct frames *f, struct span in, bool *ends, int *err);
/* An element's frame without the blanks and the comma before it. */
struct span frames_array_element(struct span raw);

#endif
