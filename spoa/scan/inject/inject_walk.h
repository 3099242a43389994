/* Converts a text to features of the injection model. The trainer and the daemon share this
 * code, so that a weight means the same in both. The text is read once, in pieces of any size,
 * with constant memory. Private to inject/ and the trainer.
 *
 * Text is normalized first. Letters become lower case. Accents, invisible characters and
 * apostrophes are removed. Tag, full-width, circled and mathematical letters become plain ones.
 * Look-alikes are replaced in words of two scripts, and digits inside words by letters
 * (1gn0re). Single letters in a row are joined (i g n o r e). Base64 is decoded once.
 * Punctuation only separates words.
 *
 * Features are hashes of words (one, two, three, and two with a gap) and of characters: five in
 * a row in alphabets, fewer in scripts whose characters carry more, one to four in scripts
 * without spaces. */
#ifndef SCAN_INJECT_INJECT_WALK_H
#define SCAN_INJECT_INJECT_WALK_H

#include <endian.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/codec/letters.h"
#include "base/span.h"

enum {
	INJECT_BITS = 16,
	INJECT_BUCKETS = 1 << INJECT_BITS,
	/* size of a block: a word is 2 units, a character of a script without spaces is 1 */
	INJECT_BLOCK_UNITS = 32,
	INJECT_HALF_UNITS = 16, /* a block is delivered in two halves */
	INJECT_WINDOW = 4,	/* blocks of a window: 64 words */
	INJECT_STRIDE = 2,	/* blocks between the beginnings of windows */
	INJECT_WORD = 48,	/* characters; longer words are split */
	INJECT_FEED = 1024,	/* maximum number of features delivered at once */
	INJECT_WATCH = 4096,	/* bits of the filter of watched words */
};

/* The state of a walk. Owner: the caller, usually on the stack; about 2.5 KB. */
struct inject_walk {
	/* Receives f[0..n), at most half a block. `end`: the block ends with these features. */
	void (*take)(struct inject_walk *w, bool end);
	uint16_t f[INJECT_FEED];
	size_t n;
	/* Bits of word hashes modulo INJECT_WATCH; seen() is called for words with a bit. NULL:
	 * no word is watched. */
	const uint64_t *watch;
	void (*seen)(struct inject_walk *w, uint32_t hash);
	uint32_t nwords; /* number of words before the one reported by seen() */
	/* the fields below are private */
	unsigned units;
	/* The current word, one byte a character; a character outside ASCII is 0x80 and its low
	 * bits. Eight more bytes can be written at once. */
	unsigned char word[INJECT_WORD + 8];
	/* code points of its characters outside ASCII, at the same index */
	uint32_t wide[INJECT_WORD];
	size_t word_n;
	unsigned scripts; /* bit set of its characters' scripts */
	unsigned gap;	  /* separators since the last word, up to 255 */
	struct {
		unsigned char letter, gap;
	} single[INJECT_WORD]; /* one-letter words that may still be joined */
	size_t nsingle;
	/* the last four characters, the oldest in the lowest byte, and a space */
	uint64_t before;
	uint32_t solid[4]; /* the last characters in a row of a script without spaces */
	unsigned nsolid;
	const struct letters_block *near;
	uint32_t h1, h2; /* hashes of the last two words */
	bool decoded;	 /* the text is decoded base64 */
};

void inject_walk_begin(struct inject_walk *w, void (*take)(struct inject_walk *w, bool end));
/* Reads a piece of text. A piece must not end inside a character. Invalid UTF-8 counts as a
 * separator. */
void inject_walk_text(struct inject_walk *w, struct span text);
/* Reads a whole text, without words that repeat earlier ones. */
void inject_walk_once(struct inject_walk *w, struct span text);
/* Delivers the remaining features, and ends a non-empty block. */
void inject_walk_end(struct inject_walk *w);

/* Returns the script of a character, and replaces *cp by its folded form. *near is a cache,
 * NULL at first: most characters of a text are in the same block as the previous one. */
enum letters_script inject_fold(uint32_t *cp, const struct letters_block **near);

/* Loads eight bytes, the first in the lowest byte on every machine. */
static inline uint64_t
inject_eight(const void *p)
{
	uint64_t v;

	memcpy(&v, p, sizeof(v));
	return le64toh(v);
}

#endif
