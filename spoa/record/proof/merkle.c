/* The Merkle tree of RFC 6962 section 2.1, with the proofs of RFC 9162 sections 2.1.3 and
 * 2.1.4: see merkle.h. Proofs are built from the root down: at each split, the proof gets the
 * hash of one side, and the search continues in the other.
 *
 * The last section collects an inclusion proof while leaves pass by. PATH of RFC 6962 section
 * 2.1.1 names the subtrees; each is hashed as its leaves pass. */
#include "base/err.h"

#define OPENSSL_SUPPRESS_DEPRECATED
#include "record/proof/merkle.h"

#include <string.h>

#include "base/err.h"

/* OpenSSL's SHA-256 instead of base/sha256.h, which wipes its state. Hashes of the tree are
 * not secret, and hashing a record should take at most half a microsecond. */
static void
node_hash(unsigned char prefix, const struct merkle_hash *a, const struct merkle_hash *b,
	struct merkle_hash *out)
{
	unsigned char text[1 + 2 * MERKLE_BYTES] = { prefix };
	SHA256_CTX c;
	size_t n = 1 + MERKLE_BYTES;

	memcpy(text + 1, a->b, MERKLE_BYTES);
	if (b) {
		memcpy(text + n, b->b, MERKLE_BYTES);
		n += MERKLE_BYTES;
	}
	INVARIANT(SHA256_Init(&c) == 1 && SHA256_Update(&c, text, n) == 1 &&
		  SHA256_Final(out->b, &c) == 1);
}

void
merkle_leaf(const unsigned char record[MERKLE_BYTES], struct merkle_hash *out)
{
	struct merkle_hash h;

	memcpy(h.b, record, MERKLE_BYTES);
	node_hash(0, &h, NULL, out);
}

void
merkle_node(const struct merkle_hash *left, const struct merkle_hash *right,
	struct merkle_hash *out)
{
	node_hash(1, left, right, out);
}

static bool
is_same_merkle(const struct merkle_hash *a, const struct merkle_hash *b)
{
	return memcmp(a->b, b->b, MERKLE_BYTES) == 0;
}

/* ---- compact ranges ---- */

unsigned
merkle_range_hashes(uint64_t n)
{
	return (unsigned)__builtin_popcountll(n);
}

unsigned
merkle_append_nodes(
	struct merkle_range *r, const struct merkle_hash *leaf, struct merkle_hash *nodes)
{
	unsigned used = merkle_range_hashes(r->n), level = 0;
	struct merkle_hash h = *leaf;

	INVARIANT(r->n < UINT64_MAX && used < MERKLE_LEVELS);
	for (;; level++) {
		if (nodes)
			nodes[level] = h;
		if (!(r->n >> level & 1))
			break;
		merkle_node(&r->hash[--used], &h, &h);
	}
	r->hash[used] = h;
	r->n++;
	return level + 1;
}

void
merkle_append(struct merkle_range *r, const struct merkle_hash *leaf)
{
	merkle_append_nodes(r, leaf, NULL);
}

void
merkle_root(const struct merkle_range *r, struct merkle_hash *out)
{
	unsigned used = merkle_range_hashes(r->n);

	if (used == 0) {
		sha256((struct span){ NULL, 0 }, out->b);
		return;
	}
	*out = r->hash[--used];
	while (used)
		merkle_node(&r->hash[--used], out, out);
}

/* ---- proofs ---- */

/* Sets *out to the roots of the perfect subtrees that cover the leaves lo..hi-1. lo is a
 * multiple of the size of the largest of them. */
static int
range_between(const struct merkle_source *s, uint64_t lo, uint64_t hi, struct merkle_range *out)
{
	unsigned used = 0;
	int err = 0;

	out->n = hi - lo;
	for (unsigned level = MERKLE_LEVELS; !err && level-- > 0;) {
		if (!(out->n >> level & 1))
			continue;
		err = s->hash(s->arg, level, lo >> level, &out->hash[used++]);
		lo += UINT64_C(1) << level;
	}
	INVARIANT(err || (lo == hi && used == merkle_range_hashes(out->n)));
	return err;
}

int
merkle_range_at(const struct merkle_source *s, uint64_t n, struct merkle_range *out)
{
	return range_between(s, 0, n, out);
}

static int
root_between(const struct merkle_source *s, uint64_t lo, uint64_t hi, struct merkle_hash *out)
{
	struct merkle_range r;
	int err = range_between(s, lo, hi, &r);

	if (!err)
		merkle_root(&r, out);
	return err;
}

int
merkle_consistency(const struct merkle_source *s, uint64_t old, uint64_t size,
	struct merkle_hash *proof, size_t *n)
{
	uint64_t lo = 0, hi = size;
	int err = 0;

	*n = 0;
	if (old > size)
		return ERR_LIMIT;
	if (old == 0)
		return 0;
	while (!err && old < hi) {
		uint64_t mid = lo + merkle_split(hi - lo);
		bool left = old <= mid;
		err = root_between(s, left ? mid : lo, left ? hi : mid, &proof[(*n)++]);
		*(left ? &hi : &lo) = mid;
	}
	/* The verifier of the proof knows the old root, so the proof omits it. */
	if (!err && lo > 0)
		err = root_between(s, lo, hi, &proof[(*n)++]);
	INVARIANT(*n <= MERKLE_PROOF_MAX);
	for (size_t i = 0; i < *n / 2; i++) {
		struct merkle_hash top = proof[i];
		proof[i] = proof[*n - 1 - i];
		proof[*n - 1 - i] = top;
	}
	return err;
}

