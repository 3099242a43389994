/* Retention of a journal with small segments: compression, archiving and trimming, the effects
 * of a faulty archive, and how the journal is read and verified afterwards. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "base/log.h"
#include "record/archive/believe.h"
#include "record/archive/pack.h"
#include "record/archive/trim.h"
#include "support/chain_build.h"
#include "support/keep_rig.h"

#define DAY_US (86400ull * 1000000)

/* ---- compressing ---- */

static void
compressed_segments_read_like_plain_ones(void **state)
{
	(void)state;
	assert_true(rig_start(&r));
	put(60);
	audit_stop(&r.audit);
	struct buf before = rig_text(&r);
	size_t segments = plain_files();
	assert_true(segments > 8);
	start();
	until(settled());
	stop();
	assert_true(packed_files() >= segments);
	assert_int_equal(count_files(".keep", ".json"), packed_files());
	assert_int_equal(count_files(".keep", REPLACE_SUFFIX), 0);
	assert_true(rig_count(&r, M_KEEP_PACKED) >= segments - 2);
	assert_int_equal(rig_count(&r, M_KEEP_FAILED), 0);
	struct buf after = rig_text(&r);
	assert_true(after.n > before.n);
	assert_memory_equal(buf_view(&after).p, buf_view(&before).p, before.n - 1);
	verifies("ok node=gw-1 source=journal");
	assert_null(strstr(said, "trimmed"));
	char id[64];
	snprintf(id, sizeof(id), "id-2-%d", (int)getpid());
	assert_int_equal(audit("show %s --journal %s", id, r.journal), 0);
	assert_non_null(strstr(said, id));
	assert_int_equal(audit("list --json --since 1h --journal %s", r.journal), 0);
	assert_non_null(strstr(said, id));
	buf_free(&before);
	buf_free(&after);
	/* The daemon starts again. */
	start();
	put(1);
	stop();
	verifies("ok node=gw-1");
}

/* Flips a byte near the middle of a file. */
static void
damage(const char *path)
{
	int fd = open(path, O_RDWR);
	off_t at = lseek(fd, 0, SEEK_END) / 2;
	char c;

	assert_true(fd >= 0);
	assert_int_equal(pread(fd, &c, 1, at), 1);
	c = (char)(c ^ 1);
	assert_int_equal(pwrite(fd, &c, 1, at), 1);
	close(fd);
}

static void
incomplete_segment_is_left_unchanged(void **state)
{
	(void)state;
	assert_true(rig_start(&r));
	put(40);
	audit_stop(&r.audit);
	char bad[512];
	snprintf(bad, sizeof(bad), "%s", rig_segment(&r, 1));
	damage(bad);
	size_t segments = plain_files();
	start();
	until(rig_count(&r, M_KEEP_FAILED) > 1 && plain_files() == 4);
	struct keep_state s;
	keep_state(keep, &s);
	assert_non_null(strstr(s.failed, strrchr(bad, '/') + 1));
	stop();
	assert_int_equal(access(bad, F_OK), 0);
	assert_true(packed_files() < segments);
}

static void
damaged_compressed_segment_is_named(void **state)
{
	(void)state;
	assert_true(rig_start(&r));
	put(40);
	audit_stop(&r.audit);
	start();
	until(settled());
	stop();
	struct journal_list l;
	char path[JOURNAL_PATH_MAX];
	assert_int_equal(journal_list_all(r.journal, NULL, false, &l, &r.why), 0);
	assert_int_equal(l.seg[1].form, JOURNAL_KEPT);
	journal_segment_path(r.journal, &l.seg[1], path);
	damage(path);
	assert_int_not_equal(
		audit("verify --journal %s --public-key %s.pub", r.journal, r.key), 0);
	assert_non_null(strstr(said, l.seg[1].name));
	journal_list_free(&l);
}

/* Compresses the segment again as it was after its first commit. */
static void
pack_beginning(const char *segment)
{
	static char text[1 << 20];
	char from[512], other[320], path[1024], kept[512];
	struct manifest m;

	snprintf(from, sizeof(from), "%s/%s", r.journal, segment);
	snprintf(other, sizeof(other), "%s/other", r.dir);
	snprintf(path, sizeof(path), "%s/%s", other, segment);
	snprintf(kept, sizeof(kept), "%s.keep", r.journal);
	FILE *f = fopen(from, "r");
	text[fread(text, 1, sizeof(text) - 1, f)] = '\0';
	fclose(f);
	char *end = strchr(strstr(text, "{\"v\":1,\"commit\""), '\n') + 1;
	assert_int_equal(mkdir(other, 0700), 0);
	write_file(path, text, (size_t)(end - text));
	int fromfd = open(other, O_RDONLY | O_DIRECTORY), keptfd = open(kept, O_RDONLY);
	assert_int_equal(pack_segment(fromfd, keptfd, segment, NULL, NULL, &m, &r.why), 0);
	close(fromfd);
	close(keptfd);
}

