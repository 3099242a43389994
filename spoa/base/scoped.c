#include "base/scoped.h"

#include <errno.h>
#include <unistd.h>

/* The cleanup of SCOPED_FD(). */
void
scoped_fd_close(const int *fd)
{
	int sys = errno;

	if (*fd >= 0)
		close(*fd);
	errno = sys;
}
