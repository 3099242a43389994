/* Writes segment files: see journal.h.
 *
 * After a failed fdatasync(2), the kernel may have marked pages as clean that are not on the
 * disk (the "fsync error" of 2018). Such a segment is "suspect": it is cut back to the bytes
 * that were synced before, its end is read back without the page cache, and it is never
 * appended to again. */
#include "record/journal/journal.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/among.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/replace.h"
#include "base/scoped.h"
#include "base/stops.h"
#include "base/why.h"

struct journal_io journal_io = { pwrite, fdatasync, ftruncate };

static void
journal_name(char out[JOURNAL_NAME_MAX], const char *node, uint64_t boot, uint64_t first)
{
	snprintf(out, JOURNAL_NAME_MAX, "%.64s-%08" PRIu64 "-%016" PRIu64 ".jsonl", node, boot,
		first);
}

/* Parses NODE-BOOT-SEQ.jsonl from the right, because the node's name may have dashes. */
static bool
parse_name(struct span s, const char *node, struct journal_segment *out)
{
	char again[JOURNAL_NAME_MAX];

	if (!span_ends(s, SPAN_LIT(".jsonl")))
		return false;
	s.n -= 6;
	for (int i = 0; i < 2; i++) {
		size_t dash = span_behind(s, '-');
		if (dash < 2 || span_u64(span_cut(s, dash, s.n), i ? &out->boot : &out->first))
			return false;
		s.n = dash - 1;
	}
	if (s.n > 64 || (node && !span_is(s, node)))
		return false;
	snprintf(out->node, sizeof(out->node), "%.*s", SPAN_ARG(s));
	journal_name(again, out->node, out->boot, out->first);
	return !strcmp(again, out->name);
}

bool
journal_name_read(const char *name, struct journal_segment *out)
{
	*out = (struct journal_segment){ .form = JOURNAL_PLAIN };
	snprintf(out->name, sizeof(out->name), "%s", name);
	return parse_name(span_str(out->name), NULL, out);
}

static int
journal_by_name(const void *a, const void *b)
{
	return strcmp(((const struct journal_segment *)a)->name,
		((const struct journal_segment *)b)->name);
}

/* Lists the segments in one folder. If `form` is not JOURNAL_PLAIN, only compressed segments
 * are listed, and files with other names are left out. */
static int
scan(const char *dir, const char *node, enum journal_form form, struct journal_list *out,
	struct buf *why)
{
	DIR *d = opendir(dir);
	size_t room = 0;
	int err = 0;

	*out = (struct journal_list){ 0 };
	if (!d) {
		buf_printf(why, "%s: %s", dir, strerror(errno));
		return errno == ENOENT ? ERR_NOTFOUND : ERR_IO;
	}
	for (struct dirent *e; !err && (e = readdir(d));) {
		struct stat st;
		struct span name = span_str(e->d_name);
		if (form && span_ends(name, SPAN_LIT(".jsonl" JOURNAL_PACKED_SUFFIX)))
			name.n -= sizeof(JOURNAL_PACKED_SUFFIX) - 1;
		else if (form)
			continue;
		if (e->d_name[0] == '.' || fstatat(dirfd(d), e->d_name, &st, 0) < 0 ||
			!S_ISREG(st.st_mode))
			continue;
		if (out->n == JOURNAL_SEGMENTS ||
			!mem_room(&out->seg, &room, out->n + 1, sizeof(*out->seg))) {
			err = why_err(why, ERR_LIMIT,
				"%s: the folder has too many segments: archive the oldest ones",
				dir);
			break;
		}
		struct journal_segment *s = &out->seg[out->n++];
		*s = (struct journal_segment){ .bytes = (uint64_t)st.st_size, .form = form };
		snprintf(s->name, sizeof(s->name), "%.*s", SPAN_ARG(name));
		s->ours = parse_name(span_str(s->name), node, s);
		out->n -= form && !s->ours;
	}
	closedir(d);
	if (err)
		journal_list_free(out);
	else if (out->n)
		qsort(out->seg, out->n, sizeof(*out->seg), journal_by_name);
	return err;
}

/* readdir(3) may or may not return files that are created during the scan, so a segment could
 * be missed that is older than one that is seen. Therefore the folder is read twice. Segments
 * newer than the newest of the first scan are dropped from the second scan: all others
 * existed before the second scan began. */
