/* Header fields with credentials for a collector: a file of "Name: value" lines that nobody but its
 * owner may read. It is read again where it changed; what cannot be used then leaves the last ones in
 * force. Never logged. */
#ifndef OPERATOR_TELEMETRY_HEADERS_H
#define OPERATOR_TELEMETRY_HEADERS_H

#include <sys/stat.h>

#include "base/buf.h"

enum { HEADERS_MOST = 16, HEADERS_BYTES = 16 << 10 };

struct headers {
	const char *file; /* NULL: none */
	struct timespec changed;
	ino_t inode;
	size_t n;
	const char *line[HEADERS_MOST]; /* in text */
	struct buf text;
};

/* 0, or negative with the file, line and what is wrong in *why. */
int headers_open(struct headers *h, const char *file, struct buf *why);
void headers_again(struct headers *h);
void headers_close(struct headers *h);

#endif
