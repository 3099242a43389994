/* What of a text that is still coming may be the beginning of something. Only for
 * stream.c. */
#ifndef SCAN_DETECT_STREAM_STREAM_OPEN_H
#define SCAN_DETECT_STREAM_STREAM_OPEN_H

#include "base/span.h"

enum {
	WORD_BACK = 64, /* bytes; a window begins and ends after a blank, if one is near */
	LINE_MIN = 40,	/* of a blob that goes on in the next line */
	BREAK_MAX = 24, /* bytes of a line's end and the next one's margin */
};

/* Bytes that tokens, blobs and their encodings are made of. */
bool stream_is_run(char c);
/* Where the run that ends at `at` begins. */
size_t stream_run_start(struct span t, size_t at);

struct token_run {
	size_t start, end;
	size_t width; /* of its lines; 0: it is one */
};

/* The run around `at`: a token, or a blob in lines of one length but for the last. */
struct token_run stream_run_around(struct span t, size_t at);

/* Where a key's armour begins, at `from` or after, that does not end in the text; t.n:
 * none does. */
size_t stream_open_armour(struct span t, size_t from);

/* Back after a blank, if one is near, else to the beginning of a character; not before
 * `least`. */
size_t stream_boundary(struct span t, size_t at, size_t least);

#endif
