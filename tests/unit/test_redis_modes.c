/* Redis in common setups on real servers: logins, a changing password file, TLS, names that do
 * not resolve, Sentinels and their failover. test_redis_cluster.c tests clusters. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <netdb.h>
#include <poll.h>
#include <setjmp.h>
#include <sys/stat.h>

#include <cmocka.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/wait.h>

#include "base/log.h"
#include "support/redis_loop.h"
#include "support/redis_servers.h"
#include "support/redis_trio.h"
#include "support/temp_dir.h"

/* Returns true if the blocking client can connect too; both clients must agree. */
static bool
dials(const struct redis_options *o)
{
	struct buf why;

	buf_init(&why, 8192);
	redisContext *c = redis_dial(o, span_str("k"), PATIENT_MS * 1000ull, &why);
	bool got = c != NULL;
	if (c)
		redisFree(c);
	else
		assert_true(why.n > 0);
	buf_free(&why);
	return got;
}

static void
secret(const char *name, const char *text)
{
	put(name, text);
	assert_int_equal(chmod(path(name), 0600), 0);
}

/* ---- login ---- */

static void
login_must_be_valid(void **state)
{
	/* clang-format off */
	static const struct { const char *name, *user, *password, *file; int mode; bool in; } rows[] = {
		{ "the user and the password in the URL", "tg", ":one", NULL, 0600, true },
		{ "a wrong password",                     "tg", ":two", NULL, 0600, false },
		{ "another user",                         "tx", ":one", NULL, 0600, false },
		{ "nobody, where somebody is wanted",     "",   "",     NULL, 0600, false },
		{ "the password in a file",               "tg", "",     "one\n", 0600, true },
		{ "lines after the first do not count",   "tg", "",     "one\r\n# ours\n", 0600, true },
		{ "a wrong one in a file",                "tg", "",     "two\n", 0600, false },
		{ "an empty file",                        "tg", "",     "", 0600, false },
		{ "a file that others may read",          "tg", "",     "one\n", 0644, false },
		{ "a user that needs no password",        "open", "",   NULL, 0600, true },
	};
	/* clang-format on */
	struct server s = { 0 };

	(void)state;
	server_start(&s, dir, false,
		"user default off\nuser tg on >one ~* +@all\nuser open on nopass ~* +@all\n");
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct redis_options o = loop_options("redis://%s%s%s127.0.0.1:%u/3",
			rows[i].user, rows[i].password, rows[i].user[0] ? "@" : "", s.port);
		strcpy(o.client_name, "tollgate-gw-1");
		if (rows[i].file) {
			secret("pw", rows[i].file);
			chmod(path("pw"), (mode_t)rows[i].mode);
			strcpy(o.password_file, path("pw"));
		}
		struct redis *r = loop_begin(&o);
		if (loop_until(r, true, rows[i].in ? PATIENT_MS : 250) != rows[i].in)
			fail_msg("%s: %s", rows[i].name, rows[i].in ? "not in" : "in");
		if (rows[i].in)
			assert_int_equal(redis_count_up(r, "k").err, 0);
		else
			assert_int_equal(redis_count_up(r, "k").err, ERR_IO);
		if (dials(&o) != rows[i].in)
			fail_msg("%s: the blocking client differs", rows[i].name);
		redis_free(&r);
	}
	server_do(&s, "AUTH tg one");
	server_do(&s, "SELECT 3");
	/* Four rows connected, each once, with the requested database and client name. */
	assert_string_equal(server_do(&s, "GET k"), "4");
	struct redis_options o = loop_options("redis://tg:one@127.0.0.1:%u", s.port);
	strcpy(o.client_name, "tollgate-gw-1");
	struct redis *r = loop_begin(&o);
	assert_true(loop_becomes(r, true));
	assert_non_null(strstr(server_do(&s, "CLIENT LIST"), "name=tollgate-gw-1 "));
	redis_free(&r);
	server_kill(&s);
}

/* The password is changed in the file and then in Redis, without a restart. */
static void
password_may_change_at_run_time(void **state)
{
	struct server s = { 0 };

	(void)state;
	server_start(&s, dir, false, "requirepass one\n");
	server_do(&s, "AUTH one");
	secret("pw", "one\n");
	struct redis_options o = loop_options("redis://127.0.0.1:%u", s.port);
	strcpy(o.password_file, path("pw"));
	struct redis *r = loop_begin(&o);
	assert_true(loop_becomes(r, true));
	secret("pw", "two\n");
	assert_string_equal(server_do(&s, "CONFIG SET requirepass two"), "OK");
	/* An existing connection stays open; the next one uses the new password. */
	assert_int_equal(redis_count_up(r, "k").i, 1);
	server_do(&s, "CLIENT KILL TYPE normal SKIPME yes");
	assert_true(loop_becomes(r, false));
	assert_true(loop_becomes(r, true));
	assert_int_equal(redis_count_up(r, "k").i, 2);
	redis_free(&r);
	server_kill(&s);
}

