/* Commands that read sealed texts: each text is compared with its record, opens with the
 * auditor's key or reports why not, is archived and restored with retention, and is part of a
 * person's own data. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>

#include <cmocka.h>
#include <dirent.h>
#include <sys/stat.h>

#include "base/log.h"
#include "cmd/records/opening.h"
#include "cmd/records/recorded.h"
#include "record/archive/kept_texts.h"
#include "support/seal_rig.h"

extern int64_t keep_texts_calm_s;

static int
seal_setup(void **state)
{
	setup(state);
	r.cfg.journal_segment_bytes = 64 << 20;
	if (!rig_start(&r))
		fail_msg("%s", buf_view(&r.why).p);
	buf_clear(&r.why);
	seal_start();
	return 0;
}

static int
seal_teardown(void **state)
{
	seal_stop();
	return teardown(state);
}

static void
wants(const char *text)
{
	if (!strstr(said, text))
		fail_msg("%s (wanted: %s)", said, text);
}

static void
lacks(const char *text)
{
	if (strstr(said, text))
		fail_msg("%s (not wanted: %s)", said, text);
}

static int
verify_texts(void)
{
	return audit("verify --texts --journal %s --public-key %s.pub", r.journal, r.key);
}

static int
subject_of(const char *person, const char *key, const char *out)
{
	return audit("subject --person %s --key %s --shares %s --journal %s --out %s/%s "
		     "--sign-key %s --public-key %s.pub",
		person, key, sr.shares_file, r.journal, r.dir, out, r.key, r.key);
}

/* Returns the path of the i-th file of texts, by name. */
static const char *
texts_path(size_t i)
{
	static char path[512];
	char folder[256];
	struct dirent **list;

	snprintf(folder, sizeof(folder), "%s.texts", r.journal);
	int n = scandir(folder, &list, NULL, alphasort);
	assert_true(n > (int)i + 2);
	snprintf(path, sizeof(path), "%s/%s", folder, list[i + 2]->d_name);
	for (int k = 0; k < n; k++)
		free(list[k]);
	free(list);
	return path;
}

/* Returns the text of a file that a command wrote. */
static struct buf
file_text(const char *folder, const char *name)
{
	char path[512];

	snprintf(path, sizeof(path), "%s/%s/%s", r.dir, folder, name);
	struct buf b = rig_slurp(path);
	buf_putc(&b, '\0');
	return b;
}

/* ---- comparison with the record ---- */

static void
unchanged_texts_verify(void **state)
{
	(void)state;
	seal_request("alice", "alice", "id-1", "what is a bank", "a house");
	seal_request("bob", "bob", "id-2", "who am I", NULL);
	assert_int_equal(verify_texts(), 0);
	wants("ok node=gw-1 source=journal");
	wants("ok source=texts texts=3 bytes=29 cut=0 trimmed=0 bad=0\n");
}

static void
damaged_or_missing_text_is_named(void **state)
{
	(void)state;
	seal_request("alice", "alice", "id-1", "what is a bank", NULL);
	seal_request("alice", "alice", "id-2", "what is a bill", NULL);
	char path[512], kept[600];
	snprintf(path, sizeof(path), "%s", texts_path(0));
	snprintf(kept, sizeof(kept), "%s/kept", r.dir);
	rig_sh("cp %s %s", path, kept);
	/* The frames have equal lengths: a head of 16 bytes, 14 bytes and the tag. */
	static const struct {
		const char *how, *bad, *why;
	} rows[] = {
		{ "printf XXXX | dd of=$F bs=1 seek=150 conv=notrunc status=none", "id-1",
			"the hash of the ciphertext differs from the record" },
		{ "dd if=$F of=$F bs=1 skip=176 seek=128 count=46 conv=notrunc status=none",
			"id-1", "the hash of the ciphertext differs from the record" },
		{ "truncate -s 200 $F", "id-2", "the file ends within the text" },
		{ "printf XXXX | dd of=$F bs=1 seek=128 conv=notrunc status=none", "id-1",
			"no text" },
		{ "rm $F", "id-1", "missing: the file does not exist" },
	};
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		char bad[128];
		rig_sh("F=%s; %s", path, rows[i].how);
		assert_int_equal(verify_texts(), 1);
		snprintf(bad, sizeof(bad),
			"id=%s part=prompt file=gw-1-0000000000000000.texts why=", rows[i].bad);
		wants("bad node=gw-1 source=texts seq=");
		wants(bad);
		wants(rows[i].why);
		rig_sh("cp %s %s", kept, path);
	}
	assert_int_equal(verify_texts(), 0);
	/* A text that does not verify does not open as another one. */
	rig_sh("dd if=%s of=%s bs=1 skip=176 seek=128 count=46 conv=notrunc status=none", path,
		path);
	assert_int_equal(subject_of("alice", sr.key, "subject"), 1);
	wants("texts_damaged=1");
	struct buf b = file_text("subject", "decisions.jsonl");
	assert_null(strstr(buf_view(&b).p, "what is a bank"));
	assert_non_null(strstr(buf_view(&b).p, "what is a bill"));
	buf_free(&b);
}