int
journal_list(const char *dir, const char *node, struct journal_list *out, struct buf *why)
{
	struct journal_list first;
	int err = scan(dir, node, JOURNAL_PLAIN, &first, why);

	*out = (struct journal_list){ 0 };
	if (err || first.n == 0)
		return err;
	err = scan(dir, node, JOURNAL_PLAIN, out, why);
	while (!err && out->n &&
		journal_by_name(&out->seg[out->n - 1], &first.seg[first.n - 1]) > 0)
		out->n--;
	journal_list_free(&first);
	return err;
}

struct span
journal_folder(const char *dir)
{
	struct span s = span_str(dir);

	s.n = span_back_set(s, s.n, 1, "/");
	return s;
}

static const char *const form_suffix[] = { "", "", JOURNAL_KEEP_SUFFIX,
	JOURNAL_RESTORED_SUFFIX };

/* Adds the compressed segments of one folder. A missing folder has none. */
static int
add_packed(const char *dir, const char *node, enum journal_form form, struct journal_list *all,
	struct buf *why)
{
	char folder[JOURNAL_DIR_MAX + 16];
	struct journal_list more;
	struct span base = journal_folder(dir);
	size_t room = all->n;

	if (base.n >= JOURNAL_DIR_MAX)
		return 0;
	snprintf(folder, sizeof(folder), "%.*s%s", SPAN_ARG(base), form_suffix[form]);
	if (access(folder, F_OK) < 0)
		return 0;
	int err = scan(folder, node, form, &more, why);
	if (err || more.n == 0)
		return err;
	if (all->n + more.n > JOURNAL_SEGMENTS ||
		!mem_room(&all->seg, &room, all->n + more.n, sizeof(*all->seg))) {
		err = why_err(why, ERR_LIMIT,
			"%s: the folder has too many segments: archive the oldest ones",
			folder);
	} else {
		memcpy(all->seg + all->n, more.seg, more.n * sizeof(*more.seg));
		all->n += more.n;
	}
	journal_list_free(&more);
	return err;
}

static int
by_name_and_form(const void *a, const void *b)
{
	int by = journal_by_name(a, b);

	return by ? by
		  : (int)((const struct journal_segment *)a)->form -
			       (int)((const struct journal_segment *)b)->form;
}

/* Plain segments are listed first. A segment that is compressed and removed during the scans
 * is then listed twice, not missed. */
int
journal_list_all(const char *dir, const char *node, bool restored, struct journal_list *out,
	struct buf *why)
{
	int err = journal_list(dir, node, out, why);
	size_t kept = 0;

	for (int form = JOURNAL_PACKED; form <= JOURNAL_RESTORED && !err; form++)
		if (form != JOURNAL_RESTORED || restored)
			err = add_packed(dir, node, (enum journal_form)form, out, why);
	if (err) {
		journal_list_free(out);
		return err;
	}
	if (out->n)
		qsort(out->seg, out->n, sizeof(*out->seg), by_name_and_form);
	for (size_t i = 0; i < out->n; i++) {
		struct span name = span_str(out->seg[i].name);
		/* A folder of compressed segments lists each file also as a plain one; drop
		 * that. */
		bool twice = !out->seg[i].form &&
			     span_ends(name, SPAN_LIT(".jsonl" JOURNAL_PACKED_SUFFIX));
		if (!twice &&
			(!kept || journal_by_name(&out->seg[kept - 1], &out->seg[i]) != 0))
			out->seg[kept++] = out->seg[i];
	}
	out->n = kept;
	return 0;
}

void
journal_segment_path(
	const char *dir, const struct journal_segment *s, char out[JOURNAL_PATH_MAX])
{
	struct span folder = span_cut(journal_folder(dir), 0, JOURNAL_DIR_MAX);

	snprintf(out, JOURNAL_PATH_MAX, "%.*s%s/%s%s", SPAN_ARG(folder), form_suffix[s->form],
		s->name, s->form ? JOURNAL_PACKED_SUFFIX : "");
}

