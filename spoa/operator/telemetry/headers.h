/* Header fields with credentials for a collector, from a file of "Name: value" lines that only
 * its owner may read. The file is read again if it has changed; if the new one is invalid, the
 * previous fields stay in use. The fields are never logged. On one thread at a time. */
#ifndef OPERATOR_TELEMETRY_HEADERS_H
#define OPERATOR_TELEMETRY_HEADERS_H

#include <sys/stat.h>

#include "base/buf.h"

enum { HEADERS_MOST = 16, HEADERS_BYTES = 16 << 10 };

/* The fields of a file; `line` and `n` are empty if no file is configured. */
struct headers {
	const char *file; /* NULL: none */
	struct timespec changed;
	ino_t inode;
	size_t n;
	const char *line[HEADERS_MOST]; /* each borrows from `text` */
	struct buf text;
};

/* Reads the file; NULL: none. Returns 0, or a negative error with file, line and reason in
 * *why. */
int headers_open(struct headers *h, const char *file, struct buf *why);
/* Reads the file again if it has changed. */
void headers_again(struct headers *h);
/* Erases the fields from memory. */
void headers_close(struct headers *h);

#endif
