/* The audit thread and its journal: what was acknowledged is there, whatever
 * happens: restarts, cuts at every byte, kills, full disks, failing syncs. */
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

#include "base/clock.h"
#include "base/log.h"
#include "support/audit_rig.h"

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

#define assert_started()                                                                       \
	do {                                                                                   \
		if (!rig_start(&r))                                                            \
			fail_msg("%s", buf_view(&r.why).p);                                    \
	} while (0)

#define assert_verifies(nrecords)                                                              \
	do {                                                                                   \
		struct verify_result v_ = rig_verify(&r);                                      \
		if (!v_.ok)                                                                    \
			fail_msg("record %" PRIu64 ": %s", v_.bad_seq, v_.why);                \
		assert_int_equal(v_.records, nrecords);                                        \
		assert_int_equal(v_.unsigned_records, 0);                                      \
	} while (0)

static void
a_journal_from_boot_to_close(void **state)
{
	struct stat st;

	(void)state;
	assert_started();
	assert_true(audit_ready(r.audit));
	assert_int_equal(rig_put(&r, "one"), 0);
	assert_int_equal(rig_put(&r, "two"), 0);
	assert_verifies(3);
	audit_stop(&r.audit);
	assert_verifies(4);
	assert_true(rig_holds(&r, "\"type\":\"boot\""));
	assert_true(rig_holds(&r, "\"previous\":null"));
	assert_true(rig_holds(&r, r.pub.id));
	assert_true(rig_holds(&r, "\"type\":\"close\""));
	assert_int_equal(rig_segments(&r), 1);
	assert_non_null(strstr(rig_segment(&r, 0), "/gw-1-00000001-0000000000000001.jsonl"));
	assert_int_equal(stat(rig_segment(&r, 0), &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	assert_int_equal(stat(r.journal, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0700);
	assert_int_equal(rig_count(&r, M_AUDIT_RECORDS), 4);
	assert_int_equal(rig_count(&r, M_AUDIT_FAILED), 0);
}

static void
a_restart_continues_the_chain(void **state)
{
	(void)state;
	for (int boot = 1; boot <= 3; boot++) {
		assert_started();
		assert_int_equal(rig_put(&r, "x"), 0);
		audit_stop(&r.audit);
		assert_verifies(3 * boot);
	}
	struct verify_result v = rig_verify(&r);
	assert_int_equal(v.boots, 3);
	assert_int_equal(v.last, 9);
	assert_true(rig_holds(&r, "\"previous\":{\"boot\":2,\"seq\":6,\"head\":\""));
	assert_true(rig_holds(&r, "\"clean\":true"));
	assert_false(rig_holds(&r, "\"clean\":false"));
	assert_non_null(strstr(rig_segment(&r, -1), "/gw-1-00000003-0000000000000007.jsonl"));
}

static void
segments_rotate_and_the_chain_goes_on(void **state)
{
	char id[16];

	(void)state;
	r.cfg.journal_segment_bytes = 2000;
	assert_started();
	for (int i = 0; i < 40; i++) {
		snprintf(id, sizeof(id), "id-%d", i);
		assert_int_equal(rig_put(&r, id), 0);
	}
	audit_stop(&r.audit);
	assert_true(rig_segments(&r) > 5);
	assert_verifies(42);
	assert_started();
	audit_stop(&r.audit);
	assert_verifies(44);
}

/* ---- what it starts from ---- */

/* A journal as a killed daemon leaves it: boot, then one commit of n records. */
static struct buf
killed_journal(size_t *last_commit_at)
{
	assert_started();
	assert_int_equal(rig_put(&r, "first"), 0);
	assert_int_equal(rig_put(&r, "second"), 0);
	struct buf b = rig_slurp(rig_segment(&r, 0));
	audit_stop(&r.audit);
	struct span s = buf_view(&b);
	*last_commit_at = 0;
	size_t lines = 0;
	for (size_t i = 0; i + 1 < s.n; i++)
		if (s.p[i] == '\n' && ++lines == 4)
			*last_commit_at = i + 1;
	return b;
}

static void
a_tail_cut_at_any_byte_is_recovered(void **state)
{
	size_t from;
	char name[512];

	(void)state;
	struct buf b = killed_journal(&from);
	snprintf(name, sizeof(name), "%s", rig_segment(&r, 0));
	for (size_t n = from; n <= b.n; n += n + 40 > b.n || n < from + 3 ? 1 : 7) {
		char cmd[600];
		snprintf(cmd, sizeof(cmd), "rm -f '%s'/*", r.journal);
		assert_int_equal(system(cmd), 0);
		rig_spill(name, span_cut(buf_view(&b), 0, n));
		assert_started();
		assert_int_equal(rig_put(&r, "after"), 0);
		audit_stop(&r.audit);
		/* boot, first, (second,) boot, after, close */
		assert_verifies(n == b.n ? 6 : 5);
		assert_true(rig_holds(&r, "\"id\":\"first\""));
		assert_true(rig_holds(&r, "\"clean\":false"));
		assert_int_equal(rig_holds(&r, "\"cut\":{"), n != from && n != b.n);
	}
	buf_free(&b);
}

static void
whole_records_without_a_signature_are_not_adopted(void **state)
{
	size_t from;

	(void)state;
	struct buf b = killed_journal(&from);
	struct span s = buf_view(&b);
	size_t line = span_chr(span_cut(s, from, s.n), '\n') + 1;
	rig_spill(rig_segment(&r, 0), span_cut(s, 0, from + line));
	assert_started();
	audit_stop(&r.audit);
	assert_true(rig_holds(&r, "\"cut\":{\"records\":1,"));
	assert_false(rig_holds(&r, "\"id\":\"second\""));
	assert_verifies(4);
	buf_free(&b);
}

static void
a_boot_that_wrote_nothing_leaves_no_trace(void **state)
{
	char path[512];

	(void)state;
	assert_started();
	audit_stop(&r.audit);
	snprintf(path, sizeof(path), "%s/gw-1-00000002-0000000000000003.jsonl", r.journal);
	rig_spill(path, SPAN_LIT(""));
	assert_started();
	audit_stop(&r.audit);
	assert_verifies(4);
	snprintf(path, sizeof(path), "%s/gw-1-00000003-0000000000000005.jsonl", r.journal);
	rig_spill(path, SPAN_LIT("{\"v\":1,\"node\":\"gw-1\",\"boot\":3,\"se"));
	assert_started();
	audit_stop(&r.audit);
	assert_verifies(6);
	/* The first boot of all. */
	char cmd[600];
	snprintf(cmd, sizeof(cmd), "rm -f '%s'/*", r.journal);
	assert_int_equal(system(cmd), 0);
	snprintf(path, sizeof(path), "%s/gw-1-00000001-0000000000000001.jsonl", r.journal);
	rig_spill(path, SPAN_LIT("{\"v\":1,\"no"));
	assert_started();
	audit_stop(&r.audit);
	assert_verifies(2);
}

static void
edit_file(const char *path, const char *from, const char *to)
{
	struct buf b = rig_slurp(path), out;
	struct span s = buf_view(&b);
	const char *at = memmem(s.p, s.n, from, strlen(from));

	assert_non_null(at);
	buf_init(&out, 0);
	buf_put(&out, s.p, (size_t)(at - s.p));
	buf_str(&out, to);
	buf_put(&out, at + strlen(from), s.n - (size_t)(at - s.p) - strlen(from));
	rig_spill(path, buf_view(&out));
	buf_free(&b);
	buf_free(&out);
}

static void
t_record(void)
{
	edit_file(rig_segment(&r, -1), "\"id\":\"b\"", "\"id\":\"x\"");
}
static void
t_last(void)
{
	edit_file(rig_segment(&r, -1), "\"type\":\"close\"", "\"type\":\"clone\"");
}
static void
t_junk(void)
{
	edit_file(rig_segment(&r, -1), "\n", "\n\n");
}
static void
t_sig(void)
{
	edit_file(rig_segment(&r, -1), "\"sig\":\"", "\"sig\":\"A");
}
static void
t_old_end(void)
{
	assert_int_equal(truncate(rig_segment(&r, 1), 100), 0);
}
static void
t_old_gone(void)
{
	char p[512];
	snprintf(p, sizeof(p), "%s", rig_segment(&r, 1));
	assert_int_equal(unlink(p), 0);
}
static void
t_name(void)
{
	char to[512];
	snprintf(to, sizeof(to), "%s/gw-1-00000003-0000000000000099.jsonl", r.journal);
	assert_int_equal(rename(rig_segment(&r, -1), to), 0);
}
static void
t_stranger(void)
{
	char p[512];
	snprintf(p, sizeof(p), "%s/notes.txt", r.journal);
	rig_spill(p, SPAN_LIT("hello"));
}
static void
t_key(void)
{
	char p[256];
	unlink(r.key);
	snprintf(p, sizeof(p), "%s.pub", r.key);
	unlink(p);
	assert_int_equal(signkey_create(r.key, &r.pub, &r.why), 0);
}

static void
a_journal_that_does_not_verify_is_not_appended_to(void **state)
{
	/* clang-format off */
	static const struct { const char *name; void (*tamper)(void); const char *why; } rows[] = {
		{ "a changed record",             t_record,   "-00000003-0000000000000009.jsonl: record 11: changed" },
		{ "a changed last record",        t_last,     "record 12: changed" },
		{ "an empty line",                t_junk,     "junk" },
		{ "a changed signature",          t_sig,      "record 9: " },
		{ "the segment before is cut",    t_old_end,  "does not end with a commit" },
		{ "the segment before is gone",   t_old_gone, "record 5: missing" },
		{ "a segment renamed",            t_name,     "missing" },
		{ "a file that is no segment",    t_stranger, "notes.txt: not a segment" },
		{ "another key",                  t_key,      "does not end with a commit that verifies" },
	};
	/* clang-format on */
	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		rig_free(&r);
		rig_init(&r);
		for (int boot = 0; boot < 3; boot++) {
			assert_started();
			assert_int_equal(rig_put(&r, "a"), 0);
			assert_int_equal(rig_put(&r, "b"), 0);
			audit_stop(&r.audit);
		}
		rows[i].tamper();
		struct buf before = rig_text(&r), after;
		if (rig_start(&r))
			fail_msg("%s: started", rows[i].name);
		if (!strstr(buf_view(&r.why).p, rows[i].why))
			fail_msg("%s: %s", rows[i].name, buf_view(&r.why).p);
		after = rig_text(&r);
		assert_int_equal(before.n, after.n);
		assert_memory_equal(buf_view(&before).p, buf_view(&after).p, before.n);
		buf_free(&before);
		buf_free(&after);
	}
}

static void
a_key_may_be_replaced_when_the_old_one_stays_beside_it(void **state)
{
	char cmd[1024];

	(void)state;
	assert_started();
	audit_stop(&r.audit);
	snprintf(cmd, sizeof(cmd), "cd '%s' && mv key old && mv key.pub old.pub", r.dir);
	assert_int_equal(system(cmd), 0);
	struct pubkey old = r.pub, both[2];
	assert_int_equal(signkey_create(r.key, &r.pub, &r.why), 0);
	assert_false(rig_start(&r));
	snprintf(cmd, sizeof(cmd), "cd '%s' && cat old.pub >> key.pub", r.dir);
	assert_int_equal(system(cmd), 0);
	assert_started();
	audit_stop(&r.audit);
	both[0] = old;
	both[1] = r.pub;
	struct verify_options o = { .keys = both, .nkeys = 2, .live = true };
	struct verifier *v = verifier_new(&o);
	struct audit_sink to = { v, rig_verifier_line, rig_verifier_torn, NULL };
	struct verify_result result;
	assert_int_equal(audit_read_journal(r.journal, &to, &r.why), 0);
	verifier_end(v, &result);
	verifier_free(&v);
	assert_true(result.ok);
	assert_int_equal(result.records, 4);
}

static void
two_daemons_do_not_share_a_journal(void **state)
{
	(void)state;
	assert_started();
	struct rig other = r;
	buf_init(&other.why, 4096);
	other.audit = audit_start(&other.cfg, &other.metrics, &other.why);
	assert_null(other.audit);
	buf_putc(&other.why, '\0');
	assert_non_null(strstr(buf_view(&other.why).p, "another daemon"));
	buf_free(&other.why);
	assert_int_equal(rig_put(&r, "x"), 0);
}

static void
what_it_cannot_start_from(void **state)
{
	static const struct {
		const char *name, *node, *journal, *key, *why;
	} rows[] = {
		{ "no journal", "n", NULL, "/k", "audit.journal" },
		{ "no key", "n", "/j", NULL, "audit.key" },
		{ "a key that is not there", "n", "/j", "/nonexistent/k", "/nonexistent/k" },
		{ "a node with a slash", "a/b", "/j", "/k", "node" },
	};
	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		r.cfg.node = rows[i].node;
		r.cfg.journal = rows[i].journal;
		r.cfg.audit_key = rows[i].key;
		if (rig_start(&r) || !strstr(buf_view(&r.why).p, rows[i].why))
			fail_msg("%s: %s", rows[i].name, buf_view(&r.why).p);
	}
	char file[200];
	snprintf(file, sizeof(file), "%s/key/sub", r.dir);
	r.cfg = (struct config){
		.node = "n", .journal = file, .audit_key = r.key, .file = "f", .policy = "p"
	};
	assert_false(rig_start(&r));
}

/* ---- entries ---- */

static void
fields_that_are_no_record_are_refused_alone(void **state)
{
	struct audit_entry e = { .done = rig_done };
	sem_t s;

	(void)state;
	assert_started();
	sem_init(&s, 0, 0);
	e.arg = &s;
	buf_init(&e.fields, 0);
	buf_str(&e.fields, "\"type\":\"x\",\"a\":\"\n\"");
	audit_append(r.audit, &e);
	sem_wait(&s);
	assert_int_equal(e.err, ERR_SYNTAX);
	buf_clear(&e.fields);
	buf_str(&e.fields, "\"type\":\"x\",\"a\":\"");
	for (int i = 0; i < 70000; i++)
		buf_putc(&e.fields, 'a');
	buf_putc(&e.fields, '"');
	audit_append(r.audit, &e);
	sem_wait(&s);
	assert_int_equal(e.err, ERR_LIMIT);
	buf_free(&e.fields);
	assert_true(audit_ready(r.audit));
	assert_int_equal(rig_put(&r, "fine"), 0);
	audit_stop(&r.audit);
	assert_verifies(3);
	sem_destroy(&s);
}

#ifdef TG_SANITIZE
enum { PRODUCERS = 4, EACH = 3000, IN_FLIGHT = 32 };
#else
enum { PRODUCERS = 4, EACH = 25000, IN_FLIGHT = 32 };
#endif

struct producer {
	pthread_t thread;
	struct mailbox box;
	sem_t woken;
	int id, sent, done, failed;
	uint64_t slowest_us;
	struct audit_entry entry[IN_FLIGHT];
	uint64_t sent_us[IN_FLIGHT];
};

static void
producer_wake(void *arg)
{
	sem_post(&((struct producer *)arg)->woken);
}

static void
produce(struct producer *p, struct audit_entry *e)
{
	buf_clear(&e->fields);
	buf_printf(&e->fields, "\"type\":\"decision\",\"id\":\"p%d-%d\",\"pad\":\"%0400d\"",
		p->id, p->sent++, 0);
	p->sent_us[e - p->entry] = clock_mono_us();
	audit_append(r.audit, e);
}

static void
produced(struct audit_entry *e, int err)
{
	struct producer *p = e->arg;
	uint64_t took = clock_mono_us() - p->sent_us[e - p->entry];

	p->done++;
	p->failed += err != 0;
	if (took > p->slowest_us)
		p->slowest_us = took;
	if (p->sent < EACH)
		produce(p, e);
}

static void *
producer_main(void *arg)
{
	struct producer *p = arg;

	for (int i = 0; i < IN_FLIGHT; i++) {
		p->entry[i] =
			(struct audit_entry){ .done = produced, .reply_to = &p->box, .arg = p };
		buf_init(&p->entry[i].fields, 0);
		produce(p, &p->entry[i]);
	}
	while (p->done < EACH) {
		sem_wait(&p->woken);
		mailbox_drain(&p->box, p);
	}
	for (int i = 0; i < IN_FLIGHT; i++)
		buf_free(&p->entry[i].fields);
	return NULL;
}

static void
four_producers_share_commits(void **state)
{
	static struct producer p[PRODUCERS];
	uint64_t slowest = 0;

	(void)state;
	assert_started();
	uint64_t from = clock_mono_us();
	for (int i = 0; i < PRODUCERS; i++) {
		p[i] = (struct producer){ .id = i };
		mailbox_init(&p[i].box, producer_wake, &p[i]);
		sem_init(&p[i].woken, 0, 0);
		assert_int_equal(pthread_create(&p[i].thread, NULL, producer_main, &p[i]), 0);
	}
	for (int i = 0; i < PRODUCERS; i++) {
		pthread_join(p[i].thread, NULL);
		assert_int_equal(p[i].failed, 0);
		assert_int_equal(p[i].done, EACH);
		if (p[i].slowest_us > slowest)
			slowest = p[i].slowest_us;
		sem_destroy(&p[i].woken);
	}
	uint64_t took = clock_mono_us() - from, commits = rig_count(&r, M_AUDIT_COMMITS);
	audit_stop(&r.audit);
	print_message("%d records, %d producers with %d in flight: %.0f records/s, %.1f "
		      "records a commit, slowest %.1f ms\n",
		PRODUCERS * EACH, PRODUCERS, IN_FLIGHT, PRODUCERS * EACH * 1e6 / (double)took,
		PRODUCERS * EACH / (double)commits, (double)slowest / 1e3);
	assert_true(commits < PRODUCERS * EACH);
	assert_verifies(PRODUCERS * EACH + 2);
}

static int
by_u64(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

static void
one_record_at_a_time(void **state)
{
	enum { N = 500 };
	static uint64_t ack[N], sync[N];
	char path[200], data[1024];

	(void)state;
	assert_started();
	for (int i = 0; i < N; i++) {
		uint64_t from = clock_mono_us();
		assert_int_equal(rig_put(&r, "x"), 0);
		ack[i] = clock_mono_us() - from;
	}
	snprintf(path, sizeof(path), "%s/sync", r.dir);
	int fd = open(path, O_WRONLY | O_CREAT, 0600);
	memset(data, 'x', sizeof(data));
	for (int i = 0; i < N; i++) {
		assert_int_equal(pwrite(fd, data, sizeof(data), (off_t)i * (off_t)sizeof(data)),
			sizeof(data));
		uint64_t from = clock_mono_us();
		assert_int_equal(fdatasync(fd), 0);
		sync[i] = clock_mono_us() - from;
	}
	close(fd);
	qsort(ack, N, sizeof(ack[0]), by_u64);
	qsort(sync, N, sizeof(sync[0]), by_u64);
	print_message("acknowledged p50 %" PRIu64 " us p99 %" PRIu64
		      " us; a bare fdatasync of 1 KB p50 %" PRIu64 " us\n",
		ack[N / 2], ack[N * 99 / 100], sync[N / 2]);
	audit_stop(&r.audit);
	assert_verifies(N + 2);
}

static void
what_queued_before_the_stop_is_committed(void **state)
{
	enum { N = 200 };
	struct audit_entry e[N];
	sem_t s;

	(void)state;
	assert_started();
	sem_init(&s, 0, 0);
	for (int i = 0; i < N; i++) {
		e[i] = (struct audit_entry){ .done = rig_done, .arg = &s };
		buf_init(&e[i].fields, 0);
		buf_printf(&e[i].fields, "\"type\":\"decision\",\"id\":\"%d\"", i);
		audit_append(r.audit, &e[i]);
	}
	audit_stop(&r.audit);
	for (int i = 0; i < N; i++) {
		sem_wait(&s);
		buf_free(&e[i].fields);
	}
	for (int i = 0; i < N; i++)
		assert_int_equal(e[i].err, 0);
	assert_verifies(N + 2);
	sem_destroy(&s);
}

/* ---- kill -9 ---- */

/* Appends until it is killed; every acknowledged id goes down the pipe. */
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
nothing_acknowledged_is_lost_by_a_kill(void **state)
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
		/* Not before it has written one. */
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
				fail_msg("round %d: %s was acknowledged and is not there",
					round, id);
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
	for (int i = 0; i < 100 && !audit_ready(r.audit); i++)
		usleep(20000);
	return audit_ready(r.audit);
}

static bool
mount_small(void)
{
	mkdir(r.journal, 0700);
	if (mount("none", r.journal, "tmpfs", 0, "size=128k,mode=0700") == 0)
		return true;
	print_message(
		"SKIPPED: cannot mount a small tmpfs (%s): needs root\n", strerror(errno));
	return false;
}

/* Fills the disk; the file's name is hidden, so it is no segment. */
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
a_full_disk_refuses_and_recovers(void **state)
{
	(void)state;
	if (!mount_small())
		skip();
	assert_started();
	assert_int_equal(rig_put(&r, "before"), 0);
	uint64_t refused = 0;
	for (int round = 0; round < 3; round++) {
		fill(true);
		/* What is left of the last page may still take some. */
		int err = 0, tries = 0;
		for (; !err && tries < 100; tries++)
			err = rig_put(&r, "fits");
		assert_int_equal(err, ERR_IO);
		assert_false(audit_ready(r.audit));
		uint64_t from = clock_mono_us();
		for (int i = 0; i < 10; i++)
			assert_int_equal(rig_put(&r, "refused"), ERR_IO);
		assert_true(clock_mono_us() - from < 1000000);
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

static void
it_starts_on_a_full_disk_and_is_not_ready(void **state)
{
	(void)state;
	if (!mount_small())
		skip();
	fill(true);
	assert_started();
	assert_false(audit_ready(r.audit));
	assert_int_equal(rig_put(&r, "refused"), ERR_IO);
	fill(false);
	assert_true(wait_ready());
	assert_int_equal(rig_put(&r, "after"), 0);
	audit_stop(&r.audit);
	assert_verifies(4);
	assert_int_equal(umount(r.journal), 0);
}

static int syncs_to_fail, cuts_to_fail, writes_to_fail;

static int
failing_sync(int fd)
{
	if (syncs_to_fail > 0) {
		syncs_to_fail--;
		errno = EIO;
		return -1;
	}
	return fdatasync(fd);
}

static int
failing_cut(int fd, off_t n)
{
	if (cuts_to_fail > 0) {
		cuts_to_fail--;
		errno = EIO;
		return -1;
	}
	return ftruncate(fd, n);
}

/* Writes a part, then refuses. */
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
a_failed_sync_leaves_its_segment_behind(void **state)
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

/* What a failed sync really lost is noticed: the end is compared with memory. */
static void
a_segment_that_lost_its_end_is_never_followed(void **state)
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

int
main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(a_journal_from_boot_to_close),
		T(a_restart_continues_the_chain),
		T(segments_rotate_and_the_chain_goes_on),
		T(a_tail_cut_at_any_byte_is_recovered),
		T(whole_records_without_a_signature_are_not_adopted),
		T(a_boot_that_wrote_nothing_leaves_no_trace),
		T(a_journal_that_does_not_verify_is_not_appended_to),
		T(a_key_may_be_replaced_when_the_old_one_stays_beside_it),
		T(two_daemons_do_not_share_a_journal),
		T(what_it_cannot_start_from),
		T(fields_that_are_no_record_are_refused_alone),
		T(four_producers_share_commits),
		T(one_record_at_a_time),
		T(what_queued_before_the_stop_is_committed),
		T(nothing_acknowledged_is_lost_by_a_kill),
		T(a_full_disk_refuses_and_recovers),
		T(it_starts_on_a_full_disk_and_is_not_ready),
		T(a_failed_sync_leaves_its_segment_behind),
		T(a_segment_that_lost_its_end_is_never_followed),
	};
	log_setup(LOG_LOGFMT, LOG_ERROR);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
