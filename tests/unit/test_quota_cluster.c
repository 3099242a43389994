/* Limits on a cluster of three real nodes: the limits of a request are on several of them, each
 * with its own clock and epoch, and apply as on one server. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>

#include <cmocka.h>
#include <stdlib.h>

#include "base/redis/redis_private.h"
#include "budget/quota/quota_private.h"
#include "support/redis_cluster.h"
#include "support/redis_loop.h"

enum { LINES = 4, ASKS = 60, LIMIT = 40 };

static struct mailbox self;

/* A daemon's worker. */
struct line {
	struct redis *redis;
	struct quota *quota;
	struct metrics m;
};

static void
lines_up(struct line l[static LINES])
{
	struct redis_options o = loop_options("redis+cluster://127.0.0.1:%u", node[1].port);

	for (int i = 0; i < LINES; i++) {
		l[i].redis = loop_begin(&o);
		l[i].quota = quota_new(l[i].redis, NULL, &self, &l[i].m);
		assert_true(loop_becomes(l[i].redis, true));
	}
}

static void
lines_down(struct line l[static LINES])
{
	for (int i = 0; i < LINES; i++) {
		quota_free(&l[i].quota);
		redis_free(&l[i].redis);
	}
}

/* A limit in the slots of node i. */
static void
dim_at(struct quota_dim *d, int i, unsigned number, enum quota_window_kind kind, uint64_t limit,
	uint64_t n)
{
	*d = (struct quota_dim){ .limit = limit,
		.n = n,
		.name = "limit",
		.unit = kind == QUOTA_IN_FLIGHT	 ? QUOTA_CONCURRENT
			: kind == QUOTA_CALENDAR ? QUOTA_TOKENS
						 : QUOTA_REQUESTS,
		.span = { .kind = kind, .window_s = 60, .calendar = QUOTA_DAY },
		.hold_s = kind == QUOTA_ROLLING ? 0 : 30 };
	snprintf(d->key, sizeof(d->key), "tollgate:q:%s", key_of(i, number));
	/* The cluster needs no other rule: nothing follows the tag. */
	strchr(d->key, '}')[1] = '\0';
	assert_int_equal(redis_slot(span_str(d->key)) * NODES / REDIS_SLOTS, i);
}

struct ask {
	struct quota_request q;
	bool done;
};

static void
on_done(struct quota_request *q)
{
	struct ask *a = q->arg;

	assert_false(a->done);
	a->done = true;
}

static void
ask(struct quota *qt, struct ask *a)
{
	a->q.done = on_done;
	a->q.arg = a;
	quota_reserve(qt, &a->q);
}

static void
wait_for(const struct ask *a, size_t n)
{
	uint64_t until = clock_mono_us() + 60000000;

	for (size_t i = 0; i < n && clock_mono_us() < until;) {
		ev_run(test_loop, EVRUN_NOWAIT);
		mailbox_drain(&self, NULL);
		usleep(200);
		while (i < n && a[i].done)
			i++;
	}
	for (size_t i = 0; i < n; i++)
		assert_true(a[i].done);
}

/* The map is found before a tick and read in it: the connections begin after the tick did. */
static void
node_found_by_a_tick_is_connected(void **state)
{
	struct redis_options o = loop_options("redis+cluster://127.0.0.1:%u", node[1].port);
	struct redis *r = loop_begin(&o);
	static struct redis_map m;
	uint64_t version = 0;

	(void)state;
	while (!redis_finder_new_map(r->f->finder, &version, &m))
		usleep(1000);
	ev_invoke(test_loop, &r->f->tick, EV_TIMER);
	assert_int_equal(r->f->nodes, NODES);
	for (size_t i = 0; i < r->f->nodes; i++)
		assert_non_null(r->f->node[i]->ac);
	redis_free(&r);
}

/* A slot moves and moves back before the map is read: the map is the same, but a redirection has been followed. */
static void
slot_that_moved_back_at_once_is_found(void **state)
{
	struct redis_options o = loop_options("redis+cluster://127.0.0.1:%u", node[1].port);
	struct redis *r = loop_begin(&o);
	struct span key = span_str(key_of(0, 1));

	(void)state;
	assert_true(loop_becomes(r, true));
	struct redis *at = redis_at(r, key), *other = redis_at(r, span_str(key_of(1, 1)));
	assert_ptr_not_equal(at, other);
	redis_finder_report_moved(r->f->finder, redis_slot(key), &other->place);
	struct redis *const way[] = { other, at };
	for (size_t i = 0; i < COUNT_OF(way); i++) {
		for (uint64_t until = clock_mono_us() + 5000000;
			redis_at(r, key) != way[i] && clock_mono_us() < until;)
			ev_run(test_loop, EVRUN_ONCE);
		assert_ptr_equal(redis_at(r, key), way[i]);
	}
	redis_free(&r);
}

/* Each of the three kinds is the tightest once. It admits exactly its limit, whichever node it
 * is on, and the other limits get refused amounts back. */
