/* The Merkle tree over the records of a chain (RFC 6962 section 2.1; RFC 9162 section 2.1 has
 * the algorithms of the proofs). Leaf i is record i+1 of the chain, over all boots:
 * SHA-256(0x00 ‖ the 32 bytes of the record's hash). A node is SHA-256(0x01 ‖ left ‖ right).
 * These functions use no file and no clock, and allocate nothing. */
#ifndef RECORD_PROOF_MERKLE_H
#define RECORD_PROOF_MERKLE_H

#include "base/sha256.h"

#define MERKLE_BYTES	 SHA256_BYTES
#define MERKLE_LEVELS	 64
#define MERKLE_PROOF_MAX (2 * MERKLE_LEVELS) /* the most hashes that a valid proof has */

struct merkle_hash {
	unsigned char b[MERKLE_BYTES];
};

/* A compact range: the roots of the perfect subtrees whose sizes are the binary digits of n,
 * the largest first. For example, n = 6 has a subtree of 4 leaves and one of 2. Appending and
 * computing the root need nothing else. Zeroed: the empty tree. */
struct merkle_range {
	uint64_t n; /* leaves */
	struct merkle_hash hash[MERKLE_LEVELS];
};

/* The hash of the leaf for a record's hash. */
void merkle_leaf(const unsigned char record[MERKLE_BYTES], struct merkle_hash *out);
/* The hash of a node from its children. `out` may be one of them. */
void merkle_node(const struct merkle_hash *left, const struct merkle_hash *right,
	struct merkle_hash *out);
/* Appends a leaf. */
void merkle_append(struct merkle_range *r, const struct merkle_hash *leaf);
/* Appends a leaf and stores the subtrees that become complete: nodes[L] is the root of the
 * last 2^L leaves, and nodes[0] is the leaf. Returns their number. `nodes` has room for
 * MERKLE_LEVELS; NULL: not wanted. */
unsigned merkle_append_nodes(
	struct merkle_range *r, const struct merkle_hash *leaf, struct merkle_hash *nodes);
/* Computes the root of the tree. */
void merkle_root(const struct merkle_range *r, struct merkle_hash *out);
/* Returns how many hashes of a range are used for n leaves. */
unsigned merkle_range_hashes(uint64_t n);

/* A source of the tree's hashes. `hash` returns the root of the perfect subtree number
 * `index` of 2^level leaves: 0, or an error (ERR_NOTFOUND, ERR_IO), which ends the proof. */
struct merkle_source {
	int (*hash)(void *arg, unsigned level, uint64_t index, struct merkle_hash *out);
	void *arg;
};
/* Gets the range of the first n leaves. Returns 0, or the source's error. */
int merkle_range_at(const struct merkle_source *s, uint64_t n, struct merkle_range *out);
/* Returns how many of n leaves (at least two) are in the left subtree: the largest power of
 * two below n. */
static inline uint64_t
merkle_split(uint64_t n)
{
	return UINT64_C(1) << (63 - __builtin_clzll(n - 1));
}
/* Makes the proof that the tree of `size` leaves continues the tree of `old` leaves. The
 * hashes are ordered from the leaves to the root. `proof` has room for MERKLE_PROOF_MAX; *n
 * is their number. Returns 0, ERR_LIMIT (old > size), or the source's error. */
int merkle_consistency(const struct merkle_source *s, uint64_t old, uint64_t size,
	struct merkle_hash *proof, size_t *n);
/* Verify an inclusion proof (RFC 9162 2.1.3.2) and a consistency proof (RFC 9162 2.1.4.2).
 * `old` 0 is consistent with every tree by an empty proof. */
bool merkle_included(const struct merkle_hash *leaf, uint64_t index, uint64_t size,
	const struct merkle_hash *proof, size_t n, const struct merkle_hash *root);
bool merkle_consistent(uint64_t old, const struct merkle_hash *old_root, uint64_t size,
	const struct merkle_hash *root, const struct merkle_hash *proof, size_t n);

/* ---- a proof from passing leaves ----
 *
 * Collects the inclusion proof of one leaf while all leaves pass by in their order, for a
 * reader who has the lines of a journal but no files of the tree. Leaves that a source
 * already knows are taken from it, so that only later leaves need to pass. owner: one thread.
 */

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
