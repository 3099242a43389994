/* Log lines. Example: the event policy.loaded at LOG_INFO with the field LI("rules", 3) becomes
 * time=2026-11-28T10:00:00.000000000Z level=info event=policy.loaded rules=3.
 *
 * A line is composed by the thread that logs it, in logfmt or JSON, with the bytes that its
 * destination requires around it. The destination is stderr, syslog or journald. Syslog gets RFC
 * 5424 datagrams on /dev/log. journald gets its native protocol
 * (systemd.io/JOURNAL_NATIVE_PROTOCOL), in which each field of a line is a field of the journal.
 * Both receivers may restart, so each datagram names its receiver instead of using a connection.
 *
 * The daemon queues the lines, and one thread alone writes them. A reader of stderr that stalls, a
 * syslog that does not read, a full disk or a journal that restarts costs lines, which are
 * counted, and never a worker's time. */
#include "base/log.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "base/ascii.h"
#include "base/attr.h"
#include "base/buf.h"
#include "base/caps.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/mailbox.h"
#include "base/pool.h"
#include "base/utf8.h"

/* ---- destinations ---- */

#define FACILITY  3 /* daemon */
#define HOST_MAX  255
#define MSGID_MAX 32

const char *const log_to_names[] = { "stderr", "syslog", "journald", NULL };
static const char *const usual[] = { "", "/dev/log", "/run/systemd/journal/socket" };
static const int severities[] = {
	[LOG_ERROR] = 3, [LOG_WARN] = 4, [LOG_INFO] = 6, [LOG_DEBUG] = 7
};

/* Set before threads start. */
static enum log_to destination;
static struct sockaddr_un receiver = { .sun_family = AF_UNIX };
static char host[HOST_MAX + 1];
static int receiver_fd = -1; /* owner: the writer */

/* Sends the line of a failed invariant from any thread, on a socket of its own and without
 * waiting. The time is RFC 5424's NILVALUE, because the receiver has a clock. */
static void
send_last_line(const char *line)
{
	char text[1024];
	int n = destination == LOG_TO_SYSLOG
			? snprintf(text, sizeof(text), "<%d>1 - %s tollgate %ld invariant.broken - %s",
				  FACILITY * 8 + 2, host, (long)getpid(), line)
			: snprintf(text, sizeof(text),
				  "MESSAGE=%s\nPRIORITY=2\nSYSLOG_FACILITY=%d\nSYSLOG_IDENTIFIER=tollgate\n"
				  "TOLLGATE_EVENT=invariant.broken\n",
				  line, FACILITY);
	int own = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (own >= 0 && n > 0 && (size_t)n < sizeof(text))
		sendto(own, text, (size_t)n, MSG_NOSIGNAL | MSG_DONTWAIT,
			(struct sockaddr *)&receiver, sizeof(receiver));
}

void
log_send_to(enum log_to to, const char *socket)
{
	destination = to;
	invariant_hook = to == LOG_TO_STDERR ? NULL : send_last_line;
	snprintf(receiver.sun_path, sizeof(receiver.sun_path), "%s",
		socket ? socket : usual[to]);
	if (gethostname(host, sizeof(host)) < 0 || !host[0])
		snprintf(host, sizeof(host), "-");
	host[HOST_MAX] = '\0';
}

/* Writes HEADER and STRUCTURED-DATA (RFC 5424 6). The time has at most six digits after its
 * point, MSGID at most 32 characters. */
static void
syslog_header(struct buf *b, enum log_level level, const char *event)
{
	char when[CLOCK_RFC3339_LEN];

	clock_rfc3339(clock_wall_ns(), when);
	buf_printf(b, "<%d>1 %.26sZ %s tollgate %ld %.*s - ", FACILITY * 8 + severities[level],
		when, host, (long)getpid(), MSGID_MAX, event);
}

/* Writes a field. A value with a line end is written as its name, its length in 64 bits with the
 * least byte first, and its bytes. */
static void
journal_field(struct buf *b, const char *name, struct span s)
{
	for (const char *p = name; *p; p++)
		buf_putc(b, is_alnum(*p) ? to_upper(*p) : '_');
	if (s.n && memchr(s.p, '\n', s.n)) {
		buf_putc(b, '\n');
		for (int i = 0; i < 8; i++)
			buf_putc(b, (char)(s.n >> (8 * i)));
	} else {
		buf_putc(b, '=');
	}
	buf_span(b, s);
	buf_putc(b, '\n');
}

/* Appends the bytes of a message before the line. */
static void
log_before(struct buf *b, enum log_level level, const char *event)
{
	if (destination == LOG_TO_SYSLOG)
		syslog_header(b, level, event);
	else if (destination == LOG_TO_JOURNALD)
		buf_str(b, "MESSAGE=");
}

