/* Early reject of words: sets of words by up to eight letters at an end of each. A no is never
 * wrong, a yes means nothing. Letters of ASCII, without case; where there are others or
 * apostrophes, the answer is yes. Not included outside names*.c. */
#ifndef SCAN_DETECT_NAMES_NAMES_EIGHTS_H
#define SCAN_DETECT_NAMES_NAMES_EIGHTS_H

#include "base/span.h"

enum { EIGHT_BITS = 14 };

struct eights {
	uint64_t v[(1u << EIGHT_BITS) / 64];
};

/* Adds a term by the first of its letters, up to what is none, or by its last ones. */
void eights_put(struct eights *s, struct span term, bool last);
/* Whether the text may end with a word whose last letters are in the set; a capital may
 * begin it inside a longer one. */
bool eights_end(const struct eights *s, struct span text);
/* Whether the text may begin with a word whose first letters are in the set. */
bool eights_begin(const struct eights *s, struct span text);

#endif
