/* A Redis that sends unexpected bytes, or too many: the connection is closed and made again,
 * and the daemon neither ends nor exhausts its memory. A proxy in front of a real server adds
 * the bytes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <ev.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "base/scoped.h"
#include "support/redis_rig.h"
#include "support/redis_loop.h"
#include "support/temp_dir.h"

static struct redis_rig server;
static bool have;

#define NEEDS_REDIS                                                                            \
	do {                                                                                   \
		(void)state;                                                                   \
		if (!have) {                                                                   \
			print_message("SKIP: redis-server is not installed\n");                \
			skip();                                                                \
		}                                                                              \
	} while (0)

/* ---- the proxy ---- */

static struct {
	char path[100];
	int listener;
	pthread_t thread;
	_Atomic bool ends;
	/* Sent to every client `times` times, before the next bytes of the server. */
	const char *_Atomic add;
	_Atomic size_t times;
	/* The proxy changes a byte in this many of 1,000 reads from the server. */
	_Atomic unsigned altered;
} proxy;

static int
dial(const char *socket_path)
{
	struct sockaddr_un at = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	snprintf(at.sun_path, sizeof(at.sun_path), "%s", socket_path);
	INVARIANT(connect(fd, (struct sockaddr *)&at, sizeof(at)) == 0);
	return fd;
}

static bool
deliver(int fd, const char *p, size_t n)
{
	return send(fd, p, n, MSG_NOSIGNAL) == (ssize_t)n;
}

/* Returns true if the connection continues. */
static bool
carry(int from, int to, bool answers)
{
	static unsigned seed = 1;
	char b[16384];
	ssize_t n = read(from, b, sizeof(b));

	if (n <= 0)
		return false;
	if (answers && (unsigned)rand_r(&seed) % 1000 < atomic_load(&proxy.altered))
		b[(size_t)rand_r(&seed) % (size_t)n] = (char)rand_r(&seed);
	return deliver(to, b, (size_t)n);
}

static void *
run_proxy(void *arg)
{
	struct pollfd p[33] = { { .fd = proxy.listener, .events = POLLIN } };
	size_t n = 1; /* the sockets of a client and of its server are adjacent */

	while (!atomic_load(&proxy.ends)) {
		poll(p, n, 5);
		const char *add = atomic_exchange(&proxy.add, NULL);
		for (size_t i = 1; add && i < n; i += 2)
			for (size_t k = 0; k < atomic_load(&proxy.times); k++)
				if (!deliver(p[i].fd, add, strlen(add)))
					break;
		for (size_t i = 1; i < n; i += 2) {
			bool on = true;
			if (p[i].revents)
				on = carry(p[i].fd, p[i + 1].fd, false);
			if (on && p[i + 1].revents)
				on = carry(p[i + 1].fd, p[i].fd, true);
			if (on)
				continue;
			close(p[i].fd);
			close(p[i + 1].fd);
			n -= 2;
			p[i] = p[n];
			p[i + 1] = p[n + 1];
			i -= 2;
		}
		if (p[0].revents && n < 32) {
			p[n] = (struct pollfd){ accept(proxy.listener, NULL, NULL), POLLIN, 0 };
			p[n + 1] = (struct pollfd){ dial(server.socket), POLLIN, 0 };
			n += 2;
		}
	}
	while (n > 1)
		close(p[--n].fd);
	return arg;
}

static int
begin_all(void **state)
{
	struct sockaddr_un at = { .sun_family = AF_UNIX };

	if (temp_dir_make(state))
		return -1;
	test_loop = ev_loop_new(EVFLAG_AUTO);
	have = redis_rig_installed();
	if (!have)
		return 0;
	redis_rig_start(&server, dir);
	snprintf(proxy.path, sizeof(proxy.path), "%.80s/proxy.sock", dir);
	snprintf(at.sun_path, sizeof(at.sun_path), "%s", proxy.path);
	proxy.listener = socket(AF_UNIX, SOCK_STREAM, 0);
	INVARIANT(bind(proxy.listener, (struct sockaddr *)&at, sizeof(at)) == 0 &&
		  listen(proxy.listener, 16) == 0);
	return pthread_create(&proxy.thread, NULL, run_proxy, NULL);
}

