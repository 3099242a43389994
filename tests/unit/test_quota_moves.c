/* The charge of a deferred body: the amount charged for its head moves to the window in which
 * the body arrives. */
#include "support/quota_rig.h"

enum { WINDOW_S = 10, LIMIT = 10, LATER_US = 1300000 }; /* another sub-bucket */

static void
ask_one(struct quota *qt, struct ask *a, uint64_t n, uint64_t limit)
{
	*a = (struct ask){ .sent_us = clock_mono_us() };
	a->q.ndims = 1;
	dim_set(&a->q.dim[0], "r", limit, WINDOW_S, n);
	a->q.done = asked;
	a->q.arg = a;
	quota_reserve(qt, &a->q);
}

/* As gate/limits/dims.c does for a charge that is no longer current. */
static void
ask_again(struct quota *qt, struct ask *body, const struct ask *head)
{
	*body = (struct ask){ .sent_us = clock_mono_us() };
	struct quota_dim *d = &body->q.dim[0];
	*d = head->q.dim[0];
	d->moves = true;
	d->from = d->at;
	d->charged = false;
	body->q.ndims = 1;
	body->q.done = asked;
	body->q.arg = body;
	quota_reserve(qt, &body->q);
}

static long long
counted(void)
{
	redisReply *keys = redisCommand(server.c, "KEYS tollgate:q:*");
	long long sum = 0;

	for (size_t i = 0; i < keys->elements; i++)
		sum += redis_rig_do(&server, "INCRBY %s 0", keys->element[i]->str);
	freeReplyObject(keys);
	return sum;
}

/* Waits until commands in flight have arrived. */
static long long
counted_soon(long long want)
{
	uint64_t until = clock_mono_us() + RIG_PATIENT_US / 10;

	while (counted() != want && clock_mono_us() < until)
		run_for(3000);
	run_for(20000);
	return counted();
}

/* A body arrives one sub-bucket after its head: it is counted once, whichever worker decides
 * it. */
static void
moved_charge_is_counted_once(void **state)
{
	enum { HEAD = 3 };
	static const struct {
		const char *name;
		/* the worker that decides the body; the head was decided by the first one */
		int body;
		int others;	/* the worker that uses the rest before; -1: none */
		uint64_t limit; /* when the body arrives */
		enum quota_result want;
		long long left; /* the rest of the limit */
	} rows[] = {
		{ "alone", 0, -1, LIMIT, QUOTA_ADMITTED, HEAD },
		{ "at another worker", 1, -1, LIMIT, QUOTA_ADMITTED, HEAD },
		{ "in the room of its head", 0, 0, LIMIT, QUOTA_ADMITTED, HEAD },
		{ "which the others' worker sees too", 0, 1, LIMIT, QUOTA_ADMITTED, HEAD },
		{ "and another one", 1, 0, LIMIT, QUOTA_ADMITTED, HEAD },
		{ "that never fits now", 0, -1, HEAD - 1, QUOTA_UNREACHABLE, 0 },
	};

	NEEDS_REDIS;
	for (size_t r = 0; r < sizeof(rows) / sizeof(rows[0]); r++) {
		struct line l[2];
		struct ask head, body, other[LIMIT];
		long long filled = 0;
		redis_rig_do(&server, "FLUSHALL");
		lines_up(l, 2);
		ask_one(l[0].quota, &head, HEAD, LIMIT);
		asked_out(&head);
		assert_int_equal(head.q.result, QUOTA_ADMITTED);
		run_for(LATER_US);
		assert_false(quota_current(l[0].quota, &head.q.dim[0], clock_mono_us()));
		for (int i = 0; rows[r].others >= 0 && i < LIMIT; i++) {
			ask_one(l[rows[r].others].quota, &other[i], 1, LIMIT);
			asked_out(&other[i]);
			filled += other[i].q.result == QUOTA_ADMITTED;
		}
		assert_int_equal(filled, rows[r].others >= 0 ? LIMIT - HEAD : 0);
		head.q.dim[0].limit = rows[r].limit;
		ask_again(l[rows[r].body].quota, &body, &head);
		asked_out(&body);
		if (body.q.result != rows[r].want ||
			counted_soon(filled + rows[r].left) != filled + rows[r].left)
			fail_msg("%s: %d, %lld", rows[r].name, body.q.result, counted());
		lines_down(l, 2);
	}
}

/* Redis does not answer when the body arrives: a refused request is not charged once Redis is
 * back, and a request admitted without it stays where it was charged. */
static void
failed_request_releases_its_heads_charge(void **state)
{
	static const struct {
		enum quota_away away;
		long long left;
	} rows[] = { { QUOTA_AWAY_DENY, 0 }, { QUOTA_AWAY_ALLOW, 3 } };

	NEEDS_REDIS;
	for (size_t r = 0; r < sizeof(rows) / sizeof(rows[0]); r++) {
		struct line l;
		struct ask head, body;
		line_up(&l, RIG_PATIENT_US);
		assert_true(run_until_up(l.redis, RIG_PATIENT_US));
		ask_one(l.quota, &head, 3, LIMIT);
		asked_out(&head);
		assert_int_equal(head.q.result, QUOTA_ADMITTED);
		redis_rig_stop(&server);
		while (redis_up(l.redis))
			run_for(300);
		head.q.dim[0].away = rows[r].away;
		ask_again(l.quota, &body, &head);
		asked_out(&body);
		assert_int_equal(body.q.result, QUOTA_FAILED);
		redis_rig_start(
			&server, quota_dir); /* empty: the admitted amounts are added again */
		assert_true(run_until_up(l.redis, RIG_PATIENT_US));
		line_done(&l);
		if (counted_soon(rows[r].left) != rows[r].left)
			fail_msg("%zu: %lld", r, counted());
		line_down(&l);
		redis_rig_do(&server, "FLUSHALL");
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(moved_charge_is_counted_once),
		cmocka_unit_test(failed_request_releases_its_heads_charge),
	};

	return cmocka_run_group_tests(tests, quota_setup, quota_teardown);
}
