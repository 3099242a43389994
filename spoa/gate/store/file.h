/* The file of entries on a daemon's own disk: lines, only ever added to, each on disk when the
 * call returns. What was revoked stays so whatever becomes of Redis. */
#ifndef GATE_STORE_FILE_H
#define GATE_STORE_FILE_H

#include "base/buf.h"

struct store_file;

/* Reads it, or begins it with mode 0600, and locks it; one that others may read is refused.
 * `each` gets every line; false with *why: the file is refused. A last line without its newline
 * was cut off by a crash: it is removed. *begun: it was not there. NULL with *why, file and
 * line named. */
struct store_file *store_file_open(const char *name,
	bool (*each)(void *arg, struct span line, struct buf *why), void *arg, size_t *lines,
	bool *begun, struct buf *why);
void store_file_close(struct store_file **f);
const char *store_file_name(const struct store_file *f);
/* 0 or ERR_IO: nothing of it counts, and the next call is store_file_replace(). */
int store_file_append(struct store_file *f, struct span lines);
/* All of the file, as base/replace.h does it. 0, or ERR_IO: it is as it was, or may be so after
 * a power cut. */
int store_file_replace(struct store_file *f, struct span lines);

#endif
