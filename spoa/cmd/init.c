/* tollgate init: what a machine with HAProxy lacks, and the stanza laid into its file. Without
 * --write it prints that and writes nothing. What exists is left; a file of the person that is
 * changed keeps its old self beside it. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/err.h"
#include "cmd/cmd.h"
#include "edge/judge.h"
#include "edge/lay.h"
#include "edge/shipped.h"
#include "store/signkey.h"

enum { FILES_MAX = 32, PATH_BYTES = 4096, TEXT_BYTES = 16 << 20 };

#define OURS	  "/etc/haproxy/tollgate/"
#define EXTRAOPTS "/etc/default/haproxy"
#define KEEP	  ".before-tollgate"

struct init {
	struct arena a;
	struct haproxy h;
	struct lay lay;
	struct lay_wish wish;
	const char *root, *person, *haproxy_binary;
	const char *file[FILES_MAX];
	size_t nfile;
	bool write;
	bool missing; /* something is to be made */
	int code;
};

/* ---- what is made ---- */

static void
make_tollgate_cfg(const struct lay *l, struct buf *out)
{
	(void)l;
	buf_span(out, shipped("haproxy/tollgate.cfg"));
}

static void
make_spoe_cfg(const struct lay *l, struct buf *out)
{
	(void)l;
	buf_span(out, shipped("haproxy/spoe.cfg"));
}

static void
make_503(const struct lay *l, struct buf *out)
{
	(void)l;
	buf_span(out, shipped("haproxy/503.http"));
}

static void
make_origins(const struct lay *l, struct buf *out)
{
	(void)l;
	buf_span(out, shipped("haproxy/origins.lst"));
}

static const struct made {
	const char *path;
	void (*make)(const struct lay *l, struct buf *out);
	bool ours; /* of this version: another content is worth a word */
} made[] = {
	{ OURS "tollgate.cfg", make_tollgate_cfg, true },
	{ OURS "spoe.cfg", make_spoe_cfg, true },
	{ OURS "503.http", make_503, true },
	{ OURS "origins.lst", make_origins, false },
	{ "/etc/tollgate/tollgate.yaml", lay_config, false },
	{ "/etc/tollgate/default.yaml", lay_policy, false },
};
static const char audit_key[] = "/etc/tollgate/audit.key";
static const char keys_file[] = "/etc/tollgate/keys.yaml";

/* Under --root; the arena's. */
static const char *
rooted(struct init *in, const char *path)
{
	return arena_printf(&in->a, "%s%s", in->root, path).p;
}

static bool
exists(struct init *in, const char *path)
{
	return access(rooted(in, path), F_OK) == 0;
}

static int
failed(struct init *in, const char *path, const char *what)
{
	cmd_fail("init", "%s: %s: %s", path, what, strerror(errno));
	return in->code = EXIT_CANNOT;
}

static void
make_folders(char *path)
{
	for (char *p = strchr(path + 1, '/'); p; p = strchr(p + 1, '/')) {
		*p = 0;
		if (mkdir(path, 0755) != 0 && errno != EEXIST)
			break; /* the file's own open() says why */
		*p = '/';
	}
}

/* Written aside, synced, renamed; mode and owner of the file it replaces. */
static int
write_file(struct init *in, const char *path, struct span text)
{
	char *file = arena_strdup(&in->a, rooted(in, path)), tmp[PATH_MAX + 8],
	     behind[PATH_MAX];
	struct stat st;
	bool replaces = stat(file, &st) == 0;

	if (realpath(file, behind)) /* a link stays one: what it names is replaced */
		file = behind;

	make_folders(file);
	snprintf(tmp, sizeof(tmp), "%s.new", file);
	int fd = open(tmp, O_CREAT | O_WRONLY | O_TRUNC | O_CLOEXEC, 0644);
	bool ok = fd >= 0 && write(fd, text.p, text.n) == (ssize_t)text.n &&
		  (!replaces || (fchmod(fd, st.st_mode & 07777) == 0 &&
					fchown(fd, st.st_uid, st.st_gid) == 0)) &&
		  fsync(fd) == 0 && rename(tmp, file) == 0;
	int why = errno;
	if (fd >= 0)
		close(fd);
	if (!ok)
		unlink(tmp);
	errno = why;
	return ok ? 0 : failed(in, path, "cannot write");
}