/* ---- retention ---- */

static void
old_texts_are_trimmed_separately_and_restored(void **state)
{
	(void)state;
	struct keep_state s;
	r.cfg.retention_archive = archive;
	assert_int_equal(mkdir(archive, 0700), 0);
	seal_request("alice", "alice", "id-1", "an old text", NULL);
	texts_roll(sr.texts);
	seal_request("bob", "bob", "id-3", "of last week", NULL);
	texts_roll(sr.texts);
	seal_request("alice", "alice", "id-2", "a new text", NULL);
	rig_sh("touch -d '40 days ago' %s", texts_path(0));
	rig_sh("touch -d '7 days ago' %s", texts_path(1));
	r.cfg.retention_texts_us = 30 * 86400ull * 1000000;
	keep = keep_start(&r.cfg, r.audit, &r.metrics, &r.why);
	assert_non_null(keep);
	until(rig_count(&r, M_KEEP_TRIMMED) >= 1 && rig_count(&r, M_KEEP_ARCHIVED) >= 2);
	until((keep_state(keep, &s), s.unarchived == 0));
	keep_stop(&keep);
	assert_int_equal(count_files(".texts", ".texts"), 2);
	assert_true(rig_holds(&r, "\"type\":\"trim\",\"what\":\"texts\",\"why\":\"age\""));
	assert_true(rig_holds(&r, "{\"file\":\"gw-1-0000000000000000.texts\""));
	/* The records still verify, and trimmed texts are no error. */
	assert_int_equal(verify_texts(), 0);
	wants("ok source=texts texts=2 bytes=22 cut=0 trimmed=1 bad=0\n");
	assert_int_equal(subject_of("alice", sr.key, "before"), 0);
	wants("texts_trimmed=1");
	assert_int_equal(audit("restore --texts --since 60d --journal %s --archive %s "
			       "--public-key %s.pub",
				 r.journal, archive, r.key),
		0);
	wants("restored gw-1-0000000000000000.texts");
	assert_int_equal(verify_texts(), 0);
	wants("ok source=texts texts=3 bytes=33 cut=0 trimmed=0 bad=0\n");
	assert_int_equal(subject_of("alice", sr.key, "after"), 0);
	struct buf b = file_text("after", "decisions.jsonl");
	assert_non_null(strstr(buf_view(&b).p, "\"text\":\"an old text\""));
	buf_free(&b);
}

static void
texts_changed_in_the_archive_are_not_restored(void **state)
{
	(void)state;
	r.cfg.retention_archive = archive;
	assert_int_equal(mkdir(archive, 0700), 0);
	seal_request("alice", "alice", "id-1", "an old text", NULL);
	texts_roll(sr.texts);
	seal_request("alice", "alice", "id-2", "a new text", NULL);
	rig_sh("touch -d '40 days ago' %s", texts_path(0));
	r.cfg.retention_texts_us = 30 * 86400ull * 1000000;
	keep = keep_start(&r.cfg, r.audit, &r.metrics, &r.why);
	until(rig_count(&r, M_KEEP_TRIMMED) >= 1);
	keep_stop(&keep);
	rig_sh("printf XXXX | dd of=%s/gw-1-0000000000000000.texts bs=1 seek=150 conv=notrunc "
	       "status=none",
		archive);
	assert_int_equal(audit("restore gw-1-0000000000000000.texts --journal %s --archive %s "
			       "--public-key %s.pub",
				 r.journal, archive, r.key),
		1);
	wants("refused gw-1-0000000000000000.texts");
	/* Neither if their manifest was changed too: the trim record was not. */
	rig_sh("cd %s && sed -i \"s/sha256\\\":\\\"[0-9a-f]*/sha256\\\":\\\"$(sha256sum "
	       "<gw-1-0000000000000000.texts | cut -d' ' -f1)/\" "
	       "gw-1-0000000000000000.texts.json && rm %s.keep/*.texts.json",
		archive, r.journal);
	assert_int_equal(audit("restore --texts --since 60d --journal %s --archive %s "
			       "--public-key %s.pub",
				 r.journal, archive, r.key),
		1);
	wants("trim record names another SHA-256");
	assert_int_equal(count_files(".restored.texts", ".texts"), 0);
}

