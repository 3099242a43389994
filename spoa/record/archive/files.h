/* Files in the folders next to the journal, and in an archive that is a folder. They are
 * written with base/replace.h, but never use the last bytes of a disk, which are reserved for
 * the journal.
 *
 * All functions block and return a negative error with the reason in *why: ERR_IO, or
 * ERR_FULL if the disk is full up to the reserve. */
#ifndef RECORD_ARCHIVE_FILES_H
#define RECORD_ARCHIVE_FILES_H

#include <stdatomic.h>
#include <sys/statvfs.h>
#include <sys/types.h>

#include "base/replace.h"
#include "base/sha256.h"

/* Opens the folder PATH and creates it (mode 0700) if it is missing. Returns a descriptor. */
int files_folder(const char *path, struct buf *why);
/* Opens a file to read. Symbolic links are not followed. Returns a descriptor. */
int files_open(int dirfd, const char *name, struct buf *why);
/* The reserve in bytes; on a small disk a twentieth of its size, if that is less. Tests set
 * it. */
extern uint64_t files_reserve;
/* Writes all of `s` at the current position and waits until it is on the disk. Returns 0. */
int files_write(int fd, struct span s, struct buf *why);
/* Returns true if writing n bytes leaves the reserve on the file system of `fd`: `reserve`
 * bytes, or a twentieth of a small disk. Returns true if the file system does not report its
 * size. */
bool files_room(int fd, uint64_t n, uint64_t reserve);
/* Writes a small file completely or not at all, and durably. Returns 0. */
int files_put(int dirfd, const char *name, struct span text, struct buf *why);
/* Removes a file, durably. Returns 0, also if it did not exist. */
int files_remove(int dirfd, const char *name, struct buf *why);
/* Computes the SHA-256 and the size in bytes of the whole file. Returns 0, or ERR_CLOSED if
 * *stop became true. */
int files_hash(int fd, const atomic_bool *stop, unsigned char hash[SHA256_BYTES],
	uint64_t *bytes, struct buf *why);
/* Copies the whole of `fd` into a new file of the folder that has no name yet
 * (replace_begin()). Returns its descriptor; the caller places or drops the file. ERR_CLOSED:
 * *stop became true. */
int files_copy(int fd, int dirfd, const char *name, const atomic_bool *stop, struct buf *why);

/* System calls that tests can make fail, as those of replace_io. */
struct keep_io {
	int (*unlinkat)(int, const char *, int);
	int (*fstatvfs)(int, struct statvfs *);
};
extern struct keep_io keep_io;

#endif