/* A foreign file with the name of a newer compressed segment does not close the open segment.
 * The segment that is being written stays in place, unchanged. */
static void
foreign_file_closes_no_segment(void **state)
{
	(void)state;
	assert_true(rig_start(&r));
	put(20);
	audit_stop(&r.audit);
	start();
	until(settled());
	for (int i = 0; i < 4; i++) {
		char path[512];
		snprintf(path, sizeof(path),
			"%s.keep/gw-1-9999999%d-999999999999999%d.jsonl.zst", r.journal, i, i);
		write_file(path, "no segment\n", 11);
	}
	size_t packed = packed_files();
	for (int i = 0; i < 12; i++) {
		put(3);
		usleep(20000);
	}
	until(packed_files() > packed + 4 && settled());
	stop();
	for (int i = 0; i < 4; i++) {
		char path[512];
		snprintf(path, sizeof(path),
			"%s.keep/gw-1-9999999%d-999999999999999%d.jsonl.zst", r.journal, i, i);
		assert_int_equal(unlink(path), 0);
	}
	verifies("ok node=gw-1");
	assert_false(rig_holds(&r, "\"type\":\"alarm\""));
}

/* The compressed form is compared once more before the plain form is removed. 0: damaged, 1:
 * with less text, 2: a pipe in place of its manifest. */
static void
plain_form_is_removed_only_if_the_compressed_one_is_valid(void **state)
{
	(void)state;
	for (int how = 0; how < 3; how++) {
		struct journal_list l;
		char path[JOURNAL_PATH_MAX + 16], *dot;
		assert_true(rig_start(&r));
		put(20);
		audit_stop(&r.audit);
		start();
		until(settled() && packed_files() >= 3);
		stop();
		struct buf before = rig_text(&r);
		assert_int_equal(journal_list_all(r.journal, NULL, false, &l, &r.why), 0);
		struct journal_segment s = l.seg[l.n - 2];
		journal_list_free(&l);
		assert_int_equal(s.form, JOURNAL_PLAIN);
		s.form = JOURNAL_KEPT;
		journal_segment_path(r.journal, &s, path);
		if (how == 0) {
			damage(path);
		} else if (how == 1) {
			pack_beginning(s.name);
		} else {
			dot = strstr(path, ".jsonl.zst");
			memcpy(dot, ".json", 6);
			assert_int_equal(unlink(path), 0);
			assert_int_equal(mkfifo(path, 0600), 0);
		}
		assert_true(rig_start(&r));
		put(20);
		audit_stop(&r.audit);
		start();
		until(settled());
		stop();
		struct buf after = rig_text(&r);
		assert_true(after.n > before.n);
		assert_memory_equal(buf_view(&after).p, buf_view(&before).p, before.n - 1);
		verifies("ok node=gw-1");
		buf_free(&before);
		buf_free(&after);
	}
}

/* ---- trimming ---- */

static void
old_segments_are_trimmed_and_the_rest_verifies(void **state)
{
	(void)state;
	assert_true(rig_start(&r));
	put(60);
	audit_stop(&r.audit);
	grow_old();
	r.cfg.retention_age_us = 1000000;
	start();
	until(rig_count(&r, M_KEEP_TRIMMED) > 5 && plain_files() == 3 && packed_files() == 2);
	struct keep_state s;
	until((keep_state(keep, &s), s.trimmed > 10));
	stop();
	/* Segments that can be restored are still known. */
	assert_true(count_files(".keep", ".json") > 6);
	assert_true(rig_holds(&r, "\"type\":\"trim\",\"first\":1,"));
	verifies("trim_record=");
	assert_non_null(strstr(said, " trimmed="));
	start();
	put(5);
	stop();
	verifies("trim_record=");
	/* Without a record of the trim, the segments count as missing. */
	struct journal_list l;
	char path[JOURNAL_PATH_MAX];
	assert_int_equal(journal_list_all(r.journal, NULL, false, &l, &r.why), 0);
	journal_segment_path(r.journal, &l.seg[0], path);
	assert_int_equal(unlink(path), 0);
	journal_list_free(&l);
	if (audit("verify --journal %s --public-key %s.pub", r.journal, r.key) == 0)
		assert_non_null(strstr(said, "trim_record="));
}

