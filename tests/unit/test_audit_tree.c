/* The tree beside the chain: when checkpoint records are written, whether they match the lines,
 * the range over restarts, kills and old journals, and hash files that are missing, changed,
 * cut, of another node or on a full disk. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <string.h>

#include <cmocka.h>

#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <fcntl.h>

#include "base/clock.h"
#include "base/stops.h"
#include "record/journal/chain.h"
#include "record/proof/note.h"
#include "record/proof/range.h"
#include "record/proof/tiles.h"
#include "support/audit_rig.h"

static struct rig r;

static const struct tree_pace at_ends = { UINT64_MAX, UINT64_MAX, true },
			      never = { UINT64_MAX, UINT64_MAX, false },
			      at_once = { 0, UINT64_MAX, true };

static int
setup(void **state)
{
	(void)state;
	rig_init(&r);
	tree_pace = at_ends;
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	rig_free(&r);
	return 0;
}

static void
wait_until(bool (*is)(void))
{
	for (int i = 0; i < 1000 && !is(); i++)
		usleep(10000);
	assert_true(is());
}

/* ---- the lines, read independently ---- */

/* The tree over all lines, against which every checkpoint and boot record is checked. */
struct reading {
	struct merkle_range range;
	unsigned checkpoints, boots;
	uint64_t last;	  /* the size of the last checkpoint */
	char type[2][32]; /* of the last record, and of the previous one */
	bool null_boot;
};

static void
read_line(void *arg, struct span line)
{
	struct reading *g = arg;
	struct chain_line l;
	struct merkle_range said;
	struct merkle_hash leaf, root;
	struct checkpoint c;
	unsigned char hash[CHAIN_HASH_BYTES];
	char hex[2 * CHAIN_HASH_BYTES + 3], origin[] = "tollgate/gw-1";
	const char *why;

	assert_int_equal(chain_parse(line, &l), 0);
	if (l.commit)
		return;
	assert_int_equal(l.seq, g->range.n + 1);
	bool has = range_read(line, l.type, l.seq, &said);
	if (has) {
		assert_int_equal(said.n, l.seq - 1);
		assert_memory_equal(said.hash, g->range.hash,
			merkle_range_hashes(said.n) * sizeof(said.hash[0]));
	}
	if (span_is(l.type, "checkpoint")) {
		struct buf note;
		assert_true(has);
		g->checkpoints++;
		g->last = said.n;
		merkle_root(&g->range, &root);
		hex[0] = '"';
		chain_hex(root.b, hex + 1);
		strcat(hex, "\"");
		assert_true(span_is(chain_member(line, "root"), hex));
		assert_true(span_is(chain_member(line, "origin"), "\"tollgate/gw-1\""));
		/* The only escapes in the note are newlines. */
		buf_init(&note, 0);
		struct span s = chain_member(line, "note");
		for (size_t i = 1; i + 1 < s.n; i++)
			if (s.p[i] == '\\') {
				assert_int_equal(s.p[++i], 'n');
				buf_putc(&note, '\n');
			} else {
				buf_putc(&note, s.p[i]);
			}
		assert_int_equal(checkpoint_parse(buf_view(&note), &c, &why), 0);
		assert_int_equal(c.size, said.n);
		assert_memory_equal(&c.root, &root, sizeof(root));
		assert_true(span_is(c.origin, origin));
		assert_non_null(checkpoint_signer(&c, span_str(origin), &r.pub, 1));
		buf_free(&note);
	} else if (span_is(l.type, "boot")) {
		g->boots++;
		struct span tree = chain_member(line, "tree");
		g->null_boot = span_is(tree, "null");
		assert_int_equal(has,
			tree.p && !g->null_boot); /* a record of an old daemon has no range */
	}
	memcpy(g->type[1], g->type[0], sizeof(g->type[0]));
	snprintf(g->type[0], sizeof(g->type[0]), "%.*s", SPAN_ARG(l.type));
	sha256(line, hash);
	merkle_leaf(hash, &leaf);
	merkle_append(&g->range, &leaf);
}

static struct reading
read_all(void)
{
	struct reading g = { 0 };
	struct buf b = rig_text(&r);
	struct span rest = buf_view(&b);

	rest.n--; /* the final NUL */
	while (rest.n)
		read_line(&g, span_next(&rest, '\n'));
	buf_free(&b);
	struct verify_result v = rig_verify(&r);
	if (!v.ok)
		fail_msg("record %" PRIu64 ": %s", v.bad_seq, v.why);
	assert_int_equal(v.records, g.range.n);
	return g;
}

