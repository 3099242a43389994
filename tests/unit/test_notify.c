/* Webhooks: the body and its signature, the frequency, and receivers that hang, refuse,
 * redirect, answer wrongly or are unavailable. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <jansson.h>
#include <sodium.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "base/attr.h"
#include "base/buf.h"
#include "base/caps.h"
#include "base/clock.h"
#include "base/codec/base64.h"
#include "base/log.h"
#include "base/notice.h"
#include "operator/telemetry/notify.h"
#include "operator/telemetry/webhook.h"
#include "support/http_rig.h"
#include "support/temp_dir.h"

enum { SEEN = 64, PATIENT_MS = 30000 };

/* A receiver: its response, and the requests that it received. */
static struct {
	_Atomic int mode; /* a status, or one of these */
	_Atomic unsigned n;
	char head[SEEN][2048], body[SEEN][CAP_NOTIFY_BODY + 1];
	pthread_mutex_t lock;
} got = { .lock = PTHREAD_MUTEX_INITIALIZER };
enum { HANGS = 1, HUGE_ANSWER, NOT_HTTP, AGAIN_LATER, IN_A_SECOND, IN_A_YEAR };

static bool
receive(void *arg UNUSED, struct rig_conn *c, const struct rig_request *q)
{
	int mode = atomic_load(&got.mode);

	pthread_mutex_lock(&got.lock);
	unsigned i = atomic_load(&got.n);
	if (i < SEEN) {
		snprintf(got.head[i], sizeof(got.head[i]), "%.*s", SPAN_ARG(q->head));
		snprintf(got.body[i], sizeof(got.body[i]), "%.*s", SPAN_ARG(q->body));
		atomic_store(&got.n, i + 1);
	}
	pthread_mutex_unlock(&got.lock);
	switch (mode) {
	case HANGS: http_rig_hang(c); return false;
	case NOT_HTTP: http_rig_send(c, "220 smtp\r\n", 10); return false;
	case HUGE_ANSWER: {
		static char much[CAP_NOTIFY_ANSWER + 1000];
		memset(much, 'x', sizeof(much));
		return http_rig_answer(c, 200, "", span_of(much, sizeof(much)));
	}
	case AGAIN_LATER: return http_rig_answer(c, 429, "Retry-After: 0\r\n", SPAN_LIT(""));
	case IN_A_SECOND: return http_rig_answer(c, 503, "Retry-After: 1\r\n", SPAN_LIT(""));
	case IN_A_YEAR:
		return http_rig_answer(c, 503, "Retry-After: 31536000\r\n", SPAN_LIT(""));
	case 302:
		return http_rig_answer(
			c, 302, "Location: http://127.0.0.1:1/else\r\n", SPAN_LIT(""));
	default: return http_rig_answer(c, mode, "", SPAN_LIT("ok"));
	}
}

static struct config cfg;
static struct metrics metrics;
static struct http_thread *out;
static struct notify *notify;
static struct http_rig *rig;
static char url[128];

static void
begin(int mode)
{
	struct buf why;

	memset(&metrics, 0, sizeof(metrics));
	memset(got.head, 0, sizeof(got.head));
	atomic_store(&got.n, 0);
	atomic_store(&got.mode, mode);
	notify_times = (struct notify_times){ .apart_us = 100000,
		.retry_us = 1000,
		.most_us = 20000,
		.give_up_us = 60000000,
		.deadline_us = 5000000 };
	if (!rig) {
		rig = http_rig_start(receive, NULL, NULL, NULL);
		snprintf(url, sizeof(url), "http://127.0.0.1:%u/hook/SECRET-IN-URL", rig->port);
	}
	cfg = (struct config){ .notify_url = url, .notify_events = 15, .node = "gw-1" };
	buf_init(&why, 1024);
	out = http_thread_new(NULL, NULL);
	assert_non_null(out);
}

static void
run(void)
{
	struct buf why;

	buf_init(&why, 1024);
	notify = notify_new(&cfg, out, &metrics, &why);
	if (!notify)
		fail_msg("%.*s", SPAN_ARG(buf_view(&why)));
	assert_int_equal(http_thread_start(out, "tg-outbound"), 0);
	buf_free(&why);
}

