/* The file of shares and JOURNAL.texts.head: how they are opened, appended to and overwritten.
 *
 * The file of shares is never written again as a whole: a copy of it would stay in blocks that
 * the file system has freed, and with it the shares that a later erasure overwrites. So lines are
 * appended, an erased share becomes x where it stands, and bytes behind the last durable line
 * (an append that failed) become x and are synced before they are cut off. The head holds no
 * share; it is replaced as a whole.
 *
 * The file is durable before the head: a number that the head does not know yet was not used. */
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

/* Bytes of the file. New shares stop at the first, so that erasures always have room. */
#define SHARES_FILE_FULL ((uint64_t)CAP_SHARES * 1536)
#define SHARES_FILE_MOST (2 * SHARES_FILE_FULL)

static int
sync_shares_fd(int fd)
{
	return journal_io.fdatasync(fd) < 0 ? journal_error(errno) : 0;
}

/* Writes x over n bytes at `at`. The caller syncs. */
static int
cross_out(const struct shares *s, uint64_t at, uint64_t n)
{
	char x[4096];
	int err = 0;

	memset(x, 'x', sizeof(x));
	/* What is crossed out is never beyond the file: that would make it longer. */
	INVARIANT(at >= s->end || n <= s->end - at);
	for (uint64_t done = 0; !err && done < n; done += sizeof(x))
		err = journal_pwrite(s->fd,
			span_of(x, n - done < sizeof(x) ? (size_t)(n - done) : sizeof(x)),
			at + done);
	return err;
}

/* Removes what an append that failed, or a power cut, left behind the last durable line. */
static int
drop_tail(struct shares *s)
{
	struct stat st;

	if (fstat(s->fd, &st) < 0)
		return journal_error(errno);
	int err = (uint64_t)st.st_size > s->end
			  ? cross_out(s, s->end, (uint64_t)st.st_size - s->end)
			  : 0;
	err = err ? err : sync_shares_fd(s->fd);
	if (!err && journal_io.ftruncate(s->fd, (off_t)s->end) < 0)
		err = journal_error(errno);
	s->has_tail = err != 0;
	return err;
}

int
shares_append(struct shares *s, struct buf *lines)
{
	if (buf_failed(lines))
		return ERR_NOMEM;
	if (s->end + lines->n > SHARES_FILE_MOST) {
		errno = EFBIG;
		return ERR_FULL;
	}
	int err = s->has_tail ? drop_tail(s) : 0;
	if (err)
		return err;
	err = journal_pwrite(s->fd, buf_view(lines), s->end);
	stop_at("shares-appended");
	err = err ? err : sync_shares_fd(s->fd);
	if (!err) {
		s->end += lines->n;
		return 0;
	}
	int sys = errno;
	if (drop_tail(s))
		atomic_store(&s->stale, true);
	errno = sys;
	return err;
}

int
shares_write_head(struct shares *s, struct buf *why)
{
	SCOPED_BUF(text, 0);
	pthread_rwlock_rdlock(&s->lock);
	share_first_line(&text, s, true);
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
	bool note = s->notes_due || s->erasing_due;
	int err = 0;

	if (!note && !s->ngone && !s->has_tail) {
		atomic_store(&s->stale, false);
		return 0;
	}
	SCOPED_BUF(lines, 0);
	pthread_rwlock_rdlock(&s->lock);
	if (s->notes_due)
		shares_notes(&lines, s, false);
	else if (s->erasing_due)
		shares_erasing(&lines, s);
	pthread_rwlock_unlock(&s->lock);
	if (note)
		err = shares_append(s, &lines);
	stop_at("shares-erasing");
	for (size_t i = 0; !err && i < s->ngone; i++)
		err = cross_out(s, s->gone[i].at, s->gone[i].n);
	if (!err && s->ngone) {
		err = sync_shares_fd(s->fd);
		stop_at("shares-overwritten");
	}
	err = err ? err : s->has_tail ? drop_tail(s) : 0;
	if (err)
		return err;
	if (note)
		atomic_store(&s->head_stale, true);
	s->ngone = 0;
	s->notes_due = s->erasing_due = false;
	atomic_store(&s->stale, false);
	return 0;
}

