/* A child that ends with its parent, by PR_SET_PDEATHSIG. */
#include <signal.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "support/child.h"

void
ends_with(pid_t parent)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent) /* the parent has already ended */
		_exit(127);
}