static void
write_clock(const char *time)
{
	char path[256];

	snprintf(path, sizeof(path), "%s.keep/gw-1.clock", r.journal);
	FILE *f = fopen(path, "w");
	assert_non_null(f);
	fputs(time, f);
	fclose(f);
}

/* At a start, the clock is years ahead: the clock may be wrong, or the machine may have been
 * off. */
static void
clock_far_ahead_makes_no_record_old(void **state)
{
	(void)state;
	char now[CLOCK_RFC3339_LEN];
	struct keep_state s;

	assert_true(rig_start(&r));
	put(60);
	audit_stop(&r.audit);
	start();
	until(settled());
	stop();
	grow_old();
	r.cfg.retention_age_us = 1000000;
	write_clock("2020-01-01T00:00:00Z\n");
	start();
	until((keep_state(keep, &s), strstr(s.held, "the clock is far ahead") != NULL));
	until(rig_holds(&r, "\"how\":\"retention_clock\",\"clock\":\""));
	assert_true(rig_holds(&r, "\"believed\":\"2020-01-01T00:00:00.000000000Z\""));
	stop();
	/* Neither after the next start. */
	start();
	until((keep_state(keep, &s), strstr(s.held, "the clock is far ahead") != NULL));
	assert_int_equal(rig_count(&r, M_KEEP_TRIMMED), 0);
	assert_false(rig_holds(&r, "\"type\":\"trim\""));
	/* An operator confirms the time; no restart is needed. */
	clock_rfc3339(clock_wall_ns(), now);
	write_clock(now);
	until(rig_count(&r, M_KEEP_TRIMMED) > 5);
	until((keep_state(keep, &s), s.held[0] == '\0'));
	stop();
	verifies("trim_record=");
}

/* Without an earlier confirmed time, the times of existing segments count. */
static void
first_start_uses_the_times_of_segments(void **state)
{
	(void)state;
	struct manifest old = { .end = "2025-01-01T00:00:00.000000000Z" };
	struct believe b = { 0 };
	int64_t end;

	assert_int_equal(clock_parse(old.end, strlen(old.end), &end), 0);
	int fd = open(r.dir, O_RDONLY | O_DIRECTORY);
	believe_start(&b);
	assert_int_equal(believe_now(&b, fd, "a", &old, BELIEVE_S), end / 1000000000);
	assert_true(b.ahead);
	assert_int_equal(believe_now(&b, fd, "a", NULL, BELIEVE_S), end / 1000000000);
	assert_true(b.ahead);
	int64_t now = clock_wall_ns() / 1000000000;
	assert_true(believe_now(&b, fd, "b", NULL, BELIEVE_S) >= now - 1);
	assert_false(b.ahead);
	/* If the clock is set forward at run time, the new time is not used. */
	b.start_wall_s -= 1000;
	assert_true(believe_now(&b, fd, "b", &old, BELIEVE_S) <= now - 990);
	close(fd);
}

static void
clock_is_trusted_for_half_the_retention_age(void **state)
{
	static const struct {
		uint64_t age_s;
		int64_t ahead_s; /* seconds ahead of the last trusted time, at the start */
		bool believed;
	} rows[] = {
		{ 7 * 86400, 3 * 86400, true },
		{ 7 * 86400, 4 * 86400, false },
		{ 7 * 86400, 10 * 86400, false },
		{ 0, 29 * 86400, true },
		{ 0, 31 * 86400, false },
		{ 365 * 86400, 29 * 86400, true },
		{ 365 * 86400, 31 * 86400, false },
		{ 3600, 1000, true },
		{ 3600, 2000, false },
		{ 1, 30, true },
	};
	int64_t now = clock_wall_ns() / 1000000000;

	(void)state;
	int fd = open(r.dir, O_RDONLY | O_DIRECTORY);
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct believe b = { 0 };
		struct manifest old = { .end = "" };
		char name[8];
		clock_rfc3339((now - rows[i].ahead_s) * 1000000000, old.end);
		snprintf(name, sizeof(name), "t%zu", i);
		believe_start(&b);
		int64_t s = believe_now(&b, fd, name, &old, believe_trust_s(rows[i].age_s));
		if (!b.ahead != rows[i].believed || (s >= now - 1) != rows[i].believed)
			fail_msg("row %zu: ahead %d", i, b.ahead);
		/* A process that trusted the clock once continues to. */
		s = believe_now(&b, fd, name, &old, believe_trust_s(rows[i].age_s));
		assert_int_equal(!b.ahead, rows[i].believed);
	}
	close(fd);
}

