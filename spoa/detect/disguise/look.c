/* The look at a block: with AVX2, chosen when the program runs, thirty-two bytes at a time,
 * else eight. Both give the same bits. */
#include "detect/disguise/look.h"

#include <string.h>

#include "base/bits.h"

#ifdef __x86_64__
#include <immintrin.h>
#endif

/* ---- sets of ASCII characters ---- */

/* clang-format off */
#define IS_DIGIT(c)  ((c) >= '0' && (c) <= '9')
#define IS_ALNUM(c)  (IS_DIGIT(c) || (((c) | 0x20) >= 'a' && ((c) | 0x20) <= 'z'))
#define IS_TOKEN(c)  (IS_ALNUM(c) || (c) == '+' || (c) == '/' || (c) == '-' || (c) == '_')
#define IS_HIDDEN(c) ((c) == '\\' || (c) == '%' || (c) == '&' || (c) == '=' || \
	((c) < 0x20 && (c) != '\t' && (c) != '\n' && (c) != '\r'))
#define IS_SIGN(c)   ((c) == '"' || (c) == '\'' || (c) == '`' || (c) == '\n' || (c) == '*' || (c) == '~' || \
	(c) == '<' || (c) == '|' || (c) == '(' || (c) == '[' || (c) == '{' || (c) == '@')
#define IS_GAP(c)    ((c) == '\t' || (c) == '\n' || (c) == '\r' || ((c) >= ' ' && (c) <= '#') || \
	((c) >= '&' && (c) <= '/') || ((c) >= ':' && (c) <= '?') || ((c) >= '[' && (c) <= '`') || \
	((c) >= '{' && (c) <= '~'))
#define IS_BLANK(c)  ((c) == ' ')
#define IS_A(c)      (((c) | 0x20) == 'a')
#define IS_T_R_P(c)  (((c) | 0x20) == 't' || ((c) | 0x20) == 'r' || ((c) | 0x20) == 'p')
#define IS_CROSS(c)                                                                            \
	(((c) | 0x20) == 'u' || ((c) | 0x20) == 'v' || ((c) | 0x20) == 'x' ||                  \
		((c) | 0x20) == 'z')
/* clang-format on */

enum { HIDDEN, TOKEN, ALNUM, DIGIT, GAP, SIGN, CROSS, BLANK, A, T_R_P, SETS };

/* The masks that need no more than their own byte become those that do. */
static inline __attribute__((always_inline)) void
finish(const uint64_t m[SETS], size_t n, struct look *l)
{
	uint64_t within = bits_below(n);

	l->hidden = m[HIDDEN] & within;
	l->token = m[TOKEN] & within;
	l->alnum = m[ALNUM] & within;
	l->digit = m[DIGIT] & within;
	l->gap = m[GAP] & within;
	l->sign = m[SIGN] & within;
	l->cross = m[CROSS] & within;
	l->blank = m[BLANK] & within;
	l->at = ~m[ALNUM] & within & look_on(m[A] | ~within, 1, 1) &
		look_on(m[T_R_P] | ~within, 3, 2);
}

/* ---- without vectors ---- */

/* clang-format off */
#define LOWER(c) (((c) >= 0x80 || IS_HIDDEN(c)) << HIDDEN | IS_TOKEN(c) << TOKEN | IS_ALNUM(c) << ALNUM | \
	IS_DIGIT(c) << DIGIT | ((c) >= 0x80 || IS_GAP(c)) << GAP | IS_SIGN(c) << SIGN | IS_CROSS(c) << CROSS)
#define UPPER(c) (IS_BLANK(c) | IS_A(c) << (A - BLANK) | IS_T_R_P(c) << (T_R_P - BLANK))
#define FOUR(of, c)  of(c), of((c) + 1), of((c) + 2), of((c) + 3)
#define ROW(of, c)   FOUR(of, c), FOUR(of, (c) + 4), FOUR(of, (c) + 8), FOUR(of, (c) + 12)
#define ALL(of) ROW(of, 0x00), ROW(of, 0x10), ROW(of, 0x20), ROW(of, 0x30), ROW(of, 0x40), ROW(of, 0x50), \
	ROW(of, 0x60), ROW(of, 0x70), ROW(of, 0x80), ROW(of, 0x90), ROW(of, 0xA0), ROW(of, 0xB0), \
	ROW(of, 0xC0), ROW(of, 0xD0), ROW(of, 0xE0), ROW(of, 0xF0)
/* clang-format on */

/* A bit for each set. */
static const uint8_t lower_sets[256] = { ALL(LOWER) }, upper_sets[256] = { ALL(UPPER) };

/* The lowest bits of eight bytes, the lowest byte's first. */
static inline uint64_t
bits_of(uint64_t eight)
{
	return (eight & UINT64_C(0x0101010101010101)) * UINT64_C(0x0102040810204080) >> 56;
}

