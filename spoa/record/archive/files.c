/* Files next to the journal: see files.h. */
#include "record/archive/files.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/err.h"
#include "base/scoped.h"
#include "base/why.h"

/* bytes that are read at once */
#define PIECE (64u << 10)

struct keep_io keep_io = { unlinkat, fstatvfs };
uint64_t files_reserve = 1u << 20; /* room for the commits in progress, doubled */

static int
file_failed(const char *what, struct buf *why)
{
	bool full = errno == ENOSPC || errno == EDQUOT || errno == EFBIG;

	return why_err(why, full ? ERR_FULL : ERR_IO, "%s: %s", what, strerror(errno));
}

int
files_open(int dirfd, const char *name, struct buf *why)
{
	int fd = openat(dirfd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);

	return fd < 0 ? why_err(why, ERR_IO, "%s: %s", name, strerror(errno)) : fd;
}

int
files_folder(const char *path, struct buf *why)
{
	if (mkdir(path, 0700) < 0 && errno != EEXIST)
		return file_failed(path, why);
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return fd < 0 ? file_failed(path, why) : fd;
}

bool
files_room(int fd, uint64_t n, uint64_t most)
{
	struct statvfs st;

	if (keep_io.fstatvfs(fd, &st) < 0)
		return true;
	uint64_t twentieth = (uint64_t)st.f_blocks * st.f_frsize / 20;
	uint64_t reserve = most < twentieth ? most : twentieth;
	/* f_blocks is 0 if the file system does not report its size */
	return twentieth == 0 || (uint64_t)st.f_bavail * st.f_frsize >= n + reserve;
}

int
files_write(int fd, struct span s, struct buf *why)
{
	off_t from = lseek(fd, 0, SEEK_CUR);

	if (!files_room(fd, s.n, files_reserve)) {
		errno = ENOSPC;
		return file_failed("the rest of the disk is reserved for the journal", why);
	}
	int err = replace_write(fd, "write", s, why);
	/* Wait for this piece now. Otherwise the sync at the end would take long, and a
	 * commit's sync would wait for it. */
	if (!err && s.n >= PIECE)
		sync_file_range(fd, from, (off_t)s.n,
			SYNC_FILE_RANGE_WRITE | SYNC_FILE_RANGE_WAIT_AFTER);
	return err;
}

int
files_put(int dirfd, const char *name, struct span text, struct buf *why)
{
	SCOPED_FD(fd, replace_begin(dirfd, name, 0600, why));

	if (fd < 0)
		return fd;
	int err = files_write(fd, text, why);
	if (!err)
		return replace_place(dirfd, name, fd, why);
	replace_drop(dirfd, name);
	return err;
}

int
files_remove(int dirfd, const char *name, struct buf *why)
{
	if (keep_io.unlinkat(dirfd, name, 0) < 0 && errno != ENOENT)
		return file_failed(name, why);
	return replace_sync_folder(dirfd, name, why);
}

int
files_hash(int fd, const atomic_bool *stop, unsigned char hash[SHA256_BYTES], uint64_t *bytes,
	struct buf *why)
{
	/* on the stack, because a thread-local buffer would exist in every thread */
	char piece[PIECE];
	struct sha256 h;
	ssize_t n;

	*bytes = 0;
	sha256_begin(&h);
	while ((n = pread(fd, piece, sizeof(piece), (off_t)*bytes)) != 0) {
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return file_failed("read", why);
		if (stop && atomic_load(stop))
			return ERR_CLOSED;
		sha256_add(&h, span_of(piece, (size_t)n));
		*bytes += (uint64_t)n;
	}
	sha256_end(&h, hash);
	return 0;
}

int
files_copy(int fd, int dirfd, const char *name, const atomic_bool *stop, struct buf *why)
{
	char piece[PIECE];
	int to = replace_begin(dirfd, name, 0600, why), err = to < 0 ? to : 0;
	ssize_t n = 0;

	for (off_t at = 0; !err && (n = pread(fd, piece, sizeof(piece), at)) != 0;) {
		if (n < 0)
			err = file_failed("read", why);
		else if (stop && atomic_load(stop))
			err = ERR_CLOSED;
		else
			err = files_write(to, span_of(piece, (size_t)n), why);
		at += n;
	}
	if (!err)
		return to;
	if (to >= 0) {
		close(to);
		replace_drop(dirfd, name);
	}
	return err;
}
