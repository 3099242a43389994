/* The relay's side of the gate and the disk. The decision's record is written while the request
 * is sent to the relay; the completion is written before the last byte of the response. */
#include "scenario/gate_stage.h"
#include "scenario/relay_policy.h"

/* The last byte of the response waits for the completion. The policy declares what happens if
 * the disk fails. */
static void
last_byte_waits_for_the_completion(void **state)
{
	for (int permit = 0; permit < 2; permit++)
		for (int err = 0; err < 2; err++) {
			struct stage s;
			struct call c;
			struct pass p;
			(void)state;
			stage_up(&s, permit ? "on_failure: {audit: permit}\n" POLICY : POLICY);
			call_do(&s, &hello, &c);
			assert_int_equal(pass_claim(&s, 0, &p, &c, LEN(HELLO)), 0);
			pass_finish(&p, END_COMPLETE, 200, 1, 2);
			stage_turn(&s);
			assert_false(p.done);
			stage_disk(&s, err ? ERR_IO : 0);
			assert_true(p.done);
			assert_int_equal(p.done_err, err && !permit ? ERR_IO : 0);
			stage_down(&s);
		}
}

enum { DISK_WRITES, DISK_FAILS, DISK_LATE };

/* The decision's record of a relayed request is written while HAProxy sends the request to the
 * relay. The ACK does not wait for the record, the claim does, and nothing is sent without it.
 */
static void
claim_waits_for_the_record_and_the_ack_does_not(void **state)
{
	/* clang-format off */
	static const struct { const char *name; int disk; bool permits, unrecorded; } rows[] = {
		{ "the disk writes it", DISK_WRITES, false, false },
		{ "the disk fails: refused", DISK_FAILS, false, true },
		{ "the disk fails, and the policy permits", DISK_FAILS, true, false },
		{ "the disk takes 800 ms: refused", DISK_LATE, false, true },
		{ "the disk takes 800 ms, and the policy permits", DISK_LATE, true, false },
	};
	/* clang-format on */

	(void)state;
	for (size_t i = 0; i < 2 * sizeof(rows) / sizeof(rows[0]); i++) {
		unsigned worker = i % 2;
		int disk = rows[i / 2].disk;
		struct stage s;
		struct call c;
		struct pass p;
		stage_up(&s,
			rows[i / 2].permits ? "on_failure: {audit: permit}\n" POLICY : POLICY);
		call_send(&s, 0, &hello, &c);
		stage_quota(&s);
		assert_int_equal(disk_queued, 1);
		if (!c.answered)
			fail_msg("%s: the ACK waits", rows[i / 2].name);
		pass_send(&s, worker, &p, call_var(&c, "ticket"), "POST", LEN(HELLO));
		stage_pass(&s, 0);
		stage_pass(&s, 799000);
		if (p.claimed)
			fail_msg("%s: it goes without its record", rows[i / 2].name);
		if (disk == DISK_LATE)
			stage_pass(&s, 1000);
		else
			stage_disk(&s, disk == DISK_FAILS ? ERR_IO : 0);
		stage_turn(&s);
		assert_true(p.claimed);
		assert_int_equal(p.err, 0);
		if (gate_plan(p.x)->unrecorded != rows[i / 2].unrecorded)
			fail_msg(
				"%s: unrecorded %d", rows[i / 2].name, !rows[i / 2].unrecorded);
		if (rows[i / 2].unrecorded) {
			gate_refuse(p.x, 503, "audit_unavailable", "no record", pass_ruled, &p);
			stage_quota(&s);
			if (disk == DISK_FAILS)
				stage_disk(
					&s, 0); /* the record of the refusal is the only one */
			assert_true(p.denied);
			assert_int_equal(p.denial.status, 503);
			pass_finish(&p, END_DENIED, 0, -1, -1);
			stage_turn(&s);
			/* a 503 because of the disk does not wait for the disk */
			assert_true(p.done);
		} else {
			pass_finish(&p, END_COMPLETE, 200, 10, 20);
		}
		stage_settle(&s);
		assert_true(p.done);
		assert_int_equal(disk_records, 2);
		assert_string_equal(stage_field(0, "decision"), "permit");
		assert_string_equal(stage_field(1, "type"),
			disk == DISK_FAILS && rows[i / 2].unrecorded ? "decision"
								     : "completion");
		if (disk == DISK_LATE && rows[i / 2].unrecorded) {
			assert_string_equal(stage_field(1, "outcome"), "abandoned");
			assert_string_equal(stage_field(1, "why"), "the record was not written in time");
		}
		assert_int_equal(
			stage_charged(&s, "tokens", "alice"), rows[i / 2].unrecorded ? 0 : 30);
		assert_int_equal(stage_count(&s, M_AUDIT_FAILED), disk != DISK_WRITES);
		stage_down(&s);
	}
}

/* The ticket is never claimed, and the disk answers before or after that. Afterwards the disk
 * is known to refuse, so the ACK waits for the disk and refuses the request. */
