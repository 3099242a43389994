/* Words for digits, compiled in from policies/detectors/numerals.txt and sorted by the bytes of
 * the words. Constant. */
#ifndef SCAN_DETECT_DISGUISE_NUMERALS_H
#define SCAN_DETECT_DISGUISE_NUMERALS_H

#include <stddef.h>

extern const struct numeral {
	const char *word, *digits; /* "x", "xx": the next digit once or twice more */
} numerals[];
extern const size_t numerals_count;

#endif