static int
no_unlink(int dir, const char *name, int flags)
{
	if (strstr(name, ".json")) {
		errno = EROFS;
		return -1;
	}
	return unlinkat(dir, name, flags);
}

/* Counts the trim records in the journal. */
static size_t
trim_records(void)
{
	struct buf b = rig_text(&r);
	size_t n = 0;

	buf_putc(&b, '\0');
	for (const char *p = buf_view(&b).p; (p = strstr(p, "\"type\":\"trim\",\"first\":1,"));
		p++)
		n++;
	buf_free(&b);
	return n;
}

static void
unremovable_segments_are_named_in_one_record(void **state)
{
	(void)state;
	assert_true(rig_start(&r));
	put(60);
	audit_stop(&r.audit);
	start();
	until(settled());
	stop();
	grow_old();
	r.cfg.retention_age_us = 1000000;
	keep_io.unlinkat = no_unlink;
	start();
	until(trim_records() > 0);
	uint64_t failed = rig_count(&r, M_KEEP_FAILED);
	until(rig_count(&r, M_KEEP_FAILED) > failed + 10);
	assert_int_equal(trim_records(), 1);
	assert_int_equal(rig_count(&r, M_KEEP_TRIMMED), 0);
	keep_io.unlinkat = unlinkat;
	until(rig_count(&r, M_KEEP_TRIMMED) > 5);
	stop();
	verifies("trim_record=");
}

static void
manually_removed_segment_is_missing(void **state)
{
	(void)state;
	assert_true(rig_start(&r));
	put(40);
	audit_stop(&r.audit);
	start();
	until(settled());
	stop();
	struct journal_list l;
	char path[JOURNAL_PATH_MAX];
	assert_int_equal(journal_list_all(r.journal, NULL, false, &l, &r.why), 0);
	journal_segment_path(r.journal, &l.seg[0], path);
	assert_int_equal(unlink(path), 0);
	journal_list_free(&l);
	assert_int_equal(audit("verify --journal %s --public-key %s.pub", r.journal, r.key), 1);
	assert_non_null(strstr(said, "seq=1 why=\"missing: record"));
}

static void
size_limit_never_trims_below_six_months(void **state)
{
	(void)state;
	assert_true(rig_start(&r));
	put(60);
	audit_stop(&r.audit);
	r.cfg.below_six_months = false;
	r.cfg.retention_size = 2000;
	start();
	struct keep_state s;
	until((keep_state(keep, &s), s.below_six_months));
	until(rig_holds(&r, "\"how\":\"retention_size\""));
	stop();
	assert_int_equal(rig_count(&r, M_KEEP_TRIMMED), 0);
	verifies("ok node=gw-1");
	r.cfg.below_six_months = true;
	start();
	until(rig_count(&r, M_KEEP_TRIMMED) > 5);
	stop();
	verifies("trim_record=");
	assert_true(rig_holds(&r, "\"why\":\"size\""));
}

static void
retention_follows_the_times_of_records(void **state)
{
	(void)state;
	static const struct {
		const char *name, *end;
		struct trim_rules rules;
		uint64_t bytes;
		enum trim_due want;
	} rows[] = {
		{ "young", "2026-11-01T00:00:00.000000000Z", { .age_s = 86400 * 400 }, 0,
			TRIM_NOT },
		{ "old", "2025-01-01T00:00:00.000000000Z", { .age_s = 86400 * 400 }, 0,
			TRIM_AGE },
		{ "a clock that was ahead", "2030-01-01T00:00:00.000000000Z",
			{ .age_s = 86400 * 400 }, 0, TRIM_NOT },
		{ "within the size", "2025-01-01T00:00:00.000000000Z", { .size = 100 }, 100,
			TRIM_NOT },
		{ "over the size", "2025-01-01T00:00:00.000000000Z", { .size = 100 }, 101,
			TRIM_SIZE },
		{ "over the size and young", "2026-11-01T00:00:00.000000000Z", { .size = 100 },
			101, TRIM_TOO_YOUNG },
		{ "over the size, young, and the law lets them",
			"2026-11-01T00:00:00.000000000Z",
			{ .size = 100, .below_six_months = true }, 101, TRIM_SIZE },
		{ "no rule", "2000-01-01T00:00:00.000000000Z", { .size = 0 }, 1ull << 40,
			TRIM_NOT },
	};

	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct manifest m = { .first = 1 };
		struct trim_rules rules = rows[i].rules;
		rules.now_s = 1795000000; /* 2026-11-18 */
		snprintf(m.end, sizeof(m.end), "%s", rows[i].end);
		if (trim_due(&rules, &m, rows[i].bytes) != rows[i].want)
			fail_msg("%s", rows[i].name);
	}
}

