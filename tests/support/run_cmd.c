/* Runs a subcommand in a child, with its input and outputs in files of the test's folder. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "policy/config/config.h"
#include "support/run_cmd.h"

/* Makes the commands independent of whether tollgate is installed on this machine. */
__attribute__((constructor)) static void
hide_installed_config(void)
{
	config_installed = "/nonexistent/tollgate.yaml";
}

char cmd_out[4 << 20], cmd_err[65536];

void
cmd_slurp(const char *name, char *to, size_t size)
{
	FILE *f = fopen(path(name), "r");

	assert_non_null(f);
	to[fread(to, 1, size - 1, f)] = '\0';
	fclose(f);
}

void
cmd_warm(void)
{
	static struct arena a;
	static bool warm;
	struct buf errors;

	if (warm)
		return;
	warm = true;
	arena_init(&a, 0, false);
	buf_init(&errors, 0);
	assert_non_null(detect_load(NULL, &errors));
	assert_non_null(inject_load(&a, NULL, &errors));
	buf_free(&errors);
}

int
tollgate_argv(const char *in, const char *const *args)
{
	char *argv[24] = { (char *)(uintptr_t) "tollgate" };
	int argc = 1, status;

	while (args[argc - 1]) {
		argv[argc] = (char *)(uintptr_t)args[argc - 1];
		argc++;
	}
	cmd_warm();
	put("in", in);
	fflush(NULL);
	pid_t pid = calm_fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		dup2(open(path("in"), O_RDONLY), 0);
		dup2(open(path("out"), O_CREAT | O_WRONLY | O_TRUNC, 0600), 1);
		dup2(open(path("err"), O_CREAT | O_WRONLY | O_TRUNC, 0600), 2);
		exit(cmd_main(argc, argv)); /* a sanitizer looks for leaks at exit */
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	cmd_slurp("out", cmd_out, sizeof(cmd_out));
	cmd_slurp("err", cmd_err, sizeof(cmd_err));
	return WEXITSTATUS(status);
}

int
tollgate(const char *in, ...)
{
	const char *args[24];
	size_t n = 0;
	va_list ap;

	va_start(ap, in);
	while ((args[n++] = va_arg(ap, const char *)))
		;
	va_end(ap);
	return tollgate_argv(in, args);
}
