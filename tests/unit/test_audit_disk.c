/* The journal under failures: kills at any moment, full disks, failing syncs and writes. Every
 * acknowledged record must exist, and the chain must have no gap. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/wait.h>

#include <cmocka.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "base/log.h"
#include "support/audit_rig.h"
#include "support/failing_disk.h"

static struct rig r;

static int
setup(void **state)
{
	(void)state;
	rig_init(&r);
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	journal_io = (struct journal_io){ pwrite, fdatasync, ftruncate };
	audit_stop(&r.audit);
	umount(r.journal); /* if a test failed before it unmounted */
	rig_free(&r);
	return 0;
}

/* ---- kill -9 ---- */

/* Appends records until it is killed. Every acknowledged id is written to the pipe. */
static void
writer_until_killed(int out, int round)
{
	char id[32];

	if (!rig_start(&r))
		_exit(1);
	for (int i = 0;; i++) {
		snprintf(id, sizeof(id), "k%d-%d", round, i);
		if (rig_put(&r, id))
			_exit(1);
		if (write(out, &i, sizeof(i)) != sizeof(i))
			_exit(1);
	}
}

static void
kill_loses_no_acknowledged_record(void **state)
{
	unsigned random = 12345;
	int total = 0;

	(void)state;
	r.cfg.journal_segment_bytes = 20000;
	for (int round = 0; round < 20; round++) {
		int fds[2], i, last = -1, status;
		char id[64];
		assert_int_equal(pipe(fds), 0);
		pid_t pid = fork();
		assert_true(pid >= 0);
		if (pid == 0) {
			close(fds[0]);
			writer_until_killed(fds[1], round);
		}
		close(fds[1]);
		/* Not before it has written one record. */
		assert_int_equal(read(fds[0], &last, sizeof(last)), sizeof(last));
		random = random * 1103515245 + 12345;
		usleep(random / 65536 % 30000);
		kill(pid, SIGKILL);
		waitpid(pid, &status, 0);
		assert_true(WIFSIGNALED(status));
		while (read(fds[0], &i, sizeof(i)) == sizeof(i))
			last = i;
		close(fds[0]);
		struct verify_result v = rig_verify(&r);
		if (!v.ok)
			fail_msg("round %d: record %" PRIu64 ": %s", round, v.bad_seq, v.why);
		for (i = 0; i <= last; i += last - i > 20 && i > 5 ? 7 : 1) {
			snprintf(id, sizeof(id), "\"id\":\"k%d-%d\"", round, i);
			if (!rig_holds(&r, id))
				fail_msg("round %d: %s was acknowledged and is missing", round,
					id);
		}
		total += last + 1;
	}
	assert_started();
	audit_stop(&r.audit);
	struct verify_result v = rig_verify(&r);
	assert_true(v.ok);
	assert_int_equal(v.boots, 21);
	print_message("20 kills, %d acknowledged, %" PRIu64 " records\n", total, v.records);
}

/* ---- the disk refuses ---- */

static bool
wait_ready(void)
{
	for (int i = 0; i < 1500 && !audit_ready(r.audit); i++)
		usleep(20000);
	return audit_ready(r.audit);
}

static bool
mount_small(void)
{
	mkdir(r.journal, 0700);
	if (mount("none", r.journal, "tmpfs", 0, "size=1600k,mode=0700") == 0)
		return true;
	print_message(
		"SKIPPED: cannot mount a small tmpfs (%s): needs root\n", strerror(errno));
	return false;
}

/* Fills the disk. The file's name begins with a dot, so it is not a segment. */
static void
fill(bool full)
{
	char path[200], page[4096] = { 0 };

	snprintf(path, sizeof(path), "%s/.filler", r.journal);
	if (!full) {
		assert_int_equal(unlink(path), 0);
		return;
	}
	int fd = open(path, O_WRONLY | O_CREAT | O_APPEND, 0600);
	while (write(fd, page, sizeof(page)) > 0)
		;
	assert_int_equal(errno, ENOSPC);
	close(fd);
}

