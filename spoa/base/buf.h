/* A growable byte buffer with a cap. Failure latches: after it, appends are
 * ignored and buf_failed() is true. Consumed bytes leave at the front. */
#ifndef BASE_BUF_H
#define BASE_BUF_H

#include <stdarg.h>

#include "base/span.h"

struct buf {
	char *p;      /* allocation */
	size_t start; /* first live byte */
	size_t n;     /* live bytes */
	size_t size;  /* bytes allocated */
	size_t cap;   /* live bytes never exceed it; 0: no cap */
	bool failed;  /* out of memory or over the cap */
};

void buf_init(struct buf *b, size_t cap_bytes);
/* Frees the memory, in which nothing is left (base/mem.h); as after buf_init with the same
 * cap. */
void buf_free(struct buf *b);
/* The same for one that is empty, of which bytes after the first `used` were never written
 * since its first buf_reserve. */
void buf_give_back(struct buf *b, size_t used);
/* Empties without freeing; clears the latch. */
void buf_clear(struct buf *b);
/* Room for n more bytes at the returned address, NULL (latched) if refused;
 * buf_commit(b, m) then makes m <= n of them live. */
char *buf_reserve(struct buf *b, size_t n);
void buf_commit(struct buf *b, size_t n);
void buf_put(struct buf *b, const void *p, size_t n);
void buf_putc(struct buf *b, char c);
void buf_span(struct buf *b, struct span s);
void buf_str(struct buf *b, const char *s);
__attribute__((format(printf, 2, 3))) void buf_printf(struct buf *b, const char *fmt, ...);
__attribute__((format(printf, 2, 0))) void buf_vprintf(
	struct buf *b, const char *fmt, va_list ap);
/* Appends what is in `from`, which is empty then: where `to` was, it takes over the memory. */
void buf_move(struct buf *to, struct buf *from);
/* In decimal. */
void buf_int(struct buf *b, int64_t v);
/* Drops n live bytes at the front. */
void buf_consume(struct buf *b, size_t n);
/* Appends what can be read to the end: 0; ERR_IO, and errno says why; ERR_LIMIT (latched):
 * over the cap or out of memory. */
int buf_fd(struct buf *b, int fd);
/* Appends what is in the file; false: it cannot be read, and errno says why. */
bool buf_file(struct buf *b, const char *file);
/* The same of a regular file alone, for who may not wait: a pipe that nobody writes, or a
 * device, is EINVAL. */
bool buf_regular_file(struct buf *b, const char *file);
/* Appends s as the inside of a JSON string (RFC 8259 section 7): quotes,
 * backslash and control characters escaped, the rest as it is. */
void buf_json(struct buf *b, struct span s);
/* The same with its quotes. */
void buf_json_str(struct buf *b, struct span s);
/* Lower-case hexadecimal. */
void buf_hex(struct buf *b, const void *p, size_t n);

static inline struct span
buf_view(const struct buf *b)
{
	return span_of(b->p ? b->p + b->start : NULL, b->n);
}

static inline bool
buf_failed(const struct buf *b)
{
	return b->failed;
}

#endif
