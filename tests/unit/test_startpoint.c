/* A start that reads the start checkpoint and the journal after it gets the same state as from
 * the whole journal. A checkpoint that does not match is refused, whatever is wrong with it. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "base/clock.h"
#include "base/replace.h"
#include "base/scoped.h"
#include "base/stops.h"
#include "budget/recall/quota_recall.h"
#include "budget/recall/startpoints.h"
#include "record/audit/keys.h"
#include "support/audit_rig.h"

static struct rig r;
static struct mailbox self;
static struct quota_table *table;
static struct startpoints *writes;
static char file[200];
static bool starts_full; /* the state that a start reads had no room for a counter */

static void
nobody(void *arg)
{
	(void)arg;
}

static int
setup(void **state)
{
	(void)state;
	rig_init(&r);
	mailbox_init(&self, nobody, NULL);
	snprintf(file, sizeof(file), "%s" STARTPOINT_SUFFIX, r.journal);
	tree_pace = (struct tree_pace){ 200000, 10000000, true };
	startpoints_bytes = 64u << 20;
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	rig_free(&r);
	return 0;
}

/* ---- a daemon ---- */

static uint64_t
bytes_read(void)
{
	char line[64];
	unsigned long long n = 0;
	FILE *f = fopen("/proc/thread-self/io", "r");

	assert_non_null(f);
	assert_non_null(fgets(line, sizeof(line), f));
	assert_int_equal(sscanf(line, "rchar: %llu", &n), 1);
	fclose(f);
	return n;
}

/* The boot record has the SHA-256 of the program, so each start reads the program once. */
static uint64_t
program_bytes(void)
{
	struct stat st;

	assert_int_equal(stat("/proc/self/exe", &st), 0);
	return (uint64_t)st.st_size;
}

/* Starts like the server. Returns how many bytes the starting thread read, without the program;
 * the thread tg-tree reads the journal too. */
static uint64_t
daemon_starts(void)
{
	struct follow_end end;
	struct quota_recall found;
	struct startpoints_from from;
	uint64_t before = bytes_read();

	if (!rig_start(&r))
		fail_msg("%s", buf_view(&r.why).p);
	assert_true(audit_end(r.audit, &end));
	table = quota_table_new(&self);
	const struct quota_recall_into into = { table, NULL, LEDGER_OWN, clock_wall_ns() / 1000000, NULL,
		NULL, audit_startpoint(r.audit), &end, NULL };
	assert_int_equal(
		quota_recall_read(&found, r.journal, "gw-1", 0, &into, &r.why), 0);
	uint64_t n = bytes_read() - before - program_bytes();
	from = (struct startpoints_from){ .fold = found.fold,
		.at = found.at,
		.whole = !into.from || found.whole };
	if (into.from)
		startpoint_copy(&from.used, into.from);
	found.fold->full |= starts_full;
	found.fold = NULL;
	found.at = (struct startpoint){ .offset = 0 };
	quota_recall_free(&found);
	audit_startpoint_free(r.audit);
	writes = startpoints_start(&r.cfg, r.audit, &from, &r.metrics, &r.why);
	assert_non_null(writes);
	return n;
}

static void
daemon_stops(void)
{
	struct follow_end end;

	audit_finish(r.audit, &end);
	startpoints_stop(&writes, &end);
	audit_stop(&r.audit);
	quota_table_free(&table);
}

static void
daemon_writes(const char *id, const char *type, const char *member, size_t n, size_t padding)
{
	struct audit_entry e = { .done = rig_done };
	char charge[QUOTA_TEXT_MAX];
	struct quota_dim d = { .unit = QUOTA_TOKENS,
		.span.kind = QUOTA_CALENDAR,
		.span.calendar = QUOTA_MONTH,
		.at.hold = QUOTA_HOLD_WINDOW,
		.at.bucket = 1,
		.at.end_s = clock_wall_ns() / 1000000000 + 86400,
		.hold_s = 600,
		.n = n };
	sem_t came;

	snprintf(d.key, sizeof(d.key), "tollgate:q:{day:%024d}", 7);
	sem_init(&came, 0, 0);
	e.arg = &came;
	buf_init(&e.fields, 0);
	buf_printf(&e.fields, "\"type\":\"%s\",\"id\":\"%s\",\"decision\":\"permit\",", type, id);
	buf_printf(&e.fields, "\"via\":\"relay\",\"%s\":[\"%.*s\"],\"pad\":\"%0*d\"", member,
		(int)quota_write(&d, charge), charge, (int)padding, 0);
	audit_append(r.audit, &e);
	rig_wait(&came);
	assert_int_equal(e.err, 0);
	buf_free(&e.fields);
	sem_destroy(&came);
}

