/* A cluster of three real nodes: each command is sent to the node with the key's slot, a moving
 * slot is followed, and a lost node affects only its own keys. Also the slots themselves. Then
 * all of it over TLS. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <sys/stat.h>

#include <cmocka.h>
#include <stdlib.h>

#include "base/redis/redis_private.h"
#include "support/redis_cluster.h"
#include "support/redis_loop.h"

/* ---- slots ---- */

static void
key_is_in_its_slot(void **state)
{
	/* As reported by CLUSTER KEYSLOT. */
	static const struct {
		const char *key;
		unsigned slot;
	} rows[] = {
		{ "123456789", 12739 },
		{ "foo", 12182 },
		{ "{foo}bar", 12182 },
		{ "a{foo}{bar}", 12182 },
		{ "", 0 },
		{ "foo{}{bar}", 8363 },
		{ "foo{{bar}}zap", 4015 },
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++)
		if (redis_slot(span_str(rows[i].key)) != rows[i].slot)
			fail_msg("%s: %u", rows[i].key, redis_slot(span_str(rows[i].key)));
	for (unsigned s = 0; s < REDIS_SLOTS; s += 61) {
		char tag[REDIS_TAG_MAX];
		redis_slot_tag(s, tag);
		assert_int_equal(redis_slot(span_str(tag)), s);
	}
}

static void
node_address_is_read(void **state)
{
	static const struct {
		const char *said, *host, *address;
		unsigned port;
	} rows[] = {
		{ "10.0.0.7:6379", "10.0.0.7", "10.0.0.7", 6379 },
		{ "2001:db8::1:7000", "2001:db8::1", "2001:db8::1", 7000 },
		{ "node-1.example:7000", "node-1.example", "", 7000 },
		{ ":7000", "asked", "", 7000 },
		{ "?:7000", "asked", "", 7000 },
		{ "10.0.0.7", NULL, NULL, 0 },
		{ "10.0.0.7:0", NULL, NULL, 0 },
		{ "10.0.0.7:65536", NULL, NULL, 0 },
		{ "10.0.0.7:", NULL, NULL, 0 },
		{ "", NULL, NULL, 0 },
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct redis_place p;
		int err = redis_place_read(span_str(rows[i].said), "asked", &p);
		if (err != (rows[i].host ? 0 : ERR_SYNTAX))
			fail_msg("%s: %d", rows[i].said, err);
		if (err)
			continue;
		redis_place_address(&p);
		assert_string_equal(p.host, rows[i].host);
		assert_string_equal(p.address, rows[i].address);
		assert_int_equal(p.port, rows[i].port);
	}
}

/* ---- real nodes ---- */

static struct redis_options
cluster(void)
{
	struct redis_options o = loop_options("redis%s+cluster://127.0.0.1:1,127.0.0.1:%u",
		cluster_tls ? "s" : "", node_port(1));

	if (cluster_tls) {
		strcpy(o.tls_ca, path("ca.pem"));
		strcpy(o.tls_cert, path("client.pem"));
		strcpy(o.tls_key, path("client.key"));
		strcpy(o.tls_name, "redis.test");
	}
	return o;
}

static void
key_is_sent_to_its_node(void **state)
{
	struct redis_options o = cluster();
	struct redis *r = loop_begin(&o);
	char keys[200];

	(void)state;
	assert_true(loop_becomes(r, true));
	for (int round = 1; round <= 2; round++)
		for (unsigned k = 0; k < 60; k++)
			assert_int_equal(
				redis_count_up(r, key_of((int)(k % NODES), k)).i, round);
	for (int i = 0; i < NODES; i++)
		assert_string_equal(
			server_do(&node[i], "GET %s", key_of(i, 3 + (unsigned)i)), "2");
	/* Keys on three nodes: several slots of one node, two keys in one slot, and a missing
	 * key. */
	snprintf(keys, sizeof(keys), "%s.", key_of(1, 1));
	struct told t = told(
		r, "MGET", key_of(0, 0), key_of(1, 1), keys, key_of(2, 2), key_of(0, 3), NULL);
	assert_int_equal(t.err, 0);
	assert_int_equal(t.reply, 0);
	assert_int_equal(t.first.n, 5);
	for (int i = 0; i < 5; i++)
		assert_int_equal(t.first.list[i], i == 2 ? 0 : 2);
	/* Each node has its own epoch, whose key is on it, and its own clock. */
	for (int i = 0; i < NODES; i++) {
		const struct redis_life *l = redis_life(redis_at(r, span_str(key_of(i, 0))));
		char epoch[32];
		snprintf(epoch, sizeof(epoch), "%llu", (unsigned long long)l->epoch);
		assert_string_equal(server_do(&node[i], "GET %s", l->key), epoch);
		assert_true(l->offset_us != 0);
	}
	assert_int_equal(redis_life(r)->epoch, 0);
	redis_free(&r);
}