static void
limits_on_several_nodes_apply(void **state)
{
	static const enum quota_window_kind kinds[] = { QUOTA_ROLLING, QUOTA_CALENDAR,
		QUOTA_IN_FLIGHT };
	static struct line l[LINES];
	static struct ask a[ASKS];

	(void)state;
	lines_up(l);
	for (unsigned tight = 0; tight < NODES; tight++) {
		size_t admitted = 0, refused = 0;
		memset(a, 0, sizeof(a));
		for (unsigned i = 0; i < ASKS; i++) {
			a[i].q.ndims = NODES;
			for (unsigned k = 0; k < NODES; k++)
				dim_at(&a[i].q.dim[k], (int)((k + tight) % NODES),
					100 * tight + k, kinds[k], k == tight ? LIMIT : 1000000,
					1);
			ask(l[i % LINES].quota, &a[i]);
			/* Some concurrently, some one after the other. */
			if (i % 10 == 9)
				wait_for(a, i + 1);
		}
		wait_for(a, ASKS);
		for (unsigned i = 0; i < ASKS; i++) {
			admitted += a[i].q.result == QUOTA_ADMITTED;
			refused += a[i].q.result == QUOTA_REFUSED;
			if (a[i].q.result == QUOTA_REFUSED)
				assert_int_equal(a[i].q.refused_by, tight);
		}
		if (admitted > LIMIT || admitted < LIMIT - 4 || admitted + refused != ASKS)
			fail_msg("%u: %zu admitted, %zu refused", tight, admitted, refused);
		/* On each node, the counts equal the admitted amounts. */
		for (unsigned k = 0; k < NODES; k++) {
			struct ask last = { .q.ndims = 1 };
			dim_at(&last.q.dim[0], (int)((k + tight) % NODES), 100 * tight + k,
				kinds[k], 1000000, 1);
			ask(l[0].quota, &last);
			wait_for(&last, 1);
			assert_int_equal(last.q.result, QUOTA_ADMITTED);
			assert_int_equal(last.q.dim[0].remaining, 1000000 - admitted - 1);
			quota_release(l[0].quota, &last.q, clock_mono_us());
		}
	}
	/* Ended requests in flight make room, and the real usage is what counts. */
	struct ask more = { .q.ndims = 1 };
	for (unsigned i = 0; i < ASKS; i++) {
		struct quota_request *q = &a[i].q;
		if (q->result != QUOTA_ADMITTED)
			continue;
		for (size_t k = 0; k < q->ndims; k++)
			q->dim[k].actual = q->dim[k].span.kind == QUOTA_IN_FLIGHT ? 0 : 3;
		quota_settle(l[i % LINES].quota, q, clock_mono_us());
	}
	for (uint64_t until = clock_mono_us() + 100000; clock_mono_us() < until;)
		ev_run(test_loop, EVRUN_NOWAIT);
	dim_at(&more.q.dim[0], (int)(2 + 2) % NODES, 202, QUOTA_IN_FLIGHT, LIMIT, 1);
	ask(l[1].quota, &more);
	wait_for(&more, 1);
	assert_int_equal(more.q.result, QUOTA_ADMITTED);
	assert_int_equal(more.q.dim[0].remaining, LIMIT - 1);
	lines_down(l);
}

/* Each key has a TTL, and none is negative. */
static void
all_keys_expire(void **state)
{
	(void)state;
	for (int i = 0; i < NODES; i++) {
		redisReply *keys = redisCommand(node[i].c, "KEYS tollgate:q:*");
		assert_true(keys->elements > 0);
		for (size_t k = 0; k < keys->elements; k++) {
			const char *key = keys->element[k]->str;
			assert_true(atoll(server_do(&node[i], "TTL %s", key)) > 0);
			assert_true(atoll(server_do(&node[i], "GET %s", key)) >= 0);
		}
		freeReplyObject(keys);
	}
}

/* A key with that name in the first slot of node 0, which a resharding moves. */
static void
dim_first(struct quota_dim *d, const char *name, enum quota_window_kind kind)
{
	dim_at(d, 0, 0, kind, LIMIT, 1);
	for (unsigned k = 0; redis_slot(span_str(d->key)); k++)
		snprintf(d->key, sizeof(d->key), "tollgate:q:{%s.%u}", name, k);
}

/* Adds up the counters that this node has for the limit of *d, in all epochs. */
static long long
counted_at(struct server *s, const struct quota_dim *d)
{
	redisReply *keys = redisCommand(s->c, "KEYS %s:*", d->key);
	long long sum = 0;

	for (size_t k = 0; k < keys->elements; k++)
		sum += atoll(server_do(s, "GET %s", keys->element[k]->str));
	freeReplyObject(keys);
	return sum;
}

static void
counts_soon(struct server *s, const struct quota_dim *d, long long want)
{
	uint64_t until = clock_mono_us() + 60000000;

	while (counted_at(s, d) != want && clock_mono_us() < until)
		for (int i = 0; i < 10; i++) {
			ev_run(test_loop, EVRUN_NOWAIT);
			usleep(200);
		}
	assert_int_equal(counted_at(s, d), want);
}

static void
settle_at(struct quota *qt, struct quota_request *q, uint64_t used)
{
	q->dim[0].actual = used;
	quota_settle(qt, q, clock_mono_us());
	for (uint64_t until = clock_mono_us() + 10000; clock_mono_us() < until;)
		ev_run(test_loop, EVRUN_NOWAIT);
}

/* The node has run the command, and replies after its connection was given up. */
static void
late_answered_settlement_is_counted_once(void **state)
{
	static struct line l[LINES];
	struct ask a = { .q.ndims = 1 };

	(void)state;
	lines_up(l);
	dim_at(&a.q.dim[0], 0, 400, QUOTA_ROLLING, 1000, 1);
	ask(l[0].quota, &a);
	wait_for(&a, 1);
	assert_int_equal(a.q.result, QUOTA_ADMITTED);
	/* The note of its slice is answered. */
	for (uint64_t until = clock_mono_us() + 50000; clock_mono_us() < until;)
		ev_run(test_loop, EVRUN_NOWAIT);
	kill(node[0].pid, SIGSTOP);
	uint64_t patient_us = l[0].redis->deadline_us;
	l[0].redis->deadline_us = 50000;
	settle_at(l[0].quota, &a.q, 6);
	assert_true(loop_becomes(l[0].redis, false));
	for (uint64_t until = clock_mono_us() + 2200000; clock_mono_us() < until;) {
		ev_run(test_loop, EVRUN_NOWAIT);
		usleep(1000);
	}
	assert_int_equal(l[0].quota->nlate, 1);
	kill(node[0].pid, SIGCONT);
	l[0].redis->deadline_us = patient_us;
	assert_true(loop_becomes(l[0].redis, true));
	for (uint64_t until = clock_mono_us() + 60000000;
		l[0].quota->nlate && clock_mono_us() < until;) {
		ev_run(test_loop, EVRUN_NOWAIT);
		usleep(200);
	}
	counts_soon(&node[0], &a.q.dim[0], 6);
	assert_int_equal(l[0].quota->eval_us, 0);
	lines_down(l);
}