/* Records of one segment with these times, after a segment that ended at `before`. */
static void
clock_set_back_makes_no_record_old(void **state)
{
	static const int64_t days[] = { 0, -2000, -1999, -3000 };
	struct chain_build b;
	struct manifest m, before = { .end = "2027-06-01T00:00:00.000000000Z" };

	(void)state;
	chain_build_init(&b, "gw-1");
	for (size_t i = 0; i < COUNT_OF(days); i++) {
		b.chain.boot += !i;
		chain_record(&b.out, &b.chain, CHAIN_BUILD_TIME + days[i] * CLOCK_DAY_NS,
			span_str(i ? "\"type\":\"decision\"" : "\"type\":\"boot\""));
	}
	chain_build_commit(&b);
	char name[] = "/tmp/tg-keep-XXXXXX";
	int fd = mkstemp(name);
	unlink(name);
	assert_int_equal(write(fd, buf_view(&b.out).p, b.out.n), (ssize_t)b.out.n);
	buf_init(&r.why, 4096);
	assert_int_equal(pack_survey(fd, NULL, NULL, NULL, &m, &r.why), 0);
	assert_string_equal(m.end, "2027-01-15T08:00:00.000000000Z");
	assert_string_equal(m.begin, m.end);
	/* The end is not before the end of the previous segment either. */
	assert_int_equal(pack_survey(fd, &before, NULL, NULL, &m, &r.why), 0);
	assert_string_equal(m.end, before.end);
	buf_free(&r.why);
	close(fd);
	chain_build_free(&b);
}

/* ---- the tree ---- */

/* Damaged hashes of trimmed records are made again once the records are restored. */
static void
tree_is_repaired_from_restored_segments(void **state)
{
	(void)state;
	char path[256];
	unsigned char was[8], is[8], flipped[8];
	const off_t at = 5 * 32;

	r.cfg.retention_archive = archive;
	r.cfg.retention_age_us = 1000000;
	assert_int_equal(mkdir(archive, 0700), 0);
	assert_true(rig_start(&r));
	put(40);
	audit_stop(&r.audit);
	start();
	until(rig_count(&r, M_KEEP_TRIMMED) > 3 && plain_files() == 3 && packed_files() == 2);
	stop();
	snprintf(path, sizeof(path), "%s.tree/gw-1.0", r.journal);
	int fd = open(path, O_RDWR);
	assert_int_equal(pread(fd, was, sizeof(was), at), sizeof(was));
	memcpy(flipped, was, sizeof(was));
	flipped[3] ^= 1;
	assert_int_equal(pwrite(fd, flipped, sizeof(flipped), at), sizeof(flipped));
	assert_true(rig_start(&r));
	until(rig_count(&r, M_TREE_ERRORS) > 1);
	audit_stop(&r.audit);
	assert_int_equal(pread(fd, is, sizeof(is), at), sizeof(is));
	assert_memory_equal(is, flipped, sizeof(is));
	assert_int_equal(
		audit("restore --journal %s --archive %s --public-key %s.pub --since 2h",
			r.journal, archive, r.key),
		0);
	assert_null(strstr(said, "\ntree ")); /* the daemon's own tree exists */
	assert_true(rig_start(&r));
	until(pread(fd, is, sizeof(is), at) == sizeof(is) && !memcmp(is, was, sizeof(is)));
	close(fd);
}

/* ---- archives ---- */