/* While the slot moves and afterwards, nothing fails or is lost, and every read returns the
 * last write. */
static void
moving_slot_is_followed(void **state)
{
	struct redis_options o = cluster();
	struct redis *r = loop_begin(&o);
	char a[48], b[48], c[48];

	(void)state;
	snprintf(a, sizeof(a), "%s.a", key_of(0, 100));
	snprintf(b, sizeof(b), "%s.b", key_of(0, 100));
	snprintf(c, sizeof(c), "%s.c", key_of(0, 100));
	unsigned slot = redis_slot(span_str(a));
	assert_true(loop_becomes(r, true));
	assert_int_equal(redis_count_up(r, a).i, 1);
	assert_int_equal(redis_count_up(r, b).i, 1);
	server_do(&node[1], "CLUSTER SETSLOT %u IMPORTING %s", slot, id(&node[0]));
	server_do(&node[0], "CLUSTER SETSLOT %u MIGRATING %s", slot, id(&node[1]));
	assert_string_equal(
		server_do(&node[0], "MIGRATE 127.0.0.1 %u %s 0 1000", node_port(1), a), "OK");
	for (int round = 2; round <= 3; round++) {
		/* One key has moved, one has not, and one does not exist yet and is made on the
		 * new node. */
		assert_int_equal(redis_count_up(r, a).i, round);
		assert_int_equal(redis_count_up(r, b).i, round);
		assert_int_equal(redis_count_up(r, c).i, round - 1);
		struct told t = told(r, "MGET", a, b, c, "nothing", a, NULL);
		assert_int_equal(t.err, 0);
		assert_int_equal(t.first.n, 5);
		assert_int_equal(t.first.list[0], round);
		assert_int_equal(t.first.list[1], round);
		assert_int_equal(t.first.list[2], round - 1);
		assert_int_equal(t.first.list[3], 0);
		assert_int_equal(t.first.list[4], round);
	}
	assert_string_equal(
		server_do(&node[0], "MIGRATE 127.0.0.1 %u %s 0 1000", node_port(1), b), "OK");
	for (int i = 1; i >= 0; i--)
		server_do(&node[i], "CLUSTER SETSLOT %u NODE %s", slot, id(&node[1]));
	struct redis *before = redis_at(r, span_str(a));
	assert_int_equal(redis_count_up(r, a).i, 4);
	assert_true(redis_at(r, span_str(a)) != before);
	assert_int_equal(redis_count_up(r, b).i, 4);
	assert_int_equal(told(r, "MGET", a, b, c, NULL).first.list[2], 2);
	redis_free(&r);
}

/* One worker of a process is redirected. In its next turn, each worker knows the new node and
 * that the slot moved, before the cluster was queried. */
