/* A JSON number literal as the texts that it may stand for. */
#ifndef SCAN_TEXT_NUMBER_H
#define SCAN_TEXT_NUMBER_H

#include "base/arena.h"
#include "base/span.h"

/* Seven digits or more: shorter numbers are no text. */
bool number_is_long(struct span literal);
/* The literal where it is plain digits. A whole number in another spelling (41.11e2,
 * 4111.0) is its digits: what the receiver's parser makes of it. Where digits could be
 * read in more than one way, all of them follow with " or " between: the whole part, with
 * and without the exponent, and where `fractions` the digits without the point, those
 * after it, and both without the zeros at their end. *fraction: there are such digits.
 * p is NULL: no memory. */
struct span number_text(struct span literal, bool fractions, struct arena *a, bool *fraction);

#endif
