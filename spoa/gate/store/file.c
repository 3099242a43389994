/* Lines on disk: added, synced; or all of them, written aside, synced, renamed. */
#include "gate/store/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/err.h"
#include "base/keyfile.h"
#include "base/log.h"
#include "base/replace.h"
#include "base/scoped.h"

enum { FILE_BYTES = 512 << 20 };

struct store_file {
	char *name;
	int fd;
	off_t size; /* of what counts */
};

const char *
store_file_name(const struct store_file *f)
{
	return f->name;
}

static bool
write_all(int fd, struct span s, off_t at)
{
	while (s.n) {
		ssize_t n = pwrite(fd, s.p, s.n, at);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return false;
		s = span_cut(s, (size_t)n, s.n);
		at += n;
	}
	return true;
}

static bool
read_file_lines(struct store_file *f, struct span text,
	bool (*each)(void *arg, struct span line, struct buf *why), void *arg, size_t *lines,
	struct buf *why)
{
	bool ok = true;

	SCOPED_BUF(one, 1024);
	while (ok && span_chr(text, '\n') < text.n) {
		struct span line = span_next(&text, '\n');
		*lines += 1;
		buf_clear(&one);
		ok = each(arg, line, &one);
		if (!ok)
			buf_printf(
				why, "%s:%zu: %.*s", f->name, *lines, SPAN_ARG(buf_view(&one)));
		else
			f->size += (off_t)line.n + 1;
	}
	if (ok && text.n) {
		log_event(LOG_WARN, "live.cut", LS("file", f->name), LI("bytes", text.n));
		ok = ftruncate(f->fd, f->size) == 0 && fsync(f->fd) == 0;
		if (!ok)
			buf_printf(why, "%s: %s", f->name, strerror(errno));
	}
	return ok;
}

struct store_file *
store_file_open(const char *name, bool (*each)(void *arg, struct span line, struct buf *why),
	void *arg, size_t *lines, bool *begun, struct buf *why)
{
	struct store_file *f = calloc(1, sizeof(*f));
	struct stat st;
	int err = ERR_IO;

	if (!f)
		return NULL;
	SCOPED_BUF(text, FILE_BYTES);
	f->name = strdup(name);
	f->fd = f->name ? open(name, O_RDWR | O_CLOEXEC | O_NOCTTY) : -1;
	*begun = f->name && f->fd < 0 && errno == ENOENT;
	if (*begun)
		f->fd = open(name, O_RDWR | O_CREAT | O_CLOEXEC | O_NOCTTY, 0600);
	if (f->fd < 0 || fstat(f->fd, &st) < 0)
		buf_printf(why, "%s: %s", name, strerror(errno));
	else if (keyfile_wide(name, st.st_mode, "state", why))
		err = ERR_AUTH;
	else if (flock(f->fd, LOCK_EX | LOCK_NB) < 0)
		buf_printf(why, "%s: another daemon uses it", name);
	else if (replace_sync_folder(AT_FDCWD, name, why))
		; /* a new file is there after a power cut only where that was done */
	else if ((err = buf_fd(&text, f->fd)))
		buf_printf(why, "%s: %s", name, err == ERR_IO ? strerror(errno) : err_str(err));
	else if (!read_file_lines(f, buf_view(&text), each, arg, lines, why))
		err = ERR_SYNTAX;
	if (err)
		store_file_close(&f);
	return f;
}

void
store_file_close(struct store_file **fp)
{
	struct store_file *f = *fp;

	*fp = NULL;
	if (!f)
		return;
	if (f->fd >= 0)
		close(f->fd);
	free(f->name);
	free(f);
}

int
store_file_append(struct store_file *f, struct span lines)
{
	if (write_all(f->fd, lines, f->size) && fsync(f->fd) == 0) {
		f->size += (off_t)lines.n;
		return 0;
	}
	if (ftruncate(f->fd, f->size) < 0)
		log_event(LOG_ERROR, "live.failed", LS("file", f->name),
			LS("why", strerror(errno)));
	return ERR_IO;
}

int
store_file_replace(struct store_file *f, struct span lines)
{
	int fd = replace_begin(AT_FDCWD, f->name, 0600, NULL), err = fd < 0 ? fd : 0;
	struct stat st;

	if (!err && flock(fd, LOCK_EX | LOCK_NB) < 0)
		err = ERR_IO;
	err = err ? err : replace_write(fd, f->name, lines, NULL);
	if (!err)
		err = replace_place(AT_FDCWD, f->name, fd, NULL);
	else if (fd >= 0)
		replace_drop(AT_FDCWD, f->name);
	/* Where its folder alone could not be synced it has the name, and is the one to lock.
	 */
	if (!err || (fd >= 0 && fstat(fd, &st) == 0 && st.st_nlink)) {
		int was = f->fd;
		f->fd = fd;
		f->size = (off_t)lines.n;
		fd = was;
	}
	if (fd >= 0)
		close(fd);
	return err ? ERR_IO : 0;
}
