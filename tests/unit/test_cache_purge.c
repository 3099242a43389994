/* gate/cache/purge: which entries of a Redis are deleted, and the result if Redis refuses a
 * command. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>
#include <stdlib.h>
#include <sys/wait.h>

#include "base/clock.h"
#include "gate/cache/purge.h"
#include "support/redis_rig.h"
#include "support/temp_dir.h"

enum { OPEN_AND_TAG = 25 + 12 + 16 };
#define LATER (clock_mono_us() + UINT64_C(60000000))

static struct redis_rig rig;
static atomic_bool stop;

static int
start_rig(void **state)
{
	(void)state;
	signal(SIGPIPE, SIG_IGN);
	if (!redis_rig_installed())
		return 0;
	snprintf(dir, sizeof(dir), "/tmp/tg-purge.XXXXXX");
	assert_non_null(mkdtemp(dir));
	redis_rig_start(&rig, dir);
	return 0;
}

static int
stop_rig(void **state)
{
	(void)state;
	redis_rig_stop(&rig);
	if (dir[0]) {
		unlink(path("redis.sock"));
		rmdir(dir);
	}
	return 0;
}

#define NEEDS_REDIS                                                                            \
	(void)state;                                                                           \
	if (!rig.pid) {                                                                        \
		print_message("redis-server is not installed\n");                              \
		skip();                                                                        \
	}                                                                                      \
	redis_rig_do(&rig, "FLUSHALL")

static void
put_bytes(unsigned name, const void *e, size_t n)
{
	char key[CACHE_REDIS_NAME];
	const char *argv[] = { "SET", key, e };
	size_t len = (size_t)snprintf(key, sizeof(key), CACHE_REDIS_PREFIX "%064u", name);

	freeReplyObject(redisCommandArgv(rig.c, 3, argv, (size_t[]){ 3, len, n }));
}

/* Writes only the unencrypted part of an entry, which is all that a purge reads. */
static void
put_entry(unsigned name, unsigned char ms, char route, char who)
{
	unsigned char e[OPEN_AND_TAG] = {
		[0] = 1, [8] = ms, [9] = (unsigned char)route, [17] = (unsigned char)who
	};

	put_bytes(name, e, sizeof(e));
}

static void
named_entries_are_deleted(void **state)
{
	static const unsigned char r[8] = "r", s[8] = "s", a[8] = "a", b[8] = "b";
	static const struct {
		const char *name;
		struct cache_purge p;
		uint64_t purged;
		const char *left; /* the remaining names */
	} rows[] = {
		{ "a route", { .route = r }, 2, "23" },
		{ "another", { .route = s }, 2, "01" },
		{ "a person", { .who = a }, 2, "13" },
		{ "another's", { .who = b }, 2, "02" },
		{ "both", { .route = r, .who = b }, 1, "023" },
		{ "those before", { .before_ms = 2 }, 2, "23" },
		{ "not those at that time", { .before_ms = 1 }, 0, "0123" },
		{ "a person's before", { .who = a, .before_ms = 2 }, 1, "123" },
		{ "nobody's", { .who = r }, 0, "0123" },
		{ "all", { .route = NULL }, 4, "" },
	};

	NEEDS_REDIS;
	redis_rig_do(&rig, "SET other 1");
	redis_rig_do(&rig, "HSET tollgate:state:0 e x");
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct cache_purged out = { 0 };
		struct buf why;
		buf_init(&why, 256);
		for (unsigned k = 0; k < 4; k++)
			put_entry(k, k < 2 ? 1 : 2, k < 2 ? 'r' : 's', k % 2 ? 'b' : 'a');
		assert_int_equal(
			cache_redis_purge(rig.c, &rows[i].p, &stop, LATER, &out, &why), 0);
		bool as_it_should = out.purged == rows[i].purged && !out.failed && !why.n;
		for (unsigned k = 0; k < 4; k++)
			as_it_should &= redis_rig_do(&rig, "EXISTS tollgate:cache:%064u", k) ==
					(strchr(rows[i].left, (int)('0' + k)) != NULL);
		if (!as_it_should)
			fail_msg("%s: %llu went", rows[i].name, (unsigned long long)out.purged);
		buf_free(&why);
	}
	assert_int_equal(redis_rig_do(&rig, "EXISTS other tollgate:state:0"), 2);
}

