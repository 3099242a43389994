/* The responses of test_guard_calls.c, cut at each of their bytes. A program of its own,
 * because this takes minutes. */
#define CUT_ANYWHERE
#include "unit/test_guard_calls.c"