static void
record_in_progress_outlives_its_ticket(void **state)
{
	struct stage s;
	struct call c;

	(void)state;
	for (int err = 0; err < 2; err++) {
		stage_up(&s, POLICY);
		call_send(&s, 0, &hello, &c);
		stage_quota(&s);
		assert_true(c.answered);
		stage_pass(&s, 31000000);
		assert_int_equal(s.gate[0]->tickets.n, 0);
		stage_disk(&s, err ? ERR_IO : 0);
		stage_settle(&s);
		assert_int_equal(disk_records,
			err ? 1 : 2); /* without a decision there is no completion */
		if (!err)
			assert_string_equal(stage_field(1, "outcome"), "abandoned");
		assert_int_equal(stage_charged(&s, "tokens", "alice"), 0);
		stage_down(&s);
	}
	stage_up(&s, POLICY);
	disk_ready = false;
	call_send(&s, 0, &hello, &c);
	stage_quota(&s);
	assert_false(c.answered);
	stage_disk(&s, ERR_IO);
	assert_true(c.answered);
	assert_string_equal(call_var(&c, "status"), "503");
	stage_down(&s);
}

/* The disk stalls, and the exchange ends in each possible way: the relay refuses it, its client
 * disconnects, the claim does not fit, the disk fails after all. Each id has one decision. A
 * recorded permit is followed by a completion with "abandoned". */
static void
stalled_disk_leaves_one_decision_per_id(void **state)
{
	static const struct note redacted = { .person = "alice", .body = EMAIL };
	enum { REFUSED, REFUSED_AND_GONE, GONE, NOT_ITS_CLAIM, WAYS };

	(void)state;
	for (unsigned i = 0; i < WAYS * 8; i++) {
		unsigned way = i / 8;
		bool fails = i & 1, first = i & 2, edits = i & 4;
		struct stage s;
		struct call c;
		struct pass p;
		stage_up(&s, POLICY);
		call_send(&s, 0, edits ? &redacted : &hello, &c);
		stage_quota(&s);
		assert_true(c.answered);
		pass_send(&s, i & 1, &p, call_var(&c, "ticket"), "POST",
			way == NOT_ITS_CLAIM ? 1
			: edits		     ? LEN(EMAIL)
					     : LEN(HELLO));
		stage_pass(&s, 0);
		stage_pass(&s, 800000);
		stage_turn(&s);
		assert_true(p.claimed);
		assert_int_equal(p.err, way == NOT_ITS_CLAIM ? ERR_AUTH : 0);
		if (way == REFUSED || way == REFUSED_AND_GONE)
			gate_refuse(p.x, 503, "audit_unavailable", "no record", pass_ruled, &p);
		if (way == REFUSED)
			stage_quota(&s);
		if (first) /* the disk continues before the relay has finished */
			stage_disk(&s, fails ? ERR_IO : 0);
		if (way != NOT_ITS_CLAIM)
			pass_finish(
				&p, way == REFUSED ? END_DENIED : END_CLIENT_ABORT, 0, -1, -1);
		stage_quota(&s);
		assert_true(way == NOT_ITS_CLAIM || p.done);
		if (!first)
			stage_disk(&s, fails ? ERR_IO : 0);
		stage_settle(&s);
		if (disk_records != (fails ? 1 : 2))
			fail_msg("way %u, %u: %zu records", way, i % 8, disk_records);
		assert_string_equal(stage_field(0, "decision"), edits ? "redact" : "permit");
		if (!fails)
			assert_string_equal(stage_field(1, "outcome"), "abandoned");
		assert_int_equal(stage_charged(&s, "tokens", "alice"), 0);
		assert_int_equal(stage_charged(&s, "requests", "alice"), 0);
		stage_down(&s);
	}
}

/* The disk hangs, with on_failure.audit: permit. The exchange continues, also on another
 * worker, and ends before the disk answers. */
static void
hanging_disk_blocks_nothing_if_the_policy_permits(void **state)
{
	(void)state;
	for (unsigned worker = 0; worker < 2; worker++)
		for (int err = 0; err < 2; err++) {
			struct stage s;
			struct call c;
			struct pass p;
			stage_up(&s, "on_failure: {audit: permit}\n" POLICY);
			call_send(&s, 0, &hello, &c);
			stage_quota(&s);
			assert_int_equal(disk_queued, 1);
			assert_true(c.answered);
			assert_string_equal(call_var(&c, "decision"), "permit");
			pass_send(&s, worker, &p, call_var(&c, "ticket"), "POST", LEN(HELLO));
			stage_pass(&s, 0);
			stage_pass(&s, 800000);
			stage_turn(&s);
			assert_true(p.claimed);
			assert_int_equal(p.err, 0);
			assert_false(gate_plan(p.x)->unrecorded);
			pass_finish(&p, END_COMPLETE, 200, 10, 20);
			stage_quota(&s);
			assert_int_equal(disk_queued, 2);
			/* The completion first, then the decision. */
			disk_answer_at(1, err ? ERR_IO : 0);
			stage_turn(&s);
			assert_true(p.done);
			assert_int_equal(p.done_err, 0);
			assert_int_equal(stage_alive(&s), 0);
			disk_answer_at(0, err ? ERR_IO : 0);
			stage_settle(&s);
			assert_int_equal(stage_charged(&s, "tokens", "alice"), 30);
			assert_int_equal(stage_charged(&s, "requests", "alice"), 1);
			stage_down(&s);
		}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(last_byte_waits_for_the_completion),
		cmocka_unit_test(claim_waits_for_the_record_and_the_ack_does_not),
		cmocka_unit_test(record_in_progress_outlives_its_ticket),
		cmocka_unit_test(stalled_disk_leaves_one_decision_per_id),
		cmocka_unit_test(hanging_disk_blocks_nothing_if_the_policy_permits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
