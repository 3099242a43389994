/* Short texts in which nothing was found: path, model's name, names of members. Most requests
 * have the same ones, and a scan of them costs more than its bytes. Kept are hashes under a
 * random key, no text. owner: the worker, and one rule set's */
#ifndef GATE_CLEAN_H
#define GATE_CLEAN_H

#include "base/span.h"

enum { CLEAN_TEXTS = 128, CLEAN_HASH = 16, CLEAN_BYTES = 128 };

struct clean_texts {
	unsigned char key[16];
	unsigned char known[CLEAN_TEXTS][CLEAN_HASH]; /* by hash; zeros: none */
};

/* NULL: out of memory. Freed by free(). */
struct clean_texts *clean_texts_new(void);
/* The hash of a text with what is before it, CLEAN_BYTES together at most, searched for `all`
 * or for less. True where nothing is in it. */
bool clean_known(const struct clean_texts *c, struct span before, struct span text, bool all,
	unsigned char hash[CLEAN_HASH]);
void clean_add(struct clean_texts *c, const unsigned char hash[CLEAN_HASH]);

#endif