static void
end(void)
{
	http_thread_stop(out);
	notify_free(&notify);
	http_thread_free(&out);
	if (rig)
		http_rig_stop(&rig);
}

static uint64_t
counted(enum metric m)
{
	return atomic_load(&metrics.v[m]);
}

static void
wait_until(bool (*there)(uint64_t n), uint64_t n)
{
	for (int i = 0; i < PATIENT_MS && !there(n); i++)
		usleep(1000);
	assert_true(there(n));
	pthread_mutex_lock(&got.lock); /* waits until the previous request was read */
	pthread_mutex_unlock(&got.lock);
}
static bool
received(uint64_t n)
{
	return atomic_load(&got.n) >= n;
}
static bool
sent(uint64_t n)
{
	return counted(M_NOTIFY_SENT) >= n;
}
static bool
failed(uint64_t n)
{
	return counted(M_NOTIFY_FAILED) >= n;
}
static bool
retried(uint64_t n)
{
	return counted(M_NOTIFY_RETRIED) >= n;
}

static void
say(enum notice_kind kind, bool over, const char *name, const char *text)
{
	const struct notice_of of = {
		.kind = kind, .over = over, .what = "target_open", .name = span_str(name)
	};
	const struct log_field numbers[] = { LI("percent", 90), LS("why", "a \"b\"\n") };

	notice_send(&of, numbers, 2, "%s", text);
}

static json_t *
body(unsigned i)
{
	json_error_t e;
	json_t *j = json_loads(got.body[i], 0, &e);

	if (!j)
		fail_msg("%s: %s", e.text, got.body[i]);
	return j;
}

static const char *
text_of(const json_t *j, const char *name)
{
	const char *s = json_string_value(json_object_get(j, name));

	assert_non_null(s);
	return s;
}

/* ---- bodies ---- */

static void
notice_is_a_json_object_with_a_readable_line(void **state UNUSED)
{
	begin(200);
	run();
	say(NOTICE_BREAKER, false, "a/m1", "target a/m1 is out: failures in a row");
	wait_until(sent, 1);
	json_t *j = body(0);
	assert_string_equal(text_of(j, "type"), "tollgate.breaker");
	assert_string_equal(text_of(j, "kind"), "breaker");
	assert_string_equal(text_of(j, "what"), "target_open");
	assert_string_equal(text_of(j, "state"), "begin");
	assert_string_equal(text_of(j, "name"), "a/m1");
	assert_string_equal(text_of(j, "node"), "gw-1");
	assert_int_equal(strlen(text_of(j, "since")), 20);
	assert_string_equal(text_of(j, "text"),
		"tollgate gw-1: target a/m1 is out: failures in a row");
	const json_t *numbers = json_object_get(j, "numbers");
	assert_int_equal(json_integer_value(json_object_get(numbers, "percent")), 90);
	assert_string_equal(text_of(numbers, "why"), "a \"b\"\n");
	assert_int_equal(json_integer_value(json_object_get(j, "suppressed")), 0);
	assert_non_null(strstr(got.head[0], "POST /hook/SECRET-IN-URL "));
	assert_non_null(strstr(got.head[0], "Content-Type: application/json\r\n"));
	assert_non_null(strstr(got.head[0], "webhook-id: msg_"));
	assert_null(strstr(got.head[0], "webhook-signature"));
	json_decref(j);
	say(NOTICE_BREAKER, true, "a/m1", "target a/m1 serves again");
	wait_until(sent, 2);
	j = body(1);
	assert_string_equal(text_of(j, "state"), "end");
	assert_string_equal(
		text_of(j, "text"), "tollgate gw-1: over: target a/m1 serves again");
	json_decref(j);
	end();
}

static const char *
field(unsigned i, const char *name, char value[512])
{
	const char *at = strstr(got.head[i], name);

	assert_non_null(at);
	at += strlen(name) + 2;
	snprintf(value, 512, "%.*s", (int)strcspn(at, "\r"), at);
	return value;
}

