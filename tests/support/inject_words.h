/* The patterns or mentions that the words of a text match, whatever its score. */
#ifndef SUPPORT_INJECT_WORDS_H
#define SUPPORT_INJECT_WORDS_H

#include "scan/inject/inject_pattern.h"

/* Returns the bits of the patterns that match. */
uint64_t words_match(const struct inject_patterns *p, struct span text);

#endif
