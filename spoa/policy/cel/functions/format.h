/* "...".format([...]) of the strings extension. */
#ifndef POLICY_CEL_FUNCTIONS_FORMAT_H
#define POLICY_CEL_FUNCTIONS_FORMAT_H

#include "policy/cel/fn.h"

/* v[0] the format, v[1] the list of arguments: a row of the function table. */
void cel_format(CEL_ARGS);

#endif