/* Asserts that the files contain the tree of all lines. */
static void
check_files(const struct reading *g)
{
	struct tiles t;
	struct merkle_range at;
	uint64_t bad;

	buf_clear(&r.why);
	assert_int_equal(tiles_open(&t, r.journal, "gw-1", false, &r.why), 0);
	assert_int_equal(t.n, g->range.n);
	assert_int_equal(tiles_wrong(&t, 0, &bad), 0);
	struct merkle_source s = tiles_source(&t);
	assert_int_equal(merkle_range_at(&s, t.n, &at), 0);
	assert_memory_equal(
		at.hash, g->range.hash, merkle_range_hashes(at.n) * sizeof(at.hash[0]));
	tiles_close(&t);
}

static struct reading
check_all(void)
{
	struct reading g = read_all();

	check_files(&g);
	return g;
}

static void
put_many(unsigned n)
{
	struct audit_entry *e = calloc(n, sizeof(*e));
	sem_t s;

	sem_init(&s, 0, 0);
	for (unsigned i = 0; i < n; i++)
		rig_send(&r, &e[i], &s, "x");
	for (unsigned i = 0; i < n; i++)
		rig_wait(&s);
	for (unsigned i = 0; i < n; i++) {
		assert_int_equal(e[i].err, 0);
		buf_free(&e[i].fields);
	}
	sem_destroy(&s);
	free(e);
}

static struct tree_status
status(void)
{
	struct tree_status s;

	audit_tree(r.audit, &s);
	return s;
}

/* ---- checkpoints ---- */

static bool
has_checkpoint(void)
{
	return rig_count(&r, M_CHECKPOINTS) > 0;
}

static bool
has_three(void)
{
	return rig_count(&r, M_CHECKPOINTS) >= 3;
}

static void
checkpoint_precedes_the_close_record(void **state)
{
	struct buf note;
	uint64_t size;

	(void)state;
	assert_started();
	buf_init(&note, 0);
	assert_false(audit_note(r.audit, &note, &size));
	assert_int_equal(rig_put(&r, "a"), 0);
	assert_int_equal(status().size, 0);
	audit_stop(&r.audit);
	struct reading g = check_all();
	assert_int_equal(g.checkpoints, 1);
	assert_int_equal(g.last, 2);
	assert_string_equal(g.type[1], "checkpoint");
	assert_string_equal(g.type[0], "close");
	buf_free(&note);
}

static void
record_is_covered_within_a_second(void **state)
{
	struct buf note;
	struct checkpoint c;
	const char *why;
	uint64_t size = 0;

	(void)state;
	tree_pace = (struct tree_pace){ 50000, UINT64_MAX, false };
	assert_started();
	wait_until(has_checkpoint); /* the checkpoint of the boot record */
	assert_int_equal(rig_put(&r, "a"), 0);
	buf_init(&note, 0);
	for (int i = 0; i < 1000 && size < 3; i++) {
		usleep(10000);
		buf_clear(&note);
		audit_note(r.audit, &note, &size);
	}
	assert_int_equal(size, 3); /* boot, its checkpoint, a */
	assert_int_equal(checkpoint_parse(buf_view(&note), &c, &why), 0);
	assert_int_equal(c.size, 3);
	assert_int_equal(status().size, 3);
	assert_int_equal(status().state, TREE_READY);
	/* A checkpoint causes no further checkpoint, and neither does an anchor record. */
	struct audit_entry e = { .done = rig_done };
	sem_t s;
	sem_init(&s, 0, 0);
	e.arg = &s;
	buf_init(&e.fields, 0);
	buf_str(&e.fields, "\"type\":\"anchor\",\"size\":3");
	audit_append(r.audit, &e);
	rig_wait(&s);
	buf_free(&e.fields);
	usleep(400000);
	assert_int_equal(rig_count(&r, M_CHECKPOINTS), 2);
	audit_stop(&r.audit);
	assert_int_equal(check_all().last, 3);
	buf_free(&note);
}

static void
idle_daemon_continues_to_write_checkpoints(void **state)
{
	(void)state;
	tree_pace = (struct tree_pace){ 30000, 30000, false };
	assert_started();
	wait_until(has_three);
	audit_stop(&r.audit);
	assert_true(check_all().checkpoints >= 3);
}

/* The checkpoint is the first of a commit with records that arrive at the same time. */
static void
commit_may_begin_with_a_checkpoint(void **state)
{
	(void)state;
	tree_pace = at_once;
	assert_started();
	put_many(3000);
	audit_stop(&r.audit);
	assert_true(check_all().checkpoints > 1);
}

/* ---- restarts ---- */