static void
block_plain(const char *p, uint64_t m[SETS])
{
	memset(m, 0, SETS * sizeof(*m));
	for (unsigned i = 0; i < LOOK_BLOCK; i += 8) {
		uint64_t lower = 0, upper = 0;
		for (unsigned k = 0; k < 8; k++) {
			lower |= (uint64_t)lower_sets[(unsigned char)p[i + k]] << (8 * k);
			upper |= (uint64_t)upper_sets[(unsigned char)p[i + k]] << (8 * k);
		}
		for (unsigned s = HIDDEN; s < BLANK; s++)
			m[s] |= bits_of(lower >> s) << i;
		for (unsigned s = BLANK; s < SETS; s++)
			m[s] |= bits_of(upper >> (s - BLANK)) << i;
	}
}

/* ---- with AVX2 ---- */

#ifdef __x86_64__
/* clang-format off */
/* For each low half of a byte a bit for each high half below 8 that is in the set with it. */
#define HALF(is, c) (uint8_t)(is(c) | is((c) + 0x10) << 1 | is((c) + 0x20) << 2 | is((c) + 0x30) << 3 | \
	is((c) + 0x40) << 4 | is((c) + 0x50) << 5 | is((c) + 0x60) << 6 | is((c) + 0x70) << 7)
#define HALVES(is) { HALF(is, 0), HALF(is, 1), HALF(is, 2), HALF(is, 3), HALF(is, 4), HALF(is, 5), \
	HALF(is, 6), HALF(is, 7), HALF(is, 8), HALF(is, 9), HALF(is, 10), HALF(is, 11), \
	HALF(is, 12), HALF(is, 13), HALF(is, 14), HALF(is, 15) }
/* clang-format on */

static const uint8_t halves[SETS][16] = {
	[HIDDEN] = HALVES(IS_HIDDEN),
	[TOKEN] = HALVES(IS_TOKEN),
	[ALNUM] = HALVES(IS_ALNUM),
	[DIGIT] = HALVES(IS_DIGIT),
	[GAP] = HALVES(IS_GAP),
	[SIGN] = HALVES(IS_SIGN),
	[CROSS] = HALVES(IS_CROSS),
	[BLANK] = HALVES(IS_BLANK),
	[A] = HALVES(IS_A),
	[T_R_P] = HALVES(IS_T_R_P),
};

__attribute__((target("avx2"), always_inline)) static inline __m256i
members(const uint8_t set[16], __m256i v, __m256i bit)
{
	__m256i of = _mm256_broadcastsi128_si256(
		_mm_loadu_si128((const __m128i *)(const void *)set));

	/* A byte above ASCII looks up nothing. */
	return _mm256_cmpeq_epi8(_mm256_and_si256(_mm256_shuffle_epi8(of, v), bit), bit);
}

__attribute__((target("avx2"), always_inline)) static inline void
block_avx2(const char *p, uint64_t m[SETS])
{
	const __m256i bit_of = _mm256_setr_epi8(1, 2, 4, 8, 16, 32, 64, -128, 1, 2, 4, 8, 16,
		32, 64, -128, 1, 2, 4, 8, 16, 32, 64, -128, 1, 2, 4, 8, 16, 32, 64, -128);
	const __m256i half = _mm256_set1_epi8(15);
	__m256i v[2], bit[2];

	for (unsigned i = 0; i < 2; i++) {
		v[i] = _mm256_loadu_si256((const __m256i *)(const void *)(p + 32 * i));
		bit[i] = _mm256_shuffle_epi8(
			bit_of, _mm256_and_si256(_mm256_srli_epi16(v[i], 4), half));
	}
#pragma GCC unroll 16
	for (unsigned s = 0; s < SETS; s++) {
		__m256i lo = members(halves[s], v[0], bit[0]);
		__m256i hi = members(halves[s], v[1], bit[1]);
		if (s == HIDDEN || s == GAP) {
			lo = _mm256_or_si256(lo, v[0]);
			hi = _mm256_or_si256(hi, v[1]);
		}
		m[s] = (uint64_t)(uint32_t)_mm256_movemask_epi8(hi) << 32 |
		       (uint32_t)_mm256_movemask_epi8(lo);
	}
}

__attribute__((target("avx2"))) static void
look_avx2(const char *p, size_t n, struct look *l)
{
	uint64_t m[SETS];
	char last[LOOK_BLOCK] = { 0 };

	for (; n >= LOOK_BLOCK; p += LOOK_BLOCK, n -= LOOK_BLOCK, l++) {
		block_avx2(p, m);
		finish(m, LOOK_BLOCK, l);
	}
	if (n == 0)
		return;
	memcpy(last, p, n);
	block_avx2(last, m);
	finish(m, n, l);
}
#endif

/* ---- any number of bytes ---- */

void
look_plainly(const char *p, size_t n, struct look *l)
{
	uint64_t m[SETS];
	char last[LOOK_BLOCK] = { 0 };

	for (; n >= LOOK_BLOCK; p += LOOK_BLOCK, n -= LOOK_BLOCK, l++) {
		block_plain(p, m);
		finish(m, LOOK_BLOCK, l);
	}
	if (n == 0)
		return;
	memcpy(last, p, n);
	block_plain(last, m);
	finish(m, n, l);
}

void
look_over(const char *p, size_t n, struct look *l)
{
#ifdef __x86_64__
	if (__builtin_cpu_supports("avx2")) {
		look_avx2(p, n, l);
		return;
	}
#endif
	look_plainly(p, n, l);
}
