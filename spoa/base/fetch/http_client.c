/* An HTTP client: libcurl's multi interface on libev (curl_multi_socket_action). libcurl reports
 * the sockets and the time that it waits for. Each call also has its own timer, so that its
 * deadline holds even while libcurl resolves a name or makes a handshake. Sent and received bytes
 * are zeroed, because they may be prompt text.
 *
 * A client can have a thread of its own, whose loop runs until `woken` permits the end. */
#include "base/fetch/http_client.h"

#include <curl/curl.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/queue.h>

#include "base/ascii.h"
#include "base/attr.h"
#include "base/buf.h"
#include "base/caps.h"
#include "base/err.h"
#include "base/pool.h"
#include "base/scoped.h"
#include "base/tag.h"
#include "base/timer.h"

struct http_socket {
	struct tag tag;
	struct http_client *c;
	ev_io io;
	LIST_ENTRY(http_socket) all;
};

struct http_client {
	struct tag tag;
	struct ev_loop *loop;
	CURLM *multi;
	ev_timer timer; /* libcurl's */
	LIST_HEAD(, http_socket) sockets;
	LIST_HEAD(, http_call) calls;
	size_t ncalls;
	bool closed; /* no further call may begin */
};

struct http_call {
	struct tag tag;
	struct http_client *c;
	CURL *easy;
	struct curl_slist *fields;
	http_cb *cb;
	void *arg;
	ev_timer deadline;
	/* an error that was known before the call was sent; the timer's callback reports it */
	int err;
	const char *why;
	size_t head_bytes;
	struct buf sent, got;
	struct span file; /* within `sent`, at file_at; borrowed */
	size_t file_at, given; /* given: bytes of the body that libcurl has */
	bool over; /* the response exceeded its limit */
	LIST_ENTRY(http_call) all;
};

/* ---- sockets and time ---- */

static void end_finished_calls(struct http_client *c);

static void
curl_act(struct http_client *c, curl_socket_t fd, int what)
{
	int running;

	curl_multi_socket_action(c->multi, fd, what, &running);
	end_finished_calls(c);
}

static void
on_socket(struct ev_loop *loop UNUSED, ev_io *w, int revents)
{
	struct http_socket *s = TAGGED(http_socket, w->data);
	int what = (revents & EV_READ ? CURL_CSELECT_IN : 0) |
		   (revents & EV_WRITE ? CURL_CSELECT_OUT : 0);

	curl_act(s->c, w->fd, what);
}

static void
on_http_timer(struct ev_loop *loop UNUSED, ev_timer *w, int revents UNUSED)
{
	curl_act(TAGGED(http_client, w->data), CURL_SOCKET_TIMEOUT, 0);
}

static void
socket_drop(struct http_socket *s)
{
	struct http_client *c = s->c;

	ev_io_stop(c->loop, &s->io);
	LIST_REMOVE(s, all);
	TAG_CLEAR(http_socket, s);
	free(s);
}

static struct http_socket *
socket_new(struct http_client *c, curl_socket_t fd)
{
	struct http_socket *s = calloc(1, sizeof(*s));

	if (!s)
		return NULL;
	TAG(http_socket, s);
	s->c = c;
	ev_io_init(&s->io, on_socket, fd, 0);
	s->io.data = s;
	LIST_INSERT_HEAD(&c->sockets, s, all);
	curl_multi_assign(c->multi, fd, s);
	return s;
}

/* CURLMOPT_SOCKETFUNCTION */
static int
want_socket(CURL *easy UNUSED, curl_socket_t fd, int what, void *arg, void *of_socket)
{
	struct http_client *c = TAGGED(http_client, arg);
	struct http_socket *s = of_socket;

	if (what == CURL_POLL_REMOVE) {
		if (s)
			socket_drop(s);
		return 0;
	}
	if (!s && !(s = socket_new(c, fd)))
		return -1;
	ev_io_stop(c->loop, &s->io);
	ev_io_set(&s->io, fd,
		(what & CURL_POLL_IN ? EV_READ : 0) | (what & CURL_POLL_OUT ? EV_WRITE : 0));
	ev_io_start(c->loop, &s->io);
	return 0;
}