/* Sets where the lines of the i-th share and of those after it stand, from `at` on. Only a holder
 * of io takes shares out, and a new share comes after all others, so i stays valid. */
static void
place_shares(struct shares *s, size_t i, uint64_t last, uint64_t at)
{
	pthread_rwlock_rdlock(&s->lock);
	for (; i < s->n && s->entry[i]->number <= last; i++) {
		s->entry[i]->at = at;
		at += share_line_bytes(s->entry[i]);
	}
	INVARIANT(at == s->end); /* else an erasure would overwrite the bytes of others */
	pthread_rwlock_unlock(&s->lock);
}

/* Begins a file of shares that has none yet: its first line, and what the head knows. */
static int
create_shares_file(struct shares *s, struct buf *why)
{
	int fd = replace_begin(AT_FDCWD, s->file, 0600, why);

	if (fd < 0)
		return fd;
	SCOPED_BUF(text, 0);
	pthread_rwlock_rdlock(&s->lock);
	share_first_line(&text, s, false);
	shares_notes(&text, s, false);
	pthread_rwlock_unlock(&s->lock);
	int err = buf_failed(&text) ? ERR_NOMEM : replace_write(fd, s->file, buf_view(&text), why);
	if (err)
		replace_drop(AT_FDCWD, s->file);
	else
		err = replace_place(AT_FDCWD, s->file, fd, why);
	if (err) {
		int sys = errno;
		close(fd);
		errno = sys;
		return err;
	}
	s->fd = fd;
	s->end = text.n;
	s->notes_due = false;
	return 0;
}

bool
shares_dirty(const struct shares *s)
{
	return atomic_load(&s->last) != atomic_load(&s->written) || atomic_load(&s->stale) ||
	       atomic_load(&s->head_stale);
}

/* Appends the shares that are not in the file yet. */
static int
append_shares(struct shares *s)
{
	if (s->end > SHARES_FILE_FULL) {
		errno = EFBIG;
		return ERR_FULL;
	}
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
	if (atomic_load(&s->stale)) /* an erasure or an append failed */
		err = shares_overwrite(s);
	if (!err && atomic_load(&s->last) != atomic_load(&s->written))
		err = append_shares(s);
	stop_at("shares-durable");
	if (!err && atomic_load(&s->head_stale))
		err = shares_write_head(s, NULL);
	return err;
}

/* ---- open and close ---- */

/* Notes as lost the numbers up to `given` that the file does not know. *lost: how many. False: out of memory. */
static bool
find_lost(struct shares *s, uint64_t given, uint64_t *lost)
{
	uint64_t next = 1;
	size_t share = 0, erased = 0, gap = 0;

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
		INVARIANT(to >= next);
		if (!shares_note_lost(s, next, to))
			return false;
		*lost += to - next + 1;
		next = to + 1;
	}
	return true;
}

/* Reads the whole file. ERR_NOTFOUND: there is none, and one may be begun. */
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
	/* The head is only ever replaced as a whole, so a cut line is damage. */
	if (!err && (good < text.n || s->head_given == UINT64_MAX))
		err = why_err(why, ERR_SYNTAX, "%s: its last line is damaged", s->head);
	return err;
}

/* Reads both files, finishes erasures that a kill interrupted, and begins files that are missing. */
static int
load_shares(struct shares *s, uint64_t *lost, struct buf *lost_why, struct buf *why)
{
	size_t good = 0;

	SCOPED_BUF(text, SHARES_FILE_MOST);
	int err = read_shares_head(s, why), has = 0;
	err = err ? err : (has = open_shares_file(s, &text, why)) == ERR_NOTFOUND ? 0 : has;
	if (!err && !has) {
		s->nerasures = 0; /* the file itself has those that were carried out in it */
		err = shares_parse(s, buf_view(&text), false, &good, why);
	}
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
	s->has_tail = !has && good < text.n; /* a last line that was never completed */
	s->notes_due |= *lost > 0;
	err = has ? create_shares_file(s, why) : shares_overwrite(s);
	if (!err && (has || atomic_load(&s->head_stale) || s->head_given != s->given))
		err = shares_write_head(s, why);
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
