/* Remembers pairs of short texts, at most SEEN_TEXTS of them. Only hashes with a random key are
 * stored, not the texts. owner: its maker; one thread. */
#ifndef BASE_SEEN_H
#define BASE_SEEN_H

#include "base/span.h"

enum { SEEN_TEXTS = 128, SEEN_HASH = 16, SEEN_BYTES = 128 };

struct seen {
	unsigned char key[16];
	unsigned char v[SEEN_TEXTS][SEEN_HASH]; /* a table by hash; all zeros: unused */
};

/* Returns NULL if memory is exhausted. The caller frees the result with free(). */
struct seen *seen_new(void);
/* Returns true if the pair was added with that kind. Both texts together have at most
 * SEEN_BYTES. A pair that was added may have been forgotten. *hash is set to the argument for
 * seen_add(). */
bool seen_has(const struct seen *s, unsigned char kind, struct span one, struct span other,
	unsigned char hash[SEEN_HASH]);
void seen_add(struct seen *s, const unsigned char hash[SEEN_HASH]);

#endif
