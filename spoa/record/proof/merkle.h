/* The tree over a chain's records: Merkle tree hashes of RFC 6962 section 2.1 (RFC 9162 section
 * 2.1 has the proofs' algorithms). Leaf i is record i+1 of the chain, over all boots:
 * SHA-256(0x00 ‖ the record's 32 hash bytes); a node is SHA-256(0x01 ‖ left ‖ right). Pure: no
 * file, no clock, no memory of its own. */
#ifndef RECORD_PROOF_MERKLE_H
#define RECORD_PROOF_MERKLE_H

#include "base/sha256.h"

#define MERKLE_BYTES	 SHA256_BYTES
#define MERKLE_LEVELS	 64
#define MERKLE_PROOF_MAX (2 * MERKLE_LEVELS) /* hashes of a proof: no sound one has more */

struct merkle_hash {
	unsigned char b[MERKLE_BYTES];
};

/* A compact range: the roots of the perfect subtrees that the binary digits of n name, the
 * largest first. It is all that appending and the root need. Zeroed: the empty tree. */
struct merkle_range {
	uint64_t n; /* leaves */
	struct merkle_hash hash[MERKLE_LEVELS];
};

void merkle_leaf(const unsigned char record[MERKLE_BYTES], struct merkle_hash *out);
void merkle_node(const struct merkle_hash *left, const struct merkle_hash *right,
	struct merkle_hash *out);
void merkle_append(struct merkle_range *r, const struct merkle_hash *leaf);
/* The same, with the subtrees that this leaf makes whole: nodes[L] is the one of 2^L leaves,
 * from the leaf itself on. Their number; `nodes` (NULL: not wanted) has room for MERKLE_LEVELS.
 */
unsigned merkle_append_nodes(
	struct merkle_range *r, const struct merkle_hash *leaf, struct merkle_hash *nodes);
void merkle_root(const struct merkle_range *r, struct merkle_hash *out);
/* How many of r->hash are in use for n leaves: its one bits. */
unsigned merkle_range_hashes(uint64_t n);

/* Who knows the tree's hashes: the root of the perfect subtree `index` of 2^level leaves.
 * 0, or an error (ERR_NOTFOUND, ERR_IO), which ends the proof. */
struct merkle_source {
	int (*hash)(void *arg, unsigned level, uint64_t index, struct merkle_hash *out);
	void *arg;
};
/* The range of the first n leaves. 0, or the source's error. */
int merkle_range_at(const struct merkle_source *s, uint64_t n, struct merkle_range *out);
/* How many of n leaves, at least two, are on the left: the largest power of two below n. */
static inline uint64_t
merkle_split(uint64_t n)
{
	return UINT64_C(1) << (63 - __builtin_clzll(n - 1));
}
/* From the leaves' side to the root's. 0, ERR_LIMIT (old is beyond the size), or the source's
 * error. `proof` has room for MERKLE_PROOF_MAX. */
int merkle_consistency(const struct merkle_source *s, uint64_t old, uint64_t size,
	struct merkle_hash *proof, size_t *n);
/* RFC 9162 2.1.3.2 and 2.1.4.2. `old` 0 is consistent with everything by an empty proof. */
bool merkle_included(const struct merkle_hash *leaf, uint64_t index, uint64_t size,
	const struct merkle_hash *proof, size_t n, const struct merkle_hash *root);
bool merkle_consistent(uint64_t old, const struct merkle_hash *old_root, uint64_t size,
	const struct merkle_hash *root, const struct merkle_hash *proof, size_t n);

#endif