/* As the receiver's library computes it: HMAC-SHA256 over ID.SECONDS.BODY. */
static void
notice_is_signed_by_standard_webhooks(void **state UNUSED)
{
	static const char keys[2][33] = { "0123456789abcdef0123456789abcdef",
		"fedcba9876543210fedcba9876543210" };
	struct buf secrets, want;
	char file[256], id[512], stamp[512], signature[512], before[1100];

	buf_init(&secrets, 0);
	for (int k = 0; k < 2; k++) {
		buf_str(&secrets, "whsec_");
		base64_put(&secrets, keys[k], 32);
		buf_putc(&secrets, '\n');
	}
	snprintf(file, sizeof(file), "%s", path("secret"));
	FILE *f = fopen(file, "w");
	fwrite(buf_view(&secrets).p, 1, secrets.n, f);
	fclose(f);
	chmod(file, 0600);
	begin(200);
	cfg.notify_secret_file = file;
	run();
	say(NOTICE_PIN, false, "s/tool", "tool s/tool says another text");
	wait_until(sent, 1);
	field(0, "webhook-id", id);
	field(0, "webhook-timestamp", stamp);
	int64_t now = clock_wall_ns() / 1000000000;
	assert_true(llabs(strtoll(stamp, NULL, 10) - now) < 300);
	snprintf(before, sizeof(before), "%s.%s.", id, stamp);
	buf_init(&want, 0);
	for (int k = 0; k < 2; k++) {
		crypto_auth_hmacsha256_state h;
		unsigned char mac[32];
		crypto_auth_hmacsha256_init(&h, (const unsigned char *)keys[k], 32);
		crypto_auth_hmacsha256_update(
			&h, (const unsigned char *)before, strlen(before));
		crypto_auth_hmacsha256_update(
			&h, (const unsigned char *)got.body[0], strlen(got.body[0]));
		crypto_auth_hmacsha256_final(&h, mac);
		buf_printf(&want, "%sv1,", k ? " " : "");
		base64_put(&want, mac, sizeof(mac));
	}
	buf_putc(&want, '\0');
	assert_string_equal(field(0, "webhook-signature", signature), buf_view(&want).p);
	assert_null(strstr(got.body[0], "whsec"));
	end();
	buf_free(&secrets);
	buf_free(&want);
}

