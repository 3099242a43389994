/* A checkpoint into a file, as it is: appended and synced. Others may rotate the file; it is
 * opened anew each time. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/err.h"
#include "base/scoped.h"
#include "record/anchors/place.h"

static int
append_note(int fd, struct span note)
{
	struct stat before;

	if (fstat(fd, &before) < 0)
		return -1;
	if (!S_ISREG(before.st_mode)) {
		errno = EINVAL;
		return -1;
	}
	/* One write: whoever follows the file never sees half of one, but where the disk is
	 * full; that half is taken back. */
	ssize_t n = write(fd, note.p, note.n);
	if (n == (ssize_t)note.n)
		return fdatasync(fd);
	int why = n < 0 ? errno : ENOSPC;
	if (n > 0 && ftruncate(fd, before.st_size) < 0)
		why = errno;
	errno = why;
	return -1;
}

int
anchor_append(const char *file, struct span note, char why[PLACE_WHY])
{
	/* A pipe that nobody reads would hold up whoever opens it. */
	SCOPED_FD(fd,
		open(file, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK,
			0600));
	int err = fd < 0 || append_note(fd, note) < 0 ? ERR_IO : 0;

	if (err)
		snprintf(why, PLACE_WHY, "%s",
			errno == EINVAL ? "the path is not a regular file" : strerror(errno));
	return err;
}
