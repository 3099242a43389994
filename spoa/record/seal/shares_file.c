/* The file of shares and JOURNAL.texts.head: opened, appended to, overwritten in place, written
 * anew. Appends go to the place after the durable lines, so that one that failed is written
 * over. The file is durable before the head: a number that the head does not know yet was not
 * sealed under. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/caps.h"
#include "base/err.h"
#include "base/keyfile.h"
#include "base/random.h"
#include "base/replace.h"
#include "base/scoped.h"
#include "base/stops.h"
#include "base/why.h"
#include "record/journal/journal.h"
#include "record/seal/shares_private.h"

#define SHARES_FILE_MOST ((size_t)CAP_SHARES * 1536)

static int
sync_shares_fd(int fd)
{
	return journal_io.fdatasync(fd) < 0 ? journal_error(errno) : 0;
}

int
shares_append(struct shares *s, struct buf *lines)
{
	if (buf_failed(lines))
		return ERR_NOMEM;
	int err = journal_pwrite(s->fd, buf_view(lines), s->end);
	stop_at("shares-appended");
	err = err ? err : sync_shares_fd(s->fd);
	if (!err) {
		s->end += lines->n;
		return 0;
	}
	int sys = errno;
	if (journal_io.ftruncate(s->fd, (off_t)s->end) < 0)
		atomic_store(&s->stale, true); /* half a line may be there */
	errno = sys;
	return err;
}

static int
write_shares_head(struct shares *s, struct buf *why)
{
	SCOPED_BUF(text, 0);
	pthread_rwlock_rdlock(&s->lock);
	shares_notes(&text, s, true);
	pthread_rwlock_unlock(&s->lock);
	int err = buf_failed(&text)
			  ? ERR_NOMEM
			  : replace_file(AT_FDCWD, s->head, 0600, buf_view(&text), why);
	if (!err)
		atomic_store(&s->head_stale, false);
	return err;
}

int
shares_overwrite(struct shares *s)
{
	if (!s->ngone)
		return 0;
	SCOPED_BUF(lines, 0);
	pthread_rwlock_rdlock(&s->lock);
	shares_erasing(&lines, s);
	pthread_rwlock_unlock(&s->lock);
	int err = shares_append(s, &lines);
	stop_at("shares-erasing");
	for (size_t i = 0; !err && i < s->ngone; i++) {
		buf_clear(&lines);
		char *x = buf_reserve(&lines, s->gone[i].n);
		if (!x)
			return ERR_NOMEM;
		memset(x, 'x', s->gone[i].n);
		err = journal_pwrite(s->fd, span_of(x, s->gone[i].n), s->gone[i].at);
	}
	err = err ? err : sync_shares_fd(s->fd);
	stop_at("shares-overwritten");
	if (!err)
		s->ngone = 0;
	return err;
}

/* Those whose number is not over `last`, where they will be. */
static int
rewrite_shares(struct shares *s, int fd, uint64_t last, uint64_t *end, struct buf *why)
{
	size_t i = 0, n = 1;
	int err = 0;

	SCOPED_BUF(lines, 0);
	while (!err && n) {
		buf_clear(&lines);
		pthread_rwlock_rdlock(&s->lock);
		for (n = 0; n < SHARES_AT_ONCE && i < s->n && s->entry[i]->number <= last; n++)
			share_line(&lines, s->entry[i++]);
		pthread_rwlock_unlock(&s->lock);
		err = buf_failed(&lines) ? ERR_NOMEM
					 : replace_write(fd, s->file, buf_view(&lines), why);
		*end += lines.n;
	}
	return err;
}

/* The places of the lines that are in the file now, those of the i-th share on. Who takes
 * shares out holds io, too; who makes one puts it after them. */
static void
place_shares(struct shares *s, size_t i, uint64_t last, uint64_t at)
{
	pthread_rwlock_rdlock(&s->lock);
	for (; i < s->n && s->entry[i]->number <= last; i++) {
		s->entry[i]->at = at;
		at += share_line_bytes(s->entry[i]);
	}
	pthread_rwlock_unlock(&s->lock);
}

