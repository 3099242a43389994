/* Helpers that the subcommands share: parsing options, reading whole inputs, parsing times
 * and durations, and reporting errors. cmd.h has their contracts. */
#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/err.h"
#include "cmd/cmd.h"
#include "policy/config/config.h"
#include "policy/config/read.h"

#define TTL_MAX_US (36500ull * 86400 * SECOND_US)

int
cmd_fail(const char *what, const char *fmt, ...)
{
	va_list ap;

	fprintf(stderr, "tollgate: %s: ", what);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
	return EXIT_CANNOT;
}

int
cmd_failed(const char *what, int err, const struct buf *why)
{
	return err ? cmd_fail(what, "%.*s",
			     SPAN_ARG(why->n ? buf_view(why) : span_str(err_str(err))))
		   : 0;
}

const struct config *
cmd_config(struct arena *a, const char *named)
{
	const char *file = config_find(named);

	SCOPED_DIAG(d);
	return file ? config_load(a, file, &d) : NULL;
}

int
cmd_no_config(const char *what, const char *named, const char * or)
{
	const char *const places[] = { named ? named : "tollgate.yaml", config_installed };

	for (size_t i = 0; i < (named ? 1 : COUNT_OF(places)); i++)
		if (access(places[i], R_OK) < 0 && (named || errno != ENOENT))
			return cmd_fail(what, "%s: %s%s", places[i], strerror(errno),
				errno == EACCES
					? ": run this as root or as the daemon's user "
					  "(sudo -u tollgate tollgate ...)"
					: "");
	return cmd_fail(
		what, "no tollgate.yaml here or under /etc/tollgate/; name one with -c%s", or);
}

/* Returns the row of an argument that begins with '-', or NULL if there is none. *value
 * gets the value that the same argument contains, or NULL. */
static const struct cmd_option *
option_row(const struct cmd_option *o, char *arg, char **value)
{
	bool letter = arg[1] != '-';
	char *name = arg + (letter ? 1 : 2);
	size_t n = letter ? 1 : strcspn(name, "=");

	*value = letter ? (name[1] ? name + 1 : NULL) : name[n] ? name + n + 1 : NULL;
	while (o->name && (strncmp(o->name, name, n) || o->name[n] || letter != (n == 1)))
		o++;
	return o->name ? o : NULL;
}

/* Returns the name of an option as the user typed it, without dashes and value, in `out`. A
 * name longer than any option is cut. */
static const char *
name_of_option(const char *arg, char out[OPTION_WHAT_MAX])
{
	bool letter = arg[1] != '-';

	snprintf(out, OPTION_WHAT_MAX, "%.*s", letter ? 1 : (int)strcspn(arg + 2, "="),
		arg + (letter ? 1 : 2));
	return out;
}

/* Reports what is wrong with an option. The message has its name but never its value, which
 * may be a secret. */
static int
option_wrong(const char *arg, const struct cmd_option *o, const char *value)
{
	int n = arg[1] == '-' ? (int)strcspn(arg, "=") : 2;

	fprintf(stderr, "tollgate: %.*s: %s\n", n, arg,
		!o		    ? "no such option; see --help"
		: o->text && !value ? "needs a value"
		: !o->text	    ? "takes no value"
				    : "is given more often than allowed");
	return -1;
}

int
cmd_options(const char *what, int argc, char **argv, const struct cmd_option *options,
	char ***operands)
{
	int n = 0, i = 1;
	uint64_t given = 0;

	*operands = argv + 1;
	for (; i < argc && strcmp(argv[i], "--") != 0; i++) {
		char *arg = argv[i], *value, name[OPTION_WHAT_MAX];
		if (argv[i][0] != '-' || !argv[i][1]) {
			(*operands)[n++] = argv[i];
			continue;
		}
		const struct cmd_option *o = option_row(options, argv[i], &value);
		if (o && o->text && !o->flag && !value)
			value = ++i < argc ? argv[i] : NULL;
		uint64_t row = o ? UINT64_C(1) << (o - options) : 0;
		bool once = o && o->text && !o->count; /* otherwise the last value would
						        * silently win */
		if (!o && !option_belongs(what, NULL, name_of_option(arg, name)))
			return -1;
		if (!o || (!value != !o->text && !(o->flag && o->text)) ||
			(o->count && *o->count == o->most) || (once && given & row))
			return option_wrong(arg, o, value);
		given |= row;
		if (o->flag)
			*o->flag = true;
		if (value)
			o->text[o->count ? (*o->count)++ : 0] = value;
	}
	while (++i < argc)
		(*operands)[n++] = argv[i];
	for (const struct cmd_option *o = options; o->name; o++)
		if (given >> (o - options) & 1 &&
			!option_belongs(what, n ? (*operands)[0] : NULL, o->name))
			return -1;
	return n;
}

bool
cmd_write(const struct buf *out)
{
	return !buf_failed(out) &&
	       fwrite(out->n ? buf_view(out).p : "", 1, out->n, stdout) == out->n &&
	       fflush(stdout) == 0;
}

