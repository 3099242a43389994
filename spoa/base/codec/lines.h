/* Reads a file line by line in bounded memory. The file may still grow, and its end may be NUL
 * bytes that its writer replaces, as in a journal's open segment. A file in zstd's seekable
 * format (base/codec/seekable.h) is read as the text that it contains, and offsets are those of
 * the text. */
#ifndef BASE_CODEC_LINES_H
#define BASE_CODEC_LINES_H

#include <sys/types.h>

#include "base/span.h"

#define LINES_MAX_BYTES                                                                        \
	(1u << 20) /* bytes; a longer line is returned in pieces of this size */

struct lines_packed;

/* owner: one thread. */
struct lines {
	int fd; /* borrowed; read with pread() unless it is a pipe */
	bool pipe;
	uint64_t begin;	 /* offset of the last line that was returned */
	uint64_t offset; /* offset after the last line that was returned */
	char *buf;
	size_t size, from, to; /* buf[from..to) was read and not yet returned */
	struct lines_packed *packed; /* NULL: the file is plain text */
	/* The file begins like a compressed one, but has no valid table of frames: its text
	 * cannot be read. */
	bool tableless;
};

/* Begins to read fd at `offset` (a pipe: at its position). Returns 0, ERR_NOMEM or ERR_IO. A
 * compressed file without a valid table of frames is read as it is (l->tableless); its
 * lines are never records. */
int lines_open(struct lines *l, int fd, uint64_t offset);
void lines_close(struct lines *l); /* does not close the descriptor */
/* Reads the next line. Returns 1 with the line, without its newline, as a view that is valid
 * until the next call. Returns 0 if there is no whole line before `limit`, a file offset
 * (UINT64_MAX: the end); try again later, or see lines_rest(). Returns ERR_IO, or ERR_SYNTAX if
 * a frame is damaged. */
int lines_next(struct lines *l, uint64_t limit, struct span *line);
/* After 0: returns the bytes after the last newline, without NUL bytes at the end. */
struct span lines_rest(const struct lines *l);
/* These read a regular file's text as pread(2) does, perhaps fewer bytes than exist, and return
 * the length of the text. */
ssize_t lines_pread(struct lines *l, void *to, size_t n, uint64_t at);
uint64_t lines_text_bytes(const struct lines *l);
/* Reads the first bytes of a file's text, at most `size`. Returns their number, or a negative
 * value. */
ssize_t lines_head(int fd, char *out, size_t size);

#endif
