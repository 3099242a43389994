/* The file of shares and JOURNAL.texts.head: their lines (the format is in shares_private.h),
 * how they are written and opened, and the erasures that the journal records.
 *
 * The file of shares is never rewritten as a whole: a copy would remain in blocks that the
 * file system has freed, and with it the shares that a later erasure overwrites. Therefore
 * lines are appended, and an erased share is overwritten with x in place. Bytes after the
 * last durable line, from an append that failed, are overwritten with x and synced before
 * they are cut off. The head has no shares and is replaced as a whole. The file is durable
 * before the head: a number that the head does not have yet was not used. */
#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/among.h"
#include "base/caps.h"
#include "base/clock.h"
#include "base/codec/base64.h"
#include "base/codec/lines.h"
#include "base/err.h"
#include "base/keyfile.h"
#include "base/mem.h"
#include "base/random.h"
#include "base/replace.h"
#include "base/scoped.h"
#include "base/stops.h"
#include "base/why.h"
#include "record/journal/chain.h"
#include "record/journal/journal.h"
#include "record/seal/shares_private.h"

enum { CHECK_DIGITS = 8 };

static void
line_check(struct span s, char out[CHECK_DIGITS + 1])
{
	unsigned char hash[SHA256_BYTES];

	sha256(s, hash);
	sodium_bin2hex(out, CHECK_DIGITS + 1, hash, CHECK_DIGITS / 2);
}

/* ---- writing lines ---- */

/* Ends the line that began at `from`: appends its check digits. */
static void
end_line(struct buf *b, size_t from)
{
	char check[CHECK_DIGITS + 1];

	if (buf_failed(b))
		return;
	line_check(span_cut(buf_view(b), from, b->n), check);
	buf_printf(b, " %s\n", check);
}

static void
share_line(struct buf *b, const struct share_entry *e)
{
	size_t from = b->n;

	buf_printf(b, "share %llu ", (unsigned long long)e->number);
	buf_hex(b, e->key, sizeof(e->key));
	buf_putc(b, ' ');
	base64_put(b, e->holder, e->n);
	end_line(b, from);
	/* an erasure overwrites this many bytes */
	INVARIANT(buf_failed(b) || b->n - from == share_line_bytes(e));
}

size_t
share_line_secret(uint64_t number)
{
	char digits[SPAN_DECIMAL];

	return sizeof("share ") - 1 + span_decimal(digits, (int64_t)number) + 1;
}

size_t
share_line_bytes(const struct share_entry *e)
{
	return share_line_secret(e->number) + 2 * SHARE_BYTES + 1 + ((size_t)e->n + 2) / 3 * 4 +
	       1 + CHECK_DIGITS + 1;
}

void
share_erased_line(struct buf *b, const struct erased_share *e)
{
	char at[CLOCK_SECOND_LEN];
	size_t from = b->n;

	clock_second(e->at_ns, at);
	buf_printf(b, "%s %llu %s", e->pseudonym[0] ? "erasing" : "erased",
		(unsigned long long)e->number, at);
	if (e->pseudonym[0])
		buf_printf(b, " %s", e->pseudonym);
	end_line(b, from);
}

/* Appends the lines of erased shares that no record names yet. */
static void
shares_erasing(struct buf *b, const struct shares *s)
{
	for (size_t i = 0; i < s->nerased; i++)
		if (s->erased[i].pseudonym[0])
			share_erased_line(b, &s->erased[i]);
}

void
share_erasure_line(struct buf *b, const struct erasure *e)
{
	size_t from = b->n;

	if (e->serial) {
		buf_printf(b, "erasure %s %lld", e->name, (long long)e->serial);
		end_line(b, from);
	}
	from = b->n;
	if (e->forgotten) {
		buf_printf(b, "forgotten %s %lld", e->name, (long long)e->forgotten);
		end_line(b, from);
	}
}

static void
share_first_line(struct buf *b, const struct shares *s, bool head)
{
	size_t from = b->n;

	buf_printf(b, "%s %s", head ? SHARES_HEAD_FIRST : SHARES_FILE_FIRST, s->node);
	end_line(b, from);
}

/* Appends all lines after the first that are not shares; for the head also the last number
 * given. */
