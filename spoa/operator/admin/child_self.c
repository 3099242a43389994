/* What a child of the daemon takes from itself before it reads its arguments. */
#include "operator/admin/child_self.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/caps.h"

enum { NICE = 10 };

void
child_name(char *out, size_t size, pid_t parent, unsigned cpu_s)
{
	snprintf(out, size, CHILD_NAME " %d %u", (int)parent, cpu_s);
}

/* The kernel takes this one first, and not the daemon. */
static void
first_to_go(void)
{
	int fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);

	if (fd < 0)
		return;
	ssize_t n = write(fd, "1000", 4);
	(void)n; /* where it may not: the limits hold */
	close(fd);
}

static bool
limit(int what, const char *name, rlim_t to)
{
	/* Of processor time the first ends it by SIGXCPU, which says so. */
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
		fprintf(stderr, "tollgate: %s: started by the daemon alone\n", name);
		return false;
	}
	prctl(PR_SET_NAME, CHILD_NAME, 0, 0, 0);
	if (prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) < 0 || getppid() != parent) {
		fprintf(stderr, "tollgate: child: the daemon is gone\n");
		return false;
	}
	first_to_go();
	if (getpriority(PRIO_PROCESS, 0) < NICE) /* where it may not: it is not nice */
		setpriority(PRIO_PROCESS, 0, NICE);
	ok = limit(RLIMIT_CORE, "RLIMIT_CORE", 0) && limit(RLIMIT_CPU, "RLIMIT_CPU", cpu_s) &&
	     limit(RLIMIT_FSIZE, "RLIMIT_FSIZE", CAP_CHILD_OUT);
#ifndef TG_SANITIZE /* which maps terabytes, and traces itself */
	ok = ok && limit(RLIMIT_DATA, "RLIMIT_DATA", CAP_CHILD_DATA);
	prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
#endif
	return ok;
}
