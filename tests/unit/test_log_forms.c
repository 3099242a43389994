/* The form of log lines with any content, and how they reach syslog and journald. */
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <jansson.h>

#include "base/attr.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/log.h"

enum { PATIENT_MS = 30000, LINE = 65536 };

static char socket_path[] = "/tmp/tg-log-XXXXXX/log";
static int before, err_pipe[2];

static void
stderr_begin(void)
{
	before = dup(STDERR_FILENO);
	assert_int_equal(pipe(err_pipe), 0);
	assert_true(dup2(err_pipe[1], STDERR_FILENO) >= 0);
	close(err_pipe[1]);
}

/* Returns the text that was written to stderr. The caller frees it. */
static char *
stderr_end(void)
{
	char *text = calloc(1, LINE + 1);
	size_t n = 0;
	ssize_t k;

	dup2(before, STDERR_FILENO);
	close(before);
	while (n < LINE && (k = read(err_pipe[0], text + n, LINE - n)) > 0)
		n += (size_t)k;
	close(err_pipe[0]);
	return text;
}

/* Listens at the socket. */
static int
listen_there(void)
{
	struct sockaddr_un un = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	snprintf(un.sun_path, sizeof(un.sun_path), "%s", socket_path);
	unlink(socket_path);
	assert_int_equal(bind(fd, (struct sockaddr *)&un, sizeof(un)), 0);
	return fd;
}

static size_t
receive(int fd, char out[LINE])
{
	struct pollfd p = { .fd = fd, .events = POLLIN };

	assert_int_equal(poll(&p, 1, PATIENT_MS), 1);
	ssize_t n = recv(fd, out, LINE - 1, 0);
	assert_true(n > 0);
	out[n] = '\0';
	return (size_t)n;
}

/* ---- the form of a line ---- */

static void
logfmt_is_unchanged(void **state UNUSED)
{
	log_setup(LOG_LOGFMT, LOG_INFO);
	stderr_begin();
	log_event(LOG_WARN, "an.event", LS("plain", "a-b"), LS("empty", ""),
		LS("blank", "a b\"c\\\n"), LI("number", -5), LSP("bytes", SPAN_LIT("\xff")),
		LS("turned", "a\xe2\x80\xae b\xc2\x9b\x7f\xe2\x81\xa6\xe2\x80\xa8\xc3\xa9"));
	char *text = stderr_end();
	assert_int_equal(text[30 + 4], 'Z');
	assert_string_equal(strchr(text, ' '),
		" level=warn event=an.event plain=a-b empty=\"\" blank=\"a b\\\"c\\\\\\n\" "
		"number=-5 bytes=\"\xff\" "
		"turned=\"a\\u202e b\\u009b\\u007f\\u2066\\u2028\xc3\xa9\"\n");
	free(text);
}

/* A JSON reader accepts each line, and valid UTF-8 is unchanged. */
static void
json_lines_are_valid_with_any_byte(void **state UNUSED)
{
	unsigned char bytes[4];

	log_setup(LOG_JSON, LOG_INFO);
	for (unsigned i = 0; i < 20000; i++) {
		uint64_t x = i * UINT64_C(0x9e3779b97f4a7c15);
		size_t n = i < 256 ? 1 : 1 + i % 4;
		bytes[0] = (unsigned char)(i < 256 ? i : x >> 56);
		for (size_t k = 1; k < n; k++)
			bytes[k] = (unsigned char)(i % 3 ? 0x80 | (x >> (8 * k) & 0x3f)
							 : x >> (8 * k));
		stderr_begin();
		log_event(LOG_INFO, "row", LSP("v", span_of((const char *)bytes, n)),
			LS("e", "\xc3\xa9 \xe2\x80\xae"));
		char *text = stderr_end();
		json_error_t e;
		json_t *j = json_loadb(text, strlen(text), JSON_ALLOW_NUL, &e);
		if (!j)
			fail_msg("row %u: %s: %s", i, e.text, text);
		assert_string_equal(
			json_string_value(json_object_get(j, "e")), "\xc3\xa9 \xe2\x80\xae");
		assert_string_equal(json_string_value(json_object_get(j, "event")), "row");
		if (i < 128)
			assert_int_equal(
				json_string_value(json_object_get(j, "v"))[0], (char)i);
		else if (i < 256)
			assert_string_equal(
				json_string_value(json_object_get(j, "v")), "\xef\xbf\xbd");
		assert_int_equal(text[strlen(text) - 1], '\n');
		json_decref(j);
		free(text);
	}
}

/* ---- sockets ---- */

static void
syslog_gets_a_message_by_rfc_5424(void **state UNUSED)
{
	static const struct {
		enum log_level level;
		int pri;
	} rows[] = { { LOG_ERROR, 27 }, { LOG_WARN, 28 }, { LOG_INFO, 30 }, { LOG_DEBUG, 31 } };
	char got[LINE], want[1024], host[256] = "";
	int fd = listen_there();

	gethostname(host, sizeof(host) - 1);
	log_setup(LOG_LOGFMT, LOG_DEBUG);
	log_send_to(LOG_TO_SYSLOG, socket_path);
	assert_int_equal(log_start(), 0);
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		log_event(
			rows[i].level, "an.event.with.a.name.over.thirty.two", LS("a", "b\nc"));
		size_t n = receive(fd, got);
		assert_null(memchr(got, '\n', n)); /* one line, without a newline at its end */
		int pri = 0, at = 0;
		assert_int_equal(sscanf(got, "<%d>1 %n", &pri, &at), 1);
		assert_int_equal(pri, rows[i].pri);
		assert_int_equal(got[at + 26], 'Z'); /* 2026-11-23T00:58:52.234566Z */
		int64_t when;
		assert_int_equal(clock_parse(got + at, 27, &when), 0);
		snprintf(want, sizeof(want),
			" %s tollgate %ld an.event.with.a.name.over.thirty - time=", host,
			(long)getpid());
		assert_memory_equal(got + at + 27, want, strlen(want));
		assert_non_null(strstr(got, " a=\"b\\nc\""));
	}
	log_stop(1000000);
	close(fd);
}