/* Appends the bytes of a message after the line. */
static void
log_after(struct buf *b, enum log_level level, const char *event,
	const struct log_field *fields, size_t n)
{
	char name[64], num[24];

	if (destination != LOG_TO_SYSLOG)
		buf_putc(b, '\n');
	if (destination != LOG_TO_JOURNALD)
		return;
	buf_printf(b,
		"PRIORITY=%d\nSYSLOG_FACILITY=%d\nSYSLOG_IDENTIFIER=tollgate\nTOLLGATE_EVENT=%"
		"s\n",
		severities[level], FACILITY, event);
	for (size_t i = 0; i < n; i++) {
		snprintf(name, sizeof(name), "tollgate_%s", fields[i].key);
		snprintf(num, sizeof(num), "%lld", (long long)fields[i].i);
		journal_field(b, name, fields[i].kind == LF_STR ? fields[i].s : span_str(num));
	}
}

/* Sends a datagram. Returns 0 or an errno. Once the queue runs, only the writer calls this. */
static int
log_datagram(struct span s)
{
	ssize_t n;

	if (receiver_fd < 0)
		receiver_fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	do
		n = receiver_fd < 0 ? -1
			   : sendto(receiver_fd, s.p, s.n, MSG_NOSIGNAL, (struct sockaddr *)&receiver,
				     sizeof(receiver));
	while (n < 0 && errno == EINTR);
	return n < 0 ? errno : 0;
}

/* ---- lines ---- */

/* A line together with the bytes that its destination requires around it. */
struct log_line {
	struct buf all;
	size_t at, n; /* offset and length of the line itself in `all`, without its end */
};

enum { LINE_MAX_BYTES = 16384 };

static enum log_format fmt = LOG_LOGFMT;
static _Atomic(enum log_level) max_level = LOG_INFO;
const char *const log_level_names[] = { "error", "warn", "info", "debug", NULL };

void
log_setup(enum log_format format, enum log_level level)
{
	fmt = format;
	log_set_level(level);
}

void
log_set_level(enum log_level level)
{
	atomic_store_explicit(&max_level, level, memory_order_relaxed);
}

enum log_level
log_level(void)
{
	return atomic_load_explicit(&max_level, memory_order_relaxed);
}

bool
log_on(enum log_level level)
{
	return level <= log_level();
}

/* Returns the code point of a character beyond ASCII that a terminal obeys or that reorders
 * text: C1 controls, line ends and bidirectional controls. Returns 0 for any other character. */
static unsigned
control_of(const char *p, size_t len)
{
	unsigned c = len == 2	? ((unsigned)p[0] & 0x1f) << 6 | ((unsigned)p[1] & 0x3f)
		     : len == 3 ? ((unsigned)p[0] & 0xf) << 12 | ((unsigned)p[1] & 0x3f) << 6 |
					  ((unsigned)p[2] & 0x3f)
				: 0;

	return (c >= 0x80 && c <= 0x9f) || c == 0x61c || c == 0x200e || c == 0x200f ||
			       (c >= 0x2028 && c <= 0x202e) || (c >= 0x2066 && c <= 0x2069)
		       ? c
		       : 0;
}

static bool
is_plain_log(struct span s)
{
	for (size_t i = 0; i < s.n; i++)
		if (s.p[i] <= ' ' || s.p[i] == '"' || s.p[i] == '=' || s.p[i] == '\\' || s.p[i] == 127)
			return false;
	return s.n > 0;
}

/* Writes a quoted string with JSON's escapes, also in logfmt. No control character is written
 * raw. Bytes that are not UTF-8 are replaced in JSON, which must be UTF-8. */
static void
put_log_text(struct buf *b, struct span s)
{
	size_t from = 0;

	buf_putc(b, '"');
	for (size_t i = 0, len; i < s.n; i += len ? len : 1) {
		len = utf8_sequence(s.p + i, s.n - i);
		unsigned c = control_of(s.p + i, len);
		if (s.p[i] == 127)
			c = 127;
		else if (!len && fmt == LOG_JSON)
			c = 0xfffd;
		if (!c)
			continue;
		buf_json(b, span_cut(s, from, i));
		from = i + (len ? len : 1);
		buf_printf(b, "\\u%04x", c);
	}
	buf_json(b, span_cut(s, from, s.n));
	buf_putc(b, '"');
}

static void
put_log_pair(struct buf *b, bool first, const char *key, struct span s)
{
	if (fmt == LOG_JSON) {
		buf_printf(b, "%c\"%s\":", first ? '{' : ',', key);
		put_log_text(b, s);
		return;
	}
	buf_printf(b, "%s%s=", first ? "" : " ", key);
	if (is_plain_log(s))
		buf_span(b, s);
	else
		put_log_text(b, s);
}