static void
redirected_worker_informs_the_others(void **state)
{
	struct redis_options o = cluster();
	struct redis_finder *f = redis_finder_new(&o);
	struct redis *r[2];
	char key[48];

	(void)state;
	for (int i = 0; i < 2; i++) {
		r[i] = redis_new_at(test_loop, f, PATIENT_MS * 1000ull, &metrics);
		assert_true(loop_becomes(r[i], true));
	}
	snprintf(key, sizeof(key), "%s", key_of(0, 170));
	unsigned slot = redis_slot(span_str(key));
	struct redis *was = redis_at(r[1], span_str(key));
	uint64_t moves = redis_moves(r[1]);
	for (int i = 1; i >= 0; i--)
		server_do(&node[i], "CLUSTER SETSLOT %u NODE %s", slot, id(&node[1]));
	assert_int_equal(redis_count_up(r[0], key).i, 1);
	ev_run(test_loop, EVRUN_NOWAIT);
	assert_ptr_not_equal(redis_at(r[1], span_str(key)), was);
	assert_ptr_equal(redis_at(r[1], span_str(key)), redis_at(r[1], span_str(key_of(1, 1))));
	assert_true(redis_moves(r[1]) != moves);
	for (int i = 0; i < 2; i++)
		redis_free(&r[i]);
	redis_finder_free(&f);
}

/* No worker is redirected. The first move is noticed after a second at most, the next ones much
 * sooner. */
static void
consecutive_slot_moves_are_noticed_soon(void **state)
{
	enum { MOVED = 8, MOST_MS = 4000 };
	struct redis_options o = cluster();
	struct redis *r = loop_begin(&o);

	(void)state;
	assert_true(loop_becomes(r, true));
	struct redis *to = redis_at(r, span_str(key_of(1, 1)));
	uint64_t began_us = clock_mono_us();
	for (unsigned i = 0; i < MOVED; i++) {
		unsigned slot = redis_slot(span_str(key_of(0, 180 + i)));
		for (int n = NODES; n-- > 0;)
			server_do(&node[n], "CLUSTER SETSLOT %u NODE %s", slot, id(&node[1]));
		while (r->f->owner[slot] != to && clock_mono_us() < began_us + 60000000) {
			ev_run(test_loop, EVRUN_NOWAIT);
			usleep(1000);
		}
	}
	unsigned ms = (unsigned)((clock_mono_us() - began_us) / 1000);
	if (ms > MOST_MS)
		fail_msg("%u ms", ms);
	redis_free(&r);
}

static void
on_second(void *arg, int err, const struct redis_reply_ints *replies, size_t n)
{
	struct told *t = *(struct told *const *)arg;

	t->err = err;
	t->i = n == 2 ? replies[1].list[0] : -1;
	t->done = true;
}

/* A worker that counts and then reads must have counted when it reads, even if both commands
 * use different nodes. Otherwise two workers could each miss the other. */
static void
count_precedes_the_following_read(void **state)
{
	struct redis_options o = cluster();
	struct redis *r = loop_begin(&o);
	struct told t = { 0 }, *arg = &t;
	char a[48], b[48];

	(void)state;
	snprintf(a, sizeof(a), "%s.a", key_of(2, 150));
	snprintf(b, sizeof(b), "%s.b", key_of(2, 150));
	unsigned slot = redis_slot(span_str(a));
	assert_true(loop_becomes(r, true));
	assert_int_equal(redis_count_up(r, a).i, 1);
	assert_int_equal(redis_count_up(r, b).i, 1);
	server_do(&node[1], "CLUSTER SETSLOT %u IMPORTING %s", slot, id(&node[2]));
	server_do(&node[2], "CLUSTER SETSLOT %u MIGRATING %s", slot, id(&node[1]));
	server_do(&node[2], "MIGRATE 127.0.0.1 %u %s 0 1000", node_port(1), a);
	/* The count waits for node 1; meanwhile another worker counts on node 2. */
	assert_string_equal(server_do(&node[1], "CLIENT PAUSE 150 WRITE"), "OK");
	struct redis_pipe *p = redis_begin(r, 2, on_second, &arg, sizeof(arg));
	redis_command(p, 3, (const char *[]){ "INCRBY", a, "1" },
		(const size_t[]){ 6, strlen(a), 1 });
	redis_command(p, 2, (const char *[]){ "MGET", b }, (const size_t[]){ 4, strlen(b) });
	redis_send(p);
	for (uint64_t until = clock_mono_us() + 60000; clock_mono_us() < until;) {
		ev_run(test_loop, EVRUN_NOWAIT);
		usleep(1000);
	}
	assert_false(t.done);
	assert_string_equal(server_do(&node[2], "INCRBY %s 10", b), "11");
	while (!t.done)
		ev_run(test_loop, EVRUN_ONCE);
	assert_int_equal(t.err, 0);
	assert_int_equal(t.i, 11);
	server_do(&node[1], "CLUSTER SETSLOT %u STABLE", slot);
	server_do(&node[2], "CLUSTER SETSLOT %u STABLE", slot);
	redis_free(&r);
}

