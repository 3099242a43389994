/* Sets as bits: 64 positions of a block in one word (the first position is the lowest bit), and
 * sets of byte values in four words. */
#ifndef BASE_BITS_H
#define BASE_BITS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Returns a word with the lowest n bits set; all of them for n >= 64. */
static inline uint64_t
bits_below(size_t n)
{
	return n < 64 ? (UINT64_C(1) << n) - 1 : ~UINT64_C(0);
}

/* Keeps those bits of a 64-byte block (starting at `base`) for which the expression `holds` is
 * true at position `at`. */
#define BITS_WHERE(bits, base, at, holds)                                                      \
	__extension__({                                                                        \
		uint64_t out_ = 0;                                                             \
		for (uint64_t x_ = (bits); x_; x_ &= x_ - 1) {                                 \
			size_t at = (base) + (size_t)__builtin_ctzll(x_);                      \
			if (holds)                                                             \
				out_ |= x_ & -x_;                                              \
		}                                                                              \
		out_;                                                                          \
	})

static inline bool
set_has(const uint64_t set[4], char c)
{
	return set[(unsigned char)c >> 6] >> ((unsigned char)c & 63) & 1;
}

/* Returns true if every ASCII byte in the set is a letter or a digit. */
static inline bool
set_begins_alnum(const uint64_t first[4])
{
	return !(first[0] & ~(UINT64_C(0x3FF) << '0')) &&
	       !(first[1] & ~UINT64_C(0x07FFFFFE07FFFFFE));
}

static inline void
set_add(uint64_t set[4], unsigned char c)
{
	set[c >> 6] |= UINT64_C(1) << (c & 63);
}

/* Adds the bytes `from` to `to`; adds nothing if from > to. */
static inline void
set_add_range(uint64_t set[4], unsigned from, unsigned to)
{
	for (; from <= to && from < 256; from++)
		set_add(set, (unsigned char)from);
}

static inline void
set_join(uint64_t set[4], const uint64_t more[4])
{
	for (int i = 0; i < 4; i++)
		set[i] |= more[i];
}

static inline void
set_invert(uint64_t set[4])
{
	for (int i = 0; i < 4; i++)
		set[i] = ~set[i];
}

static inline bool
set_meets(const uint64_t a[4], const uint64_t b[4])
{
	return (a[0] & b[0]) | (a[1] & b[1]) | (a[2] & b[2]) | (a[3] & b[3]);
}

#endif