static void
shares_notes(struct buf *b, const struct shares *s, bool head)
{
	size_t from;

	for (size_t i = 0; !head && i < s->nlost; i++) {
		from = b->n;
		buf_printf(b, "lost %llu %llu", (unsigned long long)s->lost[i].from,
			(unsigned long long)s->lost[i].to);
		end_line(b, from);
	}
	for (size_t i = 0; i < s->nerased; i++)
		share_erased_line(b, &s->erased[i]);
	for (size_t i = 0; i < s->nerasures; i++)
		share_erasure_line(b, &s->erasure[i]);
	if (head && s->seen) {
		from = b->n;
		buf_printf(b, "journal %llu", (unsigned long long)s->seen);
		end_line(b, from);
	}
	if (head) { /* the last line: without it the head is incomplete */
		from = b->n;
		buf_printf(b, "given %llu", (unsigned long long)s->written);
		end_line(b, from);
	}
}

/* ---- reading lines ---- */

static int
read_number(struct span word, uint64_t *out)
{
	return span_u64(word, out) || *out == 0 || *out > SHARE_NUMBER_MAX ? ERR_SYNTAX : 0;
}

static int
read_erased(struct shares *s, struct span rest, bool erasing)
{
	struct erased_share e = { .number = 0 };
	struct span number = span_next(&rest, ' '), at = span_next(&rest, ' ');

	if (read_number(number, &e.number) || clock_parse(at.p, at.n, &e.at_ns) ||
		rest.n != (erasing ? PSEUDONYM_LEN : 0))
		return ERR_SYNTAX;
	if (erasing)
		memcpy(e.pseudonym, rest.p, PSEUDONYM_LEN);
	if (erasing &&
		(!span_starts(rest, SPAN_LIT("p_")) ||
			strspn(e.pseudonym + 2, "0123456789abcdef") != PSEUDONYM_LEN - 2))
		return ERR_SYNTAX;
	return shares_note_erased(s, &e) ? 0 : ERR_NOMEM;
}

static int
read_lost(struct shares *s, struct span rest)
{
	struct span word = span_next(&rest, ' ');
	uint64_t from, to;

	if (read_number(word, &from) || read_number(rest, &to) || from > to)
		return ERR_SYNTAX;
	return shares_note_lost(s, from, to) ? 0 : ERR_NOMEM;
}

static int
read_erasure(struct shares *s, struct span rest, bool forgotten)
{
	struct span name = span_next(&rest, ' ');
	uint64_t serial;

	if (name.n == 0 || name.n > ERASURE_NAME_MAX || memchr(name.p, '\0', name.n) ||
		span_u64(rest, &serial) || serial > INT64_MAX)
		return ERR_SYNTAX;
	return shares_note_erasure(s, name, forgotten ? 0 : (int64_t)serial,
		       forgotten ? (int64_t)serial : 0)
		       ? 0
		       : ERR_NOMEM;
}

static int
read_share_words(struct shares *s, uint64_t number, struct span rest, uint64_t at)
{
	struct span hex = span_next(&rest, ' ');
	unsigned char key[SHARE_BYTES];
	char holder[SHARE_HOLDER_MAX];
	size_t n = 0;
	int err =
		!sha256_read(hex, key) || base64_get(rest, holder, sizeof(holder), &n) || n == 0
			? ERR_SYNTAX
			: shares_add(s, number, key, span_of(holder, n), at);

	explicit_bzero(key, sizeof(key));
	return err == ERR_DUPLICATE ? ERR_SYNTAX : err;
}

/* Checks and removes the check digits at the end of the line. Returns false if they are
 * wrong. */
static bool
cut_check(struct span *line)
{
	char check[CHECK_DIGITS + 1];

	if (line->n < CHECK_DIGITS + 2 || line->p[line->n - CHECK_DIGITS - 1] != ' ')
		return false;
	struct span said = span_cut(*line, line->n - CHECK_DIGITS, line->n);
	*line = span_cut(*line, 0, line->n - CHECK_DIGITS - 1);
	line_check(*line, check);
	return span_is(said, check);
}

static int
read_first(const struct shares *s, struct span line, bool head, struct buf *why)
{
	struct span word = span_next(&line, ' ');

	if (!span_is(word, head ? SHARES_HEAD_FIRST : SHARES_FILE_FIRST))
		return why_err(why, ERR_SYNTAX, "%s: line 1: this is not the file of %s",
			head ? s->head : s->file,
			head ? "the number of shares given" : "shares");
	if (!span_is(line, s->node))
		return why_err(why, ERR_SYNTAX,
			"%s: line 1: the file belongs to node %.*s, not to node %s",
			head ? s->head : s->file, SPAN_ARG(line), s->node);
	return 0;
}