/* Returns the length of a field's value, or 0 if the field is missing. */
static size_t
journal_value(const char *got, size_t n, const char *name, char out[LINE])
{
	size_t i = 0, len = strlen(name);

	out[0] = '\0';
	while (i < n) {
		const char *end = memchr(got + i, '\n', n - i), *eq;
		assert_non_null(end);
		eq = memchr(got + i, '=', (size_t)(end - got) - i);
		size_t name_n = (size_t)((eq ? eq : end) - got) - i, at, size = 0;
		if (eq) {
			at = i + name_n + 1;
			size = (size_t)(end - got) - at;
		} else {
			at = i + name_n + 1 + 8;
			for (int k = 7; k >= 0; k--)
				size = size << 8 |
				       (unsigned char)got[i + name_n + 1 + (size_t)k];
		}
		assert_true(at + size < n);
		assert_int_equal(got[at + size], '\n');
		if (name_n == len && !memcmp(got + i, name, len)) {
			memcpy(out, got + at, size);
			out[size] = '\0';
			return size;
		}
		i = at + size + 1;
	}
	return 0;
}

static void
journald_gets_each_field_separately(void **state UNUSED)
{
	static const struct {
		const char *name, *want;
	} rows[] = {
		{ "PRIORITY", "4" },
		{ "SYSLOG_IDENTIFIER", "tollgate" },
		{ "TOLLGATE_EVENT", "an.event" },
		{ "TOLLGATE_TEXT", "two\nlines\nPRIORITY=0" },
		{ "TOLLGATE_FOR_MS", "-7" },
		{ "TOLLGATE_SAYS", "a=b" },
	};
	char got[LINE], value[LINE];
	int fd = listen_there();

	log_setup(LOG_JSON, LOG_INFO);
	log_send_to(LOG_TO_JOURNALD, socket_path);
	assert_int_equal(log_start(), 0);
	log_event(LOG_WARN, "an.event", LS("text", rows[3].want), LI("for_ms", -7),
		LS("says", "a=b"));
	size_t n = receive(fd, got);
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		journal_value(got, n, rows[i].name, value);
		assert_string_equal(value, rows[i].want);
	}
	n = journal_value(got, n, "MESSAGE", value);
	json_t *j = json_loadb(value, n, 0, NULL);
	assert_non_null(j);
	assert_string_equal(json_string_value(json_object_get(j, "text")), rows[3].want);
	json_decref(j);
	log_stop(1000000);
	close(fd);
}

static void
without_the_socket_lines_are_written_to_stderr(void **state UNUSED)
{
	static const enum log_to rows[] = { LOG_TO_SYSLOG, LOG_TO_JOURNALD };
	char got[LINE];

	log_setup(LOG_LOGFMT, LOG_INFO);
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		uint64_t lost = log_dropped();
		unlink(socket_path);
		log_send_to(rows[i], socket_path);
		stderr_begin();
		assert_int_equal(log_start(), 0);
		log_event(LOG_INFO, "first");
		log_event(LOG_INFO, "second");
		log_stop(30000000);
		assert_int_equal(log_start(), 0);
		int fd = listen_there();
		log_event(LOG_INFO, "third");
		receive(fd, got);
		assert_non_null(strstr(got, "event=third"));
		log_stop(30000000);
		char *text = stderr_end();
		const char *said = strstr(text, "event=log.away"),
			   *one = strstr(text, "event=first"),
			   *two = strstr(text, "event=second\n");
		assert_true(said && one > said && two > one);
		assert_null(strstr(said + 1, "event=log.away"));
		assert_null(strstr(text, "third"));
		assert_non_null(strstr(text, socket_path));
		assert_null(strstr(text, "MESSAGE="));
		assert_null(strchr(text, '<'));
		assert_int_equal(log_dropped(), lost);
		free(text);
		close(fd);
	}
}

/* Last test, because the writer thread is left blocked. */
static void
syslog_that_never_reads_loses_lines_and_blocks_nothing(void **state UNUSED)
{
	uint64_t lost = log_dropped(), until = clock_mono_us() + PATIENT_MS * 1000ull;
	int fd = listen_there();

	log_setup(LOG_LOGFMT, LOG_INFO);
	log_send_to(LOG_TO_SYSLOG, socket_path);
	assert_int_equal(log_start(), 0);
	while (log_dropped() < lost + 1000) {
		assert_true(clock_mono_us() < until);
		log_event(LOG_INFO, "row", LS("and", "so on"));
	}
	log_stop(50000);
	close(fd);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(logfmt_is_unchanged),
		cmocka_unit_test(json_lines_are_valid_with_any_byte),
		cmocka_unit_test(syslog_gets_a_message_by_rfc_5424),
		cmocka_unit_test(journald_gets_each_field_separately),
		cmocka_unit_test(without_the_socket_lines_are_written_to_stderr),
		cmocka_unit_test(syslog_that_never_reads_loses_lines_and_blocks_nothing),
	};
	char *slash = strrchr(socket_path, '/');

	signal(SIGPIPE, SIG_IGN);
	*slash = '\0';
	if (!mkdtemp(socket_path))
		return 1;
	*slash = '/';
	int failed = cmocka_run_group_tests(tests, NULL, NULL);
	unlink(socket_path);
	*slash = '\0';
	rmdir(socket_path);
	return failed;
}
