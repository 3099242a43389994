/* Finds the parts at the end of a text that may continue: runs, wrapped blobs and armored blocks, and
 * words that may begin a name, a number in groups or an obfuscated value. Only for stream.c. */
#ifndef SCAN_DETECT_STREAM_STREAM_TAIL_H
#define SCAN_DETECT_STREAM_STREAM_TAIL_H

#include "scan/detect/names/names.h"

/* ---- runs, blobs and armored blocks ---- */

enum {
	WORD_BACK = 64, /* bytes; if a space is within this distance, a window begins and ends
			 * after it */
	LINE_MIN = 40,	/* digits of a blob's line that continues in the next line */
	BREAK_MAX = 24, /* bytes of a line break and the next line's margin */
};

/* Returns true for the bytes that tokens, blobs and their encodings consist of. */
bool stream_is_run(char c);
/* Returns the beginning of the run that ends at `at`. */
size_t stream_run_start(struct span t, size_t at);

/* A token, or a blob in lines. */
struct token_run {
	size_t start, end;
	size_t width; /* length of its lines; 0: a single line */
};

/* Returns the run around `at`: a token, or a blob whose lines have the same length except for
 * the last. */
struct token_run stream_run_around(struct span t, size_t at);

/* Returns where the armor of a key begins, at `from` or later, that does not end in the text;
 * t.n if there is none. */
size_t stream_open_armour(struct span t, size_t from);

/* Moves back to after a space, if one is near, or else to the beginning of a character; not
 * before `least`. */
size_t stream_boundary(struct span t, size_t at, size_t least);

/* ---- words ---- */

enum {
	/* Bytes that are held for a row of words: as many as the widest values in words and
	 * groups have. */
	WORDS_REACH = 112,
	CODES_REACH = 320, /* if all words are as short as character codes */
	HAN_REACH = 36,	   /* in scripts that do not separate words */
};

/* The kinds of entities that are asked for, as far as words can begin them. Filled in once per
 * stream. */
struct stream_asked {
	const struct names_table *names; /* the word lists, if names are asked for; else NULL */
	bool numbers;			 /* entities that begin with digits */
	bool addresses;			 /* e-mail addresses */
	bool values;			 /* any entities with patterns */
};

/* The result of judging the words. */
struct stream_words {
	size_t open; /* offset from which text may continue; the text's end: nothing is open */
	bool plain;  /* all words before are in small letters, or begin sentences */
};

/* Judges the bytes of t from `from` on, where a token begins. */
struct stream_words stream_words(struct span t, size_t from, const struct stream_asked *asked);

/* Returns true if a token or a wide character ends with the text's last byte. Only then can a
 * new decision differ from the one before. */
bool stream_word_ends(struct span t);

#endif
