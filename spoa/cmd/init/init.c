/* tollgate init: adds tollgate to an existing HAProxy configuration.
 *
 * The command creates the files that the machine lacks and inserts the stanza into
 * HAProxy's files. Without --write, it only prints what it would do. Existing files of
 * tollgate are kept. A changed file of the operator is first copied. If a run was killed,
 * the next run completes it. --undo removes the stanza and the options again.
 *
 * The result is tried before anything is written. `haproxy -c` checks the new files in a
 * temporary folder, the stage. The judges of `tollgate check` then report what the operator
 * should look at. All files are written, or none. Files keep their modes and owners. If the
 * command is killed, no half-written file remains under a final name. */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/among.h"
#include "base/ascii.h"
#include "base/keyfile.h"
#include "base/replace.h"
#include "cmd/cmd.h"
#include "operator/edge/judge.h"
#include "operator/edge/lay.h"
#include "operator/edge/shipped.h"
#include "record/journal/signkey.h"
#include "scan/dialect/dialect.h"

enum {
	INIT_FILES_MAX = 256, /* files of HAProxy, including those in folders */
	INIT_TEXT_BYTES = 16 << 20,
	INIT_NEW_MAX = INIT_FILES_MAX + 1,
	INIT_KEPT_MAX = 100, /* copies of one file */
};

#define OURS	  "/etc/haproxy/tollgate/"
#define EXTRAOPTS "/etc/default/haproxy"
#define EXTRAOPTS_DEBIAN "-S /run/haproxy-master.sock" /* the option of Debian's unit, used if
						        * EXTRAOPTS is not set */
/* Suffixes of copies: of a file before init, and before init --undo. */
#define INIT_BEFORE ".before-tollgate"
#define INIT_WITH   ".with-tollgate"

/* A new version of a file, written under a temporary name until all files can be replaced. */
struct init_new {
	const char *path, *file; /* the path as given; the path below --root with links resolved */
	const char *kept;	 /* the copy of the old version; NULL: the file did not exist */
	int fd;			 /* descriptor of the temporary file */
};

/* The state of one run. Owned by cmd_init(). */
struct init {
	struct arena a;
	struct haproxy h;
	struct lay lay;
	struct lay_wish wish;
	const char *root, *person, *haproxy_binary;
	const char *file[INIT_FILES_MAX];
	size_t nfile;
	struct init_new new[INIT_NEW_MAX];
	size_t nnew;
	bool write, undo, keep_guards;
	bool missing;	   /* something must be created */
	bool missing_ours; /* a file of tollgate that HAProxy reads must be created */
	int code;
};

/* Returns the path below --root, in the arena. */
static const char *
init_rooted(struct init *in, const char *path)
{
	return arena_printf(&in->a, "%s%s", in->root, path).p;
}

static bool
init_exists(struct init *in, const char *path)
{
	return access(init_rooted(in, path), F_OK) == 0;
}

/* Prints "path: what: why" with the reason from errno. Sets and returns the exit code. */
static int
init_failed(struct init *in, const char *path, const char *what)
{
	cmd_fail("init", "%s: %s: %s", path, what, strerror(errno));
	return in->code = EXIT_CANNOT;
}

/* Writes the new contents of one of the operator's files to `out`. */
static void
init_result(struct init *in, const char *file, struct buf *out)
{
	SCOPED_BUF(text, INIT_TEXT_BYTES);
	buf_file(&text, init_rooted(in, file));
	lay_apply(in->lay.edit, in->lay.nedit, file, buf_view(&text), out);
	if (buf_failed(&text) || buf_failed(out))
		in->code = cmd_fail("init", "%s: with the stanza the file is larger than "
					    "%d MB, which is the limit", file,
			INIT_TEXT_BYTES >> 20);
}

static void
each_edited(struct init *in, void (*each)(struct init *in, const char *file, struct span text))
{
	struct lay *l = &in->lay;

	for (size_t i = 0; i < l->nedit && in->code == EXIT_DONE; i++) {
		const char *file = l->edit[i].file;
		size_t k = 0;
		while (strcmp(l->edit[k].file, file) != 0)
			k++;
		if (k < i)
			continue; /* this file was already reported */
		SCOPED_BUF(text, INIT_TEXT_BYTES);
		buf_file(&text, init_rooted(in, file));
		each(in, file, buf_view(&text));
	}
}

static void
show_difference(struct init *in, const char *file, struct span text)
{
	SCOPED_BUF(out, INIT_TEXT_BYTES);
	lay_diff(in->lay.edit, in->lay.nedit, file, text, &out);
	fwrite(buf_view(&out).p, 1, out.n, stdout);
}

/* Prints how the operator's files would change, as a unified diff. */
static void
init_show_differences(struct init *in)
{
	each_edited(in, show_difference);
}

/* ---- writing files ---- */

static void
make_folders(char *path)
{
	for (char *p = strchr(path + 1, '/'); p; p = strchr(p + 1, '/')) {
		*p = 0;
		if (mkdir(path, 0755) != 0 && errno != EEXIST)
			break; /* open() of the file will report the reason */
		*p = '/';
	}
}

static void
cannot_write(struct init *in, const struct buf *why)
{
	in->code = cmd_fail("init", "cannot write: %.*s", SPAN_ARG(buf_view(why)));
}

/* Creates a file, with its folders, as a whole or not at all.
 * Returns the exit code so far. */
static int
init_write_file(struct init *in, const char *path, struct span text)
{
	char *file = arena_strdup(&in->a, init_rooted(in, path));

	make_folders(file);
	SCOPED_BUF(why, 8192);
	if (replace_file(AT_FDCWD, file, 0644, text, &why))
		cannot_write(in, &why);
	return in->code;
}

/* ---- the operator's files ---- */

static bool
holds_text(const char *file, struct span text)
{
	SCOPED_BUF(have, INIT_TEXT_BYTES);
	return buf_file(&have, file) && span_eq(buf_view(&have), text);
}