/* Waits until the log contains the reason. */
static void
is_said(struct redis *r, const char *why)
{
	uint64_t until = clock_mono_us() + PATIENT_MS * 1000ull;
	char said[4096];
	bool is = false;

	while (!is && clock_mono_us() < until) {
		loop_until(r, true, 50);
		FILE *f = fopen(path("log"), "r");
		said[f ? fread(said, 1, sizeof(said) - 1, f) : 0] = '\0';
		if (f)
			fclose(f);
		is = strstr(said, why);
	}
}

/* The log states the current reason. */
static void
changed_reason_is_logged(void **state)
{
	struct server s = { 0 };
	char said[4096] = "";
	int keep = dup(2), log = open(path("log"), O_CREAT | O_RDWR | O_TRUNC, 0600);

	(void)state;
	server_start(&s, dir, false, "requirepass one\n");
	secret("pw", "");
	struct redis_options o = loop_options("redis://127.0.0.1:%u", s.port);
	strcpy(o.password_file, path("pw"));
	dup2(log, 2);
	log_setup(LOG_LOGFMT, LOG_INFO);
	assert_int_equal(log_start(), 0);
	struct redis *r = loop_begin(&o);
	is_said(r, "a line of 1 to 255 bytes is expected");
	secret("pw", "two\n");
	is_said(r, "WRONGPASS");
	loop_until(r, true, 4500); /* several further attempts fail */
	redis_free(&r);
	log_stop(PATIENT_MS * 1000ull);
	dup2(keep, 2);
	server_kill(&s);
	assert_true(pread(log, said, sizeof(said) - 1, 0) > 0);
	assert_non_null(strstr(said, "a line of 1 to 255 bytes is expected"));
	const char *then = strstr(said, "WRONGPASS");
	assert_non_null(then);
	assert_null(strstr(then + 1, "WRONGPASS"));
	assert_null(strstr(
		then + 1, "redis.down")); /* NOAUTH for the commands after AUTH, then closed */
	close(keep);
	close(log);
}

/* ---- address ---- */

/* A machine without /etc/hosts may not know the name. */
static void
needs_localhost(void)
{
	struct addrinfo *found = NULL;

	if (getaddrinfo("localhost", NULL, NULL, &found) == 0) {
		freeaddrinfo(found);
		return;
	}
	print_message("SKIP: localhost has no address here\n");
	skip();
}

/* Neither an unknown name nor a silent resolver blocks a loop. */
static void
name_is_resolved_outside_of_the_loop(void **state)
{
	struct server s = { 0 };

	(void)state;
	needs_localhost();
	server_start(&s, dir, false, "");
	struct redis_options o = loop_options("redis://localhost:%u", s.port);
	struct redis *r = loop_begin(&o);
	assert_true(loop_becomes(r, true));
	redis_free(&r);
	o = loop_options("redis://nobody.invalid:%u", s.port);
	r = loop_begin(&o);
	assert_false(loop_until(r, true, 200));
	assert_int_equal(redis_count_up(r, "k").err, ERR_IO);
	redis_free(&r);
	server_kill(&s);
}

/* Server and daemon may start in any order. */
static void
server_that_starts_later_is_found(void **state)
{
	struct server s = { .port = free_port() };

	(void)state;
	needs_localhost();
	struct redis_options o = loop_options("redis://localhost:%u", s.port);
	struct redis *r = loop_begin(&o);
	assert_false(loop_until(r, true, 300));
	server_start(&s, dir, false, "");
	assert_true(loop_becomes(r, true));
	redis_free(&r);
	server_kill(&s);
}

/* ---- TLS ---- */

static void
needs_tls(void)
{
	if (redis_tls_built)
		return;
	print_message("SKIP: " REDIS_TLS_MISSING "\n");
	skip();
}