/* A resharding that was interrupted leaves a slot between two nodes for hours. Redis answers a
 * command with two keys of that slot with TRYAGAIN. */
static void
settlement_in_a_half_moved_slot_is_counted(void **state)
{
	static struct line l[LINES];
	struct ask a = { .q.ndims = 1 };
	char from[64];

	(void)state;
	lines_up(l);
	dim_first(&a.q.dim[0], "half", QUOTA_ROLLING);
	ask(l[0].quota, &a);
	wait_for(&a, 1);
	assert_int_equal(a.q.result, QUOTA_ADMITTED);
	snprintf(from, sizeof(from), "%s", id(&node[0]));
	assert_string_equal(server_do(&node[1], "CLUSTER SETSLOT 0 IMPORTING %s", from), "OK");
	assert_string_equal(
		server_do(&node[0], "CLUSTER SETSLOT 0 MIGRATING %s", id(&node[1])), "OK");
	settle_at(l[0].quota, &a.q, 6);
	counts_soon(&node[0], &a.q.dim[0], 6);
	assert_int_equal(l[0].quota->nlate, 0);
	assert_int_equal(l[0].quota->eval_us, 0);
	assert_string_equal(server_do(&node[0], "CLUSTER SETSLOT 0 STABLE"), "OK");
	assert_string_equal(server_do(&node[1], "CLUSTER SETSLOT 0 STABLE"), "OK");
	lines_down(l);
}

/* A slot moves with its keys, as an operator moves it: the amounts that each worker admitted
 * count at the new node. */
static void
admitted_amounts_move_with_their_slot(void **state)
{
	static struct line l[LINES];
	static struct ask a[3 * LIMIT];
	uint64_t moves[LINES];
	char cmd[512];
	size_t admitted = 0;

	(void)state;
	if (system("command -v redis-cli >/dev/null"))
		skip();
	lines_up(l);
	memset(a, 0, sizeof(a));
	for (size_t i = 0; i < 3 * LIMIT; i++) {
		a[i].q.ndims = 2;
		dim_first(&a[i].q.dim[0], "rolling", QUOTA_ROLLING);
		dim_first(&a[i].q.dim[1], "day", QUOTA_CALENDAR);
		if (i < LIMIT / 2)
			ask(l[i % LINES].quota, &a[i]);
	}
	wait_for(a, LIMIT / 2);
	struct ask settled = { .q.ndims = 1 };
	dim_first(&settled.q.dim[0], "settled", QUOTA_ROLLING);
	ask(l[0].quota, &settled);
	wait_for(&settled, 1);
	const char *to = id(&node[1]), *from = id(&node[0]);
	snprintf(cmd, sizeof(cmd),
		"redis-cli --cluster reshard 127.0.0.1:%u --cluster-from %s --cluster-to %s "
		"--cluster-slots 1 --cluster-yes >/dev/null 2>&1",
		node[0].port, from, to);
	assert_int_equal(system(cmd), 0);
	assert_true(atoi(server_do(&node[1], "CLUSTER COUNTKEYSINSLOT 0")) > 1);
	/* Each worker is redirected once, then looks up the slot, and knows by then that it
	 * moved. */
	for (size_t i = 0; i < LINES; i++)
		moves[i] = redis_moves(l[i].redis);
	settle_at(l[0].quota, &settled.q, 6);
	counts_soon(&node[1], &settled.q.dim[0], 6);
	for (size_t i = LIMIT / 2; i < LIMIT / 2 + LINES; i++)
		ask(l[i % LINES].quota, &a[i]);
	wait_for(a, LIMIT / 2 + LINES);
	for (size_t i = 0; i < LINES; i++) {
		struct redis *at = redis_at(l[i].redis, span_str(a[0].q.dim[0].key));
		assert_ptr_equal(at, redis_at(l[i].redis, span_str(key_of(1, 1))));
		assert_true(redis_moves(l[i].redis) != moves[i]);
	}
	for (size_t i = LIMIT / 2 + LINES; i < 3 * LIMIT; i++) {
		ask(l[i % LINES].quota, &a[i]);
		wait_for(a, i + 1);
	}
	for (size_t i = 0; i < 3 * LIMIT; i++)
		admitted += a[i].q.result == QUOTA_ADMITTED;
	assert_int_equal(admitted, LIMIT);
	lines_down(l);
}

