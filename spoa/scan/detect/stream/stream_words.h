/* What the words at the end of a text that goes on may be the beginning of, as far as their
 * shapes tell: a name, a number in groups, a value in disguise. Only for stream.c. */
#ifndef SCAN_DETECT_STREAM_STREAM_WORDS_H
#define SCAN_DETECT_STREAM_STREAM_WORDS_H

#include "scan/detect/names/names.h"

enum {
	/* Bytes that are held for a row of words, as the widest values in words and groups are;
	 */
	WORDS_REACH = 112,
	CODES_REACH = 320, /* where all of them are as short as characters' codes; */
	HAN_REACH = 36,	   /* and of scripts that do not part words */
};

/* What is asked for, as far as words can be the beginning of it. */
struct stream_asked {
	const struct names_table *names; /* the lists, where names are; NULL */
	bool numbers;			 /* what begins with digits */
	bool addresses;			 /* e-mail */
	bool values;			 /* these and other patterns */
};

struct stream_words {
	size_t open; /* what begins here or after it may go on; the text's end: nothing */
	bool plain;  /* before it are words in small letters, or that begin sentences */
};

/* Of the bytes of t from `from` on, where a token begins. */
struct stream_words stream_words(struct span t, size_t from, const struct stream_asked *asked);

/* Whether a token or a wide character ends with the text's last byte: where it is worth
 * asking again. */
bool stream_word_ends(struct span t);

#endif
