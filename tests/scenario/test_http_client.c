/* The HTTP client against a real server: the responses that it accepts and refuses. The client
 * must keep its deadlines whatever the server does. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>

#include "support/http_rig.h"

#include "base/buf.h"
#include "base/caps.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/fetch/http_client.h"

static char dir[] = "/tmp/tollgate-http-XXXXXX";

static char big[300000]; /* set before a server runs */

static bool
on_request(void *arg, struct rig_conn *c, const struct rig_request *q)
{

	(void)arg;
	if (span_is(q->path, "/echo"))
		return http_rig_answer(
			c, 200, "ETag: \"a\"\r\nX-Two: 1\r\nX-Two: 2\r\n", q->body);
	if (span_is(q->path, "/head"))
		return http_rig_answer(c, 200, "", q->head);
	if (span_is(q->path, "/missing"))
		return http_rig_answer(c, 404, "", SPAN_LIT("no"));
	if (span_is(q->path, "/elsewhere"))
		return http_rig_answer(
			c, 302, "Location: http://127.0.0.1:1/\r\n", SPAN_LIT("there"));
	if (span_is(q->path, "/slow")) {
		http_rig_hang(c);
		return false;
	}
	if (span_is(q->path, "/drip")) {
		http_rig_send(c, "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n", 41);
		for (int i = 0; i < 1000 && http_rig_send(c, "x", 1); i++)
			usleep(20000);
		return false;
	}
	if (span_is(q->path, "/cut")) {
		http_rig_send(c, "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf", 42);
		return false;
	}
	if (span_is(q->path, "/huge"))
		return http_rig_answer(c, 200, "", span_of(big, sizeof(big)));
	if (span_is(q->path, "/endless")) {
		http_rig_send(c, "HTTP/1.1 200 OK\r\n\r\n", 19);
		while (http_rig_send(c, big, sizeof(big)))
			;
		return false;
	}
	if (span_is(q->path, "/fields")) {
		http_rig_send(c, "HTTP/1.1 200 OK\r\n", 17);
		for (int i = 0;
			i < 100 && http_rig_send(c, "X: ", 3) && http_rig_send(c, big, 2000);
			i++)
			http_rig_send(c, "\r\n", 2);
		http_rig_send(c, "\r\n", 2);
		return false;
	}
	http_rig_send(c, "220 ready for mail\r\n", 20); /* /garbage */
	return false;
}

/* ---- one call ---- */

struct seen {
	int n, err, status;
	char why[128];
	struct buf body, etag, two;
	struct ev_loop *loop;
};

static void
on_answer(void *arg, const struct http_answer *a)
{
	struct seen *s = arg;

	s->n++;
	s->err = a->err;
	s->status = a->status;
	snprintf(s->why, sizeof(s->why), "%s", a->why ? a->why : "");
	buf_span(&s->body, a->body);
	buf_span(&s->etag, http_answer_field(a, "etag"));
	buf_span(&s->two, http_answer_field(a, "x-two"));
	if (s->loop)
		ev_break(s->loop, EVBREAK_ALL);
}

static void
seen_clear(struct seen *s)
{
	buf_free(&s->body);
	buf_free(&s->etag);
	buf_free(&s->two);
}

struct stage {
	struct ev_loop *loop;
	struct http_client *c;
	struct http_rig *rig;
	char url[128];
};

static int
setup(void **state)
{
	static struct stage s;

	s.loop = ev_loop_new(0);
	s.c = http_client_new(s.loop, 4);
	s.rig = http_rig_start(on_request, NULL, NULL, NULL);
	*state = &s;
	return s.c ? 0 : -1;
}

static int
teardown(void **state)
{
	struct stage *s = *state;

	http_client_free(&s->c);
	ev_loop_destroy(s->loop);
	http_rig_stop(&s->rig);
	return 0;
}

static const char *
url(struct stage *s, const char *path)
{
	snprintf(s->url, sizeof(s->url), "http://127.0.0.1:%u%s", s->rig->port, path);
	return s->url;
}

static void
call(struct stage *s, struct http_call_options o, struct seen *seen)
{
	*seen = (struct seen){ .loop = s->loop };
	if (!o.deadline_us)
		o.deadline_us = 5000000;
	if (!o.answer_bytes)
		o.answer_bytes = 100000;
	assert_non_null(http_call(s->c, &o, on_answer, seen));
	assert_int_equal(seen->n, 0); /* the callback does not run inside the call */
	ev_run(s->loop, 0);
	assert_int_equal(seen->n, 1);
	assert_int_equal(http_client_busy(s->c), 0);
}

