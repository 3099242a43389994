/* The stage of the relay's scenarios: opens the sockets, plays the peers on both sides, and
 * turns the loop until a condition holds. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "scenario/relay_stage.h"

static int
listener(const char *path)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	snprintf(sa.sun_path, sizeof(sa.sun_path), "%s", path);
	assert_int_equal(bind(fd, (struct sockaddr *)&sa, sizeof(sa)), 0);
	assert_int_equal(listen(fd, 64), 0);
	return fd;
}

void
stage_open(struct stage *s)
{
	memset(s, 0, sizeof(*s));
	strcpy(s->dir, "/tmp/tg-relay-XXXXXX");
	assert_non_null(mkdtemp(s->dir));
	snprintf(s->edge_path, sizeof(s->edge_path), "%s/edge", s->dir);
	snprintf(s->egress_path, sizeof(s->egress_path), "%s/egress", s->dir);
	s->edge_fd = listener(s->edge_path);
	s->egress_fd = listener(s->egress_path);
	s->loop = ev_loop_new(EVFLAG_AUTO);
	fake_init(&s->gate, s->loop);
	s->options = (struct relay_options){ .egress = s->egress_path,
		.read_us = 5000000,
		.response_us = 5000000,
		.idle_us = 5000000,
		.pool = 4 };
}

void
stage_start(struct stage *s)
{
	s->relay = relay_new(s->loop, &s->gate, &s->options, &s->metrics);
	assert_non_null(s->relay);
	assert_int_equal(relay_listen(s->relay, s->edge_fd, false), 0);
}

void
stage_close(struct stage *s)
{
	/* Ends all open exchanges; after that, nothing may be left. */
	for (struct exchange *x = s->gate.exchanges; x; x = x->next)
		ev_timer_stop(s->loop, &x->later);
	relay_free(&s->relay);
	fake_free(&s->gate);
	ev_loop_destroy(s->loop);
	close(s->edge_fd);
	close(s->egress_fd);
	unlink(s->edge_path);
	unlink(s->egress_path);
	rmdir(s->dir);
}

uint64_t
relay_count(struct stage *s, enum metric id)
{
	return atomic_load(&s->metrics.v[id]);
}

void
relay_turn(struct stage *s)
{
	ev_run(s->loop, EVRUN_NOWAIT);
}

void
pass(struct stage *s, unsigned ms)
{
	uint64_t end = clock_mono_us() + ms * 1000ull;

	while (clock_mono_us() < end) {
		relay_turn(s);
		usleep(100);
	}
}

struct peer
peer_of(int fd)
{
	struct peer p = { .fd = fd };

	assert_true(fd >= 0);
	buf_init(&p.in, 0);
	return p;
}

struct peer
edge_connect(struct stage *s)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	snprintf(sa.sun_path, sizeof(sa.sun_path), "%s", s->edge_path);
	assert_int_equal(connect(fd, (struct sockaddr *)&sa, sizeof(sa)), 0);
	return peer_of(fd);
}

struct peer
egress_accept(struct stage *s)
{
	int fd = -1;

	until(s, (fd = accept4(s->egress_fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0);
	return peer_of(fd);
}

void
no_egress(struct stage *s)
{
	assert_int_equal(accept4(s->egress_fd, NULL, NULL, SOCK_NONBLOCK), -1);
}

void
peer_close(struct peer *p)
{
	if (p->fd >= 0)
		close(p->fd);
	p->fd = -1;
	buf_free(&p->in);
}

bool
say_span(struct stage *s, struct peer *p, struct span bytes)
{
	uint64_t end = clock_mono_us() + WAIT_MS * 1000ull;

	while (bytes.n) {
		ssize_t n = send(p->fd, bytes.p, bytes.n, MSG_NOSIGNAL);
		if (n > 0) {
			bytes = span_cut(bytes, (size_t)n, bytes.n);
		} else if (errno == EAGAIN) {
			if (clock_mono_us() > end)
				fail_msg("the relay reads no more");
		} else {
			return false;
		}
		relay_turn(s);
	}
	return true;
}

bool
say(struct stage *s, struct peer *p, const char *text)
{
	return say_span(s, p, span_str(text));
}

void
listen_in(struct peer *p)
{
	char bytes[65536];

	while (!p->eof) {
		ssize_t n = recv(p->fd, bytes, sizeof(bytes), 0);
		if (n > 0) {
			buf_put(&p->in, bytes, (size_t)n);
			continue;
		}
		p->eof = n == 0 || errno != EAGAIN;
		p->reset = n < 0 && errno == ECONNRESET;
		break;
	}
}

bool
heard(struct peer *p, const char *text)
{
	listen_in(p);
	return p->in.n && memmem(p->in.p + p->in.start, p->in.n, text, strlen(text));
}

bool
heard_n(struct peer *p, size_t n)
{
	listen_in(p);
	return p->in.n >= n;
}

bool
closed(struct peer *p)
{
	listen_in(p);
	return p->eof;
}

void
expect_bytes(struct stage *s, struct peer *p, const char *text)
{
	uint64_t end = clock_mono_us() + WAIT_MS * 1000ull;
	size_t n = strlen(text);

	while (!heard_n(p, n) && !p->eof && clock_mono_us() < end) {
		relay_turn(s);
		usleep(20);
	}
	if (!span_eq(span_cut(buf_view(&p->in), 0, n), span_of(text, n)))
		fail_msg("got \"%.*s\" instead of \"%s\"", SPAN_ARG(buf_view(&p->in)), text);
	buf_consume(&p->in, n);
}

struct exchange *
exchange(struct stage *s)
{
	assert_non_null(s->gate.exchanges);
	return s->gate.exchanges;
}

int
relay_setup(void **state)
{
	struct stage *s = calloc(1, sizeof(*s));

	assert_non_null(s);
	stage_open(s);
	*state = s;
	return 0;
}

int
relay_teardown(void **state)
{
	stage_close(*state);
	free(*state);
	return 0;
}

void
say_slowly(struct stage *s, struct peer *p, const char *text, size_t step)
{
	struct span rest = span_str(text);

	while (rest.n) {
		/* The relay may close the connection if bytes follow a complete message. */
		if (!say_span(s, p, span_cut(rest, 0, step)))
			return;
		relay_turn(s);
		rest = span_cut(rest, step, rest.n);
	}
}

struct peer
pooled(struct stage *s, struct peer *edge)
{
	say(s, edge, POST("content-length: 1\r\n") "x");
	struct peer up = egress_accept(s);
	until(s, heard(&up, "\r\n\r\nx"));
	buf_clear(&up.in);
	say(s, &up, DOWN_HEAD "content-length: 1\r\n\r\na");
	expect_bytes(s, edge, DOWN_HEAD FIELDS "content-length: 1\r\n\r\na");
	until(s, exchange(s)->freed);
	relay_turn(s);
	assert_int_equal(s->relay->npool, 1);
	return up;
}

void
settled(struct stage *s)
{
	until(s, s->gate.finishes == s->gate.opened);
	until(s, relay_active(s->relay) == 0);
}
