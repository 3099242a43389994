/* Makes a given number of syncs and truncations of a journal fail: for journal_io. */
#ifndef SUPPORT_FAILING_DISK_H
#define SUPPORT_FAILING_DISK_H

#include <sys/types.h>

extern _Atomic int syncs_to_fail, cuts_to_fail;

/* Like fdatasync(), or fails with EIO while syncs_to_fail is above 0. */
int failing_sync(int fd);

/* Like ftruncate(), or fails with EIO while cuts_to_fail is above 0. */
int failing_cut(int fd, off_t n);

#endif
