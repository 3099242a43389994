/* Finds long runs of base64, base32 or hexadecimal digits in a text, and decides whether they
 * decode to readable text.
 *
 * A run may be written as MIME, PEM, URLs, JSON and source code write it: in either base64
 * alphabet, with or without padding, in lines, with percent and backslash escapes, or in pieces
 * between quotes.
 * All functions are pure and may be called from any thread. The caller owns the text. */
#ifndef SCAN_TEXT_BLOB_H
#define SCAN_TEXT_BLOB_H

#include "base/span.h"

enum { BLOB_WINDOW = 512 }; /* decoded bytes that are judged together */

struct blob_run {
	size_t start, end; /* byte offsets in the text, end exclusive; padding is included */
	/* digits in the run, padding included; 0: no digit is at the place */
	size_t digits;
	unsigned in;	/* the only possible encoding: IN64, IN32 or IN16; 0: none */
	unsigned any;	/* IN_… classes that at least one digit has */
	unsigned blanks; /* in a form: spaces that stand for + */
};

/* Returns the byte that the character at `at` stands for, with percent and backslash escapes
 * resolved. Sets *n to the number of bytes that spell the character. */
int blob_char(struct span text, size_t at, size_t *n);
/* Returns the run that begins at `at`; its `digits` is 0 if there is none. All lines after the
 * first have the same length, as encoders write them, except for the last line. `form`: the text
 * is a form, in which a space may be a + that was not escaped. */
struct blob_run blob_run_at(struct span text, size_t at, bool form);
/* Finds the next run that begins at or after *at and is long enough to be examined (OPAQUE_FILE
 * digits). Moves *at past the run. Returns false if no such run begins before `end`; then *at is
 * `end`. */
bool blob_run_next(struct span text, size_t *at, size_t end, bool form, struct blob_run *r);
/* Returns true if the run decodes to text that is scanned as such: UTF-8, or UTF-16 of ASCII
 * characters. Returns false if the decoded text contains another run that is opaque. `anywhere`:
 * the first digits may not belong to the encoding, so the decoder also tries to start at the
 * following digits. `depth`: how many encodings the text is inside already; beyond
 * CAP_DECODE_DEPTH the result is false. */
bool blob_reads(struct span text, const struct blob_run *r, bool form, bool anywhere,
	unsigned depth);
/* Returns true if at least seven eighths of the bytes (at most BLOB_WINDOW) are printable UTF-8.
 * If there are fewer than 64 bytes, all of them must be. */
bool blob_is_text(struct span bytes);
/* Returns true if every other byte is mostly zero, as in UTF-16 of ASCII characters. */
bool blob_is_utf16(struct span s);
/* Decodes the first bytes of the run, at most `room`, into `out`. Returns their number. */
size_t blob_head(struct span text, const struct blob_run *r, bool form, char *out, size_t room);
/* Returns true if the run repeats one sequence of at most 256 characters: such a run is padding,
 * not an encoding. */
bool blob_repeats(struct span text, const struct blob_run *r);

#endif
