/* Sixty-four places as bits, the first lowest. Not included outside detect/. */
#ifndef DETECT_BITS_H
#define DETECT_BITS_H

#include <stddef.h>
#include <stdint.h>

/* The first n of them; all from 64 on. */
static inline uint64_t
bits_below(size_t n)
{
	return n < 64 ? (UINT64_C(1) << n) - 1 : ~UINT64_C(0);
}

#endif
