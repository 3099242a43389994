/* Places to which checkpoints are sent: files, URLs and syslog, and places that are unavailable
 * or refuse. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <arpa/inet.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "support/anchors_rig.h"

/* ---- files ---- */

static void
file_gets_each_note_appended(void **s)
{
	struct stat st;

	(void)s;
	add(ANCHOR_FILE, path("notes"));
	begin();
	wait_records(1);
	struct buf first = slurp(path("notes"));
	assert_true(span_eq(buf_view(&first), buf_view(&audit.note)));
	grow(9);
	wait_records(2);
	struct buf both = slurp(path("notes"));
	buf_span(&first, buf_view(&audit.note));
	assert_true(span_eq(buf_view(&first), buf_view(&both)));
	assert_int_equal(stat(path("notes"), &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	assert_recorded("{\"type\":\"anchor\",\"kind\":\"file\",\"place\":\"");
	assert_recorded(
		"\"result\":\"taken\",\"origin\":\"tollgate/gw-1\",\"size\":5,\"root\":\"");
	assert_recorded("\"size\":9,");
	assert_shown("\"state\":\"taken\",\"size\":9,\"taken\":\"20", "");
	buf_free(&first);
	buf_free(&both);
}

static void
checkpoint_is_sent_once(void **s)
{
	(void)s;
	add(ANCHOR_FILE, path("notes"));
	begin();
	wait_records(1);
	/* ten rounds; with fewer, an error would remain unnoticed, but the test would not fail
	 * wrongly */
	usleep(200000);
	assert_int_equal(audit.n, 1);
}

static void
rotated_file_is_created_again(void **s)
{
	(void)s;
	add(ANCHOR_FILE, path("notes"));
	begin();
	wait_records(1);
	assert_int_equal(rename(path("notes"), path("notes.1")), 0);
	grow(9);
	wait_records(2);
	struct buf b = slurp(path("notes"));
	assert_true(span_eq(buf_view(&b), buf_view(&audit.note)));
	buf_free(&b);
}

static void
pipe_or_link_is_refused(void **s)
{
	char cmd[300];

	(void)s;
	snprintf(cmd, sizeof(cmd), "mkfifo %s && ln -s /dev/null %s", path("pipe"),
		path("link"));
	assert_int_equal(system(cmd), 0);
	add(ANCHOR_FILE, path("pipe"));
	add(ANCHOR_FILE, path("link"));
	begin();
	wait_count(ANCHOR_FILE, ANCHOR_AWAY, 2);
	assert_int_equal(audit.n, 0);
	assert_shown("\"state\":\"away\",\"why\":\"", "anchor file ");
}

static void
partial_note_on_a_full_disk_is_removed(void **s)
{
	struct rlimit was, now;

	(void)s;
	add(ANCHOR_FILE, path("notes"));
	begin();
	wait_records(1);
	struct buf before = slurp(path("notes"));
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &was), 0);
	now = was;
	now.rlim_cur = before.n + 20;
	signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &now), 0);
	pthread_mutex_lock(&audit.lock);
	static const char later[] = "tollgate/gw-1\n6\n"
				    "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n\n"
				    "\xe2\x80\x94 x AAAAAAAA\n";
	buf_clear(&audit.note);
	buf_str(&audit.note, later);
	pthread_mutex_unlock(&audit.lock);
	wait_count(ANCHOR_FILE, ANCHOR_AWAY, 1);
	struct buf after = slurp(path("notes"));
	assert_true(span_eq(buf_view(&before), buf_view(&after)));
	assert_shown("\"state\":\"away\",\"size\":5", "No space left on device");
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &was), 0);
	wait_records(2);
	buf_free(&after);
	after = slurp(path("notes"));
	buf_str(&before, later);
	assert_true(span_eq(buf_view(&before), buf_view(&after)));
	buf_free(&before);
	buf_free(&after);
}

