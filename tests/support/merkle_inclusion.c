/* Computes inclusion proofs from all leaves, as RFC 6962 2.1.1 defines them. */
#include "support/merkle_inclusion.h"

static int
merkle_subtree(const struct merkle_source *s, uint64_t lo, uint64_t hi, struct merkle_hash *out)
{
	struct merkle_range r = { .n = hi - lo };
	unsigned used = 0;
	int err = 0;

	for (unsigned level = MERKLE_LEVELS; !err && level-- > 0;) {
		if (!(r.n >> level & 1))
			continue;
		err = s->hash(s->arg, level, lo >> level, &r.hash[used++]);
		lo += UINT64_C(1) << level;
	}
	if (!err)
		merkle_root(&r, out);
	return err;
}

int
merkle_inclusion(const struct merkle_source *s, uint64_t index, uint64_t size,
	struct merkle_hash proof[MERKLE_PROOF_MAX], size_t *n)
{
	struct merkle_hash down[MERKLE_PROOF_MAX];
	uint64_t lo = 0, hi = size;
	int err = 0;

	*n = 0;
	if (index >= size)
		return ERR_LIMIT;
	while (!err && hi - lo > 1) {
		uint64_t mid = lo + merkle_split(hi - lo);
		bool left = index < mid;
		err = merkle_subtree(s, left ? mid : lo, left ? hi : mid, &down[(*n)++]);
		*(left ? &hi : &lo) = mid;
	}
	for (size_t i = 0; i < *n; i++)
		proof[i] = down[*n - 1 - i];
	return err;
}
