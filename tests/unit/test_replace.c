/* Each file that is replaced, at each step that a disk can refuse: the old file stays complete,
 * no temporary file is left, the message names the file, and the exit code is not 0. If nothing
 * fails, a completed replacement survives a power cut. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/err.h"
#include "base/stops.h"
#include "gate/store/store.h"
#include "record/index/private.h"
#include "record/journal/journal.h"
#include "record/journal/signkey.h"
#include "support/lay_files.h"
#include "support/replace_rig.h"

/* ---- the replaced files ---- */

static const char *
file_of(const char *name)
{
	static char kept[8][192];
	static unsigned turn;

	return strcpy(kept[turn++ % 8], path(name));
}

static void
keys_there(void)
{
	assert_int_equal(tollgate("", "key", "new", "--person", "ann", "--keys",
				 file_of("keys.yaml"), NULL),
		0);
}

static int
key_revoke(void)
{
	char text[4096], id[64] = "";

	cmd_slurp("keys.yaml", text, sizeof(text));
	const char *at = strstr(text, "id: \"");
	assert_non_null(at);
	snprintf(id, sizeof(id), "%.*s", (int)strcspn(at + 5, "\""), at + 5);
	return tollgate("", "key", "revoke", id, "--keys", file_of("keys.yaml"), NULL);
}

static int
key_another(void)
{
	return tollgate(
		"", "key", "new", "--person", "bob", "--keys", file_of("keys.yaml"), NULL);
}

static void
tokens_there(void)
{
	assert_int_equal(tollgate("", "admin-token", "new", "ann", "--roles", "viewer",
				 "--tokens", file_of("tokens"), NULL),
		0);
}

static int
token_revoke(void)
{
	return tollgate(
		"", "admin-token", "revoke", "ann", "--tokens", file_of("tokens"), NULL);
}

static void
prices_there(void)
{
	put("prices.yaml", "prices: 1\nproviders:\n  own:\n    - {model: mine, input: 1, "
			   "output: 1}\n");
	put("list.json", "{\"gpt-9\":{\"litellm_provider\":\"openai\",\"mode\":\"chat\","
			 "\"input_cost_per_token\":0.000001,"
			 "\"output_cost_per_token\":0.000002}}");
}

static int
prices_import(void)
{
	return tollgate("", "prices", "import", file_of("list.json"), "--into",
		file_of("prices.yaml"), "--write", NULL);
}

static void
ranks_there(void)
{
	FILE *f = fopen(path("lines"), "w");

	assert_non_null(f);
	/* Each byte in base64, with its rank. */
	for (unsigned i = 0; i < 256; i++) {
		static const char digit[] =
			"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
			"0123456789+/";
		fprintf(f, "%c%c== %u\n", digit[i >> 2], digit[(i & 3) << 4], i);
	}
	fclose(f);
	put("packed", "the one before");
}

static int
ranks_pack_lines(void)
{
	return tollgate("", "ranks", "pack", "--name", "own", "--pattern", "cl100k",
		file_of("lines"), file_of("packed"), NULL);
}

static void
pair_there(void)
{
	assert_int_equal(tollgate("", "keygen", file_of("sign.key"), NULL), 0);
	assert_int_equal(tollgate("", "keygen", "--rotate", file_of("sign.key"), NULL), 0);
}

static int
pair_rotate(void)
{
	return tollgate("", "keygen", "--rotate", file_of("sign.key"), NULL);
}

static void
hash_there(void)
{
	assert_int_equal(tollgate("", "keygen", "--hash-key", file_of("hash.key"), NULL), 0);
}

static int
hash_rotate(void)
{
	return tollgate("", "keygen", "--hash-key", "--rotate", file_of("hash.key"), NULL);
}

static void
haproxy_there(void)
{
	put_tree(SITE PROVIDERS, "# none\n");
}

static int
init_write(void)
{
	return INIT("--host", "ai.example.com", "--write");
}

static void
journal_there(void)
{
	assert_int_equal(mkdir(path("journal"), 0700), 0);
	put("journal.head", "{\"node\":\"a\",\"boot\":1,\"seq\":1}\n");
}