static int
read_seen(struct shares *s, struct span rest)
{
	uint64_t seq;

	if (span_u64(rest, &seq))
		return ERR_SYNTAX;
	atomic_store(&s->seen, seq);
	return 0;
}

/* Reads a line that is not a share. */
static int
read_note_line(struct shares *s, struct span line, bool head)
{
	struct span word = span_next(&line, ' ');

	return span_is(word, "erased")		  ? read_erased(s, line, false)
	       : span_is(word, "erasing")	  ? read_erased(s, line, true)
	       : !head && span_is(word, "lost")	  ? read_lost(s, line)
	       : span_is(word, "erasure")	  ? read_erasure(s, line, false)
	       : span_is(word, "forgotten")	  ? read_erasure(s, line, true)
	       : head && span_is(word, "journal") ? read_seen(s, line)
	       : head && span_is(word, "given") && !span_u64(line, &s->head_given) &&
			       s->head_given <= SHARE_NUMBER_MAX
		       ? 0
		       : ERR_SYNTAX;
}

/* Returns true if an erasure has overwritten everything secret in the line of a share. */
static bool
is_crossed_out(struct span secret)
{
	return span_past_set(secret, 0, "x") == secret.n;
}

/* Reads the line of a share, after all lines that list erased shares. If an interrupted
 * erasure left a part of an erased share, notes it in `gone`. */
static int
read_share_line(struct shares *s, struct span line, uint64_t at)
{
	struct span rest = span_cut(line, sizeof("share ") - 1, line.n);
	uint64_t number;

	if (read_number(span_next(&rest, ' '), &number))
		return ERR_SYNTAX;
	if (shares_is_erased(s, number)) {
		size_t secret = share_line_secret(number);
		if (is_crossed_out(span_cut(line, secret, line.n)))
			return 0;
		if (!mem_room(&s->gone, &s->gone_room, s->ngone + 1, sizeof(*s->gone)))
			return ERR_NOMEM;
		s->gone[s->ngone++] = (struct share_bytes){ at + secret, line.n - secret };
		s->notes_due = true; /* possibly only the head states that this share was erased */
		return 0;
	}
	if (!cut_check(&line) || shares_is_lost(s, number))
		return ERR_SYNTAX;
	rest = span_cut(line, share_line_secret(number), line.n);
	return read_share_words(s, number, rest, at);
}

static int
parse_share_file_line(
	struct shares *s, struct span line, uint64_t n, uint64_t at, bool head, struct buf *why)
{
	bool share = span_starts(line, SPAN_LIT("share "));
	int err = share && !head && n > 1 ? read_share_line(s, line, at)
		  : !cut_check(&line)	  ? ERR_SYNTAX
		  : n > 1		  ? read_note_line(s, line, head)
					  : 0;

	if (n == 1 && !err)
		return read_first(s, line, head, why);
	if (err)
		buf_printf(why, "%s: line %llu %s", head ? s->head : s->file,
			(unsigned long long)n, err == ERR_SYNTAX ? "is damaged" : err_str(err));
	return err;
}

/* Reads all lines of the file, or of the head. *good is the number of bytes in complete
 * lines. Returns 0, ERR_SYNTAX with *why, which names the line, or ERR_NOMEM. */
static int
shares_parse(struct shares *s, struct span text, bool head, size_t *good, struct buf *why)
{
	int err = 0;

	*good = 0;
	/* First the lines that are not shares, because the line of an erased share may be
	 * half overwritten. */
	for (int shares = 0; !err && shares < 2; shares++) {
		struct span rest = text;
		for (uint64_t n = 1; !err && span_chr(rest, '\n') < rest.n; n++) {
			uint64_t at = (uint64_t)(rest.p - text.p);
			struct span line = span_next(&rest, '\n');
			if ((shares == 1) == span_starts(line, SPAN_LIT("share ")))
				err = parse_share_file_line(s, line, n, at, head, why);
		}
		*good = text.n - rest.n;
	}
	if (!err && *good == 0)
		err = why_err(
			why, ERR_SYNTAX, "%s: line 1 is damaged", head ? s->head : s->file);
	return err;
}

/* ---- writing files ---- */

/* Bytes of the file. No shares are added beyond the first limit, so that erasures always have
 * room. */
#define SHARES_FILE_FULL ((uint64_t)CAP_SHARES * 1536)
#define SHARES_FILE_MOST (2 * SHARES_FILE_FULL)

static int
sync_shares_fd(int fd)
{
	return journal_io.fdatasync(fd) < 0 ? journal_error(errno) : 0;
}