static void
full_disk_refuses_records_and_recovers(void **state)
{
	(void)state;
	if (!mount_small())
		skip();
	assert_started();
	assert_int_equal(rig_put(&r, "before"), 0);
	uint64_t refused = 0;
	for (int round = 0; round < 3; round++) {
		fill(true);
		/* The preallocated space still takes some records. */
		int err = 0, tries = 0;
		for (; !err && tries < 1000; tries++)
			err = rig_put(&r, "fits");
		assert_int_equal(err, ERR_IO);
		assert_string_equal(audit_away(r.audit), "No space left on device");
		for (int i = 0; i < 10; i++)
			assert_int_equal(rig_put(&r, "refused"), ERR_IO);
		assert_verifies(rig_count(&r, M_AUDIT_RECORDS));
		usleep(250000);
		assert_false(audit_ready(r.audit));
		refused += 11;
		fill(false);
		assert_true(wait_ready());
		assert_int_equal(rig_put(&r, "after"), 0);
	}
	assert_int_equal(rig_count(&r, M_AUDIT_FAILED), refused);
	audit_stop(&r.audit);
	struct verify_result v = rig_verify(&r);
	assert_true(v.ok);
	assert_int_equal(v.records, rig_count(&r, M_AUDIT_RECORDS));
	assert_int_equal(v.records, v.last);
	assert_true(rig_holds(&r, "\"type\":\"resume\""));
	assert_true(rig_holds(&r, "\"refused\":11"));
	assert_false(rig_holds(&r, "\"id\":\"refused\""));
	assert_int_equal(umount(r.journal), 0);
}

/* The record of a policy precedes the policy's decisions, whatever the disk does meanwhile. */
static void
kept_entry_waits_for_the_disk_and_is_written_first(void **state)
{
	struct audit_entry e = { .done = rig_done, .keep = true };
	sem_t done;

	(void)state;
	if (!mount_small())
		skip();
	assert_started();
	fill(true);
	while (rig_put(&r, "fits") == 0)
		;
	sem_init(&done, 0, 0);
	e.arg = &done;
	buf_init(&e.fields, 0);
	buf_str(&e.fields, "\"type\":\"policy\",\"searched\":\"all\"");
	audit_append(r.audit, &e);
	assert_int_equal(rig_put(&r, "refused"), ERR_IO);
	usleep(250000);
	assert_int_equal(rig_put(&r, "refused"), ERR_IO);
	assert_int_equal(sem_trywait(&done), -1);
	fill(false);
	assert_true(wait_ready());
	assert_int_equal(rig_put(&r, "after"), 0);
	assert_int_equal(sem_wait(&done), 0);
	assert_int_equal(e.err, 0);
	audit_stop(&r.audit);
	assert_true(rig_verify(&r).ok);
	assert_true(rig_holds(&r, "\"type\":\"policy\""));
	assert_false(rig_holds(&r, "\"id\":\"refused\""));
	buf_free(&e.fields);
	sem_destroy(&done);
	assert_int_equal(umount(r.journal), 0);
}

static void
daemon_starts_on_a_full_disk_and_is_not_ready(void **state)
{
	(void)state;
	if (!mount_small())
		skip();
	fill(true);
	assert_started();
	assert_string_equal(audit_away(r.audit), "No space left on device");
	assert_int_equal(rig_put(&r, "refused"), ERR_IO);
	fill(false);
	assert_true(wait_ready());
	assert_int_equal(rig_put(&r, "after"), 0);
	audit_stop(&r.audit);
	assert_verifies(4);
	assert_int_equal(umount(r.journal), 0);
}

static int writes_to_fail;

/* Writes a part, then fails. */
static ssize_t
failing_write(int fd, const void *p, size_t n, off_t at)
{
	if (writes_to_fail > 0) {
		if (writes_to_fail-- % 2 == 0)
			return pwrite(fd, p, n / 2, at);
		errno = EIO;
		return -1;
	}
	return pwrite(fd, p, n, at);
}