static void
unavailable_place_is_retried_and_delays_no_other(void **s)
{
	(void)s;
	add(ANCHOR_FILE, path("missing/notes"));
	add(ANCHOR_FILE, path("notes"));
	begin();
	for (uint64_t n = 1; n <= 5; n++) {
		grow(5 + n);
		wait_records((unsigned)n);
	}
	assert_true(count(ANCHOR_FILE, ANCHOR_AWAY) >= 1);
	assert_shown("\"state\":\"away\",\"why\":\"No such file or directory\"",
		"/missing/notes: away for ");
	assert_int_equal(mkdir(path("missing"), 0700), 0);
	wait_records(6); /* with the newest checkpoint, not with those that it missed */
	struct buf b = slurp(path("missing/notes"));
	assert_true(span_eq(buf_view(&b), buf_view(&audit.note)));
	buf_free(&b);
}

static void
nothing_is_sent_without_a_checkpoint(void **s)
{
	(void)s;
	buf_clear(&audit.note);
	add(ANCHOR_FILE, path("notes"));
	begin();
	assert_shown("\"state\":\"waiting\"", "");
	grow(7);
	wait_records(1);
	assert_recorded("\"size\":7,");
}

static void
attempt_without_a_durable_record_is_repeated(void **s)
{
	(void)s;
	audit.err = ERR_IO;
	add(ANCHOR_FILE, path("notes"));
	begin();
	wait_records(1);
	audit.err = 0;
	grow(8);
	wait_records(2);
	assert_recorded("\"size\":8,");
}

/* ---- URLs ---- */

static struct {
	_Atomic int status;
	const char *fields;
	struct span body;
	_Atomic bool hang;
	char path[128], head[2048], got[4096];
	_Atomic size_t n;
} web;

static bool
on_web(void *arg, struct rig_conn *c, const struct rig_request *q)
{
	(void)arg;
	snprintf(web.path, sizeof(web.path), "%.*s", SPAN_ARG(q->path));
	snprintf(web.head, sizeof(web.head), "%.*s", SPAN_ARG(q->head));
	web.n = q->body.n < sizeof(web.got) ? q->body.n : sizeof(web.got);
	memcpy(web.got, q->body.p, web.n);
	if (web.hang) {
		http_rig_hang(c);
		return false;
	}
	return http_rig_answer(c, web.status, web.fields ? web.fields : "", web.body);
}

static void
url_gets_the_note_as_text(void **s)
{
	(void)s;
	memset(&web, 0, sizeof(web));
	web.status = 204;
	serve(on_web, ANCHOR_URL, "/notes?token=hidden");
	begin();
	wait_records(1);
	assert_string_equal(web.path, "/notes?token=hidden");
	assert_non_null(
		strcasestr(web.head, "\r\nContent-Type: text/plain; charset=utf-8\r\n"));
	assert_true(span_eq(span_of(web.got, web.n), buf_view(&audit.note)));
	assert_recorded("\"answer\":\"204\"");
	assert_false(recorded("hidden"));
}

static void
refusal_of_a_url_is_recorded_once_and_logged(void **s)
{
	(void)s;
	memset(&web, 0, sizeof(web));
	web.status = 403;
	serve(on_web, ANCHOR_URL, "/");
	begin();
	wait_count(ANCHOR_URL, ANCHOR_REFUSED, 2);
	assert_int_equal(audit.n, 1);
	assert_recorded("\"result\":\"refused\"");
	assert_recorded("\"answer\":\"403\",\"why\":\"the place returned status 403\"");
	assert_shown("\"state\":\"refused\",\"why\":\"the place returned status 403\"",
		"/: refused for ");
	web.status = 200;
	grow(6);
	wait_count(ANCHOR_URL, ANCHOR_TAKEN, 1);
}

static void
failing_url_is_unavailable(void **s)
{
	(void)s;
	memset(&web, 0, sizeof(web));
	web.status = 503;
	serve(on_web, ANCHOR_URL, "/");
	begin();
	wait_count(ANCHOR_URL, ANCHOR_AWAY, 1);
	assert_int_equal(audit.n, 0);
}

/* A place that throttles does not refuse: the daemon repeats the request at the time that the
 * place states. */