/* Returns the name of the i-th copy of a file, from 1. */
static const char *
init_kept_name(struct init *in, const char *file, const char *suffix, unsigned i)
{
	return i == 1 ? arena_printf(&in->a, "%s%s", file, suffix).p
		      : arena_printf(&in->a, "%s%s.%u", file, suffix, i).p;
}

/* Returns the name under which this text is kept, or will be kept. A copy with the same
 * text from an earlier run is reused. */
static const char *
kept_name(struct init *in, const char *file, struct span text)
{
	const char *suffix = in->undo ? INIT_WITH : INIT_BEFORE;

	for (unsigned i = 1; i < INIT_KEPT_MAX; i++) {
		const char *kept = init_kept_name(in, file, suffix, i);
		if (!init_exists(in, kept) || holds_text(init_rooted(in, kept), text))
			return kept;
	}
	in->code = cmd_fail("init", "%s%s.*: too many copies exist: move some away", file, suffix);
	return NULL;
}

/* Copies a file with its mode and owner. From the first byte on, only users who may read
 * the original can read the copy. */
static void
keep_file(struct init *in, const char *kept, const char *file, struct span text)
{
	char *name = arena_strdup(&in->a, init_rooted(in, kept));

	SCOPED_BUF(why, 8192);
	SCOPED_FD(fd, replace_begin(AT_FDCWD, name, 0600, &why));
	if (fd < 0 || replace_as(fd, file, &why) || replace_write(fd, name, text, &why) ||
		replace_place(AT_FDCWD, name, fd, &why))
		cannot_write(in, &why);
	if (fd >= 0 && in->code != EXIT_DONE)
		replace_drop(AT_FDCWD, name);
}

/* Keeps a copy of the old version and writes the new one under a temporary name until
 * init_edits_end(). */
static void
init_write_edited(struct init *in, const char *path, struct span text)
{
	char *file = arena_strdup(&in->a, init_rooted(in, path)), behind[PATH_MAX];
	bool there = init_exists(in, path);
	const char *kept = there ? kept_name(in, path, text) : NULL;

	if (in->code != EXIT_DONE)
		return;
	make_folders(file);
	if (realpath(file, behind)) /* a link stays a link: the file that it names is replaced */
		file = arena_strdup(&in->a, behind);
	SCOPED_BUF(out, INIT_TEXT_BYTES);
	init_result(in, path, &out);
	if (in->code == EXIT_DONE && kept && !init_exists(in, kept))
		keep_file(in, kept, file, text);
	if (in->code == EXIT_DONE) {
		SCOPED_BUF(why, 8192);
		int fd = replace_begin(AT_FDCWD, file, 0644, &why);
		if (fd >= 0)
			in->new[in->nnew++] = (struct init_new){ path, file, kept, fd };
		if (fd < 0 || replace_write(fd, file, buf_view(&out), &why))
			cannot_write(in, &why);
	}
}

static void
edits_take_place(struct init *in)
{
	SCOPED_BUF(why, 8192);
	for (size_t i = 0; i < in->nnew && in->code == EXIT_DONE; i++) {
		struct init_new *n = &in->new[i];
		if (replace_place(AT_FDCWD, n->file, n->fd, &why))
			cannot_write(in, &why);
		else
			printf("edited %s%s%s\n", n->path, n->kept ? "; old version: " : "",
				n->kept ? n->kept : "");
	}
}

/* Replaces all edited files at once; after an error, none is replaced. Without --write,
 * prints the differences instead. */
static void
init_edits_end(struct init *in)
{
	if (in->code == EXIT_DONE && in->write)
		edits_take_place(in);
	for (size_t i = 0; i < in->nnew; i++) {
		replace_drop(AT_FDCWD, in->new[i].file);
		close(in->new[i].fd);
	}
	in->nnew = 0;
	if (in->code == EXIT_DONE && !in->write)
		init_show_differences(in);
}

/* ---- the daemon's files ---- */

/* Returns true if this is root on the machine itself, so that owners can be set. */
static bool
sets_owners(const struct init *in)
{
	return geteuid() == 0 && !*in->root;
}

/* Sets the owner of a temporary file and gives it its name. The temporary file may be from
 * a run that was killed. */
static void
give_and_place(struct init *in, const char *path, const char *file)
{
	const struct passwd *user = getpwnam("tollgate");
	const char *aside = arena_printf(&in->a, "%s" REPLACE_SUFFIX, file).p;

	SCOPED_BUF(why, 8192);
	SCOPED_FD(fd, open(aside, O_RDONLY | O_CLOEXEC | O_NOFOLLOW));
	if (fd < 0)
		init_failed(in, path, "cannot write");
	else if (sets_owners(in) && user && fchown(fd, user->pw_uid, user->pw_gid) != 0)
		init_failed(in, path, "cannot change the owner");
	else if (replace_place(AT_FDCWD, file, fd, &why))
		cannot_write(in, &why);
}

/* Creates the pair of keys that signs records. It is owned by the daemon's user from the
 * beginning. The public key is written last. If it is missing, the next run writes it. */
static void
init_make_audit_key(struct init *in, const char *path)
{
	const char *key = init_rooted(in, path), *pub = arena_printf(&in->a, "%s.pub", key).p;
	const char *aside = arena_printf(&in->a, "%s" REPLACE_SUFFIX, key).p;
	const char *aside_pub = arena_printf(&in->a, "%s.pub", aside).p;
	struct pubkey made;

	SCOPED_BUF(why, 8192);
	SCOPED_BUF(text, INIT_TEXT_BYTES);
	if (!init_exists(in, path)) {
		unlink(aside);
		unlink(aside_pub);
		if (signkey_create(aside, &made, &why) != 0)
			in->code = cmd_fail("init", "%.*s", SPAN_ARG(buf_view(&why)));
		else
			give_and_place(in, path, key);
	}
	if (in->code == EXIT_DONE && access(pub, F_OK) != 0 && buf_file(&text, aside_pub)) {
		if (replace_file(AT_FDCWD, pub, 0644, buf_view(&text), &why) != 0)
			cannot_write(in, &why);
		else
			unlink(aside_pub);
	}
}