/* Moves one slot with its keys, as redis-cli does. */
static void
move_slot(unsigned slot, struct server *from, struct server *to)
{
	char ids[2][48];

	snprintf(ids[0], sizeof(ids[0]), "%s", id(from));
	snprintf(ids[1], sizeof(ids[1]), "%s", id(to));
	assert_string_equal(
		server_do(to, "CLUSTER SETSLOT %u IMPORTING %s", slot, ids[0]), "OK");
	assert_string_equal(
		server_do(from, "CLUSTER SETSLOT %u MIGRATING %s", slot, ids[1]), "OK");
	redisReply *keys = redisCommand(from->c, "CLUSTER GETKEYSINSLOT %u 1000", slot);
	for (size_t i = 0; i < keys->elements; i++)
		server_do(from, "MIGRATE 127.0.0.1 %u %s 0 5000", to->port, keys->element[i]->str);
	freeReplyObject(keys);
	server_do(to, "CLUSTER SETSLOT %u NODE %s", slot, ids[1]);
	for (int i = 0; i < NODES; i++)
		server_do(&node[i], "CLUSTER SETSLOT %u NODE %s", slot, ids[1]);
}

/* A worker whose ledger has these charges, as read from the journal of an earlier process. */
static void
recall_charges(struct quota *qt, const struct quota_dim *d, size_t n)
{
	struct quota_ledger *l = quota_ledger_of(qt);
	int64_t now_ms = clock_wall_ns() / 1000000;

	for (size_t i = 0; i < n; i++) {
		ledger_live(l, LEDGER_OWN, d[i].at.epoch);
		assert_true(ledger_add(l, &d[i], &d[i].at, cell_own(&d[i], &d[i].at),
			(int64_t)d[i].n, d[i].at.epoch, now_ms));
	}
	ledger_recalled(l, 1);
}

/* A daemon admitted requests, their slots moved in a circle, and the daemon was killed then.
 * Whichever node a start looks at first, it finds each amount counted at the new node. */
static void
start_after_moves_adds_nothing(void **state)
{
	static struct line l[LINES], again;
	struct ask a[NODES], b[NODES];
	struct quota_dim was[NODES];
	struct redis_options o = loop_options("redis+cluster://127.0.0.1:%u", node[1].port);

	(void)state;
	lines_up(l);
	memset(a, 0, sizeof(a));
	for (int i = 0; i < NODES; i++) {
		a[i].q.ndims = 1;
		dim_at(&a[i].q.dim[0], i, 470, QUOTA_ROLLING, LIMIT, 3);
		b[i] = a[i];
		b[i].q.dim[0].n = 1;
		ask(l[0].quota, &a[i]);
	}
	wait_for(a, NODES);
	for (int i = 0; i < NODES; i++)
		was[i] = a[i].q.dim[0];
	for (int i = 0; i < NODES; i++)
		move_slot(redis_slot(span_str(was[i].key)), &node[i], &node[(i + 1) % NODES]);
	for (int i = 0; i < NODES; i++)
		ask(l[0].quota, &b[i]);
	wait_for(b, NODES);
	for (int i = 0; i < NODES; i++)
		counts_soon(&node[(i + 1) % NODES], &was[i], 4);
	lines_down(l);
	for (int start = 0; start < 3; start++) {
		again.redis = loop_begin(&o);
		again.quota = quota_new(again.redis, NULL, &self, &again.m);
		recall_charges(again.quota, was, NODES);
		for (int i = 0; i < NODES; i++)
			ledger_live(quota_ledger_of(again.quota), LEDGER_OWN,
				b[i].q.dim[0].at.epoch);
		assert_true(loop_becomes(again.redis, true));
		for (uint64_t until = clock_mono_us() + 300000; clock_mono_us() < until;) {
			ev_run(test_loop, EVRUN_NOWAIT);
			usleep(200);
		}
		assert_true(lives_all_settled(again.quota));
		for (int i = 0; i < NODES; i++)
			assert_int_equal(counted_at(&node[(i + 1) % NODES], &was[i]), 4);
		quota_free(&again.quota);
		redis_free(&again.redis);
	}
	for (int i = 0; i < NODES; i++)
		move_slot(redis_slot(span_str(was[i].key)), &node[(i + 1) % NODES], &node[i]);
}

/* `redis-cli --cluster del-node` resets a node that has been emptied: the node then knows of no slot, and
 * redirects nobody. A worker may not know yet that the slot has moved. */
static void
node_without_slots_is_left(void **state)
{
	static struct line l[LINES];
	struct ask a[2] = { { .q.ndims = 1 }, { .q.ndims = 1 } };

	(void)state;
	lines_up(l);
	for (int i = 0; i < 2; i++)
		dim_at(&a[i].q.dim[0], 0, 450, QUOTA_ROLLING, LIMIT, 1);
	ask(l[0].quota, &a[0]);
	wait_for(a, 1);
	unsigned slot = redis_slot(span_str(a[0].q.dim[0].key));
	move_slot(slot, &node[0], &node[1]);
	server_do(&node[0], "CONFIG SET cluster-require-full-coverage no");
	server_do(&node[0], "CLUSTER DELSLOTS %u", slot);
	ask(l[0].quota, &a[1]);
	wait_for(a, 2);
	assert_int_equal(a[1].q.result, QUOTA_ADMITTED);
	assert_int_equal(a[1].q.dim[0].remaining, LIMIT - 2);
	assert_true(says(&node[0], "CLUSTER INFO", "cluster_slots_assigned:16384"));
	server_do(&node[0], "CONFIG SET cluster-require-full-coverage yes");
	assert_true(says(&node[0], "CLUSTER INFO", "cluster_state:ok"));
	lines_down(l);
}

/* A worker that has not learned of a move yet: its turns of the loop do nothing. */
static void
keeps_still(struct line *l, void (**turn)(void *))
{
	*turn = l->redis->f->before_write;
	l->redis->f->before_write = NULL;
}

