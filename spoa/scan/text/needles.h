/* Searches many texts for a few values, each as it is and as base64 or hexadecimal digits spell
 * it. A filter of four-byte pieces proves for nearly every text that no value is in it. The
 * search looks at four bytes in every 29 (the stride for needles of 32 bytes or more), or more
 * often for shorter needles. */
#ifndef SCAN_TEXT_NEEDLES_H
#define SCAN_TEXT_NEEDLES_H

#include "base/codec/digits.h"
#include "base/span.h"

enum { PIECE_BYTES = 4, NEEDLES_MAX = 1 + DISGUISES, NEEDLE_TAIL = 32, NEEDLE_BITS = 12 };

/* A Bloom filter of pieces of PIECE_BYTES bytes. Each piece sets two bits, chosen by its hash. */
struct pieces {
	uint64_t bits[(1u << NEEDLE_BITS) / 64];
};

/* Adds all pieces of the text, at every offset. */
void pieces_add(struct pieces *p, struct span text);
/* Returns true if a piece of the filter may begin in the text. False positives are possible. */
bool pieces_meet(const struct pieces *p, struct span text);

/* The needles. A zeroed struct is empty. The caller owns it and keeps the values alive; at most
 * NEEDLES_MAX needles fit. */
struct needles {
	struct needle {
		struct span value;
		size_t way;		/* spelling, see base/codec/digits.h; DISGUISES: as the
					 * value is */
		size_t n;		/* bytes of the needle in this spelling */
		char tail[NEEDLE_TAIL]; /* its last bytes, at most NEEDLE_TAIL */
	} v[NEEDLES_MAX];
	size_t n;
	size_t stride; /* among `stride` consecutive offsets of the text, one begins a piece of
			* any needle */
	struct pieces pieces;
};

/* Adds a value in one spelling. `value` is borrowed. A needle of fewer than PIECE_BYTES bytes is
 * ignored. */
void needles_add(struct needles *ns, struct span value, size_t way);
/* Calls take() for each place of a needle in the text. Places are reported in the order of the
 * needles' tails, from left to right. If take() returns non-zero, the search ends. Returns 0, or
 * the value that take() returned. */
typedef int needle_fn(void *arg, const struct needle *which, struct span at);
int needles_each(const struct needles *ns, struct span text, needle_fn *take, void *arg);

#endif