/* Creates a secret, unless the file exists. */
static void
init_make_state_key(struct init *in, const char *path)
{
	const char *key = init_rooted(in, path);
	const char *aside = arena_printf(&in->a, "%s" REPLACE_SUFFIX, key).p;

	SCOPED_BUF(why, 8192);
	unlink(aside);
	if (keyfile_create(aside, &why) != 0)
		in->code = cmd_fail("init", "%.*s", SPAN_ARG(buf_view(&why)));
	else
		give_and_place(in, path, key);
}

/* Creates /etc/tollgate. Its group is the daemon's group, which may read the files in it. */
static void
init_make_own_folder(struct init *in, const char *path)
{
	const struct group *group = getgrnam("tollgate");
	char *folder = arena_strdup(&in->a, init_rooted(in, path));
	char *aside = arena_printf(&in->a, "%s" REPLACE_SUFFIX, folder).n
			      ? arena_strdup(&in->a,
					arena_printf(&in->a, "%s" REPLACE_SUFFIX, folder).p)
			      : NULL;

	if (!aside)
		return;
	make_folders(aside);
	if ((mkdir(aside, 0755) != 0 && errno != EEXIST) ||
		(group && sets_owners(in) &&
			(chown(aside, 0, group->gr_gid) != 0 || chmod(aside, 02750) != 0)) ||
		rename(aside, folder) != 0 || replace_sync_folder(AT_FDCWD, folder, NULL))
		init_failed(in, path, "cannot make");
}

/* Prints which of these files the daemon's user cannot read. */
static void
init_note_unreadable(struct init *in, const char *const *paths, size_t n)
{
	char fix[CMD_FIX_BYTES];

	if (*in->root)
		return;
	if (!getpwnam("tollgate")) {
		if (in->write && sets_owners(in))
			printf("note: the user tollgate does not exist: run "
			       "systemd-sysusers tollgate.conf, then chown tollgate "
			       "/etc/tollgate/audit.key\n");
		return;
	}
	for (size_t i = 0; i < n; i++)
		if (cmd_user_cannot("tollgate", paths[i], 04, fix, sizeof(fix)))
			printf("note: the daemon's user tollgate cannot read %s: %s\n",
				paths[i], fix);
}

/* ---- trying the result ---- */

enum { PATH_BYTES = 4096 };

/* The temporary folder with the resulting files, and the command that lets HAProxy check
 * them. */
struct stage {
	char dir[64];
	struct buf command;
};

/* Copies the text with the folder of tollgate's files replaced by the stage. */
static void
stage_text(const struct stage *s, struct span text, struct buf *out)
{
	while (text.n) {
		const char *p = memmem(text.p, text.n, OURS, sizeof(OURS) - 1);
		size_t n = p ? (size_t)(p - text.p) : text.n;
		buf_put(out, text.p, n);
		if (p)
			buf_printf(out, "%s/", s->dir);
		text = span_cut(text, n + (p ? sizeof(OURS) - 1 : 0), text.n);
	}
}

static void
put_staged(struct init *in, const struct stage *s, const char *name, struct span text)
{
	char path[PATH_BYTES];

	snprintf(path, sizeof(path), "%s/%s", s->dir, name);
	SCOPED_BUF(out, INIT_TEXT_BYTES);
	stage_text(s, text, &out);
	FILE *f = fopen(path, "we");
	if (!f || fwrite(buf_view(&out).p, 1, out.n, f) != out.n)
		init_failed(in, path, "cannot write");
	if (f && fclose(f) != 0)
		init_failed(in, path, "cannot write");
}

/* Maps a line of the result to the line of the operator's file from which it comes, or
 * below which it was inserted. */
static unsigned
origin_of(const void *arg, const char *file, unsigned line)
{
	const struct lay *l = arg;

	return lay_origin(l->edit, l->nedit, file, line);
}

/* Copies the output of `haproxy -c` with the names and lines of the operator's files in
 * place of "STAGE/N.cfg:LINE". */
static void
unstage_text(const struct init *in, const struct stage *s, struct span text, struct buf *out)
{
	while (text.n) {
		const char *p = memmem(text.p, text.n, s->dir, strlen(s->dir));
		size_t n = p ? (size_t)(p - text.p) : text.n, digits = 0;
		uint64_t which = 0, line = 0;
		buf_put(out, text.p, n);
		text = span_cut(text, n, text.n);
		if (!p)
			return;
		text = span_cut(text, strlen(s->dir) + 1, text.n);
		while (digits < text.n && is_digit(text.p[digits]))
			digits++;
		if (!digits || span_u64(span_cut(text, 0, digits), &which) != 0 ||
			which >= in->nfile) {
			buf_str(out, OURS);
			continue;
		}
		const char *file = in->file[which];
		buf_str(out, file);
		text = span_cut(text, digits + strlen(".cfg"), text.n);
		for (digits = 1; digits < text.n && is_digit(text.p[digits]);)
			digits++;
		if (text.n && *text.p == ':' &&
			span_u64(span_cut(text, 1, digits), &line) == 0) {
			buf_printf(out, ":%u",
				lay_origin(in->lay.edit, in->lay.nedit, file, (unsigned)line));
			text = span_cut(text, digits, text.n);
		}
	}
}

/* Prints what the judges report about the result. tollgate's own files have their new
 * contents. */
