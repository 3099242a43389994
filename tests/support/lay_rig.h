/* Runs `tollgate init` under a root of its own and reads the result. */
#ifndef SUPPORT_LAY_RIG_H
#define SUPPORT_LAY_RIG_H

#include "support/lay_files.h"

/* Returns the content of a file of the folder, valid until the third call after this one. */
char *whole(const char *name);

/* Asserts that the lines of the result that begin with these words occur once each, in this
 * order. */
void in_order(const char *text, const char *const *words, size_t n);

#endif