/* CURLMOPT_TIMERFUNCTION */
static int
want_timer(CURLM *multi UNUSED, long ms, void *arg)
{
	struct http_client *c = TAGGED(http_client, arg);

	if (ms < 0)
		ev_timer_stop(c->loop, &c->timer);
	else
		timer_after(c->loop, &c->timer, (uint64_t)ms * 1000);
	return 0;
}

/* ---- a call's end ---- */

static void
call_free(struct http_call *call)
{
	struct http_client *c = call->c;

	INVARIANT(c->ncalls > 0);
	ev_timer_stop(c->loop, &call->deadline);
	if (call->easy) {
		curl_multi_remove_handle(c->multi, call->easy);
		curl_easy_cleanup(call->easy);
	}
	curl_slist_free_all(call->fields);
	LIST_REMOVE(call, all);
	c->ncalls--;
	buf_free(&call->sent);
	buf_free(&call->got);
	TAG_CLEAR(http_call, call);
	free(call);
}

static void
answer_http_call(struct http_call *call, int err, const char *why)
{
	struct http_answer a = { .err = err, .why = why };
	long status = 0;

	if (err == 0) {
		curl_easy_getinfo(call->easy, CURLINFO_RESPONSE_CODE, &status);
		a.status = (int)status;
		a.body = buf_view(&call->got);
		a.handle = call->easy;
	}
	http_cb *cb = call->cb;
	call->cb = NULL; /* makes http_call_cancel() harmless within the callback */
	ev_timer_stop(call->c->loop, &call->deadline);
	if (cb)
		cb(call->arg, &a);
	call_free(call);
}

static int
err_of(const struct http_call *call, CURLcode code)
{
	switch (code) {
	case CURLE_OK: return 0;
	case CURLE_OPERATION_TIMEDOUT: return ERR_TIMEOUT;
	case CURLE_OUT_OF_MEMORY: return ERR_NOMEM;
	case CURLE_FILESIZE_EXCEEDED: return ERR_LIMIT;
	case CURLE_WRITE_ERROR: return call->over ? ERR_LIMIT : ERR_NOMEM;
	case CURLE_PEER_FAILED_VERIFICATION:
	case CURLE_SSL_CERTPROBLEM:
	case CURLE_SSL_CACERT_BADFILE:
	case CURLE_SSL_ISSUER_ERROR:
	case CURLE_SSL_INVALIDCERTSTATUS: return ERR_AUTH;
	case CURLE_UNSUPPORTED_PROTOCOL:
	case CURLE_WEIRD_SERVER_REPLY:
	case CURLE_BAD_CONTENT_ENCODING: return ERR_SYNTAX;
	default: return ERR_IO;
	}
}

static void
end_finished_calls(struct http_client *c)
{
	CURLMsg *m;
	int left;

	while ((m = curl_multi_info_read(c->multi, &left))) {
		struct http_call *call = NULL;
		CURLcode code = m->data.result;

		if (m->msg != CURLMSG_DONE)
			continue;
		curl_easy_getinfo(m->easy_handle, CURLINFO_PRIVATE, (char **)&call);
		INVARIANT(TAGGED(http_call, call)->easy == m->easy_handle);
		answer_http_call(call, err_of(call, code),
			call->over ? "the response is too long" : curl_easy_strerror(code));
	}
}

static void
on_deadline(struct ev_loop *loop UNUSED, ev_timer *w, int revents UNUSED)
{
	struct http_call *call = TAGGED(http_call, w->data);

	if (call->err)
		answer_http_call(call, call->err, call->why);
	else
		answer_http_call(call, ERR_TIMEOUT, "no response within the deadline");
}

void
http_call_cancel(struct http_call **pp)
{
	struct http_call *call = *pp;

	*pp = NULL;
	if (call && call->cb)
		call_free(call);
}

/* ---- a call's beginning ---- */

/* CURLOPT_WRITEFUNCTION */
static size_t
take_body(char *p, size_t size, size_t n, void *arg)
{
	struct http_call *call = TAGGED(http_call, arg);

	INVARIANT(call->got.n <= call->got.cap);
	if (call->got.n + size * n > call->got.cap) {
		call->over = true;
		return 0;
	}
	buf_put(&call->got, p, size * n);
	return buf_failed(&call->got) ? 0 : size * n;
}