static void
throttling_place_is_retried_at_its_stated_time(void **s)
{
	static const enum anchor_kind kinds[] = { ANCHOR_URL, ANCHOR_TSA };

	(void)s;
	memset(&web, 0, sizeof(web));
	web.status = 429;
	web.fields = "Retry-After: 3600\r\n";
	serve(on_web, kinds[0], "/");
	for (size_t i = 1; i < COUNT_OF(kinds); i++)
		add(kinds[i], places[0].place);
	begin();
	for (size_t i = 0; i < COUNT_OF(kinds); i++)
		wait_count(kinds[i], ANCHOR_AWAY, 1);
	assert_shown(
		"\"state\":\"away\",\"why\":\"the place asks to wait for 3600 s (status 429)\"",
		"/: away for ");
	usleep(1500000); /* without Retry-After, the first retry would follow after a second */
	for (size_t i = 0; i < COUNT_OF(kinds); i++) {
		assert_int_equal(count(kinds[i], ANCHOR_AWAY), 1);
		assert_int_equal(count(kinds[i], ANCHOR_REFUSED), 0);
	}
	assert_int_equal(audit.n, 0);
}

static void
stop_does_not_wait_for_a_hanging_place(void **s)
{
	(void)s;
	memset(&web, 0, sizeof(web));
	web.hang = true;
	serve(on_web, ANCHOR_URL, "/");
	begin();
	while (!web.n)
		usleep(1000);
	anchors_stop(&anchors);
	assert_null(anchors);
	assert_int_equal(audit.n, 0);
}

/* ---- syslog ---- */

static struct {
	int fd;
	SSL_CTX *tls;
	_Atomic bool resets, drips;
	pthread_t thread;
	pthread_mutex_t lock;
	struct buf got; /* bytes of one connection up to its end */
	_Atomic unsigned n;
} collector = { .lock = PTHREAD_MUTEX_INITIALIZER };

static void *
collect(void *arg)
{
	(void)arg;
	for (int fd; (fd = accept(collector.fd, NULL, NULL)) >= 0; close(fd)) {
		char chunk[4096];
		/* Sends a handshake record of 16 KB, one byte at a time. */
		if (collector.drips && send(fd, "\x16\x03\x03\x40\x00", 5, MSG_NOSIGNAL) == 5) {
			while (collector.drips && send(fd, "", 1, MSG_NOSIGNAL) == 1)
				usleep(10000);
			continue;
		}
		SSL *ssl = collector.tls ? SSL_new(collector.tls) : NULL;
		bool ok = !ssl || (SSL_set_fd(ssl, fd) && SSL_accept(ssl) == 1);
		if (collector.resets) {
			struct linger l0 = { 1, 0 };
			setsockopt(fd, SOL_SOCKET, SO_LINGER, &l0, sizeof(l0));
			continue;
		}
		pthread_mutex_lock(&collector.lock);
		buf_clear(&collector.got);
		for (ssize_t n; ok && (n = ssl ? SSL_read(ssl, chunk, sizeof(chunk))
					       : read(fd, chunk, sizeof(chunk))) > 0;)
			buf_put(&collector.got, chunk, (size_t)n);
		pthread_mutex_unlock(&collector.lock);
		if (ssl)
			SSL_shutdown(ssl);
		SSL_free(ssl);
		atomic_fetch_add(&collector.n, 1);
	}
	return NULL;
}

static void
collector_start(const char *scheme, SSL_CTX *tls)
{
	struct sockaddr_in in = { .sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t n = sizeof(in);
	char to[64];

	signal(SIGPIPE, SIG_IGN);
	collector.tls = tls;
	collector.n = 0;
	collector.resets = collector.drips = false;
	buf_init(&collector.got, 0);
	collector.fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(collector.fd, (void *)&in, sizeof(in)), 0);
	assert_int_equal(listen(collector.fd, 8), 0);
	assert_int_equal(getsockname(collector.fd, (void *)&in, &n), 0);
	snprintf(to, sizeof(to), "%s://127.0.0.1:%u", scheme, ntohs(in.sin_port));
	assert_int_equal(pthread_create(&collector.thread, NULL, collect, NULL), 0);
	add(ANCHOR_SYSLOG, to);
}

static void
collector_stop(void)
{
	anchors_stop(&anchors);
	shutdown(collector.fd, SHUT_RDWR);
	pthread_join(collector.thread, NULL);
	close(collector.fd);
	SSL_CTX_free(collector.tls);
	buf_free(&collector.got);
}

