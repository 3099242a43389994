/* The list of the daemons of a group: the checks of values from Redis, which daemon gets no
 * requests, and how many there are. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/codec/json_text.h"
#include "operator/group/nodes.h"

#define HEX  "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define READY "\"ready\":true,\"ready_s\":900,\"minute\":0"

/* Adds a node whose member has this JSON. */
static void
add(json_t *list, const char *node, const char *member, int64_t age_s)
{
	json_t *o = json_loads(member, 0, NULL);

	assert_non_null(o);
	nodes_add(list, span_str(node), o, NULL, age_s);
	json_decref(o);
}

static void
values_of_redis_are_checked(void **state)
{
	static const struct {
		const char *name, *member, *of, *want;
	} rows[] = {
		{ "a version", "{\"program\":\"0.3.0\"}", "version", "\"0.3.0\"" },
		{ "a version that is no text", "{\"program\":7}", "version", "null" },
		{ "a version that controls a terminal", "{\"program\":\"\\u001b[2J\"}", "version",
			"null" },
		{ "no version, as an older daemon", "{}", "version", "null" },
		{ "requests a minute", "{\"minute\":120}", "requests_per_minute", "120" },
		{ "requests below zero", "{\"minute\":-1}", "requests_per_minute", "null" },
		{ "requests with a fraction", "{\"minute\":1.5}", "requests_per_minute", "null" },
		{ "requests in flight", "{\"in_flight\":3}", "requests_in_flight", "3" },
		{ "requests in flight, as a text", "{\"in_flight\":\"3\"}", "requests_in_flight", "null" },
		{ "requests that wait", "{\"awaited\":2}", "awaited", "2" },
		{ "the longest wait", "{\"oldest_s\":90}", "oldest_s", "90" },
		{ "a wait below zero", "{\"oldest_s\":-1}", "oldest_s", "null" },
		{ "a request that controls a terminal", "{\"oldest_id\":\"\\u001b[2J\"}", "oldest_id",
			"null" },
		{ "the head of the chain", "{\"head\":\"" HEX "\"}", "head", "\"" HEX "\"" },
		{ "a head that is too short", "{\"head\":\"0123\"}", "head", "null" },
		{ "a head that is no hash", "{\"head\":\"" HEX "x\"}", "head", "null" },
		{ "when it was verified", "{\"verified\":\"2026-11-30T14:15:32Z\"}", "verified",
			"\"2026-11-30T14:15:32Z\"" },
		{ "a time that is none", "{\"verified\":\"soon\"}", "verified", "null" },
		{ "degraded parts", "{\"degraded\":[\"redis\",\"chain\"]}", "degraded",
			"[\"redis\",\"chain\"]" },
		{ "a part that is no text", "{\"degraded\":[\"redis\",{}]}", "degraded", "null" },
		{ "an address that is no console's", "{\"console\":\"javascript:alert(1)\"}", "console",
			"null" },
		{ "a console", "{\"console\":\"https://gw:9443/console/\"}", "console",
			"\"https://gw:9443/console/\"" },
		{ "ready", "{" READY "}", "ready", "true" },
		{ "ready, as a text", "{\"ready\":\"true\"}", "ready", "false" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		json_t *list = json_array();
		add(list, "gw-1", rows[i].member, 1);
		char *is = json_dumps(json_object_get(json_array_get(list, 0), rows[i].of),
			JSON_ENCODE_ANY | JSON_COMPACT);
		if (strcmp(is, rows[i].want) != 0)
			fail_msg("%s: %s", rows[i].name, is);
		free(is);
		json_decref(list);
	}
	json_t *list = json_array();
	add(list, "gw-1", "{" READY ",\"in_flight\":3}", 10);
	assert_true(json_is_null(json_object_get(json_array_get(list, 0), "requests_in_flight")));
	assert_true(json_is_false(json_object_get(json_array_get(list, 0), "live")));
	assert_true(json_is_false(json_object_get(json_array_get(list, 0), "ready")));
	json_decref(list);
}

#define NONE  "{" READY "}"
#define IDLE  "{" READY ",\"idle_s\":300}"
#define BUSY  "{" READY ",\"idle_s\":299}"
#define NEW   "{\"ready\":true,\"ready_s\":299,\"minute\":0}"
#define DOWN  "{\"ready\":false,\"ready_s\":0,\"minute\":0,\"idle_s\":900}"
#define OLDER "{\"ready\":true,\"ready_s\":900}"

static void
daemon_without_requests_is_named(void **state)
{
	static const struct {
		const char *name, *member[3], *want; /* of the nodes a, b, c: x if it is unasked */
		int64_t age_s;			     /* of c */
	} rows[] = {
		{ "one gets none for five minutes, others do", { IDLE, BUSY, BUSY }, "x..", 0 },
		{ "one never got any", { NONE, BUSY, BUSY }, "x..", 0 },
		{ "nobody gets any", { IDLE, NONE, IDLE }, "...", 0 },
		{ "one has been ready for less than five minutes", { NEW, BUSY, BUSY }, "...", 0 },
		{ "one that just started does not count as asked", { IDLE, NEW, NEW }, "...", 0 },
		{ "one is not ready", { DOWN, BUSY, BUSY }, "...", 0 },
		{ "an older daemon does not publish its requests", { OLDER, BUSY, BUSY }, "...", 0 },
		{ "the one that got some is away", { IDLE, NONE, BUSY }, "...", 60 },
		{ "one that is away is not named", { BUSY, BUSY, IDLE }, "...", 60 },
		{ "two of three", { IDLE, NONE, BUSY }, "xx.", 0 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		json_t *list = json_array();
		char is[4] = "...";
		add(list, "c", rows[i].member[2], rows[i].age_s);
		add(list, "a", rows[i].member[0], 0);
		add(list, "b", rows[i].member[1], 9);
		json_t *sorted = nodes_list(list);
		for (size_t k = 0; k < 3; k++) {
			const json_t *one = json_array_get(sorted, k);
			assert_int_equal(json_text_in(one, "node")[0], "abc"[k]);
			if (json_is_true(json_object_get(one, "unasked")))
				is[k] = 'x';
		}
		if (strcmp(is, rows[i].want) != 0)
			fail_msg("%s: %s", rows[i].name, is);
		json_decref(sorted);
		json_decref(list);
	}
}

static void
instances_of_a_daemon_count_once(void **state)
{
	struct nodes_counts n;
	json_t *list = json_array();
	struct buf missing;

	(void)state;
	buf_init(&missing, 64);
	nodes_count(list, &n, &missing);
	assert_true(n.live == 0 && n.known == 0 && missing.n == 0);
	add(list, "a", "{\"daemon\":\"a\"}", 3600); /* the instance before the upgrade */
	add(list, "a_b", "{\"daemon\":\"a\"}", 1);
	add(list, "b", "{\"daemon\":\"b\"}", 1);
	add(list, "c", "{}", 11);
	add(list, "d", "{\"daemon\":\"d\"}", 60);
	nodes_count(list, &n, &missing);
	assert_int_equal(n.live, 2);
	assert_int_equal(n.known, 4);
	assert_true(span_is(buf_view(&missing), "c, d"));
	buf_free(&missing);
	json_decref(list);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(values_of_redis_are_checked),
		cmocka_unit_test(daemon_without_requests_is_named),
		cmocka_unit_test(instances_of_a_daemon_count_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
