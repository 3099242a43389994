/* The shipped list of polite phrases, for tests. */
#ifndef TESTS_COURTESY_FIX_H
#define TESTS_COURTESY_FIX_H

#include "policy/courtesy.h"

extern struct arena courtesy_arena;
extern const struct courtesy *courtesy;

int courtesy_setup(void **state);

int courtesy_teardown(void **state);

#endif
