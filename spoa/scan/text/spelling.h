/* Recognizes a placeholder in the spellings in which models and callers repeat it:
 * <EMAIL_ADDRESS_1> in other letter case, with spaces or hyphens for its underscores, with
 * escapes of Markdown, HTML, JSON or URLs, or with emphasis inside its brackets. The brackets
 * are required, in some spelling: without them email_address_1 may be a name in a program.
 * Redaction and restoration share this file, so a text that would be restored also counts as
 * taken. */
#ifndef SCAN_TEXT_SPELLING_H
#define SCAN_TEXT_SPELLING_H

#include "base/buf.h"
#include "base/span.h"

enum {
	SPELLING_MOST = 512,	 /* raw bytes of a spelling; a longer text is no placeholder */
	SPELLING_NAME_MOST = 80, /* bytes of the name between the brackets */
};

/* Reads one unit, a byte or an escape, at the beginning of `in`. `level` is how many JSON
 * strings the text is nested in (0: plain text). Returns the unit's raw bytes and sets *c to the
 * byte that it spells, or to a negative number for any other character. Returns 0 if more input
 * is needed. */
size_t spelling_unit(struct span in, unsigned level, int *c);

/* True for each byte that may begin a spelling; all others can be skipped. */
extern const bool spelling_begins[256];

/* The names that are accepted, as an automaton. next() returns the state after character c (A-Z,
 * 0-9, _), or 0 if no name continues so; 1 is the start. whole() returns true if the name is
 * complete. */
struct spelling_names {
	const void *of;
	uint32_t (*next)(const void *of, uint32_t node, char c);
	bool (*whole)(const void *of, uint32_t node, struct span name);
};

enum spelling_escape {
	ESCAPE_NONE,
	ESCAPE_HTML, /* spelled &lt;…&gt; */
	ESCAPE_JSON, /* spelled \u003c…\u003e in the text itself */
	ESCAPE_URI,  /* spelled %3C…%3E */
};

/* One spelling that was found. */
struct spelling {
	size_t raw; /* its length in bytes */
	/* the automaton's state after the name */
	uint32_t node;
	enum spelling_escape escape; /* how a text in its place must be escaped */
	/* the name in upper case with underscores, without brackets */
	char name[SPELLING_NAME_MOST];
	size_t name_n;
};

/* Looks for a spelling at the beginning of `in`, which must be the beginning of a unit. Returns
 * 1 with *out filled in, 0 if there is none, or -1 if there may be one after more input.
 * `final`: no more input follows, and -1 is never returned. */
int spelling_at(struct span in, unsigned level, bool final, const struct spelling_names *names,
	struct spelling *out);

/* Appends a value as it must be written in place of the spelling. `level` as in spelling_unit(). */
void spelling_value(
	struct buf *out, struct span value, enum spelling_escape escape, unsigned level);

#endif