static int
note_again(void)
{
	struct journal j = { .node = "a", .boot = 0 };

	snprintf(j.dir, sizeof(j.dir), "%s", path("journal"));
	return journal_note(&j, 2, 7);
}

static void
index_there(void)
{
	assert_int_equal(mkdir(path("journal.index"), 0700), 0);
	put("journal.index/a.idx", "the one before");
}

static int
index_again(void)
{
	struct buf why;

	buf_init(&why, 4096);
	int err = index_write(
		path("journal.index"), path("journal.index/a.idx"), SPAN_LIT("another"), &why);
	if (err && !strstr(buf_view(&why).p, "a.idx"))
		fail_msg("%.*s", SPAN_ARG(buf_view(&why)));
	buf_free(&why);
	return err;
}

static void
live_there(void)
{
	put("live", "one\n");
	assert_int_equal(chmod(path("live"), 0600), 0);
}

static bool
any_line(void *arg, struct span line, struct buf *why)
{
	(void)arg;
	(void)line;
	(void)why;
	return true;
}

static size_t
two_lines(void *arg, struct buf *out)
{
	(void)arg;
	buf_str(out, "two\nthree\n");
	return 2;
}

static int
live_again(void)
{
	static const struct store_kind kind = { "live.failed", any_line, two_lines };
	struct store f, g;
	struct buf why, text;

	buf_init(&why, 4096);
	buf_init(&text, 4096);
	enum replace_step step = replace_rig.step;
	replace_rig.step = REPLACE_NONE; /* steps of the start do not count */
	store_init(&f, &kind, NULL, path("live"));
	store_init(&g, &kind, NULL, f.name);
	assert_true(store_open(&f, &why));
	replace_rig.step = step;
	int err = store_rewrite(&f) ? 0 : ERR_IO;
	replace_rig.step = REPLACE_NONE;
	/* Either way, the store writes to the file that has the name. */
	atomic_store(&f.kept, true);
	buf_str(&text, "four\n");
	assert_true(store_keep(&f, &text, 1));
	buf_clear(&text);
	assert_true(buf_file(&text, path("live")));
	assert_true(span_ends(buf_view(&text), SPAN_LIT("four\n")));
	assert_int_equal(truncate(path("live"), (off_t)text.n - 5), 0);
	assert_false(store_open(&g, &why)); /* that file is locked */
	store_close(&f);
	buf_free(&why);
	buf_free(&text);
	return err;
}

/* clang-format off */
static const struct place {
	const char *name, *file;
	void (*there)(void);
	int (*change)(void);
	bool command; /* the error is printed */
} places[] = {
	{ "an API key's revocation",        "keys.yaml",    keys_there,    key_revoke,      true },
	{ "an API key",                     "keys.yaml",    keys_there,    key_another,     true },
	{ "the first API key",              "keys.yaml",    NULL,          key_another,     true },
	{ "an admin token's revocation",    "tokens",       tokens_there,  token_revoke,    true },
	{ "prices",                         "prices.yaml",  prices_there,  prices_import,   true },
	{ "ranks",                          "packed",       ranks_there,   ranks_pack_lines, true },
	{ "a signing key",                  "sign.key",     pair_there,    pair_rotate,     true },
	{ "its public keys",                "sign.key.pub", pair_there,    pair_rotate,     true },
	{ "the secret before",              "sign.key.old", pair_there,    pair_rotate,     true },
	{ "hash keys",                      "hash.key",     hash_there,    hash_rotate,     true },
	{ "a person's haproxy.cfg",         "etc/haproxy/haproxy.cfg", haproxy_there, init_write, true },
	{ "as it was",                      "etc/haproxy/haproxy.cfg.before-tollgate", haproxy_there, init_write, true },
	{ "a shipped file",                 "etc/haproxy/tollgate/tollgate.cfg", haproxy_there, init_write, true },
	{ "the key that init makes",        "etc/tollgate/audit.key", haproxy_there, init_write, true },
	{ "a journal's note",               "journal.head", journal_there, note_again,      false },
	{ "an index",                       "journal.index/a.idx", index_there, index_again, false },
	{ "what is changed at run time",    "live",         live_there,    live_again,      false },
};
static const struct {
	const char *name, *says;
	enum replace_step step;
	int sys;
} faults[] = {
	{ "a full disk",                "No space left on device", REPLACE_WRITE,  ENOSPC },
	{ "a write's error",            "Input/output error",      REPLACE_WRITE,  EIO },
	{ "a sync's error",             "Input/output error",      REPLACE_SYNC,   EIO },
	{ "a quota at the sync",        "Disk quota exceeded",     REPLACE_SYNC,   EDQUOT },
	{ "a rename's error",           "Read-only file system",   REPLACE_RENAME, EROFS },
	{ "a full folder",              "No space left on device", REPLACE_RENAME, ENOSPC },
	{ "the folder's error",         "Input/output error",      REPLACE_FOLDER, EIO },
};
/* clang-format on */