static void
say_made(struct init *in, const char *path, const char *what)
{
	printf("%s %s%s\n", in->write ? "made  " : "create", path, what);
	in->missing = true;
}

static void
plan_file(struct init *in, const struct made *m)
{
	struct buf want, have;

	buf_init(&want, TEXT_BYTES);
	buf_init(&have, TEXT_BYTES);
	m->make(&in->lay, &want);
	if (!exists(in, m->path)) {
		if (!in->write || write_file(in, m->path, buf_view(&want)) == 0)
			say_made(in, m->path, "");
	} else if (m->ours && buf_file(&have, rooted(in, m->path)) &&
		   !span_eq(buf_view(&have), buf_view(&want))) {
		printf("left   %s: it differs from this version's; share/tollgate/haproxy has "
		       "that\n",
			m->path);
	} else {
		printf("left   %s\n", m->path);
	}
	buf_free(&want);
	buf_free(&have);
}

/* The daemon alone reads the key: its owner is the daemon's user. */
static void
own_by_daemon(struct init *in, const char *path)
{
	const struct passwd *user = getpwnam("tollgate");

	if (geteuid() != 0 || *in->root)
		return;
	if (!user)
		printf("note: no user tollgate: systemd-sysusers tollgate.conf, then chown "
		       "tollgate "
		       "%s\n",
			path);
	else if (chown(path, user->pw_uid, user->pw_gid) != 0)
		failed(in, path, "cannot change its owner");
}

static void
plan_audit_key(struct init *in)
{
	struct pubkey pub;
	struct buf why;

	if (exists(in, audit_key)) {
		printf("left   %s\n", audit_key);
		return;
	}
	buf_init(&why, 8192);
	if (in->write && signkey_create(rooted(in, audit_key), &pub, &why) != 0) {
		cmd_fail("init", "%.*s", SPAN_ARG(buf_view(&why)));
		in->code = EXIT_CANNOT;
	} else {
		say_made(in, audit_key, ": signs the records; audit.key.pub verifies them");
		if (in->write)
			own_by_daemon(in, rooted(in, audit_key));
	}
	buf_free(&why);
}

static const char *
first_person(const struct init *in)
{
	const char *names[] = { in->person, getenv("SUDO_USER"), getenv("USER") };

	for (size_t i = 0; i < COUNT_OF(names); i++)
		if (names[i] && *names[i])
			return names[i];
	return "admin";
}

static void
plan_first_key(struct init *in)
{
	const char *person = first_person(in);
	char *argv[] = { arena_strdup(&in->a, "key"), arena_strdup(&in->a, "new"),
		arena_strdup(&in->a, "--person"), arena_strdup(&in->a, person),
		arena_strdup(&in->a, "--keys"), arena_strdup(&in->a, rooted(in, keys_file)),
		NULL };

	if (exists(in, keys_file)) {
		printf("left   %s\n", keys_file);
		return;
	}
	say_made(in, keys_file,
		in->write ? ", and the first API key:" : ", and the first API key");
	fflush(stdout);
	if (in->write && cmd_key(6, argv) != EXIT_DONE)
		in->code = EXIT_CANNOT;
}

/* ---- HAProxy's own files ---- */

