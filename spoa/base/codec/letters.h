/* Letters beyond ASCII, by the tables of letters.txt, which letters.py generates: without
 * accents, without case, the ASCII characters that they can stand for, and their class in a
 * sequence of words. Unicode 15.0. */
#ifndef BASE_CODEC_LETTERS_H
#define BASE_CODEC_LETTERS_H

#include <stdint.h>

#include "base/span.h"

/* Returns two ASCII characters for a character from U+00C0 to U+024F or U+1E00 to U+1EFF: the
 * letters that it is written for, in the same case, such as "E." for É and "AE" for Æ. "Q." or
 * "q." is a letter without such a counterpart, ".." is not a letter. Returns NULL for any other
 * character. */
const char *letters_latin(uint32_t cp);

/* Returns the small letter of a capital in Latin, Greek, Cyrillic or Armenian (CaseFolding.txt,
 * statuses C and S; the alphabets in which companies write their terms). Returns any other
 * character unchanged. */
uint32_t letters_lower(uint32_t cp);
/* As letters_lower(), and Greek without accents and without the final sigma. */
uint32_t letters_plain(uint32_t cp);

/* Returns true if two UTF-8 texts are equal except for case. This is how Go's encoding/json
 * matches keys (Unicode's simple case folding: U+212A is a k, U+017F an s), and how readers do
 * that convert both texts to small or to capital letters. */
bool letters_caseless_eq(struct span a, struct span b);

enum fold_kind {
	FOLD_NONE,
	FOLD_ASCII, /* another form of the ASCII character */
	FOLD_DROP,  /* invisible: format characters, fillers, variation selectors */
	FOLD_BIDI,  /* invisible, and reorders the displayed text */
	FOLD_TAG,   /* an invisible copy of an ASCII character (U+E0020 to U+E007E) */
	FOLD_MARK,  /* combines with the character before it */
	FOLD_DASH,
	FOLD_SPACE,
	FOLD_DOT,
	FOLD_LIKE, /* a letter of another script that looks like the ASCII one */
};

struct folded {
	enum fold_kind kind;
	uint8_t n; /* number of bytes in c */
	char c[2];
};

/* Returns what a character beyond ASCII can stand for: a digit for a full-width or Arabic-Indic
 * digit, the Latin letter for a Cyrillic one that looks like it, nothing for an invisible
 * character. */
struct folded letters_fold(uint32_t cp);

/* A bit for each 16 code points below U+3400, which is set if letters_fold() knows one of them.
 * Most letters of the world are not among them. */
enum { LETTERS_CELLS_END = 0x3400 };
extern const uint64_t letters_cells[];

enum letters_script {
	SCRIPT_NONE,	  /* separates words */
	SCRIPT_GONE,	  /* ignored */
	SCRIPT_LATIN = 4, /* from here on, letters, as bits of a word's `scripts` */
	SCRIPT_DIGIT = 8,
	SCRIPT_LIKE = 16,  /* Cyrillic and Greek, whose letters resemble Latin ones */
	SCRIPT_SHORT = 32, /* Arabic, Hebrew and the scripts of India: short words */
	SCRIPT_BLOCK = 64, /* Hangul */
	SCRIPT_SOLID = 128 /* no spaces between words */
};

enum letters_word { WORD_NONE, WORD_BLANK, WORD_LETTER, WORD_ALONE };

/* The class of the code points from `from` up to the next row's: for the injection model (except
 * for characters that letters_latin() knows), and for custom words and dictionaries. */
struct letters_block {
	uint32_t from;
	uint8_t script; /* enum letters_script */
	uint8_t word;	/* enum letters_word */
};
/* Returns the row of a code point beyond ASCII. The next row may be read too: after the last one
 * follows a row of U+110000. */
const struct letters_block *letters_block(uint32_t cp);

#endif
