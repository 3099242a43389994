/* Probes the cage at the start: a child with a tool's list of system calls, in a cage like that
 * of a file, tries what a tool must not do. If any attempt succeeds, the program ends. */
#include "extract/probe.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/scoped.h"
#include "extract/cage.h"
#include "extract/frame.h"

/* Each returns 0 if the attempt was refused with an error. An attempt that ends the process
 * does not return. */
static int
try_socket(void)
{
	return socket(AF_INET, SOCK_STREAM, 0) < 0 ? 0 : 1;
}

static int
try_fork(void)
{
	pid_t pid = fork();

	if (pid == 0)
		_exit(0);
	return pid < 0 ? 0 : 1;
}

static int
try_exec(void)
{
	static char *const argv[] = { (char *)"true", NULL };

	execve("/usr/bin/true", argv, argv + 1);
	return 1;
}

static int
try_passwd(void)
{
	return open("/etc/passwd", O_RDONLY | O_CLOEXEC) < 0 && errno == ENOENT ? 0 : 1;
}

static int
try_processes(void)
{
	return open("/proc", O_RDONLY | O_CLOEXEC) < 0 && errno == ENOENT && getppid() <= 1 ? 0
											    : 1;
}

static int
try_write(void)
{
	return open("/x", O_WRONLY | O_CREAT | O_CLOEXEC, 0600) < 0 &&
			       open("/usr/x", O_WRONLY | O_CREAT | O_CLOEXEC, 0600) < 0
		       ? 0
		       : 1;
}

/* clang-format off */
static const struct {
	const char *name;
	int (*attempt)(void);
	bool kills; /* the attempt must end the process */
} attempts[] = {
	{ "a socket ends it",             try_socket,    true },
	{ "another process ends it",      try_fork,      true },
	{ "another program ends it",      try_exec,      true },
	{ "/etc/passwd is not there",     try_passwd,    false },
	{ "other processes are not seen", try_processes, false },
	{ "no file is written",           try_write,     false },
};
/* clang-format on */

static bool
attempt_fails(size_t i)
{
	int status = 0;
	pid_t pid = fork();

	if (pid == 0) {
		if (filter_load(FILTER_TOOL))
			_exit(2);
		_exit(attempts[i].attempt());
	}
	if (pid < 0 || waitpid(pid, &status, 0) != pid)
		return false;
	if (attempts[i].kills)
		return WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS;
	return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

static void
attempt_all(void *order)
{
	SCOPED_BUF(b, 0);
	(void)order;
	if (getpid() != 1)
		frame_put_text(
			&b, FRAME_CAGE, 0, SPAN_LIT("it is not the first process of its own"));
	for (size_t i = 0; i < COUNT_OF(attempts); i++)
		frame_put(&b, FRAME_UNREAD, (unsigned)i, attempt_fails(i));
	if (write(CAGE_OUT, b.p + b.start, b.n) < 0)
		_exit(2);
}

/* Runs begin(order) in a cage to its end and reads its output. Returns false with errno if
 * there is no cage. */
static bool
in_cage(const struct cage *c, cage_main *begin, void *order, struct buf *said)
{
	int out[2], status;

	if (pipe2(out, O_CLOEXEC) < 0)
		return false;
	pid_t pid = cage_start(c, c->nothing, out[1], begin, order);
	int kept = errno;
	close(out[1]);
	if (pid > 0) {
		buf_fd(said, out[0]);
		while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
			;
	}
	close(out[0]);
	errno = kept;
	return pid > 0;
}

#define ADVICE                                                                                 \
	" (allow user namespaces to it: sysctl kernel.unprivileged_userns_clone=1, on Ubuntu " \
	"kernel.apparmor_restrict_unprivileged_userns=0, user.max_user_namespaces above 0; a " \
	"unit "                                                                                \
	"without RestrictNamespaces; in Docker the seccomp profile "                           \
	"docker/extract-seccomp.json)"

bool
probe_cage(const struct cage *c, struct buf *lines, struct buf *why)
{
	SCOPED_BUF(said, 64 << 10);
	struct frame f;
	bool good = true;

	if (!in_cage(c, attempt_all, NULL, &said)) {
		buf_printf(why, "no namespaces: %s" ADVICE, strerror(errno));
		return false;
	}
	struct span s = buf_view(&said);
	size_t seen = 0;
	for (; s.n >= sizeof(f); seen++) {
		memcpy(&f, s.p, sizeof(f));
		s = span_cut(s, sizeof(f), s.n);
		if (f.kind == FRAME_CAGE) {
			buf_printf(why, "%.*s" ADVICE, SPAN_ARG(span_cut(s, 0, f.n)));
			return false;
		}
		const char *name = f.page < COUNT_OF(attempts) ? attempts[f.page].name : "";
		buf_printf(lines, "%s - %s\n", f.n ? "ok" : "not ok", name);
		if (!f.n && good)
			buf_printf(why, "the cage is not safe: it does not hold that %s", name);
		good = good && f.n;
	}
	if (seen != COUNT_OF(attempts) && good)
		buf_str(why, "the cage is not safe: its probe did not reach its end");
	return good && seen == COUNT_OF(attempts);
}

struct tool_probe {
	char path[128];
	const char *name;
};

static void
run_tool(void *order)
{
	const struct tool_probe *p = order;
	const char *argv[] = { p->name, "--help", NULL };
	char *none[] = { NULL };
	int status = 0;
	pid_t pid = fork();

	if (pid == 0) {
		if (filter_place_path(p->path) < 0 || filter_load(FILTER_TOOL))
			_exit(127);
		execve(FILTER_PATH, (char *const *)argv, none);
		_exit(127);
	}
	/* the tool's own error would be lost in its process */
	int why = access(p->path, X_OK) < 0 ? errno : 0;
	bool runs = pid > 0 && waitpid(pid, &status, 0) == pid && WIFEXITED(status) &&
		    WEXITSTATUS(status) != 127;
	SCOPED_BUF(b, 64);
	buf_printf(&b, "%d %d", runs, why);
	if (write(CAGE_OUT, b.p + b.start, b.n) < 0)
		_exit(2);
}

bool
probe_tool(const struct cage *c, const char *folder, const char *name, int *why)
{
	uint64_t runs = 0, number = 0;

	SCOPED_BUF(said, 64);
	struct tool_probe p = { .name = name };

	snprintf(p.path, sizeof(p.path), "%s/%s", folder, name);
	bool done = in_cage(c, run_tool, &p, &said);
	struct span rest = buf_view(&said), word = span_next(&rest, ' ');
	if (!done || span_u64(word, &runs) || span_u64(rest, &number))
		runs = 0;
	*why = runs ? 0 : (int)number;
	return runs != 0;
}
