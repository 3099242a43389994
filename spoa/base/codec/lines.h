/* Reads a file line by line in bounded memory, also one that still grows, and one
 * whose end is NUL bytes that its writer replaces: a journal's open segment. A file in zstd's
 * seekable format (base/codec/seekable.h) is read as its text, offsets included. */
#ifndef BASE_CODEC_LINES_H
#define BASE_CODEC_LINES_H

#include <sys/types.h>

#include "base/span.h"

#define LINES_MAX_BYTES                                                                        \
	(1u << 20) /* a longer line comes in pieces of this, so that it fits nowhere */

struct lines_packed;

/* owner: one thread. */
struct lines {
	int fd; /* borrowed; read with pread unless it is a pipe */
	bool pipe;
	uint64_t begin;	 /* of the last line returned */
	uint64_t offset; /* after the last line returned */
	char *buf;
	size_t size, from, to; /* buf[from..to) is read and not yet returned */
	struct lines_packed *packed; /* NULL: the file is text */
	/* The file begins as a compressed one, but has no table of frames that fits: its text cannot be read. */
	bool tableless;
};

/* Reads fd from offset on (a pipe from where it is). 0, ERR_NOMEM, ERR_IO. A file whose table
 * of frames does not fit is read as it is (l->tableless): no line of that is a record. */
int lines_open(struct lines *l, int fd, uint64_t offset);
void lines_close(struct lines *l); /* not the descriptor */
/* 1: a line without its newline, a view valid until the next call. 0: no whole
 * line before `limit` (a file offset; UINT64_MAX: the end): try again later, or
 * see lines_rest. ERR_IO; ERR_SYNTAX: a frame is damaged. */
int lines_next(struct lines *l, uint64_t limit, struct span *line);
/* After 0: what is after the last newline, without NUL bytes at the end. */
struct span lines_rest(const struct lines *l);
/* As pread(2), of a regular file's text, perhaps fewer bytes than there are; how long that is.
 */
ssize_t lines_pread(struct lines *l, void *to, size_t n, uint64_t at);
uint64_t lines_text_bytes(const struct lines *l);
/* The first bytes of a file's text, at most `size`; how many, or negative. */
ssize_t lines_head(int fd, char *out, size_t size);

#endif