/* It determines where positions continue. */
static void
newest_file_of_texts_is_kept_at_any_age(void **state)
{
	(void)state;
	seal_request("alice", "alice", "id-1", "an old text", NULL);
	texts_roll(sr.texts);
	seal_request("alice", "alice", "id-2", "another", NULL);
	rig_sh("touch -d '40 days ago' %s.texts/*.texts", r.journal);
	r.cfg.retention_texts_us = 30 * 86400ull * 1000000;
	keep = keep_start(&r.cfg, r.audit, &r.metrics, &r.why);
	until(rig_count(&r, M_KEEP_TRIMMED) >= 1);
	usleep(30000); /* some passes later */
	keep_stop(&keep);
	assert_int_equal(count_files(".texts", ".texts"), 1);
	assert_int_equal(rig_count(&r, M_KEEP_TRIMMED), 1);
}

static void
without_an_age_limit_texts_are_kept(void **state)
{
	(void)state;
	struct keep_state s;
	keep_texts_calm_s = 0;
	r.cfg.retention_archive = archive;
	assert_int_equal(mkdir(archive, 0700), 0);
	seal_request("alice", "alice", "id-1", "an old text", NULL);
	texts_roll(sr.texts);
	seal_request("alice", "alice", "id-2", "a new text", NULL);
	rig_sh("touch -d '4000 days ago' %s", texts_path(0));
	keep = keep_start(&r.cfg, r.audit, &r.metrics, &r.why);
	until(rig_count(&r, M_KEEP_ARCHIVED) >= 1);
	until((keep_state(keep, &s), s.unarchived == 0));
	keep_stop(&keep);
	assert_int_equal(count_files(".texts", ".texts"), 2);
	assert_false(rig_holds(&r, "\"type\":\"trim\""));
}

/* The manifest of a file is read whole or not at all. */
static void
manifest_of_a_text_file_is_read_back_whole(void **state)
{
	(void)state;
	struct texts_file f = { .bytes = 4096 }, again = { .bytes = 0 };
	static const char *const other[][2] = {
		{ "gw-1-0000000004000000", "gw-1-0000000004000001" },
		{ "\"node\":\"gw-1\"", "\"node\":\"gw-2\"" },
		{ "\"node\":\"gw-1\"", "\"node\":\"../x\"" }, { "2026-11-25T", "2026-13-25T" }
	};
	SCOPED_BUF(text, 4096);

	texts_name("gw-1", TEXTS_SEGMENT_BYTES, f.name);
	memcpy(f.node, "gw-1", 5);
	texts_file_times(&f, 1795651200 - 1);
	memset(f.sha256, 7, sizeof(f.sha256));
	texts_file_write(&f, &text);
	struct span all = buf_view(&text);
	assert_int_equal(texts_file_read(all, &again), 0);
	assert_memory_equal(&again, &f, sizeof(f));
	for (size_t n = 0; n < all.n - 1; n++)
		if (texts_file_read(span_cut(all, 0, n), &again) == 0)
			fail_msg("read from %zu bytes", n);
	for (size_t i = 0; i < COUNT_OF(other); i++) {
		char copy[1024];
		snprintf(copy, sizeof(copy), "%.*s", SPAN_ARG(all));
		char *at = strstr(copy, other[i][0]);
		assert_non_null(at);
		memcpy(at, other[i][1], strlen(other[i][1]));
		if (texts_file_read(span_str(copy), &again) == 0)
			fail_msg("read: %s", copy);
	}
}

/* A kill at any step: the next daemon completes the work, and every text is here or in the
 * archive, named by a record. */
