/* A list of words that say what a value is. Not included outside detect/. */
#ifndef DETECT_WORDS_H
#define DETECT_WORDS_H

#include "base/span.h"

struct word_link {
	uint16_t pair; /* a word's first two bytes; a blank where there is no second */
	uint16_t next; /* the next word whose first byte has these five bits, and one */
};

struct words {
	const struct word_link *links; /* of each word */
	uint16_t from[32];	       /* the first of them by the five bits, and one */
	const struct span *v; /* lower-case ASCII; a space is for any run of separators */
	size_t n;
	uint64_t first[4];   /* first bytes, both cases: the early reject */
	uint32_t second[32]; /* second bytes' low five bits, by those of the first */
};

static inline uint16_t
words_pair(char first, char second)
{
	return (uint16_t)((unsigned)(unsigned char)first << 8 | (unsigned char)second);
}

#endif
