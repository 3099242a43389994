/* The connections of build/mockllm. HTTP/1.1 on one thread (libev, llhttp strict): keep-alive,
 * pipelining, bodies chunked or by length up to 64 MB, 100-continue. main.c has its ports.
 *
 * /_control (control.c): a piece is written, then the next one after its pause. The pieces of a
 * stream are its events; chunk_bytes cuts further. The part of a body that arrives after a
 * response `at_head` is read and discarded, also after the end and after a status of 101. POST
 * /_release ends all pauses of responses in progress, for tests that need a pause to last until
 * they have checked. */
#include <errno.h>
#include <ev.h>
#include <llhttp.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <sys/socket.h>
#include <unistd.h>

#include "mock.h"
#include "server.h"
#include "socket.h"

#define FIELDS_MAX 256
#define HELD_S	   3600 /* longer than any test */

struct piece {
	size_t end;	/* in wire */
	double pause_s; /* before it */
};

struct conn {
	LIST_ENTRY(conn) link;
	ev_io r, w;
	ev_timer t;
	int fd;
	uint64_t number; /* of this connection */
	llhttp_t parser;
	/* the request */
	struct buf text; /* target and fields; offsets below */
	size_t target_n;
	struct {
		size_t name, name_n, value, value_n;
	} f[FIELDS_MAX];
	size_t nf;
	bool in_value;
	struct buf body;
	struct buf early; /* the bytes that arrived behind the request */
	bool refused_large, headed, whole;
	bool ahead; /* its response does not wait for its end */
	/* the answer */
	uint64_t serial; /* 0: not recorded */
	struct buf wire;
	bool reset; /* instead of an end */
	bool stays; /* the connection stays open */
	struct piece *piece;
	size_t npieces, pieces_size, at, sent;
	bool answering, keep, cut, upgraded;
	struct mock_socket *socket; /* after a 101 of this program */
};

static struct ev_loop *loop;
static LIST_HEAD(, conn) conns = LIST_HEAD_INITIALIZER(conns);
static uint64_t serial, connections;
static struct mock_answer answer;
static llhttp_settings_t settings;
static char read_buf[256 << 10];

static void conn_write(struct conn *c);
static void conn_feed(struct conn *c, const char *p, size_t n);

static void
conn_free(struct conn *c, const char *how)
{
	if (c->serial && c->answering)
		mock_seen_end(c->serial, how);
	LIST_REMOVE(c, link);
	ev_io_stop(loop, &c->r);
	ev_io_stop(loop, &c->w);
	ev_timer_stop(loop, &c->t);
	close(c->fd);
	buf_free(&c->text);
	buf_free(&c->body);
	buf_free(&c->early);
	buf_free(&c->wire);
	mock_socket_free(c->socket);
	free(c->piece);
	free(c);
}

/* ---- reading ---- */

static int
on_begin(llhttp_t *p)
{
	struct conn *c = p->data;

	buf_clear(&c->text);
	buf_clear(&c->body);
	c->target_n = c->nf = 0;
	c->in_value = c->refused_large = c->headed = c->whole = c->ahead = false;
	return 0;
}

static int
on_url(llhttp_t *p, const char *at, size_t n)
{
	struct conn *c = p->data;

	buf_put(&c->text, at, n);
	c->target_n += n;
	return buf_failed(&c->text) ? HPE_USER : 0;
}

static int
on_field(llhttp_t *p, const char *at, size_t n)
{
	struct conn *c = p->data;

	if (c->in_value || c->nf == 0) {
		if (c->nf == FIELDS_MAX)
			return HPE_USER;
		c->f[c->nf].name = c->text.n;
		c->f[c->nf].name_n = c->f[c->nf].value_n = 0;
		c->nf++;
		c->in_value = false;
	}
	for (size_t i = 0; i < n; i++)
		buf_putc(&c->text, at[i] >= 'A' && at[i] <= 'Z' ? (char)(at[i] | 0x20) : at[i]);
	c->f[c->nf - 1].name_n += n;
	return buf_failed(&c->text) ? HPE_USER : 0;
}

