/* The hashes of the tree in files next to the journal: JOURNAL.tree/NODE.0, NODE.1, …
 *
 * File L has the hashes of level 8·L of the tree, 32 bytes each, so that tile (L, N) of C2SP
 * tlog-tiles is the bytes from N·8192 on of file L. The files have the hashes of whole
 * subtrees only; hashes between these levels are computed from at most 256 hashes. The files
 * are only appended to and are not synced with a commit: they are rebuilt from the journal's
 * lines if they are short or wrong. Hashes from these files prove nothing by themselves: a
 * proof counts only if it leads to a signed checkpoint. */
#ifndef RECORD_PROOF_TILES_H
#define RECORD_PROOF_TILES_H

#include "base/buf.h"
#include "record/proof/merkle.h"

/* files of a node: enough for 2^64 leaves */
#define TILES_LEVELS	 8
#define TILES_DIR_SUFFIX ".tree"

/* owner: one thread. Each node has one writer. */
struct tiles {
	int fd[TILES_LEVELS]; /* -1: not open */
	bool writes;
	uint64_t n; /* leaves in the files */
	char dir[1024], node[65];
	struct merkle_range range; /* range of the n leaves; of a writer only */
	/* asked during long scans; true: stop. NULL: never stop */
	bool (*stop)(const void *arg);
	const void *stop_arg;
};

/* Opens JOURNAL.tree. A writer creates the folder (mode 0700) and cuts the files to the last
 * leaf that all levels support. Returns 0, or an error with the reason in *why; ERR_NOTFOUND:
 * a reader found no files. */
int tiles_open(
	struct tiles *t, const char *journal, const char *node, bool writes, struct buf *why);
/* Opens the files for writing with at most `most` leaves: more leaves are cut off first. From
 * here on, this function, tiles_wrong() and tiles_mend() return ERR_CLOSED soon after `stop`
 * returns true. */
int tiles_open_most(struct tiles *t, const char *journal, const char *node, uint64_t most,
	bool (*stop)(const void *arg), const void *stop_arg, struct buf *why);
/* Closes the files. May be called twice. */
void tiles_close(struct tiles *t);
/* Appends n leaves. Returns 0, ERR_IO or ERR_FULL. After an error, the files are cut back to
 * t->n leaves. */
int tiles_append(struct tiles *t, const struct merkle_hash *leaf, size_t n, struct buf *why);
/* Returns a source of hashes for the first t->n leaves. It points to *t. */
struct merkle_source tiles_source(struct tiles *t);

/* Compares level 1 with the leaves, from leaf `from` on. Returns 1 with the first leaf of the
 * first tile that differs in *leaf, 0 if all agree, or ERR_IO. */
int tiles_wrong(struct tiles *t, uint64_t from, uint64_t *leaf);
/* Overwrites leaves index..index+n-1, which exist already, and their hashes in level 1. Call
 * tiles_mend() after the last tiles_put(). Returns 0, ERR_LIMIT (beyond t->n), ERR_IO or
 * ERR_FULL. */
int tiles_put(struct tiles *t, uint64_t index, const struct merkle_hash *leaf, size_t n,
	struct buf *why);
/* Computes the levels from 2 on, and t->range, from the levels below. */
int tiles_mend(struct tiles *t, struct buf *why);
/* Cuts the files to n leaves, at most t->n. */
int tiles_cut(struct tiles *t, uint64_t n, struct buf *why);

#endif
