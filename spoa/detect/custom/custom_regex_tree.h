/* A policy's own pattern as a tree: what the reader makes of its text and the study draws
 * conclusions from. Not included outside detect/custom_regex*.c. */
#ifndef DETECT_CUSTOM_REGEX_TREE_H
#define DETECT_CUSTOM_REGEX_TREE_H

#include "base/arena.h"
#include "base/buf.h"
#include "detect/prefilter/bits.h"

enum kind { RE_SET, RE_CAT, RE_ALT, RE_REPEAT, RE_LOOK, RE_EDGE };

struct re {
	enum kind kind;
	struct re *child, *next;
	uint64_t set[4]; /* RE_SET: first bytes of the character */
	char exact[4];	 /* RE_SET: the only character, */
	uint8_t nexact;	 /* and its bytes; 0: one of several */
	bool letter;	 /* RE_SET: that letter in either case */
	uint8_t bytes_min, bytes_max;
	unsigned min, max; /* RE_REPEAT */
	bool possessive;
	bool negative; /* RE_LOOK */
	bool boundary; /* RE_EDGE: \b */
};

struct regex_reader {
	struct arena *a;
	struct span s;
	size_t i;
	unsigned depth;
	bool caseless, utf;
	struct buf out; /* the text with open repetitions bounded; the caller's to free */
	size_t copied;	/* of s into out */
	char *why;	/* 200 bytes */
	size_t *at;
	bool failed;
	bool rough; /* the set in brackets is larger than what it stands for */
};

/* The whole of r->s; NULL or r->failed where it is refused. */
const struct re *regex_read(struct regex_reader *r);
void regex_refuse(struct regex_reader *r, size_t at, const char *why);

static inline void
add_range(uint64_t set[4], unsigned from, unsigned to)
{
	for (; from <= to; from++)
		set_add(set, (unsigned char)from);
}

#endif
