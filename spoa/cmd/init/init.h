/* The parts of `tollgate init`: the state of one run, writing files, and trying the result
 * before anything is written. */
#ifndef CMD_INIT_INIT_H
#define CMD_INIT_INIT_H

#include "cmd/cmd.h"
#include "operator/edge/lay.h"

enum {
	INIT_FILES_MAX = 256, /* files of HAProxy, including those in folders */
	INIT_TEXT_BYTES = 16 << 20,
	INIT_NEW_MAX = INIT_FILES_MAX + 1,
	INIT_KEPT_MAX = 100, /* copies of one file */
};

#define OURS	  "/etc/haproxy/tollgate/"
#define EXTRAOPTS "/etc/default/haproxy"
#define EXTRAOPTS_DEBIAN "-S /run/haproxy-master.sock" /* the option of Debian's unit, used if
						        * EXTRAOPTS is not set */
/* Suffixes of copies: of a file before init, and before init --undo. */
#define INIT_BEFORE ".before-tollgate"
#define INIT_WITH   ".with-tollgate"

/* A new version of a file, written under a temporary name until all files can be replaced. */
struct init_new {
	const char *path, *file; /* the path as given; the path below --root with links resolved */
	const char *kept;	 /* the copy of the old version; NULL: the file did not exist */
	int fd;			 /* descriptor of the temporary file */
};

/* The state of one run. Owned by cmd_init(). */
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
	bool missing;	   /* something must be created */
	bool missing_ours; /* a file of tollgate that HAProxy reads must be created */
	int code;
};

/* Returns the path below --root, in the arena. */
const char *init_rooted(struct init *in, const char *path);
bool init_exists(struct init *in, const char *path);
/* Prints "path: what: why" with the reason from errno. Sets and returns the exit code. */
int init_failed(struct init *in, const char *path, const char *what);
/* Writes the new contents of one of the operator's files to `out`. */
void init_result(struct init *in, const char *file, struct buf *out);

/* Returns the name of the i-th copy of a file, from 1. */
const char *init_kept_name(struct init *in, const char *file, const char *suffix, unsigned i);
/* Prints how the operator's files would change, as a unified diff. */
void init_show_differences(struct init *in);

/* Writing files (init_write.c). Creates a file, with its folders, as a whole or not at all.
 * Returns the exit code so far. */
int init_write_file(struct init *in, const char *path, struct span text);
/* Keeps a copy of the old version and writes the new one under a temporary name until
 * init_edits_end(). */
void init_write_edited(struct init *in, const char *file, struct span text);
/* Replaces all edited files at once; after an error, none is replaced. Without --write,
 * prints the differences instead. */
void init_edits_end(struct init *in);
/* Creates the pair of keys that signs records. It is owned by the daemon's user from the
 * beginning. */
void init_make_audit_key(struct init *in, const char *path);
/* Creates a secret, unless the file exists. */
void init_make_state_key(struct init *in, const char *path);
/* Creates /etc/tollgate. Its group is the daemon's group, which may read the files in it. */
void init_make_own_folder(struct init *in, const char *path);
/* Prints which of these files the daemon's user cannot read. */
void init_note_unreadable(struct init *in, const char *const *paths, size_t n);

/* Trying the result (init_try.c): lets `haproxy -c` and the judges of `check` examine the
 * resulting files, and prints what they report. */
void init_try(struct init *in);

#endif
