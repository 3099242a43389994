/* Percent encoding (RFC 3986 section 2) and application/x-www-form-urlencoded
 * (WHATWG URL section 5). */
#ifndef BASE_CODEC_URI_H
#define BASE_CODEC_URI_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/span.h"

/* ALPHA / DIGIT / "-" / "." / "_" / "~" */
bool uri_unreserved(char c);
/* Returns the byte that the escape at p stands for, or -1 if there is no whole escape. */
int uri_escape_at(const char *p, const char *end);
/* Decodes all escapes once; anything else stays. The result is in the arena (p NULL: out of
 * memory). */
struct span uri_unescape(struct span s, struct arena *a);
/* Decodes %XX and, with `plus`, "+" as a space. *out is a view of `in` if nothing is escaped,
 * otherwise a copy in the arena. Returns 0, ERR_SYNTAX (a broken escape), ERR_ENCODING (the
 * result is not UTF-8) or ERR_NOMEM. */
int uri_decode(struct span in, bool plus, struct arena *a, struct span *out);
/* Appends `in` with all but unreserved characters escaped. With `plus`, a space becomes "+". */
void uri_encode(struct buf *out, struct span in, bool plus);

/* Reads the next pair of a form or query. Returns false at the end. Empty pairs ("a=1&&b=2") are
 * skipped. `has_value`: the pair has a "=". */
struct uri_pair {
	struct span name, value; /* not decoded */
	bool has_value;
};
bool uri_pair_next(struct span *rest, struct uri_pair *pair);

#endif