static int
end_all(void **state)
{
	if (have) {
		atomic_store(&proxy.ends, true);
		pthread_join(proxy.thread, NULL);
		close(proxy.listener);
		redis_rig_stop(&server);
	}
	ev_loop_destroy(test_loop);
	return temp_dir_remove(state);
}

/* ---- the client ---- */

/* Returns the largest memory of this process so far, in kilobytes. */
static long
most_memory(void)
{
	struct rusage u;

	getrusage(RUSAGE_SELF, &u);
	return u.ru_maxrss;
}

static void
add(const char *bytes, size_t times)
{
	atomic_store(&proxy.times, times);
	atomic_store(&proxy.add, bytes);
}

static const struct {
	const char *name, *bytes;
	size_t times;
	bool ends; /* the connection ends before another reply */
} rows[] = {
	{ "a number", ":1\r\n", 1, true },
	{ "nothing", "$-1\r\n", 1, true },
	{ "a status", "+OK\r\n", 1, true },
	{ "a text", "$5\r\nhello\r\n", 1, true },
	{ "an empty list", "*0\r\n", 1, true },
	{ "a list of a billion", "*1000000000\r\n", 1, true },
	{ "lists in lists", "*100000\r\n*100000\r\n*100000\r\n", 1, true },
	{ "lists too deep", "*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n", 1, true },
	{ "what is no reply", "HTTP/1.1 400 Bad Request\r\n", 1, true },
	{ "too many clients, as it is told", "-ERR max number of clients reached\r\n", 1, true },
	{ "a text that does not end", "$2000000000\r\n", 1, false },
	{ "a number with a body", "$-7\r\n", 1, true },
};

static void
unexpected_bytes_end_the_connection(void **state)
{
	NEEDS_REDIS;
	struct redis_options o = loop_options("unix:%s", proxy.path);
	struct redis *r = loop_begin_with(&o, 500000);
	assert_true(loop_becomes(r, true));
	long before = most_memory();
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		uint64_t began = clock_mono_us();
		add(rows[i].bytes, rows[i].times);
		/* a pipeline in flight may be answered before or after */
		if (rows[i].ends && !loop_becomes(r, false))
			fail_msg("%s: the connection stays", rows[i].name);
		while (!rows[i].ends && redis_count_up(r, "n").err == 0)
			if (clock_mono_us() - began > PATIENT_MS * 1000ull)
				fail_msg("%s: it is answered", rows[i].name);
		if (!loop_becomes(r, true))
			fail_msg("%s: it is not up again", rows[i].name);
		struct told t = redis_count_up(r, "n");
		if (t.err || t.reply)
			fail_msg("%s: %d %d", rows[i].name, t.err, t.reply);
	}
	redis_free(&r);
	if (most_memory() - before > 64 << 10)
		fail_msg("%ld KB more", most_memory() - before);
}

/* One megabyte of a string of 2 GB. */
static const char *
endless(void)
{
	static char text[1 << 20];
	int n = snprintf(text, sizeof(text), "$2000000000\r\n");

	memset(text + n, 'x', sizeof(text) - (size_t)n - 1);
	return text;
}

/* A reply to a command is refused too if it is larger than any permitted one. */
static void
oversized_reply_ends_the_connection(void **state)
{
	NEEDS_REDIS;
	struct redis_options o = loop_options("unix:%s", proxy.path);
	struct redis *r = loop_begin_with(&o, PATIENT_MS * 1000ull);
	assert_true(loop_becomes(r, true));
	redis_rig_do(&server, "CLIENT PAUSE 300 WRITE");
	add(endless(), 100);
	struct told t = redis_count_up(r, "n");
	assert_int_equal(t.err, ERR_IO);
	assert_true(loop_becomes(r, true));
	redis_free(&r);
}

