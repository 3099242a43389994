/* The one way to replace a file, or to put one where none was: written aside in the same folder
 * with the mode and owner of the one before, synced, renamed, the folder synced. At each
 * moment, a power cut's too, one whole file has the name; once replace_place() says 0 it is the
 * new one.
 *
 * Each takes a folder's descriptor and a name in it, or AT_FDCWD and a path; *why may be NULL,
 * errno is set in any case. A link is replaced, not followed. Any thread; who may meet himself
 * in another process holds a lock of his own, or is told ERR_BAD_STATE. */
#ifndef BASE_REPLACE_H
#define BASE_REPLACE_H

#include <stdio.h>
#include <sys/types.h>

#include "base/buf.h"

/* No name that a person would give a copy. One that a kill left is begun anew. */
#define REPLACE_SUFFIX ".tollgate-new"

/* NAME.tollgate-new, empty, for reading and writing: a descriptor, or ERR_IO, ERR_FULL with
 * *why. Mode and owner are those of NAME; where it is not there, `mode`, and for root the
 * folder's owner: what root makes in a daemon's folder the daemon may read. */
int replace_begin(int dirfd, const char *name, mode_t mode, struct buf *why);
/* Those of another file, before anything is written. 0, ERR_IO. */
int replace_as(int fd, const char *like, struct buf *why);
/* 0, ERR_FULL, ERR_IO with *why, which names `name`. */
int replace_write(int fd, const char *name, struct span s, struct buf *why);
int replace_sync(int fd, const char *name, struct buf *why);
/* What was begun gets its name, durable on return; fd stays open. After an error nothing is
 * left aside and NAME is as it was; but where the folder alone cannot be synced, which *why
 * says, NAME is the new one and may be the old one again after a power cut. */
int replace_place(int dirfd, const char *name, int fd, struct buf *why);
/* What was begun is gone; fd is the caller's. Keeps errno. */
void replace_drop(int dirfd, const char *name);
/* All of it for a text. */
int replace_file(int dirfd, const char *name, mode_t mode, struct span text, struct buf *why);
/* Names that were made or removed in the folder of NAME are durable. 0, ERR_IO. */
int replace_sync_folder(int dirfd, const char *name, struct buf *why);

/* The calls that can fail, so that tests can make them. */
struct replace_io {
	ssize_t (*write)(int, const void *, size_t);
	int (*fsync)(int);
	int (*renameat)(int, const char *, int, const char *);
};
extern struct replace_io replace_io;

#endif
