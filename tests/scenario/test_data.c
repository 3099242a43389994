/* Data that conditions read from a real Redis and a small HTTP server: a value is fetched once
 * and kept for its TTL. If the source is unavailable or answers wrongly, there is no value. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>

#include "base/caps.h"
#include "base/log.h"
#include "gate/sources/data.h"
#include "policy/policy.h"
#include "support/fake_clock.h"
#include "support/http_rig.h"
#include "support/redis_rig.h"

static char dir[64];
static struct redis_rig server;
static struct ev_loop *loop;
static struct metrics metrics;

static uint64_t
count(enum metric m)
{
	return atomic_load(&metrics.v[m]);
}

static unsigned answers;
static void
came(struct data_wait *w)
{
	(void)w;
	answers++;
}

static void
tick(struct ev_loop *l, ev_timer *t, int revents)
{
	(void)t;
	(void)revents;
	ev_break(l, EVBREAK_ONE);
}

static void
run_for(double s)
{
	ev_timer t;

	ev_timer_init(&t, tick, s, 0.);
	ev_timer_start(loop, &t);
	ev_run(loop, 0);
	ev_timer_stop(loop, &t);
}

/* Moves the clock. The test sets the time, so the speed of the machine does not matter. */
static void
pass(uint64_t us)
{
	fake_pass_us(us);
	run_for(0.01);
}

/* Returns the value that a request gets now, or NULL. */
static struct data_value *
get(struct data_cache *c, const struct data_source *s)
{
	struct data_wait w = { .done = came };
	struct data_value *v = NULL;
	unsigned before = answers;
	int got = data_get(c, s, &v, &w);

	if (got > 0)
		return v;
	if (got < 0)
		return NULL;
	for (int i = 0; i < 3000 && answers == before; i++)
		run_for(0.01);
	assert_int_equal(answers, before + 1);
	return w.value;
}

static void
is(struct data_value *v, const char *json)
{
	struct buf b;

	assert_non_null(v);
	buf_init(&b, 0);
	cel_json(&v->v, &b);
	buf_putc(&b, 0);
	assert_string_equal(buf_view(&b).p, json);
	buf_free(&b);
	data_value_unref(&v);
}

static void
hash_is_fetched_once_and_kept_for_its_ttl(void **state)
{
	struct data_source s = {
		.kind = DATA_REDIS, .place = "acme:incidents", .ttl_us = 300000
	};

	(void)state;
	if (!redis_rig_installed())
		skip();
	struct redis *r = redis_new(loop, server.url, 30000000, &metrics);
	struct data_cache *c = data_cache_new(loop, r, &metrics);
	for (int i = 0; i < 3000 && !redis_up(r); i++)
		run_for(0.01);
	redis_rig_do(&server, "DEL acme:incidents");
	is(get(c, &s), "{}");
	redis_rig_do(&server, "HSET acme:incidents level high team red");
	is(get(c, &s), "{}"); /* from memory */
	pass(350000);
	uint64_t before = count(M_DATA_FETCHED);
	struct data_wait w[3] = { { .done = came }, { .done = came }, { .done = came } };
	struct data_value *v;
	unsigned seen = answers;
	for (int i = 0; i < 3; i++)
		assert_int_equal(data_get(c, &s, &v, &w[i]), 0);
	while (answers < seen + 3)
		run_for(0.01);
	assert_int_equal(count(M_DATA_FETCHED), before + 1);
	for (int i = 0; i < 3; i++)
		is(w[i].value, "{\"level\":\"high\",\"team\":\"red\"}");

	/* A value of another type or size is a failure, which is remembered for a moment. */
	struct data_source wrong = { .kind = DATA_REDIS, .place = "text", .ttl_us = 300000 };
	redis_rig_do(&server, "SET text x");
	assert_null(get(c, &wrong));
	redis_rig_do(&server, "DEL text");
	assert_null(get(c, &wrong));
	pass(550000);
	is(get(c, &wrong), "{}");
	struct data_source big = { .kind = DATA_REDIS, .place = "big", .ttl_us = 300000 };
	char *text = malloc(CAP_DATA_BYTES + 2);
	assert_non_null(text);
	memset(text, 'x', CAP_DATA_BYTES + 1);
	text[CAP_DATA_BYTES + 1] = 0;
	redis_rig_do(&server, "HSET big f %s", text);
	free(text);
	assert_null(get(c, &big));

	/* After its TTL a value is never used, even if the source is unavailable. */
	redis_rig_stop(&server);
	pass(350000);
	assert_null(get(c, &s));
	assert_true(count(M_DATA_FAILED) >= 3);
	redis_rig_start(&server, dir);
	data_cache_free(&c);
	redis_free(&r);
}

static void
hash_fetch_fails_without_redis(void **state)
{
	struct data_source s = { .kind = DATA_REDIS, .place = "x", .ttl_us = 300000 };
	struct data_cache *c = data_cache_new(loop, NULL, &metrics);

	(void)state;
	assert_null(get(c, &s));
	data_cache_free(&c);
}

/* ---- URLs ---- */

