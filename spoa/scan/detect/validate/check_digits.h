/* Numbers whose rule is a row of check_digits.c: digits, ranges, a date, sums. */
#ifndef SCAN_DETECT_VALIDATE_CHECK_DIGITS_H
#define SCAN_DETECT_VALIDATE_CHECK_DIGITS_H

#include "scan/detect/validate/check.h"

/* Returns the i-th row, or NULL after the last. Adjacent rows may share a name: the first row
 * with the candidate's number of digits decides. */
const struct check *check_digits_row(size_t i);
enum check_result check_digits(const struct check *row, const struct candidate *c);

#endif