/* Overwrites n bytes at `at` with x. The caller syncs. */
static int
cross_out(const struct shares *s, uint64_t at, uint64_t n)
{
	char x[4096];
	int err = 0;

	memset(x, 'x', sizeof(x));
	/* Never beyond the end of the file, which would extend it. */
	INVARIANT(at >= s->end || n <= s->end - at);
	for (uint64_t done = 0; !err && done < n; done += sizeof(x))
		err = journal_pwrite(s->fd,
			span_of(x, n - done < sizeof(x) ? (size_t)(n - done) : sizeof(x)),
			at + done);
	return err;
}

/* Removes what a failed append or a power cut left after the last durable line. */
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

/* Sets the positions of the lines of the i-th share and later ones, from `at` on. Only a
 * caller that holds `io` removes shares, and a new share follows all others, so i stays
 * valid. */
static void
place_shares(struct shares *s, size_t i, uint64_t last, uint64_t at)
{
	pthread_rwlock_rdlock(&s->lock);
	for (; i < s->n && s->entry[i]->number <= last; i++) {
		s->entry[i]->at = at;
		at += share_line_bytes(s->entry[i]);
	}
	INVARIANT(at == s->end); /* otherwise an erasure would overwrite other bytes */
	pthread_rwlock_unlock(&s->lock);
}

/* Creates the file of shares: its first line, and what the head knows. */
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
	int err = buf_failed(&text) ? ERR_NOMEM
				    : replace_write(fd, s->file, buf_view(&text), why);
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

const char *
shares_file(const struct shares *s)
{
	return s->file;
}

bool
shares_dirty(const struct shares *s)
{
	return atomic_load(&s->last) != atomic_load(&s->written) || atomic_load(&s->stale) ||
	       atomic_load(&s->head_stale);
}

/* Appends the shares that the file does not have yet. */
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
	if (atomic_load(&s->stale)) /* an erasure or an append had failed */
		err = shares_overwrite(s);
	if (!err && atomic_load(&s->last) != atomic_load(&s->written))
		err = append_shares(s);
	stop_at("shares-durable");
	if (!err && atomic_load(&s->head_stale))
		err = shares_write_head(s, NULL);
	return err;
}

/* ---- open and close ---- */

/* Notes the numbers up to `given` that the file does not know as lost. *lost is their number.
 * Returns false if memory is exhausted. */
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

/* Reads the whole file. ERR_NOTFOUND: it does not exist and may be created. */
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
		return why_err(why, ERR_SYNTAX, "%s: this is not a regular file", s->file);
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
	/* The head is only replaced as a whole, so an incomplete line is damage. */
	if (!err && (good < text.n || s->head_given == UINT64_MAX))
		err = why_err(why, ERR_SYNTAX,
			"%s: the last line is damaged: restore the file from a backup",
			s->head);
	return err;
}

