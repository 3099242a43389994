/* Structured log lines, logfmt or JSON, on stderr, to syslog or to journald, any thread. The
 * daemon queues them (log_start); a command writes each at once. Never pass prompt text,
 * credentials or tickets. */
#ifndef BASE_LOG_H
#define BASE_LOG_H

#include "base/span.h"

enum log_level { LOG_ERROR, LOG_WARN, LOG_INFO, LOG_DEBUG };
enum log_format { LOG_LOGFMT, LOG_JSON };
enum log_to { LOG_TO_STDERR, LOG_TO_SYSLOG, LOG_TO_JOURNALD };
extern const char *const log_to_names[]; /* NULL at the end */

struct log_field {
	const char *key;
	enum { LF_STR, LF_INT } kind;
	struct span s;
	int64_t i;
};

#define LS(k, str)  ((struct log_field){ (k), LF_STR, span_str(str), 0 })
#define LSP(k, sp)  ((struct log_field){ (k), LF_STR, (sp), 0 })
#define LI(k, num)  ((struct log_field){ (k), LF_INT, { NULL, 0 }, (int64_t)(num) })

/* Called once before threads start. */
void log_setup(enum log_format format, enum log_level level);
/* Where lines go, stderr unless said; before threads start. Syslog gets RFC 5424 messages as
 * datagrams on /dev/log, journald its own protocol with a field for each of a line's.
 * `socket`: another one, NULL: the usual one. A line that the socket does not take goes to
 * stderr.
 */
void log_send_to(enum log_to to, const char *socket);
/* Any thread, at any time: what is less important is no longer written. */
void log_set_level(enum log_level level);
enum log_level log_level(void);
extern const char *const log_level_names[]; /* NULL at the end */
/* From here on logging never waits: lines go through a queue of CAP_LOG_BYTES to a thread
 * that writes them. What does not fit, or cannot be written, is dropped and counted, and a
 * line log.dropped says how many as soon as stderr takes something again. 0 or ERR_NOMEM. */
int log_start(void);
/* Writes what is queued, for so long at most; other threads have ended. */
void log_stop(uint64_t wait_us);
/* Lines lost since the start. */
uint64_t log_dropped(void);
bool log_on(enum log_level level);
void log_write(enum log_level level, const char *event, const struct log_field *fields, size_t n);

/* log_event(LOG_INFO, "policy.loaded", LS("version", v), LI("rules", n)); */
#define log_event(level, event, ...) \
	do { \
		if (log_on(level)) { \
			const struct log_field lf_[] = { __VA_ARGS__ }; \
			log_write((level), (event), lf_, COUNT_OF(lf_)); \
		} \
	} while (0)

#endif
