/* "...".format([...]) of the strings extension. */
#ifndef CEL_FORMAT_H
#define CEL_FORMAT_H

#include "cel/eval.h"

/* v[0] the format, v[1] the list of arguments: a row of the function table. */
void cel_format(struct cel_ctx *c, const struct cel_value *v, size_t n, struct cel_value *out);

#endif
