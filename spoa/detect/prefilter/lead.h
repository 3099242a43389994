/* How far inside its match a pattern's finding is, and its first digit. Not included
 * outside detect/. */
#ifndef DETECT_LEAD_H
#define DETECT_LEAD_H

#include "detect/prefilter/outline.h"

enum { LEAD_MAX = 4096, LEAD_UNKNOWN = 512 };
/* Bytes between the beginning of a match and that of its group `value`, at most;
 * LEAD_MAX where it may be more, 0 where all of the match is the finding. *plain: the
 * same where no '<' is between them. */
uint16_t pattern_lead(const char *regex, uint16_t *plain);
/* Bytes from the beginning of any match up to its first digit, at most; 0 where it may have
 * none, or have it further on. */
uint16_t pattern_digit(const struct outline_node *tree);

#endif
