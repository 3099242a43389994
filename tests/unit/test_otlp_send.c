/* Sending to a collector: queue, retries, pauses that the collector asks for, rejected items,
 * credentials, and a stop. With a collector and a clock of the test's own. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "base/attr.h"
#include "base/caps.h"
#include "base/err.h"
#include "base/log.h"
#include "operator/telemetry/otlp.h"
#include "record/audit/note.h"
#include "support/fake_clock.h"
#include "support/http_rig.h"
#include "support/temp_dir.h"

#define ID "01J9ZQ4T5N8E2B7C6D5F4G3H2A"

enum { TRACES, METRICS, SIGNALS, PATIENT_MS = 30000 };

/* The collector: its response for each signal, and what it received. */
static struct {
	pthread_mutex_t lock;
	_Atomic int status[SIGNALS];
	const char *fields, *said;
	_Atomic unsigned n[SIGNALS];
	char head[SIGNALS][4096]; /* the last request */
	size_t bytes[SIGNALS];
} got = { .lock = PTHREAD_MUTEX_INITIALIZER };

static bool
collect(void *arg UNUSED, struct rig_conn *c, const struct rig_request *q)
{
	int signal = span_is(q->path, "/v1/traces") ? TRACES : METRICS;
	int status = atomic_load(&got.status[signal]);

	pthread_mutex_lock(&got.lock);
	snprintf(got.head[signal], sizeof(got.head[signal]), "%.*s", SPAN_ARG(q->head));
	got.bytes[signal] = q->body.n;
	atomic_fetch_add(&got.n[signal], 1);
	pthread_mutex_unlock(&got.lock);
	return http_rig_answer(c, status, status == 200 ? "" : got.fields,
		span_str(status == 200 && signal == TRACES ? got.said : "{}"));
}

static struct config cfg;
static struct metrics metrics;
static struct http_thread *out;
static struct otlp *otlp;
static struct http_rig *rig;
static char url[64];
static struct audit_note note;

static void
text(void *arg UNUSED, struct buf *b)
{
	buf_str(b, "# HELP tollgate_g g\n# TYPE tollgate_g gauge\ntollgate_g 1\n");
}

static void
begin(int traces, int points)
{
	struct buf why;

	memset(&metrics, 0, sizeof(metrics));
	memset(&got.n, 0, sizeof(got.n));
	atomic_store(&got.status[TRACES], traces);
	atomic_store(&got.status[METRICS], points);
	got.fields = "";
	got.said = "{}";
	rig = http_rig_start(collect, NULL, NULL, NULL);
	snprintf(url, sizeof(url), "http://127.0.0.1:%u", rig->port);
	cfg.node = "gw-1";
	cfg.otlp.url = url;
	cfg.otlp.ratio = 1;
	if (!cfg.otlp.metrics_every_us)
		cfg.otlp.metrics_every_us = 3600000000;
	note = (struct audit_note){ .id = ID, .format = "openai", .endpoint = "chat" };
	buf_init(&why, 1024);
	out = http_thread_new(NULL, NULL);
	otlp = otlp_new(&cfg, out, &metrics, text, NULL, &why);
	if (!otlp)
		fail_msg("%.*s", SPAN_ARG(buf_view(&why)));
	buf_free(&why);
}

static void
run(void)
{
	assert_int_equal(http_thread_start(out, "tg-outbound"), 0);
}

static void
end(void)
{
	http_thread_stop(out);
	otlp_free(&otlp);
	http_thread_free(&out);
	http_rig_stop(&rig);
	cfg = (struct config){ .node = NULL };
}

/* Passes the record of a request, which becomes a span. */
static void
tell(size_t bytes)
{
	struct audit_entry e = { .note = &note, .seq = 7 };

	buf_init(&e.fields, 0);
	buf_str(&e.fields, "\"type\":\"decision\",\"decision\":\"permit\",\"x\":\"");
	while (e.fields.n + 1 < bytes)
		buf_putc(&e.fields, 'x');
	buf_putc(&e.fields, '"');
	otlp_told(otlp, &e);
	buf_free(&e.fields);
}

static uint64_t
counted(enum metric m)
{
	return atomic_load(&metrics.v[m]);
}

static void
until_sent(int signal, unsigned n)
{
	for (int i = 0; i < PATIENT_MS && atomic_load(&got.n[signal]) < n; i++)
		usleep(1000);
	assert_true(atomic_load(&got.n[signal]) >= n);
	pthread_mutex_lock(&got.lock);
	pthread_mutex_unlock(&got.lock);
}

static void
until_counted(enum metric m, uint64_t n)
{
	for (int i = 0; i < PATIENT_MS && counted(m) < n; i++)
		usleep(1000);
	assert_int_equal(counted(m), n);
}

/* ---- rows ---- */

/* No request waits for the collector: items that do not fit are dropped and counted, by number
 * and bytes. */
static void
queue_is_limited(void **state UNUSED)
{
	begin(200, 200);
	for (size_t i = 0; i < CAP_TELEMETRY_RECORDS + 3; i++)
		tell(0);
	assert_int_equal(counted(M_TELEMETRY_SPANS_FULL), 3);
	run();
	until_counted(M_TELEMETRY_SPANS_SENT, CAP_TELEMETRY_RECORDS);
	tell(0); /* there is room again */
	until_counted(M_TELEMETRY_SPANS_SENT, CAP_TELEMETRY_RECORDS + 1);
	end();
	begin(200, 200);
	for (size_t i = 0; i < 12; i++)
		tell(1 << 20);
	assert_int_equal(
		counted(M_TELEMETRY_SPANS_FULL), 12 - CAP_TELEMETRY_BYTES / (1 << 20) + 1);
	end();
}