int
shares_rewrite(struct shares *s, struct buf *why)
{
	/* Until it is whole: also where it may be in its place, and nobody knows. */
	atomic_store(&s->stale, true);
	int fd = replace_begin(AT_FDCWD, s->file, 0600, why);
	if (fd < 0)
		return fd;
	SCOPED_BUF(notes, 0);
	pthread_rwlock_rdlock(&s->lock);
	uint64_t last = s->given;
	shares_notes(&notes, s, false);
	pthread_rwlock_unlock(&s->lock);
	uint64_t end = notes.n;
	int err = buf_failed(&notes) ? ERR_NOMEM
				     : replace_write(fd, s->file, buf_view(&notes), why);
	err = err ? err : rewrite_shares(s, fd, last, &end, why);
	if (err)
		replace_drop(AT_FDCWD, s->file);
	else
		err = replace_place(AT_FDCWD, s->file, fd, why);
	stop_at("shares-rewritten");
	if (err) {
		int sys = errno;
		close(fd);
		errno = sys;
		return err;
	}
	place_shares(s, 0, last, notes.n);
	if (s->fd >= 0)
		close(s->fd);
	s->fd = fd;
	s->end = end;
	s->ngone = 0;
	atomic_store(&s->written, last);
	atomic_store(&s->head_stale, true);
	atomic_store(&s->stale, false);
	return write_shares_head(s, why);
}

bool
shares_dirty(const struct shares *s)
{
	return atomic_load(&s->last) != atomic_load(&s->written) || atomic_load(&s->stale) ||
	       atomic_load(&s->head_stale);
}

/* Those that are not in the file yet. */
static int
append_shares(struct shares *s)
{
	SCOPED_BUF(lines, 0);
	pthread_rwlock_rdlock(&s->lock);
	uint64_t last = s->given;
	size_t first = s->n;
	uint64_t at = s->end;
	while (first > 0 && s->entry[first - 1]->number > s->written)
		first--;
	for (size_t i = first; i < s->n; i++)
		share_line(&lines, s->entry[i]);
	pthread_rwlock_unlock(&s->lock);
	int err = shares_append(s, &lines);
	if (!err) {
		place_shares(s, first, last, at);
		atomic_store(&s->head_stale, true);
		atomic_store(&s->written, last);
	}
	return err;
}

int
shares_sync(struct shares *s)
{
	int err = 0;

	if (!shares_dirty(s))
		return 0;
	SCOPED_LOCK(&s->io);
	if (atomic_load(&s->stale)) {
		/* An erasure, or an append, that failed. */
		err = shares_overwrite(s);
		err = err ? err : shares_rewrite(s, NULL);
	} else if (atomic_load(&s->last) != atomic_load(&s->written)) {
		err = append_shares(s);
	}
	stop_at("shares-durable");
	if (!err && atomic_load(&s->head_stale))
		err = write_shares_head(s, NULL);
	return err;
}

/* ---- open and close ---- */

/* Numbers up to `given` that the file does not know. */
static bool
find_lost(struct shares *s, uint64_t given, uint64_t *lost)
{
	uint64_t next = 1;
	size_t share = 0, erased = 0, gap = 0;

	/* Numbers of all three lists, counted up. */
	while (next <= given) {
		while (share < s->n && s->entry[share]->number < next)
			share++;
		while (erased < s->nerased && s->erased[erased].number < next)
			erased++;
		while (gap < s->nlost && s->lost[gap].to < next)
			gap++;
		uint64_t known = share < s->n ? s->entry[share]->number : UINT64_MAX;
		if (erased < s->nerased && s->erased[erased].number < known)
			known = s->erased[erased].number;
		if (gap < s->nlost && s->lost[gap].from <= known) {
			if (s->lost[gap].from <= next) {
				next = s->lost[gap].to + 1;
				continue;
			}
			known = s->lost[gap].from;
		}
		if (known == next) {
			next++;
			continue;
		}
		uint64_t to = known > given ? given : known - 1;
		if (!shares_note_lost(s, next, to))
			return false;
		*lost += to - next + 1;
		next = to + 1;
	}
	return true;
}

