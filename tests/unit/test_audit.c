/* The audit thread and its journal: restarts, tails cut at every byte, damage with which it
 * does not start, and commits shared by many producers. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <inttypes.h>
#include <pthread.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>
#include <fcntl.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/program.h"
#include "record/audit/measure.h"
#include "support/audit_rig.h"
#include "support/moved_clock.h"

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
	rig_free(&r);
	return 0;
}

static void
journal_holds_boot_records_and_close(void **state)
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
restart_continues_the_chain(void **state)
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
chain_continues_over_rotated_segments(void **state)
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

/* ---- the journal at the start ---- */

/* Returns a journal as a killed daemon leaves it: a boot record, then one commit of n
 * records. */
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
tail_cut_at_any_byte_is_recovered(void **state)
{
	size_t from;
	char name[512];

	(void)state;
	struct buf b = killed_journal(&from);
	snprintf(name, sizeof(name), "%s", rig_segment(&r, 0));
	for (size_t n = from; n <= b.n; n += n + 40 > b.n || n < from + 3 ? 1 : 7) {
		rig_sh("rm -f '%s'/* '%s.head'", r.journal, r.journal);
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
unsigned_records_are_not_adopted(void **state)
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

/* A power cut may keep a later page of the last commit and lose an earlier one. Preallocated
 * space then shows as NUL bytes. The last commit was not acknowledged; the commit before it
 * was. */
static void
nul_bytes_are_cut_from_the_last_commit_and_refused_in_older_ones(void **state)
{
	size_t from;

	(void)state;
	struct buf b = killed_journal(&from);
	memset(b.p + b.start + from + 40, 0, 120);
	buf_put(&b, (char[5000]){ 0 }, 5000);
	rig_spill(rig_segment(&r, 0), buf_view(&b));
	struct verify_result v = rig_verify(&r);
	assert_true(v.ok && v.torn_bytes > 0);
	assert_started();
	audit_stop(&r.audit);
	assert_true(rig_holds(&r, "\"cut\":{\"records\":0,"));
	assert_false(rig_holds(&r, "\"id\":\"second\""));
	assert_verifies(4);

	struct buf c = rig_slurp(rig_segment(&r, 0));
	memset(c.p + c.start + c.n / 3, 0, 120);
	rig_spill(rig_segment(&r, 0), buf_view(&c));
	assert_false(rig_verify(&r).ok);
	rig_sh("rm '%s'", rig_segment(&r, -1));
	assert_false(rig_start(&r));
	buf_free(&b);
	buf_free(&c);
}

/* Preallocated space is neither damage nor a cut. */
static void
journal_of_a_killed_daemon_ends_in_nul_bytes(void **state)
{
	size_t from;

	(void)state;
	struct buf b = killed_journal(&from);
	buf_put(&b, (char[5000]){ 0 }, 5000);
	rig_spill(rig_segment(&r, 0), buf_view(&b));
	assert_started();
	struct stat st;
	assert_int_equal(stat(rig_segment(&r, 1), &st), 0);
	assert_true(st.st_size >= 65536);
	audit_stop(&r.audit);
	assert_false(rig_holds(&r, "\"cut\""));
	for (int i = 0; i < 2; i++) {
		struct buf t = rig_slurp(rig_segment(&r, i));
		assert_int_equal(stat(rig_segment(&r, i), &st), 0);
		assert_int_equal(st.st_size, t.n);
		buf_free(&t);
	}
	assert_true(rig_verify(&r).ok);
	buf_free(&b);
}

static void
boot_without_a_record_leaves_no_trace(void **state)
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
	/* The very first boot. */
	rig_sh("rm -f '%s'/* '%s.head'", r.journal, r.journal);
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
t_new_gone(void)
{
	char p[512];
	snprintf(p, sizeof(p), "%s", rig_segment(&r, -1));
	assert_int_equal(unlink(p), 0);
}
/* Only the segment of a boot that wrote nothing. */
static void
t_begun_alone(void)
{
	char p[512];
	rig_sh("rm -f '%s'/*", r.journal);
	snprintf(p, sizeof(p), "%s/gw-1-00000004-0000000000000013.jsonl", r.journal);
	rig_spill(p, SPAN_LIT("{\"v\":1,\"node\":\"gw-1\",\"boot\":4,\"se"));
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
unverified_journal_is_not_appended_to(void **state)
{
	/* clang-format off */
	static const struct { const char *name; void (*tamper)(void); const char *why; } rows[] = {
		{ "a changed record",             t_record,   "-00000003-0000000000000009.jsonl: record 11: changed" },
		{ "a changed last record",        t_last,     "record 12: changed" },
		{ "an empty line",                t_junk,     "junk" },
		{ "a changed signature",          t_sig,      "record 9: " },
		{ "the segment before is cut",    t_old_end,  "does not end with a commit" },
		{ "the segment before is gone",   t_old_gone, "record 5 is missing" },
		{ "the newest segment is gone",   t_new_gone, "ends at record 8, but " },
		{ "all but an empty one is gone", t_begun_alone, "the segment has no commit, and the segment before it is missing" },
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
key_may_be_replaced_if_the_old_one_is_kept(void **state)
{
	(void)state;
	assert_started();
	audit_stop(&r.audit);
	rig_sh("cd '%s' && mv key old && mv key.pub old.pub", r.dir);
	struct pubkey old = r.pub, both[2];
	assert_int_equal(signkey_create(r.key, &r.pub, &r.why), 0);
	assert_false(rig_start(&r));
	rig_sh("cd '%s' && cat old.pub >> key.pub", r.dir);
	assert_started();
	audit_stop(&r.audit);
	both[0] = old;
	both[1] = r.pub;
	struct verify_options o = { .keys = both, .nkeys = 2, .live = true };
	struct verifier *v = verifier_new(&o);
	const struct query q = rig_verified_by(&r, v);
	struct verify_result result;
	assert_int_equal(query_read(&q, &r.why), 0);
	verifier_end(v, &result);
	verifier_free(&v);
	assert_true(result.ok);
	assert_int_equal(result.records, 4);
}

static void
boot_record_names_the_hash_key_and_its_source(void **state)
{
	char want[128], file[256];
	struct hashkey made;

	(void)state;
	assert_started();
	audit_stop(&r.audit);
	struct hashkey derived = rig_hashkey(&r);
	snprintf(want, sizeof(want), "\"hash_key\":{\"id\":\"%s\",\"from\":\"derived\"}",
		derived.id);
	assert_true(rig_holds(&r, want));
	snprintf(file, sizeof(file), "%s/hash.key", r.dir);
	assert_int_equal(hashkey_create(file, r.key, &made, &r.why), 0);
	r.cfg.audit_hash_key = file;
	assert_started();
	audit_stop(&r.audit);
	snprintf(want, sizeof(want), "\"hash_key\":{\"id\":\"%s\",\"from\":\"file\"}",
		derived.id);
	assert_true(rig_holds(&r, want));
	assert_false(rig_holds(&r, "\"key\":{"));
}

/* Asserts an entry of `measured`. */
static void
assert_measured(const char *what, const char *file, const char *version)
{
	unsigned char hash[SHA256_BYTES];
	char hex[2 * SHA256_BYTES + 1], want[1024];
	uint64_t bytes;

	assert_int_equal(measure_file(file, hash, &bytes), 0);
	chain_hex(hash, hex);
	snprintf(want, sizeof(want),
		"{\"what\":\"%s\",\"file\":\"%s\",%s\"sha256\":\"%s\",\"bytes\":%" PRIu64 "}",
		what, file, version, hex, bytes);
	if (!rig_holds(&r, want))
		fail_msg("not in the journal: %s", want);
}

static void
write_measured(const char *file, const char *text)
{
	FILE *f = fopen(file, "w");

	assert_non_null(f);
	fputs(text, f);
	fclose(f);
}

static void
boot_record_has_the_hashes_of_program_and_files(void **state)
{
	char config[256], policy[256], folder[256], ours[300], hidden[300], beneath[300],
		self[4096] = "", id[PROGRAM_BUILD_ID], want[400];

	(void)state;
	snprintf(config, sizeof(config), "%s/tollgate.yaml", r.dir);
	snprintf(policy, sizeof(policy), "%s/policy.yaml", r.dir);
	snprintf(folder, sizeof(folder), "%s/haproxy", r.dir);
	snprintf(ours, sizeof(ours), "%s/tollgate.cfg", folder);
	snprintf(hidden, sizeof(hidden), "%s/.swp", folder);
	snprintf(beneath, sizeof(beneath), "%s/errors", folder);
	assert_int_equal(mkdir(folder, 0700), 0);
	assert_int_equal(mkdir(beneath, 0700), 0);
	write_measured(config, "node: a\n");
	write_measured(policy, "");
	write_measured(ours, "backend b\n");
	write_measured(hidden, "x");
	measure_haproxy = folder;
	r.cfg.file = config;
	r.cfg.policy = policy;
	assert_started();
	audit_stop(&r.audit);
	assert_true(readlink("/proc/self/exe", self, sizeof(self) - 1) > 0);
	assert_measured("program", self, "");
	assert_measured("config", config, "");
	assert_measured("policy", policy, "\"version\":\"0123\",");
	assert_measured("haproxy", ours, "");
	assert_false(rig_holds(&r, ".swp"));
	assert_false(rig_holds(&r, "errors"));
	snprintf(want, sizeof(want), "\"commit\":\"%s\",\"build_id\":\"%s\",",
		program_commit(), program_build_id(id));
	assert_true(rig_holds(&r, want));
	/* A missing file has no hash, and the daemon starts nevertheless. */
	r.cfg.policy = beneath;
	assert_int_equal(unlink(config), 0);
	measure_haproxy = "/nowhere";
	assert_started();
	audit_stop(&r.audit);
	assert_true(rig_holds(&r, "\"sha256\":null,\"why\":\"No such file or directory\"}"));
	assert_true(rig_holds(&r, "\"sha256\":null,\"why\":\"Invalid argument\"}"));
	assert_false(rig_holds(&r, "\"what\":\"haproxy\",\"file\":\"/nowhere\""));
	/* The same applies to a folder that cannot be read. */
	snprintf(folder, sizeof(folder), "%s/loop", r.dir);
	assert_int_equal(symlink("loop", folder), 0);
	measure_haproxy = folder;
	assert_started();
	audit_stop(&r.audit);
	measure_haproxy = "/nowhere"; /* later tests start daemons too */
	snprintf(want, sizeof(want), "\"what\":\"haproxy\",\"file\":\"%s\",\"sha256\":null", folder);
	assert_true(rig_holds(&r, want));
}

static void
journal_is_not_shared_by_two_daemons(void **state)
{
	(void)state;
	assert_started();
	struct rig other = { .cfg = r.cfg };
	buf_init(&other.why, 4096);
	struct hashkey hash = rig_hashkey(&other);
	other.audit = audit_start(&other.cfg, NULL, &hash, &other.metrics, &other.why);
	assert_null(other.audit);
	buf_putc(&other.why, '\0');
	assert_non_null(strstr(buf_view(&other.why).p, "another daemon"));
	buf_free(&other.why);
	assert_int_equal(rig_put(&r, "x"), 0);
}

static void
unusable_configuration_refuses_the_start(void **state)
{
	static const struct {
		const char *name, *node, *journal, *key, *why;
	} rows[] = {
		{ "no journal", "n", NULL, "/k", "audit.journal" },
		{ "no key", "n", "/j", NULL, "audit.key" },
		{ "a missing key", "n", "/j", "/nonexistent/k", "/nonexistent/k" },
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

/* A receipt needs them: the hash is `prev` of the next record. */
static void
entry_gets_its_sequence_number_and_hash(void **state)
{
	char hex[2][2 * CHAIN_HASH_BYTES + 1], prev[128];
	struct audit_entry e[2];
	sem_t s;

	(void)state;
	assert_started();
	sem_init(&s, 0, 0);
	for (size_t i = 0; i < 2; i++) {
		rig_send(&r, &e[i], &s, "x");
		rig_wait(&s);
		chain_hex(e[i].hash, hex[i]);
		buf_free(&e[i].fields);
	}
	assert_true(e[0].seq > 1);
	assert_true(e[1].seq > e[0].seq);
	audit_stop(&r.audit);
	snprintf(prev, sizeof(prev), "\"seq\":%" PRIu64 ",\"prev\":\"%s\"", e[0].seq + 1,
		hex[0]);
	assert_true(rig_holds(&r, prev));
	snprintf(prev, sizeof(prev), "\"seq\":%" PRIu64 ",\"prev\":\"%s\"", e[1].seq + 1,
		hex[1]);
	assert_true(rig_holds(&r, prev));
	sem_destroy(&s);
}

static void
invalid_fields_refuse_only_their_entry(void **state)
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
producers_share_commits(void **state)
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

static _Atomic bool stop_writing;

static void *
write_on(void *arg)
{
	(void)arg;
	while (!stop_writing)
		rig_put(&r, "live");
	return NULL;
}

static void
journal_verifies_while_it_is_written(void **state)
{
	pthread_t t[PRODUCERS];
	struct verify_result v = { 0 };
	uint64_t last = 0;

	(void)state;
	/* Many small segments, so that the directory changes all the time. */
	r.cfg.journal_segment_bytes = 2000;
	assert_started();
	stop_writing = false;
	for (int i = 0; i < PRODUCERS; i++)
		assert_int_equal(pthread_create(&t[i], NULL, write_on, NULL), 0);
	/* The test lists often and reads enough for the writer to overtake it. Each
	 * verification reads all that was written. */
	uint64_t until = clock_mono_us() + 2000000;
	for (int i = 0; i < 5 || (clock_mono_us() < until && rig_segments(&r) < 1000); i++) {
		v = rig_verify(&r);
		if (!v.ok || v.last < last)
			break;
		last = v.last;
	}
	stop_writing = true;
	for (int i = 0; i < PRODUCERS; i++)
		pthread_join(t[i], NULL);
	if (!v.ok)
		fail_msg("record %" PRIu64 ": %s", v.bad_seq, v.why);
	assert_int_equal(v.last, last);
	print_message("%zu segments\n", rig_segments(&r));
	audit_stop(&r.audit);
	assert_true(rig_verify(&r).ok);
}

static int
by_u64(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

static void
single_records_are_committed(void **state)
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
queued_entries_are_committed_at_stop(void **state)
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

/* Times within a segment are in order, so its first and last line bound the times of its
 * records. */
static void
clock_step_begins_a_segment(void **state)
{
	static const struct {
		int64_t off_s;
		int segments;
	} steps[] = { { 0, 1 }, { 2, 1 }, { 7200, 2 }, { 7202, 2 }, { 0, 3 }, { -7200, 4 },
		{ -7200, 4 }, { 0, 5 } };

	(void)state;
	assert_started();
	for (size_t i = 0; i < COUNT_OF(steps); i++) {
		atomic_store(&wall_off_ns, steps[i].off_s * 1000000000);
		assert_int_equal(rig_put(&r, "x"), 0);
		assert_int_equal(rig_segments(&r), steps[i].segments);
	}
	assert_verifies(1 + COUNT_OF(steps));
	audit_stop(&r.audit);
	assert_started();
	assert_int_equal(rig_put(&r, "y"), 0);
}

int
main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(clock_step_begins_a_segment),
		T(journal_holds_boot_records_and_close),
		T(restart_continues_the_chain),
		T(chain_continues_over_rotated_segments),
		T(tail_cut_at_any_byte_is_recovered),
		T(unsigned_records_are_not_adopted),
		T(nul_bytes_are_cut_from_the_last_commit_and_refused_in_older_ones),
		T(journal_of_a_killed_daemon_ends_in_nul_bytes),
		T(boot_without_a_record_leaves_no_trace),
		T(unverified_journal_is_not_appended_to),
		T(key_may_be_replaced_if_the_old_one_is_kept),
		T(boot_record_names_the_hash_key_and_its_source),
		T(boot_record_has_the_hashes_of_program_and_files),
		T(journal_is_not_shared_by_two_daemons),
		T(unusable_configuration_refuses_the_start),
		T(entry_gets_its_sequence_number_and_hash),
		T(invalid_fields_refuse_only_their_entry),
		T(producers_share_commits),
		T(journal_verifies_while_it_is_written),
		T(single_records_are_committed),
		T(queued_entries_are_committed_at_stop),
	};
	log_setup(LOG_LOGFMT, LOG_ERROR);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
