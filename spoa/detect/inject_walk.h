/* From text to the features of the injection model: the trainer and the daemon share
 * this code, so that a weight means the same to both. The text is read once, in any
 * pieces, with memory that does not grow. Not included outside detect/ and the trainer.
 *
 * Normalised first: lower case, accents off, invisible characters and apostrophes out,
 * tag, full-width, circled and mathematical letters folded, look-alikes inside words of
 * two scripts, digits inside words, runs of single letters joined, base64 decoded once.
 * Punctuation only separates.
 *
 * Features are hashes of words (one, two, three, and two with a gap) and of characters
 * (five in a row in alphabets, fewer where a character says more; one to four where
 * words are not separated). */
#ifndef DETECT_INJECT_WALK_H
#define DETECT_INJECT_WALK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/span.h"

enum {
	INJECT_BITS = 16,
	INJECT_BUCKETS = 1 << INJECT_BITS,
	INJECT_BLOCK_UNITS = 32, /* a word is two, a character of a script without spaces one */
	INJECT_WINDOW = 4,	 /* blocks: 64 words */
	INJECT_STRIDE = 2,	 /* blocks */
	INJECT_WORD = 48,	 /* characters; longer words are cut in pieces */
	INJECT_FEED = 1024,	 /* features handed over at once, at most */
	INJECT_WATCH = 4096,	 /* bits */
};

struct inject_walk {
	/* Takes f[0..n); `end`: the block ends with them. */
	void (*take)(struct inject_walk *w, bool end);
	uint16_t f[INJECT_FEED];
	size_t n;
	/* NULL, or bits of the hashes of words (modulo INJECT_WATCH) that seen() is told of */
	const uint64_t *watch;
	void (*seen)(struct inject_walk *w, uint32_t hash);
	uint32_t nwords; /* before the one seen */
	/* the inside */
	unsigned units;
	uint32_t word[INJECT_WORD]; /* under way */
	size_t word_n;
	unsigned scripts; /* of its characters */
	unsigned gap;	  /* separators since the last word, to 255 */
	struct {
		uint32_t cp;
		unsigned gap;
	} single[INJECT_WORD]; /* words of one letter, not handed on yet */
	size_t nsingle;
	uint32_t last[8]; /* characters handed on */
	unsigned at;
	uint32_t five;	 /* rolling hash of the last five */
	uint32_t h1, h2; /* words before */
	bool decoded;	 /* inside decoded base64 */
};

void inject_walk_begin(struct inject_walk *w, void (*take)(struct inject_walk *w, bool end));
/* A piece may end anywhere but inside a character. Bytes that are not UTF-8 separate. */
void inject_walk_text(struct inject_walk *w, struct span text);
/* What is left; a block that is not empty is ended. */
void inject_walk_end(struct inject_walk *w);

/* ---- inject_fold.c ---- */

enum inject_script {
	SCRIPT_NONE,	  /* separates */
	SCRIPT_GONE,	  /* as if it were not there */
	SCRIPT_LATIN = 4, /* letters, as bits of a word's `scripts` from here on */
	SCRIPT_DIGIT = 8,
	SCRIPT_LIKE = 16,  /* Cyrillic and Greek, whose letters look Latin */
	SCRIPT_SHORT = 32, /* Arabic, Hebrew, the scripts of India: short words */
	SCRIPT_BLOCK = 64, /* Hangul */
	SCRIPT_SOLID = 128 /* no spaces between words */
};
/* What a character counts as; *cp becomes its folded form. */
enum inject_script inject_fold(uint32_t *cp);
/* The Latin letter that a Cyrillic or Greek one looks like, or itself. */
uint32_t inject_look_alike(uint32_t cp);

#endif
