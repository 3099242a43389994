/* A Redis that answers but accepts no writes: the reason is known, also if this was so from the
 * start. */
#include "support/quota_rig.h"

static enum redis_refusal
refusal_of(struct redis *r)
{
	const char *said;

	return redis_refuses(r, &said);
}

/* A Redis that accepts no writes shows this only to a writer. */
static void
redis_without_writes_is_detected(void **state)
{
	static const struct {
		const char *name, *set[4], *unset;
		enum redis_refusal refusal;
	} rows[] = {
		{ "it is full", { "CONFIG", "SET", "maxmemory", "1" }, "0", REDIS_FULL },
		{ "too few replicas", { "CONFIG", "SET", "min-replicas-to-write", "1" }, "0",
			REDIS_UNCOPIED },
		{ "an ACL", { "ACL", "SETUSER", "default", "-set" }, "+set", REDIS_FORBIDDEN },
	};

	NEEDS_REDIS;
	for (int early = 0; early < 2; early++)
		for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
			const char *const *set = rows[i].set;
			struct metrics m = { 0 };
			if (early) {
				redis_rig_do(&server, "FLUSHALL");
				redis_rig_do(
					&server, "%s %s %s %s", set[0], set[1], set[2], set[3]);
			}
			struct redis *r = redis_new(loop, server.url, RIG_PATIENT_US, &m);
			if (!early) {
				assert_true(run_until_up(r, 3000000));
				assert_int_equal(refusal_of(r), REDIS_TAKES);
				redis_rig_do(
					&server, "%s %s %s %s", set[0], set[1], set[2], set[3]);
			}
			for (uint64_t until = clock_mono_us() + RIG_PATIENT_US;
				!refusal_of(r) && clock_mono_us() < until;)
				run_for(1000);
			if (refusal_of(r) != rows[i].refusal)
				fail_msg("%s: %d", rows[i].name, (int)refusal_of(r));
			redis_rig_do(
				&server, "%s %s %s %s", set[0], set[1], set[2], rows[i].unset);
			for (uint64_t until = clock_mono_us() + RIG_PATIENT_US;
				refusal_of(r) && clock_mono_us() < until;)
				run_for(1000);
			if (refusal_of(r))
				fail_msg("%s: not again", rows[i].name);
			redis_free(&r);
		}
}

/* At a plain address, a replica is tried repeatedly and is not up before it accepts a write. */
static void
replica_is_down_until_it_accepts_writes(void **state)
{
	struct metrics m = { 0 };
	unsigned ups = 0;

	NEEDS_REDIS;
	redis_rig_do(&server, "FLUSHALL");
	struct redis *r = redis_new(loop, server.url, RIG_PATIENT_US, &m);
	assert_true(run_until_up(r, RIG_PATIENT_US));
	redis_rig_do(&server, "REPLICAOF 127.0.0.1 1");
	for (uint64_t until = clock_mono_us() + RIG_PATIENT_US;
		!refusal_of(r) && clock_mono_us() < until;)
		run_for(1000);
	while (redis_up(r))
		run_for(1000);
	for (unsigned i = 0; i < 1500; i++) { /* the client connects again meanwhile */
		run_for(1000);
		ups += redis_up(r);
		assert_int_equal(refusal_of(r), REDIS_REPLICA);
	}
	assert_int_equal(ups, 0);
	redis_rig_do(&server, "REPLICAOF NO ONE");
	assert_true(run_until_up(r, RIG_PATIENT_US));
	assert_int_equal(refusal_of(r), REDIS_TAKES);
	redis_free(&r);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(redis_without_writes_is_detected),
		cmocka_unit_test(replica_is_down_until_it_accepts_writes),
	};
	return cmocka_run_group_tests(tests, quota_setup, quota_teardown);
}
