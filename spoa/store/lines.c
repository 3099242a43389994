/* Line reader over pread: a follower may ask again when the file has grown, and
 * never sees past the offset that it is told is durable. */
#include "store/lines.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/err.h"

int
lines_open(struct lines *l, int fd, uint64_t offset)
{
	struct stat st;

	*l = (struct lines){ .fd = fd, .offset = offset, .size = LINES_MAX_BYTES };
	l->pipe = fstat(fd, &st) < 0 || !S_ISREG(st.st_mode);
	l->buf = malloc(l->size);
	return l->buf ? 0 : ERR_NOMEM;
}

void
lines_close(struct lines *l)
{
	free(l->buf);
	l->buf = NULL;
}

/* Reads more after buf[to): 1, 0 at the end or the limit, ERR_IO. */
static int
fill(struct lines *l, uint64_t limit)
{
	uint64_t at = l->offset + (l->to - l->from);

	if (l->from) {
		memmove(l->buf, l->buf + l->from, l->to - l->from);
		l->to -= l->from;
		l->from = 0;
	}
	size_t room = l->size - l->to;
	if (at >= limit)
		return 0;
	if (room > limit - at)
		room = (size_t)(limit - at);
	for (;;) {
		ssize_t r = l->pipe ? read(l->fd, l->buf + l->to, room)
				    : pread(l->fd, l->buf + l->to, room, (off_t)at);
		if (r < 0 && errno == EINTR)
			continue;
		if (r < 0)
			return ERR_IO;
		l->to += (size_t)r;
		return r > 0;
	}
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
			/* Read while it was written: some of it before, some after. */
			again--;
			l->to = l->from;
			seen = 0;
			continue;
		}
		if (at < have.n || have.n == l->size) {
			*line = span_cut(have, 0, at);
			size_t used = at < have.n ? at + 1 : have.n;
			l->from += used;
			l->offset += used;
			return 1;
		}
		seen = have.n;
		int more = fill(l, limit);
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