/* Makes decisions `from` to `to`; one in 50 gets no completion. */
static void
daemon_decides(unsigned from, unsigned to, size_t padding)
{
	for (unsigned i = from; i < to; i++) {
		char id[16];
		snprintf(id, sizeof(id), "R%06u", i);
		daemon_writes(id, "decision", "reserved", 100, padding);
		if (i % 50)
			daemon_writes(id, "completion", "settled", i % 100, 1);
	}
}

static uint64_t
journal_bytes(void)
{
	struct journal_list list;
	uint64_t n = 0;

	assert_int_equal(journal_list(r.journal, NULL, &list, &r.why), 0);
	for (size_t i = 0; i < list.n; i++)
		n += list.seg[i].bytes;
	journal_list_free(&list);
	return n;
}

/* A daemon in a process of its own, which is killed at that point (NULL: at the end). */
static void
daemon_is_killed(unsigned from, unsigned to, size_t padding, const char *point, unsigned after)
{
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		stops_point = point;
		stops_after = after;
		stops_hook = point ? stops_kill : NULL;
		daemon_starts();
		daemon_decides(from, to, padding);
		if (point)
			daemon_stops();
		kill(getpid(), SIGKILL);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
}

/* ---- the state at a start ---- */

static int
load_file(struct startpoint *out, struct buf *why)
{
	struct keyring *ring = calloc(1, sizeof(*ring));

	keyring_give(ring, &r.pub, 1);
	int err = startpoint_load(out, r.journal, "gw-1", ring, why);
	free(ring);
	return err;
}

/* Returns the state, from the checkpoint or from the whole journal. */
static struct buf
state_of(const struct startpoint *from, int64_t now_ms, const char **whole)
{
	const struct quota_recall_into into = { NULL, NULL, LEDGER_OWN, now_ms, NULL, NULL, from, NULL, NULL };
	struct quota_recall found;
	struct buf text;

	buf_init(&text, 0);
	buf_clear(&r.why);
	if (quota_recall_read(&found, r.journal, "gw-1", 0, &into, &r.why))
		fail_msg("%.*s", SPAN_ARG(buf_view(&r.why)));
	buf_printf(&text, "%s %" PRIu64 " %" PRIu64 " %s %" PRIu64 "\n", found.at.segment,
		found.at.offset, found.at.at.seq, found.at.type, found.at.tree_offset);
	quota_fold_write(found.fold, &text);
	*whole = found.whole;
	quota_recall_free(&found);
	return text;
}

/* Returns NULL if both states are equal and the checkpoint was used, else the reason. */
static const char *
same_state(int64_t now_ms)
{
	struct startpoint from;
	const char *whole, *none;
	static char why[512];
	struct buf said;

	buf_init(&said, 4096);
	if (load_file(&from, &said)) {
		snprintf(why, sizeof(why), "%.*s", SPAN_ARG(buf_view(&said)));
		startpoint_free(&from);
		buf_free(&said);
		return why;
	}
	struct buf by_file = state_of(&from, now_ms, &whole),
		   by_journal = state_of(NULL, now_ms, &none);
	assert_int_equal(by_file.n, by_journal.n);
	assert_memory_equal(buf_view(&by_file).p, buf_view(&by_journal).p, by_file.n);
	buf_free(&by_file);
	buf_free(&by_journal);
	buf_free(&said);
	startpoint_free(&from);
	return whole;
}

static int64_t
present(void)
{
	return clock_wall_ns() / 1000000;
}

enum { SOME = 200, PADDING = 40000 };

static void
start_after_a_clean_stop_reads_little(void **state)
{
	(void)state;
	daemon_starts();
	daemon_decides(0, SOME, PADDING);
	daemon_stops();
	assert_null(same_state(present()));
	assert_true(daemon_starts() < journal_bytes() / 4);
	daemon_decides(SOME, SOME + 3, 1);
	assert_int_equal(rig_count(&r, M_START_REFUSED), 0);
	daemon_stops();
	assert_null(same_state(present()));
	assert_true(rig_verify(&r).ok);
}

