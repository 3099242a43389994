/* The tree's hashes in files beside the journal: JOURNAL.tree/NODE.0, NODE.1, … Level L of the
 * files holds the hashes of tree level 8·L, 32 bytes each, so that tile (L, N) of C2SP
 * tlog-tiles is bytes N·8192… of file L. Only whole subtrees are there; what lies between is
 * made of at most 255 hashes. Only ever appended to, never synced with a commit: rebuilt from
 * the journal's lines where they are short or wrong. What is read from them proves nothing by
 * itself: a proof holds by its checkpoint or not. */
#ifndef RECORD_PROOF_TILES_H
#define RECORD_PROOF_TILES_H

#include "base/buf.h"
#include "record/proof/merkle.h"

#define TILES_LEVELS	 8
#define TILES_DIR_SUFFIX ".tree"

/* owner: one thread; one writer a node. */
struct tiles {
	int fd[TILES_LEVELS]; /* -1: not open (yet) */
	bool writes;
	uint64_t n; /* leaves in the files */
	char dir[1024], node[65];
	struct merkle_range range; /* a writer's: of those n leaves */
	bool (*stop)(const void *arg); /* NULL: never; what looks through all asks it */
	const void *stop_arg;
};

/* JOURNAL.tree of `journal`. For writing the folder is made (0700), and what does not fit (a
 * file that is short, a torn hash) is cut to the last sound leaf. 0, or an error with *why;
 * for reading ERR_NOTFOUND where there is none. */
int tiles_open(
	struct tiles *t, const char *journal, const char *node, bool writes, struct buf *why);
/* For writing, of at most so many leaves: what is more is cut off before anything is made of
 * it. ERR_CLOSED from here, tiles_wrong and tiles_mend on: `stop` said so. */
int tiles_open_most(struct tiles *t, const char *journal, const char *node, uint64_t most,
	bool (*stop)(const void *arg), const void *stop_arg, struct buf *why);
void tiles_close(struct tiles *t);
/* Appends leaves. 0, ERR_IO, ERR_FULL: what was written is cut back, t->n says to where. */
int tiles_append(struct tiles *t, const struct merkle_hash *leaf, size_t n, struct buf *why);
/* A source for proofs up to t->n leaves; of *t, which stays where it is. */
struct merkle_source tiles_source(struct tiles *t);

/* The first leaf, at or after `from`, of a whole tile whose hash in the level above is not
 * that of its leaves: 1 with it in *leaf, 0: none, ERR_IO. */
int tiles_wrong(struct tiles *t, uint64_t from, uint64_t *leaf);
/* Writes leaves index..index+n-1, which are in the files already, and what level 1 says of
 * them. tiles_mend() comes after the last. 0, ERR_LIMIT (beyond t->n), ERR_IO, ERR_FULL. */
int tiles_put(struct tiles *t, uint64_t index, const struct merkle_hash *leaf, size_t n,
	struct buf *why);
/* Makes the levels from 2 on, and t->range, from what is below them. */
int tiles_mend(struct tiles *t, struct buf *why);
/* Cuts to n leaves, at most t->n. */
int tiles_cut(struct tiles *t, uint64_t n, struct buf *why);

#endif
