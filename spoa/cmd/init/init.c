/* tollgate init: adds tollgate to an existing HAProxy configuration.
 *
 * The command creates the files that the machine lacks and inserts the stanza into
 * HAProxy's files. Without --write, it only prints what it would do. Existing files of
 * tollgate are kept. A changed file of the operator is first copied. If a run was killed,
 * the next run completes it. --undo removes the stanza and the options again. */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cmd/init/init.h"
#include "operator/edge/shipped.h"
#include "scan/dialect/dialect.h"

/* ---- files that are created ---- */

static const struct made {
	const char *path;
	const char *shipped; /* the shipped file that is copied; NULL: make() writes the file */
	void (*make)(const struct lay *l, struct buf *out);
	bool ours; /* the file belongs to this version, so other contents are reported */
} made[] = {
	{ OURS "tollgate.cfg", NULL, lay_backends, true },
	{ OURS "spoe.cfg", "haproxy/spoe.cfg", NULL, true },
	{ OURS "503.http", "haproxy/503.http", NULL, true },
	{ OURS "origins.lst", "haproxy/origins.lst", NULL, false },
	{ "/etc/tollgate/tollgate.yaml", NULL, lay_config, false },
	{ "/etc/tollgate/default.yaml", NULL, lay_policy, false },
};
static const char audit_key[] = "/etc/tollgate/audit.key";
static const char state_key[] = "/etc/tollgate/state.key";
static const char keys_file[] = "/etc/tollgate/keys.yaml";

const char *
init_rooted(struct init *in, const char *path)
{
	return arena_printf(&in->a, "%s%s", in->root, path).p;
}

bool
init_exists(struct init *in, const char *path)
{
	return access(init_rooted(in, path), F_OK) == 0;
}

int
init_failed(struct init *in, const char *path, const char *what)
{
	cmd_fail("init", "%s: %s: %s", path, what, strerror(errno));
	return in->code = EXIT_CANNOT;
}

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

void
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

void
init_show_differences(struct init *in)
{
	each_edited(in, show_difference);
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

/* An existing tollgate.cfg is kept. One of an earlier version lacks the frontend for the
 * relay's second pass, which is an error. */
static bool
has_inner(struct init *in)
{
	SCOPED_BUF(text, INIT_TEXT_BYTES);
	if (!init_exists(in, OURS "tollgate.cfg") ||
		!buf_file(&text, init_rooted(in, OURS "tollgate.cfg")) ||
		memmem(buf_view(&text).p, text.n, INNER_SWITCH, strlen(INNER_SWITCH)))
		return true;
	cmd_fail("init",
		OURS "tollgate.cfg is from an older version and lacks the frontend "
		     "tollgate-inner: copy share/tollgate/haproxy/tollgate.cfg over it and "
		     "run this again");
	return false;
}

static int
init_plan(struct init *in)
{
	struct haproxy *h = &in->h;

	lay_choose(&in->lay, h, &in->wish, &in->a);
	if (h->notes.n)
		fprintf(stderr, "%.*s", SPAN_ARG(buf_view(&h->notes)));
	if (in->lay.choices.n) {
		fprintf(stderr, "tollgate: init: %s%.*s",
			in->lay.no_frontend ? "" : "say which:\n",
			SPAN_ARG(buf_view(&in->lay.choices)));
		return EXIT_CANNOT;
	}
	plan_extraopts(in);
	lay_edits(&in->lay, h);
	if (arena_failed(&in->a))
		return cmd_fail("init", "out of memory");
	if (in->lay.lays_switch && !has_inner(in))
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
	umask(022); /* the modes below are exact */
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