static void
lost_node_affects_only_its_own_keys(void **state)
{
	struct redis_options o = cluster();
	struct redis *r = loop_begin(&o);
	struct buf why;

	(void)state;
	assert_true(loop_becomes(r, true));
	const char *mine = key_of(0, 200), *other = key_of(2, 200);
	struct redis *at = redis_at(r, span_str(mine));
	uint64_t life = redis_life(at)->epoch,
		 others = redis_life(redis_at(r, span_str(other)))->epoch;
	assert_int_equal(redis_count_up(r, mine).i, 1);
	server_do(&node[0], "WAIT 1 1000");
	cluster_waits(1000);
	server_kill(&node[0]);
	assert_true(loop_becomes(r, false));
	assert_int_equal(redis_count_up(r, mine).err, ERR_IO);
	assert_true(redis_up(redis_at(r, span_str(other))));
	assert_int_equal(redis_count_up(r, other).i, 1);
	/* Its replica is promoted: that node has a new epoch, the others keep theirs. */
	uint64_t began = clock_mono_us();
	assert_true(loop_becomes(r, true));
	double took_s = (double)(clock_mono_us() - began) / 1e6;
	print_message("promotion followed after %.1f s\n", took_s);
	/* The nodes are queried as soon as one is lost, and not only after the usual 10 s. */
	assert_true(took_s < 9);
	at = redis_at(r, span_str(mine));
	assert_true(redis_life(at)->epoch != life);
	assert_int_equal(redis_life(redis_at(r, span_str(other)))->epoch, others);
	assert_int_equal(redis_count_up(r, mine).i, 2);
	assert_int_equal(redis_count_up(r, other).i, 2);
	redis_free(&r);
	/* The blocking client finds a key's node too. */
	buf_init(&why, 8192);
	redisContext *c = redis_dial(&o, span_str(mine), PATIENT_MS * 1000ull, &why);
	assert_non_null(c);
	redisReply *reply = redisCommand(c, "GET %s", mine);
	assert_string_equal(reply->str, "2");
	freeReplyObject(reply);
	redisFree(c);
	buf_free(&why);
}

static void
cluster_works_over_tls(void **state)
{
	(void)state;
	print_message("SKIP: " REDIS_TLS_MISSING "\n");
	skip();
}
static const struct CMUnitTest no_tls[] = { cmocka_unit_test(cluster_works_over_tls) };

int
main(void)
{
	const struct CMUnitTest pure[] = {
		cmocka_unit_test(key_is_in_its_slot),
		cmocka_unit_test(node_address_is_read),
	};
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(key_is_sent_to_its_node),
		cmocka_unit_test(moving_slot_is_followed),
		cmocka_unit_test(redirected_worker_informs_the_others),
		cmocka_unit_test(consecutive_slot_moves_are_noticed_soon),
		cmocka_unit_test(count_precedes_the_following_read),
		cmocka_unit_test(lost_node_affects_only_its_own_keys),
	};
	int failed = cmocka_run_group_tests(pure, NULL, NULL);

	test_loop = ev_default_loop(0);
	log_setup(LOG_LOGFMT, getenv("TG_TEST_LOG") ? LOG_INFO : LOG_ERROR);
	if (!server_installed())
		return failed + servers_missing();
	failed += cmocka_run_group_tests(tests, cluster_start, cluster_stop);
	cluster_tls = redis_tls_built;
	return failed + (cluster_tls ? cmocka_run_group_tests_name(
					       "over TLS", tests, cluster_start, cluster_stop)
				     : cmocka_run_group_tests(no_tls, NULL, NULL));
}