/* LENGTH <109>1 TIME NODE tollgate PID checkpoint - NOTE */
static void
assert_message(struct span m)
{
	struct span length = span_next(&m, ' '), whole = m;
	uint64_t n;

	assert_int_equal(span_u64(length, &n), 0);
	assert_int_equal(n, whole.n);
	assert_true(span_is(span_next(&m, ' '), "<109>1"));
	struct span when = span_next(&m, ' ');
	assert_int_equal(when.n, strlen("2026-11-22T15:00:00.123456Z"));
	assert_int_equal(when.p[19], '.');
	assert_int_equal(when.p[26], 'Z');
	assert_true(span_is(span_next(&m, ' '), "gw-1"));
	assert_true(span_is(span_next(&m, ' '), "tollgate"));
	assert_true(span_u64(span_next(&m, ' '), &n) == 0);
	assert_true(span_is(span_next(&m, ' '), "checkpoint"));
	assert_true(span_is(span_next(&m, ' '), "-"));
	assert_true(span_eq(m, buf_view(&audit.note)));
}

static void
syslog_over_tcp_uses_octet_counting(void **s)
{
	(void)s;
	collector_start("tcp", NULL);
	begin();
	wait_records(1);
	while (!collector.n)
		usleep(1000);
	assert_message(buf_view(&collector.got));
	assert_recorded("\"kind\":\"syslog\"");
	assert_recorded("\"answer\":null");
	collector_stop();
}

static void
syslog_over_tls_verifies_the_certificate(void **s)
{
	static char ca[192], other_ca[192];

	(void)s;
	snprintf(ca, sizeof(ca), "%s", path("syslog.pem"));
	snprintf(other_ca, sizeof(other_ca), "%s", path("other.pem"));
	SSL_CTX_free(http_rig_tls("127.0.0.1", other_ca));
	collector_start("tls", http_rig_tls("127.0.0.1", ca));
	places[0].tls_ca = ca;
	begin();
	wait_records(1);
	while (!collector.n)
		usleep(1000);
	assert_message(buf_view(&collector.got));
	anchors_stop(&anchors);
	places[0].tls_ca = other_ca;
	grow(6);
	begin();
	wait_count(ANCHOR_SYSLOG, ANCHOR_AWAY, 1);
	assert_shown("\"state\":\"away\"", "TLS: self-signed certificate");
	assert_int_equal(audit.n, 1);
	collector_stop();
	/* A certificate for another name. */
	cfg.nanchors = 0;
	collector_start("tls", http_rig_tls("logs.example", ca));
	places[0].tls_ca = ca;
	begin();
	wait_count(ANCHOR_SYSLOG, ANCHOR_AWAY, 2);
	assert_shown("\"state\":\"away\"", "TLS: IP address mismatch");
	collector_stop();
}

static void
dropped_connection_counts_as_not_sent(void **s)
{
	(void)s;
	collector_start("tcp", NULL);
	collector.resets = true;
	begin();
	wait_count(ANCHOR_SYSLOG, ANCHOR_AWAY, 1);
	assert_int_equal(count(ANCHOR_SYSLOG, ANCHOR_TAKEN), 0);
	collector_stop();
}

static void
slow_collector_is_left_in_time(void **s)
{
	static char ca[192];
	uint64_t was = anchor_syslog_us;

	(void)s;
	snprintf(ca, sizeof(ca), "%s", path("syslog.pem"));
	anchor_syslog_us = 200000;
	collector_start("tls", http_rig_tls("127.0.0.1", ca));
	collector.drips = true;
	places[0].tls_ca = ca;
	begin();
	wait_count(ANCHOR_SYSLOG, ANCHOR_AWAY, 1);
	assert_shown("\"state\":\"away\"", "TLS: Connection timed out");
	collector_stop();
	anchor_syslog_us = was;
}

