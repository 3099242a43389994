/* Finds the quotations in a text: text between the quotation marks of any language, code in
 * backquotes, lines after '>'. The score examines the text around them. */
#ifndef SCAN_INJECT_INJECT_QUOTE_H
#define SCAN_INJECT_INJECT_QUOTE_H

#include <stdbool.h>

#include "base/span.h"

enum {
	QUOTE_MARKS = 20,
	QUOTE_MAX = 4096, /* bytes; a longer stretch is not a quotation */
};

/* The progress through a text. The caller owns both. */
struct inject_quotes {
	struct span text;
	size_t at;
	/* by mark: offset of the first closing mark at or after the last search */
	size_t closer[QUOTE_MARKS];
	size_t n; /* number of quotations so far */
};

void inject_quotes_begin(struct inject_quotes *q, struct span text);
/* Returns the next piece outside quotations, a view of the text, perhaps empty. Returns false
 * after the last. Time for all pieces is linear in the text. */
bool inject_quotes_outside(struct inject_quotes *q, struct span *piece);

#endif
