/* The hashes that prove one leaf, gathered while all leaves pass by in their order: for who has
 * the lines of a journal and no tree of them. What a source knows already is taken from it, so
 * that only the leaves after those need to pass. Pure. owner: one thread. */
#ifndef RECORD_PROOF_PATH_H
#define RECORD_PROOF_PATH_H

#include "record/proof/merkle.h"

/* A subtree beside the way from the leaf to the root: leaves [from, to). */
struct path_side {
	uint64_t from, to;
	struct merkle_range range; /* of those that passed */
};

struct path {
	uint64_t index, size;
	uint64_t next; /* the leaf that comes next */
	size_t n, at;  /* sides, the leaf's first; where `next` belongs (n: to none) */
	struct path_side side[MERKLE_LEVELS];
};

/* 0, ERR_LIMIT: no leaf of that tree. */
int path_begin(struct path *p, uint64_t index, uint64_t size);
/* Of a source that has the first `have` leaves; before any leaf passed. 0, or its error. */
int path_take(struct path *p, const struct merkle_source *s, uint64_t have);
/* The leaf p->next. Those from p->size on are not looked at. */
void path_leaf(struct path *p, const struct merkle_hash *leaf);
/* All passed: the number of hashes in proof[]; else 0 with *whole false. */
size_t path_proof(const struct path *p, struct merkle_hash proof[MERKLE_LEVELS], bool *whole);

#endif
