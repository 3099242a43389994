/* Replaces files durably. Each step is needed: without the sync, a rename may reach the disk
 * before the bytes do, and without the sync of the folder, neither is durable. */
#include "base/replace.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/err.h"
#include "base/scoped.h"
#include "base/stops.h"

struct replace_io replace_io = { write, fsync, renameat };

static int
replace_failed(const char *name, const char *what, struct buf *why)
{
	int sys = errno;

	if (why)
		buf_printf(why, "%s: %s%s", name, what, strerror(sys));
	errno = sys;
	return sys == ENOSPC || sys == EDQUOT || sys == EFBIG ? ERR_FULL : ERR_IO;
}

static bool
aside_name(const char *name, char made[PATH_MAX])
{
	errno = ENAMETOOLONG;
	return snprintf(made, PATH_MAX, "%s" REPLACE_SUFFIX, name) < PATH_MAX;
}

static int
open_folder_of(int dirfd, const char *name)
{
	char folder[PATH_MAX] = ".";
	const char *slash = strrchr(name, '/');

	if (slash)
		snprintf(folder, sizeof(folder), "%.*s", slash > name ? (int)(slash - name) : 1,
			name);
	return openat(dirfd, folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

/* Gives fd the owner, group and mode of `like`, so that the same users can read the new file,
 * and no others. If the group may read the file and the owner cannot be set, setting the group
 * is enough. */
static int
take_access(int fd, const struct stat *like, mode_t mode)
{
	struct stat is;

	if (fstat(fd, &is) < 0)
		return -1;
	if ((is.st_uid != like->st_uid || is.st_gid != like->st_gid) &&
		fchown(fd, like->st_uid, like->st_gid) < 0 &&
		(!(mode & 040) || fchown(fd, (uid_t)-1, like->st_gid) < 0))
		return -1;
	return fchmod(fd, mode);
}

static int
access_of_before(int fd, int dirfd, const char *name, mode_t mode)
{
	struct stat st;

	if (fstatat(dirfd, name, &st, 0) == 0)
		return take_access(fd, &st, st.st_mode & 0777);
	if (errno != ENOENT)
		return -1;
	if (geteuid() != 0)
		return fchmod(fd, mode);
	SCOPED_FD(folder, open_folder_of(dirfd, name));
	/* Root without the right to change the owner keeps the file. */
	return folder < 0 || fstat(folder, &st) < 0 ? -1
	       : take_access(fd, &st, mode) < 0	    ? fchmod(fd, mode)
						    : 0;
}

int
replace_begin(int dirfd, const char *name, mode_t mode, struct buf *why)
{
	char made[PATH_MAX];

	if (!aside_name(name, made))
		return replace_failed(name, "", why);
	unlinkat(dirfd, made, 0);
	int fd = openat(dirfd, made, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return replace_failed(made, "", why);
	if (access_of_before(fd, dirfd, name, mode) == 0)
		return fd;
	int err = replace_failed(name, "the mode and owner of the file cannot be kept: ", why);
	replace_drop(dirfd, name);
	close(fd);
	return err;
}

int
replace_as(int fd, const char *like, struct buf *why)
{
	struct stat st;

	if (stat(like, &st) == 0 && take_access(fd, &st, st.st_mode & 0777) == 0)
		return 0;
	return replace_failed(like, "the mode and owner of the file cannot be set: ", why);
}

int
replace_write(int fd, const char *name, struct span s, struct buf *why)
{
	while (s.n) {
		ssize_t n = replace_io.write(fd, s.p, s.n);
		if (n < 0 && errno == EINTR)
			continue;
		if (n == 0)
			errno = EIO;
		if (n <= 0)
			return replace_failed(name, "", why);
		s = span_cut(s, (size_t)n, s.n);
	}
	return 0;
}

int
replace_sync(int fd, const char *name, struct buf *why)
{
	return replace_io.fsync(fd) < 0 ? replace_failed(name, "", why) : 0;
}

/* Syncs a folder. Some file systems do not support this and return EINVAL. */
static int
sync_open_folder(int folder)
{
	return replace_io.fsync(folder) < 0 && errno != EINVAL ? -1 : 0;
}

int
replace_sync_folder(int dirfd, const char *name, struct buf *why)
{
	SCOPED_FD(folder, open_folder_of(dirfd, name));

	return folder < 0 || sync_open_folder(folder) < 0
		       ? replace_failed(name, "the folder of the file cannot be synced: ", why)
		       : 0;
}

/* Checks that the file beside NAME is still the one that was begun here, because another process
 * may have begun the same replacement since. */
static int
still_aside(int dirfd, const char *made, int fd, struct buf *why)
{
	struct stat is, ours;

	if (fstat(fd, &ours) == 0 && fstatat(dirfd, made, &is, AT_SYMLINK_NOFOLLOW) == 0 &&
		is.st_dev == ours.st_dev && is.st_ino == ours.st_ino)
		return 0;
	errno = EBUSY;
	replace_failed(made, "another process is writing it: ", why);
	return ERR_BAD_STATE;
}

/* The contents that NAME must have to be replaced. */
struct replace_over {
	const struct span *was; /* NULL: NAME must not exist */
};

static int
changed_meanwhile(const char *name, struct buf *why)
{
	if (why)
		buf_printf(why,
			"%s: was changed by somebody else in the meantime: look at the file, "
			"and run the command again", name);
	errno = EBUSY;
	return ERR_BAD_STATE;
}

static bool
has_contents(int dirfd, const char *name, const struct span *was)
{
	SCOPED_FD(fd, openat(dirfd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW));
	SCOPED_BUF(text, 0);

	if (fd < 0)
		return !was && errno == ENOENT;
	return was && buf_fd(&text, fd) == 0 && span_eq(buf_view(&text), *was);
}

/* Renames the new file, if NAME still has the expected contents. A file system that cannot exchange
 * two names gets a comparison before the rename. */
static int
rename_over(int dirfd, const char *made, const char *name, const struct replace_over *over,
	struct buf *why)
{
	unsigned how = over->was ? RENAME_EXCHANGE : RENAME_NOREPLACE;

	if (renameat2(dirfd, made, dirfd, name, how) < 0) {
		if (errno == EEXIST || errno == ENOENT)
			return changed_meanwhile(name, why);
		if (errno != EINVAL && errno != ENOSYS)
			return replace_failed(name, "", why);
		if (!has_contents(dirfd, name, over->was))
			return changed_meanwhile(name, why);
		return replace_io.renameat(dirfd, made, dirfd, name) < 0
			       ? replace_failed(name, "", why)
			       : 0;
	}
	if (!over->was)
		return 0;
	if (has_contents(dirfd, made, over->was)) {
		unlinkat(dirfd, made, 0);
		return 0;
	}
	if (renameat2(dirfd, made, dirfd, name, RENAME_EXCHANGE) < 0)
		return replace_failed(name, "", why);
	return changed_meanwhile(name, why);
}

/* Places the new file. `over` NULL: NAME may have any contents. */
static int
place_new(int dirfd, const char *name, int fd, const struct replace_over *over, struct buf *why)
{
	char made[PATH_MAX];
	bool lost = false;
	int err = 0;

	SCOPED_FD(folder, -1);
	if (!aside_name(name, made))
		return replace_failed(name, "", why);
	if (replace_io.fsync(fd) < 0 || (folder = open_folder_of(dirfd, name)) < 0)
		err = replace_failed(name, "", why);
	stop_at("replace-aside");
	if (!err) {
		err = still_aside(dirfd, made, fd, why);
		lost = err != 0;
	}
	if (!err && over)
		err = rename_over(dirfd, made, name, over, why);
	else if (!err && replace_io.renameat(dirfd, made, dirfd, name) < 0)
		err = replace_failed(name, "", why);
	if (err && !lost)
		replace_drop(dirfd, name);
	if (!err && sync_open_folder(folder) < 0)
		err = replace_failed(name,
			"was replaced, but its folder cannot be synced, so a power failure may "
			"restore the previous file: ",
			why);
	return err;
}

int
replace_place(int dirfd, const char *name, int fd, struct buf *why)
{
	return place_new(dirfd, name, fd, NULL, why);
}

void
replace_drop(int dirfd, const char *name)
{
	char made[PATH_MAX];
	int sys = errno;

	if (aside_name(name, made))
		unlinkat(dirfd, made, 0);
	errno = sys;
}

static int
replace_text(int dirfd, const char *name, mode_t mode, struct span text,
	const struct replace_over *over, struct buf *why)
{
	SCOPED_FD(fd, replace_begin(dirfd, name, mode, why));

	if (fd < 0)
		return fd;
	int err = replace_write(fd, name, text, why);
	if (!err)
		return place_new(dirfd, name, fd, over, why);
	replace_drop(dirfd, name);
	return err;
}

int
replace_file(int dirfd, const char *name, mode_t mode, struct span text, struct buf *why)
{
	return replace_text(dirfd, name, mode, text, NULL, why);
}

int
replace_file_over(int dirfd, const char *name, mode_t mode, struct span text,
	const struct span *was, struct buf *why)
{
	return replace_text(
		dirfd, name, mode, text, &(struct replace_over){ .was = was }, why);
}