static void
failed_sync_begins_a_new_segment(void **state)
{
	static const struct {
		const char *name;
		int syncs, cuts, writes;
	} rows[] = {
		{ "one sync fails", 1, 0, 0 },
		{ "the sync that repairs fails too", 2, 0, 0 },
		{ "many syncs fail", 5, 0, 0 },
		{ "a sync and the cut fail", 1, 1, 0 },
		{ "a write fails half way", 0, 0, 2 },
		{ "a write fails half way and the cut fails", 0, 2, 2 },
		{ "everything fails", 3, 3, 4 },
	};
	uint64_t want = 1;

	(void)state;
	journal_io = (struct journal_io){ failing_write, failing_sync, failing_cut };
	assert_started();
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		assert_int_equal(rig_put(&r, "before"), 0);
		size_t segments = rig_segments(&r);
		syncs_to_fail = rows[i].syncs;
		cuts_to_fail = rows[i].cuts;
		writes_to_fail = rows[i].writes;
		if (rig_put(&r, "refused") != ERR_IO)
			fail_msg("%s: acknowledged", rows[i].name);
		assert_false(audit_ready(r.audit));
		if (!wait_ready())
			fail_msg("%s: did not recover", rows[i].name);
		assert_int_equal(rig_put(&r, "after"), 0);
		assert_int_equal(syncs_to_fail + cuts_to_fail + writes_to_fail, 0);
		want += 3; /* before, resume, after */
		assert_verifies(want);
		assert_int_equal(rig_segments(&r), segments + 1);
	}
	audit_stop(&r.audit);
	assert_verifies(want + 1);
	assert_false(rig_holds(&r, "\"id\":\"refused\""));
	assert_started();
	audit_stop(&r.audit);
	assert_verifies(want + 3);
}

/* A segment that lost data in a failed sync is noticed, because its end is compared with
 * memory. */
static void
segment_that_lost_its_end_is_not_continued(void **state)
{
	(void)state;
	journal_io = (struct journal_io){ failing_write, failing_sync, failing_cut };
	assert_started();
	assert_int_equal(rig_put(&r, "before"), 0);
	struct buf b = rig_slurp(rig_segment(&r, 0));
	b.p[b.start + b.n - 20] ^= 1;
	syncs_to_fail = 1;
	assert_int_equal(rig_put(&r, "refused"), ERR_IO);
	rig_spill(rig_segment(&r, 0), buf_view(&b));
	usleep(400000);
	assert_false(audit_ready(r.audit));
	assert_int_equal(rig_put(&r, "refused"), ERR_IO);
	audit_stop(&r.audit);
	assert_int_equal(rig_segments(&r), 1);
	assert_false(rig_verify(&r).ok);
	buf_free(&b);
}

/* A journal with one record. Runs a command whose format contains the segment's path up to four
 * times. */
static void
segment_touched(const char *cmd)
{
	rig_free(&r);
	rig_init(&r);
	assert_started();
	assert_int_equal(rig_put(&r, "before"), 0);
	const char *seg = rig_segment(&r, 0);
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
	rig_sh(cmd, seg, seg, seg, seg);
#pragma GCC diagnostic pop
}

/* Another program changes the segment, such as a log rotator. An alarm in the chain states so,
 * the chain continues, and verification names what is missing. */
static void
segment_changed_by_another_program_is_abandoned(void **state)
{
	static const struct {
		const char *name, *cmd, *how;
		bool verifies;
	} rows[] = {
		{ "removed", "rm '%s'", "removed", false },
		{ "cut to nothing", "truncate -s 0 '%s'", "changed", false },
		{ "cut in the middle of a record", "truncate -s 300 '%s'", "changed", false },
		{ "appended to", "echo >> '%s'", "changed", false },
		{ "junk written after its end", "printf %%5000s x >> '%s'", "changed", false },
		{ "replaced by an equal file",
			"cp '%s' /tmp/tollgate-audit-copy && mv /tmp/tollgate-audit-copy '%s'",
			"removed", true },
		{ "taken to another folder", "mv '%s' \"$(dirname '%s')/../kept\"", "renamed",
			false },
		{ "hidden in its folder", "mv '%s' \"$(dirname '%s')/.kept\"", "renamed",
			false },
		{ "renamed by a log rotator", "mv '%s' '%s.1'", "renamed", true },
		{ "copied and another file put in its place",
			"mv '%s' \"$(dirname '%s')/../k\"; "
			"cp \"$(dirname '%s')/../k\" '%s'",
			"renamed", true },
	};
	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		char how[64];
		segment_touched(rows[i].cmd);
		assert_int_equal(rig_put(&r, "after"), 0);
		assert_true(audit_ready(r.audit));
		snprintf(how, sizeof(how), "\"type\":\"alarm\",\"segment\":\"gw-1-00000001-");
		assert_true(rig_holds(&r, how));
		snprintf(how, sizeof(how), "\"how\":\"%s\"", rows[i].how);
		assert_true(rig_holds(&r, how));
		assert_true(rig_holds(&r, "\"id\":\"after\""));
		audit_stop(&r.audit);
		struct verify_result v = rig_verify(&r);
		if (v.ok != rows[i].verifies)
			fail_msg("%s", rows[i].name);
		/* The alarm accounts for the loss: starts succeed, and verification still names
		 * it. */
		for (int n = 0; n < 3; n++) {
			if (!rig_start(&r))
				fail_msg("%s: %s", rows[i].name, buf_view(&r.why).p);
			assert_int_equal(rig_put(&r, "again"), 0);
			audit_stop(&r.audit);
			assert_int_equal(rig_verify(&r).bad_seq, v.bad_seq);
		}
	}
}

