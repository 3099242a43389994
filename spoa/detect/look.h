/* Which bytes of a block may be part of a disguise, as bits: the first look at a text,
 * and for nearly all of it the only one. */
#ifndef DETECT_LOOK_H
#define DETECT_LOOK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { LOOK_BLOCK = 64 };

/* Bit i: byte i of the block is … */
struct look {
	uint64_t strange; /* above ASCII, or a control character other than \t \n \r */
	uint64_t escape;  /* \ % & = */
	uint64_t token;	  /* a letter, a digit, + / - _ */
	uint64_t alnum;
	uint64_t digit;
	uint64_t quote;	  /* " ' ` */
	uint64_t line;	  /* \n */
	uint64_t mark;	  /* * ~ < | */
	uint64_t open;	  /* ( [ { @ */
	uint64_t number;  /* v, x, z: of five, seven, six, zero */
	uint64_t blank_a; /* a blank, _ or -, with an "a" behind it or the block's end */
};

/* The bits n on, of which the last are the next block's. */
static inline uint64_t
look_on(uint64_t x, uint64_t next, unsigned n)
{
	return x >> n | next << (64 - n);
}

/* Bits that have neither in front nor behind another: of a block, what is before it and
 * what follows. */
static inline uint64_t
look_alone(uint64_t x, bool before, uint64_t next)
{
	return x & ~(x << 1 | before) & ~look_on(x, next, 1);
}

/* n bytes of text from p, a block after the other. */
void look_over(const char *p, size_t n, struct look *l);
/* The same for at most one block, a byte at a time. */
void look_bytewise(const char *p, size_t n, struct look *l);

#endif