/* The example of the specification's reference implementations. */
static void
signature_equals_the_published_example(void **state UNUSED)
{
	static const char secret[] = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw\n";
	char file[256], out_text[WEBHOOK_SIGNATURES];
	struct buf why;

	snprintf(file, sizeof(file), "%s", path("example"));
	FILE *f = fopen(file, "w");
	fputs(secret, f);
	fclose(f);
	chmod(file, 0600);
	buf_init(&why, 1024);
	assert_int_equal(webhook_sign(file, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330,
				 SPAN_LIT("{\"test\": 2432232314}"), out_text, &why),
		0);
	assert_string_equal(out_text, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
	buf_free(&why);
}

static void
unusable_secret_is_refused_at_the_start(void **state UNUSED)
{
#define W "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw\n"
	static const struct {
		const char *name, *text;
		unsigned mode;
		const char *want;
	} rows[] = {
		{ "no prefix", "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw\n", 0600, "whsec_" },
		{ "too short", "whsec_MfKQ9r8G\n", 0600, "24 to 64" },
		{ "no base64", "whsec_????????????????????????????????\n", 0600, "base64" },
		{ "empty", "\n", 0600, "no secret" },
		{ "five of them", W W W W W, 0600, "line 5: the file has more than 4" },
		{ "others may read it", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw\n", 0644, "" },
		{ "not there", NULL, 0, "" },
	};

	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		char file[256];
		struct buf why;
		snprintf(file, sizeof(file), "%s-%zu", path("bad"), i);
		if (rows[i].text) {
			FILE *f = fopen(file, "w");
			fputs(rows[i].text, f);
			fclose(f);
			chmod(file, rows[i].mode);
		}
		begin(200);
		cfg.notify_secret_file = file;
		buf_init(&why, 1024);
		notify = notify_new(&cfg, out, &metrics, &why);
		if (notify)
			fail_msg("%s: is taken", rows[i].name);
		buf_putc(&why, '\0');
		assert_non_null(strstr(buf_view(&why).p, rows[i].want));
		assert_non_null(strstr(buf_view(&why).p, file));
		assert_null(strstr(buf_view(&why).p, "MfKQ"));
		buf_free(&why);
		end();
	}
}

static void
callers_text_cannot_contain_markup_mentions_or_links(void **state UNUSED)
{
	static const struct {
		const char *in, *want;
	} rows[] = {
		{ "tool a/b_c-d.e: 90 %, (x) \"y\"", "tool a/b_c-d.e: 90 %, (x) \"y\"" },
		{ "<!channel> @here", "??channel? ?here" },
		{ "[a](http://evil.example)", "?a?(http:/?evil.example)" },
		{ "`*~|#&\\", "???????" },
		{ "Zo\xc3\xab", "Zo\xc3\xab" },
		{ "\xe2\x80\xae"
		  "abc\x1b[31m\n\x7f",
			"?abc??31m??" },
		{ "\xd7\x90\xd8\xa7\xcd\x8f",
			"???" }, /* characters that are read from right to left, or joined */
		{ "\xff\xc3", "??" },
	};

	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		char text[128];
		snprintf(text, sizeof(text), "%s", rows[i].in);
		webhook_plain(text);
		assert_string_equal(text, rows[i].want);
	}
	begin(200);
	run();
	say(NOTICE_PIN, false, "\xff<b>\xe2\x80\xae", "tool <!here> \xff");
	wait_until(sent, 1);
	json_t *j = body(0);
	assert_string_equal(text_of(j, "text"), "tollgate gw-1: tool ??here? ?");
	assert_string_equal(text_of(j, "name"), "\xef\xbf\xbd<b>\xe2\x80\xae");
	json_decref(j);
	end();
}

/* ---- frequency ---- */

static void
notices_of_a_kind_are_sent_one_at_a_time(void **state UNUSED)
{
	char line[64];

	begin(200);
	notify_times.apart_us = 600000;
	run();
	say(NOTICE_BUDGET, false, "first", "first");
	wait_until(sent, 1);
	uint64_t began = clock_mono_us();
	for (int i = 0; i < 20; i++) {
		snprintf(line, sizeof(line), "line %d", i);
		say(NOTICE_BUDGET, false, "l", line);
	}
	say(NOTICE_BREAKER, false, "t", "of another kind"); /* does not wait for another kind */
	wait_until(sent, 3);
	assert_true(clock_mono_us() - began >= 300000);
	unsigned at = strstr(got.body[1], "another kind") ? 2 : 1;
	assert_int_equal(at, 2);
	json_t *j = body(2);
	assert_int_equal(json_integer_value(json_object_get(j, "suppressed")), 19);
	assert_string_equal(text_of(j, "text"),
		"tollgate gw-1: line 19 (and 19 more since the last message)");
	const json_t *also = json_object_get(j, "also");
	assert_int_equal(json_array_size(also), WEBHOOK_ALSO);
	assert_string_equal(json_string_value(json_array_get(also, WEBHOOK_ALSO - 1)), "line 18");
	assert_int_equal(counted(M_NOTIFY_SUPPRESSED), 19);
	json_decref(j);
	assert_int_equal(atomic_load(&got.n), 3);
	end();
}

static void
only_configured_events_and_tests_are_sent(void **state UNUSED)
{
	begin(200);
	cfg.notify_events = 1u << NOTICE_DEGRADED;
	run();
	assert_false(notice_wanted(NOTICE_BUDGET));
	say(NOTICE_BUDGET, false, "b", "b");
	say(NOTICE_DEGRADED, false, "redis", "redis is away");
	notify_test("root");
	wait_until(sent, 2);
	assert_int_equal(atomic_load(&got.n), 2);
	end();
	assert_false(notice_wanted(NOTICE_DEGRADED)); /* and no more notices are accepted */
	say(NOTICE_DEGRADED, false, "redis", "lost");
}

