/* Between the files of tollgate init: what it knows, how it writes, and how it tries the result
 * before anything is written. */
#ifndef CMD_INIT_INIT_H
#define CMD_INIT_INIT_H

#include "cmd/cmd.h"
#include "operator/edge/lay.h"

enum {
	INIT_FILES_MAX = 256, /* of HAProxy; those of folders included */
	INIT_TEXT_BYTES = 16 << 20,
	INIT_NEW_MAX = INIT_FILES_MAX + 1,
	INIT_KEPT_MAX = 100, /* copies of one file */
};

#define OURS	  "/etc/haproxy/tollgate/"
#define EXTRAOPTS "/etc/default/haproxy"
#define EXTRAOPTS_DEBIAN "-S /run/haproxy-master.sock" /* of Debian's unit, if none is set */
/* Names of copies: of a file before init, and before init --undo. */
#define INIT_BEFORE ".before-tollgate"
#define INIT_WITH   ".with-tollgate"

/* A file that is written aside and takes its place when all of them are. */
struct init_new {
	const char *path, *file; /* as it is called; with the root, behind links */
	const char *kept;	 /* as it was; NULL: it was not there */
	int fd;			 /* of what is aside */
};

struct init {
	struct arena a;
	struct haproxy h;
	struct lay lay;
	struct lay_wish wish;
	const char *root, *person, *haproxy_binary;
	const char *file[INIT_FILES_MAX];
	size_t nfile;
	struct init_new new[INIT_NEW_MAX];
	size_t nnew;
	bool write, undo, keep_guards;
	bool missing;	   /* something is to be made */
	bool missing_ours; /* one of the files that HAProxy reads */
	int code;
};

/* Under --root; the arena's. */
const char *rooted(struct init *in, const char *path);
bool exists(struct init *in, const char *path);
/* "path: what: why" by errno; sets and returns the exit code. */
int failed(struct init *in, const char *path, const char *what);
/* A file of the person as it will be. */
void result_of(struct init *in, const char *file, struct buf *out);

/* The name of the i-th copy of a file, from 1. */
const char *kept_as(struct init *in, const char *file, const char *suffix, unsigned i);
/* What would change in the files of the person, as a unified difference. */
void show_differences(struct init *in);

/* init_write.c: a new file, whole or not at all, with its folders. */
int write_file(struct init *in, const char *path, struct span text);
/* What was there is kept next to it; the new text is aside until edits_end(). */
void write_edited(struct init *in, const char *file, struct span text);
/* The new texts take their places, all at once; after an error nothing is left of them. Without
 * --write the differences are shown. */
void edits_end(struct init *in);
/* The pair that signs records, owned by the daemon's user from the moment it is there. */
void make_audit_key(struct init *in, const char *path);
/* A secret, where there is none. */
void make_state_key(struct init *in, const char *path);
/* /etc/tollgate with the daemon's group, which reads what is made in it. */
void make_own_folder(struct init *in, const char *path);
/* Says which of these the daemon's user cannot read. */
void note_unreadable(struct init *in, const char *const *paths, size_t n);

/* init_try.c: haproxy -c about the result, and check's word on it. */
void try_result(struct init *in);

#endif