static int
on_value(llhttp_t *p, const char *at, size_t n)
{
	struct conn *c = p->data;

	if (c->nf == 0)
		return HPE_USER;
	if (!c->in_value) {
		c->f[c->nf - 1].value = c->text.n;
		c->in_value = true;
	}
	buf_put(&c->text, at, n);
	c->f[c->nf - 1].value_n += n;
	return buf_failed(&c->text) ? HPE_USER : 0;
}

static struct span
text_at(const struct conn *c, size_t at, size_t n)
{
	return span_of(c->text.p + c->text.start + at, n);
}

static int
on_head(llhttp_t *p)
{
	struct conn *c = p->data;

	c->headed = true;
	for (size_t i = 0; i < c->nf; i++)
		if (span_is(text_at(c, c->f[i].name, c->f[i].name_n), "expect") &&
			p->http_minor == 1) {
			static const char go[] = "HTTP/1.1 100 Continue\r\n\r\n";
			if (write(c->fd, go, sizeof go - 1) < 0)
				return HPE_USER;
		}
	return 0;
}

static int
on_body(llhttp_t *p, const char *at, size_t n)
{
	struct conn *c = p->data;

	if (c->ahead)
		return 0;
	buf_put(&c->body, at, n);
	c->refused_large |= buf_failed(&c->body);
	return 0;
}

static int
on_whole(llhttp_t *p)
{
	struct conn *c = p->data;

	c->whole = true;
	return HPE_PAUSED;
}

/* ---- answering ---- */

static void
piece_add(struct conn *c, double pause_s)
{
	if (c->npieces == c->pieces_size) {
		c->pieces_size = c->pieces_size ? c->pieces_size * 2 : 16;
		c->piece = realloc(c->piece, c->pieces_size * sizeof *c->piece);
		if (!c->piece)
			abort();
	}
	c->piece[c->npieces++] = (struct piece){ c->wire.n, pause_s };
}

static const char *
reason(int status)
{
	switch (status) {
	case 101: return "Switching Protocols";
	case 200: return "OK";
	case 204: return "No Content";
	case 304: return "Not Modified";
	case 400: return "Bad Request";
	case 404: return "Not Found";
	case 413: return "Content Too Large";
	case 429: return "Too Many Requests";
	case 500: return "Internal Server Error";
	case 503: return "Service Unavailable";
	default: return "Simulated";
	}
}

static void
put_extra_headers(struct buf *b, json_t *headers)
{
	const char *k;
	json_t *v, *e;
	size_t i;

	json_object_foreach(headers, k, v)
	{
		if (json_is_array(v)) {
			json_array_foreach(v, i, e) buf_printf(b, "%s: %s\r\n", k,
				json_string_value(e) ? json_string_value(e) : "");
		} else if (json_is_string(v)) {
			buf_printf(b, "%s: %s\r\n", k, json_string_value(v));
		} else {
			char *s = json_dumps(v, JSON_ENCODE_ANY);
			buf_printf(b, "%s: %s\r\n", k, s ? s : "");
			free(s);
		}
	}
}

static bool
control_sets(const char *name)
{
	const char *k;
	json_t *v;

	json_object_foreach(
		mock_control.headers, k, v) if (strcasecmp(k, name) == 0) return true;
	return false;
}

static void
put_head(struct conn *c, const struct mock_answer *a, bool own, bool chunked, bool bodyless)
{
	struct buf *b = &c->wire;

	buf_printf(b, "HTTP/1.1 %d %s\r\n", a->status, reason(a->status));
	if (a->status != 101 && (own || !control_sets("content-type")))
		buf_printf(b, "content-type: %s\r\n", a->content_type);
	if (!own)
		put_extra_headers(b, mock_control.headers);
	if (!own && a->head)
		buf_str(b, a->head);
	if (chunked)
		buf_str(b, "transfer-encoding: chunked\r\n");
	else if (!bodyless && !a->stream)
		buf_printf(b, "content-length: %zu\r\n", a->body.n);
	if (a->stream)
		buf_str(b, "cache-control: no-cache\r\n");
	if (!c->keep && a->status != 101)
		buf_str(b, "connection: close\r\n");
	buf_str(b, "\r\n");
}

