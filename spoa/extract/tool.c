/* Runs tools inside of a cage: fork, a pipe for each output, limits, the list of system calls,
 * and one execve. */
#include "extract/tool.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "extract/cage.h"

enum {
	STDERR_BYTES = 64 << 10, /* kept of a tool's messages; the rest is read and dropped */
	STEP = 64 << 10,
	NOT_FOUND = 127,
};

static const char *const environment[] = { "OMP_THREAD_LIMIT=1", "LC_ALL=C", NULL };

/* A running child. */
struct running {
	pid_t pid;
	int out, err; /* -1: closed */
};

static _Noreturn void
become_tool(const struct tool *t, int in, int out, int err)
{
	struct rlimit cpu = { t->cpu_s, t->cpu_s + 1 };

	signal(SIGPIPE, SIG_DFL);
	if (dup2(in, 0) < 0 || dup2(out, 1) < 0 || dup2(err, 2) < 0 ||
		close_range(3, ~0u, 0) < 0)
		_exit(2);
	if (setrlimit(RLIMIT_CPU, &cpu) < 0 || (t->path && filter_place_path(t->path) < 0))
		_exit(2);
	if (filter_load(FILTER_TOOL))
		_exit(2);
	if (t->path) {
		execve(FILTER_PATH, (char *const *)t->argv, (char *const *)environment);
		_exit(NOT_FOUND);
	}
	struct buf b;
	buf_init(&b, t->out_bytes + 1);
	t->call(&b);
	/* the reader notices a result that is too large */
	for (size_t at = 0; at < b.n;) {
		ssize_t n = write(1, b.p + b.start + at, b.n - at);
		if (n < 0)
			_exit(2);
		at += (size_t)n;
	}
	_exit(0);
}

/* Starts a tool. `out` >= 0: its standard output; otherwise a pipe is made. Returns false if
 * processes or descriptors are exhausted. */
static bool
tool_start(struct running *r, const struct tool *t, int in, int out)
{
	int outs[2] = { -1, out }, errs[2] = { -1, -1 };

	*r = (struct running){ -1, -1, -1 };
	if ((out < 0 && pipe2(outs, O_CLOEXEC) < 0) || pipe2(errs, O_CLOEXEC) < 0)
		return false;
	r->pid = fork();
	if (r->pid == 0)
		become_tool(t, in, outs[1], errs[1]);
	if (out < 0)
		close(outs[1]);
	close(errs[1]);
	r->out = outs[0];
	r->err = errs[0];
	return r->pid > 0;
}

/* Reads from a pipe. Returns false at its end or if `b` is full. With `drop`, further bytes are
 * read and dropped. */
static bool
drain_pipe(int *fd, struct buf *b, bool drop)
{
	char step[STEP];
	ssize_t n = read(*fd, step, sizeof(step));

	size_t got = n > 0 ? (size_t)n : 0;
	buf_put(b, step, drop && got > b->cap - b->n ? b->cap - b->n : got);
	if (n > 0 && (drop || !buf_failed(b)))
		return true;
	if (n < 0 && errno == EINTR)
		return true;
	close(*fd);
	*fd = -1;
	return false;
}

/* Reads both pipes to their ends. Returns EXTRACT_READ, or why it stopped. */
static enum extract_error
collect(struct running *r, uint64_t until_us, struct tool_end *end)
{
	while (r->out >= 0 || r->err >= 0) {
		struct pollfd p[2] = { { r->out, POLLIN, 0 }, { r->err, POLLIN, 0 } };
		uint64_t now = clock_mono_us();
		if (now >= until_us)
			return EXTRACT_TIMEOUT;
		if (poll(p, 2, (int)((until_us - now) / 1000) + 1) < 0 && errno != EINTR)
			return EXTRACT_KILLED;
		if (p[0].revents)
			drain_pipe(&r->out, &end->out, false);
		if (p[1].revents)
			drain_pipe(&r->err, &end->err, true);
		if (buf_failed(&end->out))
			return EXTRACT_TOO_LARGE;
	}
	return EXTRACT_READ;
}

static bool
has_words(const struct buf *b, const char *words)
{
	return b->n && memmem(b->p + b->start, b->n, words, strlen(words));
}

/* Returns the meaning of a status of wait(2). `said` are the tool's messages. */
static enum extract_error
how_ended(int status, const struct buf *said)
{
	if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
		return EXTRACT_READ;
	if (WIFEXITED(status) && WEXITSTATUS(status) == NOT_FOUND)
		return EXTRACT_NO_TOOL;
	if (WIFSIGNALED(status) && (WTERMSIG(status) == SIGXCPU || WTERMSIG(status) == SIGKILL))
		return EXTRACT_TIMEOUT;
	if (has_words(said, "bad_alloc") || has_words(said, "ut of memory") ||
		has_words(said, "emory alloc"))
		return EXTRACT_MEMORY;
	return WIFEXITED(status) ? EXTRACT_DAMAGED : EXTRACT_KILLED;
}

static enum extract_error
tool_finish(struct running *r, enum extract_error error, const struct buf *said)
{
	int status = 0;

	if (r->out >= 0)
		close(r->out);
	if (r->err >= 0)
		close(r->err);
	if (r->pid <= 0)
		return EXTRACT_KILLED;
	if (error)
		kill(r->pid, SIGKILL);
	while (waitpid(r->pid, &status, 0) < 0 && errno == EINTR)
		;
	return error ? error : how_ended(status, said);
}

static struct tool_end
tool_end_init(const struct tool *t)
{
	struct tool_end end = { EXTRACT_READ, { 0 }, { 0 } };

	buf_init(&end.out, t->out_bytes);
	buf_init(&end.err, STDERR_BYTES);
	return end;
}

void
tool_end_free(struct tool_end *end)
{
	buf_free(&end->out);
	buf_free(&end->err);
}

struct tool_end
tool_run(const struct tool *t)
{
	struct tool_end end = tool_end_init(t);
	struct running r;

	lseek(0, 0, SEEK_SET);
	enum extract_error error = EXTRACT_KILLED;
	if (tool_start(&r, t, 0, -1))
		error = collect(&r, t->until_us, &end);
	end.error = tool_finish(&r, error, &end.err);
	return end;
}

struct tool_end
tool_pipe(const struct tool *from, const struct tool *to)
{
	struct tool_end end = tool_end_init(to);
	SCOPED_TOOL_END(before, tool_end_init(from));
	struct running first = { -1, -1, -1 }, second = { -1, -1, -1 };
	enum extract_error error = EXTRACT_KILLED;
	int between[2];

	lseek(0, 0, SEEK_SET);
	if (pipe2(between, O_CLOEXEC) == 0) {
		bool both = tool_start(&first, from, 0, between[1]) &&
			    tool_start(&second, to, between[0], -1);
		close(between[0]);
		close(between[1]);
		/* the messages of the first tool fit its pipe, or it waits until the second is
		 * done */
		if (both)
			error = collect(&second, to->until_us, &end);
	}
	end.error = tool_finish(&second, error, &end.err);
	if (!error)
		error = collect(&first, to->until_us, &before);
	error = tool_finish(&first, error, &before.err);
	if (!end.error || error != EXTRACT_READ)
		end.error = error ? error : end.error;
	return end;
}
