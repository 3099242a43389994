/* Collects the inclusion proof of one leaf while all leaves pass by in their order, for a
 * reader who has the lines of a journal but no files of the tree. Leaves that a source
 * already knows are taken from it, so that only later leaves need to pass. Uses no file and
 * no clock. owner: one thread. */
#ifndef RECORD_PROOF_PATH_H
#define RECORD_PROOF_PATH_H

#include "record/proof/merkle.h"

/* A subtree beside the way from the leaf to the root: the leaves from..to-1. */
struct path_side {
	uint64_t from, to;
	struct merkle_range range; /* the leaves that have passed */
};

/* The proof in progress. */
struct path {
	/* the leaf, from 0; leaves in the tree */
	uint64_t index, size;
	uint64_t next; /* the leaf that passes next */
	/* number of sides, of which the lowest is first; the side of `next` (n: none) */
	size_t n, at;
	struct path_side side[MERKLE_LEVELS];
};

/* Begins the proof of a leaf. Returns 0, or ERR_LIMIT if the tree has no such leaf. */
int path_begin(struct path *p, uint64_t index, uint64_t size);
/* Takes the first `have` leaves from a source. Call it before any leaf passes. Returns 0, or
 * the source's error. */
int path_take(struct path *p, const struct merkle_source *s, uint64_t have);
/* The leaf p->next passes. Leaves from p->size on are ignored. */
void path_leaf(struct path *p, const struct merkle_hash *leaf);
/* Returns the number of hashes in `proof` and sets *whole to true if all leaves have passed.
 * Otherwise returns 0 and sets *whole to false. */
size_t path_proof(const struct path *p, struct merkle_hash proof[MERKLE_LEVELS], bool *whole);

#endif
