/* Tokeniser: from text to the features of the injection model. The trainer and the daemon share
 * this code, so that a weight means the same to both. The text is read once, in any
 * pieces, with memory that does not grow. Not included outside inject/ and the trainer.
 *
 * Normalised first: lower case, accents off, invisible characters and apostrophes out,
 * tag, full-width, circled and mathematical letters folded, look-alikes inside words of
 * two scripts, digits inside words, runs of single letters joined, base64 decoded once.
 * Punctuation only separates.
 *
 * Features are hashes of words (one, two, three, and two with a gap) and of characters
 * (five in a row in alphabets, fewer where a character says more; one to four where
 * words are not separated). */
#ifndef SCAN_INJECT_INJECT_WALK_H
#define SCAN_INJECT_INJECT_WALK_H

#include <endian.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/codec/digits.h"
#include "base/codec/letters.h"
#include "base/span.h"

enum {
	INJECT_BITS = 16,
	INJECT_BUCKETS = 1 << INJECT_BITS,
	INJECT_BLOCK_UNITS = 32, /* a word is two, a character of a script without spaces one */
	INJECT_HALF_UNITS = 16,	 /* half a block is handed over by itself */
	INJECT_WINDOW = 4,	 /* blocks: 64 words */
	INJECT_STRIDE = 2,	 /* blocks */
	INJECT_WORD = 48,	 /* characters; longer words are cut in pieces */
	INJECT_FEED = 1024,	 /* features handed over at once, at most */
	INJECT_WATCH = 4096,	 /* bits */
	INJECT_BASE64_MIN = 24,	 /* characters */
};

struct inject_walk {
	/* Takes f[0..n), at most half a block; `end`: the block ends with them. */
	void (*take)(struct inject_walk *w, bool end);
	uint16_t f[INJECT_FEED];
	size_t n;
	/* NULL, or bits of the hashes of words (modulo INJECT_WATCH) that seen() is told of */
	const uint64_t *watch;
	void (*seen)(struct inject_walk *w, uint32_t hash);
	uint32_t nwords; /* before the one seen */
	/* the inside */
	unsigned units;
	/* The word under way, one byte a character: beyond ASCII 0x80 and its low bits. Eight
	 * more may be written at once. */
	unsigned char word[INJECT_WORD + 8];
	uint32_t wide[INJECT_WORD]; /* the characters beyond ASCII themselves, at their place */
	size_t word_n;
	unsigned scripts; /* of its characters */
	unsigned gap;	  /* separators since the last word, to 255 */
	struct {
		unsigned char letter, gap;
	} single[INJECT_WORD]; /* words of one letter, not handed on yet */
	size_t nsingle;
	uint64_t before;   /* the last four characters, the oldest lowest, and a space */
	uint32_t solid[4]; /* the last ones in a row without words between */
	unsigned nsolid;
	const struct letters_block *near;
	uint32_t h1, h2; /* words before */
	bool decoded;	 /* inside decoded base64 */
};

void inject_walk_begin(struct inject_walk *w, void (*take)(struct inject_walk *w, bool end));
/* A piece may end anywhere but inside a character. Bytes that are not UTF-8 separate. */
void inject_walk_text(struct inject_walk *w, struct span text);
/* Walks a whole text, but leaves out words that repeat earlier ones (inject_repeat.c). */
void inject_walk_once(struct inject_walk *w, struct span text);
/* What is left; a block that is not empty is ended. */
void inject_walk_end(struct inject_walk *w);

/* ---- inject_feature.c ---- */

void inject_features_begin(struct inject_walk *w);
void inject_features_end(struct inject_walk *w);
/* A word of n characters, the first eight in x, all at p where there are more; after them
 * anything. */
void inject_word(
	struct inject_walk *w, uint64_t x, const unsigned char *p, size_t n, unsigned scripts);
/* The word under way, before it is handed on as one: Hangul, two and three in a row. */
void inject_syllables(struct inject_walk *w);
/* A character of a script that does not separate words. */
void inject_solid(struct inject_walk *w, uint32_t cp);

/* Eight bytes, the first the lowest on every machine. */
static inline uint64_t
inject_eight(const void *p)
{
	uint64_t v;

	memcpy(&v, p, sizeof(v));
	return le64toh(v);
}

/* A character where each is a byte. */
static inline unsigned char
inject_byte(uint32_t cp)
{
	return (unsigned char)(cp < 0x80 ? cp : 0x80 | cp);
}

/* ---- inject_base64.c ---- */

/* Whether n bytes at p may begin with a run worth looking at: some of its bytes stand for all,
 * and no branch on them, since this is asked at every word. */
static inline bool
inject_base64_begins(const char *p, size_t n)
{
	const unsigned char *s = digits64, *b = (const unsigned char *)p;

	return n >= INJECT_BASE64_MIN &&
	       (s[b[0]] != 0) & (s[b[4]] != 0) & (s[b[8]] != 0) & (s[b[12]] != 0) &
		       (s[b[16]] != 0) & (s[b[20]] != 0) & (s[b[INJECT_BASE64_MIN - 1]] != 0);
}
/* Length of the run of base64 at p, line ends inside it included. */
size_t inject_base64_run(const char *p, size_t n);
/* Up to `room` bytes to `out`; moves *at. */
size_t inject_base64_decode(const char *p, size_t n, size_t *at, char *out, size_t room);
/* UTF-8 without control characters, and a space or a letter beyond ASCII in it. */
bool inject_base64_text(const char *p, size_t n);

/* ---- inject_fold.c ---- */

/* What a character counts as; *cp becomes its folded form. *near, NULL at first, is kept from
 * one character of a text to the next, most of which are alike; any value gives the same. */
enum letters_script inject_fold(uint32_t *cp, const struct letters_block **near);
/* The Latin letter that a Cyrillic or Greek one looks like, or itself. */
uint32_t inject_look_alike(uint32_t cp);

#endif
