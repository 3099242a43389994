/* How far inside its match a pattern's finding is, and its first digit. Not included
 * outside detect/. */
#ifndef DETECT_OFFSET_H
#define DETECT_OFFSET_H

#include "detect/prefilter/automaton.h"

enum { OFFSET_MAX = 4096 };
/* Bytes between the beginning of a match and that of its group `value`, at most; OFFSET_MAX
 * where it may be more. *plain: the same where no '<' is between them. NULL: the tree of a
 * pattern that is not understood. */
uint16_t pattern_value_offset(const struct regex_node *tree, uint16_t *plain);
/* Bytes from the beginning of any match up to its first digit, at most; 0 where it may have
 * none, or have it further on. */
uint16_t pattern_digit_offset(const struct regex_node *tree);

#endif