static void
post_and_its_response_arrive_whole(void **state)
{
	struct stage *s = *state;
	struct seen seen;

	call(s, (struct http_call_options){ .url = url(s, "/echo"), .body = SPAN_LIT("a\0b") },
		&seen);
	assert_int_equal(seen.err, 0);
	assert_int_equal(seen.status, 200);
	assert_true(span_eq(buf_view(&seen.body), SPAN_LIT("a\0b")));
	assert_true(span_is(buf_view(&seen.etag), "\"a\""));
	assert_true(span_is(buf_view(&seen.two), "2"));
	seen_clear(&seen);
}

static void
only_the_callers_fields_are_sent(void **state)
{
	struct stage *s = *state;
	const char *fields[] = { "If-None-Match: \"a\"", "Content-Type: application/json" };
	struct seen seen;

	setenv("http_proxy", "http://127.0.0.1:1", 1);
	setenv("ALL_PROXY", "http://127.0.0.1:1", 1);
	call(s,
		(struct http_call_options){
			.url = url(s, "/head"), .fields = fields, .nfields = 2 },
		&seen);
	unsetenv("http_proxy");
	unsetenv("ALL_PROXY");
	buf_putc(&seen.body, '\0');
	assert_int_equal(seen.err, 0);
	assert_non_null(strstr(seen.body.p, "GET /head HTTP/1.1\r\n"));
	assert_non_null(strstr(seen.body.p, "\r\nIf-None-Match: \"a\"\r\n"));
	assert_non_null(strstr(seen.body.p, "\r\nUser-Agent: tollgate/"));
	assert_null(strstr(seen.body.p, "Expect"));
	assert_null(strstr(seen.body.p, "Accept-Encoding"));
	assert_null(strstr(seen.body.p, "Authorization"));
	seen_clear(&seen);
}

static void
connections_are_reused(void **state)
{
	struct stage *s = *state;
	struct seen seen;

	for (int i = 0; i < 20; i++) {
		call(s, (struct http_call_options){ .url = url(s, "/echo") }, &seen);
		seen_clear(&seen);
	}
	assert_int_equal(atomic_load(&s->rig->requests), 20);
	assert_int_equal(atomic_load(&s->rig->conns), 1);
}

static void
error_status_is_a_response_and_redirect_is_not_followed(void **state)
{
	struct stage *s = *state;
	struct seen seen;

	call(s, (struct http_call_options){ .url = url(s, "/missing") }, &seen);
	assert_int_equal(seen.err, 0);
	assert_int_equal(seen.status, 404);
	seen_clear(&seen);
	call(s, (struct http_call_options){ .url = url(s, "/elsewhere") }, &seen);
	assert_int_equal(seen.err, 0);
	assert_int_equal(seen.status, 302);
	assert_true(span_is(buf_view(&seen.body), "there"));
	seen_clear(&seen);
}

static void
each_failure_has_its_error(void **state)
{
	static const struct {
		const char *name, *path;
		int err;
	} rows[] = {
		{ "a server that never answers", "/slow", ERR_TIMEOUT },
		{ "a server that sends a byte now and then", "/drip", ERR_TIMEOUT },
		{ "a response that is cut", "/cut", ERR_IO },
		{ "a body over the limit", "/huge", ERR_LIMIT },
		{ "a body without an end", "/endless", ERR_LIMIT },
		{ "a head without an end", "/fields", ERR_LIMIT },
		{ "a response that is not HTTP", "/garbage", ERR_SYNTAX },
	};
	struct stage *s = *state;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct seen seen;
		uint64_t began = clock_mono_us();
		call(s,
			(struct http_call_options){ .url = url(s, rows[i].path),
				.deadline_us = rows[i].err == ERR_TIMEOUT ? 150000 : 30000000 },
			&seen);
		uint64_t took = clock_mono_us() - began;
		if (seen.err != rows[i].err || !seen.why[0])
			fail_msg("%s: %d %s", rows[i].name, seen.err, seen.why);
		if (rows[i].err == ERR_TIMEOUT && took < 140000)
			fail_msg("%s: after %llu us", rows[i].name, (unsigned long long)took);
		assert_int_equal(seen.body.n, 0);
		seen_clear(&seen);
	}
}

static void
refused_connection_and_unknown_name_are_errors(void **state)
{
	struct stage *s = *state;
	struct seen seen;

	call(s, (struct http_call_options){ .url = "http://127.0.0.1:1/" }, &seen);
	assert_int_equal(seen.err, ERR_IO);
	seen_clear(&seen);
	call(s,
		(struct http_call_options){
			.url = "http://no-such-name.invalid/", .deadline_us = 1000000 },
		&seen);
	assert_true(seen.err == ERR_IO || seen.err == ERR_TIMEOUT);
	seen_clear(&seen);
	call(s, (struct http_call_options){ .url = "file:///etc/passwd" }, &seen);
	assert_int_equal(seen.err, ERR_SYNTAX);
	seen_clear(&seen);
}

