/* Values of CEL as JSON: plain, or typed as {"int":"1"}, {"list":[…]}, so that int,
 * uint and double are told apart. */
#ifndef CMD_EVAL_H
#define CMD_EVAL_H

#include <jansson.h>

#include "policy/cel/cel.h"

/* The value of `j`, in the arena; strings stay in `j`. Plain numbers without a dot or
 * exponent are int. False with *why, in the arena. */
bool eval_read(struct arena *a, json_t *j, bool typed, struct cel_value *out, const char **why);

#endif
