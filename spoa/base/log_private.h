/* Shared by the parts of the log: composing a line, queueing it, and sending it. */
#ifndef BASE_LOG_PRIVATE_H
#define BASE_LOG_PRIVATE_H

#include "base/buf.h"
#include "base/log.h"

/* A line together with the bytes that its destination requires around it. */
struct log_line {
	struct buf all;
	size_t at, n; /* offset and length of the line itself in `all`, without its end */
};

/* log.c: composes a line for the current destination. The caller frees out->all. Returns false
 * if there is no room. */
bool log_compose(struct log_line *out, enum log_level level, const char *event,
	const struct log_field *fields, size_t n);

/* log_queue.c: writes the line at once, or queues it while the writer runs. Any thread. */
void log_out(enum log_level level, const struct log_line *l);

/* log_socket.c: the destination, the bytes of a message before and after the line, and sending a
 * datagram. log_datagram() returns 0 or an errno; only the writer calls it. */
enum log_to log_to(void);
const char *log_to_socket(void);
void log_before(struct buf *b, enum log_level level, const char *event);
void log_after(struct buf *b, enum log_level level, const char *event,
	const struct log_field *fields, size_t n);
int log_datagram(struct span s);

#endif
