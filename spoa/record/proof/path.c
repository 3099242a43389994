/* An inclusion proof that is collected while leaves pass by: see path.h. PATH of RFC 6962
 * section 2.1.1 names the subtrees; each is hashed as its leaves pass. */
#include "record/proof/path.h"

#include "base/err.h"

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