static void
judge_result(struct init *in, const struct stage *s)
{
	struct haproxy h;
	struct judged j;
	char path[PATH_BYTES];

	haproxy_init(&h);
	memcpy(h.version, in->h.version, sizeof(h.version));
	for (size_t i = 0; i < in->nfile; i++) {
		SCOPED_BUF(out, INIT_TEXT_BYTES);
		SCOPED_BUF(staged, INIT_TEXT_BYTES);
		init_result(in, in->file[i], &out);
		stage_text(s, buf_view(&out), &staged);
		haproxy_read_text(&h, in->file[i], buf_view(&staged));
	}
	snprintf(path, sizeof(path), "%s/tollgate.cfg", s->dir);
	haproxy_read(&h, path);
	haproxy_resolve(&h);
	for (size_t i = 0; i < in->nfile; i++)
		haproxy_renumber(&h, in->file[i], origin_of, &in->lay);
	judge(&h, NULL, NULL, &j);
	if (j.nerrors)
		init_show_differences(in);
	if (j.nerrors || j.nadvice || in->lay.notes.n)
		printf("\nPlease review the result (tollgate check --haproxy). Line "
		       "numbers are those of your files as they are now:\n%.*s%.*s%.*s",
			SPAN_ARG(buf_view(&j.errors)), SPAN_ARG(buf_view(&j.advice)),
			SPAN_ARG(buf_view(&in->lay.notes)));
	if (j.nerrors) {
		cmd_fail("init",
			"the result has %u error%s, and nothing was written: change your "
			"file as described above and run this again",
			j.nerrors, j.nerrors == 1 ? "" : "s");
		in->code = EXIT_NO;
	}
	judged_free(&j);
	haproxy_free(&h);
}

static void
ask_haproxy(struct init *in, struct stage *s)
{
	char line[1024];

	buf_str(&s->command, " 2>&1");
	buf_putc(&s->command, 0);
	fflush(stdout);
	FILE *f = popen(s->command.p, "re");
	SCOPED_BUF(said, 64 << 10);
	while (f && fgets(line, sizeof(line), f))
		buf_str(&said, line);
	int status = f ? pclose(f) : -1;
	if (status == -1 || (WIFEXITED(status) && WEXITSTATUS(status) == 127)) {
		printf("note: haproxy was not found, so haproxy -c did not check the "
		       "result: give --haproxy-binary\n");
	} else if (status != 0) {
		SCOPED_BUF(shown, 128 << 10);
		unstage_text(in, s, buf_view(&said), &shown);
		init_show_differences(in);
		fflush(stdout);
		cmd_fail("init",
			"haproxy -c refuses the result, and nothing was written. Line "
			"numbers are those of your files as they are now; for a line that "
			"init adds, the line above it:\n%.*s",
			SPAN_ARG(buf_view(&shown)));
		buf_putc(&said, 0);
		if (said.p && (strstr(said.p, "user name 'tollgate'") ||
				      strstr(said.p, "group name 'tollgate'")))
			fprintf(stderr,
				"the user and group tollgate do not exist yet: run "
				"systemd-sysusers tollgate.conf (README, step 1), then run "
				"this again\n");
		in->code = EXIT_NO;
	}
}

/* Lets `haproxy -c` and the judges of `check` examine the
 * resulting files, and prints what they report. */
static void
init_try(struct init *in)
{
	struct stage s = { .dir = "/tmp/tollgate-init.XXXXXX" };
	const char *binary = in->haproxy_binary ? in->haproxy_binary : "haproxy";
	char remove[128];

	if (strchr(binary, '\'')) {
		in->code = cmd_fail("init", "--haproxy-binary %s: the name must not "
					    "contain a quote", binary);
		return;
	}
	if (!mkdtemp(s.dir)) {
		init_failed(in, s.dir, "cannot make");
		return;
	}
	buf_init(&s.command, 64 << 10);
	for (size_t i = 0; i < in->h.nvariable; i++) {
		struct span value = in->h.variable[i], name = span_next(&value, '=');
		setenv(arena_dup(&in->a, name).p, arena_dup(&in->a, value).p, 0);
	}
	buf_printf(&s.command, "'%s' -c", binary);
	static const char *const files[] = { "haproxy/tollgate.cfg", "haproxy/spoe.cfg",
		"haproxy/503.http", "haproxy/origins.lst" };
	for (size_t i = 0; i < COUNT_OF(files); i++)
		put_staged(in, &s, strchr(files[i], '/') + 1, shipped(files[i]));
	for (size_t i = 0; i < in->nfile; i++) {
		SCOPED_BUF(out, INIT_TEXT_BYTES);
		char name[32];
		init_result(in, in->file[i], &out);
		snprintf(name, sizeof(name), "%zu.cfg", i);
		put_staged(in, &s, name, buf_view(&out));
		buf_printf(&s.command, " -f %s/%s", s.dir, name);
	}
	if (!in->undo)
		buf_printf(&s.command, " -f %s/tollgate.cfg", s.dir);
	if (in->code == EXIT_DONE)
		ask_haproxy(in, &s);
	if (in->code == EXIT_DONE && !in->undo)
		judge_result(in, &s);
	snprintf(remove, sizeof(remove), "rm -r %s", s.dir);
	if (system(remove) != 0)
		printf("note: the temporary folder %s could not be removed: delete it\n", s.dir);
	buf_free(&s.command);
}

/* ---- files that are created ---- */

static const struct made {
	const char *path;
	const char *shipped; /* the shipped file that is copied; NULL: make() writes the file */
	void (*make)(const struct lay *l, struct buf *out); /* an empty text: no file */
	bool ours; /* the file belongs to this version, so other contents are reported */
} made[] = {
	{ OURS "tollgate.cfg", "haproxy/tollgate.cfg", NULL, true },
	{ OURS "spoe.cfg", "haproxy/spoe.cfg", NULL, true },
	{ OURS "503.http", "haproxy/503.http", NULL, true },
	{ OURS "origins.lst", "haproxy/origins.lst", NULL, false },
	{ "/etc/tollgate/tollgate.yaml", NULL, lay_config, false },
	{ "/etc/tollgate/default.yaml", NULL, lay_policy, false },
	{ "/etc/systemd/system/tollgate.service.d/chroot.conf", NULL, lay_unit, false },
	{ "/etc/systemd/system/tollgate@.service.d/chroot.conf", NULL, lay_unit, false },
};
static const char audit_key[] = "/etc/tollgate/audit.key";
static const char state_key[] = "/etc/tollgate/state.key";
static const char keys_file[] = "/etc/tollgate/keys.yaml";

