/* The files that one load reads, with their contents. The set describes what the policy in force
 * was read from, so that the policy can be kept, compared, and loaded again while its files on
 * disk are edited.
 *
 * A thread may record the files that its loads read, and may read from a set instead of the
 * disk. Both apply to buf_file(), file_set_stat() and file_set_list() of that thread alone. */
#ifndef BASE_FILE_SET_H
#define BASE_FILE_SET_H

#include <sys/stat.h>

#include "base/arena.h"
#include "base/buf.h"

/* The purpose for which a file is read. The default is FILE_OF_POLICY; a reader with another
 * purpose calls file_set_kind() first. */
enum set_file_kind {
	FILE_OF_POLICY = 'p',
	FILE_OF_CONFIGURATION = 'c',
	FILE_OF_WORDS = 'w', /* dictionaries and fingerprints */
	FILE_BUILT_IN = 'b', /* compiled in, not on the disk */
	/* time zones, which belong to the operating system and are not edited */
	FILE_OF_SYSTEM = 's',
	/* keys, tokens, certificates, secrets: their contents are never recorded */
	FILE_ROTATES = 'r'
};

/* One file of a set. Its strings belong to the set's arena, except after file_set_replace(). */
struct set_file {
	enum set_file_kind kind;
	const char *name; /* the name with which it was opened */
	struct span text; /* p NULL: FILE_ROTATES */
	bool of_shadow;	  /* only the shadow policy needs the file */
};

/* owner: the holder of the set; immutable while a thread reads from it */
struct file_set {
	struct arena arena; /* holds names and texts */
	struct set_file *v; /* in the order in which the load read them; each once */
	size_t n, room;
	bool failed; /* memory was exhausted: the set is incomplete */
};

void file_set_init(struct file_set *set);
void file_set_free(struct file_set *set);
/* Sets the kind of the files that this thread reads next. Returns the previous kind. */
enum set_file_kind file_set_kind(enum set_file_kind kind);
/* Calls buf_file() with this kind, and then restores the previous kind. */
bool file_set_read_as(enum set_file_kind kind, struct buf *b, const char *file);
/* Makes this thread record the files that it reads from now on in *to; NULL: records no more. */
void file_set_record(struct file_set *to);
/* Marks the files that this thread records from now on as those of the shadow policy. */
void file_set_shadow(bool on);
/* The place from which this thread reads a file that is missing in the set. */
enum set_use {
	SET_AS_LOADED, /* from the disk: only FILE_ROTATES and FILE_OF_CONFIGURATION */
	/* As SET_AS_LOADED, but FILE_OF_SYSTEM (time zones) is always read from the disk. A start
	 * reads the kept text of a policy in this way. */
	SET_AT_START,
	/* Nowhere: such a file cannot be read. A file of the set is read only with the kind with
	 * which it was recorded. For a process that tries another person's policy: the author of
	 * the policy must not be able to read other files through the process. */
	SET_ONLY,
	SET_OVER_DISK  /* from the disk: every file */
};
/* Makes this thread read from `from`, which is borrowed. NULL: from the disk again. */
void file_set_from(const struct file_set *from, enum set_use use);
/* Replaces the contents of a file of the set. Returns false if the set has no such file. `text`
 * is borrowed. */
bool file_set_replace(struct file_set *set, const char *name, struct span text);
/* Adds a file and copies its name and text. Returns false if memory is exhausted. */
bool file_set_add(
	struct file_set *set, enum set_file_kind kind, const char *name, struct span text);
/* Returns the file of that name, or NULL. */
const struct set_file *file_set_find(const struct file_set *set, const char *name);

/* As stat(2). In a set, a name is a regular file, or a folder if a file of the set is in it.
 * Device and inode number are the file's own within the set. */
int file_set_stat(const char *path, struct stat *st);
/* Lists the names in a folder that end with `suffix` and do not begin with a dot, in the order
 * of strcmp(), allocated in the arena. Returns their number, or -1 with errno. */
int file_set_list(struct arena *a, const char *dir, const char *suffix, const char ***names);

/* Called by buf_file(): appends the contents from the thread's set. Returns 1 if it did, 0 if
 * the disk must be read, or -1 with errno if the file may not be read. */
int file_set_take(struct buf *b, const char *file);
/* Called by buf_file(): records what was read from the disk and appended to *b from byte `at`
 * on. */
void file_set_note(const struct buf *b, size_t at, const char *file);
/* As file_set_note(), for a file that is compiled in. */
void file_set_note_built_in(const char *name, struct span text);

#endif