/* Reads both files, finishes interrupted erasures, and creates missing files. */
static int
load_shares(struct shares *s, uint64_t *lost, struct buf *lost_why, struct buf *why)
{
	size_t good = 0;

	SCOPED_BUF(text, SHARES_FILE_MOST);
	int err = read_shares_head(s, why), has = 0;
	err = err ? err : (has = open_shares_file(s, &text, why)) == ERR_NOTFOUND ? 0 : has;
	if (!err && !has) {
		/* the file itself lists the erasures that were carried out in it */
		s->nerasures = 0;
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
			has ? "%llu of %llu shares that were given are lost: %s was missing"
			    : "%llu of %llu shares that were given are not in %s: the file is "
			      "an older copy, or lines were removed",
			(unsigned long long)*lost, (unsigned long long)s->given, s->file);
	atomic_store(&s->last, s->given);
	atomic_store(&s->written, s->given);
	s->end = good;
	if (!s->head)
		return 0;
	s->has_tail = !has && good < text.n; /* an incomplete last line */
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

/* ---- erasures in the journal ----
 *
 * Applies the erasures that the journal records to a file of shares that was restored from a
 * backup together with JOURNAL.texts.head and the live state. An `erase` record names the
 * pseudonyms of the erased shares, which are derived from the shares. A share that the person
 * got later has another pseudonym and stays.
 *
 * The head states up to which record the file knows the journal, so a start reads only newer
 * records: none after a regular stop, the open segment after a kill. */

struct erase_records {
	char (*pseudonym)[PSEUDONYM_LEN + 1];
	size_t n, room;
};

/* Notes the record's pseudonyms, an array of strings without escapes. Returns false if memory
 * is exhausted. */
static bool
note_pseudonyms(struct erase_records *r, struct span list)
{
	while (list.n) {
		struct span one = span_trim(span_next(&list, ','), "[]\"");
		if (one.n != PSEUDONYM_LEN || !span_starts(one, SPAN_LIT("p_")))
			continue;
		if (!mem_room(&r->pseudonym, &r->room, r->n + 1, sizeof(*r->pseudonym)))
			return false;
		memcpy(r->pseudonym[r->n], one.p, PSEUDONYM_LEN);
		r->pseudonym[r->n++][PSEUDONYM_LEN] = '\0';
	}
	return true;
}

/* Reads the `erase` records after record `seen`. */
static int
read_erase_records(struct erase_records *r, uint64_t seen, int fd)
{
	struct lines l;
	struct span line;
	struct chain_line is;
	int got = lines_open(&l, fd, 0);
	bool room = true;

	if (got < 0)
		return got;
	if (l.tableless) { /* the erasures of this record cannot be read */
		lines_close(&l);
		return ERR_SYNTAX;
	}
	while (room && (got = lines_next(&l, UINT64_MAX, &line)) > 0) {
		static const char erase[] = "\"type\":\"erase\"";
		if (memmem(line.p, line.n, erase, sizeof(erase) - 1) &&
			!chain_parse(line, &is) && !is.commit && is.seq > seen &&
			span_is(is.type, "erase"))
			room = note_pseudonyms(r, chain_member(line, "pseudonyms"));
	}
	lines_close(&l);
	return room ? got : ERR_NOMEM;
}

/* Erases the shares that a segment's records name, even if its end cannot be read. */
static int
follow_segment(struct shares *s, struct erase_records *r, const char *journal,
	const struct journal_segment *seg, size_t *erased, struct buf *why)
{
	size_t now;
	SCOPED_FD(fd, journal_segment_open(journal, seg));
	r->n = 0;
	int err = fd < 0 ? ERR_IO : read_erase_records(r, atomic_load(&s->seen), fd);

	if (err < 0)
		buf_printf(why, "%s%s/%s: %s", why->n ? "; " : "", journal, seg->name,
			err_str(err));
	if (!r->n)
		return err;
	qsort(r->pseudonym, r->n, sizeof(*r->pseudonym),
		(int (*)(const void *, const void *))strcmp);
	int failed = shares_erase_again(s, (const char(*)[PSEUDONYM_LEN + 1]) r->pseudonym,
		r->n, clock_wall_ns(), &now);
	if (failed)
		buf_printf(why, "%s%s: %s", why->n ? "; " : "", s->file, err_str(failed));
	*erased += now;
	return failed ? failed : err;
}

/* The head notes each segment that was read, so that a start that is killed does not read it
 * again. If a segment cannot be read, later segments are still applied, but the head stays
 * before it. */
static int
follow_segments(struct shares *s, const char *journal, const struct journal_list *l,
	size_t *erased, struct buf *why)
{
	struct erase_records r = { 0 };
	int err = 0;

	for (size_t i = 0; i < l->n; i++) {
		bool closed = i + 1 < l->n && l->seg[i + 1].ours;
		uint64_t last = closed ? l->seg[i + 1].first - 1 : UINT64_MAX;
		if (!l->seg[i].ours || last <= atomic_load(&s->seen))
			continue;
		int bad = follow_segment(s, &r, journal, &l->seg[i], erased, why);
		err = err < 0 ? err : bad;
		if (err < 0 || !closed)
			continue;
		atomic_store(&s->seen, last);
		atomic_store(&s->head_stale, true);
		shares_sync(s);
	}
	free(r.pseudonym);
	return err < 0 ? err : 0;
}

int
shares_follow(struct shares *s, const char *journal, const char *node, size_t *erased,
	struct buf *why)
{
	struct journal_list l;
	int err = 0;

	*erased = 0;
	if (s->n) { /* otherwise there is nothing to erase */
		err = journal_list_all(journal, node, false, &l, why);
		if (err >= 0) {
			err = follow_segments(s, journal, &l, erased, why);
			journal_list_free(&l);
		}
	}
	atomic_store(&s->follows, !err);
	return err;
}

void
shares_seen(struct shares *s, uint64_t seq, bool note)
{
	if (!atomic_load(&s->follows))
		return;
	atomic_store(&s->seen, seq);
	if (note)
		atomic_store(&s->head_stale, true);
}