/* Otherwise it would be shown as accepted as long as it hangs. */
static void
hanging_attempt_is_shown(void **s)
{
	static char ca[192];
	uint64_t was = anchor_syslog_us, hang = anchors_hang_us;
	bool shown = false;

	(void)s;
	snprintf(ca, sizeof(ca), "%s", path("syslog.pem"));
	collector_start("tls", http_rig_tls("127.0.0.1", ca));
	places[0].tls_ca = ca;
	begin();
	wait_records(1);
	assert_shown("\"state\":\"taken\"", "");
	anchors_hang_us = 20000;
	anchor_syslog_us = PATIENCE_S * 1000000ull;
	collector.drips = true;
	grow(9);
	for (uint64_t until = clock_mono_us() + anchor_syslog_us;
		!shown && clock_mono_us() < until; usleep(5000)) {
		struct buf b;
		buf_init(&b, 0);
		anchors_ready(anchors, &b);
		buf_putc(&b, '\0');
		shown = strstr(buf_view(&b).p, " s: no reply yet") != NULL;
		buf_free(&b);
	}
	assert_true(shown);
	assert_shown("\"state\":\"away\"", "no reply yet");
	collector.drips = false;
	wait_count(ANCHOR_SYSLOG, ANCHOR_AWAY, 1);
	collector_stop();
	anchors_hang_us = hang;
	anchor_syslog_us = was;
}

static void
syslog_over_a_unix_socket_is_a_datagram(void **s)
{
	struct sockaddr_un un = { .sun_family = AF_UNIX };
	char to[200], got[4096];
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	(void)s;
	snprintf(un.sun_path, sizeof(un.sun_path), "%s", path("log"));
	assert_int_equal(bind(fd, (void *)&un, sizeof(un)), 0);
	snprintf(to, sizeof(to), "unix:%s", path("log"));
	add(ANCHOR_SYSLOG, to);
	begin();
	wait_records(1);
	ssize_t n = recv(fd, got, sizeof(got), 0);
	assert_true(n > 0);
	char counted[4200];
	int all = snprintf(counted, sizeof(counted), "%zd %.*s", n, (int)n, got);
	assert_message(span_of(counted, (size_t)all));
	close(fd);
}

/* ---- start ---- */

static void
unusable_file_refuses_the_start(void **s)
{
	const struct anchors_audit from = { give_note, take_record, NULL };
	struct buf why;

	(void)s;
	buf_init(&why, 4096);
	put("junk.pem", "junk\n");
	add(ANCHOR_TSA, "http://127.0.0.1:1/");
	places[0].ca = path("junk.pem");
	assert_null(anchors_start(&cfg, &from, &metrics, &why));
	assert_non_null(strstr(buf_view(&why).p, "has no readable PEM certificate"));
	cfg.nanchors = 0;
	buf_clear(&why);
	add(ANCHOR_WITNESS, "http://127.0.0.1:1/");
	places[0].key = path("junk.pem");
	assert_null(anchors_start(&cfg, &from, &metrics, &why));
	assert_true(why.n > 0);
	buf_free(&why);
}

static void
lag_of_a_place_is_a_gauge(void **s)
{
	struct buf b;

	(void)s;
	buf_init(&b, 0);
	add(ANCHOR_FILE, path("notes"));
	begin();
	wait_records(1);
	anchors_metrics(anchors, &b);
	buf_putc(&b, '\0');
	assert_non_null(
		strstr(buf_view(&b).p, "tollgate_anchor_late_seconds{kind=\"file\",place=\""));
	assert_non_null(strstr(buf_view(&b).p, "/notes\"} 0\n"));
	buf_free(&b);
}

int
main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(file_gets_each_note_appended),
		T(checkpoint_is_sent_once),
		T(rotated_file_is_created_again),
		T(pipe_or_link_is_refused),
		T(partial_note_on_a_full_disk_is_removed),
		T(unavailable_place_is_retried_and_delays_no_other),
		T(nothing_is_sent_without_a_checkpoint),
		T(attempt_without_a_durable_record_is_repeated),
		T(url_gets_the_note_as_text),
		T(refusal_of_a_url_is_recorded_once_and_logged),
		T(failing_url_is_unavailable),
		T(throttling_place_is_retried_at_its_stated_time),
		T(stop_does_not_wait_for_a_hanging_place),
		T(syslog_over_tcp_uses_octet_counting),
		T(syslog_over_tls_verifies_the_certificate),
		T(dropped_connection_counts_as_not_sent),
		T(slow_collector_is_left_in_time),
		T(hanging_attempt_is_shown),
		T(syslog_over_a_unix_socket_is_a_datagram),
		T(unusable_file_refuses_the_start),
		T(lag_of_a_place_is_a_gauge),
	};

	log_setup(LOG_LOGFMT, LOG_ERROR);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
