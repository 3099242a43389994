/* Structured log lines, as logfmt or JSON, to stderr, syslog or journald. Any thread. The daemon
 * queues the lines (log_start); a command writes each at once. Never pass prompt text,
 * credentials or tickets. */
#ifndef BASE_LOG_H
#define BASE_LOG_H

#include "base/span.h"

enum log_level { LOG_ERROR, LOG_WARN, LOG_INFO, LOG_DEBUG };
enum log_format { LOG_LOGFMT, LOG_JSON };
enum log_to { LOG_TO_STDERR, LOG_TO_SYSLOG, LOG_TO_JOURNALD };
extern const char *const log_to_names[]; /* ends with NULL */

/* One field of a line: a string (LS, LSP) or a number (LI). Borrowed during the call. */
struct log_field {
	const char *key;
	enum { LF_STR, LF_INT } kind;
	struct span s;
	int64_t i;
};

#define LS(k, str)  ((struct log_field){ (k), LF_STR, span_str(str), 0 })
#define LSP(k, sp)  ((struct log_field){ (k), LF_STR, (sp), 0 })
#define LI(k, num)  ((struct log_field){ (k), LF_INT, { NULL, 0 }, (int64_t)(num) })

/* Sets format and level. Called once, before threads start. */
void log_setup(enum log_format format, enum log_level level);
/* Sets the destination, which is stderr by default. Called before threads start. Syslog gets RFC
 * 5424 messages as datagrams on /dev/log; journald gets its native protocol, with a journal
 * field for each field of a line. `socket` is the path of the socket; NULL: the usual one. A
 * line that the socket does not accept is written to stderr. */
void log_send_to(enum log_to to, const char *socket);
/* Sets the level: less important lines are no longer written. Any thread, at any time. */
void log_set_level(enum log_level level);
enum log_level log_level(void);
extern const char *const log_level_names[]; /* ends with NULL */
/* Starts the queue: from then on, logging never waits. Lines pass through a queue of
 * CAP_LOG_BYTES to a thread that writes them. Lines that do not fit, or cannot be written, are
 * dropped and counted; a line log.dropped reports their number as soon as writing works again.
 * Returns 0 or ERR_NOMEM. */
int log_start(void);
/* Writes the queued lines, waiting at most `wait_us`. All other threads must have ended. */
void log_stop(uint64_t wait_us);
/* Returns the number of lines lost since the start. */
uint64_t log_dropped(void);
/* Returns true if lines of this level are written. */
bool log_on(enum log_level level);
void log_write(enum log_level level, const char *event, const struct log_field *fields, size_t n);

/* Example: log_event(LOG_INFO, "started", LS("version", v), LI("rules", n)); */
#define log_event(level, event, ...) \
	do { \
		if (log_on(level)) { \
			const struct log_field lf_[] = { __VA_ARGS__ }; \
			log_write((level), (event), lf_, COUNT_OF(lf_)); \
		} \
	} while (0)

#endif