static void
restart_continues_the_range(void **state)
{
	(void)state;
	for (int boot = 0; boot < 4; boot++) {
		/* With and without a checkpoint since. */
		tree_pace = boot % 2 ? never : at_ends;
		assert_started();
		assert_int_equal(status().state, TREE_READY);
		put_many(300);
		audit_stop(&r.audit);
		struct reading g = check_all();
		assert_int_equal(g.boots, boot + 1);
		assert_false(g.null_boot);
	}
}

static void
range_is_found_across_segments(void **state)
{
	(void)state;
	r.cfg.journal_segment_bytes = 4000;
	tree_pace = never;
	assert_started();
	for (int i = 0; i < 100; i++)
		assert_int_equal(rig_put(&r, "x"), 0);
	audit_stop(&r.audit);
	assert_true(rig_segments(&r) > 5);
	assert_started();
	assert_int_equal(status().state, TREE_READY);
	audit_stop(&r.audit);
	assert_false(check_all().null_boot);
}

/* A part of the lines between the last range and the head is missing, so the range is not
 * used. */
static void
changed_older_record_gives_no_range(void **state)
{
	(void)state;
	r.cfg.journal_segment_bytes = 4000;
	tree_pace = never;
	assert_started();
	for (int i = 0; i < 100; i++)
		assert_int_equal(rig_put(&r, "x"), 0);
	audit_stop(&r.audit);
	rig_sh("sed -i 's/\"id\":\"x\"/\"id\":\"y\"/' '%s'", rig_segment(&r, 2));
	tree_pace = at_ends;
	assert_started();
	assert_int_equal(status().size, 0);
	assert_int_equal(rig_put(&r, "goes on"), 0);
	for (int i = 0; i < 6000 && status().state != TREE_STUCK; i++)
		usleep(10000);
	assert_int_equal(status().state, TREE_STUCK);
	audit_stop(&r.audit);
	assert_true(rig_holds(&r, "\"tree\":null"));
	assert_int_equal(rig_count(&r, M_CHECKPOINTS), 0);
}

/* Writes a journal as a daemon without the tree did. */
static void
make_old_journal(unsigned records)
{
	tree_pace = never;
	struct journal j;
	struct signkey key;
	struct chain c = { .node = "gw-1", .boot = 1 };
	struct buf b;

	buf_init(&b, 0);
	buf_clear(&r.why);
	assert_int_equal(signkey_load(r.key, &key, &r.why), 0);
	assert_int_equal(journal_open(&j, r.journal, "gw-1", 64 << 20, &r.why), 0);
	for (uint64_t first = 1; c.seq < records; first = c.seq + 1) {
		if (c.seq % 5000 == 0)
			assert_int_equal(journal_begin(&j, 1, first), 0);
		buf_clear(&b);
		chain_record(&b, &c, clock_wall_ns(),
			first == 1 ? SPAN_LIT("\"type\":\"boot\",\"previous\":null")
				   : SPAN_LIT("\"type\":\"decision\",\"id\":\"old\""));
		while (c.seq % 100)
			chain_record(&b, &c, clock_wall_ns(),
				SPAN_LIT("\"type\":\"decision\",\"id\":\"old\""));
		chain_commit(&b, &c, first, clock_wall_ns(), &key);
		assert_int_equal(journal_append(&j, buf_view(&b)), 0);
	}
	journal_close(&j);
	signkey_wipe(&key);
	buf_free(&b);
	rig_sh("rm -rf '%s.tree'", r.journal);
}

static bool
is_ready(void)
{
	return status().state == TREE_READY;
}

static void
small_old_journal_has_its_range_at_once(void **state)
{
	(void)state;
	make_old_journal(3000);
	tree_pace = at_ends;
	assert_started();
	assert_true(is_ready());
	assert_int_equal(rig_put(&r, "new"), 0);
	audit_stop(&r.audit);
	assert_int_equal(check_all().checkpoints, 1);
}

/* A journal that is too large to be read at a start: its range is made from its lines while
 * records arrive. */
static void
large_old_journal_is_read_while_records_arrive(void **state)
{
	(void)state;
	make_old_journal(20000);
	tree_look_bytes = 4096;
	tree_pace = at_ends;
	tree_pace.uncovered_us = 50000;
	assert_started();
	assert_int_equal(rig_count(&r, M_CHECKPOINTS), 0);
	for (int i = 0; i < 500 && !is_ready(); i++) {
		put_many(7);
		usleep(1000);
	}
	assert_true(is_ready());
	wait_until(has_checkpoint);
	put_many(100);
	audit_stop(&r.audit);
	struct reading g = check_all();
	assert_true(g.checkpoints > 1);
	assert_true(g.null_boot);
	/* From then on the range is known. */
	assert_started();
	assert_true(is_ready());
	audit_stop(&r.audit);
	assert_false(check_all().null_boot);
	tree_look_bytes = 160 << 20;
}