static void
say_made(struct init *in, const char *path, const char *what)
{
	printf("%s %s%s\n", in->write ? "made  " : "create", path, what);
	in->missing = true;
	in->missing_ours |= span_starts(span_str(path), SPAN_LIT(OURS));
}

/* Adapts the first line of a shipped file, which names the file's JSON Schema for editors:
 * the line gets the path on this machine, found from the program's folder, or is removed if
 * there is none. */
static void
put_schema(struct init *in, struct buf *text)
{
	static const char *const places[] = { "../share/tollgate/policies", "../policies" };
	const struct span line = SPAN_LIT("# yaml-language-server: $schema=");
	char dir[PATH_MAX] = "", path[2 * PATH_MAX], real[PATH_MAX] = "";
	struct span rest = buf_view(text);

	if (!span_starts(rest, line))
		return;
	struct span name = span_cut(span_next(&rest, '\n'), line.n, SIZE_MAX);
	ssize_t n = readlink("/proc/self/exe", dir, sizeof(dir) - 1);
	while (n > 0 && dir[n - 1] != '/')
		n--;
	for (size_t i = 0; i < COUNT_OF(places) && !real[0]; i++) {
		snprintf(path, sizeof(path), "%.*s%s/%.*s", n > 0 ? (int)n : 0, dir, places[i],
			SPAN_ARG(name));
		if (!realpath(path, real))
			real[0] = '\0';
	}
	rest = arena_dup(&in->a, rest);
	buf_clear(text);
	if (real[0])
		buf_printf(text, "%.*s%s\n", SPAN_ARG(line), real);
	buf_span(text, rest);
}

static void
plan_file(struct init *in, const struct made *m)
{
	SCOPED_BUF(want, INIT_TEXT_BYTES);
	SCOPED_BUF(have, INIT_TEXT_BYTES);
	if (m->shipped)
		buf_span(&want, shipped(m->shipped));
	else
		m->make(&in->lay, &want);
	put_schema(in, &want);
	if (want.n == 0)
		return;
	if (!init_exists(in, m->path)) {
		if (!in->write || init_write_file(in, m->path, buf_view(&want)) == 0)
			say_made(in, m->path, "");
	} else if (!buf_file(&have, init_rooted(in, m->path))) {
		printf("left   %s: it cannot be read\n", m->path);
	} else if (span_eq(buf_view(&have), buf_view(&want))) {
		printf("left   %s: it is already the file of this version\n", m->path);
	} else if (m->ours) {
		printf("left   %s: it differs from the file of this version in "
		       "share/tollgate/haproxy\n",
			m->path);
	} else {
		printf("left   %s: it already exists\n", m->path);
	}
}

static void
plan_audit_key(struct init *in)
{
	const char *pub = arena_printf(&in->a, "%s.pub", audit_key).p;

	if (!init_exists(in, audit_key) && init_exists(in, pub)) {
		in->code = cmd_fail("init",
			"%s exists but %s does not, and the public key still verifies "
			"older records: put the private key back, or move the public key "
			"away",
			pub, audit_key);
		return;
	}
	if (init_exists(in, audit_key))
		printf("left   %s\n", audit_key);
	else
		say_made(in, audit_key, ": signs the records; audit.key.pub verifies them");
	if (in->write)
		init_make_audit_key(in, audit_key);
}

static void
plan_first_key(struct init *in)
{
	const char *names[] = { in->person, getenv("SUDO_USER"), getenv("USER"), "admin" };
	size_t i = 0;

	if (init_exists(in, keys_file)) {
		printf("left   %s\n", keys_file);
		return;
	}
	while (!names[i] || !*names[i])
		i++;
	char *argv[] = { arena_strdup(&in->a, "key"), arena_strdup(&in->a, "new"),
		arena_strdup(&in->a, "--person"), arena_strdup(&in->a, names[i]),
		arena_strdup(&in->a, "--keys"), arena_strdup(&in->a, init_rooted(in, keys_file)),
		NULL };
	say_made(in, keys_file,
		in->write ? ", and the first API key:" : ", and the first API key");
	fflush(stdout);
	if (in->write && cmd_key(6, argv) != EXIT_DONE)
		in->code = EXIT_CANNOT;
}

/* ---- HAProxy's own files ---- */

/* The last line of /etc/default/haproxy that sets EXTRAOPTS. Borrows from the text. */
struct extraopts {
	struct span line, value; /* the value without quotes */
	unsigned at;		 /* line number from 1; 0: there is none */
	unsigned lines;		 /* number of lines of the text */
};

static struct extraopts
extraopts_of(struct span text)
{
	struct extraopts e = { .at = 0 };

	while (text.n) {
		struct span line = span_next(&text, '\n'), l = span_trim(line, " \t\r");
		e.lines++;
		if (!span_starts(l, SPAN_LIT("EXTRAOPTS=")))
			continue;
		e.line = line;
		e.at = e.lines;
		e.value = span_cut(l, 10, l.n);
		if (e.value.n && (*e.value.p == '"' || *e.value.p == '\'')) {
			char quote = *e.value.p;
			e.value = span_cut(e.value, 1, e.value.n);
			e.value = span_cut(e.value, 0, span_chr(e.value, quote));
		}
	}
	return e;
}

/* Adds -f with tollgate.cfg to EXTRAOPTS. The last line that sets EXTRAOPTS is extended,
 * because only this one counts. */
