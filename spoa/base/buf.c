/* A byte buffer that grows. Live bytes are p[start] to p[start + n - 1]. If the room at the end
 * is too small, the live bytes first move to the front; then the allocation doubles. */
#include "base/buf.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/err.h"
#include "base/mem.h"
#include "base/file_set.h"
#include "base/scoped.h"

enum {
	FILE_PIECE = 32768, /* bytes of one read of a file */
	PLAIN_BLOCK = 16,   /* bytes that are_plain() examines */
};

void
buf_init(struct buf *b, size_t cap_bytes)
{
	*b = (struct buf){ .cap = cap_bytes };
}

void
buf_free(struct buf *b)
{
	mem_put(b->p, b->size);
	buf_init(b, b->cap);
}

void
buf_give_back(struct buf *b, size_t used)
{
	INVARIANT(b->n == 0 && used <= b->size);
	mem_put_used(b->p, b->size, used);
	buf_init(b, b->cap);
}

void
buf_clear(struct buf *b)
{
	b->start = b->n = 0;
	b->failed = false;
}

void
buf_move(struct buf *to, struct buf *from)
{
	size_t cap = to->cap;

	INVARIANT(to != from);
	if (to->n || to->failed || from->failed || (cap && from->n > cap)) {
		buf_span(to, buf_view(from));
		to->failed |= from->failed;
	} else {
		buf_free(to);
		*to = *from;
		to->cap = cap;
		buf_init(from, from->cap);
	}
	buf_free(from);
}

/* Makes room for n bytes by moving the live bytes or by allocation. Returns NULL if the buffer
 * has failed, its cap is too small, or memory is exhausted. */
static char *
grow_buf(struct buf *b, size_t n)
{
	if (b->failed)
		return NULL;
	if (n > SIZE_MAX / 4 || (b->cap && (n > b->cap || b->n > b->cap - n))) {
		b->failed = true;
		return NULL;
	}
	INVARIANT(b->start + b->n <= b->size);
	if (b->start) {
		memmove(b->p, b->p + b->start, b->n);
		b->start = 0;
	}
	if (b->size - b->n >= n && b->p)
		return b->p + b->n;
	/* The first allocation has the requested size, because a caller that knows the whole
	 * size asks for it at once. */
	size_t size = b->size ? b->size : n > 256 ? n : 256;
	while (size - b->n < n)
		size *= 2;
	char *p = mem_grow(b->p, b->size, size);
	if (!p) {
		b->failed = true;
		return NULL;
	}
	b->p = p;
	b->size = size;
	return b->p + b->n;
}

/* Returns true if n more bytes fit at the end, without moving or allocating. */
static inline bool
has_room(const struct buf *b, size_t n)
{
	return b->p && n <= b->size - b->start - b->n && !b->failed &&
	       (!b->cap || b->n + n <= b->cap);
}

char *
buf_reserve(struct buf *b, size_t n)
{
	return has_room(b, n) ? b->p + b->start + b->n : grow_buf(b, n);
}

void
buf_commit(struct buf *b, size_t n)
{
	INVARIANT(b->start + b->n + n <= b->size);
	b->n += n;
}

void
buf_put(struct buf *b, const void *p, size_t n)
{
	char *to = n ? buf_reserve(b, n) : NULL;

	if (to) {
		memcpy(to, p, n);
		b->n += n;
	}
}

void
buf_putc(struct buf *b, char c)
{
	char *to = buf_reserve(b, 1);

	if (to) {
		*to = c;
		b->n++;
	}
}

void
buf_span(struct buf *b, struct span s)
{
	buf_put(b, s.p, s.n);
}

void
buf_str(struct buf *b, const char *s)
{
	buf_put(b, s, strlen(s));
}

void
buf_vprintf(struct buf *b, const char *fmt, va_list ap)
{
	va_list again;

	va_copy(again, ap);
	/* In most cases, the text fits the room that exists. */
	size_t room = b->p && !b->failed ? b->size - b->start - b->n : 0;
	char *to = room ? b->p + b->start + b->n : NULL;
	int n = vsnprintf(to, room, fmt, ap);
	if (n >= 0 && (size_t)n >= room) {
		to = buf_reserve(b, (size_t)n + 1);
		if (to)
			vsnprintf(to, (size_t)n + 1, fmt, again);
	} else if (n >= 0) {
		to = buf_reserve(b, (size_t)n + 1);
	}
	if (n >= 0 && to)
		b->n += (size_t)n;
	va_end(again);
}

void
buf_printf(struct buf *b, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	buf_vprintf(b, fmt, ap);
	va_end(ap);
}

