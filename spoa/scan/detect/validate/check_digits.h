/* Numbers whose rule is a row of check_digits.c: digits, ranges, a date, sums. */
#ifndef SCAN_DETECT_VALIDATE_CHECK_DIGITS_H
#define SCAN_DETECT_VALIDATE_CHECK_DIGITS_H

#include "scan/detect/validate/check.h"

/* The i-th row; NULL after the last. Rows in a row may share a name: the first whose number
 * of digits is the candidate's counts. */
const struct check *check_digits_row(size_t i);
enum check_result check_digits(const struct check *row, const struct candidate *c);

#endif
