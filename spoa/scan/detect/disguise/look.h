/* Classifies the bytes of a text in blocks of 64 (base/block.h), to skip text without
 * obfuscation early. For nearly all text this is the only look at its bytes. */
#ifndef SCAN_DETECT_DISGUISE_LOOK_H
#define SCAN_DETECT_DISGUISE_LOOK_H

#include "base/block.h"

/* One bit for each byte of a block. If a class depends on bytes after the block, a bit is set if
 * any following bytes could make it true. */
struct look {
	uint64_t hidden; /* above ASCII, or one of \ % & = ^ [ or a control character other than
			  * space characters */
	uint64_t token;	 /* a letter, a digit, + / - _ */
	uint64_t alnum;
	uint64_t digit;
	uint64_t gap;	/* may separate groups of digits: spaces, most punctuation, above ASCII */
	uint64_t sign;	/* one of " ' ` \n * ~ < | ( [ { @ */
	uint64_t cross; /* u, v, x, z in either case */
	uint64_t blank; /* a space character ' ' */
	uint64_t at;	/* no letter or digit, followed by "at", "ar" or "ap" */
};

/* Returns the bits shifted so that bit i is the one n bytes later. `next` has the bits of the
 * next block. */
static inline uint64_t
look_on(uint64_t x, uint64_t next, unsigned n)
{
	return x >> n | next << (64 - n);
}

/* Returns the bits of x without another bit directly before or after. `before` is the last bit
 * of the previous block, `next` the next block. */
static inline uint64_t
look_alone(uint64_t x, bool before, uint64_t next)
{
	return x & ~(x << 1 | before) & ~look_on(x, next, 1);
}


#endif
