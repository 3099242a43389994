/* A line reader that uses pread(). A follower may ask again when the file has grown, and never
 * sees bytes beyond the offset that it passes as durable. */
#include "base/codec/lines.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/codec/seekable.h"
#include "base/err.h"

/* Bytes of one read. Only longer lines touch the rest of the buffer, which matters because
 * followers of a journal live as long as the daemon. */
#define STEP_BYTES ((size_t)64 << 10)

/* The compressed file of a reader. owner: the reader. Holds one decompressed frame. */
struct lines_packed {
	struct seekable frames;
	size_t at; /* the frame whose text is in `text`; frames.n: none */
	struct buf bytes, text;
};

static void
close_packed(struct lines_packed **p)
{
	if (!*p)
		return;
	seekable_free(&(*p)->frames);
	buf_free(&(*p)->bytes);
	buf_free(&(*p)->text);
	free(*p);
	*p = NULL;
}

static int
read_text_at(int fd, struct buf *to, uint64_t at, size_t n)
{
	char *p = buf_reserve(to, n ? n : 1);

	if (!p)
		return ERR_NOMEM;
	for (size_t got = 0; got < n;) {
		ssize_t r = pread(fd, p + got, n - got, (off_t)(at + got));
		if (r < 0 && errno == EINTR)
			continue;
		if (r <= 0)
			return ERR_IO;
		got += (size_t)r;
	}
	buf_commit(to, n);
	return 0;
}

static bool
begins_packed(int fd)
{
	static const char magic[] = "\x28\xb5\x2f\xfd";
	char begin[4];

	return pread(fd, begin, 4, 0) == 4 && !memcmp(begin, magic, 4);
}

/* Opens a compressed file. Returns 0 with *out NULL for plain text. */
static int
open_packed(int fd, uint64_t bytes, struct lines_packed **out)
{
	struct lines_packed *p;

	*out = NULL;
	if (bytes < SEEKABLE_FOOTER || !begins_packed(fd))
		return 0;
	p = calloc(1, sizeof(*p));
	if (!p)
		return ERR_NOMEM;
	buf_init(&p->bytes, 0);
	buf_init(&p->text, 0);
	int err = read_text_at(fd, &p->bytes, bytes - SEEKABLE_FOOTER, SEEKABLE_FOOTER);
	int64_t n = err ? err : seekable_table_bytes(buf_view(&p->bytes));
	buf_clear(&p->bytes);
	if (!err && (n < 0 || (uint64_t)n > bytes))
		err = ERR_SYNTAX;
	if (!err)
		err = read_text_at(fd, &p->bytes, bytes - (uint64_t)n, (size_t)n);
	if (!err)
		err = seekable_table(buf_view(&p->bytes), bytes, &p->frames);
	p->at = p->frames.n;
	if (err)
		close_packed(&p);
	*out = p;
	return err == ERR_SYNTAX || err == ERR_LIMIT ? 0 : err;
}

/* Reads the text as pread(2) does. */
static ssize_t
pread_packed(struct lines_packed *p, int fd, char *to, size_t n, uint64_t at)
{
	size_t i = seekable_find(&p->frames, at);

	if (i == p->frames.n)
		return 0;
	if (i != p->at) {
		const struct seekable_frame *f = &p->frames.frame[i];
		p->at = p->frames.n;
		buf_clear(&p->bytes);
		buf_clear(&p->text);
		int err = read_text_at(
			fd, &p->bytes, f->packed, (size_t)(f[1].packed - f->packed));
		if (!err)
			err = seekable_decode(&p->frames, i, buf_view(&p->bytes), &p->text);
		if (err)
			return err;
		p->at = i;
	}
	struct span have = buf_view(&p->text);
	have = span_cut(have, (size_t)(at - p->frames.frame[i].plain), have.n);
	if (have.n > n)
		have.n = n;
	memcpy(to, have.p, have.n);
	return (ssize_t)have.n;
}