/* One event or the whole body, framed, cut into pieces by /_control. */
static void
put_part(struct conn *c, const char *p, size_t n, bool chunked, double pause_s, size_t split,
	int64_t *left)
{
	if (*left >= 0 && (uint64_t)*left <= n) {
		n = (size_t)*left;
		c->cut = true;
	}
	if (*left >= 0)
		*left -= (int64_t)n;
	size_t from = c->wire.n;
	if (chunked && n)
		buf_printf(&c->wire, "%zx\r\n", c->cut ? n + 1 : n);
	buf_put(&c->wire, p, n);
	if (chunked && n && !c->cut)
		buf_str(&c->wire, "\r\n");
	size_t end = c->wire.n;
	for (size_t at = from; split && at + split < end; at += split) {
		c->wire.n = at + split;
		piece_add(c, at == from ? pause_s : 0);
		pause_s = 0;
	}
	c->wire.n = end;
	piece_add(c, pause_s);
}

/* `own`: /_seen and the like, which /_control never changes. */
static void
conn_answer(struct conn *c, const struct mock_answer *a, bool own, bool head_only)
{
	const struct mock_control *k = own ? &mock_plain : &mock_control;
	bool bodyless = a->status == 204 || a->status == 304 || a->status < 200;
	bool chunked = a->stream && c->parser.http_minor == 1 && !bodyless;
	int64_t left = k->cut_after;
	bool raw = !own && k->wire.n;

	size_t hold = k->hold.is && a->stream ? mock_at(&k->hold, a) : SIZE_MAX;
	double hold_s = k->hold_s > 0 ? k->hold_s : HELD_S;

	if (k->cut.is && a->stream) {
		size_t n = mock_at(&k->cut, a);
		left = (int64_t)(n == 0 ? 0 : a->ends[n < a->nends ? n - 1 : a->nends - 1]) +
		       k->cut_into;
	}
	if (a->stream && !chunked)
		c->keep = false;
	c->answering = true;
	c->cut = false;
	c->at = c->sent = c->npieces = 0;
	buf_clear(&c->wire);
	c->upgraded = a->status == 101;
	c->reset = !own && k->reset;
	c->stays = !own && k->stays;
	if (raw) {
		c->cut = true;
		buf_put(&c->wire, k->wire.p + k->wire.start, k->wire.n);
		piece_add(c, k->delay_s);
	} else if (k->cut_after == 0) {
		c->cut = true;
		piece_add(c, k->delay_s);
	} else {
		put_head(c, a, own, chunked, bodyless);
		/* without a pause, head and body are one write */
		if (k->delay_s > 0 || k->chunk_s > 0 || k->chunk_bytes || bodyless ||
			head_only || a->body.n == 0 || hold == 0)
			piece_add(c, k->delay_s);
	}
	if (!bodyless && !head_only && !c->cut) {
		size_t from = 0;
		for (size_t i = 0; a->stream && i < a->nends && !c->cut; from = a->ends[i++])
			put_part(c, a->body.p + a->body.start + from, a->ends[i] - from,
				chunked,
				i == hold ? hold_s
				: i	  ? k->chunk_s
					  : 0,
				k->chunk_bytes, &left);
		if (!a->stream && a->body.n)
			put_part(c, a->body.p + a->body.start, a->body.n, false, 0,
				k->chunk_bytes, &left);
		if (chunked && !c->cut) {
			buf_str(&c->wire, "0\r\n\r\n");
			if (c->npieces)
				c->piece[c->npieces - 1].end = c->wire.n;
			else
				piece_add(c, 0);
		}
	}
	/* pieces without a pause between them are one write */
	if (!k->chunk_bytes) {
		size_t w = 0;
		for (size_t i = 1; i < c->npieces; i++) {
			if (c->piece[i].pause_s > 0)
				w++;
			else
				c->piece[i].pause_s = c->piece[w].pause_s;
			c->piece[w] = c->piece[i];
		}
		c->npieces = w + 1;
	}
	if (!own) {
		mock_seen_answer(c->serial, a);
		mock_control_used();
	}
}

