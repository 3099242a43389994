/* A file of lines that holds the entries of a daemon. A line is on disk when the call that
 * wrote it returns. A change appends its line. After a failed write, the next write replaces
 * the whole file, so that the file has all entries again as soon as the disk takes them. */
#ifndef GATE_STORE_STORE_H
#define GATE_STORE_STORE_H

#include <stdatomic.h>
#include <sys/types.h>

#include "base/buf.h"

/* Functions and names of one kind of entry. The thread that opens or writes the file calls
 * the functions. */
struct store_kind {
	const char *failed; /* log event: the file cannot be written */
	/* Parses a line of the file and puts its entry in force. Returns false with *why if
	 * the file must be refused. */
	bool (*read)(void *arg, struct span line, struct buf *why);
	/* Appends the lines of all entries. Returns their number. */
	size_t (*write)(void *arg, struct buf *out);
};

/* owner: the object that holds the entries; its caller makes one call at a time */
struct store {
	const struct store_kind *kind;
	void *arg;
	const char *name;  /* the file's name; borrowed, valid as long as the store */
	int fd;		   /* locked with flock(); -1: not open */
	off_t size;	   /* bytes of the complete lines in the file */
	size_t lines;	   /* number of lines in the file */
	bool begun;	   /* the file did not exist when it was opened */
	_Atomic bool kept; /* the file has all entries; any thread may read this */
};

/* Initializes the store; no file is opened. */
void store_init(struct store *s, const struct store_kind *kind, void *arg, const char *name);
/* Reads the file, or creates it with mode 0600, and locks it. A file that others may read is
 * refused. A last line without a newline was cut off by a crash and is removed. Returns false
 * with *why, which names file and line. */
bool store_open(struct store *s, struct buf *why);
/* Reads the complete lines of the other instance's file, which that instance may be writing.
 * The file is neither locked nor created; without it, nothing is read. Returns as
 * store_open(). */
bool store_read_other(
	const char *name, const struct store_kind *kind, void *arg, struct buf *why);
/* Appends `n` lines and syncs them to disk. Opens the file first if necessary. Returns false
 * if the file lacks an entry, also if `lines` failed for lack of memory. The first failure is
 * logged. */
bool store_keep(struct store *s, const struct buf *lines, size_t n);
/* Replaces the file by the lines of all entries. Returns as store_keep(). */
bool store_rewrite(struct store *s);
/* Calls store_rewrite() if the file has more than `most` lines. Returns as store_keep(), or
 * true. */
bool store_trim(struct store *s, size_t most);
/* Closes and unlocks the file. */
void store_close(struct store *s);

#endif