static void
put_log_line(struct buf *b, enum log_level level, const char *event,
	const struct log_field *fields, size_t n)
{
	char when[CLOCK_RFC3339_LEN], num[24];

	clock_rfc3339(clock_wall_ns(), when);
	put_log_pair(b, true, "time", span_str(when));
	put_log_pair(b, false, "level", span_str(log_level_names[level]));
	put_log_pair(b, false, "event", span_str(event));
	for (size_t i = 0; i < n; i++) {
		if (fields[i].kind == LF_STR) {
			put_log_pair(b, false, fields[i].key, fields[i].s);
			continue;
		}
		snprintf(num, sizeof(num), "%lld", (long long)fields[i].i);
		if (fmt == LOG_JSON)
			buf_printf(b, ",\"%s\":%s", fields[i].key, num);
		else
			put_log_pair(b, false, fields[i].key, span_str(num));
	}
	if (fmt == LOG_JSON)
		buf_putc(b, '}');
}

/* Composes a line for the current destination. The caller frees out->all. Returns false if there
 * is no room. */
static bool
log_compose(struct log_line *out, enum log_level level, const char *event,
	const struct log_field *fields, size_t n)
{
	buf_init(&out->all, 65536);
	log_before(&out->all, level, event);
	out->at = out->all.n;
	put_log_line(&out->all, level, event, fields, n);
	out->n = out->all.n - out->at;
	if (out->n > LINE_MAX_BYTES)
		out->all.failed = true;
	log_after(&out->all, level, event, fields, n);
	return !buf_failed(&out->all);
}

/* ---- the queue ---- */

#define FULL_WAIT_MS 100 /* ms: how long to wait if stderr is non-blocking and full */

struct line {
	struct mail mail;
	size_t n, at, line; /* bytes of text[]; offset and length of the line itself */
	char text[];
};

/* Written by any thread. */
static struct mailbox lines;
static _Atomic size_t queued_bytes;
static _Atomic uint64_t dropped, unsaid; /* unsaid: lost lines that the log has not reported yet */
static atomic_bool running, stopping, woken;
static sem_t work, flushed;
/* owner: the writer */
static pthread_t writer;
static bool cut;  /* the last line written lacks its end */
static bool away; /* the socket accepts nothing, and the log has reported this */

/* ---- the writer ---- */

/* Writes all of s, however long stderr takes. Returns false if it cannot be written. */
static bool
write_whole(struct span s)
{
	while (s.n) {
		ssize_t n = write(STDERR_FILENO, s.p, s.n);
		if (n > 0) {
			s = span_cut(s, (size_t)n, s.n);
			cut = s.n != 0;
		} else if (n < 0 && errno == EAGAIN) {
			struct pollfd p = { .fd = STDERR_FILENO, .events = POLLOUT };
			poll(&p, 1, FULL_WAIT_MS);
		} else if (n == 0 || errno != EINTR) {
			return false;
		}
	}
	return true;
}

/* Writes a line. If a full disk cut the previous line, this one begins on a new line. */
static bool
write_line(struct span s)
{
	return (!cut || write_whole(SPAN_LIT("\n"))) && write_whole(s);
}

/* Writes the line itself, without the bytes that the socket requires around it. */
static bool
to_stderr(struct span all, size_t at, size_t n)
{
	return write_line(span_cut(all, at, at + n)) && write_whole(SPAN_LIT("\n"));
}

/* Reports on stderr that the socket does not accept lines, once until it accepts them again. */
static void
say_away(int err)
{
	const struct log_field fields[] = { LS("socket", receiver.sun_path),
		LS("why", strerror(err)),
		LS("note",
			"lines are written to standard error until the logger accepts them") };
	struct log_line l;

	if (!away && log_compose(&l, LOG_WARN, "log.away", fields, COUNT_OF(fields)))
		to_stderr(buf_view(&l.all), l.at, l.n);
	if (!away)
		buf_free(&l.all);
	away = true;
}

/* Sends the message to the socket or, if this fails, writes the line itself to stderr. Returns
 * false if both fail. */
static bool
get_out(struct span all, size_t at, size_t n)
{
	int err = destination == LOG_TO_STDERR ? 0 : log_datagram(all);

	if (destination == LOG_TO_STDERR)
		return write_line(all);
	if (err)
		say_away(err);
	else
		away = false;
	return !err || to_stderr(all, at, n);
}

static void
count_lost_lines(uint64_t n)
{
	atomic_fetch_add_explicit(&dropped, n, memory_order_relaxed);
	atomic_fetch_add_explicit(&unsaid, n, memory_order_relaxed);
}

