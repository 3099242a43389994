/* Pairs of short texts that were seen before, a bounded number of them: by hashes under a random
 * key, the texts are not kept. owner: whoever made it */
#ifndef BASE_SEEN_H
#define BASE_SEEN_H

#include "base/span.h"

enum { SEEN_TEXTS = 128, SEEN_HASH = 16, SEEN_BYTES = 128 };

struct seen {
	unsigned char key[16];
	unsigned char v[SEEN_TEXTS][SEEN_HASH]; /* by hash; zeros: none */
};

/* NULL: out of memory. Freed by free(). */
struct seen *seen_new(void);
/* Whether the pair, SEEN_BYTES together at most, was added, with that kind; *hash is what adds
 * it. It may have been forgotten. */
bool seen_has(const struct seen *s, bool kind, struct span one, struct span other,
	unsigned char hash[SEEN_HASH]);
void seen_add(struct seen *s, const unsigned char hash[SEEN_HASH]);

#endif