static void
kill_during_trimming_loses_no_text(void **state)
{
	(void)state;
	static const char *const points[] = { "archive-written", "archive-put", "archive-texts",
		"archive-marked", "trim-texts-record", "trim-texts-recorded",
		"trim-texts-removed" };
	r.cfg.retention_archive = archive;
	assert_int_equal(mkdir(archive, 0700), 0);
	r.cfg.retention_texts_us = 30 * 86400ull * 1000000;
	for (size_t i = 0; i < COUNT_OF(points); i++) {
		char id[32];
		int status;
		snprintf(id, sizeof(id), "id-%zu", i);
		seal_request("alice", "alice", id, "an old text", NULL);
		rig_sh("touch -d '40 days ago' %s", texts_path(0));
		texts_roll(sr.texts);
		seal_request("alice", "alice", "id-new", "a new text", NULL);
		audit_stop(&r.audit);
		fflush(stdout);
		pid_t pid = calm_fork();
		if (pid == 0) {
			stops_hook = stops_kill;
			stops_point = points[i];
			stops_after = 1;
			start();
			sleep(60);
			_exit(1);
		}
		assert_int_equal(waitpid(pid, &status, 0), pid);
		if (!WIFSIGNALED(status) || WTERMSIG(status) != SIGKILL)
			fail_msg("%s: not reached", points[i]);
		if (verify_texts() != 0)
			fail_msg("%s: %s", points[i], said);
		start();
		until(count_files(".texts", ".texts") == 1);
		keep_stop(&keep);
		if (verify_texts() != 0)
			fail_msg("%s, after it: %s", points[i], said);
		assert_int_equal(count_files(".keep", REPLACE_SUFFIX), 0);
		assert_int_equal(count_files("/../archive", ".texts"), i + 1);
	}
}

/* ---- a person's own data ---- */

static bool
is_alice(void *arg, struct span holder)
{
	(void)arg;
	return span_is(holder, "alice");
}

static void
person_gets_each_decision_with_its_texts(void **state)
{
	(void)state;
	seal_request("alice", "alice", "id-1", "<script>alert(1)</script> & \"so\"", "a house");
	seal_request("bob", "bob", "id-2", "bobs own words", "his house");
	assert_int_equal(subject_of("alice", sr.key, "subject"), 0);
	wants("subject decisions=1 texts_open=2\n");
	struct buf b = file_text("subject", "decisions.jsonl");
	json_auto_t *o = json_loads(buf_view(&b).p, JSON_DISABLE_EOF_CHECK, NULL);
	json_t *texts = json_object_get(o, "texts");
	assert_string_equal(json_text_in(o, "id"), "id-1");
	assert_int_equal(json_array_size(json_object_get(o, "records")), 2);
	assert_string_equal(json_text_in(json_array_get(texts, 0), "text"),
		"<script>alert(1)</script> & \"so\"");
	assert_string_equal(json_text_in(json_array_get(texts, 1), "text"), "a house");
	assert_string_equal(json_text_in(json_array_get(texts, 1), "part"), "response");
	assert_null(strstr(buf_view(&b).p, "bob"));
	buf_free(&b);
	b = file_text("subject", "index.html");
	assert_null(strstr(buf_view(&b).p, "<script"));
	assert_non_null(strstr(buf_view(&b).p, "&#60;script&#62;alert(1)"));
	assert_null(strstr(buf_view(&b).p, "bob"));
	buf_free(&b);
	for (size_t i = 0; i < 2; i++)
		assert_int_equal(
			audit("verify --manifest %s/subject/%s.manifest --public-key %s.pub",
				r.dir, i ? "index.html" : "decisions.jsonl", r.key),
			0);
	rig_sh("printf ' ' >> %s/subject/index.html", r.dir);
	assert_int_equal(audit("verify --manifest %s/subject/index.html.manifest --public-key "
			       "%s.pub",
				 r.dir, r.key),
		1);
}

