/* The files that one load reads, with their contents: what a policy in force was read from, so
 * that it can be kept, compared, and loaded again while its files on disk are being edited.
 *
 * A thread may record what its loads read, and may read from a set in place of the disk. Both
 * concern buf_file(), file_set_stat() and file_set_list() of that thread alone. */
#ifndef BASE_FILE_SET_H
#define BASE_FILE_SET_H

#include <sys/stat.h>

#include "base/arena.h"
#include "base/buf.h"

/* The purpose for which a file is read. The default is FILE_OF_POLICY; a reader with another purpose
 * calls file_set_kind() first. */
enum set_file_kind {
	FILE_OF_POLICY = 'p',
	FILE_OF_CONFIGURATION = 'c',
	FILE_OF_WORDS = 'w', /* dictionaries and fingerprints */
	FILE_BUILT_IN = 'b', /* compiled in: not on the disk */
	FILE_OF_SYSTEM = 's', /* time zones: the operating system's, which nobody edits */
	FILE_ROTATES = 'r'   /* keys, tokens, certificates, secrets: contents are never recorded */
};

struct set_file {
	enum set_file_kind kind;
	const char *name; /* as it was opened */
	struct span text; /* p NULL: FILE_ROTATES */
};

/* owner: whoever holds it; immutable while a thread reads from it */
struct file_set {
	struct arena arena; /* holds names and texts */
	struct set_file *v; /* in the order in which the load read them; each once */
	size_t n, room;
	bool failed; /* out of memory: the set is not complete */
};

void file_set_init(struct file_set *set);
void file_set_free(struct file_set *set);
/* Sets the kind of the files that this thread reads next, and returns the kind before. */
enum set_file_kind file_set_kind(enum set_file_kind kind);
/* buf_file() of that kind. */
bool file_set_read_as(enum set_file_kind kind, struct buf *b, const char *file);
/* From here on this thread's buf_file() adds each file that it reads to *to. NULL: no more. */
void file_set_record(struct file_set *to);
/* The source of a file that the set does not hold. */
enum set_use {
	SET_AS_LOADED, /* FILE_ROTATES and FILE_OF_CONFIGURATION from the disk, nothing else */
	SET_ONLY,      /* nothing, and each file is read only as what it was recorded as: for a
			  process that tries what somebody else wrote, who must not read other
			  files by it */
	SET_OVER_DISK  /* everything from the disk */
};
/* From here on this thread reads from `from` (borrowed); NULL: from the disk again. */
void file_set_from(const struct file_set *from, enum set_use use);
/* Replaces the contents of a file of the set; false: the set has no such file. `text` is
 * borrowed. */
bool file_set_replace(struct file_set *set, const char *name, struct span text);
/* Adds a file, copying name and text. False: out of memory. */
bool file_set_add(
	struct file_set *set, enum set_file_kind kind, const char *name, struct span text);
/* NULL: the set has no file of that name. */
const struct set_file *file_set_find(const struct file_set *set, const char *name);

/* stat(2). From a set: a regular file, or a folder if a file of the set is in it, with a device
 * and inode number that are the file's own within the set. */
int file_set_stat(const char *path, struct stat *st);
/* The names in a folder that end with `suffix` and do not begin with a dot, in the order of
 * strcmp(), allocated in the arena. Returns how many, or -1 with errno. */
int file_set_list(struct arena *a, const char *dir, const char *suffix, const char ***names);

/* For buf_file(): appends the contents from the thread's set. Returns 1 if it did, 0 if the disk
 * is to be read, -1 with errno if the file may not be read. */
int file_set_take(struct buf *b, const char *file);
/* For buf_file(): what was read from the disk, appended to *b from byte `at` on. */
void file_set_note(const struct buf *b, size_t at, const char *file);
/* The same for a file that is compiled in. */
void file_set_note_built_in(const char *name, struct span text);

#endif