/* Follows a proof upwards. *h becomes the root of the tree that the proof leads to. *old
 * (NULL: not wanted) becomes the root of the old tree. Returns false if the proof has the
 * wrong length. */
static bool
climb_proof(uint64_t fn, uint64_t sn, const struct merkle_hash *proof, size_t n,
	struct merkle_hash *h, struct merkle_hash *old)
{
	for (size_t i = 0; i < n; i++) {
		if (sn == 0)
			return false;
		if (fn & 1 || fn == sn) {
			merkle_node(&proof[i], h, h);
			if (old)
				merkle_node(&proof[i], old, old);
			while (!(fn & 1) && fn) {
				fn >>= 1;
				sn >>= 1;
			}
		} else {
			merkle_node(h, &proof[i], h);
		}
		fn >>= 1;
		sn >>= 1;
	}
	return sn == 0;
}

/* RFC 9162 2.1.3.2 */
bool
merkle_included(const struct merkle_hash *leaf, uint64_t index, uint64_t size,
	const struct merkle_hash *proof, size_t n, const struct merkle_hash *root)
{
	struct merkle_hash h = *leaf;

	return index < size && climb_proof(index, size - 1, proof, n, &h, NULL) &&
	       is_same_merkle(&h, root);
}

/* RFC 9162 2.1.4.2 */
bool
merkle_consistent(uint64_t old, const struct merkle_hash *old_root, uint64_t size,
	const struct merkle_hash *root, const struct merkle_hash *proof, size_t n)
{
	uint64_t fn = old - 1, sn = size - 1;
	struct merkle_hash fr, sr;
	size_t i = 0;

	if (old == 0 || old == size)
		return n == 0 && (old == 0 || is_same_merkle(old_root, root));
	if (old > size || n == 0)
		return false;
	fr = old & (old - 1) ? proof[i++] : *old_root;
	sr = fr;
	while (fn & 1) {
		fn >>= 1;
		sn >>= 1;
	}
	return climb_proof(fn, sn, proof + i, n - i, &sr, &fr) &&
	       is_same_merkle(&fr, old_root) && is_same_merkle(&sr, root);
}

/* ---- a proof from passing leaves ---- */

/* Sets p->at to the side that leaf p->next belongs to. */
static void
find_side(struct path *p)
{
	for (p->at = 0; p->at < p->n; p->at++)
		if (p->next >= p->side[p->at].from && p->next < p->side[p->at].to)
			return;
}

int
path_begin(struct path *p, uint64_t index, uint64_t size)
{
	struct {
		uint64_t from, to;
	} down[MERKLE_LEVELS];
	uint64_t from = 0, to = size;
	size_t n = 0;

	if (index >= size || size > INT64_MAX)
		return ERR_LIMIT;
	while (to - from > 1) {
		uint64_t mid = from + merkle_split(to - from);
		INVARIANT(n < MERKLE_LEVELS && from <= index && index < to);
		down[n].from = index < mid ? mid : from;
		down[n++].to = index < mid ? to : mid;
		*(index < mid ? &to : &from) = mid;
	}
	p->index = index;
	p->size = size;
	p->next = 0;
	p->n = n;
	for (size_t i = 0; i < n; i++) {
		p->side[i].from = down[n - 1 - i].from;
		p->side[i].to = down[n - 1 - i].to;
		p->side[i].range.n = 0;
	}
	find_side(p);
	return 0;
}

int
path_take(struct path *p, const struct merkle_source *s, uint64_t have)
{
	if (have > p->size)
		have = p->size;
	for (size_t i = 0; i < p->n; i++) {
		struct path_side *side = &p->side[i];
		uint64_t to = have < side->to ? have : side->to, at = side->from;
		size_t k = 0;
		/* A side begins at a multiple of the size of each of its subtrees. */
		while (at < to) {
			unsigned level = 63 - (unsigned)__builtin_clzll(to - at);
			INVARIANT(k < MERKLE_LEVELS);
			int err = s->hash(s->arg, level, at >> level, &side->range.hash[k++]);
			if (err)
				return err;
			at += UINT64_C(1) << level;
		}
		side->range.n = at - side->from;
	}
	p->next = have;
	find_side(p);
	return 0;
}

void
path_leaf(struct path *p, const struct merkle_hash *leaf)
{
	if (p->next >= p->size)
		return;
	INVARIANT(p->at >= p->n ||
		  (p->next >= p->side[p->at].from && p->next < p->side[p->at].to));
	if (p->at < p->n)
		merkle_append(&p->side[p->at].range, leaf);
	p->next++;
	if (p->at == p->n || p->next == p->side[p->at].to)
		find_side(p);
}

size_t
path_proof(const struct path *p, struct merkle_hash proof[MERKLE_LEVELS], bool *whole)
{
	*whole = p->next >= p->size;
	if (!*whole)
		return 0;
	for (size_t i = 0; i < p->n; i++)
		merkle_root(&p->side[i].range, &proof[i]);
	return p->n;
}
