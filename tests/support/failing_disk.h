/* Makes a given number of syncs and truncations of a journal fail: for journal_io. */
#ifndef SUPPORT_FAILING_DISK_H
#define SUPPORT_FAILING_DISK_H

#include <errno.h>
#include <unistd.h>

static _Atomic int syncs_to_fail, cuts_to_fail;

static int
failing_sync(int fd)
{
	if (syncs_to_fail > 0) {
		syncs_to_fail--;
		errno = EIO;
		return -1;
	}
	return fdatasync(fd);
}

static int
failing_cut(int fd, off_t n)
{
	if (cuts_to_fail > 0) {
		cuts_to_fail--;
		errno = EIO;
		return -1;
	}
	return ftruncate(fd, n);
}

#endif