/* The checkpoint is from the middle: the thread wrote it while the daemon ran. */
static void
start_after_a_kill_reads_from_the_checkpoint_on(void **state)
{
	struct startpoint p;

	(void)state;
	startpoints_bytes = 1;
	pid_t pid = fork();
	if (pid == 0) {
		daemon_starts();
		daemon_decides(0, SOME, PADDING);
		sleep(3); /* the thread runs once a second */
		daemon_decides(SOME, SOME + 3, 1);
		kill(getpid(), SIGKILL);
	}
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	assert_int_equal(load_file(&p, &r.why), 0);
	assert_true(p.at.seq >= SOME);
	startpoint_free(&p);
	assert_null(same_state(present()));
	assert_true(daemon_starts() < journal_bytes() / 4);
	daemon_stops();
	assert_true(rig_verify(&r).ok);
}

/* An incomplete state stays incomplete until the next start. */
static void
full_state_ends_the_checkpoints_of_this_run(void **state)
{
	struct startpoint p;

	(void)state;
	starts_full = true;
	daemon_starts();
	starts_full = false;
	for (int tries = 0; rig_count(&r, M_START_FAILED) == 0 && tries < 100; tries++)
		usleep(100000);
	daemon_stops();
	assert_int_equal(rig_count(&r, M_START_FAILED), 1);
	assert_int_equal(rig_count(&r, M_START_WRITTEN), 0);
	assert_int_not_equal(load_file(&p, &r.why), 0);
	startpoint_free(&p);
}

static void
kill_while_writing_only_costs_reading_time(void **state)
{
	static const char *const points[] = { "start-made", "start-begun", "start-written",
		"start-synced", "start-placed" };

	(void)state;
	unsigned n = 0;
	for (unsigned after = 1; after <= 2; after++)
		for (size_t i = 0; i < COUNT_OF(points); i++, n += 20) {
			daemon_is_killed(n, n + 20, 1, points[i], after);
			daemon_starts();
			assert_int_equal(rig_count(&r, M_START_REFUSED), 0);
			daemon_stops();
			assert_null(same_state(present()));
			assert_true(rig_verify(&r).ok);
		}
}

static void
closed_and_removed_segments_change_no_state(void **state)
{
	(void)state;
	r.cfg.journal_segment_bytes = 65536;
	for (unsigned n = 0; n < 200; n += 40) {
		daemon_is_killed(n, n + 20, 5000, NULL, 0);
		daemon_starts();
		daemon_decides(n + 20, n + 40, 3000);
		daemon_stops();
		assert_null(same_state(present()));
	}
	assert_true(rig_verify(&r).ok);
	/* An older file: more of the journal follows it. */
	struct buf older;
	buf_init(&older, STARTPOINT_MAX);
	assert_true(buf_file(&older, file));
	daemon_starts();
	daemon_decides(200, 240, 3000);
	daemon_stops();
	assert_int_equal(replace_file(AT_FDCWD, file, 0600, buf_view(&older), &r.why), 0);
	assert_null(same_state(present()));
	/* Without its segment, the checkpoint is not used. */
	struct startpoint p;
	assert_int_equal(load_file(&p, &r.why), 0);
	char path[400];
	snprintf(path, sizeof(path), "%s/%s", r.journal, p.segment);
	startpoint_free(&p);
	unlink(path);
	assert_non_null(strstr(same_state(present()), "No such file"));
	buf_free(&older);
}

static void
write_file(struct span text)
{
	assert_int_equal(replace_file(AT_FDCWD, file, 0600, text, &r.why), 0);
}

/* Every byte of the file matters, and every other length is refused. */
static void
altered_or_cut_checkpoint_is_refused(void **state)
{
	struct buf text, other;

	(void)state;
	daemon_starts();
	daemon_decides(0, 12, 1);
	daemon_stops();
	buf_init(&text, STARTPOINT_MAX);
	buf_init(&other, STARTPOINT_MAX);
	assert_true(buf_file(&text, file));
	for (size_t i = 0; i < text.n; i++) {
		struct startpoint p;
		unsigned char sig[SIGNKEY_SIG_BYTES];
		struct span id;
		buf_clear(&other);
		buf_span(&other, buf_view(&text));
		other.p[other.start + i] ^= 1;
		buf_clear(&r.why);
		SCOPED_BUF(sign, 512);
		int parsed = startpoint_parse(buf_view(&other), &p, &sign, &id, sig);
		startpoint_free(&p);
		if (parsed)
			continue;
		write_file(buf_view(&other)); /* only the signature is changed */
		assert_int_not_equal(load_file(&p, &r.why), 0);
		startpoint_free(&p);
	}
	for (size_t n = 0; n < text.n; n++) {
		struct startpoint p;
		unsigned char sig[SIGNKEY_SIG_BYTES];
		struct span id;
		SCOPED_BUF(sign, 512);
		assert_int_not_equal(startpoint_parse(span_cut(buf_view(&text), 0, n), &p, &sign,
					     &id, sig),
			0);
		startpoint_free(&p);
	}
	/* The start reports and counts this, and reads the journal. */
	write_file(span_cut(buf_view(&text), 0, text.n / 2));
	daemon_starts();
	assert_int_equal(rig_count(&r, M_START_REFUSED), 1);
	daemon_stops();
	assert_null(same_state(present()));
	buf_free(&text);
	buf_free(&other);
}