static void
plan_extraopts(struct init *in)
{
	static const char ours[] = OURS "tollgate.cfg";

	SCOPED_BUF(text, INIT_TEXT_BYTES);
	SCOPED_BUF(line, 8192);
	buf_file(&text, init_rooted(in, EXTRAOPTS));
	struct extraopts e = extraopts_of(buf_view(&text));
	if (e.at)
		buf_printf(&line, "EXTRAOPTS=\"%.*s%s-f %s\"\n", SPAN_ARG(e.value),
			e.value.n ? " " : "", ours);
	else
		buf_printf(&line, "EXTRAOPTS=\"" EXTRAOPTS_DEBIAN " -f %s\"\n", ours);
	bool has = false;
	for (struct span rest = e.value; rest.n;)
		has |= span_is(span_next(&rest, ' '), ours);
	if (!has)
		lay_add(&in->lay, (struct lay_edit){ .file = EXTRAOPTS,
					  .after = e.at ? e.at - 1 : e.lines,
					  .drop = e.at != 0,
					  .text = buf_view(&line) });
}

/* ---- the command ---- */

static bool
init_restarts(const struct init *in)
{
	for (size_t i = 0; i < in->lay.nedit; i++)
		if (!strcmp(in->lay.edit[i].file, EXTRAOPTS))
			return true;
	return false;
}

static void
make_missing(struct init *in)
{
	if (in->write && !init_exists(in, "/etc/tollgate"))
		init_make_own_folder(in, "/etc/tollgate");
	for (size_t i = 0; i < COUNT_OF(made); i++)
		if (in->code == EXIT_DONE)
			plan_file(in, &made[i]);
	if (in->code == EXIT_DONE)
		plan_audit_key(in);
	if (in->code == EXIT_DONE && init_exists(in, state_key)) {
		printf("left   %s\n", state_key);
	} else if (in->code == EXIT_DONE) {
		say_made(in, state_key,
			": signs changes at run time; must be the same on every daemon");
		if (in->write)
			init_make_state_key(in, state_key);
	}
	if (in->code == EXIT_DONE)
		plan_first_key(in);
}

/* Replaces the operator's files last and all at once. EXTRAOPTS comes first, because
 * HAProxy does not start with a stanza whose backends it does not know. */
static int
init_run(struct init *in)
{
	static const char *const daemons[] = { "/etc/tollgate/tollgate.yaml",
		"/etc/tollgate/default.yaml", audit_key, state_key, keys_file };

	if (in->write)
		each_edited(in, init_write_edited);
	if (in->code == EXIT_DONE)
		make_missing(in);
	init_edits_end(in);
	if (in->code != EXIT_DONE)
		return in->code;
	SCOPED_BUF(table, INIT_TEXT_BYTES);
	if (!init_exists(in, "/etc/tollgate/default.yaml") || in->missing)
		lay_table(&in->lay, &in->h, &table);
	fwrite(table.n ? buf_view(&table).p : "", 1, table.n, stdout);
	init_note_unreadable(in, daemons, COUNT_OF(daemons));
	if (!in->missing && in->lay.nedit == 0)
		printf("Nothing to do.\n");
	else if (!in->write)
		printf("\nNothing was written. Add --write to write this.\n");
	else
		printf("\nNext:\n"
		       "    tollgate check --haproxy %s\n"
		       "    systemctl enable --now tollgate\n"
		       "%s",
			in->file[0],
			init_restarts(in) ? "    systemctl restart haproxy    # once, for "
					    "the new -f; later a reload is enough\n"
			: in->lay.nedit || in->missing_ours ? "    systemctl reload haproxy\n"
							    : "");
	return in->code;
}

/* Reads NAME=DIALECT. */
static bool
read_backend(struct init *in, const char *text)
{
	struct span dialect = span_str(text), name = span_next(&dialect, '=');

	if (name.n == 0 || !dialect_find(dialect) || in->wish.nbackend == LAY_BACKENDS_MAX) {
		cmd_fail(
			"init", "--backend %s: give NAME=DIALECT, with one of %s", text, dialect_names());
		return false;
	}
	in->wish.backend[in->wish.nbackend++] =
		(struct lay_backend){ .name = arena_dup(&in->a, name).p,
			.dialect = arena_dup(&in->a, dialect).p };
	return true;
}

/* Replaces folders by their files, and adds the files of -f in Debian's EXTRAOPTS, except
 * for those of tollgate. */
static void
list_files(struct init *in)
{
	const char *said[INIT_FILES_MAX];
	size_t n = in->nfile, root = strlen(in->root);

	memcpy(said, in->file, sizeof(said));
	n = haproxy_extraopts(&in->h, &in->a, said, n, INIT_FILES_MAX);
	in->nfile = 0;
	for (size_t i = 0; i < n && in->code == EXIT_DONE; i++) {
		const char **files = &said[i];
		struct stat st;
		bool folder = stat(init_rooted(in, said[i]), &st) == 0 && S_ISDIR(st.st_mode);
		int k = folder ? haproxy_folder(&in->a, init_rooted(in, said[i]), &files) : 1;
		if (k < 0)
			init_failed(in, said[i], "cannot read");
		for (int f = 0; f < k; f++) {
			const char *file = folder ? files[f] + root : said[i];
			if (span_starts(span_str(file), SPAN_LIT(OURS)))
				continue;
			if (in->nfile == INIT_FILES_MAX) {
				in->code =
					cmd_fail("init", "HAProxy has more than %d files, "
							 "which is the limit", INIT_FILES_MAX);
				return;
			}
			in->file[in->nfile++] = file;
		}
	}
}

static int
init_read(struct init *in)
{
	haproxy_ask_version(&in->h, in->haproxy_binary);
	haproxy_environment(&in->h, init_rooted(in, EXTRAOPTS));
	if (in->nfile == 0)
		in->file[in->nfile++] = haproxy_config(&in->h);
	list_files(in);
	for (size_t i = 0; i < in->nfile; i++) {
		SCOPED_BUF(text, INIT_TEXT_BYTES);
		if (!buf_file(&text, init_rooted(in, in->file[i])))
			init_failed(in, in->file[i], "cannot read");
		else if (haproxy_read_text(&in->h, in->file[i], buf_view(&text)) != 0)
			in->code = cmd_fail("init", "%s: too large", in->file[i]);
	}
	haproxy_resolve(&in->h);
	return in->code;
}

