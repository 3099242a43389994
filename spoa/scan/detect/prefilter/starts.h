/* Where in a block of sixty-four bytes patterns and words may begin, as bits, by the block
 * classifier (base/block.h). Not included outside detect/. */
#ifndef SCAN_DETECT_PREFILTER_STARTS_H
#define SCAN_DETECT_PREFILTER_STARTS_H

#include "scan/detect/prefilter/prefilter.h"

/* Bit k is byte k of the block; none after the text's end. */
struct starts {
	uint64_t literal; /* the first four bytes of a literal, but for their case */
	uint64_t byte;	  /* a byte that patterns begin at */
	uint64_t digit, upper, lower;
};

/* Looks at the first n bytes of p, a block at most; `room` bytes of p may be read. */
void starts_at(const struct prefilter *f, const char *p, size_t room, struct starts *out);
/* The same without vectors, for tests. */
void starts_at_plain(const struct prefilter *f, const char *p, size_t room, struct starts *out);

/* The first block from the one at `at` on in which a word begins with a capital, or with
 * any letter where `small`, or that has a byte beyond ASCII: its place, in *bits which
 * bytes; the text's end: none. No letter, digit or '_' of ASCII comes before such a word. */
size_t starts_next_word(struct span text, size_t at, bool small, uint64_t *bits);

/* Bits after the text's end mean nothing. */
struct word_starts {
	uint64_t begins; /* no letter before (ASCII's, of two bytes), or a small one before a
			  * capital, or a byte of scripts that do not part words */
	uint64_t alnum;	 /* a letter or digit, or the first byte of a longer character */
	uint64_t digit;
};

/* Where words may begin in the block at `at`. */
struct word_starts word_starts(struct span text, size_t at);

#endif
