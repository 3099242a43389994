/* Percent encoding (RFC 3986 section 2), application/x-www-form-urlencoded (WHATWG URL
 * section 5), and the check that a URI has only one spelling. */
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

/* ---- normal URIs ---- */

/* Checks that a URI has only one spelling: the text, its serialization by WHATWG's `new URL()`
 * and its normal form by RFC 3986 (6.2.2: case, percent-encoding, dot segments) are the same
 * bytes. For any other URI, a rule could read something else than the server that gets the
 * request. */

enum { URI_TEMPLATE_BYTES = 8192 };

/* Returns true if the absolute URI is normal. Returns false also for URIs (prose: ok long) that
 * all three read alike, but file systems or name servers may not: empty segments in file:, a
 * final dot in a name, escaped slashes next to dots, and Punycode in host names of http: and
 * similar schemes, which is not checked here. */
bool uri_is_normal(struct span text);
/* As uri_is_normal(), for a URI template (RFC 6570): an expression counts as letters. Returns
 * false for more than URI_TEMPLATE_BYTES. */
bool uri_template_is_normal(struct span text);
/* Returns true for a URI such as http://host that is normal except for the slash that WHATWG
 * writes after it. */
bool uri_lacks_slash(struct span text);

#endif