int
journal_segment_open(const char *dir, const struct journal_segment *s)
{
	char path[JOURNAL_PATH_MAX];
	struct journal_segment kept = *s;

	journal_segment_path(dir, s, path);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd >= 0 || errno != ENOENT || s->form != JOURNAL_PLAIN)
		return fd;
	kept.form = JOURNAL_KEPT;
	journal_segment_path(dir, &kept, path);
	return open(path, O_RDONLY | O_CLOEXEC);
}

void
journal_list_free(struct journal_list *l)
{
	free(l->seg);
	*l = (struct journal_list){ 0 };
}

/* Checks the path of the journal's folder. Returns 0 if the path is free or is a usable folder.
 */
static int
look_at_folder(const char *dir, struct buf *why)
{
	struct stat st;

	if (stat(dir, &st) < 0 && errno == ENOENT && lstat(dir, &st) == 0)
		return why_err(why, ERR_IO,
			"%s: a link to a folder that does not exist: make that folder, or "
			"remove the link",
			dir);
	if (stat(dir, &st) < 0)
		return errno == ENOENT ? 0
				       : why_err(why, ERR_IO, "%s: %s", dir, strerror(errno));
	if (!S_ISDIR(st.st_mode))
		return why_err(why, ERR_IO,
			"%s: not a folder: move the file away, or name another "
			"audit.journal",
			dir);
	if (faccessat(AT_FDCWD, dir, R_OK | W_OK | X_OK, AT_EACCESS) < 0)
		return why_err(why, ERR_IO,
			"%s: %s: the daemon's user writes its journal there: chown -R it", dir,
			strerror(errno));
	if (st.st_mode & 02)
		return why_err(why, ERR_AUTH,
			"%s: everybody may write to it (mode %04o): chmod o-w", dir,
			(unsigned)st.st_mode & 07777u);
	return 0;
}

int
journal_look(struct journal *j, const char *dir, const char *node, struct buf *why)
{
	char parent[JOURNAL_DIR_MAX] = ".";
	struct stat st;
	int err = look_at_folder(dir, why);

	*j = (struct journal){ .dirfd = -1, .fd = -1, .looks = true };
	if ((size_t)snprintf(j->dir, sizeof(j->dir), "%s", dir) >= sizeof(j->dir))
		return why_err(why, ERR_LIMIT, "%s: the path is too long", dir);
	snprintf(j->node, sizeof(j->node), "%s", node);
	if (err)
		return err;
	if (stat(dir, &st) < 0) {
		struct span s = journal_folder(dir);
		size_t n = span_behind(s, '/');
		if (n)
			snprintf(parent, sizeof(parent), "%.*s", n > 1 ? (int)n - 1 : 1, s.p);
		if (journal_note_check(dir, node, false, 0, why))
			return ERR_AUTH;
		/* mkdir(2) would fail with the same error. */
		if (faccessat(AT_FDCWD, parent, W_OK | X_OK, AT_EACCESS) < 0)
			return why_err(why, ERR_IO, "%s: %s", dir, strerror(errno));
		return ERR_NOTFOUND;
	}
	j->dirfd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (j->dirfd < 0)
		return why_err(why, ERR_IO, "%s: %s", dir, strerror(errno));
	if (flock(j->dirfd, LOCK_SH | LOCK_NB) < 0) {
		journal_close(j);
		return ERR_BAD_STATE;
	}
	flock(j->dirfd, LOCK_UN);
	return 0;
}

bool
journal_is_free(const char *dir)
{
	int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	bool is_free = fd >= 0 && flock(fd, LOCK_SH | LOCK_NB) == 0;

	if (fd >= 0)
		close(fd);
	return is_free;
}

int
journal_open(struct journal *j, const char *dir, const char *node, uint64_t segment_bytes,
	struct buf *why)
{
	*j = (struct journal){ .dirfd = -1, .fd = -1, .segment_bytes = segment_bytes };
	if ((size_t)snprintf(j->dir, sizeof(j->dir), "%s", dir) >= sizeof(j->dir))
		return why_err(why, ERR_LIMIT, "%s: the path is too long", dir);
	snprintf(j->node, sizeof(j->node), "%s", node);
	struct stat st;
	int err = look_at_folder(dir, why);
	if (err)
		return err;
	if (stat(dir, &st) < 0 && errno == ENOENT &&
		journal_note_check(dir, node, false, 0, why))
		return ERR_AUTH;
	if (mkdir(dir, 0700) < 0 && errno != EEXIST)
		return why_err(why, ERR_IO, "%s: %s", dir, strerror(errno));
	j->dirfd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (j->dirfd < 0)
		return why_err(why, ERR_IO, "%s: %s", dir, strerror(errno));
	if (fstat(j->dirfd, &st) < 0) {
		journal_close(j);
		return why_err(why, ERR_IO, "%s: %s", dir, strerror(errno));
	}
	j->dev = st.st_dev;
	j->ino = st.st_ino;
	/* The folder itself is locked, because it must contain segments only. */
	if (flock(j->dirfd, LOCK_EX | LOCK_NB) < 0) {
		buf_printf(why, "%s: another daemon writes to this journal", dir);
		journal_close(j);
		return ERR_BAD_STATE;
	}
	return 0;
}