/* Before each commit, the daemon checks a segment's size and name, and not its times: see
 * stat_segment() in record/journal/journal.c. */
static void
changed_byte_is_found_by_verification(void **state)
{
	(void)state;
	segment_touched("printf X | dd of='%s' bs=1 seek=700 conv=notrunc 2>/dev/null");
	assert_int_equal(rig_put(&r, "after"), 0);
	assert_false(rig_holds(&r, "\"type\":\"alarm\""));
	audit_stop(&r.audit);
	assert_false(rig_verify(&r).ok);
}

static void
mv(const char *from, const char *to)
{
	if (rename(from, to))
		fail_msg("mv %s %s: %s", from, to, strerror(errno));
	usleep(JOURNAL_PLACED_US + 1000);
}

static bool
wait_for_alarm(void)
{
	for (int i = 0; i < 3000; i++, usleep(10000))
		if (rig_holds(&r, "\"type\":\"alarm\""))
			return true;
	return false;
}

/* Also while no record is written, so that a daemon that is killed then can start again. */
static void
change_to_an_idle_journal_is_noticed(void **state)
{
	static const char *const rows[] = {
		"rm '%s'",
		"truncate -s 0 '%s'",
		"mv '%s' \"$(dirname '%s')/../kept\"",
	};
	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		segment_touched(rows[i]);
		if (!wait_for_alarm())
			fail_msg("%s", rows[i]);
		assert_true(audit_ready(r.audit));
	}
}

static void
journal_moved_while_idle_is_not_ready(void **state)
{
	char away[200];

	(void)state;
	assert_started();
	assert_int_equal(rig_put(&r, "before"), 0);
	snprintf(away, sizeof(away), "%s.away", r.journal);
	mv(r.journal, away);
	for (int i = 0; i < 3000 && audit_ready(r.audit); i++)
		usleep(10000);
	assert_false(audit_ready(r.audit));
	mv(away, r.journal);
	assert_true(wait_ready());
	assert_int_equal(rig_put(&r, "after"), 0);
	assert_true(rig_verify(&r).ok);
}

static int cuts_to_make;

static int
sync_while_another_cuts(int fd)
{
	int err = fdatasync(fd);

	if (cuts_to_make && cuts_to_make--)
		assert_int_equal(ftruncate(fd, 0), 0);
	return err;
}

static ssize_t
write_while_another_cuts(int fd, const void *p, size_t n, off_t at)
{
	ssize_t w = pwrite(fd, p, n, at);

	if (cuts_to_make && cuts_to_make--)
		assert_int_equal(ftruncate(fd, 0), 0);
	return w;
}

/* Under load a commit is nearly always in progress. Damage during that time is noticed too, and
 * no record that was cut off before its sync is acknowledged. */
