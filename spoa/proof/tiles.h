/* The tree's hashes in files beside the journal: JOURNAL.tree/NODE.0, NODE.1, … Level L of the
 * files holds the hashes of tree level 8·L, 32 bytes each, so that tile (L, N) of C2SP
 * tlog-tiles is bytes N·8192… of file L. Only whole subtrees are there; what lies between is
 * made of at most 255 hashes. Only ever appended to, never synced with a commit: rebuilt from
 * the journal's lines where they are short or wrong. What is read from them proves nothing by
 * itself: a proof holds by its checkpoint or not. */
#ifndef PROOF_TILES_H
#define PROOF_TILES_H

#include "base/buf.h"
#include "proof/merkle.h"

#define TILES_LEVELS	 8
#define TILES_DIR_SUFFIX ".tree"

/* owner: one thread; one writer a node. */
struct tiles {
	int fd[TILES_LEVELS]; /* -1: not there (yet) */
	bool writes;
	uint64_t n; /* leaves in the files */
	char dir[1024], node[65];
	struct merkle_range range; /* a writer's: of those n leaves */
};

/* JOURNAL.tree of `journal`. For writing the folder is made (0700), and what does not fit (a
 * file that is short, a torn hash) is cut to the last sound leaf. 0, or an error with *why;
 * for reading ERR_NOTFOUND where there is none. */
int tiles_open(
	struct tiles *t, const char *journal, const char *node, bool writes, struct buf *why);
void tiles_close(struct tiles *t);
/* Appends leaves. 0, ERR_IO, ERR_FULL: what was written is cut back, t->n says to where. */
int tiles_append(struct tiles *t, const struct merkle_hash *leaf, size_t n, struct buf *why);
/* A source for proofs up to t->n leaves. */
struct merkle_source tiles_source(struct tiles *t);

#endif
