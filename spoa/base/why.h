/* An error with its reason: a sentence for people and an error code for the program. */
#ifndef BASE_WHY_H
#define BASE_WHY_H

#include "base/buf.h"

/* Appends a message to *why and returns err. */
__attribute__((format(printf, 3, 4))) int why_err(
	struct buf *why, int err, const char *fmt, ...);

#endif
