/* The shipped list of polite phrases, read once, for fuzz targets. */
#ifndef TESTS_COURTESY_SHIPPED_H
#define TESTS_COURTESY_SHIPPED_H

#include "base/err.h"
#include "policy/courtesy.h"

/* Returns the list, which is never freed. */
const struct courtesy *shipped_courtesy(void);

#endif