static void
nothing_is_written_of_unverified_records(void **state)
{
	(void)state;
	static const struct {
		const char *how, *why;
	} rows[] = {
		{ "sed -i 's/\"decision\":\"permit\"/\"decision\":\"deny\"/' $F",
			"does not verify: changed" },
		{ "sed -i '/\"id\":\"id-2\"/d' $F", "does not verify: " },
		{ "sed -i '/\"commit\":{/s/\"sig\":\"\\(..\\)\\(..\\)/\"sig\":\"\\2\\1/' $F",
			"does not verify: " },
		{ "sed -i '2s/^/x/' $F", "does not verify: junk" },
	};
	char file[300], kept[300];

	seal_request("alice", "alice", "id-1", "what is a bank", "a house");
	seal_request("bob", "bob", "id-2", "who am I", NULL);
	audit_stop(&r.audit);
	snprintf(file, sizeof(file), "%s/*.jsonl", r.journal);
	snprintf(kept, sizeof(kept), "%s/was", r.dir);
	rig_sh("cat %s >%s", file, kept);
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		char out[32];
		snprintf(out, sizeof(out), "out-%zu", i);
		rig_sh("F=$(ls %s); %s", file, rows[i].how);
		if (subject_of("alice", sr.key, out) != 1)
			fail_msg("%s: %s", rows[i].how, said);
		wants(rows[i].why);
		wants("nothing is written");
		rig_sh("test ! -e %s/%s", r.dir, out);
		rig_sh("F=$(ls %s); cat %s >$F", file, kept);
	}
	assert_int_equal(subject_of("alice", sr.key, "subject"), 0);
	wants("subject decisions=1 texts_open=2\n");
	/* The records are not signed by another key. */
	rig_sh("cp %s.pub %s/its.pub; openssl genpkey -algorithm ed25519 | openssl pkey "
	       "-pubout "
	       ">%s.pub",
		r.key, r.dir, r.key);
	assert_int_equal(subject_of("alice", sr.key, "other"), 1);
	wants("does not verify: ");
	rig_sh("cp %s/its.pub %s.pub", r.dir, r.key);
}

static void
erased_texts_are_reported_and_the_rest_opens(void **state)
{
	(void)state;
	SCOPED_BUF(erased, 4096);
	seal_request("alice", "alice", "id-1", "forget me", NULL);
	seal_request("bob", "bob", "id-2", "keep me", NULL);
	assert_int_equal(
		shares_erase(sr.shares, is_alice, NULL, "e-1", 1, clock_wall_ns(), &erased), 0);
	assert_int_equal(subject_of("alice", sr.key, "alice"), 0);
	wants("texts_erased=1");
	struct buf b = file_text("alice", "decisions.jsonl");
	assert_null(strstr(buf_view(&b).p, "forget me"));
	assert_non_null(strstr(buf_view(&b).p, "\"is\":\"erased\""));
	buf_free(&b);
	assert_int_equal(subject_of("bob", sr.key, "bob"), 0);
	wants("texts_open=1");
	/* The chain and the ciphertexts still verify. */
	assert_int_equal(verify_texts(), 0);
}

static void
other_key_opens_no_text(void **state)
{
	(void)state;
	seal_request("alice", "alice", "id-1", "for the chief alone", NULL);
	char other[300];
	snprintf(other, sizeof(other), "%s/other.key", r.dir);
	rig_sh("umask 077; openssl genpkey -algorithm X25519 -out %s", other);
	assert_int_equal(subject_of("alice", other, "subject"), 0);
	wants("texts_other_key=1");
	lacks("texts_open");
}

/* ---- pseudonyms ---- */

static void
person_is_found_by_their_pseudonym(void **state)
{
	(void)state;
	char word[PSEUDONYM_LEN + 1];
	struct share b;
	SCOPED_BUF(erased, 4096);

	assert_int_equal(shares_get(sr.shares, SPAN_LIT("alice"), true, &b), 0);
	assert_int_equal(shares_sync(sr.shares), 0);
	share_pseudonym(&b, word);
	seal_request("alice", "alice", "id-1", "by name", NULL);
	seal_request("alice", word, "id-2", "by word", NULL);
	seal_request("bob", "bob", "id-3", "another", NULL);
	audit_stop(&r.audit);
	assert_int_equal(audit("search --person alice --shares %s --journal %s --json",
				 sr.shares_file, r.journal),
		0);
	wants("id-1");
	wants("id-2");
	lacks("id-3");
	assert_int_equal(audit("list --person alice --since 1h --shares %s --journal %s",
				 sr.shares_file, r.journal),
		0);
	wants("id-1");
	wants("id-2");
	lacks("id-3");
	assert_int_equal(
		shares_erase(sr.shares, is_alice, NULL, "e-1", 1, clock_wall_ns(), &erased), 0);
	assert_int_equal(audit("search --person alice --shares %s --journal %s --json",
				 sr.shares_file, r.journal),
		0);
	wants("id-1");
	lacks("id-2");
}

/* ---- the report ---- */

