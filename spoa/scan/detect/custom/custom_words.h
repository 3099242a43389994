/* Reads a text as words, for dictionaries and fingerprints, which compare whole words without
 * case. A word is a run of letters and digits. Spaces, dashes and '_' separate words; other
 * punctuation can stand between words and is compared. Scripts without spaces (Han, kana,
 * Hangul, Thai and its neighbors) are read as one word a character, so that terms inside a
 * sentence are found. Private to detect/. */
#ifndef SCAN_DETECT_CUSTOM_CUSTOM_WORDS_H
#define SCAN_DETECT_CUSTOM_CUSTOM_WORDS_H

#include "base/span.h"

struct text_word {
	size_t start, end; /* byte offsets in the text; end exclusive */
	uint64_t hash;	   /* hash of the word in lower case */
};

/* A position in a text. The caller owns the text and the cursor. */
struct word_cursor {
	struct span text;
	size_t at;
	size_t block; /* number of the classified block of 64 bytes, plus 1; 0: none */
	/* bit masks of this block: ASCII letters and digits; bytes above 0x7F */
	uint64_t words, high;
};

static inline struct word_cursor
words_over(struct span text)
{
	return (struct word_cursor){ .text = text };
}
/* Reads the next word. Returns false after the last. Time is linear in the text. */
bool word_next(struct word_cursor *c, struct text_word *w);
/* Reads up to `room` words. Returns their number, 0 after the last. */
size_t words_next(struct word_cursor *c, struct text_word *v, size_t room);

/* Returns the hash of the word as written, case included. */
uint64_t word_exact(struct span text, const struct text_word *w);

/* Converts the bytes between two words to a number: GLUE_NONE for nothing, GLUE_BLANK for
 * separators, else a hash of the punctuation. Returns false if there are more than GLUE_BYTES
 * bytes. */
enum { GLUE_NONE = 1, GLUE_BLANK = 2, GLUE_BYTES = 64 };
bool word_glue(struct span between, uint64_t *glue);

/* Returns the hash of a phrase extended by glue and a word. */
uint64_t word_chain(uint64_t phrase, uint64_t glue, uint64_t word);

/* A bitmap of hashes for early rejection, indexed by their upper bits. Small enough for a
 * processor's cache. False positives are possible, false negatives are not. */
struct hash_bits {
	uint64_t *v;
	unsigned shift;
};
/* Allocates a bitmap for this number of hashes, of at most 2^most bits. `v` is from calloc();
 * NULL: out of memory. */
struct hash_bits hash_bits_for(size_t hashes, unsigned most);
/* Returns the bitmap's size in bytes. */
size_t hash_bits_size(struct hash_bits b);
static inline void
hash_bits_add(struct hash_bits b, uint64_t hash)
{
	b.v[(hash >> b.shift) / 64] |= UINT64_C(1) << ((hash >> b.shift) % 64);
}
static inline bool
hash_bits_may(struct hash_bits b, uint64_t hash)
{
	return b.v[(hash >> b.shift) / 64] >> ((hash >> b.shift) % 64) & 1;
}

#endif
