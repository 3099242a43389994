/* A few values, each looked for as it is in many texts: a filter of their pieces of four bytes
 * says of nearly every text that none is in it, by a look at four bytes in thirteen or fewer. */
#ifndef TEXT_NEEDLES_H
#define TEXT_NEEDLES_H

#include "base/span.h"

enum { PIECE_BYTES = 4, NEEDLES_MAX = 8, NEEDLE_TAIL = 16, NEEDLE_BITS = 12 };

/* Pieces of PIECE_BYTES bytes, two bits each, by hash. */
struct pieces {
	uint64_t bits[(1u << NEEDLE_BITS) / 64];
};

/* Those of the text, wherever they begin. */
void pieces_add(struct pieces *p, struct span text);
/* Whether one of them begins at a place in the text that `stride` divides, perhaps. */
bool pieces_meet(const struct pieces *p, struct span text, size_t stride);

/* All zero: none. Owner: whoever adds. */
struct needles {
	struct span v[NEEDLES_MAX];
	size_t n;
	size_t stride; /* any `stride` starts of pieces in a row meet each; 0: look for all */
	struct pieces pieces;
};

/* `value` is borrowed, and not empty. */
void needles_add(struct needles *ns, struct span value);
/* The first of them from number `which` on that is in the text; ns->n: none. */
size_t needles_next(const struct needles *ns, struct span text, size_t which);

#endif