static bool
on_request(void *arg, struct rig_conn *c, const struct rig_request *q)
{
	(void)arg;
	if (span_is(q->path, "/rows"))
		return http_rig_answer(c, 200, "",
			SPAN_LIT("{\"alice\": {\"leave\": true, \"days\": 3, \"rate\": 0.5}}"));
	if (span_is(q->path, "/token")) {
		bool given = memmem(q->head.p, q->head.n, "Bearer s3cret\r\n", 15) != NULL;
		return http_rig_answer(c, given ? 200 : 401, "", SPAN_LIT("[1,\"a\",null]"));
	}
	if (span_is(q->path, "/twice"))
		return http_rig_answer(c, 200, "", SPAN_LIT("{\"a\":1,\"a\":2}"));
	if (span_is(q->path, "/deep")) {
		char deep[128];
		memset(deep, '[', 64);
		memset(deep + 64, ']', 64);
		return http_rig_answer(c, 200, "", span_of(deep, sizeof(deep)));
	}
	if (span_is(q->path, "/slow"))
		http_rig_hang(c);
	return http_rig_answer(c, span_is(q->path, "/text") ? 200 : 404, "", SPAN_LIT("hello"));
}

static void
document_is_fetched_with_its_token(void **state)
{
	struct http_rig *rig = http_rig_start(on_request, NULL, NULL, NULL);
	struct data_cache *c = data_cache_new(loop, NULL, &metrics);
	static const char *const failing[] = { "twice", "deep", "slow", "text", "absent" };
	char url[64];
	struct data_source s = {
		.kind = DATA_URL, .place = url, .ttl_us = 60000000, .timeout_us = 300000
	};

	(void)state;
	snprintf(url, sizeof(url), "http://127.0.0.1:%u/rows", rig->port);
	is(get(c, &s), "{\"alice\":{\"leave\":true,\"days\":3,\"rate\":0.5}}");
	unsigned asked = atomic_load(&rig->requests);
	is(get(c, &s), "{\"alice\":{\"leave\":true,\"days\":3,\"rate\":0.5}}");
	assert_int_equal(atomic_load(&rig->requests), asked);
	snprintf(url, sizeof(url), "http://127.0.0.1:%u/token", rig->port);
	assert_null(get(c, &s));
	s.authorization = "Authorization: Bearer s3cret";
	is(get(c, &s), "[1,\"a\",null]");
	for (size_t i = 0; i < sizeof(failing) / sizeof(failing[0]); i++) {
		snprintf(url, sizeof(url), "http://127.0.0.1:%u/%s", rig->port, failing[i]);
		assert_null(get(c, &s));
	}
	/* A policy without these sources drops their values. */
	struct policy p = { .ndata = 0 };
	data_keep(c, &p);
	snprintf(url, sizeof(url), "http://127.0.0.1:%u/token", rig->port);
	asked = atomic_load(&rig->requests);
	is(get(c, &s), "[1,\"a\",null]");
	assert_int_equal(atomic_load(&rig->requests), asked + 1);
	/* The cache may be freed in the middle of a call. */
	struct data_wait w = { .done = came };
	struct data_value *v;
	snprintf(url, sizeof(url), "http://127.0.0.1:%u/slow", rig->port);
	pass(550000);
	assert_int_equal(data_get(c, &s, &v, &w), 0);
	data_cache_free(&c);
	/* A stop ends the call at once, however long its timeout is. */
	c = data_cache_new(loop, NULL, &metrics);
	s.timeout_us = 10000000;
	unsigned seen = answers;
	w = (struct data_wait){ .done = came };
	struct data_wait second = { .done = came };
	assert_int_equal(data_get(c, &s, &v, &w), 0);
	assert_int_equal(data_get(c, &s, &v, &second), 0);
	run_for(0.05);
	assert_int_equal(answers, seen);
	data_abort(c);
	assert_int_equal(answers, seen + 2);
	assert_null(w.value);
	assert_null(second.value);
	snprintf(url, sizeof(url), "http://127.0.0.1:%u/rows", rig->port);
	assert_true(data_get(c, &s, &v, &w) < 0);
	data_cache_free(&c);
	http_rig_stop(&rig);
}

static int
setup(void **state)
{
	(void)state;
	log_setup(LOG_LOGFMT, LOG_ERROR);
	snprintf(dir, sizeof(dir), "/tmp/tollgate-data-XXXXXX");
	if (!mkdtemp(dir))
		return -1;
	loop = ev_loop_new(EVFLAG_AUTO);
	if (redis_rig_installed())
		redis_rig_start(&server, dir);
	else
		print_message("redis-server is not installed: tests on it are skipped\n");
	return 0;
}

static int
teardown(void **state)
{
	char cmd[128];

	(void)state;
	redis_rig_stop(&server);
	ev_loop_destroy(loop);
	snprintf(cmd, sizeof(cmd), "rm -rf '%s'", dir);
	return system(cmd);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(hash_is_fetched_once_and_kept_for_its_ttl),
		cmocka_unit_test(hash_fetch_fails_without_redis),
		cmocka_unit_test(document_is_fetched_with_its_token),
	};

	return cmocka_run_group_tests_name("data", tests, setup, teardown);
}
