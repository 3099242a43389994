/* The distance of a pattern's first digit from the beginning of a match. Private to detect/. */
#ifndef SCAN_DETECT_PREFILTER_OFFSET_H
#define SCAN_DETECT_PREFILTER_OFFSET_H

#include "scan/detect/prefilter/automaton.h"

enum { OFFSET_MAX = 4096 };
/* Returns the maximum number of bytes from the beginning of a match up to and including its
 * first digit. 0: some match has no digit, or has it beyond OFFSET_MAX. */
uint16_t pattern_digit_offset(const struct regex_node *tree);

#endif