/* A key with the prefix of entries that is not a valid entry: no caller could get it. */
static void
unreadable_entry_is_deleted(void **state)
{
	static const unsigned char r[8] = "r";
	struct cache_purged out = { 0 };
	struct buf why;

	NEEDS_REDIS;
	buf_init(&why, 256);
	redis_rig_do(
		&rig, "HSET tollgate:cache:%064u e 1", 1); /* an entry of an older version */
	redis_rig_do(&rig, "SET tollgate:cache:%064u:asks 1", 1); /* not the name of an entry */
	put_bytes(2, "x", 1);
	put_bytes(3, "", 0);
	redis_rig_do(&rig, "RPUSH tollgate:cache:%064u x", 4);
	const struct cache_purge p = { .route = r };
	assert_int_equal(cache_redis_purge(rig.c, &p, &stop, LATER, &out, &why), 0);
	assert_int_equal(out.purged, 4);
	assert_int_equal(out.failed, 0);
	assert_int_equal(redis_rig_do(&rig, "EXISTS tollgate:cache:%064u:asks", 1), 1);
	buf_free(&why);
}

static void
purge_visits_all_of_many_entries(void **state)
{
	static const unsigned char r[8] = "r";
	struct cache_purged out = { 0 };
	struct buf why;

	NEEDS_REDIS;
	buf_init(&why, 256);
	for (unsigned i = 0; i < 2000; i++) {
		put_entry(i, 1, i % 4 ? 'r' : 's', 'a');
	}
	const struct cache_purge p = { .route = r };
	assert_int_equal(cache_redis_purge(rig.c, &p, &stop, LATER, &out, &why), 0);
	assert_int_equal(out.purged, 1500);
	assert_int_equal(redis_rig_do(&rig, "DBSIZE"), 500);
	buf_free(&why);
}

/* A Redis that refuses commands, and the report of it. */
static void
failure_of_redis_is_reported(void **state)
{
	static const unsigned char r[8] = "r";
	static const struct {
		const char *name, *user; /* a user of Redis' ACL */
		int err;
		uint64_t failed;
		const char *why;
	} rows[] = {
		{ "no SCAN", "-scan", ERR_IO, 0, "SCAN: NOPERM" },
		{ "no GET", "-get", 0, 2, "NOPERM" },
		{ "no UNLINK", "-unlink", 0, 1, "NOPERM" },
	};

	NEEDS_REDIS;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		const struct cache_purge p = { .route = r };
		struct cache_purged out = { 0 };
		struct buf why;
		buf_init(&why, 256);
		put_entry(0, 1, 'r', 'a');
		put_entry(1, 1, 's', 'a');
		redis_rig_do(&rig, "ACL SETUSER default +@all %s", rows[i].user);
		int err = cache_redis_purge(rig.c, &p, &stop, LATER, &out, &why);
		redis_rig_do(&rig, "ACL SETUSER default +@all");
		if (err != rows[i].err || out.purged || out.failed != rows[i].failed ||
			!span_starts(buf_view(&why), span_str(rows[i].why)) ||
			redis_rig_do(&rig, "DBSIZE") != 2)
			fail_msg("%s: %d, %.*s", rows[i].name, err, SPAN_ARG(buf_view(&why)));
		buf_free(&why);
	}
}

static void
purge_ends_if_stopped(void **state)
{
	struct cache_purged out = { 0 };
	const struct cache_purge p = { 0 };
	struct buf why;

	NEEDS_REDIS;
	buf_init(&why, 256);
	put_entry(0, 1, 'r', 'a');
	assert_int_equal(
		cache_redis_purge(rig.c, &p, &stop, clock_mono_us(), &out, &why), ERR_TIMEOUT);
	assert_true(span_is(buf_view(&why), "the purge did not finish in time: purge again"));
	atomic_store(&stop, true);
	assert_int_equal(cache_redis_purge(rig.c, &p, &stop, LATER, &out, &why), ERR_BAD_STATE);
	atomic_store(&stop, false);
	assert_true(span_is(buf_view(&why), "the daemon is stopping: purge again after its start"));
	assert_int_equal(redis_rig_do(&rig, "DBSIZE"), 1);
	/* the last test, because the server is gone afterwards */
	kill(rig.pid, SIGKILL);
	waitpid(rig.pid, NULL, 0);
	assert_int_equal(cache_redis_purge(rig.c, &p, &stop, LATER, &out, &why), ERR_IO);
	assert_true(why.n > 0);
	assert_int_equal(out.purged, 0);
	redisFree(rig.c);
	rig.pid = 0;
	buf_free(&why);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(named_entries_are_deleted),
		cmocka_unit_test(unreadable_entry_is_deleted),
		cmocka_unit_test(purge_visits_all_of_many_entries),
		cmocka_unit_test(failure_of_redis_is_reported),
		cmocka_unit_test(purge_ends_if_stopped),
	};

	return cmocka_run_group_tests(tests, start_rig, stop_rig);
}
