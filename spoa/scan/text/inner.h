/* JSON that is a text of its own: the arguments of a call that an agent sends back, a tool's
 * result, what a member of those holds as JSON again. It is scanned as what its escapes spell,
 * and what is put in place is escaped as it must be there. */
#ifndef SCAN_TEXT_INNER_H
#define SCAN_TEXT_INNER_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/codec/json_scan.h"
#include "base/span.h"

enum { INNER_LEVELS = 4 }; /* of JSON in one another; a deeper one is read as it stands */

/* Where it is read at which level. A view of the text. */
struct inner {
	struct span text;
	struct inner_change {
		size_t at; /* from here on */
		unsigned level;
	} * v;
	size_t n, room; /* n 0: it is no JSON */
};

/* JSON is what begins and ends with the brackets of an object or a list, or with quotes;
 * nothing else is asked of it, since tools take what is nearly JSON. `call`: it may be cut off.
 * 0, or ERR_NOMEM. */
int inner_open(struct inner *in, struct span text, bool call, struct arena *a);
/* Whether anything in it may be spelled otherwise than it reads. */
bool inner_escaped(struct span text);

/* Appends what text[from, to) spells. */
void inner_said(const struct inner *in, size_t from, size_t to, struct buf *out);

/* From offsets in what that spelled to those in the text. */
struct inner_cursor {
	const struct inner *in;
	size_t at, said; /* of the text, and of what it spells since it was opened */
	size_t next;	 /* of in->v */
	unsigned level;
};
struct inner_cursor inner_at(const struct inner *in, size_t at);
/* On to that offset: where what spells it begins, or after all that spells what is before it.
 * To be asked in rising order. */
size_t inner_start(struct inner_cursor *c, size_t said);
size_t inner_end(struct inner_cursor *c, size_t said);

/* Where in its strings an edit is. */
struct inner_place {
	struct inner_cursor c;
	struct json_scan scan; /* of the document at the cursor's level */
	size_t done; /* the end of the last edit */
};
struct inner_place inner_begin(const struct inner *in);
/* What is written in place of [*from, *to) of the text, so that JSON stays JSON: `with`,
 * escaped. A number that is no part of a string becomes a string: the edit grows to all of the
 * number, and its digits behind the old *to are left out. To be asked in rising order.
 * In the arena; p NULL: out of memory. */
struct span inner_with(
	struct inner_place *p, size_t *from, size_t *to, struct span with, struct arena *a);

#endif
