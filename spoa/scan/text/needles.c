/* Searches texts for a few values through a filter of q-grams. A needle of m bytes has m - 3
 * pieces of four bytes. Wherever the needle is in the text, one of its pieces begins at an
 * offset that m - 3 divides, so only these offsets are examined.
 *
 * Example: a needle of 8 bytes has 5 pieces; the search looks at the offsets 0, 5, 10, …
 * Only the needle's tail is stored: tokens of the same kind begin alike and differ at their end.
 * If the tail matches, the bytes before it are computed and compared. */
#include "scan/text/needles.h"

#include "base/err.h"

/* The places of a piece's two bits in the filter. */
struct place {
	size_t a, b;
};

static struct place
needle_place(const char *p)
{
	enum { MASK = (1u << NEEDLE_BITS) - 1 };
	uint32_t piece;

	memcpy(&piece, p, PIECE_BYTES);
	piece *= UINT32_C(0x9E3779B1);
	return (struct place){ piece >> (32 - NEEDLE_BITS), piece >> 8 & MASK };
}

static bool
has_piece(const struct pieces *p, const char *piece)
{
	struct place at = needle_place(piece);

	return (p->bits[at.a / 64] >> (at.a % 64) & p->bits[at.b / 64] >> (at.b % 64)) & 1;
}

void
pieces_add(struct pieces *p, struct span text)
{
	for (size_t i = 0; i + PIECE_BYTES <= text.n; i++) {
		struct place at = needle_place(text.p + i);
		p->bits[at.a / 64] |= UINT64_C(1) << (at.a % 64);
		p->bits[at.b / 64] |= UINT64_C(1) << (at.b % 64);
	}
}

bool
pieces_meet(const struct pieces *p, struct span text)
{
	for (size_t i = 0; i + PIECE_BYTES <= text.n; i++)
		if (has_piece(p, text.p + i))
			return true;
	return false;
}

static size_t
tail_bytes(const struct needle *v)
{
	return v->n < NEEDLE_TAIL ? v->n : NEEDLE_TAIL;
}

void
needles_add(struct needles *ns, struct span value, size_t way)
{
	struct needle *v = &ns->v[ns->n];

	INVARIANT(ns->n < NEEDLES_MAX);
	*v = (struct needle){ .value = value,
		.way = way,
		.n = way < DISGUISES ? digits_disguised(value.n, way) : value.n };
	if (v->n < PIECE_BYTES)
		return;
	size_t tail = tail_bytes(v), stride = tail - PIECE_BYTES + 1;
	if (way < DISGUISES)
		digits_disguise_part(value, way, v->n - tail, tail, v->tail);
	else
		memcpy(v->tail, value.p + value.n - tail, tail);
	pieces_add(&ns->pieces, span_of(v->tail, tail));
	INVARIANT(stride > 0 && tail <= NEEDLE_TAIL);
	ns->stride = ns->n++ == 0 || stride < ns->stride ? stride : ns->stride;
}

/* Returns true if the needle is in the text with its tail at `at`. */
static bool
is_at(const struct needle *v, struct span text, size_t at)
{
	size_t tail = tail_bytes(v), head = v->n - tail;

	if (at < head || text.n - at < tail || memcmp(text.p + at, v->tail, tail) != 0)
		return false;
	if (v->way == DISGUISES)
		return memcmp(text.p + at - head, v->value.p, head) == 0;
	for (size_t i = 0; i < head; i++) {
		char digit;
		digits_disguise_part(v->value, v->way, i, 1, &digit);
		if (text.p[at - head + i] != digit)
			return false;
	}
	return true;
}

int
needles_each(const struct needles *ns, struct span text, needle_fn *take, void *arg)
{
	for (size_t i = 0; ns->n && i + PIECE_BYTES <= text.n; i += ns->stride) {
		if (!has_piece(&ns->pieces, text.p + i))
			continue;
		for (const struct needle *v = ns->v; v < ns->v + ns->n; v++)
			for (size_t of = 0; of < ns->stride && of <= i; of++) {
				if (memcmp(text.p + i, v->tail + of, PIECE_BYTES) != 0 ||
					!is_at(v, text, i - of))
					continue;
				size_t end = i - of + tail_bytes(v);
				INVARIANT(end >= v->n && end <= text.n);
				int err = take(arg, v, span_cut(text, end - v->n, end));
				if (err)
					return err;
			}
	}
	return 0;
}
