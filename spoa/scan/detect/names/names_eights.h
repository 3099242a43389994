/* Early reject of words: sets of words by up to eight letters at one end of each. A negative
 * answer is never wrong; a positive answer proves nothing. Only ASCII letters are compared,
 * without case. If a word has other letters or apostrophes, the answer is positive. Not included
 * outside names*.c. */
#ifndef SCAN_DETECT_NAMES_NAMES_EIGHTS_H
#define SCAN_DETECT_NAMES_NAMES_EIGHTS_H

#include "base/span.h"

enum { EIGHT_BITS = 14 };

/* A set, as a Bloom filter with one hash. Part of the table that owns it. */
struct eights {
	uint64_t v[(1u << EIGHT_BITS) / 64];
};

/* Adds a term by its last letters, or by its first letters up to a character that is no letter. */
void eights_put(struct eights *s, struct span term, bool last);
/* Returns false if the text does not end with a word whose last letters are in the set. A
 * capital may begin such a word inside a longer one. */
bool eights_end(const struct eights *s, struct span text);
/* Returns false if the text does not begin with a word whose first letters are in the set. */
bool eights_begin(const struct eights *s, struct span text);

#endif