void
buf_int(struct buf *b, int64_t v)
{
	char digits[SPAN_DECIMAL];

	buf_put(b, digits, span_decimal(digits, v));
}

void
buf_consume(struct buf *b, size_t n)
{
	INVARIANT(n <= b->n);
	b->n -= n;
	b->start = b->n ? b->start + n : 0;
}

/* Returns true if none of these PLAIN_BLOCK bytes needs escaping in JSON. */
static bool
are_plain(const char *p)
{
	typedef unsigned char block __attribute__((vector_size(PLAIN_BLOCK)));
	block v;
	uint64_t hit[2];

	memcpy(&v, p, sizeof(v));
	const block hits = (block)(v < ' ') | (block)(v == '"') | (block)(v == '\\');
	memcpy(hit, &hits, sizeof(hit));
	return !(hit[0] | hit[1]);
}

/* Returns the offset of the first byte from i on that needs escaping, or n. */
static size_t
past_plain_json(const char *p, size_t i, size_t n)
{
	while (n - i >= PLAIN_BLOCK && are_plain(p + i))
		i += PLAIN_BLOCK;
	if (n >= PLAIN_BLOCK && n - i < PLAIN_BLOCK && are_plain(p + n - PLAIN_BLOCK))
		return n;
	while (i < n && (unsigned char)p[i] >= ' ' && p[i] != '"' && p[i] != '\\')
		i++;
	return i;
}

void
buf_json(struct buf *b, struct span s)
{
	size_t from = 0;

	for (size_t i = 0; (i = past_plain_json(s.p, i, s.n)) < s.n; i++) {
		unsigned char c = (unsigned char)s.p[i];
		buf_put(b, s.p + from, i - from);
		from = i + 1;
		switch (c) {
		case '"': buf_str(b, "\\\""); break;
		case '\\': buf_str(b, "\\\\"); break;
		case '\n': buf_str(b, "\\n"); break;
		case '\r': buf_str(b, "\\r"); break;
		case '\t': buf_str(b, "\\t"); break;
		default: buf_printf(b, "\\u%04x", c);
		}
	}
	buf_put(b, s.p ? s.p + from : NULL, s.n - from);
}

void
buf_json_str(struct buf *b, struct span s)
{
	char *to = buf_reserve(b, s.n + 2);

	/* In most cases, nothing needs escaping. */
	if (to && past_plain_json(s.p, 0, s.n) == s.n) {
		if (s.n)
			memcpy(to + 1, s.p, s.n);
		to[0] = to[1 + s.n] = '"';
		b->n += s.n + 2;
		return;
	}
	buf_putc(b, '"');
	buf_json(b, s);
	buf_putc(b, '"');
}

void
buf_hex(struct buf *b, const void *p, size_t n)
{
	const unsigned char *in = p;
	char *to = n ? buf_reserve(b, 2 * n) : NULL;

	if (!to)
		return;
	for (size_t i = 0; i < n; i++) {
		to[2 * i] = "0123456789abcdef"[in[i] >> 4];
		to[2 * i + 1] = "0123456789abcdef"[in[i] & 15];
	}
	b->n += 2 * n;
}

int
buf_fd(struct buf *b, int fd)
{
	for (;;) {
		size_t left = b->cap ? b->cap - b->n : FILE_PIECE;
		size_t room = left < FILE_PIECE ? left : FILE_PIECE;
		char over, *to = room ? buf_reserve(b, room) : &over;
		ssize_t n = to ? read(fd, to, room ? room : 1) : 0;
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return ERR_IO;
		if (to && n == 0)
			return 0;
		if (!to || !room) {
			b->failed = true;
			return ERR_LIMIT;
		}
		buf_commit(b, (size_t)n);
	}
}

bool
buf_file(struct buf *b, const char *file)
{
	size_t at = b->n;
	int taken = file_set_take(b, file);

	if (taken > 0)
		file_set_note(b, at, file);
	if (taken)
		return taken > 0;
	SCOPED_FD(fd, open(file, O_RDONLY | O_CLOEXEC));
	if (fd < 0 || buf_fd(b, fd) == ERR_IO)
		return false;
	file_set_note(b, at, file);
	return true;
}

bool
buf_regular_file(struct buf *b, const char *file)
{
	SCOPED_FD(fd, open(file, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY));
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0)
		return false;
	if (S_ISREG(st.st_mode))
		return buf_fd(b, fd) != ERR_IO;
	errno = S_ISDIR(st.st_mode) ? EISDIR : EINVAL;
	return false;
}
