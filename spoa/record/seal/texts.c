/* The log of ciphertexts, written and read: see texts.h. The next position is one atomic
 * number that workers advance; files belong to the audit thread. The head of a file is
 * written whenever the file is opened, because after a failed sync it is not known what is on
 * the disk. */
#include "record/seal/texts.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/replace.h"
#include "base/scoped.h"
#include "base/stops.h"
#include "base/why.h"
#include "record/journal/journal.h"
#include "record/seal/private.h"

/* several, because parts may arrive in another order than their positions */
enum { OPEN_FILES = 4 };

struct text_file {
	uint64_t segment; /* position / TEXTS_SEGMENT_BYTES */
	int fd;		  /* -1: none */
	bool dirty;
};

struct texts {
	/* the position after the last one that was taken; at the beginning of a file its head
	 * is not counted yet */
	_Atomic uint64_t next;
	/* owner: audit */
	char folder[JOURNAL_DIR_MAX + sizeof(TEXTS_SUFFIX)], node[65];
	int dirfd;
	bool named; /* a file was created, so the folder must be synced */
	struct text_file file[OPEN_FILES]; /* the newest first */
};

void
texts_head(const char *node, uint64_t position, char out[TEXTS_HEAD_BYTES])
{
	memset(out, 0, TEXTS_HEAD_BYTES);
	snprintf(out, TEXTS_HEAD_BYTES, "tollgate-texts-v1 %.64s %016llx\n", node,
		(unsigned long long)position);
}

void
texts_name(const char *node, uint64_t position, char out[TEXTS_NAME_MAX])
{
	snprintf(out, TEXTS_NAME_MAX, "%.64s-%016llx" TEXTS_SUFFIX, node,
		(unsigned long long)(position - position % TEXTS_SEGMENT_BYTES));
}

/* ---- opening ---- */

bool
texts_name_read(const char *name, const char *node, uint64_t *position)
{
	char again[TEXTS_NAME_MAX];
	size_t n = strlen(node);

	if (strlen(name) < n + 1)
		return false;
	*position = strtoull(name + n + 1, NULL, 16);
	texts_name(node, *position, again);
	return strcmp(name, again) == 0 && *position < UINT64_C(1) << 53;
}

/* Sets the next position behind the end of the newest file. A file with an incomplete head
 * has nothing that was ever synced. */
static int
go_on_after(struct texts *t, uint64_t newest, struct buf *why)
{
	char name[TEXTS_NAME_MAX], is[TEXTS_HEAD_BYTES] = "", head[TEXTS_HEAD_BYTES];
	static const char zeros[TEXTS_HEAD_BYTES];
	struct stat st;
	ssize_t got = -1;

	texts_name(t->node, newest, name);
	texts_head(t->node, newest, head);
	SCOPED_FD(fd, openat(t->dirfd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK));
	if (fd >= 0 && fstat(fd, &st) == 0)
		got = pread(fd, is, sizeof(is), 0);
	if (got < 0)
		return why_err(why, ERR_IO, "%s/%s: %s", t->folder, name, strerror(errno));
	if (memcmp(is, head, (size_t)got) != 0 && memcmp(is, zeros, (size_t)got) != 0)
		return why_err(why, ERR_SYNTAX,
			"%s/%s: the head of the file does not match node %s and this position: "
			"restore the file, or move it away",
			t->folder, name, t->node);
	if ((uint64_t)st.st_size > TEXTS_SEGMENT_BYTES)
		return why_err(why, ERR_SYNTAX,
			"%s/%s: the file is longer than a file of texts can be: move it away",
			t->folder, name);
	uint64_t end = ((uint64_t)st.st_size + TEXTS_FRAME_BYTES - 1) / TEXTS_FRAME_BYTES *
		       TEXTS_FRAME_BYTES;
	atomic_store(&t->next, newest + (end < TEXTS_HEAD_BYTES ? 0 : end));
	return 0;
}

/* The folder has no files. If JOURNAL.texts.head exists, there were texts that are lost. New
 * texts then get positions that the lost ones cannot have had, so that these can be restored
 * from a backup or the archive. The position is one file for each minute since 1970, which is
 * more than can be filled. */
