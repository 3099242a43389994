/* URIs of which there is one spelling: what WHATWG's `new URL()` serialises, RFC 3986's normal
 * form (6.2.2: case, percent-encoding, dot segments) and the text itself are the same bytes. Of
 * any other a rule reads one thing and the server that is asked another. */
#ifndef BASE_CODEC_URI_NORMAL_H
#define BASE_CODEC_URI_NORMAL_H

#include "base/span.h"

enum { URI_TEMPLATE_BYTES = 8192 };

/* False also of what is no absolute URI, and of what the three read alike and file systems or
 * name servers do not: empty segments of file:, a name's last dot, escaped slashes next to
 * dots, Punycode in names of http: and the like (nobody here checks it). */
bool uri_is_normal(struct span text);
/* The same of a URI template (RFC 6570): an expression stands for letters. False of one over
 * URI_TEMPLATE_BYTES. */
bool uri_template_is_normal(struct span text);
/* http://host: normal, but for the slash that WHATWG writes after it. */
bool uri_lacks_slash(struct span text);

#endif
