/* One escaped character, in the notations that prompts carry: backslashes of JSON, C,
 * Python and Markdown, percent (RFC 3986), HTML character references, quoted-printable
 * (RFC 2045). However often one notation is applied to itself (%252540, &amp;amp;#64;,
 * \\\\u0040), it is undone at once. */
#ifndef SCAN_DETECT_DISGUISE_UNESCAPE_H
#define SCAN_DETECT_DISGUISE_UNESCAPE_H

#include "base/span.h"

struct unescaped {
	size_t end; /* of the escape in the text; 0: none begins here */
	size_t n;   /* bytes it stands for; 0: nothing (a soft line break) */
	char c[4];
	bool common; /* as any JSON string inside another has it: nobody hides with it */
};

/* What begins at text.p[at], one of \ % & = ^ */
struct unescaped unescape(struct span text, size_t at);

#endif
