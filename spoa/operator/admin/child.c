/* Children of the daemon: the limits that a child sets for itself, and the thread that starts,
 * watches and ends children. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/caps.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "base/pool.h"
#include "base/scoped.h"
#include "operator/admin/child.h"
#include "operator/admin/child_self.h"

enum { NICE = 10 };

void
child_name(char *out, size_t size, pid_t parent, unsigned cpu_s)
{
	snprintf(out, size, CHILD_NAME " %d %u", (int)parent, cpu_s);
}

/* Makes the kernel's out-of-memory killer choose this process rather than the daemon. */
static void
prefer_for_oom_kill(void)
{
	int fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);

	if (fd < 0)
		return;
	ssize_t n = write(fd, "1000", 4);
	(void)n; /* not permitted everywhere; the limits hold anyway */
	close(fd);
}

static bool
set_limit(int what, const char *name, rlim_t to)
{
	/* At the soft CPU limit the process gets SIGXCPU, from which the daemon recognizes the
	 * cause. */
	const struct rlimit both = { to, what == RLIMIT_CPU ? to + 1 : to };

	if (setrlimit((__rlimit_resource_t)what, &both) == 0)
		return true;
	fprintf(stderr, "tollgate: child: %s: %s\n", name, strerror(errno));
	return false;
}

bool
child_confine(const char *name)
{
	int parent = 0;
	unsigned cpu_s = 0;
	bool ok = true;

	if (!name || strncmp(name, CHILD_NAME, strlen(CHILD_NAME)) != 0)
		return true;
	if (sscanf(name + strlen(CHILD_NAME), " %d %u", &parent, &cpu_s) != 2) {
		fprintf(stderr,
			"tollgate: %s: only the daemon starts this program under this "
			"name\n",
			name);
		return false;
	}
	prctl(PR_SET_NAME, CHILD_NAME, 0, 0, 0);
	if (prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) < 0 || getppid() != parent) {
		fprintf(stderr, "tollgate: child: the daemon has ended, so the child ends "
				"too\n");
		return false;
	}
	prefer_for_oom_kill();
	/* if this is not permitted, the priority stays */
	if (getpriority(PRIO_PROCESS, 0) < NICE)
		setpriority(PRIO_PROCESS, 0, NICE);
	ok = set_limit(RLIMIT_CORE, "RLIMIT_CORE", 0) &&
	     set_limit(RLIMIT_CPU, "RLIMIT_CPU", cpu_s) &&
	     set_limit(RLIMIT_FSIZE, "RLIMIT_FSIZE", CAP_CHILD_OUT);
#ifndef TG_SANITIZE /* sanitizers map terabytes and need to trace the process */
	ok = ok && set_limit(RLIMIT_DATA, "RLIMIT_DATA", CAP_CHILD_DATA);
	prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
#endif
	return ok;
}

enum {
	TICK_MS = 10,	      /* interval of checks on kernels without pidfd */
	WATCHED = 2 * 64 + 1, /* descriptors in one poll() */
};

/* clang-format off */
const struct children_limits children_default = {
	.lane = {
		[CHILD_QUICK] = { .at_once = CAP_CHILDREN, .queue = CAP_CHILDREN_QUEUE, .each = CAP_CHILDREN_EACH, .each_at_once = CAP_CHILDREN - 1, .deadline_us = 30000000, .cpu_s = 30 },
		[CHILD_LONG]  = { .at_once = 1, .queue = 0, .deadline_us = 3600000000, .cpu_s = 3600 },
	},
	.out_bytes = CAP_CHILD_OUT,
	.held_bytes = 4 * CAP_CHILD_OUT,
};
/* clang-format on */

/* The children of the daemon. `limits`, `thread` and `wake` do not change. */
struct children {
	struct children_limits limits;
	/* used if the caller wants no counters */
	struct metrics unread;
	pthread_t thread;
	int wake;
	pthread_mutex_t lock;
	/* Guarded by the lock. */
	bool stopping;
	struct lane {
		struct child *running, *queue;
		unsigned nrunning, nqueued;
	} lane[CHILD_LANES];
	struct child *told; /* children that are over and whose output is still held */
	/* bytes of output in `told` */
	size_t held;
};

/* ---- lists ---- */

static void
append_child(struct child **list, struct child *c)
{
	while (*list) {
		INVARIANT(*list != c); /* a second insertion would make the list a ring */
		list = &(*list)->next;
	}
	c->next = NULL;
	*list = c;
}

static void
take_out(struct child **list, const struct child *c)
{
	while (*list != c) {
		INVARIANT(*list); /* a child is in the list that its state names */
		list = &(*list)->next;
	}
	*list = c->next;
}