/* Closes the segment and cuts off the NUL bytes at its end. If the cut fails, the NUL bytes
 * stay; every reader stops at them. */
static void
leave_segment(struct journal *j)
{
	if (j->fd < 0)
		return;
	if (!j->suspect && j->size > j->good &&
		journal_io.ftruncate(j->fd, (off_t)j->good) == 0)
		fsync(j->fd);
	close(j->fd);
	j->fd = -1;
}

void
journal_close(struct journal *j)
{
	leave_segment(j);
	if (j->dirfd >= 0)
		close(j->dirfd);
	j->dirfd = -1;
}

int
journal_error(int sys)
{
	errno = sys;
	return sys == ENOSPC || sys == EDQUOT || sys == EFBIG ? ERR_FULL : ERR_IO;
}

/* Remembers errno for the caller. Returns ERR_FULL or ERR_IO. */
static int
failure(struct journal *j)
{
	j->sys = errno;
	return journal_error(errno);
}

int
journal_begin(struct journal *j, uint64_t boot, uint64_t first)
{
	/* A suspect segment must be cut back first (journal_ready()). Record numbers only
	 * grow. */
	INVARIANT(!j->suspect && !j->looks && first > 0 && first >= j->first);
	leave_segment(j);
	j->good = j->size = 0;
	j->boot = boot;
	j->first = first;
	j->suspect = false;
	j->tail_n = 0;
	journal_name(j->name, j->node, boot, first);
	j->fd = openat(
		j->dirfd, j->name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (j->fd < 0)
		return failure(j);
	if (fsync(j->dirfd) == 0)
		return 0;
	int err = failure(j);
	close(j->fd);
	j->fd = -1;
	unlinkat(j->dirfd, j->name, 0);
	return err;
}

/* Cuts a suspect segment back to its durable bytes and reads its end back. Returns 0 if the
 * end is intact. */
static int
leave_behind(struct journal *j)
{
	char back[sizeof(j->tail)];
	struct stat st;

	INVARIANT(j->tail_n <= j->good && j->tail_n <= sizeof(j->tail));
	if (j->fd >= 0)
		close(j->fd);
	j->fd = -1;
	if (j->good == 0) {
		if (unlinkat(j->dirfd, j->name, 0) < 0 && errno != ENOENT)
			return failure(j);
		return fsync(j->dirfd) < 0 ? failure(j) : 0;
	}
	SCOPED_FD(fd, openat(j->dirfd, j->name, O_RDWR | O_CLOEXEC | O_NOFOLLOW));
	errno = fd < 0 ? errno : EIO;
	if (fd < 0 || fstat(fd, &st) < 0 || (uint64_t)st.st_size < j->good ||
		journal_io.ftruncate(fd, (off_t)j->good) < 0 || journal_io.fdatasync(fd) < 0 ||
		posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED) != 0 ||
		pread(fd, back, j->tail_n, (off_t)(j->good - j->tail_n)) != (ssize_t)j->tail_n)
		return failure(j);
	if (memcmp(back, j->tail, j->tail_n) == 0)
		return 0;
	/* Bytes that were acknowledged as durable are lost, so nothing may follow them. */
	j->sys = EILSEQ;
	return ERR_IO;
}

/* Detects a folder that was moved or replaced. Records that are written into a renamed folder
 * would be found neither by readers nor by the next start. */
bool
journal_moved(struct journal *j)
{
	struct stat st;

	errno = 0;
	j->moved = stat(j->dir, &st) < 0 || st.st_dev != j->dev || st.st_ino != j->ino;
	j->sys = errno ? errno : ESTALE;
	return j->moved;
}

