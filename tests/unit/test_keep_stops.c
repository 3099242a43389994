/* Retention that a kill at each of its steps, or a full disk, interrupts: nothing is lost, and
 * the rest is done later. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <errno.h>

#include <cmocka.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "base/codec/lines.h"
#include "base/log.h"
#include "support/keep_rig.h"

/* ---- kills ---- */

static const char *const points[] = { "pack-written", "pack-synced", "pack-verified",
	"pack-manifest", "pack-placed", "plain-remove", "plain-removed", "archive-written",
	"replace-aside", "archive-put", "archive-segment", "archive-hashes", "archive-manifest",
	"archive-latest",
	"archive-marked", "trim-record", "trim-recorded", "trim-plain", "trim-packed" };

static void
kill_at_any_step_loses_nothing(void **state)
{
	(void)state;
	r.cfg.retention_archive = archive;
	assert_int_equal(mkdir(archive, 0700), 0);
	r.cfg.retention_age_us = 1000000;
	for (size_t i = 0; i < COUNT_OF(points); i++) {
		int status;
		assert_true(rig_start(&r));
		put(12);
		audit_stop(&r.audit);
		grow_old();
		pid_t pid = calm_fork();
		if (pid == 0) {
			stops_hook = stops_kill;
			stops_point = points[i];
			stops_after = strncmp(points[i], "trim-rec", 8) != 0 &&
						      strcmp(points[i], "archive-latest") != 0
					      ? 2
					      : 1;
			start();
			sleep(60);
			_exit(1);
		}
		assert_int_equal(waitpid(pid, &status, 0), pid);
		if (!WIFSIGNALED(status) || WTERMSIG(status) != SIGKILL)
			fail_msg("%s: not reached", points[i]);
		int code = audit("verify --journal %s --public-key %s.pub", r.journal, r.key);
		if (code || !strstr(said, "ok node=gw-1"))
			fail_msg("%s: %s", points[i], said);
		/* The next daemon completes the work. */
		start();
		until(plain_files() == 3 && packed_files() == 2);
		stop();
		verifies("trim_record=");
		assert_int_equal(count_files(".keep", REPLACE_SUFFIX), 0);
	}
	/* Everything that was written is once in the archive or here. */
	struct buf here = rig_text(&r);
	char command[1024];
	snprintf(command, sizeof(command),
		"cd %s && for f in *.zst; do zstd -dqc $f; done > ../all", archive);
	assert_int_equal(system(command), 0);
	snprintf(command, sizeof(command), "%s/all", r.dir);
	struct verify_options o = { .keys = &r.pub, .nkeys = 1, .node = "gw-1" };
	struct verifier *v = verifier_new(&o);
	struct verify_result result;
	struct lines lines;
	struct span line;
	int fd = open(command, O_RDONLY);
	assert_int_equal(lines_open(&lines, fd, 0), 0);
	while (lines_next(&lines, UINT64_MAX, &line) > 0)
		verifier_line(v, line);
	verifier_end(v, &result);
	if (!result.ok)
		fail_msg("record %" PRIu64 ": %s", result.bad_seq, result.why);
	assert_true(result.records > 12 * COUNT_OF(points));
	verifier_free(&v);
	lines_close(&lines);
	close(fd);
	buf_free(&here);
}

/* ---- a full disk ---- */

static _Atomic int writes_left, syncs_left, unlinks_left;

static ssize_t
full_write(int fd, const void *p, size_t n)
{
	if (writes_left-- > 0)
		return write(fd, p, n);
	errno = ENOSPC;
	return -1;
}

static int
failing_fsync(int fd)
{
	if (syncs_left-- > 0)
		return no_sync(fd);
	errno = EIO;
	return -1;
}

static int
failing_unlink(int fd, const char *name, int flags)
{
	if (unlinks_left-- > 0)
		return unlinkat(fd, name, flags);
	errno = EROFS;
	return -1;
}

static void
full_disk_at_any_write_loses_nothing(void **state)
{
	(void)state;
	r.cfg.retention_archive = archive;
	assert_int_equal(mkdir(archive, 0700), 0);
	r.cfg.retention_age_us = 1000000;
	for (int fails = 0; fails < 18; fails++) {
		assert_true(rig_start(&r));
		put(12);
		audit_stop(&r.audit);
		grow_old();
		writes_left = fails % 3 == 0 ? fails : 1 << 20;
		syncs_left = fails % 3 == 1 ? fails : 1 << 20;
		unlinks_left = fails % 3 == 2 ? fails / 3 : 1 << 20;
		keep_io.unlinkat = failing_unlink;
		replace_io = (struct replace_io){ full_write, failing_fsync, renameat };
		uint64_t failed = rig_count(&r, M_KEEP_FAILED);
		start();
		until(rig_count(&r, M_KEEP_FAILED) > failed);
		put(1); /* commits continue */
		stop();
		keep_io.unlinkat = unlinkat;
		replace_io = (struct replace_io){ write, no_sync, renameat };
		int code = audit("verify --journal %s --public-key %s.pub", r.journal, r.key);
		if (code || !strstr(said, "ok node=gw-1"))
			fail_msg("%d: %s", fails, said);
	}
	grow_old();
	start();
	until(plain_files() == 3 && packed_files() == 2);
	stop();
	verifies("trim_record=");
}

static _Atomic uint64_t blocks_left;

static int
small_disk(int fd, struct statvfs *st)
{
	(void)fd;
	*st = (struct statvfs){
		.f_frsize = 1024, .f_blocks = 1 << 20, .f_bavail = blocks_left
	};
	return 0;
}

/* Retention leaves the last free bytes of the disk, so that a commit can use them. */
static void
last_disk_space_is_left_for_the_journal(void **state)
{
	(void)state;
	assert_true(rig_start(&r));
	put(20);
	audit_stop(&r.audit);
	keep_io.fstatvfs = small_disk;
	blocks_left = 1024;
	start();
	until(rig_count(&r, M_KEEP_FAILED) > 1);
	stop(); /* the next attempt may be in progress */
	assert_int_equal(packed_files(), 0);
	assert_int_equal(count_files(".keep", REPLACE_SUFFIX), 0);
	blocks_left = 4096;
	start();
	until(settled());
	stop();
	verifies("ok node=gw-1");
}

/* A folder that cannot be made does not refuse the start; making it is retried. */
static void
daemon_starts_without_the_retention_folder(void **state)
{
	(void)state;
	char path[512];

	snprintf(path, sizeof(path), "%s.keep", r.journal);
	write_file(path, "in the way", 10);
	start();
	put(20);
	struct keep_state s;
	until((keep_state(keep, &s), rig_count(&r, M_KEEP_FAILED) > 1 && s.failed[0]));
	assert_non_null(strstr(s.failed, ".keep"));
	assert_int_equal(unlink(path), 0);
	until(settled());
	stop();
	verifies("ok node=gw-1");
}
int
main(void)
{
	log_setup(LOG_LOGFMT, LOG_ERROR);
	alarm(300);
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			kill_at_any_step_loses_nothing, setup, teardown),
		cmocka_unit_test_setup_teardown(
			full_disk_at_any_write_loses_nothing, setup, teardown),
		cmocka_unit_test_setup_teardown(
			last_disk_space_is_left_for_the_journal, setup, teardown),
		cmocka_unit_test_setup_teardown(
			daemon_starts_without_the_retention_folder, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
