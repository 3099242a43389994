/* This program as it was built: its commit, and the id that the linker gave to it. */
#ifndef BASE_PROGRAM_H
#define BASE_PROGRAM_H

#include <stddef.h>

/* The abbreviated commit, with "+changed" if the tree was changed, or "unknown". */
const char *program_commit(void);
enum { PROGRAM_BUILD_ID = 64 + 1 };
/* The GNU build id in hexadecimal digits, "" if the program was linked without one. Returns
 * `out`. */
const char *program_build_id(char out[PROGRAM_BUILD_ID]);

#endif