static void
unarchived_segments_are_not_trimmed(void **state)
{
	(void)state;
	r.cfg.retention_archive = archive;
	r.cfg.retention_age_us = 1000000;
	assert_true(rig_start(&r));
	put(60);
	audit_stop(&r.audit);
	grow_old();
	start();
	struct keep_state s;
	/* The archive is not mounted: commits continue, and all segments stay. */
	until((keep_state(keep, &s), s.archive_away && s.held[0]));
	put(3);
	assert_int_equal(rig_count(&r, M_KEEP_TRIMMED), 0);
	assert_true(s.unarchived > 5);
	stop();
	assert_int_equal(mkdir(archive, 0700), 0);
	start();
	until(rig_count(&r, M_KEEP_TRIMMED) > 5);
	stop();
	verifies("trim_record=");
	assert_true(rig_holds(&r, "/archive\""));
}

static void
segment_missing_or_changed_in_the_archive_is_not_trimmed(void **state)
{
	(void)state;
	char path[1024];

	r.cfg.retention_archive = archive;
	assert_int_equal(mkdir(archive, 0700), 0);
	assert_true(rig_start(&r));
	put(40);
	audit_stop(&r.audit);
	start();
	struct keep_state s;
	until((keep_state(keep, &s), settled() && s.unarchived == 0));
	stop();
	struct journal_list l;
	assert_int_equal(journal_list_all(r.journal, NULL, false, &l, &r.why), 0);
	snprintf(path, sizeof(path), "%s/%s.zst", archive, l.seg[0].name);
	journal_list_free(&l);
	damage(path);
	grow_old();
	r.cfg.retention_age_us = 1000000;
	uint64_t failed = rig_count(&r, M_KEEP_FAILED);
	start();
	/* The segment is archived again, and only then trimmed. */
	until(rig_count(&r, M_KEEP_TRIMMED) > 2);
	stop();
	assert_true(rig_count(&r, M_KEEP_FAILED) > failed);
	verifies("trim_record=");
}

static void
archived_segments_are_restored_unless_altered(void **state)
{
	(void)state;
	char path[1024], first[256], second[256];

	r.cfg.retention_archive = archive;
	r.cfg.retention_age_us = 1000000;
	assert_int_equal(mkdir(archive, 0700), 0);
	assert_true(rig_start(&r));
	put(40);
	audit_stop(&r.audit);
	struct journal_list l;
	assert_int_equal(journal_list(r.journal, NULL, &l, &r.why), 0);
	snprintf(first, sizeof(first), "%.120s", l.seg[0].name);
	snprintf(second, sizeof(second), "%.120s", l.seg[1].name);
	journal_list_free(&l);
	start();
	until(rig_count(&r, M_KEEP_TRIMMED) > 3 && plain_files() == 3 && packed_files() == 2);
	stop();
	char id[64];
	snprintf(id, sizeof(id), "id-0-%d", (int)getpid());
	assert_int_not_equal(audit("show %s --journal %s", id, r.journal), 0);
	/* One segment is altered in the archive: the next one is restored, this one is not. */
	snprintf(path, sizeof(path), "%s/%s.zst", archive, second);
	damage(path);
#define restore "restore --journal %s --archive %s --public-key %s.pub %s"
	assert_int_equal(audit(restore, r.journal, archive, r.key, "--since 2h"), 1);
	snprintf(path, sizeof(path), "restored %s", first);
	assert_non_null(strstr(said, path));
	snprintf(path, sizeof(path), "refused %s why=\"changed", second);
	if (!strstr(said, path))
		fail_msg("%s", said);
	assert_non_null(strstr(said, "not recorded: "));
	assert_int_equal(count_files(".restored", REPLACE_SUFFIX), 0);
	assert_int_equal(audit("show %s --journal %s", id, r.journal), 0);
	assert_non_null(strstr(said, id));
	/* The journal itself is unchanged. */
	verifies("trim_record=");
	/* By name, and for segments that are already here. */
	assert_int_equal(audit(restore, r.journal, archive, r.key, first), 0);
	assert_non_null(strstr(said, "here "));
	/* A manifest that was altered together with its segment: the local manifest or the trim
	 * record shows it. */
	char name[1024];
	snprintf(name, sizeof(name), "%s.restored/%s.zst", r.journal, first);
	assert_int_equal(unlink(name), 0);
	snprintf(name, sizeof(name), "%s.keep/%.*s", r.journal, (int)strlen(first) - 1, first);
	assert_int_equal(unlink(name), 0);
	assert_int_equal(audit(restore, r.journal, archive, r.key, first), 0);
	snprintf(name, sizeof(name), "%s/%.*s", archive, (int)strlen(first) - 1, first);
	struct buf text = rig_slurp(name);
	char *at = memmem(text.p, text.n, "\"sha256\":\"", 10);
	assert_non_null(at);
	at[10] = at[10] == '0' ? '1' : '0';
	int fd = open(name, O_WRONLY | O_TRUNC);
	assert_int_equal(write(fd, buf_view(&text).p, text.n), (ssize_t)text.n);
	close(fd);
	buf_free(&text);
	snprintf(name, sizeof(name), "%s.restored/%s.zst", r.journal, first);
	assert_int_equal(unlink(name), 0);
	assert_int_equal(audit(restore, r.journal, archive, r.key, first), 1);
	assert_non_null(strstr(said, "refused "));
	assert_int_equal(audit(restore, r.journal, "/nonexistent", r.key, first), 2);
	assert_int_equal(audit(restore, r.journal, archive, r.key, "../x"), 2);
	assert_non_null(strstr(said, "give the name of a segment"));
}

