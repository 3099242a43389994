/* Early reject of text without a disguise: which bytes of a block may be part of one, as bits,
 * by the block classifier (base/block.h). For nearly all of a text it is the only look. */
#ifndef SCAN_DETECT_DISGUISE_LOOK_H
#define SCAN_DETECT_DISGUISE_LOOK_H

#include "base/block.h"

/* Bit i: byte i of the block is … What depends on bytes after the block's end is said of
 * any that could be there. */
struct look {
	uint64_t hidden; /* above ASCII, \ % & = ^ [ or a control character other than \t \n \r
			  */
	uint64_t token;	 /* a letter, a digit, + / - _ */
	uint64_t alnum;
	uint64_t digit;
	uint64_t gap;	/* what may separate groups of digits, <, above ASCII */
	uint64_t sign;	/* " ' ` \n * ~ < | ( [ { @ */
	uint64_t cross; /* u, v, x, z */
	uint64_t blank; /* ' ' */
	uint64_t at;	/* no letter or digit, with "at", "ar" or "ap" after it */
};

/* The bits n on, of which the last are the next block's. */
static inline uint64_t
look_on(uint64_t x, uint64_t next, unsigned n)
{
	return x >> n | next << (64 - n);
}

/* Bits with no other one before or after them: of a block, what is before it and
 * what follows. */
static inline uint64_t
look_alone(uint64_t x, bool before, uint64_t next)
{
	return x & ~(x << 1 | before) & ~look_on(x, next, 1);
}

/* n bytes of text from p, a block after the other. */
void look_over(const char *p, size_t n, struct look *l);

#endif
