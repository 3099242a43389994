/* Retention of a journal with small segments, which the audit thread of a daemon writes. */
#ifndef TESTS_KEEP_RIG_H
#define TESTS_KEEP_RIG_H

#include <dirent.h>
#include <fcntl.h>
#include <string.h>
#include <sys/wait.h>

#include "support/moved_clock.h"

#include "base/stops.h"
#include "cmd/cmd.h"
#include "record/archive/files.h"
#include "record/archive/keep.h"
#include "support/audit_rig.h"
#include "support/calm_fork.h"

static struct rig r;
static struct keep *keep;
static char archive[256], said[65536];

/* These tests simulate no power cut, so fdatasync() is not needed: written data survives a
 * kill. */
static inline int
no_sync(int fd)
{
	(void)fd;
	return 0;
}

static inline int
setup(void **state)
{
	(void)state;
	rig_init(&r);
	journal_io.fdatasync = no_sync;
	replace_io.fsync = no_sync;
	r.cfg.journal_segment_bytes = 2000;
	r.cfg.retention = true;
	r.cfg.retention_every_us = 5000;
	r.cfg.below_six_months = true;
	snprintf(archive, sizeof(archive), "%s/archive", r.dir);
	return 0;
}

/* Makes everything written so far 2.1 seconds older for a daemon that starts afterwards. */
static inline void
grow_old(void)
{
	wall_off_ns += 2100000000;
}

static inline void
stop(void)
{
	keep_stop(&keep);
	audit_stop(&r.audit);
}

static inline int
teardown(void **state)
{
	(void)state;
	stop();
	stops_hook = NULL;
	keep_io = (struct keep_io){ unlinkat, fstatvfs };
	replace_io = (struct replace_io){ write, fsync, renameat };
	journal_io.fdatasync = fdatasync;
	rig_free(&r);
	return 0;
}

static inline void
start(void)
{
	if (!rig_start(&r))
		fail_msg("%s", buf_view(&r.why).p);
	buf_clear(&r.why);
	keep = keep_start(&r.cfg, r.audit, &r.metrics, &r.why);
	buf_putc(&r.why, '\0');
	if (!keep)
		fail_msg("%s", buf_view(&r.why).p);
}

static inline void
put(unsigned n)
{
	char id[32];

	for (unsigned i = 0; i < n; i++) {
		snprintf(id, sizeof(id), "id-%u-%d", i, (int)getpid());
		assert_int_equal(rig_put(&r, id), 0);
	}
}

static inline size_t
count_files(const char *suffix, const char *ending)
{
	char path[256];
	size_t n = 0;

	snprintf(path, sizeof(path), "%s%s", r.journal, suffix);
	DIR *d = opendir(path);
	for (struct dirent *e; d && (e = readdir(d));)
		n += span_ends(span_str(e->d_name), span_str(ending));
	if (d)
		closedir(d);
	return n;
}

#define plain_files()  count_files("", ".jsonl")
#define packed_files() count_files(".keep", ".zst")

/* Waits until the condition holds. If it never does, the test's time limit ends the wait. */
#define until(condition)                                                                       \
	do                                                                                     \
		usleep(2000);                                                                  \
	while (!(condition))

static inline bool
settled(void)
{
	struct keep_state s;

	keep_state(keep, &s);
	return s.packed > 0 && plain_files() == 1 + KEEP_PLAIN_SEGMENTS;
}

/* Runs "audit …". Returns its exit code and stores its output in `said`. */
__attribute__((format(printf, 1, 2))) static inline int
audit(const char *fmt, ...)
{
	char line[1024], path[256], *argv[32];
	int argc = 0, status;
	va_list ap;

	va_start(ap, fmt);
	int n = snprintf(line, sizeof(line), "audit ");
	vsnprintf(line + n, sizeof(line) - (size_t)n, fmt, ap);
	va_end(ap);
	for (char *at = line, *w; argc < 31 && (w = strsep(&at, " "));)
		if (*w)
			argv[argc++] = w;
	argv[argc] = NULL;
	snprintf(path, sizeof(path), "%s/out", r.dir);
	fflush(stdout);
	pid_t pid = calm_fork();
	if (pid == 0) {
		if (!freopen(path, "w", stdout) || dup2(fileno(stdout), 2) < 0)
			_exit(99);
		int code = cmd_audit(argc, argv);
		fflush(stdout);
		_exit(code);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	FILE *f = fopen(path, "r");
	said[fread(said, 1, sizeof(said) - 1, f)] = '\0';
	fclose(f);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 100 + WTERMSIG(status);
}

static inline void
verifies(const char *wants)
{
	int code = audit("verify --journal %s --public-key %s.pub", r.journal, r.key);

	if (code || !strstr(said, wants))
		fail_msg("%d: %s (wanted: %s)", code, said, wants);
}

static inline void
write_file(const char *path, const void *text, size_t n)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, n), (ssize_t)n);
	close(fd);
}

#endif