static void
checkpoint_of_another_key_node_or_journal_is_refused(void **state)
{
	struct buf text, sign;
	struct startpoint p;
	struct signkey strange;
	unsigned char seed[32] = { 1 }, sig[SIGNKEY_SIG_BYTES];
	struct span id;

	(void)state;
	daemon_starts();
	daemon_decides(0, 12, 1);
	daemon_stops();
	buf_init(&text, STARTPOINT_MAX);
	buf_init(&sign, 512);
	assert_true(buf_file(&text, file));
	struct span all = buf_view(&text);

	/* Signed again by a key that is not this node's. */
	assert_int_equal(startpoint_parse(all, &p, &sign, &id, sig), 0);
	startpoint_free(&p);
	signkey_from_seed(seed, &strange);
	signkey_sign(&strange, buf_view(&sign), sig);
	SCOPED_BUF(forged, STARTPOINT_MAX);
	buf_span(&forged, span_cut(all, 0, (size_t)(id.p - all.p) - strlen("signature ")));
	startpoint_sign(&forged, strange.pub.id, sig);
	write_file(buf_view(&forged));
	assert_non_null(strstr(same_state(present()), "the start checkpoint is signed by "));

	write_file(all);
	struct keyring *ring = calloc(1, sizeof(*ring));
	keyring_give(ring, &r.pub, 1);
	buf_clear(&r.why);
	assert_int_not_equal(startpoint_load(&p, r.journal, "gw-2", ring, &r.why), 0);
	startpoint_free(&p);
	free(ring);

	/* A journal of the same node and key that was begun again. */
	char cmd[800];
	snprintf(cmd, sizeof(cmd), "rm -rf '%s' '%s.head' '%s.tree' '%s.keys'", r.journal, r.journal,
		r.journal, r.journal);
	assert_int_equal(system(cmd), 0);
	daemon_starts();
	assert_int_equal(rig_count(&r, M_START_REFUSED), 1);
	daemon_decides(100, 140, 1);
	daemon_stops();
	write_file(all);
	assert_non_null(strstr(same_state(present()), "does not have record"));
	buf_free(&text);
	buf_free(&sign);
}

static void
segment_changed_at_the_checkpoint_is_noticed(void **state)
{
	struct startpoint p;

	(void)state;
	daemon_starts();
	daemon_decides(0, 12, 1);
	daemon_stops();
	assert_int_equal(load_file(&p, &r.why), 0);
	const char *segment = rig_segment(&r, -1);
	SCOPED_BUF(text, 1 << 20);
	assert_true(buf_file(&text, segment));
	char *type = memmem(buf_view(&text).p, text.n, "\"close\"", 7); /* of the last record */
	assert_non_null(type);
	type[1] = 'k';
	assert_int_equal(replace_file(AT_FDCWD, segment, 0600, buf_view(&text), &r.why), 0);
	assert_non_null(strstr(same_state(present()), "does not have record"));
	type[1] = 'c';
	assert_int_equal(replace_file(AT_FDCWD, segment, 0600,
				 span_cut(buf_view(&text), 0, p.offset - 1), &r.why),
		0);
	assert_non_null(strstr(same_state(present()), "does not have record"));
	startpoint_free(&p);
}

/* The start continues from the checkpoint, and the thread finds changes in the part that the
 * start did not read. */
static void
record_altered_before_the_checkpoint_is_found_later(void **state)
{
	(void)state;
	daemon_starts();
	daemon_decides(0, 12, 1);
	daemon_stops();
	SCOPED_BUF(text, 1 << 20);
	const char *segment = rig_segment(&r, -1);
	assert_true(buf_file(&text, segment));
	char *id = memmem(buf_view(&text).p, text.n, "R000003", 7);
	assert_non_null(id);
	id[6] = '4';
	assert_int_equal(replace_file(AT_FDCWD, segment, 0600, buf_view(&text), &r.why), 0);
	daemon_starts();
	for (int i = 0; i < 500 && !rig_count(&r, M_START_ALTERED); i++)
		usleep(10000);
	assert_int_equal(rig_count(&r, M_START_ALTERED), 1);
	daemon_stops();
	assert_false(rig_verify(&r).ok);
	/* An intact segment is not reported. */
	id[6] = '3';
	assert_int_equal(replace_file(AT_FDCWD, segment, 0600, buf_view(&text), &r.why), 0);
	daemon_starts();
	usleep(300000);
	assert_int_equal(rig_count(&r, M_START_ALTERED), 1);
	daemon_stops();
	assert_true(rig_verify(&r).ok);
}

