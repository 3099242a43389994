/* Text as words, for what looks at whole words whatever their case: dictionaries
 * and fingerprints. A word is a run of letters and digits; blanks, dashes and '_'
 * separate, other punctuation comes between words too. Scripts that are written
 * without blanks (Han, kana, Hangul, Thai and its neighbours) are read a character
 * a word, so that a term is found inside a sentence. Not included outside detect/. */
#ifndef SCAN_DETECT_CUSTOM_CUSTOM_WORDS_H
#define SCAN_DETECT_CUSTOM_CUSTOM_WORDS_H

#include "base/span.h"

struct text_word {
	size_t start, end; /* bytes of the text */
	uint64_t hash;	   /* of its letters, case folded */
};

struct word_cursor {
	struct span text;
	size_t at;
	size_t block;	      /* the block of 64 bytes that is known, and one; 0: none */
	uint64_t words, high; /* its ASCII letters and digits; its bytes over 0x7F */
};

static inline struct word_cursor
words_over(struct span text)
{
	return (struct word_cursor){ .text = text };
}
/* The next word; false after the last. Linear in the text, whatever it is. */
bool word_next(struct word_cursor *c, struct text_word *w);
/* The next ones, up to `room`; their number, 0 after the last. */
size_t words_next(struct word_cursor *c, struct text_word *v, size_t room);

/* The word as it stands, case kept. */
uint64_t word_exact(struct span text, const struct text_word *w);

/* What comes between two words, as a number: GLUE_NONE nothing, GLUE_BLANK any run
 * of separators, else the punctuation's hash. False: longer than GLUE_BYTES. */
enum { GLUE_NONE = 1, GLUE_BLANK = 2, GLUE_BYTES = 64 };
bool word_glue(struct span between, uint64_t *glue);

/* Hash of a phrase and what follows: its next piece of glue and word. */
uint64_t word_chain(uint64_t phrase, uint64_t glue, uint64_t word);

/* Early reject of hashes: the upper bits of each, in a bitmap that fits a processor's cache. */
struct hash_bits {
	uint64_t *v;
	unsigned shift;
};
/* For so many hashes; v is malloc's, NULL: out of memory. `most`: logarithm of its size. */
struct hash_bits hash_bits_for(size_t hashes, unsigned most);
/* In bytes. */
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
