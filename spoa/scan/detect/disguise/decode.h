/* Finds and decodes blobs: runs of base64, base64url, hexadecimal, base32, base32hex or
 * character codes that stand for text. The encodings are those of RFC 4648, read leniently:
 * padding is optional, lines may be wrapped, and a run may begin in the middle of a group. The
 * functions keep no state except in the structs of the caller, and the text is borrowed. */
#ifndef SCAN_DETECT_DISGUISE_DECODE_H
#define SCAN_DETECT_DISGUISE_DECODE_H

#include "base/span.h"

enum blob_kind {
	BLOB_BASE64,
	BLOB_BASE32,
	BLOB_BASE32HEX,
	BLOB_HEX,
	BLOB_CODES,
	BLOB_REVERSED,
	BLOB_DUMP
};

/* The number bases in which character codes are written. */
enum { CODE_BASES = 4 };
extern const unsigned code_bases[CODE_BASES];

enum { BLOB_MIN = 15 }; /* characters; a shorter blob cannot hold any value that is searched for */

/* One blob in a text. */
struct blob {
	enum blob_kind kind;
	size_t start, end; /* offsets in the text, end exclusive */
	size_t from;	   /* offset at which the first whole group begins */
	unsigned base;	   /* the base of the numbers; BLOB_CODES only */
	bool utf16;	   /* every other byte is zero (UTF-16), or three of four (UTF-32); zeros
			    * are dropped */
};

/* For each kind that may be wrapped: the lines of equal width that were examined last. A search
 * that begins at a later line of them does not examine the following lines again. Zero the array
 * for each text. */
struct blob_lines {
	size_t end, width;
	bool searched; /* no text was found in these lines */
};
enum { BLOB_WRAPPED = BLOB_HEX + 1 };

/* Looks for a blob in the run of base64 characters that begins at `at`. Returns true with *b
 * filled in if its beginning decodes to readable text. *end is set to where the search
 * continues. Call with ascending `at`. */
bool blob_find(struct span text, size_t at, struct blob *b,
	struct blob_lines lines[BLOB_WRAPPED], size_t *end);
/* Returns the end of the run of base64 characters at `at`, at least at + 1. */
size_t blob_run(struct span text, size_t at);
/* Returns true if the character may be in a blob, between its lines or at its end. */
bool blob_may_continue(char c);
/* Looks for a row of numbers in the given base that begins at `at` ("34 37 31", "0x34, 0x37",
 * "52,55,49") and decodes to text. *seen is set to the offset up to which numbers were examined. */
bool blob_codes(struct span text, size_t at, unsigned base, struct blob *b, size_t *seen);
/* Looks for a right-to-left override (U+202E) at `at`. The text after it, up to its end, is
 * displayed backwards, so *b is that text. */
bool blob_reversed(struct span text, size_t at, struct blob *b);

/* Looks for a dump of bytes that begins in the line at `at`, with the offset 0: of hexdump -C, xxd
 * or od -c. *b is the dump with its offsets and its column of characters. */
bool blob_dump(struct span text, size_t at, struct blob *b);

/* The state of decoding one blob. */
struct decoding {
	struct span text;
	struct blob b;
	size_t at, first; /* the next character, and the character at which the next byte begins */
	/* bits read that do not fill a byte yet, and their number */
	uint32_t bits;
	unsigned nbits;
	bool trying; /* in a trial that decides how the text continues after a line break */
};
void decode_begin(struct decoding *d, struct span text, const struct blob *b);
/* Decodes up to `room` bytes. where[i] is the offset in the text of the character that byte i
 * began with. Returns the number of bytes, 0 at the end. */
size_t decode_some(struct decoding *d, char *out, uint32_t *where, size_t room);

/* Returns true if the bytes read like text: at least seven eighths of them are printable, or all
 * if there are fewer than 48. */
bool decode_is_text(const char *p, size_t n);
/* Finds the next stretch of printable text in the n bytes from *at on, and moves *at past it.
 * Sets *start and *len. Returns false if no stretch is long enough. */
bool decode_stretch(const char *p, size_t n, size_t *at, size_t *start, size_t *len);

#endif
