/* Sets as bits: of sixty-four places, the first lowest, and of bytes. Not included
 * outside detect/. */
#ifndef DETECT_BITS_H
#define DETECT_BITS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The first n of them; all from 64 on. */
static inline uint64_t
bits_below(size_t n)
{
	return n < 64 ? (UINT64_C(1) << n) - 1 : ~UINT64_C(0);
}

static inline bool
set_has(const uint64_t set[4], char c)
{
	return set[(unsigned char)c >> 6] >> ((unsigned char)c & 63) & 1;
}

/* Whether no such byte is ASCII but a letter or a digit. */
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

#endif
