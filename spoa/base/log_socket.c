/* Log destinations other than stderr: syslog with RFC 5424 datagrams to /dev/log, and journald
 * with its native protocol (systemd.io/JOURNAL_NATIVE_PROTOCOL), in which each field of a line
 * is a field of the journal. Both receivers may restart, so each datagram names its receiver
 * instead of using a connection. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/ascii.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/log_private.h"

#define FACILITY  3 /* daemon */
#define HOST_MAX  255
#define MSGID_MAX 32

const char *const log_to_names[] = { "stderr", "syslog", "journald", NULL };
static const char *const usual[] = { "", "/dev/log", "/run/systemd/journal/socket" };
static const int severities[] = {
	[LOG_ERROR] = 3, [LOG_WARN] = 4, [LOG_INFO] = 6, [LOG_DEBUG] = 7
};

/* Set before threads start. */
static enum log_to where;
static struct sockaddr_un receiver = { .sun_family = AF_UNIX };
static char host[HOST_MAX + 1];
static int fd = -1; /* owner: the writer */

/* Sends the line of a failed invariant from any thread, on a socket of its own and without
 * waiting. The time is RFC 5424's NILVALUE, because the receiver has a clock. */
static void
send_last_line(const char *line)
{
	char text[1024];
	int n = where == LOG_TO_SYSLOG
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
	where = to;
	invariant_hook = to == LOG_TO_STDERR ? NULL : send_last_line;
	snprintf(receiver.sun_path, sizeof(receiver.sun_path), "%s",
		socket ? socket : usual[to]);
	if (gethostname(host, sizeof(host)) < 0 || !host[0])
		snprintf(host, sizeof(host), "-");
	host[HOST_MAX] = '\0';
}

enum log_to
log_to(void)
{
	return where;
}

const char *
log_to_socket(void)
{
	return receiver.sun_path;
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

void
log_before(struct buf *b, enum log_level level, const char *event)
{
	if (where == LOG_TO_SYSLOG)
		syslog_header(b, level, event);
	else if (where == LOG_TO_JOURNALD)
		buf_str(b, "MESSAGE=");
}

void
log_after(struct buf *b, enum log_level level, const char *event,
	const struct log_field *fields, size_t n)
{
	char name[64], num[24];

	if (where != LOG_TO_SYSLOG)
		buf_putc(b, '\n');
	if (where != LOG_TO_JOURNALD)
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

int
log_datagram(struct span s)
{
	ssize_t n;

	if (fd < 0)
		fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	do
		n = fd < 0 ? -1
			   : sendto(fd, s.p, s.n, MSG_NOSIGNAL, (struct sockaddr *)&receiver,
				     sizeof(receiver));
	while (n < 0 && errno == EINTR);
	return n < 0 ? errno : 0;
}
