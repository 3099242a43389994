/* Redis URLs: valid and refused ones, and that no text form shows a password. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/err.h"
#include "base/redis/redis_options.h"

/* clang-format off */
static const struct {
	const char *name, *url;
	const char *path, *host;
	unsigned port, db;
	const char *user, *password;
} good[] = {
	{ "a socket",                       "unix:/run/redis.sock",             "/run/redis.sock", "", 0, 0, "", "" },
	{ "a socket with a database",       "unix:/run/redis.sock?db=3",        "/run/redis.sock", "", 0, 3, "", "" },
	{ "a host",                         "redis://cache",                    "", "cache", 6379, 0, "", "" },
	{ "a host and a port",              "redis://10.0.0.1:7000",            "", "10.0.0.1", 7000, 0, "", "" },
	{ "a host and a database",          "redis://cache/2",                  "", "cache", 6379, 2, "", "" },
	{ "a slash without a database",     "redis://cache:1/",                 "", "cache", 1, 0, "", "" },
	{ "a password",                     "redis://:s3cret@cache:6380/1",     "", "cache", 6380, 1, "", "s3cret" },
	{ "a user and a password",          "redis://bob:s3cret@cache",         "", "cache", 6379, 0, "bob", "s3cret" },
	{ "a percent-encoded password",     "redis://:a%40b%2Fc@cache",         "", "cache", 6379, 0, "", "a@b/c" },
	{ "an @ inside the password",       "redis://:a@b@cache",               "", "cache", 6379, 0, "", "a@b" },
	{ "a user whose password is in a file", "redis://bob@cache",            "", "cache", 6379, 0, "bob", "" },
	{ "an IPv6 address",                "redis://[::1]",                    "", "::1", 6379, 0, "", "" },
	{ "an IPv6 address and a port",     "redis://:p@[2001:db8::1]:6390/4",  "", "2001:db8::1", 6390, 4, "", "p" },
};
static const struct { const char *name, *url; } bad[] = {
	{ "nothing",                        "" },
	{ "another scheme",                 "http://cache" },
	{ "a bare path",                    "/run/redis.sock" },
	{ "a relative socket",              "unix:redis.sock" },
	{ "no socket",                      "unix:" },
	{ "another query",                  "unix:/s?x=1" },
	{ "an empty query",                 "unix:/s?" },
	{ "a database that is no number",   "unix:/s?db=a" },
	{ "a database too large",           "unix:/s?db=65536" },
	{ "no host",                        "redis://" },
	{ "no host before the port",        "redis://:6379" },
	{ "no host after the password",     "redis://:p@" },
	{ "an empty port",                  "redis://cache:" },
	{ "port zero",                      "redis://cache:0" },
	{ "a port over 65535",              "redis://cache:65536" },
	{ "a port that is no number",       "redis://cache:6379x" },
	{ "an empty password",              "redis://:@cache" },
	{ "a cut percent escape",           "redis://:a%4@cache" },
	{ "a percent-encoded NUL",          "redis://:a%00b@cache" },
	{ "a database that is a path",      "redis://cache/1/2" },
	{ "an open bracket",                "redis://[::1" },
	{ "text after the bracket",         "redis://[::1]x" },
	{ "a colon after the bracket only", "redis://[::1]:" },
	{ "a blank in the host",            "redis://a b" },
	{ "a query",                        "redis://cache?db=1" },
	{ "two servers that are no cluster", "redis://a,b" },
	{ "a comma without a server",       "redis+cluster://a," },
	{ "a master without a name",        "redis+sentinel://a" },
	{ "an empty master",                "redis+sentinel://a//2" },
	{ "a master with a blank",          "redis+sentinel://a/my master" },
	{ "a cluster's database",           "redis+cluster://a/1" },
	{ "TLS on a socket",                "rediss:/run/redis.sock" },
	{ "another kind of Redis",          "redis+ring://a" },
	{ "an @ without a user",            "redis://@cache" },
};
/* clang-format on */

