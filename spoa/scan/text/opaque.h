/* What nobody can read in a text: data URIs that are no text, and long runs of base64,
 * base32 or hexadecimal that decode to none. It does not matter where the text is:
 * any dialect, a key, a form, a query. */
#ifndef SCAN_TEXT_OPAQUE_H
#define SCAN_TEXT_OPAQUE_H

#include "scan/text/body.h"

enum {
	OPAQUE_WHOLE = 1 << 10,	 /* digits of a run that is a whole string */
	OPAQUE_INSIDE = 4 << 10, /* of one inside prose and code */
	OPAQUE_FILE = 32,	 /* of a whole string that begins as a file does */
	OPAQUE_LEAST =
		6, /* bytes of a data URI: fewer than any file's first ones tell nothing */
	SEALED_LEAST = 64, /* digits of what a provider sealed */
};

struct opaque {
	size_t start, end; /* in the text */
	bool uri;	   /* a data URI */
	const char *kind;  /* "image", "audio", "video", "file" or "unknown" */
};

/* Opened over a text, gives its opaque runs in order; linear in the text. */
struct opaque_reader {
	struct span text;
	bool form; /* a blank may stand for + */
	bool json; /* a document: its strings are whole ones */
	unsigned depth;
	size_t at, colon, percent;
};
void opaque_open(struct opaque_reader *r, struct span text, bool form, unsigned depth);
bool opaque_next(struct opaque_reader *r, struct opaque *out);

/* The whole text is one run that decodes to no text, and is no file of a kind that has
 * a name: what a provider seals looks so. */
bool opaque_is_sealed(struct span text);
/* The text is base64 that does not decode to text. */
bool opaque_is_noise(struct span base64);

/* The kind of a file, by its first bytes or else its media type. */
const char *opaque_kind(struct span type, struct span bytes);
/* One more part, of so many bytes. 0, or ERR_NOMEM. */
int opaque_add(struct unread *u, struct arena *a, const struct media *m, size_t bytes);
/* The same of one of which no more is known than its kind. */
int opaque_note(struct unread *u, struct arena *a, const char *kind, size_t bytes);
/* Adds what the segments hold, except those of parts that were counted. `inspected`: bytes
 * of all segments, from which those that nobody read are taken. 0, or ERR_NOMEM. */
int opaque_count(const struct segment *v, size_t n, struct arena *a, struct unread *u,
	size_t *inspected);

#endif