ssize_t
lines_head(int fd, char *out, size_t size)
{
	char packed[16384];

	if (!begins_packed(fd))
		return pread(fd, out, size, 0);
	ssize_t n = pread(fd, packed, sizeof(packed), 0);
	return n < 0 ? n : (ssize_t)seekable_head(span_of(packed, (size_t)n), out, size);
}

int
lines_open(struct lines *l, int fd, uint64_t offset)
{
	struct stat st;

	*l = (struct lines){ .fd = fd, .offset = offset, .size = LINES_MAX_BYTES };
	l->pipe = fstat(fd, &st) < 0 || !S_ISREG(st.st_mode);
	int err = l->pipe ? 0 : open_packed(fd, (uint64_t)st.st_size, &l->packed);
	if (err)
		return err;
	l->tableless = !l->pipe && !l->packed && begins_packed(fd);
	l->buf = malloc(l->size);
	if (!l->buf)
		close_packed(&l->packed);
	return l->buf ? 0 : ERR_NOMEM;
}

void
lines_close(struct lines *l)
{
	free(l->buf);
	l->buf = NULL;
	close_packed(&l->packed);
}

ssize_t
lines_pread(struct lines *l, void *to, size_t n, uint64_t at)
{
	ssize_t r;

	if (l->packed)
		return pread_packed(l->packed, l->fd, to, n, at);
	do
		r = l->pipe ? read(l->fd, to, n) : pread(l->fd, to, n, (off_t)at);
	while (r < 0 && errno == EINTR);
	return r;
}

uint64_t
lines_text_bytes(const struct lines *l)
{
	struct stat st;

	if (l->packed)
		return l->packed->frames.frame[l->packed->frames.n].plain;
	return fstat(l->fd, &st) < 0 ? 0 : (uint64_t)st.st_size;
}

/* Reads more bytes after buf[to). Returns 1, 0 at the end or the limit, or an error. */
static int
fill_lines(struct lines *l, uint64_t limit)
{
	uint64_t at = l->offset + (l->to - l->from);

	INVARIANT(l->from <= l->to && l->to <= l->size);
	if (l->from) {
		memmove(l->buf, l->buf + l->from, l->to - l->from);
		l->to -= l->from;
		l->from = 0;
	}
	size_t room = l->size - l->to < STEP_BYTES ? l->size - l->to : STEP_BYTES;
	if (at >= limit)
		return 0;
	if (room > limit - at)
		room = (size_t)(limit - at);
	ssize_t r = lines_pread(l, l->buf + l->to, room, at);
	if (r < 0)
		return l->packed ? (int)r : ERR_IO;
	l->to += (size_t)r;
	return r > 0;
}

int
lines_next(struct lines *l, uint64_t limit, struct span *line)
{
	size_t seen = 0;
	int again = l->pipe ? 0 : 3;

	for (;;) {
		struct span have = span_of(l->buf + l->from, l->to - l->from);
		size_t at = seen + span_chr(span_cut(have, seen, have.n), '\n');
		if (at < have.n && again && span_chr(span_cut(have, 0, at), '\0') < at) {
			/* The line was read while it was written, so that a part is old: it is
			 * read again. */
			again--;
			l->to = l->from;
			seen = 0;
			continue;
		}
		if (at < have.n || have.n == l->size) {
			*line = span_cut(have, 0, at);
			size_t used = at < have.n ? at + 1 : have.n;
			l->from += used;
			l->begin = l->offset;
			l->offset += used;
			return 1;
		}
		seen = have.n;
		int more = fill_lines(l, limit);
		if (more <= 0)
			return more;
	}
}

struct span
lines_rest(const struct lines *l)
{
	struct span s = span_of(l->buf + l->from, l->to - l->from);

	while (s.n && s.p[s.n - 1] == '\0')
		s.n--;
	return s;
}