int
journal_ready(struct journal *j, bool *begin)
{
	if (j->placing && journal_moved(j))
		return ERR_IO;
	if (j->suspect) {
		int err = leave_behind(j);
		if (err)
			return err;
		j->suspect = false;
	}
	*begin = j->fd < 0 || j->good >= j->segment_bytes;
	return 0;
}

/* ---- the note next to the folder ---- */

static bool
note_path(const char *dir, const char *ending, char out[JOURNAL_DIR_MAX + 16])
{
	struct span base = journal_folder(dir);

	return base.n < JOURNAL_DIR_MAX &&
	       snprintf(out, JOURNAL_DIR_MAX + 16, "%.*s%s", SPAN_ARG(base), ending) > 0;
}

int
journal_note(struct journal *j, uint64_t boot, uint64_t seq)
{
	char path[JOURNAL_DIR_MAX + 16], text[160];

	if (!note_path(j->dir, ".head", path))
		return ERR_LIMIT;
	int n = snprintf(text, sizeof(text),
		"{\"node\":\"%s\",\"boot\":%" PRIu64 ",\"seq\":%" PRIu64 "}\n", j->node, boot,
		seq);
	return replace_file(AT_FDCWD, path, 0600, span_of(text, (size_t)n), NULL) ? failure(j)
										  : 0;
}

/* Reads the note. Returns false if there is none, if it cannot be parsed, or if it belongs to
 * another node. */
static bool
journal_noted(const char *dir, const char *node, struct journal_note *out)
{
	char path[JOURNAL_DIR_MAX + 16], text[160];
	int used = 0;

	if (!note_path(dir, ".head", path))
		return false;
	SCOPED_FD(fd, open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW));
	ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);
	if (n <= 0)
		return false;
	text[n] = '\0';
	return sscanf(text,
		       "{\"node\":\"%64[A-Za-z0-9_.-]\",\"boot\":%" SCNu64 ",\"seq\":%" SCNu64
		       "}\n%n",
		       out->node, &out->boot, &out->seq, &used) == 3 &&
	       used == n && !strcmp(out->node, node);
}

int
journal_note_check(const char *dir, const char *node, bool any, uint64_t seq, struct buf *why)
{
	struct journal_note note;

	if (!journal_noted(dir, node, &note) || (any && seq >= note.seq))
		return 0;
	if (any)
		buf_printf(why, "%s: the journal ends at record %" PRIu64, dir, seq);
	else
		buf_printf(why, "%s: the journal has no records", dir);
	return why_err(why, ERR_AUTH,
		", but %s.head states that node %s had reached record %" PRIu64
		" in boot %" PRIu64
		": the folder was moved, emptied or replaced by an old copy. Restore it; or, "
		"to continue from here, remove %s.head",
		dir, node, note.seq, note.boot, dir);
}

/* Reads identity, link count and size of the open segment. fstat() would read its times, too. A
 * kernel with fine-grained timestamps (Linux 6.13 and later) then gives the next write a time of
 * its own, and the next sync writes the inode in addition to the data: a second write to the
 * disk for each commit. Returns 0, or -1 with errno set. */
static int
stat_segment(const struct journal *j, struct statx *st)
{
	return statx(j->fd, "", AT_EMPTY_PATH, STATX_INO | STATX_NLINK | STATX_SIZE, st);
}

static bool
is_at_its_name(const struct journal *j, const struct statx *open)
{
	struct statx st;

	if (statx(j->dirfd, j->name, AT_SYMLINK_NOFOLLOW, STATX_INO, &st) < 0)
		return errno != ENOENT;
	return st.stx_dev_major == open->stx_dev_major &&
	       st.stx_dev_minor == open->stx_dev_minor && st.stx_ino == open->stx_ino;
}