/* Asks for n requests, one after the other. Returns how many were admitted. */
static size_t
admitted_of(struct line *l, const struct quota_dim *d, size_t n, uint64_t limit)
{
	size_t admitted = 0;

	for (size_t i = 0; i < n; i++) {
		struct ask a = { .q.ndims = 1, .q.dim[0] = *d };
		a.q.dim[0].limit = limit;
		ask(l->quota, &a);
		wait_for(&a, 1);
		assert_int_not_equal(a.q.result, QUOTA_FAILED);
		admitted += a.q.result == QUOTA_ADMITTED;
	}
	return admitted;
}

/* One worker has admitted the whole limit and does not know that its slot has moved. Another worker knows. */
static void
limit_applies_before_all_workers_know_of_a_move(void **state)
{
	static const struct {
		const char *name;
		enum quota_window_kind kind;
		uint64_t hold_s;
	} rows[] = {
		{ "rolling", QUOTA_ROLLING, 0 },
		{ "day", QUOTA_CALENDAR, 30 },
		{ "in flight", QUOTA_IN_FLIGHT, 30 },
		{ "in flight for two hours", QUOTA_IN_FLIGHT, 7200 },
	};
	enum { MORE = 5 };
	static struct line l[LINES];

	(void)state;
	for (size_t row = 0; row < COUNT_OF(rows); row++) {
		void (*turn)(void *);
		struct quota_dim d;
		size_t n;
		lines_up(l);
		dim_at(&d, 0, 480 + (unsigned)row, rows[row].kind, LIMIT, 1);
		d.hold_s = rows[row].hold_s;
		assert_int_equal(admitted_of(&l[0], &d, LIMIT, LIMIT), LIMIT);
		keeps_still(&l[0], &turn);
		move_slot(redis_slot(span_str(d.key)), &node[0], &node[1]);
		if ((n = admitted_of(&l[1], &d, 3, LIMIT)))
			fail_msg("%s: %zu above the limit", rows[row].name, n);
		if ((n = admitted_of(&l[1], &d, 2 * MORE, LIMIT + MORE)) != MORE)
			fail_msg("%s: %zu of %d", rows[row].name, n, MORE);
		l[0].redis->f->before_write = turn;
		loop_until(l[0].redis, false, 1500);
		if ((n = admitted_of(&l[2], &d, 2 * MORE, LIMIT + 2 * MORE)) != MORE)
			fail_msg("%s: %zu of %d after the move", rows[row].name, n, MORE);
		lines_down(l);
	}
}

/* The new node owns the slot already, but the old node does not know yet and still answers ASK. */
static void
limit_applies_while_two_nodes_disagree(void **state)
{
	static struct line l[LINES];
	struct quota_dim d;

	(void)state;
	for (unsigned round = 0; round < 5; round++) {
		lines_up(l);
		dim_at(&d, 0, 490 + round, QUOTA_ROLLING, LIMIT, 1);
		unsigned slot = redis_slot(span_str(d.key));
		assert_int_equal(admitted_of(&l[0], &d, LIMIT - 1, LIMIT), LIMIT - 1);
		struct redis *to = redis_at(l[1].redis, span_str(key_of(1, 0)));
		char from[48];
		snprintf(from, sizeof(from), "%s", id(&node[0]));
		server_do(&node[1], "CLUSTER SETSLOT %u IMPORTING %s", slot, from);
		server_do(&node[0], "CLUSTER SETSLOT %u MIGRATING %s", slot, id(&node[1]));
		redisReply *keys = redisCommand(node[0].c, "CLUSTER GETKEYSINSLOT %u 1000", slot);
		for (size_t i = 0; i < keys->elements; i++)
			server_do(&node[0], "MIGRATE 127.0.0.1 %u %s 0 5000", node[1].port,
				keys->element[i]->str);
		freeReplyObject(keys);
		server_do(&node[1], "CLUSTER SETSLOT %u NODE %s", slot, id(&node[1]));
		redis_note_moved_slot(l[1].redis, slot, to);
		struct ask a[2] = { { .q.ndims = 1, .q.dim[0] = d }, { .q.ndims = 1, .q.dim[0] = d } };
		for (int i = 0; i < 2; i++)
			ask(l[i].quota, &a[i]);
		wait_for(a, 2);
		assert_true(a[0].q.result != QUOTA_ADMITTED || a[1].q.result != QUOTA_ADMITTED);
		for (int i = 0; i < NODES; i++)
			server_do(&node[i], "CLUSTER SETSLOT %u NODE %s", slot, id(&node[1]));
		lines_down(l);
	}
}

static const struct redis_life *
life_at(const struct line *l, const struct quota_dim *d)
{
	return redis_life(redis_at(l->redis, span_str(d->key)));
}

static unsigned
slot_of_epoch(const struct line *l, const struct quota_dim *d)
{
	return redis_slot(span_str(life_at(l, d)->key));
}

/* Runs until the key of the epoch is in another slot for each worker. */
static void
becomes_tagged(struct line l[static LINES], const struct quota_dim *d, unsigned not)
{
	uint64_t until = clock_mono_us() + PATIENT_MS * 1000ull;
	bool all = false;

	while (!all && clock_mono_us() < until) {
		ev_run(test_loop, EVRUN_NOWAIT);
		mailbox_drain(&self, NULL);
		usleep(200);
		all = true;
		for (int i = 0; i < LINES; i++) {
			/* the write that is tried once a second comes at the worst moment */
			redis_at(l[i].redis, span_str(d->key))->write_at_us = 0;
			all = all && life_at(&l[i], d)->epoch && slot_of_epoch(&l[i], d) != not &&
			      !redis_life_asked(l[i].redis);
		}
	}
	assert_true(all);
}

