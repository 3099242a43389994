/* A subcommand in a child: its exit code, and what it wrote to both outputs. Its files stand
 * in the test's own folder. */
#ifndef TESTS_RUN_CMD_H
#define TESTS_RUN_CMD_H

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cmd/cmd.h"
#include "support/hide_installed.h"
#include "support/temp_dir.h"

static char cmd_out[1 << 20], cmd_err[65536];

static inline void
cmd_slurp(const char *name, char *to, size_t size)
{
	FILE *f = fopen(path(name), "r");

	assert_non_null(f);
	to[fread(to, 1, size - 1, f)] = '\0';
	fclose(f);
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
	put("in", in);
	fflush(NULL);
	pid_t pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		dup2(open(path("in"), O_RDONLY), 0);
		dup2(open(path("out"), O_CREAT | O_WRONLY | O_TRUNC, 0600), 1);
		dup2(open(path("err"), O_CREAT | O_WRONLY | O_TRUNC, 0600), 2);
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
