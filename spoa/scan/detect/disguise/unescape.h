/* Resolves one escaped character in the notations that prompts contain: backslashes of JSON, C,
 * Python and Markdown, percent encoding (RFC 3986), HTML character references, and
 * quoted-printable (RFC 2045). If a notation was applied to its own result several times
 * (%252540, &amp;amp;#64;, \\\\u0040), all applications are resolved at once. */
#ifndef SCAN_DETECT_DISGUISE_UNESCAPE_H
#define SCAN_DETECT_DISGUISE_UNESCAPE_H

#include "base/span.h"

/* The result for one escape. */
struct unescaped {
	size_t end; /* end of the escape in the text; 0: no escape begins here */
	size_t n;   /* bytes in c; 0: the escape stands for nothing (a soft line break) */
	char c[4];
	bool common; /* a common escape of JSON strings inside strings, which hides nothing */
};

/* Resolves the escape that begins at text.p[at], which is one of \ % & = ^ */
struct unescaped unescape(struct span text, size_t at);

#endif