int
cmd_print(const char *what, const struct buf *out)
{
	return cmd_write(out) ? EXIT_DONE : cmd_fail(what, "%s", strerror(errno));
}

int
cmd_read_stdin(struct buf *out)
{
	return buf_fd(out, STDIN_FILENO);
}

int
cmd_read_file(const char *file, struct buf *out)
{
	return !buf_file(out, file) ? ERR_IO : buf_failed(out) ? ERR_LIMIT : 0;
}

int
cmd_each_line(int (*each)(void *arg, struct span line, size_t number), void *arg)
{
	char *line = NULL;
	size_t room = 0;
	int code = EXIT_DONE;
	ssize_t n;

	for (size_t number = 1; !code && (n = getline(&line, &room, stdin)) > 0; number++)
		if (span_trim(span_of(line, (size_t)n), " \t\r\n").n)
			code = each(arg, span_of(line, (size_t)n), number);
	if (!code && ferror(stdin))
		code = cmd_fail("stdin", "%s", strerror(errno));
	if (line)
		explicit_bzero(line, room);
	free(line);
	return code;
}

bool
cmd_end(const char *what, const char *s, char full[CMD_END_LEN], int64_t *ns)
{
	snprintf(full, CMD_END_LEN, strlen(s) == 10 ? "%sT00:00:00Z" : "%s", s);
	if (clock_parse(full, strlen(full), ns) == 0)
		return true;
	cmd_fail(what,
		"--until %s: give a date, a time such as 2026-12-01T08:00:00Z, or a duration "
		"such as 7d",
		s);
	return false;
}

bool
cmd_ttl(const char *what, const char *option, const char *text, uint64_t least_us, uint64_t *us)
{
	if (!text || (duration_parse(span_str(text), us) == 0 && *us >= least_us &&
			     *us <= TTL_MAX_US))
		return true;
	cmd_fail(what, "--%s %s: give a duration up to 36500d, such as 90d", option, text);
	return false;
}

bool
cmd_end_given(
	const char *what, const char *ttl, const char *until, int64_t now_ns, int64_t *end_ns)
{
	char full[CMD_END_LEN];
	uint64_t us = 0;
	int64_t ns;

	if (!until || duration_parse(span_str(until), &us) == 0) {
		if (!cmd_ttl(
			    what, until ? "until" : "ttl", until ? until : ttl, SECOND_US, &us))
			return false;
		if (us)
			*end_ns = now_ns + (int64_t)us * 1000;
		return true;
	}
	if (!cmd_end(what, until, full, &ns))
		return false;
	if (ns > now_ns)
		*end_ns = ns;
	else
		cmd_fail(what, "--until %s: is in the past: give a later time", until);
	return ns > now_ns;
}

bool
cmd_whole(const char *what, const char *option, const char *s, int64_t *out)
{
	char *end;

	errno = 0;
	*out = strtoll(s, &end, 10);
	if (!errno && end != s && !*end)
		return true;
	cmd_fail(what, "--%s %s: give a whole number", option, s);
	return false;
}

int
cmd_mistakes(const char *what, const struct diag *d)
{
	fprintf(stderr, "%.*s", SPAN_ARG(buf_view(&d->text)));
	return cmd_fail(what, "%u mistake%s in policy or configuration", d->errors,
		d->errors == 1 ? "" : "s");
}

static bool
in_group(const struct passwd *user, gid_t gid)
{
	const struct group *g = gid == user->pw_gid ? NULL : getgrgid(gid);

	for (char **m = g ? g->gr_mem : NULL; m && *m; m++)
		if (!strcmp(*m, user->pw_name))
			return true;
	return gid == user->pw_gid;
}

static bool
/* Returns true if the mode of the file gives the user this right, a mask of the bits 04, 02
 * and 01. */
user_may(const struct passwd *user, const struct stat *st, unsigned right)
{
	unsigned shift = st->st_uid == user->pw_uid ? 6 : in_group(user, st->st_gid) ? 3 : 0;

	return (st->st_mode >> shift & right) == right;
}

bool
cmd_user_cannot(const char *name, const char *file, unsigned rights, char *fix, size_t size)
{
	const struct passwd *found = getpwnam(name);
	struct passwd user = found ? *found : (struct passwd){ .pw_name = NULL };
	char *path = found && user.pw_uid ? realpath(file, NULL) : NULL;
	struct stat st;
	bool kept_out = false;

	for (char *p = path; p && (p = strchr(p + 1, '/')) && !kept_out; *p = '/') {
		*p = 0;
		kept_out = stat(path, &st) == 0 && !user_may(&user, &st, 01);
		if (kept_out)
			snprintf(fix, size, "chgrp %s %s && chmod g+rx %s", name, path, path);
	}
	if (path && !kept_out && stat(path, &st) == 0 && !user_may(&user, &st, rights)) {
		kept_out = true;
		snprintf(fix, size, "%s %s %s",
			(st.st_mode >> 3 & rights) == rights ? "chgrp" : "chown", name, path);
	}
	free(path);
	return kept_out;
}