/* CURLOPT_HEADERFUNCTION: libcurl keeps the fields; this function limits their size. */
static size_t
take_head(char *p UNUSED, size_t size, size_t n, void *arg)
{
	struct http_call *call = TAGGED(http_call, arg);

	call->head_bytes += size * n;
	if (call->head_bytes > CAP_HTTP_HEAD) {
		call->over = true;
		return 0;
	}
	return size * n;
}

/* Sets the URL. "unix:/SOCKET:/PATH" becomes the socket and a URL for libcurl. */
static bool
set_url(CURL *easy, const char *url)
{
	struct span rest = span_str(url), path;
	bool ok;

	if (!span_starts(rest, SPAN_LIT("unix:")))
		return curl_easy_setopt(easy, CURLOPT_URL, url) == CURLE_OK;
	rest = span_cut(rest, 5, rest.n);
	path = span_next(&rest, ':');
	SCOPED_BUF(b, 0);
	buf_span(&b, path);
	buf_putc(&b, '\0');
	ok = !buf_failed(&b) &&
	     curl_easy_setopt(easy, CURLOPT_UNIX_SOCKET_PATH, b.p) == CURLE_OK;
	buf_clear(&b);
	buf_str(&b, "http://localhost");
	buf_span(&b, rest);
	buf_putc(&b, '\0');
	return ok && !buf_failed(&b) && curl_easy_setopt(easy, CURLOPT_URL, b.p) == CURLE_OK;
}

static bool
set_fields(struct http_call *call, const struct http_call_options *o)
{
	/* "Expect: 100-continue" is suppressed, because it costs a round trip. */
	static const char *const always[] = { "Expect:", "User-Agent: tollgate/" TG_VERSION };
	size_t n = COUNT_OF(always);

	for (size_t i = 0; i < n + o->nfields; i++) {
		struct curl_slist *l =
			curl_slist_append(call->fields, i < n ? always[i] : o->fields[i - n]);
		if (!l)
			return false;
		call->fields = l;
	}
	return curl_easy_setopt(call->easy, CURLOPT_HTTPHEADER, call->fields) == CURLE_OK;
}

/* CURLOPT_READFUNCTION */
static size_t
give_body(char *to, size_t size, size_t n, void *arg)
{
	struct http_call *call = TAGGED(http_call, arg);
	size_t file_end = call->file_at + call->file.n, room = size * n, at = call->given;
	struct span from = at < call->file_at ? span_cut(buf_view(&call->sent), at, call->file_at)
			   : at < file_end    ? span_cut(call->file, at - call->file_at, call->file.n)
					      : span_cut(buf_view(&call->sent), at - call->file.n,
							call->sent.n);

	from = span_cut(from, 0, room);
	if (from.n)
		memcpy(to, from.p, from.n);
	call->given += from.n;
	return from.n;
}

/* CURLOPT_SEEKFUNCTION: a call on a connection that was closed meanwhile begins again. */
static int
seek_body(void *arg, curl_off_t at, int origin)
{
	struct http_call *call = TAGGED(http_call, arg);

	if (origin != SEEK_SET || at < 0)
		return CURL_SEEKFUNC_CANTSEEK;
	call->given = (size_t)at;
	return CURL_SEEKFUNC_OK;
}

static bool
set_file(struct http_call *call, const struct http_call_options *o)
{
	CURL *e = call->easy;

	INVARIANT(o->file_at <= o->body.n);
	call->file = o->file;
	call->file_at = o->file_at;
	buf_span(&call->sent, o->body);
	return !buf_failed(&call->sent) && curl_easy_setopt(e, CURLOPT_POST, 1L) == CURLE_OK &&
	       curl_easy_setopt(e, CURLOPT_POSTFIELDSIZE_LARGE,
		       (curl_off_t)(o->body.n + o->file.n)) == CURLE_OK &&
	       curl_easy_setopt(e, CURLOPT_READFUNCTION, give_body) == CURLE_OK &&
	       curl_easy_setopt(e, CURLOPT_READDATA, call) == CURLE_OK &&
	       curl_easy_setopt(e, CURLOPT_SEEKFUNCTION, seek_body) == CURLE_OK &&
	       curl_easy_setopt(e, CURLOPT_SEEKDATA, call) == CURLE_OK;
}

