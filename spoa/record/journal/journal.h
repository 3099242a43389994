/* The journal: a folder of segment files and nothing else.
 *
 * A segment is named NODE-BOOT-SEQ.jsonl (8 and 16 digits) after its first record, so that
 * names sort by age. Segments are only appended to, in whole commits, each of which is synced
 * before journal_append() returns. The remains of a failed append are cut off. The open segment
 * is filled with NUL bytes after its end, so that a sync writes data without changing the
 * file's size. A reader stops at the first NUL; the NUL bytes are cut off when the segment is
 * closed. Only one daemon may write: the folder is locked. */
#ifndef RECORD_JOURNAL_JOURNAL_H
#define RECORD_JOURNAL_JOURNAL_H

#include <sys/types.h>

#include "base/buf.h"

/* bytes of a name with its NUL: node 64, two numbers, punctuation */
#define JOURNAL_NAME_MAX 112
#define JOURNAL_DIR_MAX	 1024
#define JOURNAL_PATH_MAX (JOURNAL_DIR_MAX + 256 + 32)
#define JOURNAL_AHEAD	 (256u << 10) /* bytes that are filled with NUL at a time */
/* µs between two checks of the names of folder and segment */
#define JOURNAL_PLACED_US 10000
/* the most segments in one folder; with more, listing fails with ERR_LIMIT */
#define JOURNAL_SEGMENTS 1000000

/* The place of a segment. PLAIN: in the journal's folder. PACKED: compressed in that folder (a
 * folder of compressed segments can be read as a journal). KEPT: compressed in JOURNAL.keep.
 * RESTORED: compressed in JOURNAL.restored. The files of compressed segments have the suffix
 * .zst, which `name` does not include. */
enum journal_form { JOURNAL_PLAIN, JOURNAL_PACKED, JOURNAL_KEPT, JOURNAL_RESTORED };
#define JOURNAL_KEEP_SUFFIX	".keep"
#define JOURNAL_RESTORED_SUFFIX ".restored"
#define JOURNAL_PACKED_SUFFIX	".zst"

struct journal_segment {
	/* the name of any file, so that an unexpected file can be reported */
	char name[256];
	enum journal_form form;
	bool ours;     /* the name is a segment of the requested node */
	char node[65]; /* the node in the name, if the name is a segment's */
	/* boot and first record, from the segment's name */
	uint64_t boot, first;
	/* size of the file */
	uint64_t bytes;
};

struct journal_list {
	struct journal_segment *seg;
	size_t n;
};

/* Parses a segment's name into node, boot and first of *out. Returns false if the name has
 * another form. */
bool journal_name_read(const char *name, struct journal_segment *out);
/* Returns the path of a folder without slashes at its end. Borrows from `dir`. */
struct span journal_folder(const char *dir);
/* Lists every regular file of the folder, oldest first (by name), without hidden files.
 * `node` NULL: segments of any node are `ours`. Returns 0, or an error with the reason in
 * *why. Call journal_list_free() after success. */
int journal_list(const char *dir, const char *node, struct journal_list *out, struct buf *why);
/* Lists also the segments that retention keeps compressed, and with `restored` those that
 * `audit restore` brought back. A segment that exists in several places is listed once, with
 * its first form in the order of the enum. */
int journal_list_all(const char *dir, const char *node, bool restored, struct journal_list *out,
	struct buf *why);
void journal_list_free(struct journal_list *l);
/* Puts the path of a listed segment's file into `out`. */
void journal_segment_path(
	const char *dir, const struct journal_segment *s, char out[JOURNAL_PATH_MAX]);
/* Opens a listed segment for reading, also if it was compressed since it was listed. Returns
 * a descriptor, or -1 with errno set. */
int journal_segment_open(const char *dir, const struct journal_segment *s);

/* A journal that is open for writing. owner: audit. */
struct journal {
	char dir[JOURNAL_DIR_MAX], node[65];
	int dirfd, fd; /* fd -1: no segment is open */
	dev_t dev;     /* identity of the folder, to detect that it was replaced */
	ino_t ino;
	char name[JOURNAL_NAME_MAX]; /* the open segment */
	uint64_t boot, first;
	uint64_t good; /* bytes of whole, durable commits in the open segment */
	uint64_t size; /* size of the file, with the NUL bytes after `good` */
	/* monotonic µs: when the names of folder and segment were last checked */
	uint64_t placed_us;
	bool placing; /* the check of the names is part of this commit */
	/* once a segment has this size, the next commit begins a new segment */
	uint64_t segment_bytes;
	/* a sync or a cut failed: nothing may be appended to the open segment */
	bool suspect;
	/* the last durable bytes, which are compared after a failed sync */
	char tail[1024];
	size_t tail_n;
	int sys;    /* errno of the last failure */
	bool moved; /* the last failure was that the folder is no longer at its path */
	bool looks; /* opened by journal_look(): nothing is written or removed */
};

