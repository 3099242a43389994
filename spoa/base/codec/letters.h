/* Letters beyond ASCII by the tables of letters.txt (made by letters.py): without marks,
 * without case, what they may be written for, and what they are in a row of words.
 * Unicode 15.0. */
#ifndef BASE_CODEC_LETTERS_H
#define BASE_CODEC_LETTERS_H

#include <stdint.h>

#include "base/span.h"

/* Of a character from U+00C0 to U+024F or U+1E00 to U+1EFF the letters of ASCII that it is
 * written for, capitals for a capital: "E." for É, "AE" for Æ; "Q." or "q." for a letter that
 * is none of theirs, ".." for no letter. NULL: another character. */
const char *letters_latin(uint32_t cp);

/* The small letter of a capital in Latin, Greek, Cyrillic or Armenian (CaseFolding.txt,
 * statuses C and S, for the alphabets that companies' terms are written in); another character
 * itself. */
uint32_t letters_lower(uint32_t cp);
/* The same, and Greek without accents and the final sigma. */
uint32_t letters_plain(uint32_t cp);

/* Whether two texts differ by case alone, or not at all: as Go's encoding/json matches keys
 * (Unicode's simple case folding: U+212A is a k, U+017F an s), and readers that make both small
 * or both capital. Both are UTF-8. */
bool letters_caseless_eq(struct span a, struct span b);

enum fold_kind {
	FOLD_NONE,
	FOLD_ASCII, /* the same character in another dress */
	FOLD_DROP,  /* invisible: format characters, fillers, variation selectors */
	FOLD_BIDI,  /* invisible, and it reorders what is shown */
	FOLD_TAG,   /* an invisible copy of an ASCII character (U+E0020 to U+E007E) */
	FOLD_MARK,  /* combines with the character before it */
	FOLD_DASH,
	FOLD_SPACE,
	FOLD_DOT,
	FOLD_LIKE, /* another script's letter that looks like the ASCII one */
};

struct folded {
	enum fold_kind kind;
	uint8_t n; /* bytes of c */
	char c[2];
};

/* What a character beyond ASCII may be written for: a full-width or Arabic-Indic digit for a
 * digit, a Cyrillic letter for the Latin one that looks like it, nothing at all for what nobody
 * sees. */
struct folded letters_fold(uint32_t cp);

/* Below U+3400, a bit for every sixteen code points of which letters_fold() knows one: most
 * letters of the world are not. */
enum { LETTERS_CELLS_END = 0x3400 };
extern const uint64_t letters_cells[];

enum letters_script {
	SCRIPT_NONE,	  /* separates */
	SCRIPT_GONE,	  /* as if it were not there */
	SCRIPT_LATIN = 4, /* letters, as bits of a word's `scripts` from here on */
	SCRIPT_DIGIT = 8,
	SCRIPT_LIKE = 16,  /* Cyrillic and Greek, whose letters look Latin */
	SCRIPT_SHORT = 32, /* Arabic, Hebrew, the scripts of India: short words */
	SCRIPT_BLOCK = 64, /* Hangul */
	SCRIPT_SOLID = 128 /* no spaces between words */
};

enum letters_word { WORD_NONE, WORD_BLANK, WORD_LETTER, WORD_ALONE };

/* Code points from `from` up to the next row's: what they are to the injection model (but for
 * what letters_latin() knows), and to own words and dictionaries. */
struct letters_block {
	uint32_t from;
	uint8_t script; /* enum letters_script */
	uint8_t word;	/* enum letters_word */
};
/* Of a code point beyond ASCII. The row after it may be read: the last one's is of U+110000. */
const struct letters_block *letters_block(uint32_t cp);

#endif