/* Text of callers is also escaped in notices that were added to another one. */
static void
text_in_a_combined_notice_is_escaped(void **state UNUSED)
{
	begin(200);
	notify_times.apart_us = 300000;
	run();
	say(NOTICE_PIN, false, "a", "first");
	wait_until(sent, 1);
	say(NOTICE_PIN, false, "b", "<!channel> second");
	say(NOTICE_PIN, false, "c", "third");
	wait_until(sent, 2);
	json_t *j = body(1);
	assert_string_equal(json_string_value(json_array_get(json_object_get(j, "also"), 0)),
		"??channel? second");
	json_decref(j);
	end();
}

/* An operator waits for the test; other notices of a kind wait for their minute. */
static void
test_notice_is_sent_at_once(void **state UNUSED)
{
	begin(200);
	notify_times.apart_us = 3600000000;
	run();
	notify_test("root");
	wait_until(sent, 1);
	for (int i = 0; i < 1000 && notify_testing(notify); i++)
		usleep(1000);
	notify_test("root");
	wait_until(sent, 2);
	end();
}

/* The configured kinds and the host; the rest of the URL may be a secret. */
static void
status_shows_no_secret_and_only_configured_kinds(void **state UNUSED)
{
	static const struct {
		const char *url, *want;
	} rows[] = {
		{ "https://chat.example/hook/SECRET", "{\"to\":\"chat.example\"," },
		{ "https://chat.example:8443?token=SECRET", "{\"to\":\"chat.example:8443\"," },
		{ "unix:/run/hook.sock:/SECRET", "{\"to\":\"unix:/run/hook.sock\"," },
	};

	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct buf b;
		begin(200);
		cfg.notify_url = rows[i].url;
		cfg.notify_events = 1u << NOTICE_PIN;
		run();
		buf_init(&b, 4096);
		notify_status(notify, &b);
		buf_putc(&b, '\0');
		if (!strstr(buf_view(&b).p, rows[i].want) || strstr(buf_view(&b).p, "SECRET"))
			fail_msg("%s", buf_view(&b).p);
		assert_non_null(strstr(buf_view(&b).p, "\"kind\":\"pin\""));
		assert_null(strstr(buf_view(&b).p, "\"kind\":\"budget\""));
		buf_free(&b);
		end();
	}
}

/* A limit that was exhausted again before its window ended is reported as renewed once, at the
 * later end. */
static void
budget_exhausted_twice_is_renewed_once(void **state UNUSED)
{
	begin(200);
	notify_times.apart_us = 1000;
	run();
	int64_t now = clock_wall_ns();
	for (int i = 0; i < 2; i++) {
		const struct notice_of of = { .kind = NOTICE_BUDGET,
			.what = "limit_spent",
			.name = span_str("team-day"),
			.until_ns = now + 300000000 + 400000000 * i };
		notice_send(&of, NULL, 0, "limit team-day is spent");
		wait_until(sent, (uint64_t)i + 1);
	}
	wait_until(sent, 3);
	assert_true(clock_wall_ns() - now >= 700000000);
	usleep(200000);
	assert_int_equal(atomic_load(&got.n), 3);
	/* With more names than are remembered, the last ones are dropped, and no other is
	 * lost. */
	char name[16];
	for (int i = 0; i < 65; i++) {
		snprintf(name, sizeof(name), "limit-%d", i);
		const struct notice_of of = { .kind = NOTICE_BUDGET,
			.what = "limit_spent",
			.name = span_str(name),
			.until_ns = clock_wall_ns() + 86400000000000 + i };
		notice_send(&of, NULL, 0, "limit %s is spent", name);
	}
	const struct notice_of soon = { .kind = NOTICE_BUDGET,
		.what = "limit_spent",
		.name = span_str("limit-0"),
		.until_ns = clock_wall_ns() };
	notice_send(&soon, NULL, 0, "limit limit-0 is spent");
	usleep(500000);
	for (unsigned i = 3; i < atomic_load(&got.n); i++)
		assert_null(strstr(got.body[i], "limit_renewed"));
	end();
}

