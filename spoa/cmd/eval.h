/* Converts JSON to CEL values. Plain JSON has no distinction between int, uint and double.
 * Typed JSON, such as {"int":"1"} or {"list":[...]}, has one. */
#ifndef CMD_EVAL_H
#define CMD_EVAL_H

#include <jansson.h>

#include "policy/cel/cel.h"

/* Converts `j` to a value in the arena; strings are borrowed from `j`. If not `typed`,
 * numbers without a dot or exponent become int. Returns false with the reason in *why,
 * which the arena owns. */
bool eval_read(struct arena *a, json_t *j, bool typed, struct cel_value *out, const char **why);

#endif