/* -f of tollgate.cfg in EXTRAOPTS. The line that is there is made longer. */
static void
plan_extraopts(struct init *in)
{
	static const char add[] = "-f " OURS "tollgate.cfg";
	struct lay *l = &in->lay;
	struct buf text, line;
	unsigned n = 0;
	bool found = false;

	buf_init(&text, TEXT_BYTES);
	buf_init(&line, 8192);
	buf_file(&text, rooted(in, EXTRAOPTS));
	for (struct span rest = buf_view(&text); rest.n && !found;) {
		struct span l1 = span_trim(span_next(&rest, '\n'), " \t\r");
		n++;
		if (!span_starts(l1, SPAN_LIT("EXTRAOPTS=")))
			continue;
		found = true;
		if (memmem(l1.p, l1.n, add, sizeof(add) - 1))
			goto out;
		struct span value = span_trim(span_cut(l1, 10, l1.n), "\"'");
		buf_printf(&line, "EXTRAOPTS=\"%.*s %s\"\n", SPAN_ARG(value), add);
		n--;
	}
	if (!found)
		buf_printf(&line, "EXTRAOPTS=\"-S /run/haproxy-master.sock %s\"\n", add);
	lay_add(l, (struct lay_edit){ .file = EXTRAOPTS,
			   .after = n,
			   .drop = found,
			   .text = buf_view(&line) });
out:
	buf_free(&text);
	buf_free(&line);
}

static void
each_edited(struct init *in, void (*each)(struct init *in, const char *file, struct span text))
{
	struct lay *l = &in->lay;

	for (size_t i = 0; i < l->nedit && in->code == EXIT_DONE; i++) {
		const char *file = l->edit[i].file;
		struct buf text;
		size_t k = 0;
		while (strcmp(l->edit[k].file, file) != 0)
			k++;
		if (k < i)
			continue; /* it had its turn */
		buf_init(&text, TEXT_BYTES);
		buf_file(&text, rooted(in, file));
		each(in, file, buf_view(&text));
		buf_free(&text);
	}
}

static void
show_difference(struct init *in, const char *file, struct span text)
{
	struct buf out;

	buf_init(&out, TEXT_BYTES);
	lay_diff(in->lay.edit, in->lay.nedit, file, text, &out);
	fwrite(buf_view(&out).p, 1, out.n, stdout);
	buf_free(&out);
}

static void
write_edited(struct init *in, const char *file, struct span text)
{
	const char *kept = arena_printf(&in->a, "%s" KEEP, file).p;
	struct buf out;

	buf_init(&out, TEXT_BYTES);
	lay_apply(in->lay.edit, in->lay.nedit, file, text, &out);
	bool keep = exists(in, file) && !exists(in, kept);
	if ((!keep || write_file(in, kept, text) == 0) &&
		write_file(in, file, buf_view(&out)) == 0)
		printf("edited %s%s%s\n", file, keep ? "; as it was: " : "", keep ? kept : "");
	buf_free(&out);
}

/* ---- haproxy -c, before anything is written ---- */

struct stage {
	char dir[64];
	struct buf command;
};

/* Text with the folder of tollgate's files replaced by the stage. */
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
	struct buf out;

	snprintf(path, sizeof(path), "%s/%s", s->dir, name);
	buf_init(&out, TEXT_BYTES);
	stage_text(s, text, &out);
	FILE *f = fopen(path, "we");
	if (!f || fwrite(buf_view(&out).p, 1, out.n, f) != out.n)
		failed(in, path, "cannot write");
	if (f && fclose(f) != 0)
		failed(in, path, "cannot write");
	buf_free(&out);
}

/* A file of the person as it will be. */
static void
result_of(struct init *in, size_t i, struct buf *out)
{
	struct buf text;

	buf_init(&text, TEXT_BYTES);
	buf_init(out, TEXT_BYTES);
	buf_file(&text, rooted(in, in->file[i]));
	lay_apply(in->lay.edit, in->lay.nedit, in->file[i], buf_view(&text), out);
	buf_free(&text);
}

static void
stage_file(struct init *in, struct stage *s, size_t i)
{
	struct buf out;
	char name[32];

	result_of(in, i, &out);
	snprintf(name, sizeof(name), "%zu.cfg", i);
	put_staged(in, s, name, buf_view(&out));
	buf_printf(&s->command, " -f %s/%s", s->dir, name);
	buf_free(&out);
}