static void
waiting_notices_are_counted_at_stop(void **state UNUSED)
{
	begin(200);
	notify_times.apart_us = 3600000000;
	run();
	say(NOTICE_PIN, false, "a", "first");
	wait_until(sent, 1);
	say(NOTICE_PIN, false, "b", "second");
	http_thread_stop(out);
	notify_free(&notify);
	assert_int_equal(counted(M_NOTIFY_FAILED), 1);
	end();
}

static void
renewal_of_a_budget_is_reported_at_the_end_of_its_window(void **state UNUSED)
{
	begin(200);
	run();
	const struct notice_of of = { .kind = NOTICE_BUDGET,
		.what = "limit_spent",
		.name = span_str("team-day"),
		.until_ns = clock_wall_ns() + 300000000 };
	notice_send(&of, NULL, 0, "limit team-day is spent");
	wait_until(sent, 2);
	json_t *j = body(1);
	assert_string_equal(text_of(j, "what"), "limit_renewed");
	assert_string_equal(text_of(j, "state"), "end");
	assert_string_equal(text_of(j, "name"), "team-day");
	json_decref(j);
	end();
}

/* ---- failing receivers ---- */

static void
failing_receiver_is_retried(void **state UNUSED)
{
	static const int rows[] = { 500, 503, 408, AGAIN_LATER, NOT_HTTP };

	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		begin(rows[i]);
		run();
		say(NOTICE_DEGRADED, false, "redis", "redis is away");
		wait_until(retried, 3);
		assert_int_equal(counted(M_NOTIFY_SENT), 0);
		char first[512], later[512];
		assert_string_equal(
			field(0, "webhook-id", first), field(2, "webhook-id", later));
		struct buf b;
		buf_init(&b, 4096);
		notify_status(notify, &b);
		buf_putc(&b, '\0');
		assert_non_null(strstr(buf_view(&b).p, "\"why\":"));
		assert_null(strstr(buf_view(&b).p, "SECRET-IN-URL"));
		buf_free(&b);
		atomic_store(&got.mode, 204);
		wait_until(sent, 1);
		assert_int_equal(counted(M_NOTIFY_FAILED), 0);
		end();
	}
}

/* Waits as long as the receiver asks, up to ten minutes. */
static void
retry_after_of_a_receiver_is_obeyed_up_to_a_limit(void **state UNUSED)
{
	begin(IN_A_SECOND);
	run();
	uint64_t began = clock_mono_us();
	say(NOTICE_DEGRADED, false, "redis", "redis is away");
	wait_until(received, 2);
	assert_true(clock_mono_us() - began >= 1000000);
	end();
	begin(IN_A_YEAR);
	notify_times.give_up_us = 3600000000;
	run();
	say(NOTICE_DEGRADED, false, "redis", "redis is away");
	wait_until(retried, 1);
	assert_int_equal(counted(M_NOTIFY_FAILED), 0);
	end();
}

static void
refusal_or_redirect_is_not_retried(void **state UNUSED)
{
	static const int rows[] = { 400, 404, 410, 302, HUGE_ANSWER };

	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		begin(rows[i]);
		run();
		say(NOTICE_PIN, false, "a", "first line");
		wait_until(failed, 1);
		assert_int_equal(atomic_load(&got.n), 1);
		assert_int_equal(counted(M_NOTIFY_RETRIED), 0);
		/* the next notice reports the loss */
		atomic_store(&got.mode, 200);
		say(NOTICE_PIN, false, "b", "second line");
		wait_until(sent, 1);
		json_t *j = body(1);
		assert_int_equal(json_integer_value(json_object_get(j, "suppressed")), 1);
		assert_string_equal(
			json_string_value(json_array_get(json_object_get(j, "also"), 0)),
			"first line");
		json_decref(j);
		end();
	}
}

