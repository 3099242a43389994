/* Judges the words at the end of a text that will continue by their shapes: which of them may
 * begin a name, a number in groups or an obfuscated value. Only for stream.c. */
#ifndef SCAN_DETECT_STREAM_STREAM_WORDS_H
#define SCAN_DETECT_STREAM_STREAM_WORDS_H

#include "scan/detect/names/names.h"

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