static void
tls_verifies_authority_and_name(void **state)
{
	/* clang-format off */
	static const struct { const char *name, *host, *ca, *cert, *server_name; bool in; } rows[] = {
		{ "a known authority and the name",        "localhost", "ca.pem",    "client", "",           true },
		{ "another authority",                     "localhost", "other.pem", "client", "",           false },
		{ "the system's authorities",              "localhost", NULL,        "client", "",           false },
		{ "an address that it does not name",      "127.0.0.1", "ca.pem",    "client", "",           false },
		{ "an address, and the name that is said", "127.0.0.1", "ca.pem",    "client", "redis.test", true },
		{ "another name",                          "localhost", "ca.pem",    "client", "redis.prod", false },
		{ "no certificate of ours",                "localhost", "ca.pem",    NULL,     "",           false },
		{ "authorities that are not there",        "localhost", "none.pem",  "client", "",           false },
	};
	/* clang-format on */
	struct server s = { 0 };
	char conf[TLS_CONF_MAX];

	(void)state;
	needs_tls();
	needs_localhost();
	assert_true(certificates_made(dir));
	tls_conf(&s, dir, "requirepass pw\n", conf);
	server_start(&s, dir, false, conf);
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct redis_options o =
			loop_options("rediss://:pw@%s:%u", rows[i].host, s.tls_port);
		if (rows[i].ca)
			strcpy(o.tls_ca, path(rows[i].ca));
		if (rows[i].cert) {
			snprintf(
				o.tls_cert, sizeof(o.tls_cert), "%s/%s.pem", dir, rows[i].cert);
			snprintf(o.tls_key, sizeof(o.tls_key), "%s/%s.key", dir, rows[i].cert);
		}
		strcpy(o.tls_name, rows[i].server_name);
		struct redis *r = loop_begin(&o);
		if (loop_until(r, true, rows[i].in ? PATIENT_MS : 300) != rows[i].in)
			fail_msg("%s: %s", rows[i].name, rows[i].in ? "not in" : "in");
		for (int k = 0; rows[i].in && k < 100; k++)
			assert_int_equal(redis_count_up(r, "k").err, 0);
		if (dials(&o) != rows[i].in)
			fail_msg("%s: the blocking client differs", rows[i].name);
		redis_free(&r);
	}
	server_kill(&s);
}

/* Counts once on the master and, when that is gone, once more on its successor. */
static struct redis *
failed_over(const struct redis_options *o, struct trio *t)
{
	struct redis *r = loop_begin(o);

	assert_true(loop_becomes(r, true));
	assert_true(dials(o));
	uint64_t life = redis_life(r)->epoch;
	assert_int_equal(redis_count_up(r, "k").i, 1);
	assert_string_equal(server_do(&t->server[0], "WAIT 1 2000"), "1");
	trio_loses_soon(t);
	server_kill(&t->server[0]);
	assert_true(loop_becomes(r, false));
	uint64_t began = clock_mono_us();
	assert_true(loop_becomes(r, true));
	print_message(
		"failover followed after %.1f s\n", (double)(clock_mono_us() - began) / 1e6);
	assert_true(redis_life(r)->epoch != life);
	assert_int_equal(redis_count_up(r, "k").i, 2);
	return r;
}

/* ---- Sentinel ---- */

/* Everything over TLS: to the Sentinels, to the servers, and among themselves. */
static void
failover_is_followed_over_tls(void **state)
{
	struct trio t;
	char url[TRIO_URL_MAX];

	(void)state;
	needs_tls();
	assert_true(certificates_made(dir));
	trio_start_tls(&t, dir, "", true);
	trio_url(&t, url);
	struct redis_options o = loop_options("%s", url);
	strcpy(o.tls_cert, path("client.pem"));
	strcpy(o.tls_key, path("client.key"));
	strcpy(o.tls_ca, path("other.pem"));
	strcpy(o.tls_name, "redis.test");
	struct redis *r = loop_begin(&o);
	assert_false(loop_until(r, true, 1500)); /* another authority */
	assert_false(dials(&o));
	redis_free(&r);
	strcpy(o.tls_ca, path("ca.pem"));
	r = failed_over(&o, &t);
	redis_free(&r);
	trio_kill(&t);
}

/* One of the listed Sentinels does not exist; the Sentinels need a password of their own. The
 * former master returns as a master: nothing may be written to it. */
