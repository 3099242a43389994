/* A few values, each looked for as it is and as digits spell it, in many texts: a filter of
 * their pieces of four bytes says of nearly every text that none is in it, by a look at four
 * bytes in twenty-nine or fewer. */
#ifndef SCAN_TEXT_NEEDLES_H
#define SCAN_TEXT_NEEDLES_H

#include "base/codec/digits.h"
#include "base/span.h"

enum { PIECE_BYTES = 4, NEEDLES_MAX = 1 + DISGUISES, NEEDLE_TAIL = 32, NEEDLE_BITS = 12 };

/* Pieces of PIECE_BYTES bytes, two bits each, by hash. */
struct pieces {
	uint64_t bits[(1u << NEEDLE_BITS) / 64];
};

/* Those of the text, wherever they begin. */
void pieces_add(struct pieces *p, struct span text);
/* Whether one of them begins in the text, perhaps. */
bool pieces_meet(const struct pieces *p, struct span text);

/* All zero: none. Owner: whoever adds. */
struct needles {
	struct needle {
		struct span value;
		size_t way;		/* base/codec/digits.h; DISGUISES: as it is */
		size_t n;		/* bytes of it, so spelled; */
		char tail[NEEDLE_TAIL]; /* the last ones */
	} v[NEEDLES_MAX];
	size_t n;
	size_t stride; /* any `stride` starts of pieces in a row meet each */
	struct pieces pieces;
};

/* `value` is borrowed; nothing where it has fewer than PIECE_BYTES bytes. */
void needles_add(struct needles *ns, struct span value, size_t way);
/* take() gets each place in the text that one of them is at, from left to right by their ends'
 * beginnings; not 0 ends it. 0, or what take() said. */
typedef int needle_fn(void *arg, const struct needle *which, struct span at);
int needles_each(const struct needles *ns, struct span text, needle_fn *take, void *arg);

#endif