/* Checks whether journal_open() would succeed, without creating or locking anything. Returns
 * 0; ERR_NOTFOUND (journal_open() would create the folder); ERR_BAD_STATE (a daemon writes to
 * it now); or the error of journal_open() with the same reason in *why. */
int journal_look(struct journal *j, const char *dir, const char *node, struct buf *why);
/* Returns true if no daemon has locked the folder. A daemon that starts meanwhile tries again.
 */
bool journal_is_free(const char *dir);
/* Opens and locks the folder. Creates it (mode 0700) if only the folder itself is missing and
 * no note states that it existed. `segment_bytes`: size from which on a new segment is begun.
 * Returns 0, or an error with the reason in *why; ERR_BAD_STATE: another daemon has locked
 * it. */
int journal_open(struct journal *j, const char *dir, const char *node, uint64_t segment_bytes,
	struct buf *why);
void journal_close(struct journal *j);
/* Begins a new segment whose first record will be `first`: at the start, when a segment is
 * full, and after a failed sync. Returns 0, ERR_FULL (the disk is full) or ERR_IO, with errno
 * in j->sys. */
int journal_begin(struct journal *j, uint64_t boot, uint64_t first);
/* Returns true if the folder was moved, replaced or removed while it was open. Sets j->sys. */
bool journal_moved(struct journal *j);
/* Call before each commit, after journal_lost(). Returns ERR_IO while the folder is not at
 * its path. If a sync had failed, cuts the segment back to its durable bytes and compares its
 * end with memory; ERR_IO: that is not possible yet. On success, *begin is true if
 * journal_begin() must be called first. */
int journal_ready(struct journal *j, bool *begin);
/* Call before each commit. Returns "removed", "renamed" or "changed" if another program did
 * this to the open segment. The segment is then abandoned, and journal_begin() must follow;
 * `audit verify` names the lost records. Returns NULL if nothing happened or nothing in the
 * segment was durable yet. The names are checked only once in JOURNAL_PLACED_US, so commits
 * may be written to a renamed segment or a moved folder for that long. */
const char *journal_lost(struct journal *j);
/* Writes one commit of whole lines, durable on return. Returns 0, ERR_FULL (the disk is full;
 * the commit was cut off), ERR_IO, or ERR_BAD_STATE (another program changed the segment
 * meanwhile; call journal_lost() next). */
int journal_append(struct journal *j, struct span commit);

/* The note DIR.head has the first record of the node's newest segment. It is outside of the
 * folder, so that a start does not begin a second chain if the folder is empty, outdated,
 * missing or without its newest segment. */
struct journal_note {
	char node[65];
	uint64_t boot, seq;
};
/* Writes the note, durable on return. Returns 0, ERR_IO (j->sys) or ERR_LIMIT (the path is
 * too long). */
int journal_note(struct journal *j, uint64_t boot, uint64_t seq);
/* Compares the note with a chain that ends at `seq`, or whose newest segment begins at `seq`.
 * `any` false: there is no segment. Returns 0, or ERR_AUTH with the reason in *why if the
 * note states a later record: the folder was moved, emptied or replaced by an old copy. */
int journal_note_check(
	const char *dir, const char *node, bool any, uint64_t seq, struct buf *why);

/* The system calls that can fail. Tests replace them. */
struct journal_io {
	ssize_t (*pwrite)(int, const void *, size_t, off_t);
	int (*fdatasync)(int);
	int (*ftruncate)(int, off_t);
};
extern struct journal_io journal_io;
/* Sets errno to `sys` and returns ERR_FULL (no room) or ERR_IO. */
int journal_error(int sys);
/* Writes all of `s` at offset `at` with journal_io. Returns 0, or as journal_error(). */
int journal_pwrite(int fd, struct span s, uint64_t at);
/* Reads exactly n bytes at offset `at`. Returns 0, ERR_TRUNCATED or ERR_IO. */
int journal_pread(int fd, void *to, size_t n, uint64_t at);

#endif