/* ERR_NOTFOUND: there is none. */
static int
open_shares_file(struct shares *s, struct buf *text, struct buf *why)
{
	struct stat st;

	s->fd = open(
		s->file, (s->head ? O_RDWR : O_RDONLY) | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	if (s->fd < 0 && errno == ENOENT && s->head)
		return ERR_NOTFOUND;
	if (s->fd < 0 || fstat(s->fd, &st) < 0)
		return why_err(why, ERR_IO, "%s: %s", s->file, strerror(errno));
	if (!S_ISREG(st.st_mode))
		return why_err(why, ERR_SYNTAX, "%s: not a regular file", s->file);
	if (keyfile_wide(s->file, st.st_mode, "a file of shares", why))
		return ERR_AUTH;
	int err = buf_fd(text, s->fd);
	return err ? why_err(why, err, "%s: %s", s->file,
			     err == ERR_IO ? strerror(errno) : err_str(err))
		   : 0;
}

static int
read_shares_head(struct shares *s, struct buf *why)
{
	size_t good = 0;

	SCOPED_BUF(text, SHARES_FILE_MOST);
	if (!s->head)
		return 0;
	if (!buf_regular_file(&text, s->head))
		return errno == ENOENT
			       ? 0
			       : why_err(why, ERR_IO, "%s: %s", s->head, strerror(errno));
	s->head_given = UINT64_MAX;
	int err = shares_parse(s, buf_view(&text), true, &good, why);
	/* It is replaced whole. */
	if (!err && (good < text.n || s->head_given == UINT64_MAX))
		err = why_err(why, ERR_SYNTAX, "%s: its last line is damaged", s->head);
	return err;
}

/* Reads both files, and makes them what they should be. */
static int
load_shares(struct shares *s, uint64_t *lost, struct buf *lost_why, struct buf *why)
{
	size_t good = 0;

	SCOPED_BUF(text, SHARES_FILE_MOST);
	int err = read_shares_head(s, why), has = 0;
	err = err ? err : (has = open_shares_file(s, &text, why)) == ERR_NOTFOUND ? 0 : has;
	if (!err && !has)
		err = shares_parse(s, buf_view(&text), false, &good, why);
	if (err)
		return err;
	if (s->nerased && s->erased[s->nerased - 1].number > s->given)
		s->given = s->erased[s->nerased - 1].number;
	if (s->nlost && s->lost[s->nlost - 1].to > s->given)
		s->given = s->lost[s->nlost - 1].to;
	if (s->head_given > s->given)
		s->given = s->head_given;
	if (!find_lost(s, s->given, lost))
		return why_err(why, ERR_NOMEM, "%s: %s", s->file, err_str(ERR_NOMEM));
	if (*lost)
		buf_printf(lost_why,
			has ? "%llu of %llu shares that were given are lost: %s was not there"
			    : "%llu of %llu shares that were given are not in %s: an older "
			      "one, or "
			      "lines were taken out",
			(unsigned long long)*lost, (unsigned long long)s->given, s->file);
	atomic_store(&s->last, s->given);
	atomic_store(&s->written, s->given);
	s->end = good;
	if (!s->head)
		return 0;
	/* A last line that was never completed. */
	if (!has && good < text.n && journal_io.ftruncate(s->fd, (off_t)good) < 0)
		return why_err(why, ERR_IO, "%s: %s", s->file, strerror(errno));
	if (has || *lost || s->stale) {
		err = shares_overwrite(s);
		err = err ? err : shares_rewrite(s, why);
	} else if (s->head_given != s->given) {
		err = write_shares_head(s, why);
	}
	if (err && !why->n)
		buf_printf(why, "%s: %s", s->file, strerror(errno));
	return err;
}

struct shares *
shares_open(const char *file, const char *head, const char *node, uint64_t *lost,
	struct buf *lost_why, struct buf *why)
{
	struct shares *s = calloc(1, sizeof(*s));

	*lost = 0;
	if (!s) {
		buf_str(why, err_str(ERR_NOMEM));
		return NULL;
	}
	s->fd = -1;
	pthread_rwlock_init(&s->lock, NULL);
	pthread_mutex_init(&s->io, NULL);
	random_bytes(&s->seed, sizeof(s->seed));
	s->file = strdup(file);
	s->head = head ? strdup(head) : NULL;
	s->node = strdup(node);
	if (!s->file || (head && !s->head) || !s->node)
		buf_str(why, err_str(ERR_NOMEM));
	else if (load_shares(s, lost, lost_why, why) == 0)
		return s;
	shares_close(&s);
	return NULL;
}

void
shares_close(struct shares **s)
{
	struct shares *c = *s;

	if (!c)
		return;
	if (c->fd >= 0)
		close(c->fd);
	for (size_t i = 0; i < c->n; i++) {
		explicit_bzero(c->entry[i], sizeof(*c->entry[i]) + c->entry[i]->n);
		free(c->entry[i]);
	}
	free(c->entry);
	free(c->bucket);
	free(c->erased);
	free(c->lost);
	free(c->erasure);
	free(c->gone);
	free(c->file);
	free(c->head);
	free(c->node);
	pthread_mutex_destroy(&c->io);
	pthread_rwlock_destroy(&c->lock);
	free(c);
	*s = NULL;
}
