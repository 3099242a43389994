/* Between the parts of the log: composing a line, queueing it, getting it out. */
#ifndef BASE_LOG_PRIVATE_H
#define BASE_LOG_PRIVATE_H

#include "base/buf.h"
#include "base/log.h"

/* A line with what its receiver wants around it. */
struct log_line {
	struct buf all;
	size_t at, n; /* the line itself in it, its end not included */
};

/* log.c: for where lines go now; buf_free(&out->all). False: no room. */
bool log_compose(struct log_line *out, enum log_level level, const char *event,
	const struct log_field *fields, size_t n);

/* log_queue.c: written at once, or queued while the writer runs. Any thread. */
void log_out(enum log_level level, const struct log_line *l);

/* log_socket.c: where lines go; what of a message is before and after the line; the datagram.
 * 0, or an errno. The writer alone sends. */
enum log_to log_to(void);
const char *log_to_socket(void);
void log_before(struct buf *b, enum log_level level, const char *event);
void log_after(struct buf *b, enum log_level level, const char *event,
	const struct log_field *fields, size_t n);
int log_datagram(struct span s);

#endif
