/* Finds which bytes of a 64-byte block belong to which of up to 16 sets. The result is one word
 * for each set, in which bit k stands for byte k. AVX2 is used if the processor has it (checked
 * at run time), otherwise eight bytes are handled at a time; the results are equal. */
#ifndef BASE_BLOCK_H
#define BASE_BLOCK_H

#include "base/span.h"

enum { BLOCK = 64, BLOCK_SETS = 16 };

/* Up to BLOCK_SETS sets of bytes. Immutable after it was filled. */
struct block_sets {
	unsigned n;
	uint16_t of[256]; /* for each byte, a bit for each set that holds the byte */
	/* The same sets for vector instructions. Index: the lower half of a byte; bits: the
	 * upper halves with which the byte is in the set. `high` is for bytes beyond ASCII. */
	struct block_set {
		uint8_t ascii[16], high[16];
	} v[BLOCK_SETS];
	/* high: a bit for each set with at least one byte beyond ASCII; all_high: for each set
	 * with all of these bytes */
	uint16_t high, all_high;
};

/* Fills one set for each class, up to a NULL. */
void block_sets_fill(struct block_sets *s, bool (*const *classes)(char));
/* Adds a byte to set k, which may be a new set. */
void block_sets_add(struct block_sets *s, unsigned k, unsigned char byte);

static inline bool
block_vectors(void)
{
#ifdef __x86_64__
	return __builtin_cpu_supports("avx2");
#else
	return false;
#endif
}

/* Classifies a whole block at p with AVX2. `bits` has room for BLOCK_SETS words. */
void block_classify_avx2(const struct block_sets *s, const char *p, uint64_t *bits);
/* Classifies n bytes, which may be fewer than a block: without AVX2, and with it if the
 * processor has it. */
void block_classify_plain(const struct block_sets *s, const char *p, size_t n, uint64_t *bits);
void block_classify_rest(const struct block_sets *s, const char *p, size_t n, uint64_t *bits);

/* Sets bits[k] to the bytes of the block at p that are in set k. n is the number of readable
 * bytes at p, which may be more or less than a block. `bits` has room for BLOCK_SETS words. */
static inline void
block_classify(const struct block_sets *s, const char *p, size_t n, uint64_t *bits)
{
	if (n >= BLOCK && block_vectors())
		block_classify_avx2(s, p, bits);
	else
		block_classify_rest(s, p, n, bits);
}

#endif
