/* Finds the members of sets in blocks of 64 bytes.
 *
 * With AVX2, a set is a table of 16 bytes: the lower half of a byte selects an entry, and the
 * upper half selects a bit in it. One shuffle instruction looks up 32 bytes. Bytes
 * beyond ASCII have a table of their own.
 *
 * Without AVX2, one look-up in `of` returns all sets of a byte. Eight bytes are collected in a
 * word, from which one multiplication gathers a bit for each byte. */
#include "base/bits.h"
#include "base/block.h"

#ifdef __x86_64__
#include <immintrin.h>
#endif

void
block_sets_add(struct block_sets *s, unsigned k, unsigned char byte)
{
	uint16_t bit = (uint16_t)(1u << k);
	bool all = true;

	s->n = k < s->n ? s->n : k + 1;
	s->of[byte] |= bit;
	(byte < 0x80 ? s->v[k].ascii : s->v[k].high)[byte & 15] |=
		(uint8_t)(1u << (byte >> 4 & 7));
	for (unsigned c = 0x80; c < 256; c++)
		all &= (s->of[c] & bit) != 0;
	s->high |= byte < 0x80 ? 0 : bit;
	s->all_high |= all ? bit : 0;
}

void
block_sets_fill(struct block_sets *s, bool (*const *classes)(char))
{
	for (unsigned k = 0; classes[k]; k++)
		for (unsigned c = 0; c < 256; c++)
			if (classes[k]((char)c))
				block_sets_add(s, k, (unsigned char)c);
}

/* Returns a pointer to a whole block: p itself, or `last` filled with the n bytes of p and
 * zeros. */
static inline const char *
whole_block(const char *p, size_t n, char last[BLOCK])
{
	if (n >= BLOCK)
		return p;
	memset(last, 0, BLOCK);
	return memcpy(last, p, n);
}

/* ---- without vectors ---- */

/* Gathers the lowest bit of each of eight bytes in one byte. The lowest byte's bit is the
 * lowest. */
static inline uint64_t
bits_of(uint64_t eight)
{
	return (eight & UINT64_C(0x0101010101010101)) * UINT64_C(0x0102040810204080) >> 56;
}

void
block_classify_plain(const struct block_sets *s, const char *p, size_t n, uint64_t *bits)
{
	char last[BLOCK];

	p = whole_block(p, n, last);
	memset(bits, 0, s->n * sizeof(*bits));
	for (unsigned i = 0; i < BLOCK; i += 8) {
		uint64_t low = 0, high = 0;
		for (unsigned k = 0; k < 8; k++) {
			uint64_t in = s->of[(unsigned char)p[i + k]];
			low |= (in & 0xFF) << (8 * k);
			high |= in >> 8 << (8 * k);
		}
		for (unsigned k = 0; k < s->n; k++)
			bits[k] |= bits_of(k < 8 ? low >> k : high >> (k - 8)) << i;
	}
	for (unsigned k = 0; k < s->n; k++)
		bits[k] &= bits_below(n);
}

/* ---- with AVX2 ---- */

#ifdef __x86_64__
#define AVX2 __attribute__((target("avx2")))

AVX2 static inline __m256i
half_block(const char *p)
{
	return _mm256_loadu_si256((const __m256i *)(const void *)p);
}

/* Returns, for each byte, the bit of its upper half without the highest bit. */
AVX2 static inline __m256i
upper_halves(__m256i v)
{
	const __m256i bit_of = _mm256_setr_epi8(1, 2, 4, 8, 16, 32, 64, -128, 1, 2, 4, 8, 16,
		32, 64, -128, 1, 2, 4, 8, 16, 32, 64, -128, 1, 2, 4, 8, 16, 32, 64, -128);

	return _mm256_shuffle_epi8(
		bit_of, _mm256_and_si256(_mm256_srli_epi16(v, 4), _mm256_set1_epi8(15)));
}

AVX2 static inline uint64_t
both(__m256i a, __m256i b)
{
	return (uint64_t)(uint32_t)_mm256_movemask_epi8(b) << 32 |
	       (uint32_t)_mm256_movemask_epi8(a);
}

AVX2 static inline uint64_t
members(const uint8_t half[16], __m256i a, __m256i b, __m256i bit_a, __m256i bit_b)
{
	__m256i in = _mm256_broadcastsi128_si256(
		_mm_loadu_si128((const __m128i *)(const void *)half));

	/* The shuffle returns 0 for a byte whose highest bit is set. */
	a = _mm256_and_si256(_mm256_shuffle_epi8(in, a), bit_a);
	b = _mm256_and_si256(_mm256_shuffle_epi8(in, b), bit_b);
	return both(_mm256_cmpeq_epi8(a, bit_a), _mm256_cmpeq_epi8(b, bit_b));
}

AVX2 void
block_classify_avx2(const struct block_sets *s, const char *p, uint64_t *bits)
{
	__m256i a = half_block(p), b = half_block(p + BLOCK / 2);
	__m256i bit_a = upper_halves(a), bit_b = upper_halves(b);

	const struct block_set *set = s->v;
	for (uint64_t *out = bits, *end = bits + s->n; out < end; out += 2, set += 2) {
		out[0] = members(set[0].ascii, a, b, bit_a, bit_b);
		out[1] = members(set[1].ascii, a, b, bit_a, bit_b);
	}
	uint64_t high = both(a, b);
	if (!high)
		return;
	const __m256i flip = _mm256_set1_epi8(-128);
	for (unsigned sets = s->high; sets; sets &= sets - 1) {
		unsigned k = (unsigned)__builtin_ctz(sets);
		bits[k] |= s->all_high >> k & 1
				   ? high
				   : members(s->v[k].high, _mm256_xor_si256(a, flip),
					     _mm256_xor_si256(b, flip), bit_a, bit_b);
	}
}

#else
void
block_classify_avx2(const struct block_sets *s, const char *p, uint64_t *bits)
{
	block_classify_plain(s, p, BLOCK, bits);
}
#endif

void
block_classify_rest(const struct block_sets *s, const char *p, size_t n, uint64_t *bits)
{
	char last[BLOCK];

	if (!block_vectors()) {
		block_classify_plain(s, p, n, bits);
		return;
	}
	block_classify_avx2(s, whole_block(p, n, last), bits);
	for (unsigned k = 0; k < s->n; k++)
		bits[k] &= bits_below(n);
}