static bool
is_same_child(const struct child *a, const struct child *b)
{
	return memcmp(&a->who, &b->who, sizeof(a->who)) == 0;
}

/* Returns the number of children in the list with the same caller. */
static unsigned
child_count(const struct child *list, const struct child *c)
{
	unsigned n = 0;

	for (; list; list = list->next)
		n += is_same_child(list, c);
	return n;
}

/* ---- start ---- */

/* Creates a file in memory. Its descriptor is never 0, 1 or 2, even if the daemon was started
 * without these. */
static int
memory_file(const char *name)
{
	int fd = memfd_create(name, MFD_CLOEXEC);

	if (fd < 0 || fd > 2)
		return fd;
	int higher = fcntl(fd, F_DUPFD_CLOEXEC, 3);
	close(fd);
	return higher;
}

static bool
put_in(int fd, const char *p, size_t n)
{
	while (n) {
		ssize_t done = write(fd, p, n);
		if (done <= 0)
			return false;
		p += done;
		n -= (size_t)done;
	}
	return lseek(fd, 0, SEEK_SET) == 0;
}

/* Returns the child's environment, to be freed by the caller: without variables that are meant
 * for the daemon, and, unless a policy is loaded, with only time zone and locale. */
static char **
environment(bool whole)
{
	static const char *const never[] = { "NOTIFY_SOCKET=", "LISTEN_", "WATCHDOG_",
		"INVOCATION_ID=", "JOURNAL_STREAM=", "CREDENTIALS_DIRECTORY=", "MAINPID=",
		"LD_" };
	static const char *const always[] = {
		"TZ=",
		"LC_ALL=",
		"LANG=",
#ifdef TG_SANITIZE
		"ASAN_OPTIONS=",
		"LSAN_OPTIONS=",
		"UBSAN_OPTIONS=",
		"TSAN_OPTIONS=",
#endif
	};
	size_t n = 0, kept = 0;

	while (environ && environ[n])
		n++;
	char **all = calloc(n + 1, sizeof(*all));
	for (size_t i = 0; all && i < n; i++) {
		bool keep = whole;
		for (size_t k = 0; k < COUNT_OF(never); k++)
			keep = keep && strncmp(environ[i], never[k], strlen(never[k])) != 0;
		for (size_t k = 0; !keep && !whole && k < COUNT_OF(always); k++)
			keep = strncmp(environ[i], always[k], strlen(always[k])) == 0;
		if (keep)
			all[kept++] = environ[i];
	}
	return all;
}

