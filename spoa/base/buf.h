/* A byte buffer that grows up to a limit. Bytes are appended at the end and consumed at the
 * front. A failure latches: later appends are ignored, and buf_failed() returns true until
 * buf_clear() or buf_free(). owner: the holder of the buffer; one thread at a time. */
#ifndef BASE_BUF_H
#define BASE_BUF_H

#include <stdarg.h>

#include "base/span.h"

struct buf {
	char *p;      /* the allocation; NULL: none */
	size_t start; /* offset of the first live byte */
	size_t n;     /* number of live bytes */
	size_t size;  /* bytes allocated */
	size_t cap;   /* limit of n; 0: none */
	bool failed;  /* memory was exhausted, or the limit was reached */
};

/* Initializes an empty buffer. Allocates nothing. */
void buf_init(struct buf *b, size_t cap_bytes);
/* Zeroes and frees the memory (base/mem.h). The buffer is then empty, with the same limit. */
void buf_free(struct buf *b);
/* As buf_free(), for an empty buffer of which only the first `used` bytes were ever written:
 * only these are zeroed. */
void buf_give_back(struct buf *b, size_t used);
/* Empties the buffer without freeing its memory, and clears the latch. */
void buf_clear(struct buf *b);
/* Returns the address of room for n more bytes, or NULL (latched). buf_commit(b, m) then makes
 * the first m <= n of them live. */
char *buf_reserve(struct buf *b, size_t n);
void buf_commit(struct buf *b, size_t n);
/* These functions append bytes, a span, a string, or formatted text. */
void buf_put(struct buf *b, const void *p, size_t n);
void buf_putc(struct buf *b, char c);
void buf_span(struct buf *b, struct span s);
void buf_str(struct buf *b, const char *s);
__attribute__((format(printf, 2, 3))) void buf_printf(struct buf *b, const char *fmt, ...);
__attribute__((format(printf, 2, 0))) void buf_vprintf(
	struct buf *b, const char *fmt, va_list ap);
/* Appends the bytes of `from` and empties `from`. If `to` is empty, it takes over the memory. */
void buf_move(struct buf *to, struct buf *from);
/* Appends v in decimal. */
void buf_int(struct buf *b, int64_t v);
/* Drops n live bytes at the front. */
void buf_consume(struct buf *b, size_t n);
/* Appends what can be read from fd until its end. Returns 0; ERR_IO, with errno; or ERR_LIMIT
 * (latched) if the limit is reached or memory is exhausted. */
int buf_fd(struct buf *b, int fd);
/* Appends the contents of a file. Returns false, with errno, if the file cannot be read. If the
 * limit is reached, returns true with the failure latched. */
bool buf_file(struct buf *b, const char *file);
/* As buf_file(), but only for a regular file, so that the call cannot block. A pipe or a device
 * gives EINVAL. Never reads from a file set (file_set.h). */
bool buf_regular_file(struct buf *b, const char *file);
/* Appends s as the inside of a JSON string (RFC 8259 section 7). Escapes quotes, backslashes and
 * control characters, and copies all other bytes. */
void buf_json(struct buf *b, struct span s);
/* As buf_json(), with the quotes. */
void buf_json_str(struct buf *b, struct span s);
/* Appends lower-case hexadecimal digits. */
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
