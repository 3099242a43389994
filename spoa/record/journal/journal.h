/* The journal: a directory of segment files and nothing else. A segment is named
 * NODE-BOOT-SEQ.jsonl (8 and 16 digits) after its first record, so that names
 * sort by age. It is only ever appended to, in whole commits, each synced before
 * append returns; what a failed append left behind is cut off again. Ahead of its end
 * the open segment is filled with NUL bytes, so that a sync has data to write and no
 * size to change: a reader stops at the first NUL. They are cut off when the segment
 * is left. One daemon at a time: the directory is locked. */
#ifndef RECORD_JOURNAL_JOURNAL_H
#define RECORD_JOURNAL_JOURNAL_H

#include <sys/types.h>

#include "base/buf.h"

#define JOURNAL_NAME_MAX  112 /* node 64, two numbers, punctuation */
#define JOURNAL_DIR_MAX	  1024
#define JOURNAL_PATH_MAX  (JOURNAL_DIR_MAX + 256 + 32)
#define JOURNAL_AHEAD	  (256u << 10) /* NUL bytes written ahead at a time */
#define JOURNAL_PLACED_US 10000
#define JOURNAL_SEGMENTS  1000000 /* more in one directory are refused: archive them */

/* Where a segment is: in the journal's folder; compressed there (a folder of such is read as a
 * journal too); compressed in JOURNAL.keep; in JOURNAL.restored. Compressed ones have .zst
 * after their names, which `name` is without. */
enum journal_form { JOURNAL_PLAIN, JOURNAL_PACKED, JOURNAL_KEPT, JOURNAL_RESTORED };
#define JOURNAL_KEEP_SUFFIX	".keep"
#define JOURNAL_RESTORED_SUFFIX ".restored"
#define JOURNAL_PACKED_SUFFIX	".zst"

struct journal_segment {
	char name[256]; /* any file's name, so that a stranger can be named */
	enum journal_form form;
	bool ours;     /* named as a segment of the node that was asked for */
	char node[65]; /* then whose */
	uint64_t boot, first;
	uint64_t bytes;
};

struct journal_list {
	struct journal_segment *seg;
	size_t n;
};

/* A segment's name, NODE-BOOT-SEQ.jsonl: node, boot and first of *out. */
bool journal_name_read(const char *name, struct journal_segment *out);
/* A folder's path without slashes at its end. */
struct span journal_folder(const char *dir);
/* Every regular file of the directory, oldest first (by name); hidden files and
 * folders are left out. `node` NULL: any node's. 0, or an error and *why. */
int journal_list(const char *dir, const char *node, struct journal_list *out, struct buf *why);
/* The same, with the segments that retention keeps compressed, and with `restored` those that
 * `audit restore` brought back. A segment that is in several places comes once: plain first. */
int journal_list_all(const char *dir, const char *node, bool restored, struct journal_list *out,
	struct buf *why);
void journal_list_free(struct journal_list *l);
/* The file of a listed segment. */
void journal_segment_path(
	const char *dir, const struct journal_segment *s, char out[JOURNAL_PATH_MAX]);
/* Opens it for reading; one that was compressed since it was listed is found. -1: errno. */
int journal_segment_open(const char *dir, const struct journal_segment *s);

/* owner: audit. */
struct journal {
	char dir[JOURNAL_DIR_MAX], node[65];
	int dirfd, fd; /* fd -1: no segment is open */
	dev_t dev;     /* the directory's identity */
	ino_t ino;
	char name[JOURNAL_NAME_MAX]; /* the open segment */
	uint64_t boot, first;
	uint64_t good;		 /* its durable bytes, whole commits */
	uint64_t size;		 /* with the NUL bytes after them */
	struct timespec written; /* when its file was last written to, by us */
	uint64_t placed_us;	 /* when folder and file were last looked for by their names, */
	bool placing;		 /* and whether that is due with this commit */
	bool sync_sets_time;	 /* a file system over a network may do so */
	uint64_t segment_bytes;
	bool suspect;	 /* a sync or a cut failed: the open segment is not to be appended to */
	char tail[1024]; /* the last bytes made durable, to tell what a failed sync left */
	size_t tail_n;
	int sys;    /* errno of the last failure */
	bool moved; /* it was that the directory is no longer at its path */
	bool looks; /* of journal_look(): nothing is written or removed */
};

/* Opens the directory to see whether a start would be refused. Nothing is made or locked. 0,
 * ERR_NOTFOUND: journal_open() would make it; ERR_BAD_STATE: a daemon writes to it now; or the
 * error of journal_open() with its words. */
int journal_look(struct journal *j, const char *dir, const char *node, struct buf *why);
/* Opens and locks the directory; makes it (mode 0700) where only it is missing and
 * no note says that it was there. ERR_BAD_STATE: another daemon has it. */
int journal_open(struct journal *j, const char *dir, const char *node, uint64_t segment_bytes,
	struct buf *why);
void journal_close(struct journal *j);
/* A segment for what follows; needed first, after rotation, and after a failed
 * sync. 0, ERR_FULL (no room), ERR_IO; j->sys says which. */
int journal_begin(struct journal *j, uint64_t boot, uint64_t first);
/* The directory was moved, replaced or removed under us (j->sys). */
bool journal_moved(struct journal *j);
/* ERR_IO where it was moved, until it is back. *begin: journal_begin first. Where a sync had
 * failed this cuts the segment back to what was durable and compares its end with memory: only
 * then does another one begin. ERR_IO: not yet. */
int journal_ready(struct journal *j, bool *begin);
/* Before each commit. Another program removed or renamed the open segment or wrote to it
 * ("removed", "renamed", "changed"; NULL: neither, or nothing in it was durable yet): it is
 * given up, journal_begin comes next. What it held is `audit verify`'s to name. Names are
 * looked up once in JOURNAL_PLACED_US: a segment that was renamed, or a folder that was moved,
 * may get commits so long. */
const char *journal_lost(struct journal *j);
/* One commit, durable on return. ERR_FULL (no room: cut back), ERR_IO, ERR_BAD_STATE
 * (another program cut the segment meanwhile: journal_lost() comes next). */
int journal_append(struct journal *j, struct span commit);

/* The note DIR.head: the first record of this node's newest segment. It is outside of
 * the directory, so that a start that finds the directory empty, older, gone or without
 * its newest segment does not begin a second chain. */
struct journal_note {
	char node[65];
	uint64_t boot, seq;
};
/* Durable on return. 0, ERR_IO (j->sys), ERR_LIMIT (name too long). */
int journal_note(struct journal *j, uint64_t boot, uint64_t seq);
/* ERR_AUTH with *why where a chain that ends at seq, or whose newest segment begins there
 * and lost its end (any false: there is no segment), is not what its note says: the
 * directory was moved or emptied, or is an older one. */
int journal_note_check(
	const char *dir, const char *node, bool any, uint64_t seq, struct buf *why);

/* The system calls that can fail, so that tests can make them. */
struct journal_io {
	ssize_t (*pwrite)(int, const void *, size_t, off_t);
	int (*fdatasync)(int);
	int (*ftruncate)(int, off_t);
};
extern struct journal_io journal_io;
/* What a system call's failure is, with errno set to it: ERR_FULL (no room) or ERR_IO. */
int journal_error(int sys);
/* All of it, at that place, by journal_io. 0, or as journal_error(). */
int journal_pwrite(int fd, struct span s, uint64_t at);
/* All n bytes there: 0, ERR_TRUNCATED, ERR_IO. */
int journal_pread(int fd, void *to, size_t n, uint64_t at);

#endif
