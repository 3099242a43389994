/* Percent encoding (RFC 3986 section 2) and application/x-www-form-urlencoded
 * (WHATWG URL section 5). */
#ifndef BASE_CODEC_URI_H
#define BASE_CODEC_URI_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/span.h"

/* ALPHA / DIGIT / "-" / "." / "_" / "~" */
bool uri_unreserved(char c);
/* The byte that the escape at p spells, -1 where there is no whole one. */
int uri_escape_at(const char *p, const char *end);
/* Its escapes undone, once; what is none stays. In the arena; p NULL: out of memory. */
struct span uri_unescape(struct span s, struct arena *a);
/* Decodes %XX and, with `plus`, "+" as a space. A view of `in` where nothing is
 * escaped, else a copy in the arena. 0, ERR_SYNTAX (a broken escape),
 * ERR_ENCODING (the result is not UTF-8), ERR_NOMEM. */
int uri_decode(struct span in, bool plus, struct arena *a, struct span *out);
/* Appends `in`, everything but unreserved characters escaped; with `plus` a
 * space becomes "+". */
void uri_encode(struct buf *out, struct span in, bool plus);

/* The next pair of a form or query: false at the end (*rest empty with p NULL).
 * Empty pairs ("a=1&&b=2") are passed over. `has_value`: an = is there. */
struct uri_pair {
	struct span name, value; /* raw */
	bool has_value;
};
bool uri_pair_next(struct span *rest, struct uri_pair *pair);

#endif