const char *
journal_lost(struct journal *j)
{
	struct statx st;
	const char *how = NULL;
	uint64_t now = clock_mono_us();

	j->placing = j->fd < 0 || j->suspect || now - j->placed_us >= JOURNAL_PLACED_US;
	j->placed_us = j->placing ? now : j->placed_us;
	if (j->fd < 0 || j->suspect || stat_segment(j, &st) < 0)
		return NULL;
	if (st.stx_nlink == 0)
		how = "removed";
	else if (j->placing && !is_at_its_name(j, &st))
		how = "renamed"; /* written data would be where no reader looks */
	else if (st.stx_size != j->size)
		how = "changed";
	if (!how)
		return NULL;
	j->placing = true; /* the whole folder may have been replaced, too */
	close(j->fd);
	j->fd = -1;
	/* If nothing in the segment was acknowledged, it is begun again under the same name. */
	j->suspect = j->good == 0;
	return j->suspect ? NULL : how;
}

int
journal_pwrite(int fd, struct span s, uint64_t at)
{
	while (s.n) {
		ssize_t n = journal_io.pwrite(fd, s.p, s.n, (off_t)at);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return journal_error(n == 0 ? ENOSPC : errno);
		at += (uint64_t)n;
		s = span_cut(s, (size_t)n, s.n);
	}
	return 0;
}

int
journal_pread(int fd, void *to, size_t n, uint64_t at)
{
	for (char *p = to; n;) {
		ssize_t got = pread(fd, p, n, (off_t)at);
		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			return got == 0 ? ERR_TRUNCATED : ERR_IO;
		p += got;
		at += (uint64_t)got;
		n -= (size_t)got;
	}
	return 0;
}

/* Fills the file with NUL bytes after `end`. A sync that overwrites existing bytes need not
 * change the file's size and extents, which costs as much as syncing the data. If the disk
 * has no room for them, the file ends earlier; the remains of a short or failed write are cut
 * off. */
static int
write_ahead(struct journal *j, uint64_t end)
{
	static const char zeros[16384];
	uint64_t to = end + JOURNAL_AHEAD, at = end;

	if (to > j->segment_bytes)
		to = end > j->segment_bytes ? end : j->segment_bytes;
	while (at < to) {
		size_t n = to - at < sizeof(zeros) ? (size_t)(to - at) : sizeof(zeros);
		ssize_t r = journal_io.pwrite(j->fd, zeros, n, (off_t)at);
		if (r > 0)
			at += (uint64_t)r;
		if (r == (ssize_t)n)
			continue;
		if (journal_io.ftruncate(j->fd, (off_t)at) < 0)
			return failure(j);
		break;
	}
	INVARIANT(at >= end);
	j->size = at;
	return 0;
}

static int
append_commit(struct journal *j, struct span commit)
{
	uint64_t end = j->good + commit.n;
	struct statx wrote, st;
	int err = journal_pwrite(j->fd, commit, j->good) ? failure(j) : 0;

	if (!err && end > j->size)
		err = write_ahead(j, end);
	if (err)
		return err;
	stop_at("commit-written");
	/* Any other size comes from another program, which would mostly interfere during the
	 * sync. */
	if (stat_segment(j, &wrote) < 0 || journal_io.fdatasync(j->fd) < 0 ||
		stat_segment(j, &st) < 0) {
		j->suspect = true;
		return failure(j);
	}
	if (wrote.stx_size != j->size || st.stx_size != j->size) {
		j->sys = ESTALE; /* journal_lost() reports it next */
		return ERR_BAD_STATE;
	}
	INVARIANT(end > j->good && end <= j->size);
	j->good = end;
	return 0;
}

int
journal_append(struct journal *j, struct span commit)
{
	INVARIANT(j->fd >= 0 && !j->suspect);
	INVARIANT(commit.n > 0 && commit.p[commit.n - 1] == '\n'); /* whole lines only */
	int err = append_commit(j, commit);
	if (err && err != ERR_BAD_STATE && !j->suspect) {
		/* The disk is full or the write failed. Cut back to the previous bytes, and sync
		 * the cut, so that no remains are left after a power cut. */
		int why = j->sys;
		if (journal_io.ftruncate(j->fd, (off_t)j->good) < 0 || err == ERR_IO ||
			journal_io.fdatasync(j->fd) < 0)
			j->suspect = true;
		else
			j->size = j->good;
		j->sys = why;
	}
	INVARIANT(j->good <= j->size);
	if (err)
		return err;
	j->tail_n = commit.n < sizeof(j->tail) ? commit.n : sizeof(j->tail);
	memcpy(j->tail, commit.p + commit.n - j->tail_n, j->tail_n);
	return 0;
}