static void
failover_is_followed(void **state)
{
	struct trio t;
	char url[TRIO_URL_MAX];

	(void)state;
	trio_start(&t, dir, "requirepass sp\nsentinel sentinel-pass sp\n");
	trio_url(&t, url);
	struct redis_options o = loop_options("%s", url);
	struct redis *r = loop_begin(&o);
	assert_false(loop_until(r, true, 300)); /* no password */
	assert_false(dials(&o));
	redis_free(&r);
	secret("sp", "sp\n");
	strcpy(o.sentinel_password_file, path("sp"));
	r = failed_over(&o, &t);
	/* It starts as the master that it was, until a Sentinel reconfigures it. */
	server_exec(&t.server[0], false);
	for (int i = 0; i < 2; i++) {
		/* The Sentinels closed the test's own connection to the other server too. */
		server_dial(&t.server[i]);
		server_do(&t.server[i], "AUTH pw");
	}
	assert_int_equal(redis_count_up(r, "k").i, 3);
	assert_int_equal(redis_count_up(r, "k").i, 4);
	assert_string_equal(server_do(&t.server[1], "GET k"), "4");
	redis_free(&r);
	trio_kill(&t);
}

/* A Sentinel's answer is not used if the named server reports another role, and neither is the
 * answer of an isolated Sentinel that names the former master. */
static void
master_must_confirm_its_role(void **state)
{
	struct server s[2] = { 0 }, sentinel[2] = { 0 };
	char conf[512];

	(void)state;
	for (int i = 0; i < 2; i++)
		server_start(&s[i], dir, false, "");
	/* The first Sentinel has the newer configuration, in which s[1] is the master. */
	for (int i = 0; i < 2; i++) {
		snprintf(conf, sizeof(conf),
			"sentinel monitor m 127.0.0.1 %u 2\nsentinel config-epoch m %d\n",
			s[1 - i].port, 7 - i);
		server_start(&sentinel[i], dir, true, conf);
	}
	for (int turn = 0; turn < 2; turn++) {
		struct redis_options o =
			loop_options("redis+sentinel://127.0.0.1:%u,127.0.0.1:%u/m",
				sentinel[turn].port, sentinel[1 - turn].port);
		struct redis *r = loop_begin(&o);
		assert_true(loop_becomes(r, true));
		redis_count_up(r, "where");
		redis_free(&r);
	}
	assert_string_equal(server_do(&s[0], "GET where"), "(nil)");
	assert_string_equal(server_do(&s[1], "GET where"), "2");
	struct redis_options o =
		loop_options("redis+sentinel://127.0.0.1:%u/m", sentinel[0].port);
	struct redis *r = loop_begin(&o);
	assert_true(loop_becomes(r, true));
	/* The master was demoted while connected: the first write shows it. */
	server_do(&s[1], "REPLICAOF 127.0.0.1 %u", s[0].port);
	assert_int_equal(redis_count_up(r, "where").reply, ERR_SYNTAX);
	assert_true(loop_becomes(r, false));
	assert_false(loop_until(r, true, 1500));
	assert_false(dials(&o));
	server_do(&s[1], "REPLICAOF NO ONE");
	assert_true(loop_becomes(r, true));
	redis_free(&r);
	for (int i = 0; i < 2; i++) {
		server_kill(&sentinel[i]);
		server_kill(&s[i]);
	}
}

/* The descriptors that a test's servers hold open are closed when the last of them has
 * ended. */
static void
servers_end_with_an_aborted_test(void **state)
{
	int fds[2], status;
	char byte;

	(void)state;
	assert_int_equal(pipe(fds), 0);
	fflush(NULL);
	pid_t pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		struct server s = { 0 };
		close(fds[0]);
		server_start(&s, dir, false, "");
		_exit(s.pid > 0 ? 7 : 1);
	}
	close(fds[1]);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 7);
	struct pollfd closed = { .fd = fds[0], .events = POLLIN };
	assert_int_equal(poll(&closed, 1, 30000), 1);
	assert_int_equal(read(fds[0], &byte, 1), 0);
	close(fds[0]);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(login_must_be_valid),
		cmocka_unit_test(password_may_change_at_run_time),
		cmocka_unit_test(changed_reason_is_logged),
		cmocka_unit_test(name_is_resolved_outside_of_the_loop),
		cmocka_unit_test(server_that_starts_later_is_found),
		cmocka_unit_test(tls_verifies_authority_and_name),
		cmocka_unit_test(failover_is_followed),
		cmocka_unit_test(failover_is_followed_over_tls),
		cmocka_unit_test(master_must_confirm_its_role),
		cmocka_unit_test(servers_end_with_an_aborted_test),
	};

	test_loop = ev_default_loop(0);
	log_setup(LOG_LOGFMT, getenv("TG_TEST_LOG") ? LOG_INFO : LOG_ERROR);
	return server_installed()
		       ? cmocka_run_group_tests(tests, temp_dir_make, temp_dir_remove)
		       : servers_missing();
}
