/* Between the two halves of the log: composing a line and getting it out. */
#ifndef BASE_LOG_PRIVATE_H
#define BASE_LOG_PRIVATE_H

#include "base/buf.h"
#include "base/log.h"

/* log.c: appends the line, its end included. */
void log_compose(struct buf *b, enum log_level level, const char *event,
	const struct log_field *fields, size_t n);

/* log_queue.c: written at once, or queued while the writer runs. Any thread. */
void log_out(enum log_level level, struct span line);

#endif
