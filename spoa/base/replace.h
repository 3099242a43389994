/* The one way to replace a file, or to create one that must be complete. The new file is written
 * beside the old one with the same mode and owner, synced and renamed, and the folder is synced.
 * At each moment, even after a power cut, the name refers to one whole file. Once
 * replace_place() has returned 0, this is the new one.
 *
 * Each function takes a folder's descriptor and a name in it, or AT_FDCWD and a path. *why may
 * be NULL; errno is set in any case. A symbolic link is replaced, not followed. Any thread. If
 * two processes may replace the same file, they need a lock of their own; otherwise one gets
 * ERR_BAD_STATE.
 *
 * The usual sequence is replace_begin(), replace_write(), replace_place(); replace_file() does
 * all three. */
#ifndef BASE_REPLACE_H
#define BASE_REPLACE_H

#include <stdio.h>
#include <sys/types.h>

#include "base/buf.h"

/* A suffix that no person would give to a copy. A file that a killed process left is
 * overwritten. */
#define REPLACE_SUFFIX ".tollgate-new"

/* Creates NAME.tollgate-new, empty, for reading and writing. Returns its descriptor, or ERR_IO
 * or ERR_FULL with *why. Mode and owner are those of NAME. If NAME does not exist, the mode is
 * `mode` and, for root, the owner is the folder's owner, so that the daemon can read a file that
 * root made in its folder. */
int replace_begin(int dirfd, const char *name, mode_t mode, struct buf *why);
/* Gives the new file the mode and owner of another file, before anything is written. Returns 0,
 * or ERR_IO or ERR_FULL. */
int replace_as(int fd, const char *like, struct buf *why);
/* Writes or syncs. Returns 0, or ERR_FULL or ERR_IO with *why, which names `name`. */
int replace_write(int fd, const char *name, struct span s, struct buf *why);
int replace_sync(int fd, const char *name, struct buf *why);
/* Gives the new file its name, durable on return. fd stays open. After an error, nothing is left
 * beside NAME, and NAME is unchanged, with two exceptions. If only the folder cannot be synced,
 * as *why states, NAME is the new file, but may be the old one again after a power cut.
 * ERR_BAD_STATE means that another process is writing the same file, which stays. */
int replace_place(int dirfd, const char *name, int fd, struct buf *why);
/* Removes the new file. fd stays the caller's. Keeps errno. */
void replace_drop(int dirfd, const char *name);
/* Replaces a file by a text, in one call. */
int replace_file(int dirfd, const char *name, mode_t mode, struct span text, struct buf *why);
/* As replace_file(), but only if NAME still has the contents *was, or, with `was` NULL, if NAME
 * does not exist. Otherwise NAME stays, and the result is ERR_BAD_STATE with *why. NAME is
 * compared after it was exchanged with the new file, so nothing that was saved under this name
 * until then is lost. */
int replace_file_over(int dirfd, const char *name, mode_t mode, struct span text,
	const struct span *was, struct buf *why);
/* Syncs the folder of NAME, so that names created or removed in it are durable. Returns 0 or
 * ERR_IO. */
int replace_sync_folder(int dirfd, const char *name, struct buf *why);

/* The system calls that can fail, as pointers, so that tests can make them fail. */
struct replace_io {
	ssize_t (*write)(int, const void *, size_t);
	int (*fsync)(int);
	int (*renameat)(int, const char *, int, const char *);
};
extern struct replace_io replace_io;

#endif
