/* Files that are whole or not there: written under another name, synced, renamed, the folder
 * synced. For the folders next to the journal, and an archive that is a folder. */
#ifndef KEEP_FILES_H
#define KEEP_FILES_H

#include <stdatomic.h>
#include <sys/statvfs.h>
#include <sys/types.h>

#include "base/buf.h"
#include "base/sha256.h"

#define FILES_NEW_SUFFIX ".new"

/* FOLDER of this path, made (0700) where it is missing. A descriptor, or ERR_IO with *why. */
int files_folder(const char *path, struct buf *why);
/* Begins NAME.new, empty. A descriptor, or ERR_IO with *why. */
int files_begin(int dirfd, const char *name, struct buf *why);
/* 0, ERR_FULL, ERR_IO with *why. Full is before the last bytes: files_reserve, or a twentieth of
 * a small disk, which the journal's commits are to have. */
extern uint64_t files_reserve;
int files_write(int fd, struct span s, struct buf *why);
/* What was begun is synced and stays NAME.new. */
int files_sync(int fd, struct buf *why);
/* NAME.new becomes NAME, durable on return. */
int files_place(int dirfd, const char *name, struct buf *why);
/* All of that for a small file. */
int files_put(int dirfd, const char *name, struct span text, struct buf *why);
/* NAME.new is gone; NAME is, durable on return. */
void files_drop(int dirfd, const char *name);
int files_remove(int dirfd, const char *name, struct buf *why);
/* SHA-256 and size of what fd reads from its beginning. 0, ERR_IO, ERR_CLOSED (*stop). */
int files_hash(int fd, const atomic_bool *stop, unsigned char hash[SHA256_BYTES],
	uint64_t *bytes, struct buf *why);
/* Copies all of fd into NAME.new there, unsynced: a descriptor of it, or an error. */
int files_copy(int fd, int dirfd, const char *name, const atomic_bool *stop, struct buf *why);

/* The system calls that can fail, so that tests can make them. */
struct keep_io {
	ssize_t (*write)(int, const void *, size_t);
	int (*fsync)(int);
	int (*unlinkat)(int, const char *, int);
	int (*fstatvfs)(int, struct statvfs *);
};
extern struct keep_io keep_io;

#endif
