/* Finds uninspectable content in a text: data URIs that hold no text, and long runs of base64,
 * base32 or hexadecimal that do not decode to text. The text may come from any dialect, a key, a
 * form or a query. */
#ifndef SCAN_TEXT_OPAQUE_H
#define SCAN_TEXT_OPAQUE_H

#include "scan/text/body.h"

enum {
	OPAQUE_WHOLE = 1 << 10,	 /* digits of a run that is a whole string */
	OPAQUE_INSIDE = 4 << 10, /* digits of a run inside prose or code */
	OPAQUE_FILE = 32,	 /* digits of a whole string that begins with the signature of a
				  * file */
	OPAQUE_LEAST =
		6, /* bytes of a data URI; fewer bytes than the shortest file signature prove
		    * nothing */
};

/* A run of base64, base32 or hexadecimal digits. It may be written as MIME, PEM, URLs, JSON and
 * source code write it: in either base64 alphabet, with or without padding, in lines, with
 * percent and backslash escapes, or in pieces between quotes. */
struct blob_run {
	size_t start, end; /* byte offsets in the text, end exclusive; padding is included */
	/* digits in the run, padding included; 0: no digit is at the place */
	size_t digits;
	unsigned in;	/* the only possible encoding: IN64, IN32 or IN16; 0: none */
	unsigned any;	/* IN_… classes that at least one digit has */
	unsigned blanks; /* in a form: spaces that stand for + */
};

/* Returns the run that begins at `at`; its `digits` is 0 if there is none. All lines after the
 * first have the same length, as encoders write them, except for the last line. `form`: the text
 * is a form, in which a space may be a + that was not escaped. */
struct blob_run blob_run_at(struct span text, size_t at, bool form);
/* Decodes the first bytes of the run, at most `room`, into `out`. Returns their number. */
size_t blob_head(struct span text, const struct blob_run *r, bool form, char *out, size_t room);
/* Returns true if every other byte is mostly zero, as in UTF-16 of ASCII characters. */
bool blob_is_utf16(struct span s);

/* One uninspectable run. `kind` is a constant. */
struct opaque {
	size_t start, end; /* byte offsets in the text, end exclusive */
	bool uri;	   /* the run is a data URI */
	const char *kind;  /* "image", "audio", "video", "file" or "unknown" */
};

/* Returns the opaque runs of a text in order. The time is linear in the length of the text. The
 * reader borrows the text and needs no cleanup. */
struct opaque_reader {
	struct span text;
	bool form; /* the text is a form: a space may stand for + */
	bool json; /* the text is a JSON document: its strings are whole strings */
	/* number of encodings around the text */
	unsigned depth;
	/* the position, and the places of the next possible data URIs: "data:" and "data%3A" */
	size_t at, colon, percent;
};
void opaque_open(struct opaque_reader *r, struct span text, bool form, unsigned depth);
bool opaque_next(struct opaque_reader *r, struct opaque *out);

/* Returns true if the whole text is one run of SEALED_LEAST digits of base64 or more, does not
 * decode to text and has no known file signature (scan/text/sealed.h). */
bool opaque_is_random(struct span text);
/* Returns true if the text is base64 that does not decode to text, or no base64 at all. */
bool opaque_is_noise(struct span base64);

/* Returns the kind of a file by its first bytes, or by its media type if they are unknown. */
const char *opaque_kind(struct span type, struct span bytes);
/* Adds a part of so many bytes. Returns 0 or ERR_NOMEM. */
int opaque_add(struct unread *u, struct arena *a, const struct media *m, size_t bytes);
/* Adds a part of which only the kind and size are known. Returns 0 or ERR_NOMEM. */
int opaque_note(struct unread *u, struct arena *a, const char *kind, size_t bytes);
/* Adds the uninspectable content of the segments, except in parts that were counted already, and
 * sets segment.random.
 * `inspected` is the sum of all segments' bytes; the uninspected bytes are subtracted from it.
 * Returns 0 or ERR_NOMEM. */
int opaque_count(struct segment *v, size_t n, struct arena *a, struct unread *u,
	size_t *inspected);

#endif