static void
hanging_receiver_delays_no_other_kind(void **state UNUSED)
{
	begin(HANGS);
	notify_times.deadline_us = 100000;
	notify_times.give_up_us = 1500000; /* the machine may pause meanwhile */
	run();
	say(NOTICE_DEGRADED, false, "redis", "redis is away");
	wait_until(received, 1);
	atomic_store(&got.mode, 200);
	say(NOTICE_BREAKER, false, "t", "target t is out");
	wait_until(sent, 1);
	wait_until(sent, 2); /* and the first one, at its next attempt */
	atomic_store(&got.mode, HANGS);
	say(NOTICE_DEGRADED, true, "redis", "redis is well again");
	wait_until(failed, 1);
	end();
}

static void
unavailable_receiver_only_fills_the_limited_queue(void **state UNUSED)
{
	begin(200);
	cfg.notify_url = "http://127.0.0.1:9/";
	run();
	for (int i = 0; i < 10000; i++)
		say(NOTICE_BUDGET, false, "l", "line");
	wait_until(retried, 2);
	assert_int_equal(counted(M_NOTIFY_SENT), 0);
	http_thread_stop(out); /* nothing removes them any more */
	uint64_t before = notice_dropped();
	for (int i = 0; i < CAP_NOTICES + 100; i++)
		say(NOTICE_BUDGET, false, "l", "line");
	assert_int_equal(notice_dropped() - before, 100);
	end();
	assert_true(counted(M_NOTIFY_FAILED) > 0); /* unsent notices are counted */
}

static void
receiver_with_an_invalid_certificate_gets_nothing(void **state UNUSED)
{
	char ca[256], other[256];

	snprintf(ca, sizeof(ca), "%s", path("ca"));
	snprintf(other, sizeof(other), "%s", path("other"));
	SSL_CTX *unused = http_rig_tls("127.0.0.1", other);
	SSL_CTX_free(unused);
	for (int row = 0; row < 2; row++) {
		rig = http_rig_start(receive, NULL, http_rig_tls("127.0.0.1", ca), NULL);
		snprintf(url, sizeof(url), "https://127.0.0.1:%u/hook", rig->port);
		begin(200);
		cfg.notify_ca = row ? ca : other;
		run();
		notify_test("root");
		if (row) {
			wait_until(sent, 1);
		} else {
			wait_until(retried, 1);
			assert_int_equal(atomic_load(&got.n), 0);
		}
		end();
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(notice_is_a_json_object_with_a_readable_line),
		cmocka_unit_test(notice_is_signed_by_standard_webhooks),
		cmocka_unit_test(signature_equals_the_published_example),
		cmocka_unit_test(unusable_secret_is_refused_at_the_start),
		cmocka_unit_test(callers_text_cannot_contain_markup_mentions_or_links),
		cmocka_unit_test(notices_of_a_kind_are_sent_one_at_a_time),
		cmocka_unit_test(only_configured_events_and_tests_are_sent),
		cmocka_unit_test(text_in_a_combined_notice_is_escaped),
		cmocka_unit_test(test_notice_is_sent_at_once),
		cmocka_unit_test(status_shows_no_secret_and_only_configured_kinds),
		cmocka_unit_test(budget_exhausted_twice_is_renewed_once),
		cmocka_unit_test(waiting_notices_are_counted_at_stop),
		cmocka_unit_test(renewal_of_a_budget_is_reported_at_the_end_of_its_window),
		cmocka_unit_test(failing_receiver_is_retried),
		cmocka_unit_test(retry_after_of_a_receiver_is_obeyed_up_to_a_limit),
		cmocka_unit_test(refusal_or_redirect_is_not_retried),
		cmocka_unit_test(hanging_receiver_delays_no_other_kind),
		cmocka_unit_test(unavailable_receiver_only_fills_the_limited_queue),
		cmocka_unit_test(receiver_with_an_invalid_certificate_gets_nothing),
	};

	signal(SIGPIPE, SIG_IGN);
	log_setup(LOG_LOGFMT, LOG_ERROR);
	return cmocka_run_group_tests(tests, temp_dir_make, temp_dir_remove);
}
