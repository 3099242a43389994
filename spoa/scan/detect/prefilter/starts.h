/* Finds the places in a block of 64 bytes at which patterns and words may begin, as bit masks,
 * with the block classifier (base/block.h). Pure; any thread. Private to detect/. */
#ifndef SCAN_DETECT_PREFILTER_STARTS_H
#define SCAN_DETECT_PREFILTER_STARTS_H

#include "scan/detect/prefilter/prefilter.h"

/* Bit k stands for byte k of the block. Bits of `literal` and `byte` beyond the end of the text
 * are 0. */
struct starts {
	/* the first four bytes match a literal, except for case and hash collisions */
	uint64_t literal;
	uint64_t byte; /* a byte with which patterns begin */
	uint64_t digit, upper, lower;
};

/* Classifies the block at p. `room`: bytes from p to the end of the text; at most a block is
 * classified. */
void starts_at(const struct prefilter *f, const char *p, size_t room, struct starts *out);
/* The same without vector instructions, for tests. */
void starts_at_plain(const struct prefilter *f, const char *p, size_t room, struct starts *out);

/* Finds the first block at or after `at` that has the beginning of a word with a capital
 * (`small`: any letter) or a byte outside ASCII. Returns its offset, with these bytes in *bits;
 * text.n if there is none. No ASCII letter, digit or '_' is before such a word. Blocks are
 * counted from `at`. */
size_t starts_next_word(struct span text, size_t at, bool small, uint64_t *bits);

/* Bits beyond the end of the text have no meaning. */
struct word_starts {
	/* no letter is before (ASCII, or two bytes of UTF-8; before a letter in ASCII, a Latin
	 * one); or a lower-case letter is before a capital; or the script has no spaces */
	uint64_t begins;
	uint64_t alnum; /* an ASCII letter or digit, or the first byte of a longer character */
	uint64_t digit;
};

/* Returns the places in the block at `at` where words may begin. */
struct word_starts word_starts(struct span text, size_t at);

#endif
