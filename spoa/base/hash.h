/* A fast hash for tables in memory, which mixes eight bytes at a time. The result depends on the
 * byte order, so never store it. */
#ifndef BASE_HASH_H
#define BASE_HASH_H

#include "base/span.h"

/* Mixes s into the hash h. */
static inline uint64_t
hash_words(uint64_t h, struct span s)
{
	uint64_t word;

	for (; s.n >= sizeof(word); s.p += sizeof(word), s.n -= sizeof(word)) {
		memcpy(&word, s.p, sizeof(word));
		h = (h ^ word) * 0x9E3779B97F4A7C15u;
		h ^= h >> 32;
	}
	word = 0;
	if (s.n)
		memcpy(&word, s.p, s.n);
	h = (h ^ word ^ (uint64_t)s.n << 56) * 0x9E3779B97F4A7C15u;
	return h ^ h >> 32;
}

#endif
