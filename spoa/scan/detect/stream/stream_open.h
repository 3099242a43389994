/* Finds runs, wrapped blobs and armored blocks in a text that will continue, if they may still
 * be open at its end. Only for stream.c. */
#ifndef SCAN_DETECT_STREAM_STREAM_OPEN_H
#define SCAN_DETECT_STREAM_STREAM_OPEN_H

#include "base/span.h"

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

#endif