/* ---- hash files ---- */

static void
flip(const char *file, long at)
{
	char name[400], c;

	snprintf(name, sizeof(name), "%s.tree/gw-1.%s", r.journal, file);
	int fd = open(name, O_RDWR);
	assert_int_equal(pread(fd, &c, 1, at), 1);
	c = (char)(c ^ 4);
	assert_int_equal(pwrite(fd, &c, 1, at), 1);
	close(fd);
}

static void
d_nothing(void)
{
}
static void
d_gone(void)
{
	rig_sh("rm -r '%s.tree'", r.journal);
}
static void
d_leaf(void)
{
	flip("0", 33 * 32 + 1);
}
static void
d_last_leaf(void)
{
	flip("0", 999 * 32);
}
static void
d_level(void)
{
	flip("1", 32);
}
static void
d_short(void)
{
	rig_sh("truncate -s 10000 '%s.tree/gw-1.0'", r.journal);
}
static void
d_level_gone(void)
{
	rig_sh("rm '%s.tree/gw-1.1'", r.journal);
}
static void
d_long(void)
{
	rig_sh("head -c 64000 /dev/zero >>'%s.tree/gw-1.0'", r.journal);
}
static void
d_zeros(void)
{
	rig_sh("cd '%s.tree' && s=$(stat -c %%s gw-1.0) && rm gw-1.0 && truncate -s $s gw-1.0",
		r.journal);
}
/* Hashes beyond the journal's records are removed without a wait. */
static void
d_vast(void)
{
	char path[512];

	snprintf(path, sizeof(path), "%s.tree/gw-1.0", r.journal);
	assert_int_equal(truncate(path, (off_t)64 << 30), 0);
}
/* Valid in itself, but of another log. */
static void
d_other(void)
{
	struct tiles t;
	struct merkle_hash leaf = { { 7 } };

	d_gone();
	buf_clear(&r.why);
	assert_int_equal(tiles_open(&t, r.journal, "gw-1", true, &r.why), 0);
	for (int i = 0; i < 1000; i++)
		assert_int_equal(tiles_append(&t, &leaf, 1, &r.why), 0);
	tiles_close(&t);
}

static bool
files_are_there(void)
{
	struct tree_status s = status();

	return s.files == s.records;
}

static void
hash_files_are_rebuilt_from_the_lines(void **state)
{
	/* clang-format off */
	static const struct { const char *name; void (*harm)(void); bool counted; } rows[] = {
		{ "nothing",               d_nothing,    false },
		{ "all gone",              d_gone,       false },
		{ "a leaf flipped",        d_leaf,       true },
		{ "the last leaf flipped", d_last_leaf,  true },
		{ "a hash above flipped",  d_level,      true },
		{ "leaves cut",            d_short,      false },
		{ "a level gone",          d_level_gone, false },
		{ "leaves too many",       d_long,       false },
		{ "far too many",          d_vast,       false },
		{ "zeros for leaves",      d_zeros,      true },
		{ "another node's",        d_other,      true },
	};
	/* clang-format on */
	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		rig_free(&r);
		rig_init(&r);
		tree_pace = never;
		assert_started();
		put_many(998);
		audit_stop(&r.audit); /* 1000 records */
		rows[i].harm();
		tree_pace = at_ends;
		assert_started();
		wait_until(files_are_there);
		audit_stop(&r.audit);
		check_all();
		if ((rig_count(&r, M_TREE_ERRORS) > 0) != rows[i].counted)
			fail_msg("%s: %lu errors", rows[i].name, rig_count(&r, M_TREE_ERRORS));
	}
}

static bool
is_stuck(void)
{
	return status().state == TREE_STUCK;
}

/* The lines were archived and the files lost: records and checkpoints continue. */
static void
hashes_of_missing_lines_stay_missing(void **state)
{
	(void)state;
	tree_pace = at_ends;
	for (int boot = 0; boot < 3; boot++) {
		assert_started();
		put_many(400);
		audit_stop(&r.audit);
	}
	rig_sh("mv '%s' '%s/archived'", rig_segment(&r, 0), r.dir);
	d_gone();
	tree_pace.uncovered_us = 0;
	assert_started();
	wait_until(is_stuck);
	put_many(10);
	wait_until(has_three);
	assert_true(rig_count(&r, M_TREE_ERRORS) > 0);
	audit_stop(&r.audit);
	/* With the segment restored, the files are complete. */
	rig_sh("mv '%s'/archived/* '%s' 2>/dev/null || mv '%s/archived' '%s/gw-1-00000001-"
	       "0000000000000001.jsonl'",
		r.dir, r.journal, r.dir, r.journal);
	assert_started();
	wait_until(files_are_there);
	audit_stop(&r.audit);
	check_all();
}