/* Reports how many lines were lost, as soon as lines can be written again. */
static void
say_lost(void)
{
	uint64_t n = atomic_exchange_explicit(&unsaid, 0, memory_order_relaxed);
	struct log_line l;
	char why[64];

	if (!n)
		return;
	snprintf(why, sizeof(why), "%s did not accept them in time", log_to_names[destination]);
	const struct log_field fields[] = { LI("lines", n), LS("why", why) };
	if (!log_compose(&l, LOG_WARN, "log.dropped", fields, 2) ||
		!get_out(buf_view(&l.all), l.at, l.n))
		atomic_fetch_add_explicit(&unsaid, n, memory_order_relaxed);
	buf_free(&l.all);
}

static void
write_mail(struct mail *m, void *consumer UNUSED)
{
	struct line *l = CONTAINER_OF(m, struct line, mail);

	say_lost();
	if (!get_out(span_of(l->text, l->n), l->at, l->line))
		count_lost_lines(1);
	atomic_fetch_sub_explicit(&queued_bytes, sizeof(*l) + l->n, memory_order_relaxed);
	free(l);
}

static void *
write_lines(void *arg UNUSED)
{
	for (bool stop = false; !stop;) {
		while (sem_wait(&work) < 0 && errno == EINTR)
			;
		/* `woken` is cleared before the drain, so that a thread that sends after this
		 * wakes us again. */
		atomic_exchange(&woken, false);
		stop = atomic_load(&stopping);
		mailbox_drain(&lines, NULL);
		say_lost();
	}
	sem_post(&flushed);
	return NULL;
}

/* ---- any thread ---- */

static void
wake_log(void *arg UNUSED)
{
	if (!atomic_exchange(&woken, true))
		sem_post(&work);
}

/* Reserves n bytes of the queue. Lines that are not errors leave a quarter of it free for
 * errors. */
static bool
reserve_queue_bytes(enum log_level level, size_t n)
{
	size_t cap = level == LOG_ERROR ? CAP_LOG_BYTES : CAP_LOG_BYTES / 4 * 3;

	if (atomic_fetch_add_explicit(&queued_bytes, n, memory_order_relaxed) + n <= cap)
		return true;
	atomic_fetch_sub_explicit(&queued_bytes, n, memory_order_relaxed);
	return false;
}

/* Writes the line at once, or queues it while the writer runs. */
static void
log_out(enum log_level level, const struct log_line *line)
{
	struct span text = buf_view(&line->all);

	if (!atomic_load_explicit(&running, memory_order_acquire)) {
		ssize_t n;
		text = span_cut(text, line->at, text.n);
		if (destination != LOG_TO_STDERR && !log_datagram(buf_view(&line->all)))
			return;
		do
			n = write(STDERR_FILENO, text.p, text.n);
		while (n < 0 && errno == EINTR);
		return;
	}
	size_t size = sizeof(struct line) + text.n;
	if (!reserve_queue_bytes(level, size)) {
		count_lost_lines(1);
		return;
	}
	struct line *l = malloc(size);
	if (!l) {
		atomic_fetch_sub_explicit(&queued_bytes, size, memory_order_relaxed);
		count_lost_lines(1);
		return;
	}
	l->mail.run = write_mail;
	l->n = text.n;
	l->at = line->at;
	l->line = line->n;
	memcpy(l->text, text.p, text.n);
	mailbox_send(&lines, &l->mail);
}

void
log_write(enum log_level level, const char *event, const struct log_field *fields, size_t n)
{
	struct log_line l;

	if (log_compose(&l, level, event, fields, n))
		log_out(level, &l);
	buf_free(&l.all);
}

uint64_t
log_dropped(void)
{
	return atomic_load_explicit(&dropped, memory_order_relaxed);
}

/* ---- life ---- */

int
log_start(void)
{
	mailbox_init(&lines, wake_log, NULL);
	sem_init(&work, 0, 0);
	sem_init(&flushed, 0, 0);
	atomic_store(&stopping, false);
	if (thread_start(&writer, "tg-log", write_lines, NULL))
		return ERR_NOMEM;
	atomic_store_explicit(&running, true, memory_order_release);
	return 0;
}

void
log_stop(uint64_t wait_us)
{
	if (!atomic_load(&running))
		return;
	atomic_store(&stopping, true);
	sem_post(&work);
	struct timespec until = clock_timespec(clock_mono_us() + wait_us);
	int err;
	do
		err = sem_clockwait(&flushed, CLOCK_MONOTONIC, &until);
	while (err < 0 && errno == EINTR);
	if (err < 0) { /* nobody reads: the lines are lost when the process ends */
		pthread_detach(writer);
		return;
	}
	pthread_join(writer, NULL);
	atomic_store(&running, false);
}