static void
segment_changed_while_written_is_abandoned(void **state)
{
	static const struct {
		const char *name;
		struct journal_io io;
		int err;
	} rows[] = {
		{ "cut during the sync", { pwrite, sync_while_another_cuts, ftruncate },
			ERR_IO },
		{ "cut after the write", { write_while_another_cuts, fdatasync, ftruncate },
			ERR_IO },
	};
	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		rig_free(&r);
		rig_init(&r);
		assert_started();
		assert_int_equal(rig_put(&r, "before"), 0);
		cuts_to_make = 1;
		journal_io = rows[i].io;
		assert_int_equal(rig_put(&r, "meanwhile"), rows[i].err);
		assert_int_equal(cuts_to_make, 0);
		assert_true(wait_ready());
		assert_int_equal(rig_put(&r, "after"), 0);
		if (!rig_holds(&r, "\"how\":\"changed\"") || !rig_holds(&r, "\"id\":\"after\""))
			fail_msg("%s", rows[i].name);
		audit_stop(&r.audit);
		assert_false(rig_verify(&r).ok);
		assert_started();
	}
}

/* Nothing in the segment was acknowledged: there is no alarm, and its name is used again. */
static void
segment_changed_in_its_first_commit_is_begun_again(void **state)
{
	(void)state;
	r.cfg.journal_segment_bytes = 1;
	assert_started();
	assert_int_equal(rig_put(&r, "before"), 0);
	journal_io = (struct journal_io){ write_while_another_cuts, fdatasync, ftruncate };
	cuts_to_make = 1;
	assert_int_equal(rig_put(&r, "refused"), ERR_IO);
	assert_true(wait_ready());
	assert_int_equal(rig_put(&r, "after"), 0);
	audit_stop(&r.audit);
	assert_true(rig_verify(&r).ok);
	assert_false(rig_holds(&r, "\"how\":"));
	assert_true(rig_holds(&r, "\"id\":\"after\""));
	assert_started();
}

/* The file beside the folder names the newest segment, so a removal is noticed even if no
 * daemon was running. */
static void
segment_removed_while_stopped_is_noticed(void **state)
{
	(void)state;
	for (int boots = 1; boots < 3; boots++) {
		rig_free(&r);
		rig_init(&r);
		for (int i = 0; i < boots; i++) {
			assert_started();
			assert_int_equal(rig_put(&r, "before"), 0);
			audit_stop(&r.audit);
		}
		rig_sh("mv '%s' '%s/kept'", rig_segment(&r, -1), r.dir);
		assert_false(rig_start(&r));
		assert_non_null(strstr(buf_view(&r.why).p, "journal.head states"));
	}
}

/* The last alarm also names segments that were lost earlier. */
static void
alarm_in_a_lost_segment_is_repeated(void **state)
{
	(void)state;
	r.cfg.journal_segment_bytes = 4000;
	assert_started();
	for (int i = 0; i < 30; i++)
		assert_int_equal(rig_put(&r, "before"), 0);
	size_t whole = rig_segments(&r);
	assert_true(whole > 2);
	for (int i = 0; i < 3; i++) {
		rig_sh("rm '%s'", rig_segment(&r, -1));
		assert_int_equal(rig_put(&r, "after"), 0);
	}
	assert_int_equal(rig_segments(&r), whole);
	audit_stop(&r.audit);
	struct verify_result v = rig_verify(&r);
	assert_false(v.ok);
	for (int i = 0; i < 2; i++) {
		assert_started();
		audit_stop(&r.audit);
		assert_int_equal(rig_verify(&r).bad_seq, v.bad_seq);
	}
	/* A loss that no alarm names still refuses the start. */
	rig_sh("rm '%s'", rig_segment(&r, (int)rig_segments(&r) - 2));
	assert_false(rig_start(&r));
	assert_non_null(strstr(buf_view(&r.why).p, "missing"));
}

/* An alarm accounts only for the segments that it names, and only if it is signed. */
static void
alarm_of_someone_else_accounts_for_nothing(void **state)
{
	struct buf b;

	(void)state;
	assert_started();
	assert_int_equal(rig_put(&r, "before"), 0);
	rig_sh("truncate -s 300 '%s'", rig_segment(&r, 0));
	assert_int_equal(rig_put(&r, "after"), 0);
	audit_stop(&r.audit);
	b = rig_slurp(rig_segment(&r, 1));
	char *how = memmem(buf_view(&b).p, b.n, "\"how\":\"changed\"", 15);
	assert_non_null(how);
	memcpy(how, "\"how\":\"removed\"", 15);
	rig_spill(rig_segment(&r, 1), buf_view(&b));
	buf_free(&b);
	assert_false(rig_start(&r));
}