static void
conn_send(struct conn *c)
{
	if (c->piece[0].pause_s > 0) {
		/* a delay is never shorter than requested, even in a long turn */
		ev_now_update(loop);
		ev_timer_set(&c->t, c->piece[0].pause_s, 0.);
		ev_timer_start(loop, &c->t);
	} else {
		conn_write(c);
	}
}

/* Everything that waits continues in the next turn of the loop. */
static void
release(void)
{
	struct conn *c;

	LIST_FOREACH (c, &conns, link) {
		for (size_t i = c->at; c->answering && i < c->npieces; i++)
			c->piece[i].pause_s = 0;
		if (!ev_is_active(&c->t))
			continue;
		ev_timer_stop(loop, &c->t);
		ev_timer_set(&c->t, 0., 0.);
		ev_timer_start(loop, &c->t);
	}
}

static void
own_answer(const struct mock_request *r, struct mock_answer *a)
{
	a->status = 200;
	a->stream = false;
	a->content_type = "application/json";
	buf_clear(&a->body);
	if (span_is(r->path, "/_seen") && span_is(r->method, "GET")) {
		const char *last = memmem(r->target.p, r->target.n, "last=", 5);
		uint64_t n = MOCK_SEEN_MAX;
		if (last) {
			struct span digits = span_of(
				last + 5, (size_t)(r->target.p + r->target.n - last - 5));
			if (span_u64(span_cut(digits, 0, span_chr(digits, '&')), &n) < 0)
				a->status = 400;
		}
		if (a->status == 200)
			mock_seen_write(&a->body, (size_t)n);
		else
			buf_str(&a->body, "{\"error\":\"last: not a number\"}\n");
	} else if (span_is(r->path, "/_seen") && span_is(r->method, "DELETE")) {
		mock_seen_forget();
		buf_str(&a->body, "{}\n");
	} else if (span_is(r->path, "/_count") && span_is(r->method, "GET")) {
		mock_seen_count(&a->body);
	} else if (span_is(r->path, "/_control") && span_is(r->method, "POST")) {
		bool ok = mock_control_set(r->body);
		a->status = ok ? 200 : 400;
		buf_str(&a->body, ok ? "{}\n" : "{\"error\":\"not a JSON object\"}\n");
	} else if (span_is(r->path, "/_release") && span_is(r->method, "POST")) {
		release();
		buf_str(&a->body, "{}\n");
	} else if (span_is(r->path, "/_health") || span_is(r->method, "OPTIONS")) {
		buf_str(&a->body, "{\"status\":\"ok\"}\n");
	} else {
		a->status = 404;
		buf_str(&a->body, "{\"error\":\"no such path\"}\n");
	}
}

/* HAProxy's checks: OPTIONS / or *, unlike a browser's preflight without Origin. */
static bool
is_check(const struct mock_request *r)
{
	return span_is(r->method, "OPTIONS") &&
	       (span_is(r->path, "/") || span_is(r->path, "*")) && !mock_field(r, "origin");
}

/* Views of c; f holds the fields. */
static struct mock_request
request_of(struct conn *c, struct mock_field f[FIELDS_MAX])
{
	struct mock_request r = { .fields = f, .nfields = c->nf };

	r.method = span_str(llhttp_method_name((llhttp_method_t)c->parser.method));
	r.target = text_at(c, 0, c->target_n);
	r.path = span_cut(r.target, 0, span_chr(r.target, '?'));
	r.body = buf_view(&c->body);
	for (size_t i = 0; i < c->nf; i++) {
		f[i].name = text_at(c, c->f[i].name, c->f[i].name_n);
		f[i].value = text_at(c, c->f[i].value, c->f[i].value_n);
	}
	return r;
}

