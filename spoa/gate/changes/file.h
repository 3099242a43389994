/* The file of entries on a daemon's own disk: lines, only ever added to, each on disk when the
 * call returns. What was revoked stays so whatever becomes of Redis. */
#ifndef GATE_CHANGES_FILE_H
#define GATE_CHANGES_FILE_H

#include "base/buf.h"

struct live_file;

/* Reads it, or begins it with mode 0600, and locks it; one that others may read is refused.
 * `each` gets every line; false with *why: the file is refused. A last line without its newline
 * was cut off by a crash: it is removed. *begun: it was not there. NULL with *why, file and
 * line named. */
struct live_file *live_file_open(const char *name,
	bool (*each)(void *arg, struct span line, struct buf *why), void *arg, size_t *lines,
	bool *begun, struct buf *why);
void live_file_close(struct live_file **f);
const char *live_file_name(const struct live_file *f);
/* 0 or ERR_IO: nothing of it counts, and the next call is live_file_replace(). */
int live_file_append(struct live_file *f, struct span lines);
/* All of the file, as base/replace.h does it. 0, or ERR_IO: it is as it was, or may be so after
 * a power cut. */
int live_file_replace(struct live_file *f, struct span lines);

#endif
