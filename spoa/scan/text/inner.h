/* JSON inside a text: the arguments of a tool call that an agent sends back, a tool's result, or
 * a string member of those that contains JSON again. Such a text is scanned as what its escapes
 * spell, and a replacement is escaped as its place requires.
 *
 * Example: the text {"cmd":"echo \u0041"} is scanned as {"cmd":"echo A"}. */
#ifndef SCAN_TEXT_INNER_H
#define SCAN_TEXT_INNER_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/codec/json_scan.h"
#include "base/span.h"

enum { INNER_LEVELS = 4 }; /* levels of JSON inside JSON strings; deeper levels are read as they
			    * are written */

/* Which parts of a text are read at which level of JSON. Borrows the text; the array is in the
 * arena of inner_open(). */
struct inner {
	struct span text;
	struct inner_change {
		size_t at; /* byte offset from which `level` applies */
		unsigned level;
	} * v;
	size_t n, room; /* n 0: the text is no JSON */
};

/* Finds the JSON documents in the text. A text counts as JSON if it begins and ends with the
 * brackets of an object or list, or with quotes. Nothing else is required, because tools accept
 * text that is only nearly JSON. `call`: the text may be cut off, so the end is not checked.
 * Returns 0 or ERR_NOMEM. */
int inner_open(struct inner *in, struct span text, bool call, struct arena *a);
/* Returns true if the text contains a backslash, so that it may be spelled differently from what
 * it means. */
bool inner_escaped(struct span text);

/* Appends what text[from, to) spells to `out`. */
void inner_said(const struct inner *in, size_t from, size_t to, struct buf *out);

/* Converts offsets in the output of inner_said() into offsets in the text. The cursor only moves
 * forward. */
struct inner_cursor {
	const struct inner *in;
	/* offset in the text; number of spelled bytes that the cursor has passed since it was
	 * opened */
	size_t at, said;
	size_t next;	 /* index of the next change in in->v */
	unsigned level;
};
struct inner_cursor inner_at(const struct inner *in, size_t at);
/* Both move the cursor to the offset `said` of the spelled text and return an offset in the
 * text. inner_start() returns where the unit that spells the byte at `said` begins. inner_end()
 * returns the end of the unit that spells the byte before `said`. Ask in ascending order. */
size_t inner_start(struct inner_cursor *c, size_t said);
size_t inner_end(struct inner_cursor *c, size_t said);

/* The position of an edit in the strings of a document. */
struct inner_place {
	struct inner_cursor c;
	struct json_scan scan; /* JSON state of the document that contains the cursor */
	size_t done; /* end of the last edit, in bytes of the text */
};
struct inner_place inner_begin(const struct inner *in);
/* Returns the text to write in place of [*from, *to), so that JSON stays valid: `with`, escaped.
 * A number outside a string becomes a string: the edit is extended to the whole number, and the
 * digits after the original *to are dropped. Ask in ascending order. The result is in the arena;
 * p is NULL if memory is exhausted. */
struct span inner_with(
	struct inner_place *p, size_t *from, size_t *to, struct span with, struct arena *a);

#endif
