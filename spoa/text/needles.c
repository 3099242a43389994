/* A filter of q-grams: a needle of m bytes has m - 3 pieces of four, and one of them starts at
 * a place in the text that m - 3 divides, wherever the needle is. */
#include "text/needles.h"

#include "base/err.h"

enum { NEEDLE_LEAST = 8 };

/* The last bytes: tokens that begin alike end differently, and memmem(3) makes a table of all
 * of a long needle. */
static struct span
tail(struct span value)
{
	return span_cut(value, value.n > NEEDLE_TAIL ? value.n - NEEDLE_TAIL : 0, value.n);
}

/* Where the piece's two bits are. */
struct place {
	size_t a, b;
};

static struct place
place_of(const char *p)
{
	enum { MASK = (1u << NEEDLE_BITS) - 1 };
	uint32_t piece;

	memcpy(&piece, p, PIECE_BYTES);
	piece *= UINT32_C(0x9E3779B1);
	return (struct place){ piece >> (32 - NEEDLE_BITS), piece >> 8 & MASK };
}

static bool
has(const uint64_t *bits, size_t at)
{
	return bits[at / 64] >> (at % 64) & 1;
}

void
pieces_add(struct pieces *p, struct span text)
{
	for (size_t i = 0; i + PIECE_BYTES <= text.n; i++) {
		struct place at = place_of(text.p + i);
		p->bits[at.a / 64] |= UINT64_C(1) << (at.a % 64);
		p->bits[at.b / 64] |= UINT64_C(1) << (at.b % 64);
	}
}

bool
pieces_meet(const struct pieces *p, struct span text, size_t stride)
{
	for (size_t i = 0; i + PIECE_BYTES <= text.n; i += stride) {
		struct place at = place_of(text.p + i);
		if (has(p->bits, at.a) && has(p->bits, at.b))
			return true;
	}
	return false;
}

void
needles_add(struct needles *ns, struct span value)
{
	struct span t = tail(value);
	size_t stride = t.n < NEEDLE_LEAST ? 0 : t.n - PIECE_BYTES + 1;

	INVARIANT(ns->n < NEEDLES_MAX && value.n);
	ns->stride = ns->n == 0 || stride < ns->stride ? stride : ns->stride;
	ns->v[ns->n++] = value;
	pieces_add(&ns->pieces, t);
}

/* False: none is. */
static bool
may_be_in(const struct needles *ns, struct span text)
{
	return ns->stride ? pieces_meet(&ns->pieces, text, ns->stride) : ns->n > 0;
}

static bool
is_in(struct span text, struct span value)
{
	size_t head = value.n - tail(value).n;
	const char *at = text.p + head, *end = text.p + text.n;

	if (value.n > text.n)
		return false;
	while ((at = memmem(at, (size_t)(end - at), value.p + head, value.n - head))) {
		if (memcmp(at - head, value.p, head) == 0)
			return true;
		at++;
	}
	return false;
}

size_t
needles_next(const struct needles *ns, struct span text, size_t which)
{
	if (which == 0 && !may_be_in(ns, text))
		return ns->n;
	while (which < ns->n && !is_in(text, ns->v[which]))
		which++;
	return which;
}