/* Starts the process. Returns 0 or an errno. */
static int
spawn_child(struct children *all, struct child *c, int in)
{
	posix_spawn_file_actions_t files;
	posix_spawnattr_t attr;
	sigset_t none, every;
	char name[64];
	const char *argv[256] = { name };
	char **env = environment(c->whole_environment);
	size_t n = 1;

	for (; c->args[n - 1] && n < COUNT_OF(argv) - 1; n++)
		argv[n] = c->args[n - 1];
	if (!env || c->args[n - 1]) {
		free(env);
		return env ? E2BIG : ENOMEM;
	}
	child_name(name, sizeof(name), getpid(), all->limits.lane[c->lane].cpu_s);
	sigemptyset(&none);
	sigfillset(&every);
	posix_spawn_file_actions_init(&files);
	posix_spawn_file_actions_adddup2(&files, in, 0);
	posix_spawn_file_actions_adddup2(&files, c->out, 1);
	posix_spawn_file_actions_adddup2(&files, c->err, 2);
	posix_spawn_file_actions_addclosefrom_np(&files, 3);
	posix_spawnattr_init(&attr);
	posix_spawnattr_setflags(
		&attr, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
	posix_spawnattr_setsigmask(&attr, &none);
	posix_spawnattr_setsigdefault(&attr, &every);
	int err = posix_spawn(&c->pid,
		all->limits.program ? all->limits.program : "/proc/self/exe", &files, &attr,
		(char *const *)(uintptr_t)argv, env);
	posix_spawnattr_destroy(&attr);
	posix_spawn_file_actions_destroy(&files);
	free(env);
	return err;
}

/* ---- end ---- */

static const enum metric ended_as[] = {
	[CHILD_EXITED] = M_CHILD_DONE,
	[CHILD_SIGNALLED] = M_CHILD_DIED,
	[CHILD_LATE] = M_CHILD_LATE,
	[CHILD_TOO_LONG] = M_CHILD_TOO_LONG,
	[CHILD_BUSY] = M_CHILD_REFUSED,
	[CHILD_LEFT] = M_CHILD_LEFT,
	[CHILD_STOPPED] = M_CHILD_STOPPED,
	[CHILD_FAILED] = M_CHILD_FAILED,
};

/* Completes a child that is in no list any more, and calls done(). */
static void
child_over(struct children *all, struct child *c)
{
	INVARIANT(c->end != CHILD_NOT_YET && (size_t)c->end < COUNT_OF(ended_as));
	scoped_fd_close(&c->pidfd);
	c->pidfd = -1;
	if (c->err >= 0 && c->end != CHILD_FAILED) {
		ssize_t n = pread(c->err, c->error, sizeof(c->error) - 1, 0);

		c->error[n > 0 ? n : 0] = '\0';
		c->error[strcspn(c->error, "\n")] = '\0';
	}
	scoped_fd_close(&c->err);
	c->err = -1;
	if (c->out >= 0)
		c->out_bytes = (size_t)lseek(c->out, 0, SEEK_END);
	c->ended_us = clock_mono_us();
	metric_inc(all->limits.metrics, ended_as[c->end]);
	if (c->end != CHILD_EXITED && c->end != CHILD_LEFT)
		log_event(LOG_WARN, "admin.child", LS("command", c->args[0]),
			LS("end", c->end == CHILD_SIGNALLED  ? "signal"
				  : c->end == CHILD_LATE     ? "deadline"
				  : c->end == CHILD_TOO_LONG ? "too long"
				  : c->end == CHILD_BUSY     ? "not begun in time"
				  : c->end == CHILD_STOPPED  ? "stopped"
							     : "not started"),
			LS("why", c->error));
	pthread_mutex_lock(&all->lock);
	all->held += c->out_bytes;
	if (c->out >= 0)
		append_child(&all->told, c);
	pthread_mutex_unlock(&all->lock);
	c->done(c);
}

static void
kill_child(struct child *c, enum child_end why)
{
	if (c->killed)
		return;
	c->killed = true;
	c->end = why;
	INVARIANT(c->pid > 1); /* otherwise the signal would reach every process */
	kill(-c->pid, SIGKILL);
	kill(c->pid, SIGKILL); /* the group may not exist yet */
}

static bool
client_went(const struct child *c)
{
	int domain = AF_INET;
	socklen_t n = sizeof(domain);
	struct pollfd p = { .fd = c->client, .events = 0 };

	if (c->client < 0)
		return false;
	getsockopt(c->client, SOL_SOCKET, SO_DOMAIN, &domain, &n);
	/* On a Unix socket, a half-closed connection only means that the client sends nothing
	 * more. */
	if (domain != AF_UNIX)
		p.events = POLLRDHUP;
	return poll(&p, 1, 0) > 0;
}

/* Returns true if the process has ended; it is then reaped. */
static bool
reap_child(struct child *c)
{
	int status;
	pid_t got = waitpid(c->pid, &status, WNOHANG);

	if (got == 0 || (got < 0 && errno == EINTR))
		return false;
	INVARIANT(c->pid > 1);
	kill(-c->pid, SIGKILL); /* processes that the child may have left */
	if (got < 0) {
		c->end = c->killed ? c->end : CHILD_FAILED;
	} else if (c->killed) {
		c->code = SIGKILL;
	} else if (WIFEXITED(status)) {
		c->end = CHILD_EXITED;
		c->code = WEXITSTATUS(status);
	} else {
		c->code = WTERMSIG(status);
		c->end = c->code == SIGXFSZ   ? CHILD_TOO_LONG
			 : c->code == SIGXCPU ? CHILD_LATE
					      : CHILD_SIGNALLED;
	}
	return true;
}

/* ---- the thread ---- */

static bool
start_one(struct children *all, struct child *c)
{
	SCOPED_FD(in, memory_file("in"));

	c->out = memory_file("out");
	c->err = memory_file("err");
	bool ok = in >= 0 && c->out >= 0 && c->err >= 0 && put_in(in, c->in, c->in_bytes);
	int err = ok ? spawn_child(all, c, in) : errno;
	c->began_us = clock_mono_us();
	if (err) {
		c->end = CHILD_FAILED;
		snprintf(c->error, sizeof(c->error), "%s", strerror(err));
		return false;
	}
	c->pidfd = (int)syscall(SYS_pidfd_open, c->pid, 0);
	if (c->pidfd >= 0)
		fcntl(c->pidfd, F_SETFD, FD_CLOEXEC);
	return true;
}

/* Returns true if the caller holds less output than permitted. */
static bool
may_hold(const struct children *all, const struct child *c)
{
	size_t held = 0;

	for (const struct child *t = all->told; t; t = t->next)
		held += is_same_child(t, c) ? t->out_bytes : 0;
	return held < all->limits.out_bytes;
}

/* Returns the child that starts next: among the waiting ones, the first one of the caller with
 * the fewest running. NULL: none may start. */
static struct child *
next_child_of(const struct children *all, enum child_lane lane)
{
	unsigned each = all->limits.lane[lane].each_at_once, fewest = each ? each : UINT_MAX;
	const struct lane *l = &all->lane[lane];
	struct child *next = NULL;

	for (struct child *c = l->queue; c; c = c->next) {
		unsigned n = child_count(l->running, c);
		if (n >= fewest || !may_hold(all, c))
			continue;
		fewest = n;
		next = c;
	}
	return next;
}

/* Starts waiting children while there are places. The caller holds the lock, also during a
 * start, so that no child without a process id is visible. */
static void
begin_child(struct children *all, enum child_lane lane)
{
	struct lane *l = &all->lane[lane];

	struct child *c;

	while (l->nrunning < all->limits.lane[lane].at_once && !all->stopping &&
		all->held < all->limits.held_bytes && (c = next_child_of(all, lane)) != NULL) {
		INVARIANT(l->nqueued > 0);
		take_out(&l->queue, c);
		l->nqueued--;
		append_child(&l->running, c);
		l->nrunning++;
		if (start_one(all, c))
			continue;
		take_out(&l->running, c);
		l->nrunning--;
		pthread_mutex_unlock(&all->lock);
		child_over(all, c);
		pthread_mutex_lock(&all->lock);
	}
}

/* Takes the first child that is over out of its list and returns it, or NULL. Kills running
 * children that must end. The caller holds the lock. */
static struct child *
first_over(struct children *all, enum child_lane lane, uint64_t now)
{
	struct lane *l = &all->lane[lane];
	uint64_t most = all->limits.lane[lane].deadline_us;

	for (struct child *c = l->queue; c; c = c->next) {
		c->end = all->stopping		    ? CHILD_STOPPED
			 : client_went(c)	    ? CHILD_LEFT
			 : c->asked_us + most < now ? CHILD_BUSY
						    : CHILD_NOT_YET;
		if (c->end == CHILD_NOT_YET)
			continue;
		INVARIANT(l->nqueued > 0);
		take_out(&l->queue, c);
		l->nqueued--;
		return c;
	}
	for (struct child *c = l->running; c; c = c->next) {
		if (reap_child(c)) {
			INVARIANT(l->nrunning > 0);
			take_out(&l->running, c);
			l->nrunning--;
			return c;
		}
		if (all->stopping)
			kill_child(c, CHILD_STOPPED);
		else if (client_went(c))
			kill_child(c, CHILD_LEFT);
		else if (c->began_us + most < now)
			kill_child(c, CHILD_LATE);
	}
	return NULL;
}

static void
add_pollfd(struct pollfd *p, nfds_t *n, int fd, short events)
{
	if (fd >= 0 && *n < WATCHED)
		p[(*n)++] = (struct pollfd){ .fd = fd, .events = events };
}

/* Sleeps until a child may be over. The caller does not hold the lock. */
static void
wait_for_children(struct children *all)
{
	struct pollfd p[WATCHED];
	nfds_t n = 0;
	int64_t most_ms = -1;
	uint64_t now = clock_mono_us(), count;

	add_pollfd(p, &n, all->wake, POLLIN);
	pthread_mutex_lock(&all->lock);
	for (int i = 0; i < CHILD_LANES; i++)
		for (int running = 0; running < 2; running++)
			for (struct child *c = running ? all->lane[i].running
						       : all->lane[i].queue;
				c; c = c->next) {
				uint64_t end = (running ? c->began_us : c->asked_us) +
					       all->limits.lane[i].deadline_us;
				int64_t ms = end > now ? (int64_t)((end - now) / 1000) + 1 : 1;
				if (running && (c->pidfd < 0 || c->killed))
					ms = TICK_MS;
				if (most_ms < 0 || ms < most_ms)
					most_ms = ms;
				if (running)
					add_pollfd(p, &n, c->pidfd, POLLIN);
				if (!c->killed)
					add_pollfd(p, &n, c->client, POLLRDHUP);
			}
	pthread_mutex_unlock(&all->lock);
	/* A half-closed Unix socket keeps poll() from blocking, so sleep a tick if nothing else
	 * happened. */
	bool again = poll(p, n, (int)most_ms) > 0;
	bool work = false;
	for (nfds_t i = 0; i < n; i++)
		work = work || p[i].revents & ~POLLRDHUP;
	if (again && !work)
		poll(p, 1, TICK_MS);
	if (p[0].revents & POLLIN && read(all->wake, &count, sizeof(count)) < 0)
		return;
}

static void *
children_run(void *arg)
{
	struct children *all = arg;
	bool busy = true, stopping = false;

	while (busy || !stopping) {
		busy = false;
		uint64_t now = clock_mono_us();
		for (enum child_lane i = 0; i < CHILD_LANES; i++) {
			struct child *c;
			pthread_mutex_lock(&all->lock);
			while ((c = first_over(all, i, now)) != NULL) {
				pthread_mutex_unlock(&all->lock);
				child_over(all, c);
				pthread_mutex_lock(&all->lock);
			}
			begin_child(all, i);
			busy = busy || all->lane[i].running || all->lane[i].queue;
			stopping = all->stopping;
			pthread_mutex_unlock(&all->lock);
		}
		if (busy || !stopping)
			wait_for_children(all);
	}
	return NULL;
}

static void
wake_children(const struct children *all)
{
	const uint64_t one = 1;
	ssize_t n = write(all->wake, &one, sizeof(one));

	(void)n; /* a full counter means that the thread is awake */
}

/* ---- interface ---- */

struct children *
children_start(const struct children_limits *l)
{
	struct children *all = calloc(1, sizeof(*all));

	if (!all)
		return NULL;
	all->limits = *l;
	if (!l->metrics)
		all->limits.metrics = &all->unread;
	pthread_mutex_init(&all->lock, NULL);
	all->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (all->wake >= 0 && thread_start(&all->thread, "tg-children", children_run, all) == 0)
		return all;
	scoped_fd_close(&all->wake);
	pthread_mutex_destroy(&all->lock);
	free(all);
	return NULL;
}

void
children_stop(struct children *all)
{
	pthread_mutex_lock(&all->lock);
	all->stopping = true;
	pthread_mutex_unlock(&all->lock);
	wake_children(all);
	pthread_join(all->thread, NULL);
}

void
children_free(struct children **allp)
{
	struct children *all = *allp;

	if (!all)
		return;
	if (!all->stopping)
		children_stop(all);
	close(all->wake);
	pthread_mutex_destroy(&all->lock);
	free(all);
	*allp = NULL;
}

int
child_ask(struct children *all, struct child *c)
{
	struct lane *l = &all->lane[c->lane];
	int err = 0;

	c->end = CHILD_NOT_YET;
	c->out = c->err = c->pidfd = -1;
	c->pid = 0;
	c->killed = false;
	c->out_bytes = 0;
	c->error[0] = '\0';
	c->asked_us = clock_mono_us();
	pthread_mutex_lock(&all->lock);
	unsigned places = all->limits.lane[c->lane].at_once + all->limits.lane[c->lane].queue;
	unsigned each = all->limits.lane[c->lane].each;
	if (all->stopping)
		err = ERR_BAD_STATE;
	else if (l->nrunning + l->nqueued >= places ||
		 (each && child_count(l->running, c) + child_count(l->queue, c) >= each))
		err = ERR_LIMIT;
	else {
		append_child(&l->queue, c);
		l->nqueued++;
	}
	pthread_mutex_unlock(&all->lock);
	if (err)
		metric_inc(all->limits.metrics, M_CHILD_REFUSED);
	else
		wake_children(all);
	return err;
}

void
child_release(struct children *all, struct child *c)
{
	if (c->out < 0)
		return;
	close(c->out);
	c->out = -1;
	if (!all)
		return;
	pthread_mutex_lock(&all->lock);
	take_out(&all->told, c);
	INVARIANT(all->held >= c->out_bytes);
	all->held -= c->out_bytes;
	pthread_mutex_unlock(&all->lock);
	wake_children(all);
}

bool
child_with(struct children *all, pid_t pid, void (*with)(struct child *c, void *arg), void *arg)
{
	if (!all || pid <= 0)
		return false;
	SCOPED_LOCK(&all->lock);
	for (int i = 0; i < CHILD_LANES; i++)
		for (struct child *c = all->lane[i].running; c; c = c->next)
			if (c->pid == pid) {
				with(c, arg);
				return true;
			}
	return false;
}

struct children_count
children_count(struct children *all, enum child_lane lane)
{
	SCOPED_LOCK(&all->lock);
	return (struct children_count){ all->lane[lane].nrunning, all->lane[lane].nqueued };
}
