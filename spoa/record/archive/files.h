/* Files in the folders next to the journal, and in an archive that is a folder: base/replace.h,
 * but the disk's last bytes are the journal's. */
#ifndef RECORD_ARCHIVE_FILES_H
#define RECORD_ARCHIVE_FILES_H

#include <stdatomic.h>
#include <sys/statvfs.h>
#include <sys/types.h>

#include "base/replace.h"
#include "base/sha256.h"

/* FOLDER of this path, made (0700) where it is missing. A descriptor, or ERR_IO with *why. */
int files_folder(const char *path, struct buf *why);
/* Opened to read, a link not followed; ERR_IO with *why. */
int files_open(int dirfd, const char *name, struct buf *why);
/* 0, ERR_FULL, ERR_IO with *why. Full is before the last bytes: files_reserve, or a twentieth
 * of a small disk, which the journal's commits are to have. */
extern uint64_t files_reserve;
int files_write(int fd, struct span s, struct buf *why);
/* Whether n bytes leave the disk of fd its reserve, or a twentieth of a small one. True where
 * the file system does not say. */
bool files_room(int fd, uint64_t n, uint64_t reserve);
/* A small file, as replace_file() does it, and not with the journal's last bytes. */
int files_put(int dirfd, const char *name, struct span text, struct buf *why);
/* NAME is gone, durable on return. */
int files_remove(int dirfd, const char *name, struct buf *why);
/* SHA-256 and size of what fd reads from its beginning. 0, ERR_IO, ERR_CLOSED (*stop). */
int files_hash(int fd, const atomic_bool *stop, unsigned char hash[SHA256_BYTES],
	uint64_t *bytes, struct buf *why);
/* Copies all of fd into what replace_begin() begins there: a descriptor of it, or an error. */
int files_copy(int fd, int dirfd, const char *name, const atomic_bool *stop, struct buf *why);

/* The system calls that can fail, next to those of replace_io, so that tests can make them. */
struct keep_io {
	int (*unlinkat)(int, const char *, int);
	int (*fstatvfs)(int, struct statvfs *);
};
extern struct keep_io keep_io;

#endif
