/* What a text quotes: stretches between quotation marks of any language, code in back-quotes,
 * lines after '>'. The injection score asks what a text says around them. */
#ifndef SCAN_INJECT_INJECT_QUOTE_H
#define SCAN_INJECT_INJECT_QUOTE_H

#include <stdbool.h>

#include "base/span.h"

enum {
	QUOTE_MARKS = 20,
	QUOTE_MAX = 4096, /* bytes; a longer stretch is no quotation */
};

struct inject_quotes {
	struct span text;
	size_t at;
	size_t closer[QUOTE_MARKS]; /* by mark: the first at or after where it was looked for
				     */
	size_t n;		    /* quotations passed */
};

void inject_quotes_begin(struct inject_quotes *q, struct span text);
/* The next piece outside quotations, a view of the text, perhaps empty; false: there is none.
 * All pieces of a text together take time linear in it. */
bool inject_quotes_outside(struct inject_quotes *q, struct span *piece);

#endif
