/* The journal's writes on a file system that stores bytes and nevertheless reports an error. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <errno.h>
#include <string.h>

#include <cmocka.h>
#include <unistd.h>

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
	rig_free(&r);
	return 0;
}

static struct {
	/* first failing write, number of failing writes; errno, or 0: half of the bytes are
	 * reported */
	int nth, times, sys;
} lying;

/* Writes all bytes and reports an error or fewer bytes. */
static ssize_t
lying_write(int fd, const void *p, size_t n, off_t at)
{
	ssize_t w = pwrite(fd, p, n, at);

	if (lying.times == 0 || --lying.nth > 0)
		return w;
	lying.times--;
	errno = lying.sys;
	return lying.sys ? -1 : w / 2;
}

/* Writes one commit as the audit thread does, again until it is accepted. Returns the
 * refusals. */
static int
append_at_last(struct journal *j, struct span commit, uint64_t seq, const char *name)
{
	for (int refused = 0; refused < 9; refused++) {
		bool begin = false;
		const char *how = journal_lost(j);
		if (how)
			fail_msg("%s: false alarm: %s", name, how);
		int err = journal_ready(j, &begin);
		if (!err && begin)
			err = journal_begin(j, 1, seq);
		if (!err && journal_append(j, commit) == 0)
			return refused;
	}
	fail_msg("%s: does not go on: %s", name, strerror(j->sys));
	return -1;
}

/* A network file system may do so. If a commit exceeds the preallocated space, its bytes are
 * the first write, and the NUL bytes after them the next ones. */
static void
bytes_of_a_failed_write_are_cut_off(void **state)
{
	static const struct {
		const char *name;
		int nth, times, sys, cuts, syncs, refused;
	} rows[] = {
		{ "a commit, EIO", 1, 1, EIO, 0, 0, 1 },
		{ "a commit, ENOSPC", 1, 1, ENOSPC, 0, 0, 1 },
		{ "a commit, EDQUOT, the cut fails", 1, 1, EDQUOT, 1, 0, 1 },
		{ "a commit, half of it", 1, 1, 0, 0, 0, 0 },
		{ "ahead, EIO", 2, 1, EIO, 0, 0, 0 },
		{ "ahead, ENOSPC", 2, 1, ENOSPC, 0, 0, 0 },
		{ "ahead, half of it", 2, 1, 0, 0, 0, 0 },
		{ "further ahead, EDQUOT", 9, 1, EDQUOT, 0, 0, 0 },
		{ "ahead, EIO, the cut fails", 2, 1, EIO, 1, 0, 1 },
		{ "ahead, EIO, both cuts fail", 2, 1, EIO, 2, 0, 1 },
		{ "ahead, EIO, the sync fails", 2, 1, EIO, 0, 1, 1 },
		{ "a commit and what comes next", 1, 3, EIO, 0, 0, 3 },
		{ "a commit, ENOSPC, the sync of the cut fails", 1, 1, ENOSPC, 0, 1, 1 },
	};
	static char text[300u << 10];
	struct span commit = { text, sizeof(text) };

	(void)state;
	memset(text, 'x', sizeof(text));
	text[sizeof(text) - 1] = '\n';
	for (size_t i = 0; i < 2 * sizeof(rows) / sizeof(rows[0]); i++) {
		size_t k = i / 2,
		       first = i % 2; /* the segment's first commit, or a later one */
		struct journal j;
		uint64_t held = 0, seq = 1;
		rig_free(&r);
		rig_init(&r);
		assert_int_equal(journal_open(&j, r.journal, "n", 64u << 20, &r.why), 0);
		journal_io = (struct journal_io){ lying_write, failing_sync, failing_cut };
		if (!first)
			append_at_last(&j, commit, seq++, rows[k].name);
		lying.nth = rows[k].nth;
		lying.times = rows[k].times;
		lying.sys = rows[k].sys;
		cuts_to_fail = rows[k].cuts;
		syncs_to_fail = rows[k].syncs;
		int refused = append_at_last(&j, commit, seq++, rows[k].name);
		if (refused != rows[k].refused || cuts_to_fail + syncs_to_fail + lying.times)
			fail_msg("%s: refused %d times", rows[k].name, refused);
		append_at_last(&j, commit, seq++, rows[k].name);
		assert_null(journal_lost(&j));
		journal_close(&j);
		for (size_t n = rig_segments(&r); n > 0; n--) {
			struct buf b = rig_slurp(rig_segment(&r, (int)n - 1));
			held += b.n;
			buf_free(&b);
		}
		assert_int_equal(held, (seq - 1) * sizeof(text));
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			bytes_of_a_failed_write_are_cut_off, setup, teardown),
	};
	log_setup(LOG_LOGFMT, LOG_ERROR);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
