/* Closed segments are verified again while the daemon runs: changed records are found, stay a
 * fault over a restart, and are no news once an operator accepts them. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>

#include <cmocka.h>
#include <fcntl.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/scoped.h"
#include "record/audit/recheck.h"
#include "support/audit_rig.h"

static struct rig r;
static struct recheck *checking;

static int
begin(void **state)
{
	(void)state;
	recheck_pace = (struct recheck_pace){ .first_us = 0, .pause_s = 0, .share = 1 };
	rig_init(&r);
	r.cfg.journal_segment_bytes = 4096;
	assert_started();
	char id[32];
	for (int i = 0; i < 40; i++) {
		snprintf(id, sizeof(id), "id-%d", i);
		assert_int_equal(rig_put(&r, id), 0);
	}
	assert_true(rig_segments(&r) > 4);
	return 0;
}

static int
end(void **state)
{
	(void)state;
	recheck_stop(&checking);
	rig_free(&r);
	return 0;
}

static void
start(void)
{
	const struct recheck_chain own = recheck_own(r.cfg.journal, r.cfg.node, r.audit);
	checking = recheck_start(&own, 1);
	assert_non_null(checking);
}

static struct recheck_state
state_now(void)
{
	struct recheck_state s;

	recheck_state(checking, &s);
	return s;
}

/* Starts the thread and waits for the end of a whole pass. */
static void
pass(void)
{
	int64_t before = clock_wall_ns();

	start();
	for (int i = 0; i < 2000 && state_now().since_ns < before; i++)
		usleep(10000);
	assert_true(state_now().since_ns >= before);
}

/* Flips a bit inside the id of the segment's first record. */
static void
damage(int segment)
{
	SCOPED_FD(fd, open(rig_segment(&r, segment), O_RDWR));
	char text[4096] = "";

	assert_true(fd >= 0);
	assert_true(pread(fd, text, sizeof(text) - 1, 0) > 0);
	char *id = strstr(text, "\"id\":\"");
	assert_non_null(id);
	id[6] = (char)(id[6] ^ 1);
	assert_int_equal(pwrite(fd, &id[6], 1, id + 6 - text), 1);
}

static const char *
news(void)
{
	static char out[1024];

	SCOPED_BUF(why, sizeof(out));
	recheck_says(checking, &why);
	snprintf(out, sizeof(out), "%.*s", SPAN_ARG(buf_view(&why)));
	return out;
}

static void
sound_segments_are_verified(void **state)
{
	(void)state;
	int64_t before = clock_wall_ns();
	pass();
	struct recheck_state s = state_now();
	assert_true(s.since_ns >= before);
	assert_int_equal(s.segments, rig_segments(&r) - 1);
	assert_int_equal(s.done, s.segments);
	assert_int_equal(s.nfaults, 0);
	assert_string_equal(news(), "");
}

static void
every_changed_segment_is_a_fault(void **state)
{
	(void)state;
	damage(1);
	damage(3);
	pass();
	struct recheck_state s = state_now();
	assert_int_equal(s.nfaults, 2);
	assert_int_equal(s.done, s.segments);
	assert_string_equal(s.fault[0].source, "journal");
	assert_true(s.fault[0].seq < s.fault[1].seq);
	assert_non_null(strstr(news(), "changed"));
	assert_non_null(strstr(news(), "; and 1 more"));
}

static void
missing_segment_is_a_fault(void **state)
{
	(void)state;
	assert_int_equal(unlink(rig_segment(&r, 2)), 0);
	pass();
	assert_int_equal(state_now().nfaults, 1);
	assert_non_null(strstr(news(), "missing"));
}

static void
trimmed_begin_is_none(void **state)
{
	(void)state;
	assert_int_equal(unlink(rig_segment(&r, 0)), 0);
	pass();
	assert_int_equal(state_now().nfaults, 0);
}

static void
accepted_fault_stays_listed_over_a_restart(void **state)
{
	(void)state;
	damage(1);
	damage(3);
	pass();
	struct recheck_fault f = state_now().fault[0];
	assert_false(recheck_accept(checking, f.node, f.seq + 10000));
	assert_true(recheck_accept(checking, f.node, f.seq));
	assert_null(strstr(news(), "more"));
	recheck_stop(&checking);
	start();
	struct recheck_state s = state_now();
	assert_int_equal(s.nfaults, 2);
	assert_true(s.fault[0].accepted);
	assert_false(s.fault[1].accepted);
	assert_string_equal(s.fault[1].node, f.node);
	assert_non_null(strstr(news(), "changed"));
}

static void
corrected_fault_ends_with_the_next_pass(void **state)
{
	(void)state;
	damage(1);
	pass();
	assert_int_equal(state_now().nfaults, 1);
	recheck_stop(&checking);
	damage(1); /* the bit is as it was */
	pass();
	assert_int_equal(state_now().nfaults, 0);
}

static void
whole_verification_counts(void **state)
{
	(void)state;
	const struct recheck_fault lost = { .source = "stream",
		.node = "gw-1",
		.seq = 7,
		.why = "missing: record 9 stands in its place",
		.whole = true };
	damage(1);
	pass();
	recheck_verified(checking, clock_wall_ns(), &lost, 1);
	assert_int_equal(state_now().nfaults, 2);
	recheck_stop(&checking);
	damage(1);
	pass();
	/* a pass over the journal knows nothing of the stream */
	assert_int_equal(state_now().nfaults, 1);
	assert_non_null(strstr(news(), "record gw-1/7 (stream)"));
	int64_t when = clock_wall_ns();
	recheck_verified(checking, when, NULL, 0);
	assert_int_equal(state_now().nfaults, 0);
	assert_true(state_now().since_ns == when);
}

static void
unreadable_progress_costs_a_pass(void **state)
{
	(void)state;
	char path[256];

	snprintf(path, sizeof(path), "%s" RECHECK_SUFFIX, r.cfg.journal);
	rig_spill(path,
		SPAN_LIT("tollgate-verified-v1\nsince x\nfault a b\nlast\n\nfault \377\n"));
	pass();
	assert_int_equal(state_now().nfaults, 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(sound_segments_are_verified, begin, end),
		cmocka_unit_test_setup_teardown(every_changed_segment_is_a_fault, begin, end),
		cmocka_unit_test_setup_teardown(missing_segment_is_a_fault, begin, end),
		cmocka_unit_test_setup_teardown(trimmed_begin_is_none, begin, end),
		cmocka_unit_test_setup_teardown(
			accepted_fault_stays_listed_over_a_restart, begin, end),
		cmocka_unit_test_setup_teardown(
			corrected_fault_ends_with_the_next_pass, begin, end),
		cmocka_unit_test_setup_teardown(whole_verification_counts, begin, end),
		cmocka_unit_test_setup_teardown(unreadable_progress_costs_a_pass, begin, end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