/* While slots move, and also when the slot with the key of a node's epoch moves. */
static void
epoch_continues_while_slots_move(void **state)
{
	static const struct {
		const char *name;
		unsigned moves; /* of the slot with the key of the epoch, before the workers look */
		int flush;	/* before which of them the node is flushed; -1: never */
		bool same;	/* the epoch is the same */
	} rows[] = {
		{ "the slot of its key moves", 1, -1, true },
		{ "and the next one", 1, -1, true },
		{ "flushed, and the slot moves", 1, 0, false },
		{ "the slot moves, and flushed", 1, 1, false },
		{ "once more, nothing is flushed", 1, -1, true },
	};
	static struct line l[LINES];
	static struct ask a[2 * LIMIT];

	(void)state;
	for (size_t row = 0; row < COUNT_OF(rows); row++) {
		size_t admitted = 0, n = 0;
		memset(a, 0, sizeof(a));
		lines_up(l);
		for (size_t i = 0; i < 2 * LIMIT; i++) {
			a[i].q.ndims = 1;
			dim_at(&a[i].q.dim[0], 0, 500 + (unsigned)row, QUOTA_ROLLING, LIMIT, 1);
		}
		const struct quota_dim *d = &a[0].q.dim[0];
		for (; n < LIMIT / 2; n++) {
			ask(l[n % LINES].quota, &a[n]);
			wait_for(a, n + 1);
		}
		loop_until(l[0].redis, false, 300); /* the write that follows an epoch's key */
		uint64_t epoch = life_at(&l[0], d)->epoch;
		unsigned slot = slot_of_epoch(&l[0], d);
		for (unsigned i = 0; i <= rows[row].moves; i++) {
			if (rows[row].flush == (int)i)
				server_do(&node[0], "FLUSHALL");
			if (i < rows[row].moves)
				move_slot(slot, &node[0], &node[1]);
		}
		becomes_tagged(l, d, slot);
		for (; n < 2 * LIMIT; n++) {
			ask(l[n % LINES].quota, &a[n]);
			wait_for(a, n + 1);
		}
		for (size_t i = 0; i < 2 * LIMIT; i++)
			admitted += a[i].q.result == QUOTA_ADMITTED;
		for (int i = 0; i < LINES; i++)
			if ((life_at(&l[i], d)->epoch == epoch) != rows[row].same)
				fail_msg("%s: worker %d: %s epoch", rows[row].name, i,
					rows[row].same ? "another" : "the same");
		if (admitted != LIMIT)
			fail_msg("%s: %zu admitted", rows[row].name, admitted);
		lines_down(l);
	}
}

/* All workers have ended, or have lost their connections, when the slot moves. */
static void
worker_that_connects_after_a_move_keeps_the_epoch(void **state)
{
	static const struct {
		const char *name;
		bool flush, same;
	} rows[] = {
		{ "the slot of the first key moves", false, true },
		{ "flushed, and the slot moves", true, false },
		{ "once more, nothing is flushed", false, true },
	};
	static struct line l[LINES];
	struct quota_dim d;

	(void)state;
	dim_at(&d, 0, 560, QUOTA_ROLLING, LIMIT, 1);
	for (size_t row = 0; row < COUNT_OF(rows); row++) {
		lines_up(l);
		loop_until(l[0].redis, false, 300); /* the second key is written */
		uint64_t epoch = life_at(&l[0], &d)->epoch;
		unsigned slot = slot_of_epoch(&l[0], &d);
		assert_true(epoch);
		lines_down(l);
		if (rows[row].flush)
			server_do(&node[0], "FLUSHALL");
		move_slot(slot, &node[0], &node[1]);
		lines_up(l);
		becomes_tagged(l, &d, slot);
		for (int i = 0; i < LINES; i++)
			if ((life_at(&l[i], &d)->epoch == epoch) != rows[row].same)
				fail_msg("%s: worker %d: %s epoch", rows[row].name, i,
					rows[row].same ? "another" : "the same");
		lines_down(l);
	}
}

static void
second_key_is_written_once_redis_permits_it(void **state)
{
	static struct line l[LINES];
	struct quota_dim d;
	char spare[REDIS_LIFE_KEY_MAX];

	(void)state;
	dim_at(&d, 0, 566, QUOTA_ROLLING, LIMIT, 1);
	lines_up(l);
	loop_until(l[0].redis, false, 300);
	snprintf(spare, sizeof(spare), "%s", life_at(&l[0], &d)->spare);
	assert_true(spare[0]);
	lines_down(l);
	server_do(&node[0], "DEL %s", spare);
	server_do(&node[0], "ACL SETUSER default -set");
	lines_up(l);
	loop_until(l[0].redis, false, 1200);
	assert_string_equal(server_do(&node[0], "EXISTS %s", spare), "0");
	server_do(&node[0], "ACL SETUSER default +set");
	loop_until(l[0].redis, false, 2500);
	assert_string_equal(server_do(&node[0], "EXISTS %s", spare), "1");
	assert_true(atoi(server_do(&node[0], "TTL %s", spare)) > 0);
	assert_true(atoi(server_do(&node[0], "TTL %s", life_at(&l[0], &d)->key)) > 0);
	lines_down(l);
}

