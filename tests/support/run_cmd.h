/* A subcommand in a child: its exit code, and what it wrote to both outputs. */
#ifndef TESTS_RUN_CMD_H
#define TESTS_RUN_CMD_H

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cmd/cmd.h"

static char cmd_dir[64], cmd_out[1 << 20], cmd_err[65536];

static inline const char *
cmd_path(const char *name)
{
	static char text[8][192];
	static unsigned turn;
	char *p = text[turn++ % 8];

	snprintf(p, sizeof(text[0]), "%s/%s", cmd_dir, name);
	return p;
}

static inline void
cmd_put(const char *name, const char *content)
{
	FILE *f = fopen(cmd_path(name), "w");

	assert_non_null(f);
	fputs(content, f);
	fclose(f);
}

static inline void
cmd_slurp(const char *name, char *to, size_t size)
{
	FILE *f = fopen(cmd_path(name), "r");

	assert_non_null(f);
	to[fread(to, 1, size - 1, f)] = '\0';
	fclose(f);
}

static inline int
cmd_setup(void **state)
{
	(void)state;
	snprintf(cmd_dir, sizeof(cmd_dir), "/tmp/tollgate-cmd-XXXXXX");
	return mkdtemp(cmd_dir) ? 0 : -1;
}

static inline int
cmd_teardown(void **state)
{
	char line[128];

	(void)state;
	snprintf(line, sizeof(line), "rm -rf '%s'", cmd_dir);
	return system(line);
}

/* Arguments end with NULL. */
static inline int
tollgate(const char *in, ...)
{
	char *argv[24] = { (char *)(uintptr_t) "tollgate" };
	int argc = 1, status;
	va_list ap;

	va_start(ap, in);
	for (char *a; (a = va_arg(ap, char *));)
		argv[argc++] = a;
	va_end(ap);
	cmd_put("in", in);
	fflush(NULL);
	pid_t pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		dup2(open(cmd_path("in"), O_RDONLY), 0);
		dup2(open(cmd_path("out"), O_CREAT | O_WRONLY | O_TRUNC, 0600), 1);
		dup2(open(cmd_path("err"), O_CREAT | O_WRONLY | O_TRUNC, 0600), 2);
		int code = cmd_main(argc, argv);
		fflush(NULL);
		_exit(code);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	cmd_slurp("out", cmd_out, sizeof(cmd_out));
	cmd_slurp("err", cmd_err, sizeof(cmd_err));
	return WEXITSTATUS(status);
}

#endif