static bool
set_body(struct http_call *call, const struct http_call_options *o)
{
	CURL *e = call->easy;
	struct span body = o->body;

	if (o->file.n)
		return set_file(call, o);
	if (!body.p)
		return true;
	buf_put(&call->sent, body.p, body.n);
	buf_putc(&call->sent, '\0');
	return !buf_failed(&call->sent) && curl_easy_setopt(e, CURLOPT_POST, 1L) == CURLE_OK &&
	       curl_easy_setopt(e, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)body.n) ==
		       CURLE_OK &&
	       curl_easy_setopt(e, CURLOPT_POSTFIELDS, call->sent.p) == CURLE_OK;
}

static bool
set_curl_options(struct http_call *call, const struct http_call_options *o)
{
	/* clang-format off */
	const struct { CURLoption option; long value; } longs[] = {
		{ CURLOPT_NOSIGNAL, 1 },       /* threads */
		{ CURLOPT_QUICK_EXIT, 1 },     /* never wait for a resolver's thread */
		{ CURLOPT_FOLLOWLOCATION, 0 },
		{ CURLOPT_SSL_VERIFYPEER, 1 },
		{ CURLOPT_SSL_VERIFYHOST, 2 },
		{ CURLOPT_SSLVERSION, CURL_SSLVERSION_TLSv1_2 },
		{ CURLOPT_HTTP_VERSION, CURL_HTTP_VERSION_1_1 },
		{ CURLOPT_TCP_KEEPALIVE, 1 },
		{ CURLOPT_TCP_NODELAY, 1 },
		/* Longer than the deadline, so that libcurl's own default never applies. */
		{ CURLOPT_CONNECTTIMEOUT_MS, (long)(o->deadline_us / 1000 + 1000) },
	};
	const struct { CURLoption option; const char *value; } strings[] = {
		{ CURLOPT_PROTOCOLS_STR, "http,https" },
		{ CURLOPT_PROXY, "" },
		{ CURLOPT_NOPROXY, "*" },
	};
	/* clang-format on */
	CURL *e = call->easy;
	bool ok = true;

	for (size_t i = 0; i < COUNT_OF(longs); i++)
		ok = ok && curl_easy_setopt(e, longs[i].option, longs[i].value) == CURLE_OK;
	for (size_t i = 0; i < COUNT_OF(strings); i++)
		ok = ok && curl_easy_setopt(e, strings[i].option, strings[i].value) == CURLE_OK;
	if (o->ca_file) /* without the system's directory of authorities */
		ok = ok && curl_easy_setopt(e, CURLOPT_CAINFO, o->ca_file) == CURLE_OK &&
		     curl_easy_setopt(e, CURLOPT_CAPATH, NULL) == CURLE_OK;
	return ok && set_url(e, o->url) && set_fields(call, o) && set_body(call, o) &&
	       curl_easy_setopt(e, CURLOPT_PRIVATE, call) == CURLE_OK &&
	       curl_easy_setopt(e, CURLOPT_WRITEFUNCTION, take_body) == CURLE_OK &&
	       curl_easy_setopt(e, CURLOPT_WRITEDATA, call) == CURLE_OK &&
	       curl_easy_setopt(e, CURLOPT_HEADERFUNCTION, take_head) == CURLE_OK &&
	       curl_easy_setopt(e, CURLOPT_HEADERDATA, call) == CURLE_OK;
}

static void
fail_soon(struct http_call *call, int err, const char *why)
{
	call->err = err;
	call->why = why;
	timer_after(call->c->loop, &call->deadline, 0);
}