static void
cleared(void)
{
	char cmd[192];

	snprintf(cmd, sizeof(cmd), "rm -rf %s/*", dir);
	assert_int_equal(system(cmd), 0);
}

/* Returns the file's text, or "(none)" if it does not exist. */
static const char *
text_of(const char *name)
{
	static char text[2][1 << 16];
	static unsigned turn;
	char *p = text[turn++ % 2];
	FILE *f = fopen(path(name), "re");

	strcpy(p, "(none)");
	if (f) {
		p[fread(p, 1, sizeof(text[0]) - 1, f)] = '\0';
		fclose(f);
	}
	return p;
}

static bool
stray(const char *name)
{
	char made[128];

	snprintf(made, sizeof(made), "%.100s" REPLACE_SUFFIX, name);
	return access(path(made), F_OK) == 0;
}

static bool
never_asked(const struct place *p, enum replace_step step)
{
	/* The previous secret is a second name of an existing file. */
	return step == REPLACE_WRITE && !strcmp(p->file, "sign.key.old");
}

static void
failed_step_leaves_the_old_file_complete(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT_OF(places); i++)
		for (size_t k = 0; k < COUNT_OF(faults); k++) {
			const struct place *p = &places[i];
			char before[1 << 16];
			if (never_asked(p, faults[k].step))
				continue;
			cleared();
			replace_rig_end();
			if (p->there)
				p->there();
			strcpy(before, text_of(p->file));
			replace_rig_begin(path("log"));
			replace_rig.of = file_of(p->file);
			replace_rig.step = faults[k].step;
			replace_rig.sys = faults[k].sys;
			cmd_err[0] = '\0';
			if (p->change() == 0)
				fail_msg("%s, %s: it is said to be done: %s", p->name,
					faults[k].name, cmd_err);
			if (p->command &&
				(!strstr(cmd_err, faults[k].says) || !strstr(cmd_err, p->file)))
				fail_msg("%s, %s: %s", p->name, faults[k].name, cmd_err);
			bool same = !strcmp(before, text_of(p->file));
			if (faults[k].step != REPLACE_FOLDER && !same)
				fail_msg("%s, %s: changed to %s", p->name, faults[k].name,
					text_of(p->file));
			if (faults[k].step == REPLACE_FOLDER && p->command &&
				!strstr(cmd_err, "power failure"))
				fail_msg("%s, %s: %s", p->name, faults[k].name, cmd_err);
			if (stray(p->file))
				fail_msg("%s, %s: left aside", p->name, faults[k].name);
			/* The next attempt succeeds. */
			replace_rig.step = REPLACE_NONE;
			if (p->change() != 0)
				fail_msg("%s, after %s: %s", p->name, faults[k].name, cmd_err);
		}
}

static void
completed_replacement_survives_a_power_cut(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT_OF(places); i++) {
		const struct place *p = &places[i];
		cleared();
		replace_rig_end();
		if (p->there)
			p->there();
		char before[1 << 16];
		strcpy(before, text_of(p->file));
		replace_rig_begin(path("log"));
		if (p->change() != 0)
			fail_msg("%s: %s", p->name, cmd_err);
		if (replace_rig_count(p->file) != 1)
			fail_msg("%s: replaced %u times", p->name, replace_rig_count(p->file));
		if (!strcmp(before, text_of(p->file)))
			fail_msg("%s: is as it was", p->name);
		if (stray(p->file))
			fail_msg("%s: left aside", p->name);
	}
}

/* ---- replace_file() ---- */

