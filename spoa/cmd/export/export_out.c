/* The output of an export: standard output, or a file. A file is written under a temporary
 * name and gets its own name only when it is complete. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cmd/cmd.h"
#include "cmd/export/export.h"
#include "record/archive/files.h"

#define MUCH (256u << 10)

int
export_folder(const char *path, const char **name)
{
	const char *slash = strrchr(path, '/');
	char dir[4096];

	*name = slash ? slash + 1 : path;
	snprintf(dir, sizeof(dir), "%.*s",
		slash == path ? 1
		: slash	      ? (int)(slash - path)
			      : 1,
		slash ? path : ".");
	if (!**name || strlen(*name) > EXPORT_NAME_MAX - 16) {
		cmd_fail(EXPORT_WHAT, "%s: give the name of a file", path);
		return -1;
	}
	int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		cmd_fail(EXPORT_WHAT, "%s: %s", dir, strerror(errno));
	return fd;
}

int
export_out_open(struct export_out *o, const char *path)
{
	char manifest[EXPORT_NAME_MAX + 16];
	int code = 0;

	*o = (struct export_out){ .fd = STDOUT_FILENO, .dirfd = -1, .path = path };
	buf_init(&o->text, 0);
	sha256_begin(&o->hash);
	if (!path)
		return 0;
	o->dirfd = export_folder(path, &o->name);
	if (o->dirfd < 0)
		return EXIT_CANNOT;
	/* an existing export is never replaced, because it may be evidence that someone
	 * already holds */
	snprintf(manifest, sizeof(manifest), "%s.manifest", o->name);
	if (faccessat(o->dirfd, o->name, F_OK, AT_SYMLINK_NOFOLLOW) == 0 ||
		faccessat(o->dirfd, manifest, F_OK, AT_SYMLINK_NOFOLLOW) == 0)
		return cmd_fail(EXPORT_WHAT,
			"%s: the file or its manifest already exists and is not "
			"overwritten: name another file",
			path);
	SCOPED_BUF(why, 4096);
	o->fd = replace_begin(o->dirfd, o->name, 0600, &why);
	if (o->fd < 0)
		code = cmd_fail(EXPORT_WHAT, "%s: %.*s", path, SPAN_ARG(buf_view(&why)));
	o->begun = o->fd >= 0;
	return code;
}

int
export_out_write(struct export_out *o, bool all)
{
	struct span s = buf_view(&o->text);
	int code = 0;

	if (buf_failed(&o->text))
		return cmd_fail(EXPORT_WHAT, "out of memory");
	if (!s.n || (!all && s.n < MUCH))
		return 0;
	SCOPED_BUF(why, 4096);
	sha256_add(&o->hash, s);
	o->bytes += s.n;
	if (o->dirfd >= 0 && files_write(o->fd, s, &why))
		code = cmd_fail(EXPORT_WHAT, "%s: %.*s", o->path, SPAN_ARG(buf_view(&why)));
	while (o->dirfd < 0 && s.n && !code) {
		ssize_t n = write(o->fd, s.p, s.n);
		if (n < 0 && errno != EINTR)
			code = cmd_fail(
				EXPORT_WHAT, "cannot write the output: %s", strerror(errno));
		s = span_cut(s, n > 0 ? (size_t)n : 0, s.n);
	}
	buf_clear(&o->text);
	return code;
}

void
export_out_close(struct export_out *o)
{
	if (o->dirfd >= 0 && o->begun)
		replace_drop(o->dirfd, o->name);
	if (o->dirfd >= 0)
		scoped_fd_close(&o->fd);
	scoped_fd_close(&o->dirfd);
	buf_free(&o->text);
	*o = (struct export_out){ .fd = -1, .dirfd = -1 };
}
