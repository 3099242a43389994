/* tollgate upgrade: starts the other instance of the daemon, with the installed program,
 * and waits until it decides requests. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/why.h"
#include "cmd/cmd.h"
#include "operator/handover/handover.h"

enum { UPGRADE_S = 600 }; /* seconds; the first start of the second instance may have to read a
			   * long journal */

/* Starts a program; with `apart`, in a session of its own, so that Ctrl-C on the terminal
 * does not end the daemon. Returns the child's pid, or 0 if the start fails. */
static pid_t
begin_program(const char *const argv[], bool apart)
{
	pid_t pid = fork();

	if (pid)
		return pid < 0 ? 0 : pid;
	if (apart)
		setsid();
	execvp(argv[0], (char *const *)(uintptr_t)argv);
	fprintf(stderr, "tollgate: upgrade: %s: %s\n", argv[0], strerror(errno));
	_exit(127);
}

static bool
run_program(const char *const argv[])
{
	int status = -1;
	pid_t pid = begin_program(argv, false);

	return pid && waitpid(pid, &status, 0) == pid && status == 0;
}

/* The program that starts the other instance; pid 0: it has ended. */
struct starting {
	pid_t pid;
	bool ends; /* the program is systemctl, which exits with 0 while the daemon runs */
};

static bool
has_ended(void *arg)
{
	struct starting *st = arg;
	int status;

	if (!st->pid || waitpid(st->pid, &status, WNOHANG) != st->pid)
		return false;
	st->pid = 0;
	return !st->ends || status != 0;
}

/* Makes the second instance's signing key, which gets the owner of the first instance's
 * key. */
static int
make_key(const struct config *second, struct buf *why)
{
	const char *pass = second->audit_passphrase_file, *key = second->audit_key;
	const char *const plain[] = { "/proc/self/exe", "keygen", key, NULL };
	const char *const locked[] = { "/proc/self/exe", "keygen", "--passphrase-file", pass,
		key, NULL };
	char pub[4096];
	struct stat st;

	if (!key || access(key, F_OK) == 0)
		return 0;
	if (!run_program(pass ? locked : plain) || stat(second->hash_key_of, &st) < 0)
		return why_err(why, ERR_IO, "%s: the second instance's signing key cannot be made",
			key);
	snprintf(pub, sizeof(pub), "%s.pub", key);
	if (geteuid() == 0 && (chown(key, st.st_uid, st.st_gid) < 0 ||
				      chown(pub, st.st_uid, st.st_gid) < 0))
		return why_err(why, ERR_IO, "%s: chown: %s", key, strerror(errno));
	return 0;
}

static const char *
unit_of(const char *instance)
{
	return *instance == 'b' ? "tollgate@b.service" : "tollgate.service";
}

/* Enables the unit of the instance that decides now, and disables the other one, for the
 * next boot. */
static void
enable_at_boot(const char *instance)
{
	const char *was = unit_of(*instance == 'b' ? "a" : "b"), *now = unit_of(instance);
	const char *const off[] = { "systemctl", "--quiet", "disable", was, NULL };
	const char *const on[] = { "systemctl", "--quiet", "enable", now, NULL };

	if (!run_program(on) || !run_program(off))
		fprintf(stderr,
			"tollgate: upgrade: systemctl enable %s and systemctl disable %s failed: "
			"run both, so that the next boot starts this instance\n",
			now, was);
}

/* Prints the unit's last log lines, and stops the unit so that systemd does not start it
 * again. */
static void
give_up_unit(const char *instance)
{
	const char *unit = unit_of(instance);
	const char *const log[] = { "journalctl", "--no-pager", "-o", "cat", "-n", "5", "-u", unit,
		NULL };
	const char *const stop[] = { "systemctl", "stop", unit, NULL };

	fflush(stdout);
	run_program(log);
	run_program(stop);
}

static int
start_other(const struct config *cfg, const char *program, int fd, const char *other,
	struct buf *why)
{
	const char *const direct[] = { program, "serve", "-c", cfg->file, "--instance", other,
		NULL };
	const char *const unit[] = { "systemctl", "start", unit_of(other), NULL };
	struct starting st = { .pid = begin_program(program ? direct : unit, program != NULL),
		.ends = !program };

	if (!st.pid)
		return why_err(why, ERR_IO, "cannot start a program: %s", strerror(errno));
	int err = handover_outcome(cfg, fd, other, UPGRADE_S, has_ended, &st, why);
	if (err && program && st.pid)
		kill(st.pid, SIGTERM);
	if (err && !program)
		give_up_unit(other);
	if (!err && !program)
		enable_at_boot(other);
	return err;
}

/* Loads the configuration as the other instance reads it. */
static const struct config *
config_of(struct arena *a, const char *file, const char *instance)
{
	return setenv(CONFIG_INSTANCE, instance, 1) < 0 ? NULL : cmd_config(a, file);
}

int
cmd_upgrade(int argc, char **argv)
{
	const char *named = NULL, *program = NULL;
	const struct cmd_option options[] = { { "c", .text = &named },
		{ "exec", .text = &program }, { .name = NULL } };
	char **operands, other[2] = "";
	int fd = -1;

	if (cmd_options(argv[0], argc, argv, options, &operands) != 0)
		return cmd_usage(argv[0]);
	const char *file = config_find(named);
	if (!file)
		return cmd_no_config("upgrade", named, "");
	SCOPED_ARENA(a, 0, false);
	SCOPED_BUF(why, 16384);
	const struct config *cfg = cmd_config(&a, file);
	if (!cfg) { /* EXIT_CANNOT would make the package restart the daemon */
		cmd_fail("upgrade", "%s has mistakes: tollgate check lists them", file);
		return EXIT_NO;
	}
	if (!program && access("/run/systemd/system", F_OK) < 0)
		return cmd_fail("upgrade", "systemd does not run on this machine: give "
					   "--exec PROGRAM, or start the other container "
					   "with serve --take");
	uint64_t began_us = clock_mono_us();
	int err = handover_expect(cfg, &fd, other, &why);
	const struct config *next = err ? NULL : config_of(&a, file, other);
	if (!err && !next)
		err = why_err(&why, ERR_SYNTAX, "%s: the configuration of instance %s has "
						"mistakes: tollgate check lists them", file, other);
	if (!err)
		err = make_key(next, &why);
	if (!err)
		err = start_other(next, program, fd, other, &why);
	if (fd >= 0)
		close(fd);
	if (!err) {
		printf("instance %s (node %s) decides, after %.1f s\n", other, next->node,
			(double)(clock_mono_us() - began_us) / 1e6);
		return EXIT_DONE;
	}
	fprintf(stderr, "tollgate: upgrade: %.*s\n", SPAN_ARG(buf_view(&why)));
	return err == ERR_NOTFOUND ? EXIT_CANNOT : EXIT_NO;
}