/* The judges' word on the result, with tollgate's own files as they will be. */
static void
judge_result(struct init *in, const struct stage *s)
{
	struct haproxy h;
	struct judged j;
	char path[PATH_BYTES];

	haproxy_init(&h);
	memcpy(h.version, in->h.version, sizeof(h.version));
	for (size_t i = 0; i < in->nfile; i++) {
		struct buf out, staged;
		result_of(in, i, &out);
		buf_init(&staged, TEXT_BYTES);
		stage_text(s, buf_view(&out), &staged);
		haproxy_read_text(&h, in->file[i], buf_view(&staged));
		buf_free(&staged);
		buf_free(&out);
	}
	snprintf(path, sizeof(path), "%s/tollgate.cfg", s->dir);
	haproxy_read(&h, path);
	haproxy_resolve(&h);
	judge(&h, NULL, &j);
	if (j.nerrors || j.nadvice || in->lay.notes.n)
		printf("\nWhat is left to look at in the result (tollgate check --haproxy):\n"
		       "%.*s%.*s%.*s",
			SPAN_ARG(buf_view(&j.errors)), SPAN_ARG(buf_view(&j.advice)),
			SPAN_ARG(buf_view(&in->lay.notes)));
	if (j.nerrors)
		in->code = EXIT_NO;
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
	struct buf said;
	buf_init(&said, 64 << 10);
	while (f && fgets(line, sizeof(line), f))
		buf_str(&said, line);
	int status = f ? pclose(f) : -1;
	if (status == -1 || (WIFEXITED(status) && WEXITSTATUS(status) == 127)) {
		printf("note: haproxy was not found: the result was not tried with haproxy "
		       "-c\n");
	} else if (status != 0) {
		cmd_fail("init", "haproxy -c refuses the result, nothing was written:\n%.*s",
			SPAN_ARG(buf_view(&said)));
		in->code = EXIT_NO;
	}
	buf_free(&said);
}

static void
try_result(struct init *in)
{
	struct stage s = { .dir = "/tmp/tollgate-init.XXXXXX" };
	char remove[128];

	if (!mkdtemp(s.dir)) {
		failed(in, s.dir, "cannot make");
		return;
	}
	buf_init(&s.command, 64 << 10);
	for (size_t i = 0; i < in->h.nvariable; i++) {
		struct span value = in->h.variable[i], name = span_next(&value, '=');
		setenv(arena_dup(&in->a, name).p, arena_dup(&in->a, value).p, 0);
	}
	buf_printf(&s.command, "'%s' -c", in->haproxy_binary ? in->haproxy_binary : "haproxy");
	put_staged(in, &s, "tollgate.cfg", shipped("haproxy/tollgate.cfg"));
	put_staged(in, &s, "spoe.cfg", shipped("haproxy/spoe.cfg"));
	put_staged(in, &s, "503.http", shipped("haproxy/503.http"));
	put_staged(in, &s, "origins.lst", shipped("haproxy/origins.lst"));
	for (size_t i = 0; i < in->nfile; i++)
		stage_file(in, &s, i);
	buf_printf(&s.command, " -f %s/tollgate.cfg", s.dir);
	if (in->code == EXIT_DONE)
		ask_haproxy(in, &s);
	if (in->code == EXIT_DONE)
		judge_result(in, &s);
	snprintf(remove, sizeof(remove), "rm -r %s", s.dir);
	if (system(remove) != 0)
		printf("note: %s is left\n", s.dir);
	buf_free(&s.command);
}

/* ---- the command ---- */

/* The daemon's group reads what is in it, files that are made later too. */
static void
plan_folder(struct init *in)
{
	static const char folder[] = "/etc/tollgate";
	char *path = arena_strdup(&in->a, arena_printf(&in->a, "%s/", rooted(in, folder)).p);
	const struct group *group = getgrnam("tollgate");

	if (!in->write || exists(in, folder))
		return;
	make_folders(path);
	if (group && geteuid() == 0 && !*in->root &&
		(chown(folder, 0, group->gr_gid) != 0 || chmod(folder, 02750) != 0))
		failed(in, folder, "cannot change its group");
}