static int
replace(const char *name, struct span text)
{
	struct buf why;

	buf_init(&why, 4096);
	int err = replace_file(AT_FDCWD, path(name), 0640, text, &why);
	buf_free(&why);
	return err;
}

static unsigned
mode_of(const char *name)
{
	struct stat st;

	assert_int_equal(stat(path(name), &st), 0);
	return st.st_mode & 07777;
}

static void
new_file_has_the_mode_of_the_old_one(void **state)
{
	static const mode_t modes[] = { 0600, 0400, 0640, 0644, 0660, 0604 };
	mode_t was = umask(077);

	(void)state;
	for (size_t i = 0; i < COUNT_OF(modes); i++) {
		put("f", "before");
		assert_int_equal(chmod(path("f"), modes[i]), 0);
		assert_int_equal(replace("f", SPAN_LIT("after")), 0);
		assert_string_equal(text_of("f"), "after");
		assert_int_equal(mode_of("f"), modes[i]);
		unlink(path("f"));
	}
	assert_int_equal(replace("f", SPAN_LIT("new")), 0);
	assert_int_equal(mode_of("f"), 0640);
	umask(was);
}

/* Owners, if the test may change them. */
static void
new_file_has_the_owner_of_the_old_one_or_the_folder(void **state)
{
	struct stat st;

	(void)state;
	if (geteuid() != 0)
		skip();
	put("f", "before");
	assert_int_equal(chown(path("f"), 1234, 2345), 0);
	assert_int_equal(replace("f", SPAN_LIT("after")), 0);
	assert_int_equal(stat(path("f"), &st), 0);
	assert_int_equal(st.st_uid, 1234);
	assert_int_equal(st.st_gid, 2345);
	assert_int_equal(mkdir(path("theirs"), 0750), 0);
	assert_int_equal(chown(path("theirs"), 77, 78), 0);
	assert_int_equal(replace("theirs/f", SPAN_LIT("new")), 0);
	assert_int_equal(stat(path("theirs/f"), &st), 0);
	assert_int_equal(st.st_uid, 77);
	assert_int_equal(st.st_gid, 78);
	/* If the new file could not get the old owner, who would then lose access, it is not
	 * written. */
	put("theirs/g", "before");
	assert_int_equal(chmod(path("theirs"), 0777), 0);
	assert_int_equal(chmod(dir, 0755), 0);
	for (int group = 0; group < 2; group++) {
		assert_int_equal(chmod(path("theirs/g"), group ? 0640 : 0600), 0);
		assert_int_equal(chown(path("theirs/g"), 77, 78), 0);
		pid_t pid = fork();
		if (pid == 0) {
			if (setgid(78) || setuid(4321))
				_exit(2);
			_exit(replace("theirs/g", SPAN_LIT("another")) == 0);
		}
		int status;
		assert_int_equal(waitpid(pid, &status, 0), pid);
		assert_int_equal(WEXITSTATUS(status), group);
		assert_string_equal(text_of("theirs/g"), group ? "another" : "before");
		assert_false(stray("theirs/g"));
	}
}

static void
leftover_files_are_handled(void **state)
{
	(void)state;
	put("f", "before");
	put("other", "another's");
	/* The rest of a killed run is overwritten, and a link is not followed. */
	put("f" REPLACE_SUFFIX, "half");
	assert_int_equal(replace("f", SPAN_LIT("one")), 0);
	assert_int_equal(symlink(path("other"), path("f" REPLACE_SUFFIX)), 0);
	assert_int_equal(replace("f", SPAN_LIT("two")), 0);
	assert_string_equal(text_of("f"), "two");
	assert_string_equal(text_of("other"), "another's");
	/* A folder is not removed; this is an error. */
	assert_int_equal(mkdir(path("f" REPLACE_SUFFIX), 0700), 0);
	assert_true(replace("f", SPAN_LIT("three")) < 0);
	assert_string_equal(text_of("f"), "two");
	assert_int_equal(rmdir(path("f" REPLACE_SUFFIX)), 0);
	assert_int_equal(replace("none/f", SPAN_LIT("x")), ERR_IO);
}