/* The new key signs the checkpoint. The next start knows the key from the segment's own key
 * record, and the start after that from JOURNAL.keys. */
static void
checkpoint_is_used_after_a_key_rotation(void **state)
{
	struct hashkey made;
	struct pubkey second;
	char hash_key[160];

	(void)state;
	snprintf(hash_key, sizeof(hash_key), "%s/hash", r.dir);
	assert_int_equal(hashkey_create(hash_key, r.key, &made, &r.why), 0);
	r.cfg.audit_hash_key = hash_key;
	daemon_starts();
	daemon_decides(0, 12, 1);
	buf_clear(&r.why);
	assert_int_equal(signkey_replace(r.key, NULL, &second, &r.why), 0);
	struct audit_keys_order *o = audit_keys_prepare(audit_keys(r.audit), &r.cfg, &r.why);
	assert_non_null(o);
	audit_rekey(r.audit, o);
	daemon_decides(12, 24, 1);
	daemon_stops();
	assert_null(same_state(present()));
	for (unsigned n = 24; n < 48; n += 12) {
		daemon_starts();
		daemon_decides(n, n + 12, 1);
		daemon_stops();
	}
	assert_int_equal(rig_count(&r, M_START_REFUSED), 0);
	assert_int_equal(rig_count(&r, M_START_ALTERED), 0);
	assert_true(rig_count(&r, M_START_WRITTEN) >= 3);
}

static ssize_t
no_room(int fd, const void *p, size_t n)
{
	(void)fd, (void)p, (void)n;
	errno = ENOSPC;
	return -1;
}

static void
full_disk_keeps_the_older_checkpoint(void **state)
{
	(void)state;
	daemon_starts();
	daemon_decides(0, 12, 1);
	daemon_stops();
	daemon_starts();
	daemon_decides(12, 24, 1);
	ssize_t (*writes_as_ever)(int, const void *, size_t) = replace_io.write;
	replace_io.write = no_room;
	daemon_stops();
	replace_io.write = writes_as_ever;
	assert_true(rig_count(&r, M_START_FAILED) > 0);
	assert_null(same_state(present()));
	char aside[256];
	snprintf(aside, sizeof(aside), "%s" REPLACE_SUFFIX, file);
	assert_int_not_equal(access(aside, F_OK), 0);
}

/* Windows that had ended by a clock that was ahead count again once the clock is correct. */
static void
checkpoint_from_the_future_is_not_used(void **state)
{
	(void)state;
	daemon_starts();
	daemon_decides(0, 12, 1);
	daemon_stops();
	assert_null(same_state(present()));
	assert_null(same_state(present() + 3 * 86400000LL));
	assert_non_null(strstr(same_state(present() - 86400000), "the clock is earlier than"));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			start_after_a_clean_stop_reads_little, setup, teardown),
		cmocka_unit_test_setup_teardown(
			start_after_a_kill_reads_from_the_checkpoint_on, setup, teardown),
		cmocka_unit_test_setup_teardown(
			full_state_ends_the_checkpoints_of_this_run, setup, teardown),
		cmocka_unit_test_setup_teardown(
			kill_while_writing_only_costs_reading_time, setup, teardown),
		cmocka_unit_test_setup_teardown(
			closed_and_removed_segments_change_no_state, setup, teardown),
		cmocka_unit_test_setup_teardown(
			altered_or_cut_checkpoint_is_refused, setup, teardown),
		cmocka_unit_test_setup_teardown(
			checkpoint_of_another_key_node_or_journal_is_refused, setup, teardown),
		cmocka_unit_test_setup_teardown(
			segment_changed_at_the_checkpoint_is_noticed, setup, teardown),
		cmocka_unit_test_setup_teardown(
			record_altered_before_the_checkpoint_is_found_later, setup, teardown),
		cmocka_unit_test_setup_teardown(
			checkpoint_is_used_after_a_key_rotation, setup, teardown),
		cmocka_unit_test_setup_teardown(
			full_disk_keeps_the_older_checkpoint, setup, teardown),
		cmocka_unit_test_setup_teardown(
			checkpoint_from_the_future_is_not_used, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
