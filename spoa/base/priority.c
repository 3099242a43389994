/* Lowers and restores priorities. On Linux, a priority belongs to a thread, and a new thread
 * inherits that of its maker (sched(7)). */
#include "base/priority.h"

#include <dirent.h>
#include <sched.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/log.h"

/* Not a priority that a thread sets for itself, so that priority_regain() recognizes it. */
enum { YIELDING = 17, NICE_RANGE = 20 };

static bool yields, by_policy;
static int before;

/* Returns true if the process may return from a lower priority to this one. */
static bool
may_return_to(int nice)
{
	struct rlimit most;

	return geteuid() == 0 || (getrlimit(RLIMIT_NICE, &most) == 0 &&
					 most.rlim_cur >= (rlim_t)(NICE_RANGE - nice));
}

void
priority_yield(void)
{
	const struct sched_param none = { .sched_priority = 0 };

	before = getpriority(PRIO_PROCESS, 0);
	if (before < YIELDING && may_return_to(before))
		yields = setpriority(PRIO_PROCESS, 0, YIELDING) == 0;
	else if (sched_getscheduler(0) == SCHED_OTHER)
		yields = by_policy = sched_setscheduler(0, SCHED_BATCH, &none) == 0;
	log_event(LOG_INFO, "upgrade.yields",
		LS("by", !yields     ? "nothing, because it is not permitted"
			 : by_policy ? "SCHED_BATCH"
				     : "nice"));
}

static void
regain(pid_t thread)
{
	const struct sched_param none = { .sched_priority = 0 };

	if (by_policy && sched_getscheduler(thread) == SCHED_BATCH)
		sched_setscheduler(thread, SCHED_OTHER, &none);
	else if (!by_policy && getpriority(PRIO_PROCESS, (id_t)thread) == YIELDING)
		setpriority(PRIO_PROCESS, (id_t)thread, before);
}

void
priority_regain(void)
{
	DIR *d = yields ? opendir("/proc/self/task") : NULL;
	struct dirent *e;

	if (yields)
		regain(0); /* also without /proc */
	while (d && (e = readdir(d)))
		if (*e->d_name != '.')
			regain((pid_t)atoi(e->d_name));
	if (d)
		closedir(d);
	yields = by_policy = false;
}