/* Returns true if each closed segment has its mark, and NODE.latest names the newest of
 * them. */
static bool
archive_is_whole(void)
{
	char path[1024];
	struct journal_list l;
	bool whole = plain_files() == 1 + KEEP_PLAIN_SEGMENTS;

	assert_int_equal(journal_list_all(r.journal, NULL, false, &l, &r.why), 0);
	for (size_t i = 0; i + 1 < l.n && whole; i++) {
		snprintf(path, sizeof(path), "%s.keep/%s.archived", r.journal, l.seg[i].name);
		whole = access(path, F_OK) == 0;
	}
	snprintf(path, sizeof(path), "%s/gw-1.latest", archive);
	if (whole && (whole = l.n > 1 && access(path, F_OK) == 0)) {
		struct buf latest = rig_slurp(path);
		struct span name = span_str(l.seg[l.n - 2].name);
		whole = latest.n && memmem(buf_view(&latest).p, latest.n, name.p, name.n);
		buf_free(&latest);
	}
	journal_list_free(&l);
	return whole;
}

/* The machine was lost: restores from its archive, and verifies. */
static void
restore_elsewhere(
	const char *name, int restored, int archived, int verified, const char *wants)
{
	rig_sh("rm -rf %s/lost*; mkdir %s/lost", r.dir, r.dir);
	int code = audit("restore --journal %s/lost --archive %s --public-key %s.pub --since "
			 "2000-01-01",
		r.dir, archive, r.key);
	if (code != restored || (wants && !strstr(said, wants)) ||
		(!wants && strstr(said, "missing")))
		fail_msg("%s: restore: %d %s (wanted: %s)", name, code, said, wants);
	const char *const journals[] = { "archive", "lost", "lost.restored" };
	for (size_t i = 0; i < COUNT_OF(journals); i++) {
		code = audit("verify --journal %s/%s --public-key %s.pub", r.dir, journals[i],
			r.key);
		int want = i ? verified : archived;
		if (code != want || (want && !strstr(said, "missing")))
			fail_msg("%s: verify %s: %d %s", name, journals[i], code, said);
	}
}

static void
archive_without_its_first_or_last_segment_is_incomplete(void **state)
{
	static const struct {
		const char *name, *lose;
		int restored, archived, verified;
		const char *wants;
	} rows[] = {
		{ "a whole archive", "true", 0, 0, 0, NULL },
		{ "a whole archive of an earlier version", "rm gw-1.latest", 0, 0, 0, NULL },
		{ "the first segment is gone", "rm $FIRST.*", 1, 1, 1,
			"missing node=gw-1 first=1 last=" },
		{ "the last segment is gone", "rm $LAST.*", 1, 1, 1,
			"missing node=gw-1 first=" },
		{ "the last segment left its hashes",
			"rm gw-1.latest $LAST.json $LAST.jsonl.zst", 1, 1, 0,
			"missing node=gw-1 first=" },
		{ "the last segment left its compressed file",
			"rm gw-1.latest $LAST.json $LAST.hashes", 1, 0, 0,
			"missing node=gw-1 first=" },
		{ "every segment is gone", "rm gw-1-*", 1, 1, 1,
			"missing node=gw-1 first=1 last=" },
	};
	(void)state;
	r.cfg.retention_archive = archive;
	assert_int_equal(mkdir(archive, 0700), 0);
	assert_true(rig_start(&r));
	put(40);
	audit_stop(&r.audit);
	start();
	until(archive_is_whole());
	stop();
	rig_sh("mv %s %s.whole", archive, archive);
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		rig_sh("cd %s && rm -rf archive && cp -r archive.whole archive && cd archive && "
		       "FIRST=$(ls *.json | sed 's/.json//;q') && "
		       "LAST=$(ls *.json | sed '$!d;s/.json//') && %s",
			r.dir, rows[i].lose);
		restore_elsewhere(rows[i].name, rows[i].restored, rows[i].archived,
			rows[i].verified, rows[i].wants);
	}
}

