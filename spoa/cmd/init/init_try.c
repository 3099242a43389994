/* Tries the result of `tollgate init` before anything is written. `haproxy -c` checks the
 * new files in a temporary folder, the stage. The judges of `tollgate check` then report
 * what the operator should look at. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/ascii.h"
#include "cmd/init/init.h"
#include "operator/edge/judge.h"
#include "operator/edge/shipped.h"

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

void
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
