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

#include "base/codec/digits.h"
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
	INJECT_BASE64_MIN = 24, /* minimum characters of base64 */
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
/* Reads a whole text, without words that repeat earlier ones (inject_repeat.c). */
void inject_walk_once(struct inject_walk *w, struct span text);
/* Delivers the remaining features, and ends a non-empty block. */
void inject_walk_end(struct inject_walk *w);

/* ---- inject_feature.c ---- */

void inject_features_begin(struct inject_walk *w);
void inject_features_end(struct inject_walk *w);
/* Adds a word of n characters. x: the first eight; p: all of them if there are more. Bytes
 * after the word may have any value. */
void inject_word(
	struct inject_walk *w, uint64_t x, const unsigned char *p, size_t n, unsigned scripts);
/* Adds pairs and triples of characters of the current word, for Hangul. */
void inject_syllables(struct inject_walk *w);
/* Adds a character of a script without spaces. */
void inject_solid(struct inject_walk *w, uint32_t cp);

/* Loads eight bytes, the first in the lowest byte on every machine. */
static inline uint64_t
inject_eight(const void *p)
{
	uint64_t v;

	memcpy(&v, p, sizeof(v));
	return le64toh(v);
}

/* Returns the character's byte in `word`. */
static inline unsigned char
inject_byte(uint32_t cp)
{
	return (unsigned char)(cp < 0x80 ? cp : 0x80 | cp);
}

/* ---- inject_base64.c ---- */

/* Returns true if the n bytes at p may begin with a run of base64. Only some bytes are checked,
 * without branches, because each word calls this function. */
static inline bool
inject_base64_begins(const char *p, size_t n)
{
	const unsigned char *s = digits64, *b = (const unsigned char *)p;

	return n >= INJECT_BASE64_MIN &&
	       (s[b[0]] != 0) & (s[b[4]] != 0) & (s[b[8]] != 0) & (s[b[12]] != 0) &
		       (s[b[16]] != 0) & (s[b[20]] != 0) & (s[b[INJECT_BASE64_MIN - 1]] != 0);
}
/* Returns the length of the run of base64 at p, including line ends inside the run. */
size_t inject_base64_run(const char *p, size_t n);
/* Decodes up to `room` bytes to `out`, and advances *at. Returns the number of bytes. */
size_t inject_base64_decode(const char *p, size_t n, size_t *at, char *out, size_t room);
/* Returns true if the bytes are UTF-8 without control characters and contain a space or a
 * character outside ASCII. */
bool inject_base64_text(const char *p, size_t n);

/* ---- inject_fold.c ---- */

/* Returns the script of a character, and replaces *cp by its folded form. *near is a cache,
 * NULL at first: most characters of a text are in the same block as the previous one. */
enum letters_script inject_fold(uint32_t *cp, const struct letters_block **near);
/* Returns the Latin letter that a Cyrillic or Greek letter resembles, or the letter itself. */
uint32_t inject_look_alike(uint32_t cp);

#endif
