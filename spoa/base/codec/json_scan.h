/* Strings and brackets of JSON text whose bytes arrive in pieces (RFC 8259 sections 2 and 7).
 * This scanner checks no grammar: a closing bracket closes whichever bracket is innermost, and
 * text that is nearly JSON can be scanned too. If a whole document is available, use json.h. */
#ifndef BASE_CODEC_JSON_SCAN_H
#define BASE_CODEC_JSON_SCAN_H

#include <limits.h>

#include "base/span.h"

/* The position of the next byte. All members are 0 before the first byte. */
struct json_scan {
	unsigned depth; /* open brackets; at UINT_MAX, the count stays */
	bool string;	/* inside a string */
	bool escape;	/* after a backslash in a string */
};

/* The kind of the byte that was just read. */
enum json_byte {
	JSON_BYTE_PLAIN,     /* outside strings: neither quote nor bracket */
	JSON_BYTE_OPENS,     /* '{' or '[' */
	JSON_BYTE_CLOSES,    /* '}' or ']' of an open bracket */
	JSON_BYTE_STRAY,     /* '}' or ']' while no bracket is open; the depth stays 0 */
	JSON_BYTE_BEGINS,    /* the quote that begins a string */
	JSON_BYTE_TEXT,	     /* a byte of a string that spells itself */
	JSON_BYTE_BACKSLASH, /* the first byte of an escape in a string */
	JSON_BYTE_ESCAPED,   /* the byte after the backslash */
	JSON_BYTE_ENDS,	     /* the quote that ends a string */
};

static inline enum json_byte
json_scan_byte(struct json_scan *s, char c)
{
	if (s->escape) {
		s->escape = false;
		return JSON_BYTE_ESCAPED;
	}
	if (s->string) {
		s->escape = c == '\\';
		s->string = c != '"';
		return s->escape   ? JSON_BYTE_BACKSLASH
		       : s->string ? JSON_BYTE_TEXT
				   : JSON_BYTE_ENDS;
	}
	switch (c) {
	case '"': s->string = true; return JSON_BYTE_BEGINS;
	case '{':
	case '[': s->depth += s->depth < UINT_MAX; return JSON_BYTE_OPENS;
	case '}':
	case ']':
		if (!s->depth)
			return JSON_BYTE_STRAY;
		s->depth--;
		return JSON_BYTE_CLOSES;
	default: return JSON_BYTE_PLAIN;
	}
}

/* Returns the number of bytes up to and including the bracket that closes the outermost open
 * one, or 0 if `text` does not contain it. Then all of `text` has been scanned. */
static inline size_t
json_scan_close(struct json_scan *s, struct span text)
{
	for (size_t i = 0; i < text.n; i++)
		if (json_scan_byte(s, text.p[i]) == JSON_BYTE_CLOSES && !s->depth)
			return i + 1;
	return 0;
}

/* Scans all of `text`. */
static inline void
json_scan_all(struct json_scan *s, struct span text)
{
	for (size_t i = 0; i < text.n; i++)
		json_scan_byte(s, text.p[i]);
}

#endif