static void
hanging_servers_never_block_the_loop(void **state)
{
	struct stage *s = *state;
	struct seen seen[20] = { 0 };
	struct http_call_options o = {
		.url = url(s, "/slow"), .deadline_us = 100000, .answer_bytes = 10
	};

	/* Before the loop runs, nothing blocks and no callback runs. */
	for (int i = 0; i < 20; i++)
		assert_non_null(http_call(s->c, &o, on_answer, &seen[i]));
	for (int i = 0; i < 20; i++)
		assert_int_equal(seen[i].n, 0);
	ev_run(s->loop, 0);
	for (int i = 0; i < 20; i++)
		assert_int_equal(seen[i].err, ERR_TIMEOUT);
}

static void
canceled_calls_and_a_freed_client_run_no_callback(void **state)
{
	struct stage *s = *state;
	struct seen seen[4] = { 0 };
	struct http_call_options o = { .url = url(s, "/echo"),
		.body = SPAN_LIT("x"),
		.deadline_us = 500000,
		.answer_bytes = 10 };
	struct http_call *c[4];

	for (int i = 0; i < 4; i++)
		c[i] = http_call(s->c, &o, on_answer, &seen[i]);
	http_call_cancel(&c[1]);
	assert_null(c[1]);
	http_call_cancel(&c[1]);
	seen[3].loop = s->loop;
	ev_run(s->loop, 0);
	while (http_client_busy(s->c))
		ev_run(s->loop, EVRUN_ONCE);
	assert_int_equal(seen[0].n, 1);
	assert_int_equal(seen[1].n, 0);
	assert_int_equal(seen[3].n, 1);
	o.url = url(s, "/slow");
	for (int i = 0; i < 4; i++)
		c[i] = http_call(s->c, &o, on_answer, &seen[i]);
	ev_run(s->loop, EVRUN_ONCE);
	http_client_free(&s->c);
	ev_run(s->loop, EVRUN_NOWAIT);
	assert_int_equal(seen[0].n, 1);
	for (int i = 0; i < 4; i++)
		seen_clear(&seen[i]);
}

struct chain {
	struct stage *s;
	struct http_call_options o;
	int left;
	struct http_call *other;
};

static void
next_of_chain(void *arg, const struct http_answer *a)
{
	struct chain *ch = arg;

	assert_int_equal(a->err, 0);
	http_call_cancel(&ch->other);
	if (--ch->left == 0) {
		ev_break(ch->s->loop, EVBREAK_ALL);
		return;
	}
	ch->other = http_call(ch->s->c, &ch->o, next_of_chain, ch);
	http_call_cancel(&ch->other);
	assert_non_null(http_call(ch->s->c, &ch->o, next_of_chain, ch));
}

static void
callback_may_start_and_cancel_calls(void **state)
{
	struct stage *s = *state;
	struct chain ch = { s, { .deadline_us = 5000000, .answer_bytes = 100 }, 10, NULL };

	ch.o.url = url(s, "/echo");
	assert_non_null(http_call(s->c, &ch.o, next_of_chain, &ch));
	ev_run(s->loop, 0);
	assert_int_equal(ch.left, 0);
	assert_int_equal(http_client_busy(s->c), 0);
}

static void
calls_over_the_limit_are_refused_at_once(void **state)
{
	struct stage *s = *state;
	struct http_call_options o = {
		.url = url(s, "/slow"), .deadline_us = 60000000, .answer_bytes = 10
	};
	struct seen ignored = { 0 }, seen = { .loop = s->loop };

	for (unsigned i = 0; i < CAP_HTTP_CALLS; i++)
		assert_non_null(http_call(s->c, &o, on_answer, &ignored));
	assert_non_null(http_call(s->c, &o, on_answer, &seen));
	ev_run(s->loop, 0);
	assert_int_equal(seen.err, ERR_LIMIT);
	/* On a busy machine the server closes some connections itself. */
	assert_int_not_equal(ignored.err, ERR_LIMIT);
}

static void
unix_socket_is_supported(void **state)
{
	struct stage *s = *state;
	struct seen seen;
	char path[64], where[128];

	snprintf(path, sizeof(path), "%s/s.sock", dir);
	struct http_rig *rig = http_rig_start(on_request, NULL, NULL, path);
	snprintf(where, sizeof(where), "unix:%s:/echo", path);
	call(s, (struct http_call_options){ .url = where, .body = SPAN_LIT("hello") }, &seen);
	assert_int_equal(seen.err, 0);
	assert_true(span_is(buf_view(&seen.body), "hello"));
	seen_clear(&seen);
	http_client_free(&s->c);
	http_rig_stop(&rig);
	unlink(path);
}

