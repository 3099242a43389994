/* The key of a sequence of bytes in a table of ranks, both for making the table and for reading
 * it. */
#ifndef BASE_TOKENS_RANKS_KEY_H
#define BASE_TOKENS_RANKS_KEY_H

#include <stdint.h>
#include <string.h>

static inline uint64_t
load_64(const char *p)
{
	uint64_t v;

	memcpy(&v, p, 8);
	return v;
}

static inline uint64_t
load_32(const char *p)
{
	uint32_t v;

	memcpy(&v, p, 4);
	return v;
}

static inline uint64_t
fold_product(uint64_t a, uint64_t b)
{
	unsigned __int128 m = (unsigned __int128)a * b;

	return (uint64_t)m ^ (uint64_t)(m >> 64);
}

/* Returns all bytes if there are 1 to 8, so that equal keys and lengths mean equal bytes;
 * otherwise a hash. */
static inline uint64_t
ranks_key(const char *p, size_t n)
{
	if (n >= 4 && n <= 8)
		return load_32(p) | load_32(p + n - 4) << (8 * (n - 4));
	if (n < 4) {
		uint64_t k = (unsigned char)p[0];
		if (n > 1)
			k |= (uint64_t)(unsigned char)p[1] << 8;
		if (n > 2)
			k |= (uint64_t)(unsigned char)p[2] << 16;
		return k;
	}
	uint64_t h = n;
	for (size_t i = 0; i + 8 < n; i += 8)
		h = fold_product(h ^ load_64(p + i), 0x9E3779B97F4A7C15u);
	return fold_product(h ^ load_64(p + n - 8), 0xD6E8FEB86659FD93u);
}

static inline uint64_t
ranks_hash(uint64_t key, size_t n)
{
	return fold_product(key ^ (n * 0xA24BAED4963EE407u), 0x9FB21C651E98DF25u);
}

static inline uint32_t
ranks_slot_of(uint64_t hash, uint32_t slots)
{
	return (uint32_t)(((hash >> 32) * slots) >> 32);
}

#endif