/* Writes everything unsent; bytes that a peer does not accept wait. May free c. */
static void
socket_write(struct conn *c)
{
	while (c->sent < c->wire.n) {
		ssize_t n =
			write(c->fd, c->wire.p + c->wire.start + c->sent, c->wire.n - c->sent);
		if (n < 0 && errno == EAGAIN) {
			ev_io_start(loop, &c->w);
			return;
		}
		if (n < 0) {
			conn_free(c, "aborted");
			return;
		}
		c->sent += (size_t)n;
	}
	ev_io_stop(loop, &c->w);
	buf_clear(&c->wire);
	c->sent = 0;
	if (c->cut)
		conn_free(c, "complete");
}

static void
conn_request(struct conn *c)
{
	struct mock_field f[FIELDS_MAX];
	struct mock_request r = request_of(c, f);

	c->serial = 0;
	c->keep = llhttp_should_keep_alive(&c->parser);
	bool head_only = span_is(r.method, "HEAD");
	if (span_starts(r.path, span_str("/_")) || is_check(&r)) {
		own_answer(&r, &answer);
		conn_answer(c, &answer, true, head_only);
		conn_send(c);
		return;
	}
	/* a setting for other requests is put aside */
	struct mock_control aside = mock_control;
	bool spared = !mock_control_is_for(&r);
	if (spared)
		mock_control = mock_plain;
	c->serial = ++serial;
	mock_seen_add(&r, c->serial, c->number);
	if (mock_socket_asked(&r)) {
		buf_clear(&c->wire);
		c->socket = mock_socket_new(&r, c->serial, c->number, &c->wire);
		c->sent = 0;
		socket_write(c);
		return;
	}
	mock_answer(&r, c->serial, &answer);
	if (c->refused_large) {
		answer.status = 413;
		answer.stream = false;
		buf_clear(&answer.body);
		buf_str(&answer.body, "{\"error\":{\"message\":\"over 64 MB\"}}\n");
		c->keep = false;
	}
	conn_answer(c, &answer, false, head_only);
	if (spared)
		mock_control = aside;
	conn_send(c);
}

static void
on_timer(struct ev_loop *l, ev_timer *t, int events)
{
	(void)l, (void)events;
	conn_write(t->data);
}

/* The request and its response are complete: the next one. */
static void
conn_next(struct conn *c)
{
	llhttp_init(&c->parser, HTTP_REQUEST, &settings);
	c->parser.data = c;
	c->headed = c->whole = c->ahead = false;
	if (c->early.n) {
		struct buf early = c->early;
		buf_init(&c->early, 0);
		struct span s = buf_view(&early);
		conn_feed(c, s.p, s.n);
		buf_free(&early);
	}
}

/* The last piece is written. */
static void
conn_done(struct conn *c)
{
	bool ends = (c->cut && !c->stays) || !(c->keep || c->upgraded);

	if (c->serial)
		mock_seen_end(c->serial, c->cut ? "cut" : "complete");
	c->answering = false;
	if (c->cut && c->reset)
		setsockopt(c->fd, SOL_SOCKET, SO_LINGER,
			&(struct linger){ .l_onoff = 1, .l_linger = 0 }, sizeof(struct linger));
	else if (ends && c->ahead && !c->whole) {
		/* Bytes not yet read would make it a reset, which may overtake the response. */
		shutdown(c->fd, SHUT_WR);
		c->upgraded = true;
		return;
	}
	if (ends)
		conn_free(c, "complete");
	else if (!c->upgraded && (c->whole || !c->ahead))
		conn_next(c);
}

static void
conn_write(struct conn *c)
{
	while (c->at < c->npieces) {
		size_t end = c->piece[c->at].end;
		while (c->sent < end) {
			ssize_t n = write(
				c->fd, c->wire.p + c->wire.start + c->sent, end - c->sent);
			if (n < 0 && errno == EAGAIN) {
				ev_io_start(loop, &c->w);
				return;
			}
			if (n < 0) {
				conn_free(c, "aborted");
				return;
			}
			c->sent += (size_t)n;
		}
		ev_io_stop(loop, &c->w);
		if (++c->at < c->npieces) {
			/* even without a pause: in the next loop turn, as a separate write */
			ev_timer_set(&c->t, c->piece[c->at].pause_s, 0.);
			ev_timer_start(loop, &c->t);
			return;
		}
	}
	conn_done(c);
}

