/* The answers of test_guard_calls.c, cut at each of their bytes: minutes, and so apart. */
#define CUT_ANYWHERE
#include "unit/test_guard_calls.c"