/* While a worker looks for the epoch under a new key, the map gives the epoch yet another key. */
static void
epoch_continues_while_its_key_changes_again(void **state)
{
	static struct line l[LINES];
	struct quota_dim d, other[2];

	(void)state;
	dim_at(&d, 0, 570, QUOTA_ROLLING, LIMIT, 1);
	lines_up(l);
	loop_until(l[0].redis, false, 300);
	struct redis *r = redis_at(l[0].redis, span_str(d.key));
	const struct redis_life was = r->life;
	/* after this number of turns of the loop */
	for (unsigned turns = 0; turns < 8; turns++) {
		for (unsigned i = 0; i < 3; i++) {
			char tag[sizeof(was.tag)], number[REDIS_TAG_MAX];
			dim_at(&other[i % 2], 0, 571 + 3 * turns + i, QUOTA_ROLLING, LIMIT, 1);
			redis_slot_tag(redis_slot(span_str(other[i % 2].key)), number);
			snprintf(tag, sizeof(tag), "{%s}", number);
			redis_conn_tags(r, tag, was.spare_tag);
			for (unsigned k = 0; k < turns; k++)
				ev_run(test_loop, EVRUN_ONCE);
		}
		for (uint64_t until = clock_mono_us() + PATIENT_MS * 1000ull;
			(!r->life.epoch || r->life_asked) && clock_mono_us() < until;)
			ev_run(test_loop, EVRUN_NOWAIT);
		if (r->life.epoch != was.epoch)
			fail_msg("after %u turns: another epoch", turns);
		char value[SPAN_DECIMAL + 1] = { 0 };
		span_decimal(value, (int64_t)was.epoch);
		assert_string_equal(server_do(&node[0], "GET %s", r->life.key), value);
	}
	lines_down(l);
}

/* Holds with a distant deadline are read only if a key of the epoch states that such holds
 * exist. */
static void
long_holds_are_counted_after_the_slot_of_the_epoch_moved(void **state)
{
	static struct line l[LINES];
	static struct ask a[2 * LIMIT];
	size_t admitted = 0;

	(void)state;
	memset(a, 0, sizeof(a));
	lines_up(l);
	for (size_t i = 0; i < 2 * LIMIT; i++) {
		struct quota_dim *d = &a[i].q.dim[0];
		a[i].q.ndims = 1;
		dim_at(d, 0, 600, QUOTA_IN_FLIGHT, LIMIT, 1);
		d->hold_s = i < LIMIT / 2 ? 7200 : 30;
		if (i < LIMIT / 2)
			ask(l[0].quota, &a[i]);
	}
	wait_for(a, LIMIT / 2);
	loop_until(l[0].redis, false, 300);
	const struct quota_dim *d = &a[0].q.dim[0];
	unsigned slot = slot_of_epoch(&l[0], d);
	move_slot(slot, &node[0], &node[1]);
	becomes_tagged(l, d, slot);
	for (size_t i = LIMIT / 2; i < 2 * LIMIT; i++) {
		ask(l[1 + i % (LINES - 1)].quota,
			&a[i]); /* a worker without earlier requests */
		wait_for(a, i + 1);
	}
	for (size_t i = 0; i < 2 * LIMIT; i++)
		admitted += a[i].q.result == QUOTA_ADMITTED;
	assert_int_equal(admitted, LIMIT);
	lines_down(l);
}

static void
promote(struct server *s)
{
	assert_true(says(s, "INFO replication", "master_link_status:up"));
	/* After slots have moved, the other masters may refuse their votes; the last attempts
	 * need none. */
	for (int i = 0; i < 300 && !strstr(server_line(s, "INFO replication"), "role:master"); i++) {
		if (i % 30 == 0)
			server_do(s, i < 60 ? "CLUSTER FAILOVER" : "CLUSTER FAILOVER TAKEOVER");
		usleep(100000);
	}
	assert_true(says(s, "INFO replication", "role:master"));
}

/* Runs until the limit is counted by this server, in an epoch that all workers have entered. */
static void
becomes_served_by(struct line l[static LINES], const struct quota_dim *d, const struct server *s)
{
	uint64_t until = clock_mono_us() + PATIENT_MS * 1000ull;
	bool all = false;

	while (!all && clock_mono_us() < until) {
		ev_run(test_loop, EVRUN_NOWAIT);
		mailbox_drain(&self, NULL);
		usleep(200);
		all = true;
		for (int i = 0; i < LINES; i++) {
			const struct redis *r = redis_at(l[i].redis, span_str(d->key));
			all = all && r && r->place.port == s->port && lives_settled(l[i].quota, d);
		}
	}
	assert_true(all);
}

/* The slot moves to other servers and back. The first server still has the old counters, and a
 * master that was a replica in the meantime has the key of its earlier epoch. */
static void
limit_is_full_after_slot_returns(void **state)
{
	static const struct {
		const char *name;
		bool fails_over; /* else only its slot moves */
		struct server *way[4]; /* after node 0, until NULL */
	} rows[] = {
		{ "a slot moves to another node and back", false, { &node[1], &node[0] } },
		{ "to two other nodes and back", false, { &node[1], &node[2], &node[0] } },
		{ "a node fails over and back", true, { &node[NODES], &node[0] } },
	};
	static struct line l[LINES];
	static struct ask a[2 * LIMIT];

	(void)state;
	for (size_t row = 0; row < COUNT_OF(rows); row++) {
		struct server *const *way = rows[row].way, *at = &node[0];
		size_t admitted = 0, n = 0;
		memset(a, 0, sizeof(a));
		lines_up(l);
		for (size_t i = 0; i < 2 * LIMIT; i++) {
			a[i].q.ndims = 1;
			dim_at(&a[i].q.dim[0], 0, 700 + (unsigned)row, QUOTA_ROLLING, LIMIT, 1);
		}
		const struct quota_dim *d = &a[0].q.dim[0];
		for (size_t most = LIMIT / 4;; most = *way ? n + LIMIT / 8 : 2 * LIMIT) {
			for (; n < most; n++) {
				ask(l[n % LINES].quota, &a[n]);
				wait_for(a, n + 1);
			}
			if (!*way)
				break;
			if (rows[row].fails_over)
				promote(*way);
			else
				move_slot(redis_slot(span_str(d->key)), at, *way);
			at = *way++;
			becomes_served_by(l, d, at);
		}
		for (size_t i = 0; i < 2 * LIMIT; i++)
			admitted += a[i].q.result == QUOTA_ADMITTED;
		if (admitted != LIMIT)
			fail_msg("%s: %zu admitted", rows[row].name, admitted);
		lines_down(l);
	}
}