/* Records that were trimmed before the archive existed are in no archive. */
static void
trim_record_accounts_for_records_that_were_never_archived(void **state)
{
	(void)state;
	r.cfg.retention_age_us = 1000000;
	assert_true(rig_start(&r));
	put(40);
	audit_stop(&r.audit);
	grow_old();
	start();
	until(rig_count(&r, M_KEEP_TRIMMED) > 3 && plain_files() == 3);
	stop();
	r.cfg.retention_archive = archive;
	r.cfg.retention_age_us = 0;
	assert_int_equal(mkdir(archive, 0700), 0);
	start();
	put(40);
	until(archive_is_whole());
	stop();
	restore_elsewhere("trimmed and never archived", 0, 0, 0, NULL);
	/* A segment that had been archived and is missing there is reported, whatever a trim
	 * record contains. */
	r.cfg.retention_age_us = 1000000;
	grow_old();
	uint64_t trimmed = rig_count(&r, M_KEEP_TRIMMED);
	start();
	until(rig_count(&r, M_KEEP_TRIMMED) > trimmed + 3);
	put(40);
	until(archive_is_whole());
	stop();
	restore_elsewhere("trimmed and archived", 0, 0, 0, NULL);
	rig_sh("cd %s && rm $(ls *.json | sed 's/.json//;q').*", archive);
	restore_elsewhere("trimmed, archived and lost", 1, 1, 1, "missing node=gw-1 first=");
	/* The requested part verifies from the record that the output names. */
	char *from = strstr(said, "--from ");
	assert_non_null(from);
	unsigned long seq = strtoul(from + 7, NULL, 10);
	assert_int_equal(audit("verify --journal %s/lost --public-key %s.pub --from %lu", r.dir,
				 r.key, seq),
		0);
}

int
main(void)
{
	log_setup(LOG_LOGFMT, LOG_ERROR);
	alarm(300);
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			compressed_segments_read_like_plain_ones, setup, teardown),
		cmocka_unit_test_setup_teardown(
			incomplete_segment_is_left_unchanged, setup, teardown),
		cmocka_unit_test_setup_teardown(
			damaged_compressed_segment_is_named, setup, teardown),
		cmocka_unit_test_setup_teardown(
			foreign_file_closes_no_segment, setup, teardown),
		cmocka_unit_test_setup_teardown(
			plain_form_is_removed_only_if_the_compressed_one_is_valid, setup,
			teardown),
		cmocka_unit_test_setup_teardown(
			old_segments_are_trimmed_and_the_rest_verifies, setup, teardown),
		cmocka_unit_test_setup_teardown(
			clock_far_ahead_makes_no_record_old, setup, teardown),
		cmocka_unit_test_setup_teardown(
			clock_is_trusted_for_half_the_retention_age, setup, teardown),
		cmocka_unit_test_setup_teardown(
			first_start_uses_the_times_of_segments, setup, teardown),
		cmocka_unit_test_setup_teardown(
			unremovable_segments_are_named_in_one_record, setup, teardown),
		cmocka_unit_test_setup_teardown(
			manually_removed_segment_is_missing, setup, teardown),
		cmocka_unit_test_setup_teardown(
			size_limit_never_trims_below_six_months, setup, teardown),
		cmocka_unit_test(retention_follows_the_times_of_records),
		cmocka_unit_test(clock_set_back_makes_no_record_old),
		cmocka_unit_test_setup_teardown(
			tree_is_repaired_from_restored_segments, setup, teardown),
		cmocka_unit_test_setup_teardown(
			unarchived_segments_are_not_trimmed, setup, teardown),
		cmocka_unit_test_setup_teardown(
			segment_missing_or_changed_in_the_archive_is_not_trimmed, setup,
			teardown),
		cmocka_unit_test_setup_teardown(
			archived_segments_are_restored_unless_altered, setup, teardown),
		cmocka_unit_test_setup_teardown(
			archive_without_its_first_or_last_segment_is_incomplete, setup,
			teardown),
		cmocka_unit_test_setup_teardown(
			trim_record_accounts_for_records_that_were_never_archived, setup,
			teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
