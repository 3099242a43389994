/* The sieve: for a block of sixty-four bytes, as bits, where a pattern may begin. Not
 * included outside detect/. */
#ifndef DETECT_SIEVE_H
#define DETECT_SIEVE_H

#include "detect/prefilter/prefilter.h"

/* Bit k is byte k of the block; none behind the text's end. */
struct sieve {
	uint64_t literal; /* the first four bytes of a literal, but for their case */
	uint64_t byte;	  /* a byte that patterns begin at */
	uint64_t digit, upper, lower;
};

/* Looks at the first n bytes of p, a block at most; `room` bytes of p may be read. */
void sieve_at(const struct prefilter *f, const char *p, size_t room, struct sieve *out);
/* The same without vectors, for tests. */
void sieve_at_plain(const struct prefilter *f, const char *p, size_t room, struct sieve *out);

/* The first block from the one at `at` on in which a word begins with a capital, or with
 * any letter where `small`, or a byte beyond ASCII stands: its place, in *bits which
 * bytes; the text's end: none. Before such a word no letter, digit or '_' of ASCII stands. */
size_t sieve_begins(struct span text, size_t at, bool small, uint64_t *bits);

/* Bits behind the text's end mean nothing. */
struct sieve_words {
	uint64_t begins; /* no letter before (ASCII's, of two bytes), or a small one before a
			  * capital, or a byte of scripts that do not part words */
	uint64_t alnum;	 /* a letter or digit, or the first byte of a longer character */
	uint64_t digit;
};

/* Where words may begin in the block at `at`. */
struct sieve_words sieve_words(struct span text, size_t at);

#endif
