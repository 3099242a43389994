/* The proof that a leaf is in a tree, made from the top down (RFC 9162 2.1.3). The program
 * makes the proof while the leaves pass (record/proof/merkle.h); tests compare both. */
#ifndef TESTS_MERKLE_INCLUSION_H
#define TESTS_MERKLE_INCLUSION_H

#include "base/err.h"
#include "record/proof/merkle.h"

/* Writes the proof from the leaf to the root. Returns 0, ERR_LIMIT (the index is not below the
 * size), or the source's error. */
int merkle_inclusion(const struct merkle_source *s, uint64_t index, uint64_t size,
	struct merkle_hash proof[MERKLE_PROOF_MAX], size_t *n);

#endif