static void
certificate_must_verify_and_name_the_host(void **state)
{
	struct stage *s = *state;
	char good[64], other[64], https[64];
	struct seen seen;

	snprintf(good, sizeof(good), "%s/good.pem", dir);
	snprintf(other, sizeof(other), "%s/other.pem", dir);
	struct http_rig *rig =
		http_rig_start(on_request, NULL, http_rig_tls("127.0.0.1", good), NULL);
	SSL_CTX *wrong = http_rig_tls("example.com", other);
	struct http_rig *named = http_rig_start(on_request, NULL, wrong, NULL);
	snprintf(https, sizeof(https), "https://127.0.0.1:%u/echo", rig->port);
	struct http_call_options o = { .url = https, .body = SPAN_LIT("t"), .ca_file = good };

	call(s, o, &seen);
	assert_int_equal(seen.err, 0);
	assert_true(span_is(buf_view(&seen.body), "t"));
	seen_clear(&seen);
	http_client_free(&s->c);
	s->c = http_client_new(s->loop, 4);
	o.ca_file = NULL; /* not signed by a CA of the system */
	call(s, o, &seen);
	assert_int_equal(seen.err, ERR_AUTH);
	o.ca_file = other;
	call(s, o, &seen);
	assert_int_equal(seen.err, ERR_AUTH);
	o.ca_file = "/nonexistent.pem";
	call(s, o, &seen);
	assert_int_equal(seen.err, ERR_AUTH);
	snprintf(https, sizeof(https), "https://127.0.0.1:%u/echo", named->port);
	o.ca_file = other; /* a trusted certificate for another name */
	call(s, o, &seen);
	assert_int_equal(seen.err, ERR_AUTH);
	assert_int_equal(atomic_load(&named->requests), 0);
	snprintf(https, sizeof(https), "https://127.0.0.1:%u/echo", s->rig->port);
	o.deadline_us = 200000;
	/* plain HTTP to a TLS port, where the server waits for the rest of a head */
	call(s, o, &seen);
	assert_true(seen.err == ERR_IO || seen.err == ERR_TIMEOUT);
	assert_int_equal(atomic_load(&s->rig->requests), 0);
	http_client_free(&s->c);
	http_rig_stop(&rig);
	http_rig_stop(&named);
	unlink(good);
	unlink(other);
}

static void
invalid_urls_are_refused(void **state)
{
	static const struct {
		const char *url;
		bool ok;
	} rows[] = {
		{ "http://127.0.0.1:5002/analyze", true },
		{ "https://presidio.internal/analyze?x=1", true },
		{ "http://[::1]:80/", true },
		{ "unix:/run/p.sock:/analyze", true },
		{ "unix:run/p.sock:/analyze", false },
		{ "unix:/run/p.sock", false },
		{ "unix:/run/p.sock:analyze", false },
		{ "ftp://host/", false },
		{ "file:///etc/passwd", false },
		{ "host/analyze", false },
		{ "http://", false },
		{ "http://user:pw@host/", false },
		{ "http://user@host/", false },
		{ "http://host/#x", false },
		{ "http://ho st/", false },
		{ "http://host/\r\nX: y", false },
		{ "http://host:99999/", false },
		{ "", false },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if ((http_url_check(rows[i].url) == NULL) != rows[i].ok)
			fail_msg("%s: %s", rows[i].url, http_url_check(rows[i].url));
}

int
main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(post_and_its_response_arrive_whole),
		T(only_the_callers_fields_are_sent),
		T(connections_are_reused),
		T(error_status_is_a_response_and_redirect_is_not_followed),
		T(each_failure_has_its_error),
		T(refused_connection_and_unknown_name_are_errors),
		T(hanging_servers_never_block_the_loop),
		T(canceled_calls_and_a_freed_client_run_no_callback),
		T(callback_may_start_and_cancel_calls),
		T(calls_over_the_limit_are_refused_at_once),
		T(unix_socket_is_supported),
		T(certificate_must_verify_and_name_the_host),
		cmocka_unit_test(invalid_urls_are_refused),
	};
	if (!mkdtemp(dir))
		return 1;
	memset(big, 'y', sizeof(big));
	signal(SIGPIPE, SIG_IGN);
	int failed = cmocka_run_group_tests(tests, NULL, NULL);
	rmdir(dir);
	return failed;
}
