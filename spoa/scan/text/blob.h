/* Long runs of base64, base32 or hexadecimal in a text, and whether they decode to text.
 * They may be written as MIME, PEM, URLs, JSON and code write them: in either alphabet,
 * padded or not, in lines, with percent and backslash escapes, in pieces between quotes. */
#ifndef SCAN_TEXT_BLOB_H
#define SCAN_TEXT_BLOB_H

#include "base/span.h"

enum { BLOB_WINDOW = 512 }; /* decoded bytes that are judged together */

struct blob_run {
	size_t start, end; /* in the text, padding included */
	size_t digits;
	unsigned in;	/* the one encoding that it may be, IN64 and so on; 0: none */
	unsigned any;	/* classes of its digits */
	unsigned blanks; /* of a form, that stand for + */
};

/* One character of the text at `at`, escapes undone: a byte's value, and *n bytes that
 * spell it. */
int blob_char(struct span text, size_t at, size_t *n);
/* The run at `at`, where no digit may be. Lines after the first are as long as one
 * another, as writers make them, but for the last one. In a form a blank may be a + that
 * nobody escaped. */
struct blob_run blob_run_at(struct span text, size_t at, bool form);
/* The next run that begins at or after *at, which moves past it, long enough to be
 * looked at. False: none before `end`. */
bool blob_run_next(struct span text, size_t *at, size_t end, bool form, struct blob_run *r);
/* Whether it decodes to text that is scanned as such: UTF-8, or UTF-16 of ASCII, in which
 * no other blob hides that does not. `anywhere`: what comes first may be no part of it.
 * depth: of the text in others. */
bool blob_reads(struct span text, const struct blob_run *r, bool form, bool anywhere,
	unsigned depth);
/* Most of at most BLOB_WINDOW bytes is UTF-8 that can be printed; of a few all of it. */
bool blob_is_text(struct span bytes);
/* Every other byte of the first ones is zero. */
bool blob_is_utf16(struct span s);
/* The first bytes that it stands for; how many. */
size_t blob_head(struct span text, const struct blob_run *r, bool form, char *out, size_t room);
/* The same few characters over and over: padding, not an encoding. */
bool blob_repeats(struct span text, const struct blob_run *r);

#endif
