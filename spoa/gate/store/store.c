/* Appends to a file of lines, or replaces the whole file with base/replace.h. A crash at any
 * point leaves a file that the next start reads. */
#include "gate/store/store.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/err.h"
#include "base/keyfile.h"
#include "base/log.h"
#include "base/replace.h"
#include "base/scoped.h"

enum { FILE_BYTES = 512 << 20 };

void
store_init(struct store *s, const struct store_kind *kind, void *arg, const char *name)
{
	*s = (struct store){ .kind = kind, .arg = arg, .name = name, .fd = -1, .kept = true };
}

void
store_close(struct store *s)
{
	if (s->fd >= 0)
		close(s->fd);
	s->fd = -1;
}

/* ---- reading ---- */

static bool
read_store_lines(struct store *s, struct span text, struct buf *why)
{
	bool ok = true;

	SCOPED_BUF(one, 1024);
	while (ok && span_chr(text, '\n') < text.n) {
		struct span line = span_next(&text, '\n');
		s->lines++;
		buf_clear(&one);
		ok = s->kind->read(s->arg, line, &one);
		if (ok)
			s->size += (off_t)line.n + 1;
		else
			buf_printf(why, "%s:%zu: %.*s", s->name, s->lines,
				SPAN_ARG(buf_view(&one)));
	}
	if (ok && text.n) {
		log_event(LOG_WARN, "live.cut", LS("file", s->name), LI("bytes", text.n));
		ok = ftruncate(s->fd, s->size) == 0 && fsync(s->fd) == 0;
		if (!ok)
			buf_printf(why, "%s: %s", s->name, strerror(errno));
	}
	return ok;
}

bool
store_open(struct store *s, struct buf *why)
{
	struct stat st;
	int err = ERR_IO;

	SCOPED_BUF(text, FILE_BYTES);
	INVARIANT(s->fd < 0); /* otherwise the old descriptor would keep the lock */
	s->lines = 0;
	s->size = 0;
	s->fd = open(s->name, O_RDWR | O_CLOEXEC | O_NOCTTY);
	s->begun = s->fd < 0 && errno == ENOENT;
	if (s->begun)
		s->fd = open(s->name, O_RDWR | O_CREAT | O_CLOEXEC | O_NOCTTY, 0600);
	if (s->fd < 0 || fstat(s->fd, &st) < 0)
		buf_printf(why, "%s: %s", s->name, strerror(errno));
	else if (keyfile_wide(s->name, st.st_mode, "state", why))
		err = ERR_AUTH;
	else if (flock(s->fd, LOCK_EX | LOCK_NB) < 0)
		buf_printf(why, "%s: another daemon uses this file: give each daemon its own",
			s->name);
	else if (replace_sync_folder(AT_FDCWD, s->name, why))
		; /* only after this is a new file present after a power failure */
	else if ((err = buf_fd(&text, s->fd)))
		buf_printf(
			why, "%s: %s", s->name, err == ERR_IO ? strerror(errno) : err_str(err));
	else if (!read_store_lines(s, buf_view(&text), why))
		err = ERR_SYNTAX;
	if (err)
		store_close(s);
	return err == 0;
}

bool
store_read_other(const char *name, const struct store_kind *kind, void *arg, struct buf *why)
{
	struct store s;

	SCOPED_BUF(text, FILE_BYTES);
	store_init(&s, kind, arg, name);
	int fd = open(name, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	if (fd < 0 && errno == ENOENT)
		return true;
	int err = fd < 0 ? ERR_IO : buf_fd(&text, fd);
	if (err)
		buf_printf(why, "%s: %s", name, err == ERR_IO ? strerror(errno) : err_str(err));
	if (fd >= 0)
		close(fd);
	struct span all = buf_view(&text);
	while (all.n && all.p[all.n - 1] != '\n')
		all.n--; /* a line that is being written */
	return !err && read_store_lines(&s, all, why);
}

/* ---- writing ---- */

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
append_lines(struct store *s, struct span lines)
{
	if (write_all(s->fd, lines, s->size) && fsync(s->fd) == 0) {
		s->size += (off_t)lines.n;
		return true;
	}
	if (ftruncate(s->fd, s->size) < 0)
		log_event(LOG_ERROR, s->kind->failed, LS("file", s->name),
			LS("why", strerror(errno)));
	return false;
}

/* Writes a new file with all entries and these lines, some of which may be entries already.
 * Returns false if the old file is still in place, or may be after a power failure. */
static bool
replace_lines(struct store *s, struct span lines)
{
	struct stat st;

	SCOPED_BUF(all, 0);
	s->lines += s->kind->write(s->arg, &all);
	buf_span(&all, lines);
	if (buf_failed(&all))
		return false;
	int fd = replace_begin(AT_FDCWD, s->name, 0600, NULL), err = fd < 0 ? fd : 0;
	if (!err && flock(fd, LOCK_EX | LOCK_NB) < 0)
		err = ERR_IO;
	err = err ? err : replace_write(fd, s->name, buf_view(&all), NULL);
	if (!err)
		err = replace_place(AT_FDCWD, s->name, fd, NULL);
	else if (fd >= 0)
		replace_drop(AT_FDCWD, s->name);
	/* If only the folder could not be synced, the new file has the name and is the one to
	 * lock. */
	if (!err || (fd >= 0 && fstat(fd, &st) == 0 && st.st_nlink)) {
		int was = s->fd;
		s->fd = fd;
		s->size = (off_t)all.n;
		fd = was;
	}
	if (fd >= 0)
		close(fd);
	return err == 0;
}

static bool
keep_lines(struct store *s, const struct buf *lines, size_t n, bool whole)
{
	bool was = atomic_load(&s->kept);

	SCOPED_BUF(why, 1024);
	bool open = s->fd >= 0 || store_open(s, &why), ok = open;
	s->lines = whole || !was ? n : s->lines + n;
	if (ok)
		ok = !buf_failed(lines) && (whole || !was ? replace_lines(s, buf_view(lines))
							  : append_lines(s, buf_view(lines)));
	atomic_store(&s->kept, ok);
	if (!ok && was)
		log_event(LOG_ERROR, s->kind->failed, LS("file", s->name),
			LS("why", open ? "the file cannot be written: check the disk; the "
					 "daemon tries again with the next change"
				       : "the file cannot be opened: check its owner and mode; "
					 "the daemon tries again with the next change"));
	return ok;
}

bool
store_keep(struct store *s, const struct buf *lines, size_t n)
{
	return (!n && atomic_load(&s->kept)) || keep_lines(s, lines, n, false);
}

bool
store_rewrite(struct store *s)
{
	SCOPED_BUF(none, 0);
	return keep_lines(s, &none, 0, true);
}

bool
store_trim(struct store *s, size_t most)
{
	return s->lines <= most || store_rewrite(s);
}
