/* Finds the ends of a JSON array's elements. For frames.c alone. */
#ifndef ANSWER_FRAMES_ARRAY_H
#define ANSWER_FRAMES_ARRAY_H

#include "answer/frames.h"

/* Returns how many bytes of `in` belong to the current frame, and sets *ends if the frame ends
 * with them. A frame is the opening bracket; or an element with the spaces and the comma before
 * it; or the closing bracket; or spaces after that. Sets *err to ERR_SYNTAX if the array is
 * invalid, else to 0. */
size_t frames_array_end(struct frames *f, struct span in, bool *ends, int *err);
/* Returns an element's frame without the spaces and the comma before it. */
struct span frames_array_element(struct span raw);

#endif