/* In an installation of an earlier version, init wrote the folder of the sockets into
 * tollgate.cfg itself. That file stays right. */
static void
forget_sockets_of_file(struct init *in)
{
	struct lay *l = &in->lay;

	if (!l->sockets || !init_exists(in, OURS "tollgate.cfg"))
		return;
	SCOPED_BUF(text, INIT_TEXT_BYTES);
	buf_file(&text, init_rooted(in, OURS "tollgate.cfg"));
	if (span_holds(buf_view(&text), arena_printf(&in->a, "unix@%s/", l->sockets)))
		l->sockets = NULL;
}

/* An existing tollgate.cfg is kept. One of an earlier version may lack the frontend for the
 * relay's second pass, or not read the folder of the sockets, which is an error. */
static bool
tollgate_cfg_fits(struct init *in)
{
	const struct {
		bool needed;
		const char *text, *what;
	} rows[] = {
		{ in->lay.lays_switch, INNER_SWITCH, "lacks the frontend tollgate-inner" },
		{ in->lay.lays_sockets, SOCKETS_VARIABLE, "does not read " SOCKETS_VARIABLE },
	};

	SCOPED_BUF(text, INIT_TEXT_BYTES);
	if (!init_exists(in, OURS "tollgate.cfg") ||
		!buf_file(&text, init_rooted(in, OURS "tollgate.cfg")))
		return true;
	for (size_t i = 0; i < COUNT_OF(rows); i++)
		if (rows[i].needed && !span_holds(buf_view(&text), span_str(rows[i].text))) {
			cmd_fail("init",
				OURS "tollgate.cfg is from an older version and %s: copy "
				     "share/tollgate/haproxy/tollgate.cfg over it and run "
				     "this again",
				rows[i].what);
			return false;
		}
	return true;
}

static int
init_plan(struct init *in)
{
	struct haproxy *h = &in->h;

	in->wish.has_policy = init_exists(in, "/etc/tollgate/default.yaml");
	lay_choose(&in->lay, h, &in->wish, &in->a);
	if (h->notes.n)
		fprintf(stderr, "%.*s", SPAN_ARG(buf_view(&h->notes)));
	if (in->lay.choices.n) {
		fprintf(stderr, "tollgate: init: %s%.*s",
			in->lay.no_frontend ? "" : "several setups are possible; choose one with these options:\n",
			SPAN_ARG(buf_view(&in->lay.choices)));
		return EXIT_CANNOT;
	}
	forget_sockets_of_file(in);
	plan_extraopts(in);
	lay_edits(&in->lay, h);
	if (arena_failed(&in->a))
		return cmd_fail("init", "out of memory");
	if (!tollgate_cfg_fits(in))
		return EXIT_CANNOT;
	init_try(in);
	return in->code == EXIT_DONE ? init_run(in) : in->code;
}

/* ---- init --undo ---- */

/* init --undo removes everything that init inserted into HAProxy's files and into
 * EXTRAOPTS. Marks in the files, and the copies that init kept, show the earlier contents. */

/* Returns true if the text has no change of init. */
static bool
is_from_before(struct span text)
{
	static const char *const traces[] = { "engine tollgate", "tollgate-inner",
		OURS "tollgate.cfg", "(txn.tollgate.decision)" };

	for (size_t i = 0; i < COUNT_OF(traces); i++)
		if (text.n && memmem(text.p, text.n, traces[i], strlen(traces[i])))
			return false;
	return true;
}

/* Reads the newest copy that init made of a file. Returns false if there is none. */
static bool
text_before(struct init *in, const char *file, struct buf *out)
{
	for (unsigned i = INIT_KEPT_MAX; i-- > 1;) {
		const char *kept = init_kept_name(in, file, INIT_BEFORE, i);
		buf_clear(out);
		if (init_exists(in, kept) && buf_file(out, init_rooted(in, kept)) &&
			is_from_before(buf_view(out)))
			return true;
	}
	return false;
}

/* Writes the value without each -f that names a file under OURS. Returns true if there was
 * one. */
static bool
without_ours(struct span value, struct buf *out)
{
	bool any = false;

	while (value.n) {
		struct span word = span_next(&value, ' '), next = value;
		struct span file = span_next(&next, ' ');
		if (span_is(word, "-f") && span_starts(file, SPAN_LIT(OURS))) {
			any = true;
			value = next;
		} else if (word.n) {
			buf_printf(out, "%s%.*s", out->n ? " " : "", SPAN_ARG(word));
		}
	}
	return any;
}

static void
undo_extraopts(struct init *in)
{
	struct extraopts now, was = { .at = 0 };

	SCOPED_BUF(text, INIT_TEXT_BYTES);
	SCOPED_BUF(before, INIT_TEXT_BYTES);
	SCOPED_BUF(value, 8192);
	SCOPED_BUF(line, 8192);
	buf_file(&text, init_rooted(in, EXTRAOPTS));
	now = extraopts_of(buf_view(&text));
	if (!now.at || !without_ours(now.value, &value))
		return;
	bool kept = text_before(in, EXTRAOPTS, &before);
	if (kept)
		was = extraopts_of(buf_view(&before));
	if (was.at && span_eq(was.value, buf_view(&value)))
		buf_printf(&line, "%.*s\n", SPAN_ARG(was.line));
	else if (was.at || !kept || !span_is(buf_view(&value), EXTRAOPTS_DEBIAN))
		buf_printf(&line, "EXTRAOPTS=\"%.*s\"\n", SPAN_ARG(buf_view(&value)));
	lay_add(&in->lay, (struct lay_edit){ .file = EXTRAOPTS,
				  .after = now.at - 1,
				  .drop = true,
				  .text = buf_view(&line) });
}