static void
one_of_two_concurrent_writers_gets_an_error(void **state)
{
	struct buf why;

	(void)state;
	put("f", "before");
	buf_init(&why, 4096);
	int a = replace_begin(AT_FDCWD, path("f"), 0600, &why);
	int b = replace_begin(AT_FDCWD, path("f"), 0600, &why);
	assert_true(a >= 0 && b >= 0);
	assert_int_equal(replace_write(a, "f", SPAN_LIT("one"), &why), 0);
	assert_int_equal(replace_place(AT_FDCWD, path("f"), a, &why), ERR_BAD_STATE);
	assert_non_null(strstr(buf_view(&why).p, "another process is writing it"));
	assert_string_equal(text_of("f"), "before");
	assert_int_equal(replace_write(b, "f", SPAN_LIT("two"), &why), 0);
	assert_int_equal(replace_place(AT_FDCWD, path("f"), b, &why), 0);
	assert_string_equal(text_of("f"), "two");
	close(a);
	close(b);
	buf_free(&why);
}

static int
no_folders(int fd)
{
	struct stat st;

	errno = EINVAL;
	return fstat(fd, &st) == 0 && S_ISDIR(st.st_mode) ? -1 : fsync(fd);
}

/* Some file systems cannot sync a folder; that is not a disk error. */
static void
file_system_without_folder_sync_is_accepted(void **state)
{
	(void)state;
	replace_io.fsync = no_folders;
	assert_int_equal(replace("f", SPAN_LIT("x")), 0);
	assert_string_equal(text_of("f"), "x");
}

static void
kill_before_the_rename_changes_nothing(void **state)
{
	int status;

	(void)state;
	put("f", "before");
	pid_t pid = fork();
	if (pid == 0) {
		stops_hook = stops_kill;
		stops_point = "replace-aside";
		replace("f", SPAN_LIT("after"));
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSIGNALED(status));
	assert_string_equal(text_of("f"), "before");
	assert_true(stray("f"));
	assert_int_equal(replace("f", SPAN_LIT("after")), 0);
	assert_string_equal(text_of("f"), "after");
	assert_false(stray("f"));
}

/* A file that somebody saved after its contents were read is not overwritten. */
static void
only_the_contents_of_before_are_replaced(void **state)
{
	static const struct {
		const char *there, *was; /* NULL: no such file */
		int err;
	} rows[] = {
		{ "before", "before", 0 },
		{ NULL, NULL, 0 },
		{ "saved", "before", ERR_BAD_STATE },
		{ "before and more", "before", ERR_BAD_STATE },
		{ "", "before", ERR_BAD_STATE },
		{ "saved", NULL, ERR_BAD_STATE },
		{ NULL, "before", ERR_BAD_STATE },
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct span was = span_str(rows[i].was ? rows[i].was : "");
		SCOPED_BUF(why, 0);
		unlink(path("f"));
		if (rows[i].there)
			put("f", rows[i].there);
		assert_int_equal(replace_file_over(AT_FDCWD, path("f"), 0640, SPAN_LIT("after"),
					 rows[i].was ? &was : NULL, &why),
			rows[i].err);
		if (rows[i].err && !rows[i].there)
			assert_int_equal(access(path("f"), F_OK), -1);
		else
			assert_string_equal(text_of("f"), rows[i].err ? rows[i].there : "after");
		assert_int_equal(why.n != 0, rows[i].err != 0);
		assert_false(stray("f"));
	}
}

static int
begin(void **state)
{
	(void)state;
	cleared();
	replace_rig_end();
	return 0;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(new_file_has_the_mode_of_the_old_one, begin),
		cmocka_unit_test_setup(
			new_file_has_the_owner_of_the_old_one_or_the_folder, begin),
		cmocka_unit_test_setup(leftover_files_are_handled, begin),
		cmocka_unit_test_setup(one_of_two_concurrent_writers_gets_an_error, begin),
		cmocka_unit_test_setup(file_system_without_folder_sync_is_accepted, begin),
		cmocka_unit_test_setup(only_the_contents_of_before_are_replaced, begin),
		cmocka_unit_test_setup(kill_before_the_rename_changes_nothing, begin),
		cmocka_unit_test_setup(completed_replacement_survives_a_power_cut, begin),
		cmocka_unit_test_setup(failed_step_leaves_the_old_file_complete, begin),
	};
	return cmocka_run_group_tests(tests, temp_dir_make, temp_dir_remove);
}
