/* Closes the descriptors of SCOPED_FD() at the end of their scope (base/scoped.h). All other
 * helpers of the header are macros and inline functions. */
#include "base/scoped.h"

#include <errno.h>
#include <unistd.h>

/* Called by the compiler at the end of the scope. Keeps errno. */
void
scoped_fd_close(const int *fd)
{
	int sys = errno;

	if (*fd >= 0)
		close(*fd);
	errno = sys;
}
