/* What went wrong: a sentence for people, with the error that says it to programs. */
#ifndef BASE_WHY_H
#define BASE_WHY_H

#include "base/buf.h"

/* Appends to *why; returns err. */
__attribute__((format(printf, 3, 4))) int why_err(
	struct buf *why, int err, const char *fmt, ...);

#endif
