/* FNV-1a, the hash of Fowler, Noll and Vo, with 64 and with 32 bits. It suits tables whose keys
 * no caller chooses at will, since colliding keys are easy to construct. Start with the basis
 * and feed the hash of the previous part to the next call. */
#ifndef BASE_FNV_H
#define BASE_FNV_H

#include <stddef.h>
#include <stdint.h>

#define FNV64_BASIS UINT64_C(0xcbf29ce484222325)
#define FNV32_BASIS UINT32_C(0x811c9dc5)

/* Adds one value. FNV-1a adds single bytes; a wider value is mixed in one step. */
static inline uint64_t
fnv64_step(uint64_t hash, uint64_t value)
{
	return (hash ^ value) * UINT64_C(0x100000001b3);
}

static inline uint32_t
fnv32_step(uint32_t hash, uint32_t value)
{
	return (hash ^ value) * UINT32_C(0x01000193);
}

/* Adds n bytes. */
static inline uint64_t
fnv64_bytes(uint64_t hash, const void *bytes, size_t n)
{
	const unsigned char *p = bytes;

	for (size_t i = 0; i < n; i++)
		hash = fnv64_step(hash, p[i]);
	return hash;
}

static inline uint32_t
fnv32_bytes(uint32_t hash, const void *bytes, size_t n)
{
	const unsigned char *p = bytes;

	for (size_t i = 0; i < n; i++)
		hash = fnv32_step(hash, p[i]);
	return hash;
}

#endif
