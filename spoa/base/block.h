/* Which bytes of a block of sixty-four are in which sets, as bits: bit k is byte k. With AVX2,
 * chosen when the program runs, else eight bytes at a time; both give the same. */
#ifndef BASE_BLOCK_H
#define BASE_BLOCK_H

#include "base/span.h"

enum { BLOCK = 64, BLOCK_SETS = 16 };

struct block_sets {
	unsigned n;
	uint16_t of[256]; /* by byte, a bit for each set it is in */
	/* The same for vectors: by the lower half of a byte, a bit for each upper half. */
	struct block_set {
		uint8_t ascii[16], high[16];
	} v[BLOCK_SETS];
	uint16_t high, all_high; /* bits: sets with a byte beyond ASCII, with all of them */
};

/* A set for each class, up to NULL. */
void block_sets_fill(struct block_sets *s, bool (*const *classes)(char));
/* A byte more in set k, which may be a new one. */
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

/* A whole block at p, with AVX2; bits has room for BLOCK_SETS. */
void block_classify_avx2(const struct block_sets *s, const char *p, uint64_t *bits);
/* Without, and at a text's end: of the n bytes that there are. */
void block_classify_plain(const struct block_sets *s, const char *p, size_t n, uint64_t *bits);
void block_classify_rest(const struct block_sets *s, const char *p, size_t n, uint64_t *bits);

/* bits[k]: those of the block at p that are in set k. n is its bytes, or what there are of it
 * and after it. Room is for BLOCK_SETS. */
static inline void
block_classify(const struct block_sets *s, const char *p, size_t n, uint64_t *bits)
{
	if (n >= BLOCK && block_vectors())
		block_classify_avx2(s, p, bits);
	else
		block_classify_rest(s, p, n, bits);
}

#endif
