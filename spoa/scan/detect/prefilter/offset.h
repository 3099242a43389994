/* How far inside its match a pattern has its first digit. Not included
 * outside detect/. */
#ifndef SCAN_DETECT_PREFILTER_OFFSET_H
#define SCAN_DETECT_PREFILTER_OFFSET_H

#include "scan/detect/prefilter/automaton.h"

enum { OFFSET_MAX = 4096 };
/* Bytes from the beginning of any match up to its first digit, at most; 0 where it may have
 * none, or have it further on. */
uint16_t pattern_digit_offset(const struct regex_node *tree);

#endif