static int
init_run(struct init *in)
{
	plan_folder(in);
	for (size_t i = 0; i < COUNT_OF(made); i++)
		if (in->code == EXIT_DONE)
			plan_file(in, &made[i]);
	if (in->code == EXIT_DONE)
		plan_audit_key(in);
	if (in->code == EXIT_DONE)
		plan_first_key(in);
	if (in->code == EXIT_DONE)
		each_edited(in, in->write ? write_edited : show_difference);
	if (in->code != EXIT_DONE)
		return in->code;
	if (!in->missing && in->lay.nedit == 0)
		printf("Nothing to do.\n");
	else if (!in->write)
		printf("\nNothing was written. With --write it is.\n");
	else
		printf("\nNext: systemctl restart tollgate haproxy    # HAProxy's new -f needs "
		       "a "
		       "restart, once\n");
	return in->code;
}

/* Reads NAME=DIALECT. */
static bool
read_backend(struct init *in, const char *text)
{
	static const char *const dialects[] = { "openai", "anthropic", "rest" };
	struct span dialect = span_str(text), name = span_next(&dialect, '=');

	if (name.n == 0 || !SPAN_IN(dialect, dialects) ||
		in->wish.nbackend == LAY_BACKENDS_MAX) {
		cmd_fail(
			"init", "--backend %s: NAME=openai, NAME=anthropic or NAME=rest", text);
		return false;
	}
	in->wish.backend[in->wish.nbackend++] =
		(struct lay_backend){ .name = arena_dup(&in->a, name).p,
			.dialect = arena_dup(&in->a, dialect).p };
	return true;
}

static int
init_read(struct init *in)
{
	haproxy_ask_version(&in->h, in->haproxy_binary);
	haproxy_environment(&in->h, rooted(in, EXTRAOPTS));
	for (size_t i = 0; i < in->nfile; i++) {
		struct buf text;
		buf_init(&text, TEXT_BYTES);
		if (!buf_file(&text, rooted(in, in->file[i])))
			failed(in, in->file[i], "cannot read");
		else if (haproxy_read_text(&in->h, in->file[i], buf_view(&text)) != 0)
			in->code = cmd_fail("init", "%s: too large", in->file[i]);
		buf_free(&text);
	}
	haproxy_resolve(&in->h);
	return in->code;
}

static int
init_plan(struct init *in)
{
	struct haproxy *h = &in->h;

	lay_choose(&in->lay, h, &in->wish, &in->a);
	if (h->notes.n)
		fprintf(stderr, "%.*s", SPAN_ARG(buf_view(&h->notes)));
	if (in->lay.choices.n) {
		fprintf(stderr, "tollgate: init: say which:\n%.*s",
			SPAN_ARG(buf_view(&in->lay.choices)));
		return EXIT_CANNOT;
	}
	lay_edits(&in->lay, h);
	plan_extraopts(in);
	if (arena_failed(&in->a))
		return cmd_fail("init", "out of memory");
	try_result(in);
	return in->code == EXIT_DONE ? init_run(in) : in->code;
}

int
cmd_init(int argc, char **argv)
{
	struct init in = { .root = "" };
	const char *backends[LAY_BACKENDS_MAX];
	size_t nbackends = 0;
	const struct cmd_option options[] = {
		{ "haproxy", .text = in.file, .count = &in.nfile, .most = FILES_MAX },
		{ "frontend", .text = &in.wish.frontend },
		{ "host", .text = &in.wish.host },
		{ "backend", .text = backends, .count = &nbackends, .most = LAY_BACKENDS_MAX },
		{ "person", .text = &in.person },
		{ "root", .text = &in.root },
		{ "haproxy-binary", .text = &in.haproxy_binary },
		{ "write", .flag = &in.write },
		{ .name = NULL },
	};
	char **operands;

	if (cmd_options(argc, argv, options, &operands) != 0)
		return cmd_usage(argv[0]);
	if (in.nfile == 0)
		in.file[in.nfile++] = "/etc/haproxy/haproxy.cfg";
	arena_init(&in.a, 0, false);
	haproxy_init(&in.h);
	bool said = true;
	for (size_t i = 0; i < nbackends && said; i++)
		said = read_backend(&in, backends[i]);
	int code = !said ? EXIT_CANNOT : init_read(&in) != EXIT_DONE ? in.code : init_plan(&in);
	if (said && in.lay.arena)
		lay_free(&in.lay);
	haproxy_free(&in.h);
	arena_reset(&in.a);
	return code;
}
