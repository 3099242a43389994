/* How a placeholder may be spelled by who repeats it: <EMAIL_ADDRESS_1> in another case, with
 * blanks or hyphens for its underscores, with escapes of Markdown, HTML, JSON or URLs, with
 * emphasis inside its brackets. It keeps its brackets, in one spelling or the other: without
 * them email_address_1 is a name in somebody's program. Who redacts and who restores share
 * this: what would be restored is what counts as taken. */
#ifndef SCAN_TEXT_SPELLING_H
#define SCAN_TEXT_SPELLING_H

#include "base/buf.h"
#include "base/span.h"

enum {
	SPELLING_MOST = 512,	 /* raw bytes of a spelling; a longer one is none */
	SPELLING_NAME_MOST = 80, /* bytes of the name between the brackets */
};

/* What the text is: `level` times the inside of JSON strings in one another, or JSON in which
 * such strings are; 0: plain. A unit is a byte or an escape. Its raw bytes, and in *c the
 * ASCII character or byte that it spells, -1 for any other character; 0: more is needed. */
size_t spelling_unit(struct span in, unsigned level, int *c);

/* Whether a byte may begin a spelling: others can be passed over. */
extern const bool spelling_begins[256];

/* The names that count, letter by letter: what `node` becomes with c (A-Z, 0-9, _), 0 where no
 * name goes on so; 1 is the empty beginning. */
struct spelling_names {
	const void *of;
	uint32_t (*next)(const void *of, uint32_t node, char c);
	bool (*whole)(const void *of, uint32_t node, struct span name);
};

enum spelling_escape {
	ESCAPE_NONE,
	ESCAPE_HTML, /* it was spelled &lt;…&gt; */
	ESCAPE_JSON, /* \u003c…\u003e in the text itself */
	ESCAPE_URI,  /* %3C…%3E */
};

struct spelling {
	size_t raw; /* bytes */
	uint32_t node;
	enum spelling_escape escape; /* what else stands in its place needs */
	char name[SPELLING_NAME_MOST];
	size_t name_n;
};

/* A spelling at the very beginning of `in`, which is the beginning of a unit: 1, and *out;
 * 0: none; -1: it may be one, if more comes. `final`: nothing does, and -1 is never said. */
int spelling_at(struct span in, unsigned level, bool final, const struct spelling_names *names,
	struct spelling *out);

/* Appends a value as it must be written where the spelling was, `level` as above. */
void spelling_value(
	struct buf *out, struct span value, enum spelling_escape escape, unsigned level);

#endif