static void
report_counts_sealed_and_unkept_texts(void **state)
{
	(void)state;
	seal_request("alice", "alice", "id-1", "what is a bank", "a house");
	seal_request("alice", "alice", "id-2", "twenty bytes of text", NULL);
	assert_int_equal(
		audit("report --json --journal %s --public-key %s.pub", r.journal, r.key), 0);
	json_auto_t *o = json_loads(strchr(said, '{'), JSON_DISABLE_EOF_CHECK, NULL);
	json_t *texts = json_object_get(o, "texts"),
	       *route = json_object_get(json_object_get(texts, "by_route"), "chat");
	for (size_t i = 0; i < 2; i++) {
		json_t *t = i ? route : texts;
		assert_int_equal(json_int_in(t, "prompts_kept"), 2);
		assert_int_equal(json_int_in(t, "prompts_sealed_bytes"), 34);
		assert_int_equal(json_int_in(t, "answers_kept"), 1);
		assert_int_equal(json_int_in(t, "answers_sealed_bytes"), 7);
		assert_int_equal(json_int_in(t, "answers_not_kept"), 1);
		assert_int_equal(json_int_in(t, "answers_not_kept_bytes"), 7);
		assert_null(json_object_get(t, "prompts_not_kept"));
	}
}

/* ---- calls ---- */

/* A completion with two calls whose arguments are sealed. */
static json_t *
with_calls(const char *how, const char *more)
{
	static const char lines[] =
		"{\"by\":\"answer\",\"tool\":\"pay\",\"arguments\":\"{\\\"to\\\":1}\"}\n"
		"{\"by\":\"answer\",\"tool\":\"ask\",\"arguments\":\"{}\"}\n";

	SCOPED_BUF(f, 0);
	buf_str(&f, "{\"node\":\"gw-1\",\"type\":\"completion\",\"id\":\"id-1\",\"calls\":[{"
		    "\"by\":\"answer\",\"tool\":\"pay\"},{\"by\":\"answer\",\"tool\":\"ask\"}],"
		    "\"answer\":{\"verdict\":{\"when\":\"whole\",\"tool_calls\":[\"pay\","
		    "\"ask\"]}");
	buf_printf(&f, "%s},\"tools_kept\":", more);
	seal_keep(&f, "alice", "id-1", SEAL_TOOLS, span_str(lines), how, "texts");
	buf_putc(&f, '}');
	json_t *o = json_loadb(buf_view(&f).p, f.n, 0, NULL);
	assert_non_null(o);
	return o;
}

static void
arguments_of_calls_are_read_with_the_key(void **state)
{
	(void)state;
	static const struct {
		const char *name, *how, *more;
		bool read;
	} rows[] = {
		{ "full", "full", "", true },
		{ "redacted, where nothing was found", "redacted", "", true },
		{ "redacted, where something was", "redacted",
			",\"findings\":[{\"entity\":\"iban\"}]", false },
	};
	const struct opening_args args = { .key = sr.key, .shares = sr.shares_file };
	const struct query q = { .what = "test", .journal = r.journal };

	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		json_auto_t *record = with_calls(rows[i].how, rows[i].more);
		struct opening *o = opening_begin(&q, &args);
		assert_non_null(o);
		recorded_open(o, record);
		opening_end(&o);
		json_t *first = json_array_get(record_get(record, RF_CALLS), 0);
		assert_string_equal(json_text_in(first, "arguments"), "{\"to\":1}");
		json_t *read = record_get(record, RF_ANSWER_VERDICT_TOOL_ARGUMENTS);
		if (!rows[i].read && read)
			fail_msg("%s: read", rows[i].name);
		if (rows[i].read) {
			assert_int_equal(json_array_size(read), 2);
			assert_string_equal(
				json_string_value(json_array_get(read, 0)), "{\"to\":1}");
		}
	}
}

int
main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, seal_setup, seal_teardown)
	const struct CMUnitTest tests[] = {
		T(unchanged_texts_verify),
		T(damaged_or_missing_text_is_named),
		T(old_texts_are_trimmed_separately_and_restored),
		T(texts_changed_in_the_archive_are_not_restored),
		T(newest_file_of_texts_is_kept_at_any_age),
		T(without_an_age_limit_texts_are_kept),
		cmocka_unit_test(manifest_of_a_text_file_is_read_back_whole),
		T(kill_during_trimming_loses_no_text),
		T(person_gets_each_decision_with_its_texts),
		T(nothing_is_written_of_unverified_records),
		T(erased_texts_are_reported_and_the_rest_opens),
		T(other_key_opens_no_text),
		T(person_is_found_by_their_pseudonym),
		T(report_counts_sealed_and_unkept_texts),
		T(arguments_of_calls_are_read_with_the_key),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