/* No record is written where nobody reads it, and no second chain begins. */
static void
moved_folder_is_noticed(void **state)
{
	char away[256], text[2048];

	(void)state;
	snprintf(away, sizeof(away), "%s-away", r.journal);
	assert_started();
	assert_int_equal(rig_put(&r, "before"), 0);
	mv(r.journal, away);
	assert_int_equal(rig_put(&r, "meanwhile"), ERR_IO);
	assert_false(audit_ready(r.audit));
	/* Another folder in its place is not the journal. */
	assert_int_equal(mkdir(r.journal, 0700), 0);
	usleep(150000);
	assert_int_equal(rig_put(&r, "meanwhile"), ERR_IO);
	assert_int_equal(rmdir(r.journal), 0);
	mv(away, r.journal);
	assert_true(wait_ready());
	assert_int_equal(rig_put(&r, "after"), 0);
	audit_stop(&r.audit);
	assert_true(rig_verify(&r).ok);
	assert_false(rig_holds(&r, "meanwhile"));

	mv(r.journal, away);
	assert_false(rig_start(&r));
	assert_non_null(strstr(buf_view(&r.why).p, "moved"));
	assert_int_equal(access(r.journal, F_OK), -1);
	assert_int_equal(mkdir(r.journal, 0700), 0);
	assert_false(rig_start(&r));
	assert_int_equal(rmdir(r.journal), 0);
	mv(away, r.journal);
	assert_started();
	audit_stop(&r.audit);
	assert_true(rig_verify(&r).ok);

	/* Only an operator may begin a new chain, by removing the file. */
	mv(r.journal, away);
	snprintf(text, sizeof(text), "%s.head", r.journal);
	assert_int_equal(unlink(text), 0);
	assert_started();
	audit_stop(&r.audit);
	/* Another node has a chain of its own. */
	snprintf(text, sizeof(text), "%s-second", r.journal);
	mv(r.journal, text);
	r.cfg.node = "gw-2";
	assert_started();
}

static int
hanging_sync(int fd)
{
	usleep(1800000);
	return fdatasync(fd);
}

static void *
put_in_background(void *arg)
{
	*(int *)arg = rig_put(&r, "slow");
	return NULL;
}

static void
hanging_disk_is_not_ready(void **state)
{
	pthread_t t;
	int err = -1;

	(void)state;
	assert_started();
	journal_io.fdatasync = hanging_sync;
	assert_int_equal(pthread_create(&t, NULL, put_in_background, &err), 0);
	usleep(300000);
	assert_true(audit_ready(r.audit));
	usleep(1000000);
	assert_false(audit_ready(r.audit));
	pthread_join(t, NULL);
	assert_int_equal(err, 0);
	assert_true(wait_ready());
}

static void
world_accessible_directory_is_refused(void **state)
{
	(void)state;
	mkdir(r.journal, 0700);
	chmod(r.journal, 0777);
	assert_false(rig_start(&r));
	assert_non_null(strstr(buf_view(&r.why).p, "everybody"));
	chmod(r.journal, 0770);
	assert_started();
}

int
main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(kill_loses_no_acknowledged_record),
		T(full_disk_refuses_records_and_recovers),
		T(kept_entry_waits_for_the_disk_and_is_written_first),
		T(daemon_starts_on_a_full_disk_and_is_not_ready),
		T(failed_sync_begins_a_new_segment),
		T(segment_that_lost_its_end_is_not_continued),
		T(alarm_in_a_lost_segment_is_repeated),
		T(alarm_of_someone_else_accounts_for_nothing),
		T(moved_folder_is_noticed),
		T(segment_changed_by_another_program_is_abandoned),
		T(changed_byte_is_found_by_verification),
		T(segment_changed_while_written_is_abandoned),
		T(segment_changed_in_its_first_commit_is_begun_again),
		T(segment_removed_while_stopped_is_noticed),
		T(change_to_an_idle_journal_is_noticed),
		T(journal_moved_while_idle_is_not_ready),
		T(hanging_disk_is_not_ready),
		T(world_accessible_directory_is_refused),
	};
	log_setup(LOG_LOGFMT, LOG_ERROR);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