static void
url_is_read_into_its_parts(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		struct redis_url u;
		if (redis_url_parse(good[i].url, &u))
			fail_msg("%s: %s refused", good[i].name, good[i].url);
		assert_string_equal(u.path, good[i].path);
		assert_string_equal(u.server[0].host, good[i].host);
		assert_string_equal(u.user, good[i].user);
		assert_string_equal(u.password, good[i].password);
		assert_int_equal(u.server[0].port, good[i].port);
		assert_int_equal(u.db, good[i].db);
		char text[REDIS_URL_TEXT_MAX];
		redis_url_text(&u, text);
		if (u.password[0] && u.password[1])
			assert_null(strstr(text, u.password));
		struct redis_url again;
		assert_int_equal(redis_url_parse(text, &again), 0);
		assert_int_equal(again.nservers, u.nservers);
		assert_string_equal(again.server[0].host, u.server[0].host);
		assert_int_equal(again.server[0].port, u.server[0].port);
	}
}

/* The parts that Sentinels and clusters have besides those of one server. */
static void
sentinels_and_nodes_are_read_as_lists(void **state)
{
	/* clang-format off */
	static const struct {
		const char *url;
		enum redis_kind kind;
		bool tls;
		size_t n;
		const char *last;
		unsigned port, db;
		const char *master, *text;
	} rows[] = {
		{ "redis://cache", REDIS_ONE, false, 1, "cache", 6379, 0, "", "redis://cache:6379/0" },
		{ "rediss://:p@cache/3", REDIS_ONE, true, 1, "cache", 6379, 3, "", "rediss://cache:6379/3" },
		{ "redis+sentinel://a,b:1,[::1]/m.1-x_y", REDIS_SENTINEL, false, 3, "::1", 26379, 0, "m.1-x_y",
			"redis+sentinel://a:26379,b:1,[::1]:26379/m.1-x_y/0" },
		{ "rediss+sentinel://bob:p,q@a/m/7", REDIS_SENTINEL, true, 1, "a", 26379, 7, "m",
			"rediss+sentinel://a:26379/m/7" },
		{ "redis+cluster://a:7000,b:7001", REDIS_CLUSTER, false, 2, "b", 7001, 0, "",
			"redis+cluster://a:7000,b:7001" },
		{ "rediss+cluster://bob@a/", REDIS_CLUSTER, true, 1, "a", 6379, 0, "", "rediss+cluster://a:6379" },
	};
	/* clang-format on */

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct redis_url u;
		char text[REDIS_URL_TEXT_MAX];
		if (redis_url_parse(rows[i].url, &u))
			fail_msg("%s refused", rows[i].url);
		assert_int_equal(u.kind, rows[i].kind);
		assert_int_equal(u.tls, rows[i].tls);
		assert_int_equal(u.nservers, rows[i].n);
		assert_string_equal(u.server[u.nservers - 1].host, rows[i].last);
		assert_int_equal(u.server[u.nservers - 1].port, rows[i].port);
		assert_int_equal(u.db, rows[i].db);
		assert_string_equal(u.master, rows[i].master);
		redis_url_text(&u, text);
		assert_string_equal(text, rows[i].text);
	}
}

static void
invalid_redis_url_is_refused(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct redis_url u;
		if (redis_url_parse(bad[i].url, &u) != ERR_SYNTAX)
			fail_msg("%s: %s accepted", bad[i].name, bad[i].url);
	}
}

static void
too_long_part_is_refused_and_not_cut(void **state)
{
	char url[600];
	struct redis_url u;

	(void)state;
	snprintf(url, sizeof(url), "unix:/%0106d", 1);
	assert_int_equal(redis_url_parse(url, &u), 0);
	snprintf(url, sizeof(url), "unix:/%0107d", 1);
	assert_int_equal(redis_url_parse(url, &u), ERR_SYNTAX);
	snprintf(url, sizeof(url), "redis://:%0256d@h", 1);
	assert_int_equal(redis_url_parse(url, &u), ERR_SYNTAX);
	snprintf(url, sizeof(url), "redis://%0256d", 1);
	assert_int_equal(redis_url_parse(url, &u), ERR_SYNTAX);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(url_is_read_into_its_parts),
		cmocka_unit_test(sentinels_and_nodes_are_read_as_lists),
		cmocka_unit_test(invalid_redis_url_is_refused),
		cmocka_unit_test(too_long_part_is_refused_and_not_cut),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
