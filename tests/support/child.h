/* A program that a test starts ends with the test, also where that aborts. */
#ifndef TESTS_CHILD_H
#define TESTS_CHILD_H

#include <signal.h>
#include <sys/prctl.h>
#include <unistd.h>

/* In the child, before anything else; `parent` is what getpid() said before the fork. The
 * kernel counts the thread that forked as the parent: it is a test's own, the first. */
static inline void
ends_with(pid_t parent)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent) /* it has ended already */
		_exit(127);
}

#endif