static int
undo_plan(struct init *in, struct haproxy *before)
{
	const struct lay_undo asked = {
		.h = &in->h, .before = before, .keep_guards = in->keep_guards
	};

	for (size_t i = 0; i < in->nfile; i++) {
		SCOPED_BUF(text, INIT_TEXT_BYTES);
		buf_file(&text, init_rooted(in, in->file[i]));
		lay_undo(&in->lay, &asked, in->file[i], buf_view(&text));
	}
	undo_extraopts(in);
	if (arena_failed(&in->a))
		return cmd_fail("init", "out of memory");
	if (in->lay.choices.n) {
		fprintf(stderr, "%.*s", SPAN_ARG(buf_view(&in->lay.choices)));
		cmd_fail("init", "nothing was written: correct these lines and run this again");
		return EXIT_NO;
	}
	return EXIT_DONE;
}

/* HAProxy's files are replaced first: HAProxy does not start with a stanza whose backends
 * it does not know, but it starts with the backends alone. */
static int
init_undo(struct init *in)
{
	struct haproxy before;

	in->lay = (struct lay){ .arena = &in->a };
	buf_init(&in->lay.choices, 1 << 20);
	buf_init(&in->lay.notes, 1 << 20);
	haproxy_init(&before);
	for (size_t i = 0; i < in->nfile; i++) {
		SCOPED_BUF(text, INIT_TEXT_BYTES);
		if (text_before(in, in->file[i], &text))
			haproxy_read_text(&before, in->file[i], buf_view(&text));
	}
	haproxy_resolve(&before);
	in->code = undo_plan(in, &before);
	haproxy_free(&before);
	if (in->code == EXIT_DONE && in->lay.nedit)
		init_try(in);
	if (in->code == EXIT_DONE && in->write)
		each_edited(in, init_write_edited);
	init_edits_end(in);
	if (in->code != EXIT_DONE)
		return in->code;
	printf("%s%.*s", in->lay.notes.n ? "\n" : "", SPAN_ARG(buf_view(&in->lay.notes)));
	if (!in->lay.nedit)
		printf("Nothing to undo: HAProxy's files have no line of tollgate init.\n");
	else if (!in->write)
		printf("\nNothing was written. Add --write to write this.\n");
	else
		printf("\nNext: systemctl %s haproxy && systemctl disable --now tollgate%s\n",
			init_restarts(in) ? "restart" : "reload",
			init_restarts(in) ? "    # HAProxy needs one restart, because its "
					    "-f was removed" : "");
	return in->code;
}

/* ---- the command line ---- */

/* init --probe: probes the installed stanza as `check --probe` does. The other options of
 * init are not needed, since their effect is in the files. */
static int
probe_laid(struct init *in)
{
	char *argv[2 * INIT_FILES_MAX + 8];
	int n = 0;

	arena_init(&in->a, 0, false);
	haproxy_init(&in->h);
	haproxy_environment(&in->h, init_rooted(in, EXTRAOPTS));
	if (in->nfile == 0)
		in->file[in->nfile++] = haproxy_config(&in->h);
	argv[n++] = arena_strdup(&in->a, "check");
	argv[n++] = arena_strdup(&in->a, "--probe");
	argv[n++] = arena_strdup(&in->a, "-c");
	argv[n++] = arena_strdup(&in->a, init_rooted(in, "/etc/tollgate/tollgate.yaml"));
	for (size_t i = 0; i < in->nfile; i++) {
		argv[n++] = arena_strdup(&in->a, "--haproxy");
		argv[n++] = arena_strdup(&in->a, init_rooted(in, in->file[i]));
	}
	argv[n] = NULL;
	int code = cmd_check(n, argv);
	haproxy_free(&in->h);
	arena_reset(&in->a);
	return code;
}

int
cmd_init(int argc, char **argv)
{
	struct init in = { .root = "" };
	const char *backends[LAY_BACKENDS_MAX];
	size_t nbackends = 0;
	bool probes = false;
	const struct cmd_option options[] = {
		{ "haproxy", .text = in.file, .count = &in.nfile, .most = INIT_FILES_MAX },
		{ "frontend", .text = in.wish.frontend, .count = &in.wish.nfrontend,
			.most = LAY_FRONTENDS_MAX },
		{ "host", .text = in.wish.host, .count = &in.wish.nhost,
			.most = LAY_HOSTS_MAX },
		{ "close-others", .flag = &in.wish.close_others },
		{ "policy-routes", .flag = &in.wish.policy_routes },
		{ "backend", .text = backends, .count = &nbackends, .most = LAY_BACKENDS_MAX },
		{ "person", .text = &in.person },
		{ "root", .text = &in.root },
		{ "haproxy-binary", .text = &in.haproxy_binary },
		{ "write", .flag = &in.write },
		{ "undo", .flag = &in.undo },
		{ "keep-guards", .flag = &in.keep_guards },
		{ "probe", .flag = &probes },
		{ .name = NULL },
	};
	char **operands;

	if (cmd_options(argv[0], argc, argv, options, &operands) != 0)
		return cmd_usage(argv[0]);
	if (probes)
		return in.write || in.undo ? cmd_usage(argv[0]) : probe_laid(&in);
	umask(022); /* the modes of new files below must be exact */
	arena_init(&in.a, 0, false);
	haproxy_init(&in.h);
	bool said = true;
	for (size_t i = 0; i < nbackends && said; i++)
		said = read_backend(&in, backends[i]);
	int code = !said ? EXIT_CANNOT
		   : init_read(&in) != EXIT_DONE ? in.code
		   : in.undo ? init_undo(&in)
			     : init_plan(&in);
	if (said && in.lay.arena)
		lay_free(&in.lay);
	haproxy_free(&in.h);
	arena_reset(&in.a);
	return code;
}
