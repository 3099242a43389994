/* Replacements of fdatasync() and ftruncate() that fail as often as the test sets. */
#include <errno.h>
#include <unistd.h>

#include "support/failing_disk.h"

_Atomic int syncs_to_fail, cuts_to_fail;

int
failing_sync(int fd)
{
	if (syncs_to_fail > 0) {
		syncs_to_fail--;
		errno = EIO;
		return -1;
	}
	return fdatasync(fd);
}

int
failing_cut(int fd, off_t n)
{
	if (cuts_to_fail > 0) {
		cuts_to_fail--;
		errno = EIO;
		return -1;
	}
	return ftruncate(fd, n);
}