static void
go_on_after_lost(struct texts *t)
{
	char head[sizeof(t->folder) + sizeof(".head")];
	uint64_t minutes = (uint64_t)clock_wall_ns() / (CLOCK_DAY_NS / 1440);

	snprintf(head, sizeof(head), "%s.head", t->folder);
	if (access(head, F_OK) == 0)
		atomic_store(&t->next, minutes % (1u << 26) * TEXTS_SEGMENT_BYTES);
}

static int
scan_texts(struct texts *t, struct buf *why)
{
	uint64_t newest = 0, position;
	bool any = false;
	int err = 0;
	DIR *d = opendir(t->folder);

	if (!d)
		return why_err(why, ERR_IO, "%s: %s", t->folder, strerror(errno));
	for (struct dirent *e; !err && (e = readdir(d));) {
		struct stat st;
		if (e->d_name[0] == '.' || fstatat(t->dirfd, e->d_name, &st, 0) < 0 ||
			S_ISDIR(st.st_mode))
			continue;
		if (!S_ISREG(st.st_mode) || !texts_name_read(e->d_name, t->node, &position))
			err = why_err(why, ERR_SYNTAX,
				"%s/%s: this is not a file of texts of node %s: move it to "
				"another folder",
				t->folder, e->d_name, t->node);
		else if (!any || position > newest)
			newest = position;
		any = true;
	}
	closedir(d);
	if (!err && any)
		err = go_on_after(t, newest, why);
	else if (!err)
		go_on_after_lost(t);
	return err;
}

struct texts *
texts_open(const char *journal, const char *node, struct buf *why)
{
	struct texts *t = calloc(1, sizeof(*t));

	if (!t) {
		why_err(why, ERR_NOMEM, "%s", err_str(ERR_NOMEM));
		return NULL;
	}
	t->dirfd = -1;
	for (size_t i = 0; i < OPEN_FILES; i++)
		t->file[i].fd = -1;
	if ((size_t)snprintf(t->folder, sizeof(t->folder), "%.*s" TEXTS_SUFFIX,
		    SPAN_ARG(journal_folder(journal))) >= sizeof(t->folder) ||
		(size_t)snprintf(t->node, sizeof(t->node), "%s", node) >= sizeof(t->node))
		why_err(why, ERR_LIMIT, "%s: the path is too long", journal);
	else if ((mkdir(t->folder, 0700) < 0 && errno != EEXIST) ||
		 (t->dirfd = open(t->folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC)) < 0)
		why_err(why, ERR_IO, "%s: %s", t->folder, strerror(errno));
	else if (replace_sync_folder(AT_FDCWD, t->folder, why) == 0 && scan_texts(t, why) == 0)
		return t;
	texts_close(&t);
	return NULL;
}

void
texts_close(struct texts **t)
{
	if (!*t)
		return;
	for (size_t i = 0; i < OPEN_FILES; i++)
		if ((*t)->file[i].fd >= 0)
			close((*t)->file[i].fd);
	if ((*t)->dirfd >= 0)
		close((*t)->dirfd);
	free(*t);
	*t = NULL;
}

/* ---- positions ---- */

uint64_t
texts_take(struct texts *t, size_t n)
{
	uint64_t next = atomic_load_explicit(&t->next, memory_order_relaxed), at;
	uint64_t whole = (n + TEXTS_FRAME_BYTES - 1) / TEXTS_FRAME_BYTES * TEXTS_FRAME_BYTES;

	INVARIANT(whole <= TEXTS_SEGMENT_BYTES - TEXTS_HEAD_BYTES);
	do {
		uint64_t in = next % TEXTS_SEGMENT_BYTES;
		at = in + whole > TEXTS_SEGMENT_BYTES ? next - in + TEXTS_SEGMENT_BYTES : next;
		if (at % TEXTS_SEGMENT_BYTES == 0)
			at += TEXTS_HEAD_BYTES;
	} while (!atomic_compare_exchange_weak(&t->next, &next, at + whole));
	INVARIANT(at % TEXTS_SEGMENT_BYTES >= TEXTS_HEAD_BYTES &&
		  at % TEXTS_SEGMENT_BYTES + whole <= TEXTS_SEGMENT_BYTES);
	return at;
}

void
texts_roll(struct texts *t)
{
	uint64_t next = atomic_load(&t->next), in;

	do {
		in = next % TEXTS_SEGMENT_BYTES;
	} while (in > 0 && !atomic_compare_exchange_weak(
				   &t->next, &next, next - in + TEXTS_SEGMENT_BYTES));
}

/* ---- writing ---- */