struct http_call *
http_call(struct http_client *c, const struct http_call_options *o, http_cb *cb, void *arg)
{
	struct http_call *call = c->closed ? NULL : calloc(1, sizeof(*call));

	if (!call)
		return NULL;
	TAG(http_call, call);
	call->c = c;
	call->cb = cb;
	call->arg = arg;
	buf_init(&call->sent, 0);
	buf_init(&call->got, o->answer_bytes);
	ev_timer_init(&call->deadline, on_deadline, 0., 0.);
	call->deadline.data = call;
	LIST_INSERT_HEAD(&c->calls, call, all);
	c->ncalls++;
	if (c->ncalls > CAP_HTTP_CALLS) {
		fail_soon(call, ERR_LIMIT, "too many calls are in progress");
		return call;
	}
	call->easy = curl_easy_init();
	if (!call->easy || !set_curl_options(call, o)) {
		fail_soon(call, ERR_NOMEM, "out of memory");
		return call;
	}
	timer_after(c->loop, &call->deadline, o->deadline_us);
	if (curl_multi_add_handle(c->multi, call->easy) != CURLM_OK)
		fail_soon(call, ERR_NOMEM, "out of memory");
	return call;
}

struct span
http_answer_field(const struct http_answer *a, const char *name)
{
	struct curl_header *h;

	if (!a->handle ||
		curl_easy_header(a->handle, name, 0, CURLH_HEADER, -1, &h) != CURLHE_OK)
		return (struct span){ NULL, 0 };
	size_t n = h->amount;
	if (n > 1 &&
		curl_easy_header(a->handle, name, n - 1, CURLH_HEADER, -1, &h) != CURLHE_OK)
		return (struct span){ NULL, 0 };
	return span_str(h->value);
}

/* ---- life ---- */

static void
global_init(void)
{
	curl_global_init(CURL_GLOBAL_DEFAULT);
}

struct http_client *
http_client_new(struct ev_loop *loop, unsigned idle)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	struct http_client *c = calloc(1, sizeof(*c));

	if (!c)
		return NULL;
	pthread_once(&once, global_init);
	TAG(http_client, c);
	c->loop = loop;
	c->multi = curl_multi_init();
	if (!c->multi) {
		free(c);
		return NULL;
	}
	ev_timer_init(&c->timer, on_http_timer, 0., 0.);
	c->timer.data = c;
	curl_multi_setopt(c->multi, CURLMOPT_SOCKETFUNCTION, want_socket);
	curl_multi_setopt(c->multi, CURLMOPT_SOCKETDATA, c);
	curl_multi_setopt(c->multi, CURLMOPT_TIMERFUNCTION, want_timer);
	curl_multi_setopt(c->multi, CURLMOPT_TIMERDATA, c);
	curl_multi_setopt(c->multi, CURLMOPT_MAXCONNECTS, (long)(idle ? idle : 1));
	curl_multi_setopt(c->multi, CURLMOPT_PIPELINING, CURLPIPE_NOTHING);
	return c;
}

void
http_client_abort(struct http_client *c)
{
	c->closed = true;
	while (!LIST_EMPTY(&c->calls))
		answer_http_call(LIST_FIRST(&c->calls), ERR_CLOSED, "the daemon is stopping");
}

void
http_client_free(struct http_client **pp)
{
	struct http_client *c = *pp;

	if (!c)
		return;
	while (!LIST_EMPTY(&c->calls))
		call_free(LIST_FIRST(&c->calls));
	curl_multi_cleanup(c->multi);
	while (!LIST_EMPTY(&c->sockets))
		socket_drop(LIST_FIRST(&c->sockets));
	ev_timer_stop(c->loop, &c->timer);
	INVARIANT(c->ncalls == 0 && LIST_EMPTY(&c->sockets));
	TAG_CLEAR(http_client, c);
	free(c);
	*pp = NULL;
}

size_t
http_client_busy(const struct http_client *c)
{
	return c->ncalls;
}

int
http_call_alone(const struct http_call_options *o, http_cb *cb, void *arg)
{
	struct ev_loop *loop = ev_loop_new(EVFLAG_AUTO);
	struct http_client *http = loop ? http_client_new(loop, 1) : NULL;
	int err = http && http_call(http, o, cb, arg) ? 0 : ERR_NOMEM;

	while (!err && http_client_busy(http))
		ev_run(loop, EVRUN_ONCE);
	http_client_free(&http);
	if (loop)
		ev_loop_destroy(loop);
	return err;
}

/* ---- addresses ---- */

