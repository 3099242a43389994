/* What of a text that goes on may be the beginning of something: the engine's part of it,
 * for stream/. Tokens are what separators part: after one, a word, a number or a key is
 * over. Not included outside detect/. */
#ifndef SCAN_DETECT_OPEN_H
#define SCAN_DETECT_OPEN_H

#include "scan/detect/detect.h"

/* Blanks " ( ) , ; > [ ] { | } */
bool open_separates(char c);

/* Scans `text`, which goes on, for whatever may be or become a candidate of the rules `r`;
 * opt->used is not looked at. The candidates are left in the scratch. *from: where, at `at` or
 * after, the first match begins that the end cuts off; text.n: none is. 0 or negative. */
int open_scan(const struct detect_rules *r, struct detect_scratch *s, struct span text,
	const struct detect_options *opt, size_t at, size_t *from);

/* Early reject: whether no pattern begins at `at` or after, up to *open, which is moved back
 * to where one could with what comes. For plain words in small letters, of which no other
 * stage makes anything. */
bool open_is_quiet(const struct detect_rules *r, struct detect_scratch *s,
	const struct detect_options *opt, struct span text, size_t at, size_t *open);

#endif
