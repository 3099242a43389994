/* Blobs: runs of base64, base64url, hexadecimal, base32, base32hex or character codes that
 * stand for text. RFC 4648 without its strictness: padding is optional, lines may be wrapped,
 * a run may begin in the middle of a group. */
#ifndef SCAN_DETECT_DISGUISE_DECODE_H
#define SCAN_DETECT_DISGUISE_DECODE_H

#include "base/span.h"

enum blob_kind {
	BLOB_BASE64,
	BLOB_BASE32,
	BLOB_BASE32HEX,
	BLOB_HEX,
	BLOB_CODES,
	BLOB_REVERSED
};

/* Numbers of characters are written to these bases. */
enum { CODE_BASES = 4 };
extern const unsigned code_bases[CODE_BASES];

enum { BLOB_MIN = 15 }; /* characters; shorter ones hold nothing that is looked for */

struct blob {
	enum blob_kind kind;
	size_t start, end; /* in the text */
	size_t from;	   /* where the first whole group begins */
	unsigned base;	   /* BLOB_CODES */
	bool utf16;	   /* every other byte of it is zero, or three of four (UTF-32) */
};

/* Of each kind that may be wrapped, the lines of one width that were looked at last: a search
 * that begins at one of them does not go through all that follow once more. Zeroed for each
 * text. */
struct blob_lines {
	size_t end, width;
	bool searched; /* nothing in them reads as text */
};
enum { BLOB_WRAPPED = BLOB_HEX + 1 };

/* The blob in the run of base64 characters that begins at `at`; its text decodes to
 * something readable. *end is where to look on; `at` never goes back. False:
 * none. */
bool blob_find(struct span text, size_t at, struct blob *b,
	struct blob_lines lines[BLOB_WRAPPED], size_t *end);
/* The end of the run of base64 characters at `at`. */
size_t blob_run(struct span text, size_t at);
/* Whether the character may be in a blob, between its lines or after it. */
bool blob_goes_on(char c);
/* Numbers in a row ("34 37 31", "0x34, 0x37", "52,55,49"), to that base, that begin at
 * `at`. *seen: numbers that begin before it were looked at. */
bool blob_codes(struct span text, size_t at, unsigned base, struct blob *b, size_t *seen);
/* What comes after a right-to-left override (U+202E) at `at`, up to its end, is shown
 * backwards. */
bool blob_reversed(struct span text, size_t at, struct blob *b);

struct decoding {
	struct span text;
	struct blob b;
	size_t at, first; /* the next character, and where the next byte begins */
	uint32_t bits;
	unsigned nbits;
	bool trying; /* how the text goes on after a break */
};
void decode_begin(struct decoding *d, struct span text, const struct blob *b);
/* Up to `room` bytes, and the offset in the text of the character each came from. 0 at
 * the end. */
size_t decode_some(struct decoding *d, char *out, uint32_t *where, size_t room);

/* Reads like text: nearly all of it printable. */
bool decode_is_text(const char *p, size_t n);
/* The next stretch of text alone in the n bytes, from *at on, which moves past it; where
 * it begins, and its length in *len. False: none that could hold anything. */
bool decode_stretch(const char *p, size_t n, size_t *at, size_t *start, size_t *len);

#endif