static int
sync_text_file(struct text_file *f)
{
	struct stat st;

	if (!f->dirty)
		return 0;
	INVARIANT(f->fd >= 0);
	if (journal_io.fdatasync(f->fd) == 0 && fstat(f->fd, &st) == 0 && st.st_nlink) {
		f->dirty = false;
		return 0;
	}
	/* It is unknown what is on the disk, or the file was removed: open it again. */
	int err = journal_error(errno ? errno : ENOENT);
	close(f->fd);
	*f = (struct text_file){ .fd = -1 };
	return err;
}

/* Opens a file at the front of the list; the last file of the list is closed. */
static int
open_text_file(struct texts *t, uint64_t segment)
{
	struct text_file f = { .segment = segment };
	char name[TEXTS_NAME_MAX], head[TEXTS_HEAD_BYTES];

	errno = 0;
	int err = sync_text_file(&t->file[OPEN_FILES - 1]);
	if (err)
		return err;
	texts_name(t->node, segment * TEXTS_SEGMENT_BYTES, name);
	texts_head(t->node, segment * TEXTS_SEGMENT_BYTES, head);
	f.fd = openat(t->dirfd, name, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (f.fd < 0)
		return journal_error(errno);
	t->named = true;
	if ((err = journal_pwrite(f.fd, span_of(head, sizeof(head)), 0))) {
		int sys = errno;
		close(f.fd);
		errno = sys;
		return err;
	}
	if (t->file[OPEN_FILES - 1].fd >= 0)
		close(t->file[OPEN_FILES - 1].fd);
	memmove(t->file + 1, t->file, sizeof(t->file) - sizeof(t->file[0]));
	t->file[0] = f;
	return 0;
}

int
texts_write(struct texts *t, const struct text_part *p)
{
	uint64_t segment = p->position / TEXTS_SEGMENT_BYTES;
	size_t i = 0;
	int err = 0;

	/* Neither over the head of the file nor beyond its end. */
	INVARIANT(p->position % TEXTS_SEGMENT_BYTES >= TEXTS_HEAD_BYTES &&
		  p->position % TEXTS_SEGMENT_BYTES + p->n <= TEXTS_SEGMENT_BYTES);
	while (i < OPEN_FILES && (t->file[i].fd < 0 || t->file[i].segment != segment))
		i++;
	if (i == OPEN_FILES && (i = 0, err = open_text_file(t, segment)))
		return err;
	t->file[i].dirty = true;
	err = journal_pwrite(
		t->file[i].fd, span_of(p->frame, p->n), p->position % TEXTS_SEGMENT_BYTES);
	stop_at("texts-written");
	return err;
}

int
texts_sync(struct texts *t)
{
	int err = 0, sys = 0;

	for (size_t i = 0; i < OPEN_FILES; i++) {
		errno = 0;
		int one = sync_text_file(&t->file[i]);
		err = err ? err : one;
		sys = sys || !one ? sys : errno;
	}
	if (!err && t->named && replace_sync_folder(t->dirfd, "texts", NULL))
		err = journal_error(sys = errno);
	if (!err)
		t->named = false;
	stop_at("texts-synced");
	errno = sys;
	return err;
}

/* ---- reading ----
 *
 * The head of a frame: 4 bytes "TGt1"; 4 bytes length of what follows the head; 4 bytes
 * number of the part in its text; 1 for the last part, else 0; 3 zero bytes. Numbers are
 * big-endian. The ciphertext and its tag follow. */

static const char frame_magic[4] = { 'T', 'G', 't', '1' };

static void
put_be32(unsigned char *p, uint32_t v)
{
	for (unsigned i = 0; i < 4; i++)
		p[i] = (unsigned char)(v >> (24 - 8 * i));
}

static uint32_t
get_be32(const unsigned char *p)
{
	return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

void
texts_frame_head(unsigned part, bool last, size_t n, unsigned char out[TEXTS_FRAME_BYTES])
{
	memcpy(out, frame_magic, sizeof(frame_magic));
	put_be32(out + 4, (uint32_t)n);
	put_be32(out + 8, part);
	put_be32(out + 12, last ? 1u << 24 : 0);
}

static bool
texts_frame_read(
	const unsigned char head[TEXTS_FRAME_BYTES], unsigned *part, bool *last, size_t *n)
{
	*n = get_be32(head + 4);
	*part = get_be32(head + 8);
	*last = head[12] == 1;
	return memcmp(head, frame_magic, sizeof(frame_magic)) == 0 && *n >= HPKE_TAG_BYTES &&
	       *n <= TEXTS_PART_MAX + HPKE_TAG_BYTES && *part < SEAL_PARTS_MAX &&
	       (get_be32(head + 12) & ~(1u << 24)) == 0;
}

/* Opens the file of a position in JOURNAL.texts, or in the folder of restored texts. */
static int
open_texts_of(const char *journal, const char *node, uint64_t position, char path[PATH_MAX])
{
	static const char *const folders[] = { TEXTS_SUFFIX,
		JOURNAL_RESTORED_SUFFIX TEXTS_SUFFIX };
	char name[TEXTS_NAME_MAX];
	int fd = -1;

	texts_name(node, position, name);
	errno = ENOENT;
	for (size_t i = 0; fd < 0 && errno == ENOENT && i < COUNT_OF(folders); i++) {
		if (snprintf(path, PATH_MAX, "%.*s%s/%s", SPAN_ARG(journal_folder(journal)),
			    folders[i], name) >= PATH_MAX)
			errno = ENAMETOOLONG;
		else
			fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	}
	if (fd < 0 && errno == ENOENT) /* report the regular path */
		snprintf(path, PATH_MAX, "%.*s" TEXTS_SUFFIX "/%s",
			SPAN_ARG(journal_folder(journal)), name);
	return fd;
}

static int
check_texts_file(int fd, const char *path, const char *node, uint64_t position, struct buf *why)
{
	char is[TEXTS_HEAD_BYTES], head[TEXTS_HEAD_BYTES];
	struct stat st;

	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
		return why_err(why, ERR_SYNTAX, "%s: not a regular file", path);
	int err = journal_pread(fd, is, sizeof(is), 0);
	if (err)
		return why_err(why, err, "%s: %s", path,
			err == ERR_IO ? strerror(errno) : "the file ends within its head");
	texts_head(node, position - position % TEXTS_SEGMENT_BYTES, head);
	if (memcmp(is, head, sizeof(head)) != 0)
		return why_err(why, ERR_SYNTAX,
			"%s: the head of the file does not match node %s and this position",
			path, node);
	return 0;
}

static int
read_frame(int fd, const char *path, uint64_t in, unsigned *part, bool *last, struct buf *out,
	struct buf *why)
{
	unsigned char head[TEXTS_FRAME_BYTES];
	size_t n = 0;
	int err = journal_pread(fd, head, sizeof(head), in);

	if (!err && (!texts_frame_read(head, part, last, &n) ||
			    in + TEXTS_FRAME_BYTES + n > TEXTS_SEGMENT_BYTES))
		return why_err(why, ERR_SYNTAX, "%s: no text begins at byte %llu", path,
			(unsigned long long)in);
	char *to = err ? NULL : buf_reserve(out, n);
	if (!err && !to)
		return why_err(why, ERR_NOMEM, "%s: %s", path, err_str(ERR_NOMEM));
	err = err ? err : journal_pread(fd, to, n, in + TEXTS_FRAME_BYTES);
	if (err == ERR_TRUNCATED)
		return why_err(why, err, "%s: the file ends within the text at byte %llu", path,
			(unsigned long long)in);
	if (err)
		return why_err(why, err, "%s: %s", path, strerror(errno));
	buf_commit(out, n);
	return 0;
}

int
texts_read(const char *journal, const char *node, uint64_t position, unsigned *part, bool *last,
	struct buf *out, struct buf *why)
{
	uint64_t in = position % TEXTS_SEGMENT_BYTES;
	char path[PATH_MAX];

	SCOPED_FD(fd, open_texts_of(journal, node, position, path));
	if (fd < 0)
		return errno == ENOENT
			       ? why_err(why, ERR_NOTFOUND,
					 "%s: the file is not here: it was trimmed or moved",
					 path)
			       : why_err(why, ERR_IO, "%s: %s", path, strerror(errno));
	int err = check_texts_file(fd, path, node, position, why);
	if (!err && (in < TEXTS_HEAD_BYTES || in % TEXTS_FRAME_BYTES))
		err = why_err(why, ERR_SYNTAX, "%s: no text can begin at byte %llu", path,
			(unsigned long long)in);
	return err ? err : read_frame(fd, path, in, part, last, out, why);
}
