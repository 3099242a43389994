/* Checks that a URI has only one spelling: the text, its serialization by WHATWG's `new URL()`
 * and its normal form by RFC 3986 (6.2.2: case, percent-encoding, dot segments) are the same
 * bytes. For any other URI, a rule could read something else than the server that gets the
 * request. */
#ifndef BASE_CODEC_URI_NORMAL_H
#define BASE_CODEC_URI_NORMAL_H

#include "base/span.h"

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