static redisReply *
asked(const char *bytes, size_t times, char why[200])
{
	struct redis_options o = loop_options("unix:%s", proxy.path);
	SCOPED_BUF(said, 4096);
	redisContext *c = redis_dial(&o, SPAN_LIT("k"), 5000000, &said);

	assert_non_null(c);
	freeReplyObject(redis_ask(c, "PING")); /* the proxy has this connection */
	add(bytes, times);
	while (atomic_load(&proxy.add))
		usleep(1000);
	redisReply *r = redis_ask(c, "GET %s", "k");
	snprintf(why, 200, "%s", redis_sync_error(c));
	redisFree(c);
	return r;
}

static void
blocking_connection_has_the_same_limits(void **state)
{
	char why[200];

	NEEDS_REDIS;
	assert_null(asked("*1000000000\r\n", 1, why));
	assert_string_equal(
		why, "Redis sent a larger reply than any command of the daemon returns");
	assert_null(asked("*200000\r\n*200000\r\n", 1, why));
	assert_string_equal(
		why, "Redis sent a larger reply than any command of the daemon returns");
	assert_null(asked(endless(), 100, why));
	assert_string_equal(
		why, "Redis sent a larger reply than any command of the daemon returns");
}

/* The client survives altered replies and connects again. */
static void
client_survives_altered_replies(void **state)
{
	unsigned lost = 0, taken = 0;

	NEEDS_REDIS;
	struct redis_options o = loop_options("unix:%s", proxy.path);
	struct redis *r = loop_begin_with(&o, 200000);
	assert_true(loop_becomes(r, true));
	long before = most_memory();
	atomic_store(&proxy.altered, 50);
	for (uint64_t until = clock_mono_us() + PATIENT_MS * 1000ull;
		(taken < 50 || lost < 5) && clock_mono_us() < until;) {
		struct told t = redis_count_up(r, "n");
		taken += !t.err && !t.reply;
		lost += t.err != 0;
		if (t.err)
			loop_until(r, true, 50);
	}
	atomic_store(&proxy.altered, 0);
	assert_true(loop_becomes(r, true));
	assert_true(taken >= 50 && lost >= 5);
	redis_free(&r);
	assert_true(most_memory() - before < 128 << 10);
}

/* Each epoch in which a worker counts costs Redis as many keys as counters are in use. */
static void
altered_reply_is_not_taken_for_an_epoch(void **state)
{
	enum { ASKS = 200 };
	unsigned asks = 0;

	NEEDS_REDIS;
	struct redis_options o = loop_options("unix:%s", proxy.path);
	struct redis *r = loop_begin_with(&o, 200000);
	assert_true(loop_becomes(r, true));
	atomic_store(&proxy.altered, 300);
	for (uint64_t until = clock_mono_us() + PATIENT_MS * 1000ull;
		asks < ASKS && clock_mono_us() < until;) {
		const struct redis_life *life = redis_life(r);
		char value[SPAN_DECIMAL + 1] = { 0 };
		ev_run(test_loop, EVRUN_ONCE);
		if (!life->epoch)
			continue;
		span_decimal(value, (int64_t)life->epoch);
		redisReply *is = redisCommand(server.c, "GET %s", life->key);
		if (is->type != REDIS_REPLY_STRING || strcmp(is->str, value) != 0)
			fail_msg("%s: %s, not %s", life->key, is->str, value);
		freeReplyObject(is);
		redis_life_ended(r, life->epoch);
		asks++;
	}
	atomic_store(&proxy.altered, 0);
	assert_int_equal(asks, ASKS);
	redis_free(&r);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(unexpected_bytes_end_the_connection),
		cmocka_unit_test(blocking_connection_has_the_same_limits),
		cmocka_unit_test(client_survives_altered_replies),
		cmocka_unit_test(altered_reply_is_not_taken_for_an_epoch),
		cmocka_unit_test(oversized_reply_ends_the_connection),
	};

	return cmocka_run_group_tests(tests, begin_all, end_all);
}
