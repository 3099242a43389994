/* Doubles as text. */
#ifndef POLICY_CEL_NUMBER_H
#define POLICY_CEL_NUMBER_H

#include "base/span.h"

#define CEL_DOUBLE_TEXT 32

/* Writes the shortest digits that read back as d: "NaN", "Infinity", "-Infinity", "1e+21";
 * integral values without a point ("1"). Returns the length. */
size_t cel_double_write(double d, char out[CEL_DOUBLE_TEXT]);
/* Parses a decimal number, "NaN" or "Infinity" (also Inf), with an optional sign; the whole
 * span. Returns false for any other text. */
bool cel_double_parse(struct span s, double *out);

#endif
