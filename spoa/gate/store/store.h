/* The entries that a daemon keeps in a file of lines. A change appends its line. After a write
 * that failed, the next one replaces the whole file, so that the file has all entries again as
 * soon as the disk takes them. */
#ifndef GATE_STORE_STORE_H
#define GATE_STORE_STORE_H

#include <stdatomic.h>

#include "base/buf.h"

struct store_file;

/* One row for each kind of entry. The thread that called store_open() or store_keep() calls
 * these functions. */
struct store_kind {
	const char *failed; /* log event: the file cannot be written */
	size_t slack;	    /* lines that the file may have beyond two for each entry */
	/* Parses a line of the file and puts its entry in force. False with *why: the file is
	 * refused. */
	bool (*read)(void *arg, struct span line, struct buf *why);
	/* Appends the lines of all entries. */
	void (*write)(void *arg, struct buf *out);
	size_t (*count)(void *arg); /* returns how many lines write() appends */
};

/* owner: whoever keeps the entries, which calls the functions below one at a time */
struct store {
	const struct store_kind *kind;
	void *arg;
	const char *name;	 /* of the file; the owner's, as long as the store */
	struct store_file *file; /* NULL: not open yet */
	size_t lines;		 /* of the file */
	bool begun;		 /* the file did not exist when it was opened */
	_Atomic bool kept;	 /* the file has all entries; any thread may read it */
};

void store_init(struct store *s, const struct store_kind *kind, void *arg, const char *name);
/* Reads the file, or begins it, and trims it. False with *why. */
bool store_open(struct store *s, struct buf *why);
/* Puts `n` lines on disk, and opens the file first if it is not open. They are on disk when the
 * call returns true. False: the file lacks some entry, and the next call writes all of them. The
 * first failure is logged. */
bool store_keep(struct store *s, struct span lines, size_t n);
/* Replaces the file by the lines of all entries. Returns like store_keep(). */
bool store_rewrite(struct store *s);
/* Replaces an open file if more than half of its lines are out of date. */
void store_trim(struct store *s);
void store_close(struct store *s);

#endif
