/* A folder by itself, S3 by s3.c. */
#include "record/archive/archive.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "base/err.h"
#include "base/scoped.h"
#include "base/stops.h"
#include "base/why.h"
#include "record/archive/s3.h"

static bool
is_s3(const struct archive_options *o)
{
	return !strncmp(o->place, S3_SCHEME, sizeof(S3_SCHEME) - 1);
}

const char *
archive_wrong(const struct archive_options *o)
{
	if (is_s3(o))
		return s3_wrong(o);
	if (o->place[0] != '/')
		return "an absolute path or s3://BUCKET/PREFIX is expected";
	return o->endpoint || o->credentials_file || o->retain_s
		       ? "is a folder: endpoint, credentials_file and lock are of s3://"
		       : NULL;
}

/* The folder is not made: an archive that is not mounted is not an empty one. */
static int
open_folder(const struct archive_options *o, struct buf *why)
{
	int fd = open(o->place, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	return fd < 0 ? why_err(why, ERR_IO, "%s: %s", o->place, strerror(errno)) : fd;
}

static int
open_in(const struct archive_options *o, const char *name, struct buf *why)
{
	SCOPED_FD(dirfd, open_folder(o, why));

	if (dirfd < 0)
		return dirfd;
	int fd = openat(dirfd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (fd >= 0)
		return fd;
	return why_err(why, errno == ENOENT ? ERR_NOTFOUND : ERR_IO, "%s/%s: %s", o->place,
		name, strerror(errno));
}

int
archive_check(const struct archive_options *o, const char *name,
	const unsigned char sha256[SHA256_BYTES], const atomic_bool *stop, struct buf *why)
{
	unsigned char is[SHA256_BYTES];
	uint64_t bytes;
	int err;

	if (is_s3(o)) {
		err = s3_hash(o, name, is, stop, why);
	} else {
		SCOPED_FD(fd, open_in(o, name, why));
		if (fd < 0)
			return fd;
		posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
		err = files_hash(fd, stop, is, &bytes, why);
	}
	if (!err && memcmp(is, sha256, SHA256_BYTES) != 0)
		err = why_err(why, ERR_AUTH, "%s: the archive holds other bytes", name);
	return err;
}

static int
put_in_folder(const struct archive_options *o, const char *name, int fd,
	const atomic_bool *stop, struct buf *why)
{
	SCOPED_FD(dirfd, open_folder(o, why));

	if (dirfd < 0)
		return dirfd;
	SCOPED_FD(to, files_copy(fd, dirfd, name, stop, why));
	stop_at("archive-written");
	return to < 0 ? to : replace_place(dirfd, name, to, why);
}

int
archive_put(const struct archive_options *o, const char *name, int fd,
	const unsigned char sha256[SHA256_BYTES], const atomic_bool *stop, struct buf *why)
{
	int err = is_s3(o) ? s3_put(o, name, fd, sha256, stop, why)
			   : put_in_folder(o, name, fd, stop, why);

	stop_at("archive-put");
	return err ? err : archive_check(o, name, sha256, stop, why);
}

int
archive_get(const struct archive_options *o, const char *name, int dirfd,
	const atomic_bool *stop, struct buf *why)
{
	if (!is_s3(o)) {
		SCOPED_FD(from, open_in(o, name, why));
		return from < 0 ? from : files_copy(from, dirfd, name, stop, why);
	}
	int fd = replace_begin(dirfd, name, 0600, why);
	int err = fd < 0 ? fd : s3_get(o, name, fd, stop, why);
	if (err && fd >= 0) {
		close(fd);
		replace_drop(dirfd, name);
	}
	return err ? err : fd;
}