static const char *
unix_check(struct span rest)
{
	struct span path = span_next(&rest, ':');

	if (path.n < 2 || path.p[0] != '/')
		return "the socket's path must be absolute: unix:/SOCKET:/PATH";
	if (path.n > 107)
		return "the socket's path is over 107 bytes";
	if (rest.n == 0 || rest.p[0] != '/')
		return "the path of the request is missing: unix:/SOCKET:/PATH";
	return NULL;
}

static bool
has_part(CURLU *u, CURLUPart part)
{
	char *v = NULL;
	bool there = curl_url_get(u, part, &v, 0) == CURLUE_OK && v;

	curl_free(v);
	return there;
}

const char *
http_url_check(const char *url)
{
	struct span s = span_str(url);
	const char *why = NULL;

	if (span_past(s, 0, is_visible) < s.n)
		return "the URL contains a space or a control character";
	if (span_starts(s, SPAN_LIT("unix:")))
		return unix_check(span_cut(s, 5, s.n));
	if (!span_starts(s, SPAN_LIT("http://")) && !span_starts(s, SPAN_LIT("https://")))
		return "it must begin with http://, https:// or unix:/";
	CURLU *u = curl_url();
	if (!u)
		return "out of memory";
	if (curl_url_set(u, CURLUPART_URL, url, 0) != CURLUE_OK || !has_part(u, CURLUPART_HOST))
		why = "the value is not a URL";
	else if (has_part(u, CURLUPART_USER) || has_part(u, CURLUPART_PASSWORD))
		why = "the URL must not contain a user or password";
	else if (has_part(u, CURLUPART_FRAGMENT))
		why = "the URL must not contain a fragment";
	curl_url_cleanup(u);
	return why;
}

/* ---- a thread with a client ---- */

enum { THREAD_IDLE = 4 /* connections kept open */ };

static void
wake_http_thread(void *arg)
{
	http_thread_wake(TAGGED(http_thread, arg));
}

void
http_thread_wake(struct http_thread *t)
{
	ev_async_send(t->loop, &t->wake);
}

static void
on_http_wake(struct ev_loop *loop, ev_async *w, int revents UNUSED)
{
	struct http_thread *t = TAGGED(http_thread, w->data);
	bool stopping = atomic_load(&t->stopping);

	mailbox_drain(&t->mail, t->arg);
	if (stopping && !t->woken)
		http_client_abort(t->client);
	if ((!t->woken || t->woken(t->arg, stopping)) && stopping)
		ev_break(loop, EVBREAK_ALL);
}

static void *
http_thread_run(void *arg)
{
	struct http_thread *t = TAGGED(http_thread, arg);

	ev_run(t->loop, 0);
	return NULL;
}

struct http_thread *
http_thread_new(bool (*woken)(void *arg, bool stopping), void *arg)
{
	struct http_thread *t = calloc(1, sizeof(*t));

	if (!t)
		return NULL;
	TAG(http_thread, t);
	t->woken = woken;
	t->arg = arg ? arg : t;
	t->loop = ev_loop_new(0);
	t->client = t->loop ? http_client_new(t->loop, THREAD_IDLE) : NULL;
	if (!t->client) {
		http_thread_free(&t);
		return NULL;
	}
	ev_async_init(&t->wake, on_http_wake);
	t->wake.data = t;
	ev_async_start(t->loop, &t->wake);
	mailbox_init(&t->mail, wake_http_thread, t);
	return t;
}

int
http_thread_start(struct http_thread *t, const char *name)
{
	INVARIANT(!t->running && t->loop && t->client);
	t->running = thread_start(&t->thread, name, http_thread_run, t) == 0;
	return t->running ? 0 : ERR_NOMEM;
}

void
http_thread_stop(struct http_thread *t)
{
	if (!t || !t->running)
		return;
	atomic_store(&t->stopping, true);
	http_thread_wake(t);
	pthread_join(t->thread, NULL);
	t->running = false;
}

void
http_thread_free(struct http_thread **tp)
{
	struct http_thread *t = *tp;

	if (!t)
		return;
	http_thread_stop(t);
	http_client_free(&t->client);
	if (t->loop)
		ev_loop_destroy(t->loop);
	TAG_CLEAR(http_thread, t);
	free(t);
	*tp = NULL;
}