/* Of an accepted batch, the collector may reject a part, but never more than the batch
 * contained. */
static void
rejected_items_are_counted(void **state UNUSED)
{
	static const struct {
		const char *said;
		uint64_t sent, rejected, unread;
	} rows[] = {
		{ "{}", 3, 0, 0 },
		{ "{\"partialSuccess\":{\"rejectedSpans\":\"2\"}}", 1, 2, 0 },
		{ "{\"partialSuccess\":{\"rejectedSpans\":\"99\"}}", 0, 3, 0 },
		{ "<html>", 0, 0, 3 },
	};

	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		begin(200, 200);
		got.said = rows[i].said;
		for (int k = 0; k < 3; k++)
			tell(0);
		run();
		otlp_flush(otlp, 20000000);
		assert_int_equal(counted(M_TELEMETRY_SPANS_SENT), rows[i].sent);
		assert_int_equal(counted(M_TELEMETRY_SPANS_REJECTED), rows[i].rejected);
		assert_int_equal(counted(M_TELEMETRY_SPANS_UNREAD), rows[i].unread);
		end();
	}
}

static void
refused_batch_is_not_sent_again(void **state UNUSED)
{
	begin(400, 200);
	tell(0);
	run();
	until_counted(M_TELEMETRY_SPANS_REFUSED, 1);
	otlp_flush(otlp, 20000000);
	assert_int_equal(atomic_load(&got.n[TRACES]), 1);
	end();
}

/* A batch is retried until five minutes after it was made. */
static void
batch_is_retried_for_five_minutes(void **state UNUSED)
{
	begin(503, 200);
	tell(0);
	run();
	until_sent(TRACES, 2);
	assert_int_equal(counted(M_TELEMETRY_SPANS_AWAY), 0);
	fake_pass_us(300000001);
	until_counted(M_TELEMETRY_SPANS_AWAY, 1);
	end();
}

/* During the pause, neither waiting batches nor newer metrics are sent. */
static void
retry_after_of_a_collector_is_obeyed(void **state UNUSED)
{
	cfg.otlp.metrics_every_us = 100000;
	begin(503, 503);
	got.fields = "Retry-After: 30\r\n";
	tell(0);
	run();
	until_sent(TRACES, 1);
	until_sent(METRICS, 1);
	/* without it, the next attempts would follow after 0.5 to 1 s, and then every 0.1 s */
	usleep(2500000);
	assert_int_equal(atomic_load(&got.n[TRACES]), 1);
	assert_int_equal(atomic_load(&got.n[METRICS]), 1);
	fake_pass_us(30000001);
	until_sent(METRICS, 2);
	end();
}

/* Credentials are read from the file, and again after it was replaced. */
static void
credentials_are_sent_with_each_batch(void **state UNUSED)
{
	struct timespec late[2] = { { .tv_sec = 4000000000 }, { .tv_sec = 4000000000 } };
	char file[256];

	snprintf(file, sizeof(file), "%s", path("headers"));
	put("headers", "authorization: Bearer first\n");
	assert_int_equal(chmod(file, 0600), 0);
	cfg.otlp.headers_file = file;
	begin(200, 200);
	tell(0);
	run();
	until_sent(TRACES, 1);
	assert_non_null(strstr(got.head[TRACES], "authorization: Bearer first\r\n"));
	assert_non_null(strstr(got.head[TRACES], "Content-Type: application/json\r\n"));
	put("headers", "authorization: Bearer second\n");
	assert_int_equal(utimensat(AT_FDCWD, file, late, 0), 0);
	tell(0);
	until_sent(TRACES, 2);
	assert_non_null(strstr(got.head[TRACES], "authorization: Bearer second\r\n"));
	end();
}

/* Before a stop ends the thread, queued items and the last metrics are sent. */
static void
stop_sends_queued_items(void **state UNUSED)
{
	begin(200, 200);
	for (int i = 0; i < 600; i++) /* more than one batch */
		tell(0);
	run();
	otlp_flush(otlp, UINT64_MAX / 2);
	assert_int_equal(counted(M_TELEMETRY_SPANS_SENT), 600);
	assert_int_equal(atomic_load(&got.n[TRACES]), 2);
	assert_int_equal(atomic_load(&got.n[METRICS]), 1);
	assert_int_equal(counted(M_TELEMETRY_POINTS_SENT), 1);
	end();
}

/* A request that the caller does not want traced is not sent. */
static void
unsampled_requests_are_not_sent(void **state UNUSED)
{
	static const char not_sampled[] =
		"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00";

	begin(200, 200);
	memcpy(note.trace, not_sampled, NOTE_TRACE);
	tell(0);
	run();
	otlp_flush(otlp, UINT64_MAX / 2);
	assert_int_equal(atomic_load(&got.n[TRACES]), 0);
	end();
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(queue_is_limited),
		cmocka_unit_test(rejected_items_are_counted),
		cmocka_unit_test(refused_batch_is_not_sent_again),
		cmocka_unit_test(batch_is_retried_for_five_minutes),
		cmocka_unit_test(retry_after_of_a_collector_is_obeyed),
		cmocka_unit_test(credentials_are_sent_with_each_batch),
		cmocka_unit_test(stop_sends_queued_items),
		cmocka_unit_test(unsampled_requests_are_not_sent),
	};

	signal(SIGPIPE, SIG_IGN);
	log_setup(LOG_LOGFMT, LOG_ERROR);
	return cmocka_run_group_tests(tests, temp_dir_make, temp_dir_remove);
}