static void
on_writable(struct ev_loop *l, ev_io *w, int events)
{
	struct conn *c = w->data;

	(void)l, (void)events;
	if (c->socket)
		socket_write(c);
	else
		conn_write(c);
}

/* Returns whether the received head is enough for a response. */
static bool
goes_ahead(struct conn *c)
{
	struct mock_field f[FIELDS_MAX];
	struct mock_request r;

	if (!c->headed || c->ahead || !mock_control.at_head)
		return false;
	r = request_of(c, f);
	return !span_starts(r.path, SPAN_LIT("/_")) && mock_control_is_for(&r);
}

/* May free c. */
static void
conn_feed(struct conn *c, const char *p, size_t n)
{
	if (c->socket) {
		if (!c->cut)
			c->cut = !mock_socket_feed(c->socket, span_of(p, n), &c->wire);
		socket_write(c);
		return;
	}
	if (c->upgraded)
		return;
	if (c->answering && (c->whole || !c->ahead)) {
		buf_put(&c->early, p, n);
		return;
	}
	enum llhttp_errno e = llhttp_execute(&c->parser, p, n);
	if (c->whole) {
		const char *stop = llhttp_get_error_pos(&c->parser);
		if (stop && stop < p + n)
			buf_put(&c->early, stop, (size_t)(p + n - stop));
		if (!c->ahead)
			conn_request(c);
		else if (!c->answering)
			conn_next(c);
		return;
	}
	if (e == HPE_OK && goes_ahead(c)) {
		c->ahead = true;
		conn_request(c);
		return;
	}
	if (e != HPE_OK) {
		static const char bad[] = "HTTP/1.1 400 Bad Request\r\nconnection: "
					  "close\r\ncontent-length: 0\r\n\r\n";
		if (write(c->fd, bad, sizeof bad - 1) < 0)
			fprintf(stderr, "mockllm: write: %s\n", strerror(errno));
		fprintf(stderr, "mockllm: bad request: %s\n", llhttp_errno_name(e));
		conn_free(c, "aborted");
	}
}

static void
on_readable(struct ev_loop *l, ev_io *w, int events)
{
	struct conn *c = w->data;
	ssize_t n = read(c->fd, read_buf, sizeof read_buf);

	(void)l, (void)events;
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0)
		conn_free(c, "aborted");
	else
		conn_feed(c, read_buf, (size_t)n);
}

void
mock_accept(struct ev_loop *l, ev_io *w, int events)
{
	int fd, one = 1;

	(void)events;
	while ((fd = accept4(w->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
		struct conn *c = calloc(1, sizeof *c);
		if (!c)
			abort();
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
		LIST_INSERT_HEAD(&conns, c, link);
		c->fd = fd;
		c->number = ++connections;
		buf_init(&c->text, MOCK_HEAD_MAX);
		buf_init(&c->body, MOCK_BODY_MAX);
		llhttp_init(&c->parser, HTTP_REQUEST, &settings);
		c->parser.data = c->r.data = c->w.data = c->t.data = c;
		ev_io_init(&c->r, on_readable, fd, EV_READ);
		ev_io_init(&c->w, on_writable, fd, EV_WRITE);
		ev_timer_init(&c->t, on_timer, 0., 0.);
		c->r.data = c->w.data = c->t.data = c;
		ev_io_start(l, &c->r);
	}
}

void
mock_server_init(struct ev_loop *l)
{
	loop = l;
	llhttp_settings_init(&settings);
	settings.on_message_begin = on_begin;
	settings.on_url = on_url;
	settings.on_header_field = on_field;
	settings.on_header_value = on_value;
	settings.on_headers_complete = on_head;
	settings.on_body = on_body;
	settings.on_message_complete = on_whole;
}

void
mock_server_serial(uint64_t first)
{
	serial = first - 1;
}

void
mock_server_cut(void)
{
	while (!LIST_EMPTY(&conns))
		conn_free(LIST_FIRST(&conns), "cut");
}
