/* The shipped list of polite phrases, for tests. */
#ifndef TESTS_COURTESY_FIX_H
#define TESTS_COURTESY_FIX_H

#include "policy/courtesy.h"

extern struct arena courtesy_arena;
extern const struct courtesy *courtesy;

/* For cmocka: loads the list into `courtesy`. */
int courtesy_setup(void **state);

/* For cmocka: frees the list. */
int courtesy_teardown(void **state);

#endif