/* A redirection names a node without slots before the map does: the place of its epoch cannot
 * be known yet. */
static void
request_waits_for_the_epoch_of_a_node_that_gets_slots(void **state)
{
	static struct line l[LINES];
	struct ask a = { .q.ndims = 1 };

	(void)state;
	lines_up(l);
	dim_at(&a.q.dim[0], 0, 800, QUOTA_ROLLING, LIMIT, 1);
	struct redis *r = redis_at(l[0].redis, span_str(a.q.dim[0].key));
	const struct redis_life was = r->life;
	redis_conn_tags(r, redis_life(redis_at(l[0].redis, span_str(key_of(1, 800))))->tag, "");
	for (uint64_t until = clock_mono_us() + PATIENT_MS * 1000ull;
		(r->life.epoch || r->life_asked) && clock_mono_us() < until;)
		ev_run(test_loop, EVRUN_NOWAIT);
	assert_int_equal(r->life.epoch, 0);
	ask(l[0].quota, &a);
	for (uint64_t until = clock_mono_us() + 50000; clock_mono_us() < until;) {
		ev_run(test_loop, EVRUN_NOWAIT);
		mailbox_drain(&self, NULL);
	}
	assert_false(a.done);
	redis_conn_tags(r, was.tag, was.spare_tag);
	wait_for(&a, 1);
	assert_int_equal(a.q.result, QUOTA_ADMITTED);
	lines_down(l);
}

/* Limits on the other nodes continue. Those of the lost node fail until its replica is
 * promoted, and then count in a new Redis epoch. */
static void
lost_node_fails_only_its_own_limits(void **state)
{
	static struct line l[LINES];
	struct ask mine = { .q.ndims = 2 }, other = { .q.ndims = 2 };

	(void)state;
	lines_up(l);
	/* the workers of the previous test no longer count */
	assert_false(loop_until(l[0].redis, false, 3500));
	cluster_waits(1000);
	server_kill(&node[0]);
	assert_true(loop_becomes(l[0].redis, false));
	dim_at(&mine.q.dim[0], 0, 300, QUOTA_ROLLING, LIMIT, 1);
	dim_at(&mine.q.dim[1], 1, 301, QUOTA_ROLLING, LIMIT, 1);
	dim_at(&other.q.dim[0], 1, 301, QUOTA_ROLLING, LIMIT, 1);
	dim_at(&other.q.dim[1], 2, 302, QUOTA_CALENDAR, LIMIT, 1);
	ask(l[0].quota, &mine);
	ask(l[0].quota, &other);
	wait_for(&mine, 1);
	wait_for(&other, 1);
	assert_int_equal(mine.q.result, QUOTA_FAILED);
	/* on a busy machine, a request may exceed its deadline */
	for (int i = 0; i < 5 && other.q.result == QUOTA_FAILED; i++) {
		other.done = false;
		ask(l[0].quota, &other);
		wait_for(&other, 1);
	}
	assert_int_equal(other.q.result, QUOTA_ADMITTED);
	assert_true(loop_becomes(l[0].redis, true));
	/* The request fails until the other workers have found the promoted node too, 5 s at
	 * most. */
	for (int i = 0; i < 100 && mine.q.result == QUOTA_FAILED; i++) {
		mine.done = false;
		ask(l[0].quota, &mine);
		wait_for(&mine, 1);
	}
	assert_int_equal(mine.q.result, QUOTA_ADMITTED);
	assert_int_equal(mine.q.dim[0].remaining, LIMIT - 1);
	lines_down(l);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(node_found_by_a_tick_is_connected),
		cmocka_unit_test(slot_that_moved_back_at_once_is_found),
		cmocka_unit_test(limits_on_several_nodes_apply),
		cmocka_unit_test(all_keys_expire),
		cmocka_unit_test(late_answered_settlement_is_counted_once),
		cmocka_unit_test(settlement_in_a_half_moved_slot_is_counted),
		cmocka_unit_test(admitted_amounts_move_with_their_slot),
		cmocka_unit_test(start_after_moves_adds_nothing),
		cmocka_unit_test(node_without_slots_is_left),
		cmocka_unit_test(limit_applies_before_all_workers_know_of_a_move),
		cmocka_unit_test(limit_applies_while_two_nodes_disagree),
		cmocka_unit_test(epoch_continues_while_slots_move),
		cmocka_unit_test(worker_that_connects_after_a_move_keeps_the_epoch),
		cmocka_unit_test(second_key_is_written_once_redis_permits_it),
		cmocka_unit_test(epoch_continues_while_its_key_changes_again),
		cmocka_unit_test(long_holds_are_counted_after_the_slot_of_the_epoch_moved),
		cmocka_unit_test(limit_is_full_after_slot_returns),
		cmocka_unit_test(request_waits_for_the_epoch_of_a_node_that_gets_slots),
		cmocka_unit_test(lost_node_fails_only_its_own_limits),
	};

	test_loop = ev_default_loop(0);
	mailbox_init(&self, NULL, NULL);
	log_setup(LOG_LOGFMT, getenv("TG_TEST_LOG") ? LOG_INFO : LOG_ERROR);
	return server_installed() ? cmocka_run_group_tests(tests, cluster_start, cluster_stop)
				  : servers_missing();
}
