/* The sieve: for a block of sixty-four bytes, as bits, where a pattern may begin. Not
 * included outside detect/. */
#ifndef DETECT_SIEVE_H
#define DETECT_SIEVE_H

#include "detect/prefilter/prefilter.h"

enum { SIEVE_BLOCK = 64 };

/* Bit k is byte k of the block; none behind the text's end. */
struct sieve {
	uint64_t literal; /* the first four bytes of a literal, but for their case */
	uint64_t byte;	  /* a byte that patterns begin at */
	uint64_t digit, upper, lower;
};

/* Looks at the first n bytes of p, a block at most; `room` bytes of p may be read. */
void sieve_at(const struct prefilter *f, const char *p, size_t room, struct sieve *out);

/* Bit k is byte k of the block; none behind the text's end. */
struct sieve_letters {
	uint64_t upper, alpha, digit;
	uint64_t word; /* a letter, a digit or '_' */
	uint64_t high; /* beyond ASCII */
};

void sieve_letters(struct span text, size_t at, struct sieve_letters *out);

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

/* Of a block with bytes beyond ASCII, by what they are in UTF-8. */
struct sieve_beyond {
	uint64_t lead;	 /* the first of a character */
	uint64_t letter; /* of one of two bytes from U+00C0 on */
	uint64_t late;	 /* from U+0580 on */
};

/* Where words may begin in the block at `at`. */
struct sieve_words sieve_words(struct span text, size_t at);

/* Where each of the n bytes stands in the block at `at`. */
void sieve_marks(struct span text, size_t at, const char *bytes, size_t n, uint64_t *out);

/* sieve_at with the k-th of the ways there are, for a test; false: this machine cannot,
 * NULL as its name: there is none. All give the same bits. */
const char *sieve_name(size_t k);
bool sieve_with(
	size_t k, const struct prefilter *f, const char *p, size_t room, struct sieve *out);
bool sieve_marks_with(
	size_t k, struct span text, size_t at, const char *bytes, size_t n, uint64_t *out);
bool sieve_letters_with(size_t k, struct span text, size_t at, struct sieve_letters *out);
bool sieve_beyond_with(size_t k, struct span text, size_t at, struct sieve_beyond *out);
bool sieve_begins_with(
	size_t k, struct span text, size_t at, bool small, uint64_t *bits, size_t *block);

#endif