static void
unwritable_hash_files_delay_no_record(void **state)
{
	(void)state;
	/* A file in the place of the folder. */
	rig_sh("echo >'%s.tree'", r.journal);
	tree_pace = at_once;
	assert_started();
	put_many(5000);
	wait_until(is_stuck);
	assert_true(audit_ready(r.audit));
	assert_true(status().size > 0);
	audit_stop(&r.audit);
	assert_int_equal(rig_count(&r, M_AUDIT_FAILED), 0);
	rig_sh("rm '%s.tree'", r.journal);
	assert_started();
	wait_until(files_are_there);
	audit_stop(&r.audit);
	check_all();
}

/* ---- kills ---- */

static void
tree_continues_after_a_kill_at_any_point(void **state)
{
	static const char *const points[] = { "checkpoint-made", "checkpoint-durable",
		"checkpoint-fed", "tiles-leaves", "tiles-levels" };

	(void)state;
	for (size_t i = 0; i < sizeof(points) / sizeof(points[0]); i++)
		for (unsigned after = 1; after <= 3; after += 2) {
			rig_free(&r);
			rig_init(&r);
			tree_pace = at_once;
			pid_t pid = fork();
			if (pid == 0) {
				stops_point = points[i];
				stops_after = after;
				stops_hook = stops_kill;
				if (!rig_start(&r))
					_exit(1);
				for (int k = 0; k < 200; k++) {
					rig_put(&r, "x");
					usleep(500);
				}
				audit_stop(&r.audit);
				_exit(0);
			}
			int st;
			assert_int_equal(waitpid(pid, &st, 0), pid);
			if (!WIFSIGNALED(st) || WTERMSIG(st) != SIGKILL)
				fail_msg("%s: was not reached %u times", points[i], after);
			tree_pace = at_ends;
			assert_started();
			assert_true(is_ready());
			assert_int_equal(rig_put(&r, "after"), 0);
			wait_until(files_are_there);
			audit_stop(&r.audit);
			struct reading g = check_all();
			assert_true(g.checkpoints > 0);
			assert_int_equal(rig_count(&r, M_TREE_ERRORS), 0);
		}
}

/* A segment that another program removed leaves a gap in the lines, but not in the tree: the
 * checkpoint beside the alarm has the range. */
static void
lost_segment_does_not_lose_the_range(void **state)
{
	(void)state;
	assert_started();
	put_many(50);
	rig_sh("rm '%s'", rig_segment(&r, -1));
	assert_int_equal(rig_put(&r, "goes on"), 0);
	audit_stop(&r.audit);
	struct buf b = rig_text(&r);
	assert_non_null(strstr(buf_view(&b).p, "\"type\":\"alarm\""));
	const char *at = strstr(buf_view(&b).p, "\"type\":\"checkpoint\"");
	assert_non_null(at);
	assert_true(at < strstr(buf_view(&b).p, "\"type\":\"alarm\""));
	buf_free(&b);
	assert_started();
	assert_true(is_ready());
	wait_until(files_are_there); /* the files had the hashes of the lost lines */
	audit_stop(&r.audit);
	assert_false(rig_holds(&r, "\"tree\":null"));
}

static void
origin_may_be_configured(void **state)
{
	(void)state;
	r.cfg.audit_origin = "logs.example.com/gate";
	assert_started();
	audit_stop(&r.audit);
	assert_true(rig_holds(&r, "\"origin\":\"logs.example.com/gate\",\"size\":1,"));
	assert_true(rig_holds(&r, "\"note\":\"logs.example.com/gate\\n1\\n"));
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(checkpoint_precedes_the_close_record),
		T(record_is_covered_within_a_second),
		T(idle_daemon_continues_to_write_checkpoints),
		T(commit_may_begin_with_a_checkpoint),
		T(restart_continues_the_range),
		T(range_is_found_across_segments),
		T(changed_older_record_gives_no_range),
		T(small_old_journal_has_its_range_at_once),
		T(large_old_journal_is_read_while_records_arrive),
		T(hash_files_are_rebuilt_from_the_lines),
		T(hashes_of_missing_lines_stay_missing),
		T(unwritable_hash_files_delay_no_record),
		T(tree_continues_after_a_kill_at_any_point),
		T(lost_segment_does_not_lose_the_range),
		T(origin_may_be_configured),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
