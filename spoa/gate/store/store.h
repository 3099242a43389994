/* The entries that a daemon keeps in a file of lines, each on disk when the call returns. A change
 * appends its line. After a write that failed, the next one replaces the whole file, so that the
 * file has all entries again as soon as the disk takes them. */
#ifndef GATE_STORE_STORE_H
#define GATE_STORE_STORE_H

#include <stdatomic.h>
#include <sys/types.h>

#include "base/buf.h"

/* One row for each kind of entry. The thread that opens or writes the file calls the functions. */
struct store_kind {
	const char *failed; /* log event: the file cannot be written */
	/* Parses a line of the file and puts its entry in force. False with *why: the file is
	 * refused. */
	bool (*read)(void *arg, struct span line, struct buf *why);
	/* Appends the lines of all entries; returns how many. */
	size_t (*write)(void *arg, struct buf *out);
};

/* owner: whoever has the entries, and calls the functions below one at a time */
struct store {
	const struct store_kind *kind;
	void *arg;
	const char *name;  /* of the file; the owner's, as long as the store */
	int fd;		   /* locked; -1: not open */
	off_t size;	   /* of the lines in the file that count */
	size_t lines;	   /* how many there are */
	bool begun;	   /* the file did not exist when it was opened */
	_Atomic bool kept; /* the file has all entries; any thread may read this */
};

void store_init(struct store *s, const struct store_kind *kind, void *arg, const char *name);
/* Reads the file, or begins it with mode 0600, and locks it. One that others may read is refused. A
 * last line without its newline was cut off by a crash: it is removed. False with *why, which names
 * file and line. */
bool store_open(struct store *s, struct buf *why);
/* Puts `n` lines on disk, and opens the file first if it is not open. False: the file lacks some
 * entry, also because `lines` failed for want of memory. The first failure is logged. */
bool store_keep(struct store *s, const struct buf *lines, size_t n);
/* Replaces the file by the lines of all entries. Returns like store_keep(). */
bool store_rewrite(struct store *s);
/* The same if it has more than so many lines; else returns true. */
bool store_trim(struct store *s, size_t most);
void store_close(struct store *s);

#endif
